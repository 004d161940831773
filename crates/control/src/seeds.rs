//! Seeding at the start: definitions from folders into the catalogue, before anything
//! is served. As `tesseractl seed` does it later.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tessera_manifest::{Document, Format, Limits, Problem, Source, code, read as read_source};
use tessera_pipeline::refuse_pipelines;
use tessera_types::booking::SeedRequest;
use tessera_types::{Kind, KindName, Manifest, ResourceKey, with_definition};

use crate::handlers::seed;
use crate::plane::Plane;

/// Folders in folders, at most.
const DEPTH_MAX: usize = 32;

/// A definition with its place.
#[derive(Debug)]
pub(crate) struct Seed {
    key: ResourceKey,
    manifest: Value,
    /// Where it begins, as `file:line:column`.
    at: String,
}

/// Reads the definitions in files, folders, and the folders in them, by name.
///
/// # Errors
/// All that is wrong, each with its file, line and column.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Seed>, String> {
    let mut files = Vec::new();
    for path in paths {
        let known = files.len();
        collect(path, 0, &mut files).map_err(|error| format!("{}: {error}", path.display()))?;
        if files.len() == known {
            let path = path.display();
            return Err(format!("{path} has no manifests (*.yaml, *.yml, *.json, *.toml)"));
        }
    }
    let (mut definitions, mut problems) = (Vec::new(), Vec::new());
    for file in &files {
        let text = fs::read_to_string(file);
        let text = text.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let format = Format::of_path(file).unwrap_or_else(|| Format::detect(&text));
        let source = Source::new(file.display().to_string(), text);
        match read_source(source, format, &Limits::default(), definition) {
            Ok(found) => definitions.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        return Ok(definitions);
    }
    let problems: Vec<_> = problems.iter().map(Problem::render).collect();
    Err(format!("nothing was seeded\n{}", problems.join("\n")))
}

/// Adds the manifests of a folder: its files first, then those of its folders. Hidden
/// ones are left out, and links to folders are not followed.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.retain(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    entries.sort_by_key(fs::DirEntry::file_name);
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|it| it.is_dir());
    let (folders, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| is_folder(entry));
    let manifests = others.into_iter().map(fs::DirEntry::path);
    files.extend(manifests.filter(|path| Format::of_path(path).is_some() && path.is_file()));
    for folder in folders.iter().filter(|_| depth < DEPTH_MAX) {
        collect(&folder.path(), depth + 1, files)?;
    }
    Ok(())
}

/// The definition that a document declares.
fn definition(document: &Document) -> Result<Seed, Vec<Problem>> {
    let word = document.root().get("kind").and_then(|kind| kind.as_str()).unwrap_or("Workload");
    let known = KindName::ALL.into_iter().find(|kind| kind.as_str() == word);
    let Some(kind) = known.filter(|kind| kind.is_definition()) else {
        let message =
            format!("`{}` is not a kind of definitions", tessera_types::limits::clip(word, 40));
        let hint = "seed definitions only, and declare the rest with `tesseractl apply`".to_owned();
        return Err(vec![document.problem("kind", code::UNKNOWN_VARIANT, message, Some(hint))]);
    };
    with_definition!(kind, K => checked::<K>(document))
}

fn checked<K: Kind>(document: &Document) -> Result<Seed, Vec<Problem>> {
    let mut manifest = document.decode::<Manifest<K>>()?;
    let mut broken = manifest.problems();
    broken.extend(refuse_pipelines(&manifest));
    if !broken.is_empty() {
        let problem = |it: &tessera_types::Invalid| {
            document.problem(&it.path, "invalid_spec", it.message.clone(), None)
        };
        return Err(broken.iter().map(problem).collect());
    }
    manifest.kind = Some(K::KIND);
    let position = document.position(document.root().span);
    let at = format!("{}:{}:{}", document.source_name(), position.line, position.column);
    let key = manifest.key();
    let manifest = serde_json::to_value(&manifest)
        .expect("a manifest has text keys only, and was read from text");
    Ok(Seed { key, manifest, at })
}

/// Loads definitions into the catalogue: all of them, or none.
///
/// # Errors
/// Why they were refused.
pub(crate) async fn load(plane: &Plane, definitions: Vec<Seed>) -> Result<(), String> {
    if definitions.is_empty() {
        return Ok(());
    }
    let manifests = definitions.iter().map(|seed| seed.manifest.clone()).collect();
    let request = SeedRequest { manifests, prune: false, dry_run: false };
    match seed(plane, request).await {
        Ok(_) => Ok(()),
        Err(refused) => Err(in_words(refused.problem(), &definitions)),
    }
}

/// A refusal on one line for each rule that is broken, with the file of the definition
/// that breaks it. Where there are several definitions, theirs stand before the rules.
fn in_words(problem: &tessera_types::Problem, seeds: &[Seed]) -> String {
    let about = problem.instance.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
    let placed = |line: String| {
        let key = line.split_once(": ").map(|(key, _)| key);
        let seed = seeds.iter().find(|seed| key == Some(&seed.key.to_string()));
        seed.map(|seed| format!("{}: {line}", seed.at)).unwrap_or(line)
    };
    match problem.invalid.as_slice() {
        [] => placed(format!("{about}{}", problem.detail)),
        rules => {
            let rules: Vec<_> = rules.iter().map(|rule| placed(format!("{about}{rule}"))).collect();
            rules.join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRADE: &str = "kind: JobDefinition\nname: grade\nspec:\n  type_key: grade\n  version: \"1.0.0\"\n  workload: {command: /bin/true}\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn read_folder(folder: &tempfile::TempDir) -> Result<Vec<Seed>, String> {
        read(&[folder.path().to_owned()])
    }

    #[test]
    fn folders_are_read_with_the_folders_in_them() {
        let sum = GRADE.replace("grade", "sum");
        let folder = folder(&[
            ("b/grade.yaml", GRADE),
            ("a.yaml", &sum),
            (".x.yaml", "?"),
            ("notes.txt", "?"),
        ]);
        let read = read_folder(&folder).unwrap();
        let names: Vec<_> = read.iter().map(|it| it.key.name.as_str()).collect();
        assert_eq!(names, ["sum", "grade"]);
    }

    #[test]
    fn mistakes_have_their_place() {
        let wrong = GRADE.replace("workload", "wrkload");
        let error =
            read_folder(&folder(&[("a.yaml", &wrong), ("b.yaml", "name: web\nspec: {}\n")]));
        let error = error.unwrap_err();
        for part in
            ["a.yaml:6:3", "`workload`", "b.yaml:1:1", "`Workload` is not a kind of definitions"]
        {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(
            read_folder(&folder(&[("notes.txt", "?")])).unwrap_err().contains("has no manifests")
        );
        assert!(read(&["/nowhere/at/all".into()]).is_err());
    }

    #[tokio::test]
    async fn what_does_not_fit_together_is_refused_with_its_place() {
        let part = "kind: PartDefinition\nname: lab\nspec: {type_key: lab, version: \"1.0.0\", duration: 1h, pods: [{name: vm, selector: {type_key: desk}}]}\n";
        let seeds = folder(&[("grade.yaml", GRADE), ("lab.yaml", part)]);
        let state = tempfile::tempdir().unwrap();
        let seeds = vec![seeds.path().to_owned()];
        let options = crate::Options { seeds, ..crate::server::tests::options(state.path()) };
        let refused = crate::Control::start(options).await.err().unwrap().to_string();
        assert!(refused.contains("lab.yaml:1:1: partdefinition/lab: spec.pods[0].selector: no poddefinition matches type desk"), "{refused}");
    }

    /// What others have declared meanwhile keeps no control plane from starting again.
    #[tokio::test]
    async fn seeds_that_change_nothing_are_loaded_again_whatever_was_applied() {
        let (seeds, state) = (folder(&[("grade.yaml", GRADE)]), tempfile::tempdir().unwrap());
        let start = async || {
            let seeds = vec![seeds.path().to_owned()];
            let options = crate::Options { seeds, ..crate::server::tests::options(state.path()) };
            crate::Control::start(options).await
        };
        let control = start().await.unwrap();
        let twin = serde_json::json!({"manifests": [{"kind": "JobDefinition", "name": "twin",
            "spec": {"type_key": "grade", "version": "1.0.0", "workload": {"command": "x"}}}]});
        let answer = crate::server::tests::ask(&control, "POST /v1/apply", &twin.to_string()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        control.stop().await;
        start().await.unwrap().stop().await;
    }
}
