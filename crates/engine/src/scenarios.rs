//! The scenarios that jobs can be submitted for: those that are built in, and those in
//! a folder, which may take the place of one that is built in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tessera_effects::{Definitions, configuration};
use tessera_types::engine::{ScenarioInfo, ScenarioName, ScenarioSource};
use tessera_types::nearest;
use tessera_workflow::definition::Workflow;
use tessera_workflow::machine::Error;

use crate::document;
use crate::interest::Interest;

/// The documents that come with the engine.
const BUILT_IN: &[(&str, &str)] = &[
    ("echo.v1.yaml", include_str!("../scenarios/echo.v1.yaml")),
    ("http_probe.v1.yaml", include_str!("../scenarios/http_probe.v1.yaml")),
    ("pause.v1.yaml", include_str!("../scenarios/pause.v1.yaml")),
    ("deploy.v1.yaml", include_str!("../scenarios/deploy.v1.yaml")),
    ("undeploy.v1.yaml", include_str!("../scenarios/undeploy.v1.yaml")),
];

/// What a key is used up with whose scenario is not there.
const GONE: (&str, &str) = ("gone.v1.yaml", include_str!("../scenarios/gone.v1.yaml"));

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
    pub(crate) interest: Interest,
}

impl Scenario {
    /// What stands for one that is not there, where nothing of it is to run.
    pub(crate) fn gone() -> Option<Arc<Self>> {
        let (file, text) = GONE;
        let mut reading = Reading::default();
        reading.add(file, file, text.to_owned(), ScenarioSource::BuiltIn);
        reading.catalog.into_values().next()
    }
}

/// Every scenario by its name.
type Catalog = BTreeMap<ScenarioName, Arc<Scenario>>;

/// The scenarios as they were read last, and the folder.
#[derive(Debug, Default)]
pub(crate) struct Scenarios {
    folder: Option<PathBuf>,
    catalog: Mutex<Arc<Catalog>>,
}

/// What is read of the files.
#[derive(Debug, Default)]
struct Reading {
    catalog: Catalog,
    problems: String,
    /// The scenarios of files that were found and could not be read.
    unread: Vec<ScenarioName>,
}

impl Scenarios {
    /// Those that are built in and those in `folder`.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub(crate) fn load(folder: Option<&Path>) -> Result<Self, String> {
        let Reading { catalog, problems, .. } = Reading::of(folder)?;
        match problems.is_empty() {
            true => Ok(Self {
                folder: folder.map(Path::to_owned),
                catalog: Mutex::new(Arc::new(catalog)),
            }),
            false => Err(problems.trim_end().to_owned()),
        }
    }

    /// Reads the folder again. A file that is wrong keeps what was read of it before; one that is
    /// gone takes its scenario along.
    ///
    /// # Errors
    /// All that is wrong; what is right has been taken.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let Reading { mut catalog, problems, unread } = Reading::of(self.folder.as_deref())?;
        let before = self.all();
        for name in unread {
            if let Some(scenario) = before.get(&name) {
                catalog.insert(name, Arc::clone(scenario));
            }
        }
        for (name, scenario) in &catalog {
            let was = before.get(name).map(|it| it.info.hash.as_str());
            if was != Some(&scenario.info.hash) {
                tracing::info!(target: "tessera::engine", scenario = %name, "a scenario is new or has changed");
            }
        }
        for name in before.keys().filter(|name| !catalog.contains_key(name)) {
            tracing::info!(target: "tessera::engine", scenario = %name, "a scenario is gone");
        }
        *self.catalog.lock() = Arc::new(catalog);
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems.trim_end().to_owned()),
        }
    }

    /// Every scenario, as it is now.
    pub(crate) fn all(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.lock())
    }

    pub(crate) fn get(&self, name: &ScenarioName) -> Option<Arc<Scenario>> {
        self.all().get(name).cloned()
    }

    /// The name that is most like one that there is not.
    pub(crate) fn nearest(&self, name: &ScenarioName) -> Option<String> {
        let known: Vec<_> = self.all().keys().map(ToString::to_string).collect();
        nearest(&name.to_string(), known.iter().map(String::as_str)).map(str::to_owned)
    }

    /// The scenario whose document says that it is this.
    pub(crate) fn by_header(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Arc<Scenario>, Error> {
        let header = |it: &Arc<Scenario>| it.workflow.header.clone();
        let all = self.all();
        let same = all.values().filter(|it| {
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
        found.copied().cloned().ok_or_else(|| {
            configuration(format!(
                "there is no workflow {namespace}/{name}@{version} among the scenarios"
            ))
        })
    }
}

impl Reading {
    /// What is built in, and what is in a folder.
    fn of(folder: Option<&Path>) -> Result<Self, String> {
        let mut all = Self::default();
        for (file, text) in BUILT_IN {
            all.add(file, file, (*text).to_owned(), ScenarioSource::BuiltIn);
        }
        for (path, file) in folder.map(files).transpose()?.unwrap_or_default() {
            match text(&path) {
                Ok(text) => {
                    all.add(&path.display().to_string(), &file, text, ScenarioSource::Folder);
                }
                Err(why) => {
                    all.unread.extend(name_of(&file));
                    all.problem(&format!("{}: {why}", path.display()));
                }
            }
        }
        Ok(all)
    }

    fn add(&mut self, path: &str, file: &str, text: String, source: ScenarioSource) {
        let scenario = match name_of(file) {
            Ok(scenario) => scenario,
            Err(why) => return self.problem(&format!("{path}: {why}")),
        };
        let workflow = match document::read(path, &text) {
            Ok(workflow) => workflow,
            Err(found) => {
                self.unread.push(scenario);
                return found.iter().for_each(|it| self.problem(it));
            }
        };
        let overrides = self.catalog.get(&scenario).map(|other| other.info.source);
        match overrides {
            Some(ScenarioSource::Folder) => {
                return self.problem(&format!("{path}: another file has {scenario}"));
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
        let (text, interest) = (text.into(), Interest::of(&workflow));
        let read = Scenario { info, text, workflow, interest };
        self.catalog.insert(scenario, Arc::new(read));
    }

    fn problem(&mut self, what: &dyn std::fmt::Display) {
        // Writing into a string does not fail.
        let _ = writeln!(self.problems, "{what}");
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

/// The documents in a folder, by name: path and file.
fn files(folder: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        if !matches!(extension, "yaml" | "yml" | "json") || !path.is_file() {
            continue;
        }
        if files.len() == FILES_MAX {
            return Err(format!(
                "{}: a folder has at most {FILES_MAX} scenarios",
                folder.display()
            ));
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((path, file));
    }
    files.sort();
    Ok(files)
}

/// The text of a document.
fn text(path: &Path) -> Result<String, String> {
    let about = path.metadata().map_err(|error| error.to_string())?;
    if about.len() > BYTES_MAX {
        return Err(format!("a document has at most {BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
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
        assert_eq!(scenarios.all().len(), BUILT_IN.len());
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

    #[test]
    fn a_folder_that_is_read_again_keeps_what_was_read_of_a_file_that_is_wrong_now() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let document = |title: &str| {
            let head = "dsl: 1.0.3, namespace: test, name: it, version: 1.0.0";
            format!(
                "document: {{ {head}, title: {title} }}\ndo: [{{ a: {{ set: {{ b: 1 }} }} }}]\n"
            )
        };
        for name in ["good", "bad", "binary", "gone"] {
            put(&format!("{name}.v1.yaml"), &document("old"));
        }
        let scenarios = Scenarios::load(Some(folder.path())).unwrap();
        put("good.v1.yaml", &document("new"));
        put("bad.v1.yaml", "do: 1\n");
        std::fs::write(folder.path().join("binary.v1.yaml"), [0xff]).unwrap();
        put("more.v1.yaml", &document("new"));
        std::fs::remove_file(folder.path().join("gone.v1.yaml")).unwrap();
        let problems = scenarios.reload().unwrap_err();
        for part in ["bad.v1.yaml:1", "binary.v1.yaml: "] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
        let title = |name: &str| {
            let found = scenarios.get(&name.parse().unwrap())?;
            found.info.title.clone()
        };
        let found = ["good@v1", "bad@v1", "binary@v1", "gone@v1", "more@v1"].map(title);
        let expected = [Some("new"), Some("old"), Some("old"), None, Some("new")];
        assert_eq!(found, expected.map(|it| it.map(str::to_owned)));
    }
}
