//! Which resources a command is about: `workload web db`, `workload/web node/a`.

use tessera_types::{KindName, Name, ResourceKey};

use crate::failure::Failure;

/// The resources of one kind that a command names; all of the kind when it names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: KindName,
    pub(crate) names: Vec<Name>,
}

impl Target {
    /// The keys that are named, in `namespace` where the kind has namespaces.
    pub(crate) fn keys(&self, namespace: &Name) -> Vec<ResourceKey> {
        let key = |name: &Name| ResourceKey::new(self.kind, Some(namespace.clone()), name.clone());
        self.names.iter().map(key).collect()
    }
}

/// Reads `KIND [NAME…]`, `KIND,KIND` or `KIND/NAME…`.
///
/// # Errors
/// [`Failure::Usage`] when a word is no kind or no name, or the forms are mixed.
pub(crate) fn parse(words: &[String]) -> Result<Vec<Target>, Failure> {
    let Some((first, rest)) = words.split_first() else { return Ok(Vec::new()) };
    if first.contains('/') {
        return grouped(words);
    }
    if let Some(word) = rest.iter().find(|word| word.contains('/')) {
        return Err(Failure::usage(format!(
            "`{word}` names its kind again: write either KIND NAME or KIND/NAME"
        )));
    }
    let names = rest.iter().map(|word| name(word)).collect::<Result<Vec<_>, _>>()?;
    let kinds = first.split(',').map(kind).collect::<Result<Vec<_>, _>>()?;
    Ok(kinds.into_iter().map(|kind| Target { kind, names: names.clone() }).collect())
}

/// `KIND/NAME` words, with the names of one kind together.
fn grouped(words: &[String]) -> Result<Vec<Target>, Failure> {
    let mut targets: Vec<Target> = Vec::new();
    for word in words {
        let Some((kind_word, name_word)) = word.split_once('/') else {
            return Err(Failure::usage(format!(
                "`{word}` lacks its kind: write either KIND NAME or KIND/NAME"
            )));
        };
        let (kind, name) = (kind(kind_word)?, name(name_word)?);
        match targets.iter_mut().find(|target| target.kind == kind) {
            Some(target) => target.names.push(name),
            None => targets.push(Target { kind, names: vec![name] }),
        }
    }
    Ok(targets)
}

/// Exactly one resource: `KIND NAME` or `KIND/NAME`.
///
/// # Errors
/// [`Failure::Usage`] when the words name none or several.
pub(crate) fn one(words: &[String], namespace: &Name) -> Result<ResourceKey, Failure> {
    let keys: Vec<_> = parse(words)?.iter().flat_map(|target| target.keys(namespace)).collect();
    match <[ResourceKey; 1]>::try_from(keys) {
        Ok([key]) => Ok(key),
        Err(keys) if keys.is_empty() => Err(Failure::usage("the name is missing: write KIND NAME")),
        Err(keys) => {
            Err(Failure::usage(format!("one resource at a time, these are {}", keys.len())))
        }
    }
}

/// The name in `NAME` or `KIND/NAME`, which must be of `kind`.
///
/// # Errors
/// [`Failure::Usage`] when it is not.
pub(crate) fn name_of(kind: KindName, word: &str) -> Result<Name, Failure> {
    let Some((kind_word, name_word)) = word.split_once('/') else { return name(word) };
    if self::kind(kind_word)? == kind {
        return name(name_word);
    }
    Err(Failure::usage(format!("this is for {}, and `{word}` is none", kind.plural())))
}

fn kind(word: &str) -> Result<KindName, Failure> {
    word.parse::<KindName>().map_err(|error| Failure::usage(error.to_string()))
}

fn name(word: &str) -> Result<Name, Failure> {
    Name::new(word).map_err(|error| Failure::usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Vec<(KindName, Vec<String>)>, String> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let targets = parse(&words).map_err(|failure| failure.to_string())?;
        let plain =
            |target: Target| (target.kind, target.names.iter().map(ToString::to_string).collect());
        Ok(targets.into_iter().map(plain).collect())
    }

    #[test]
    fn both_forms_are_read() {
        use KindName::{Node, Workload};
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(parsed("workloads"), Ok(vec![(Workload, vec![])]));
        assert_eq!(parsed("wl web db"), Ok(vec![(Workload, names(&["web", "db"]))]));
        assert_eq!(parsed("nodes,wl"), Ok(vec![(Node, vec![]), (Workload, vec![])]));
        assert_eq!(
            parsed("workload/web node/a wl/db"),
            Ok(vec![(Workload, names(&["web", "db"])), (Node, names(&["a"]))])
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("worklods", "did you mean `workloads`?"),
            ("workload Web", "`Web` is not a name"),
            ("workload node/a", "names its kind again"),
            ("node/a web", "lacks its kind"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
