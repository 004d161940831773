//! Which variables an expression may use, by the place where it stands.
//!
//! The specification's table says it for its own variables; those that a document names (`for.each`,
//! `for.at`, `catch.as`, `listen.foreach.item` and `at`) exist in what stands inside, as in a
//! programming language.

use std::sync::Arc;

use super::reader::shared;

/// A place in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `input.from` and `timeout` of the workflow.
    WorkflowInput,
    /// `output.as` of the workflow.
    WorkflowOutput,
    /// `if` and `input.from` of a task, and `when` of an extension.
    Input,
    /// What a task does.
    Definition,
    /// `output.as` of a task.
    Output,
    /// `export.as` of a task.
    Export,
}

/// The variables of the specification.
pub(super) const VARIABLES: [&str; 8] =
    ["context", "input", "output", "secrets", "authorization", "task", "workflow", "runtime"];

impl Place {
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::WorkflowInput => &["secrets", "workflow", "runtime"],
            Self::WorkflowOutput => &["context", "secrets", "workflow", "runtime"],
            Self::Input => &["context", "secrets", "task", "workflow", "runtime"],
            Self::Definition | Self::Output => {
                &["context", "input", "secrets", "authorization", "task", "workflow", "runtime"]
            }
            Self::Export => &VARIABLES,
        }
    }
}

/// The variables that the document itself names around a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    names: Vec<Arc<str>>,
}

impl Scope {
    /// With more variables.
    pub(super) fn with<const N: usize>(&self, names: [&str; N]) -> Self {
        let mut all = self.names.clone();
        for name in names {
            if !all.iter().any(|it| **it == *name) {
                all.push(shared(name));
            }
        }
        Self { names: all }
    }

    /// All variables at a place.
    pub(super) fn at(&self, place: Place) -> Vec<Arc<str>> {
        let own =
            place.variables().iter().filter(|own| !self.names.iter().any(|it| **it == ***own));
        self.names.iter().cloned().chain(own.map(|name| shared(name))).collect()
    }
}

/// The secrets that an expression names: `$secrets.name`, `$secrets["name"]`, `$secrets."name"`.
/// What stands in a text of jq is left out, but for its interpolations.
pub(super) fn secrets(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    // For each open interpolation the parentheses in it; an open text has none.
    let mut open: Vec<Option<usize>> = vec![Some(0)];
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        match (first, open.last().copied().flatten()) {
            ('\\', None) if rest.starts_with("\\(") => {
                open.push(Some(0));
                taken = 2;
            }
            ('\\', None) => taken += rest[1..].chars().next().map_or(0, char::len_utf8),
            ('"', None) => drop(open.pop()),
            ('"', Some(_)) => open.push(None),
            ('#', Some(_)) => taken = rest.find('\n').unwrap_or(rest.len()),
            ('(', Some(depth)) => set(&mut open, depth + 1),
            (')', Some(0)) if open.len() > 1 => drop(open.pop()),
            (')', Some(depth)) => set(&mut open, depth.saturating_sub(1)),
            ('$', Some(_)) => {
                if let Some(after) = rest.strip_prefix("$secrets") {
                    found.extend(member(after));
                }
            }
            _ => {}
        }
        rest = &rest[taken..];
    }
    found
}

fn set(open: &mut [Option<usize>], depth: usize) {
    if let Some(last) = open.last_mut() {
        *last = Some(depth);
    }
}

/// The name that follows a variable.
fn member(after: &str) -> Option<String> {
    let after = after.trim_start();
    let quoted = after.strip_prefix('[').or_else(|| after.strip_prefix('.'))?.trim_start();
    if let Some(text) = quoted.strip_prefix('"') {
        let (name, _) = text.split_once('"')?;
        return (!name.contains('\\')).then(|| name.to_owned());
    }
    let name = after.strip_prefix('.')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = &name[..name.find(|c| !is_part(c)).unwrap_or(name.len())];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_where_they_are_used() {
        let found = |code| secrets(code).join(" ");
        assert_eq!(found("$secrets.a + $secrets[\"b-c\"] + $secrets.\"d\""), "a b-c d");
        assert_eq!(
            found(r#""Bearer \($secrets.token) and $secrets.no \"\($secrets.x)""#),
            "token x"
        );
        assert_eq!(found("\"$secrets.no\" # $secrets.no\n, $secrets . yes"), "");
        assert_eq!(found("$secrets | .a, $secretsX.b, .secrets.c, $secrets[.x]"), "");
        assert_eq!(found("((\"\\((1))\" )) | $secrets.z )) \" \\"), "z");
    }

    #[test]
    fn an_inner_name_hides_an_outer_one() {
        let scope = Scope::default().with(["item", "task"]).with(["item", "i"]);
        let names = scope.at(Place::Input);
        let names: Vec<_> = names.iter().map(|it| &**it).collect();
        assert_eq!(names, ["item", "task", "i", "context", "secrets", "workflow", "runtime"]);
    }
}
