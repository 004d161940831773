//! The scenarios that jobs can be submitted for: those that are built in, and those in
//! a folder, which may take the place of one that is built in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use tessera_effects::{Definitions, configuration};
use tessera_types::engine::{ScenarioInfo, ScenarioName, ScenarioSource};
use tessera_types::nearest;
use tessera_workflow::definition::Workflow;
use tessera_workflow::machine::Error;

use crate::document;

/// The documents that come with the engine.
const BUILT_IN: &[(&str, &str)] = &[
    ("echo.v1.yaml", include_str!("../scenarios/echo.v1.yaml")),
    ("http_probe.v1.yaml", include_str!("../scenarios/http_probe.v1.yaml")),
    ("pause.v1.yaml", include_str!("../scenarios/pause.v1.yaml")),
    ("deploy.v1.yaml", include_str!("../scenarios/deploy.v1.yaml")),
    ("undeploy.v1.yaml", include_str!("../scenarios/undeploy.v1.yaml")),
];

/// Files of a folder that are looked at.
const FILES_MAX: usize = 10_000;
/// A document, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// A scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) info: ScenarioInfo,
    pub(crate) text: Arc<str>,
    pub(crate) workflow: Arc<Workflow>,
}

/// Every scenario by its name.
#[derive(Debug, Default)]
pub(crate) struct Scenarios(BTreeMap<ScenarioName, Arc<Scenario>>);

impl Scenarios {
    /// Those that are built in and those in `folder`.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub(crate) fn load(folder: Option<&Path>) -> Result<Self, String> {
        let mut all = Self::default();
        let mut problems = String::new();
        for (file, text) in BUILT_IN {
            all.add(file, file, (*text).to_owned(), ScenarioSource::BuiltIn, &mut problems);
        }
        if let Some(folder) = folder {
            for (path, file, text) in files(folder)? {
                all.add(&path, &file, text, ScenarioSource::Folder, &mut problems);
            }
        }
        match problems.is_empty() {
            true => Ok(all),
            false => Err(problems.trim_end().to_owned()),
        }
    }

    fn add(
        &mut self,
        path: &str,
        file: &str,
        text: String,
        source: ScenarioSource,
        problems: &mut String,
    ) {
        let mut problem = |what: &dyn std::fmt::Display| {
            // Writing into a string does not fail.
            let _ = writeln!(problems, "{what}");
        };
        let scenario = match name_of(file) {
            Ok(scenario) => scenario,
            Err(why) => return problem(&format!("{path}: {why}")),
        };
        let workflow = match document::read(path, &text) {
            Ok(workflow) => workflow,
            Err(found) => return found.iter().for_each(|it| problem(it)),
        };
        let overrides = self.0.get(&scenario).map(|other| other.info.source);
        match overrides {
            Some(ScenarioSource::Folder) => {
                return problem(&format!("{path}: another file has {scenario}"));
            }
            Some(ScenarioSource::BuiltIn) => {
                tracing::warn!(target: "tessera::engine", %scenario, path, "a scenario of the folder takes the place of one that is built in");
            }
            None => {}
        }
        let info = ScenarioInfo {
            scenario: scenario.clone(),
            title: workflow.header.title.clone(),
            summary: workflow.header.summary.clone(),
            hash: workflow.hash.to_string(),
            source,
            overrides: overrides.is_some(),
        };
        self.0.insert(scenario, Arc::new(Scenario { info, text: text.into(), workflow }));
    }

    pub(crate) fn get(&self, name: &ScenarioName) -> Option<&Arc<Scenario>> {
        self.0.get(name)
    }

    /// The name that is most like one that there is not.
    pub(crate) fn nearest(&self, name: &ScenarioName) -> Option<String> {
        let known: Vec<_> = self.0.keys().map(ToString::to_string).collect();
        nearest(&name.to_string(), known.iter().map(String::as_str)).map(str::to_owned)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Scenario>> {
        self.0.values()
    }

    /// The scenario whose document says that it is this.
    pub(crate) fn by_header(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<&Arc<Scenario>, Error> {
        let header = |it: &Arc<Scenario>| it.workflow.header.clone();
        let same = self.0.values().filter(|it| {
            let header = header(it);
            header.namespace == namespace && header.name == name
        });
        let same: Vec<_> = same.collect();
        let found = match version {
            "latest" => same
                .iter()
                .max_by(|a, b| versions(&header(a).version).cmp(&versions(&header(b).version))),
            version => same.iter().find(|it| header(it).version == version),
        };
        found.copied().ok_or_else(|| {
            configuration(format!(
                "there is no workflow {namespace}/{name}@{version} among the scenarios"
            ))
        })
    }
}

/// The numbers of a version, to compare it with others.
fn versions(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

/// The scenario of a file: `http_probe.v1.yaml` has `http_probe@v1`.
fn name_of(file: &str) -> Result<ScenarioName, String> {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let (name, version) = stem
        .split_once('.')
        .ok_or("the name of a file of a scenario is NAME.VERSION.yaml, such as probe.v1.yaml")?;
    ScenarioName::new(name, version).map_err(|error| error.to_string())
}

/// The documents in a folder, by name: path, file and text.
fn files(folder: &Path) -> Result<Vec<(String, String, String)>, String> {
    let wrong = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(folder).map_err(|error| wrong(folder, error))?;
    let mut files = Vec::new();
    for entry in entries.take(FILES_MAX) {
        let path = entry.map_err(|error| wrong(folder, error))?.path();
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        if !matches!(extension, "yaml" | "yml" | "json") || !path.is_file() {
            continue;
        }
        let bytes = path.metadata().map_err(|error| wrong(&path, error))?.len();
        if bytes > BYTES_MAX {
            return Err(format!("{}: a document has at most {BYTES_MAX} bytes", path.display()));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(&path, error))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((path.display().to_string(), file, text));
    }
    files.sort();
    Ok(files)
}

impl Definitions for Scenarios {
    fn find<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        version: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        let found = self.by_header(namespace, name, version).map(|it| it.text.to_string());
        Box::pin(std::future::ready(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_are_built_in_can_be_read() {
        let scenarios = Scenarios::load(None).unwrap();
        assert_eq!(scenarios.all().count(), BUILT_IN.len());
        let missing = "eco@v1".parse().unwrap();
        assert_eq!(scenarios.nearest(&missing).as_deref(), Some("echo@v1"));
    }

    #[test]
    fn a_folder_overrides_and_every_mistake_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("echo.v1.yaml", BUILT_IN[0].1);
        put("notes.txt", "none");
        let scenarios = Scenarios::load(Some(folder.path())).unwrap();
        let echo = scenarios.get(&"echo@v1".parse().unwrap()).unwrap();
        assert!(echo.info.overrides && echo.info.source == ScenarioSource::Folder);
        put("noversion.yaml", BUILT_IN[0].1);
        put("bad.v1.yaml", "do: 1\n");
        let problems = Scenarios::load(Some(folder.path())).unwrap_err();
        for part in ["noversion.yaml: ", "bad.v1.yaml:1"] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }
}
