//! Manifests: from files, folders and standard input to what is declared.
//!
//! The one idea: everything is read and checked before anything is sent, and all
//! problems are reported together, each with its file, line and column.

mod document;
mod files;
mod tenants;

use std::collections::BTreeMap;

use tessera_manifest::{Limits, Problem, Source, read as read_source};
use tessera_types::{Name, ResourceKey};

pub use files::Sources;
pub use tenants::warnings;

use crate::failure::Failure;

/// One resource that a manifest declares.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// What it is called, its namespace included.
    pub key: ResourceKey,
    /// The manifest as the API takes it.
    pub manifest: serde_json::Value,
    /// Where it begins, as `file:line:column`.
    pub at: String,
}

/// Which namespace manifests are in.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// That of manifests that name none.
    pub name: Name,
    /// Whether a manifest that names another is a mistake.
    pub is_required: bool,
}

impl Default for Namespace {
    fn default() -> Self {
        Self { name: Name::default_namespace(), is_required: false }
    }
}

/// Reads all that `sources` declare, in their order.
///
/// # Errors
/// [`Failure::Usage`] when a file cannot be read, [`Failure::Manifests`] with all
/// that is wrong in those that can.
pub fn read(sources: &Sources, namespace: &Namespace) -> Result<Vec<Declaration>, Failure> {
    let (mut declarations, mut problems) = (Vec::new(), Vec::new());
    for (source, format) in sources.load()? {
        let declared = read_source(source, format, &Limits::default(), |document| {
            let declaration = document::declaration(document, namespace)?;
            Ok((declaration, document.clone()))
        });
        match declared {
            Ok(declared) => declarations.extend(declared),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(repeated(&declarations));
    if problems.is_empty() {
        return Ok(declarations.into_iter().map(|(declaration, _)| declaration).collect());
    }
    Err(Failure::Manifests(problems))
}

/// A problem for each declaration of what was declared already: which of them
/// counts would depend on the order of files.
fn repeated(declarations: &[(Declaration, tessera_manifest::Document)]) -> Vec<Problem> {
    let mut first = BTreeMap::new();
    let mut problems = Vec::new();
    for (declaration, document) in declarations {
        if let Some(earlier) = first.get(&declaration.key) {
            let message = format!("{} is declared twice", declaration.key);
            let hint = format!("the first time at {earlier}");
            problems.push(document.problem("name", "declared_twice", message, Some(hint)));
        } else {
            first.insert(declaration.key.clone(), declaration.at.clone());
        }
    }
    problems
}

/// A problem with a source as a whole.
fn problem_of_source(source: &Source, message: &str, hint: &str) -> Problem {
    Problem {
        code: "unreadable".into(),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
        source_name: source.name.clone(),
        line: 1,
        column: 1,
        path: String::new(),
        excerpt: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read_files(files: &[(&str, &str)]) -> Result<Vec<Declaration>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let sources = Sources { paths: vec![folder.path().to_owned()], recursive: false };
        read(&sources, &Namespace::default())
    }

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let Err(Failure::Manifests(problems)) = read_files(files) else {
            panic!("{files:?} is read")
        };
        problems
            .iter()
            .map(|problem| {
                let file = problem.source_name.rsplit('/').next().unwrap_or_default();
                format!("{file}:{}:{}: {}", problem.line, problem.column, problem.message)
            })
            .collect()
    }

    #[test]
    fn kinds_and_namespaces_have_defaults() {
        let declared = read_files(&[
            ("a.json", r#"{"name":"web","spec":{"command":"/bin/sleep","args":["3600"]}}"#),
            ("b.yaml", "kind: Node\nname: node-a\nlabels: {zone: a}\nspec: {}\n---\nname: x\nnamespace: lab\nspec: {command: y}\n"),
            ("c.toml", "name = \"z\"\n[spec]\nimage = \"nginx\"\n"),
        ])
        .unwrap();
        let keys: Vec<_> = declared.iter().map(|declaration| declaration.key.to_string()).collect();
        assert_eq!(
            keys,
            ["workload/default/web", "node/node-a", "workload/lab/x", "workload/default/z"]
        );
        assert_eq!(declared[0].manifest["kind"], "Workload");
        assert_eq!(declared[0].manifest["namespace"], "default");
        assert!(declared[2].at.ends_with("b.yaml:6:1"), "{}", declared[2].at);
    }

    #[test]
    fn the_problems_of_all_files_come_together() {
        let found = problems(&[
            ("a.yaml", "name: web\nspec:\n  comand: x\n"),
            ("b.yaml", "name: Web\nspec: {command: x, ports: [{port: 0}]}\n"),
            ("c.yaml", "name: web\nspec: {}\nkind: Worklod\n"),
            ("d.yaml", "name: ok\nspec: {command: x, ports: [{port: 0}]}\n"),
        ]);
        assert!(found[0].starts_with("a.yaml:3:3: unknown field `comand`"), "{found:#?}");
        assert!(
            found.iter().any(|line| line.starts_with("b.yaml:1:7: `Web` is not a name")),
            "{found:#?}"
        );
        assert!(
            found.iter().any(|line| line.starts_with("c.yaml:3:7: there is no kind `Worklod`")),
            "{found:#?}"
        );
        assert!(
            found.iter().any(|line| line == "d.yaml:2:35: a port is from 1 to 65535"),
            "{found:#?}"
        );
    }

    #[test]
    fn declaring_a_resource_twice_is_a_mistake() {
        let found = problems(&[
            ("a.yaml", "name: web\nspec: {command: x}\n"),
            ("b.yaml", "name: web\nnamespace: default\nspec: {command: y}\n"),
        ]);
        assert_eq!(found, ["b.yaml:1:7: workload/default/web is declared twice"]);
    }

    #[test]
    fn another_namespace_than_the_required_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "name: web\nnamespace: lab\nspec: {command: x}\n").unwrap();
        let sources = Sources { paths: vec![file], recursive: false };
        let required = Namespace { name: "prod".parse().unwrap(), is_required: true };
        let Err(Failure::Manifests(problems)) = read(&sources, &required) else {
            panic!("it is read")
        };
        assert_eq!((problems[0].line, problems[0].column), (2, 12));
    }
}
