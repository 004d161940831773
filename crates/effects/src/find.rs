//! Other workflows: where their documents are, and what starts runs of them.

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use serde_json::Value as Json;
use tessera_manifest::{Format, Limits, Source};
use tessera_workflow::machine::{Error, StartRun};

use crate::fault;

/// Files of a folder that are looked at.
const FILES_MAX: usize = 10_000;
const BYTES_MAX: u64 = 1 << 20;

/// The workflows that there are.
pub trait Definitions: Send + Sync {
    /// The text of the document with this namespace, name and version (or `latest`).
    fn find<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        version: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>>;
}

/// Starts runs that nobody waits for.
pub trait Runs: Send + Sync {
    /// Starts one. The same key twice is the same run.
    fn start<'a>(&'a self, run: &'a StartRun, key: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}

/// The documents in a folder (not in its folders), and single ones. They are read when they are
/// wanted, so what changes there counts from then on.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// Folders.
    pub folders: Vec<PathBuf>,
    /// Files.
    pub files: Vec<PathBuf>,
}

/// What a document says that it is.
struct Found {
    namespace: String,
    name: String,
    version: String,
    text: String,
}

impl Definitions for Folder {
    fn find<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        version: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        let (this, owned) = (self.clone(), [namespace, name, version].map(str::to_owned));
        Box::pin(async move {
            let looking = tokio::task::spawn_blocking(move || {
                let [namespace, name, version] = owned;
                choose(this.read()?, &namespace, &name, &version)
            });
            looking.await.map_err(|error| fault::runtime(error.to_string()))?
        })
    }
}

impl Folder {
    fn read(&self) -> Result<Vec<Found>, Error> {
        let mut paths = self.files.clone();
        for folder in &self.folders {
            let wrong = |error: std::io::Error| {
                let shown = folder.display();
                fault::configuration(format!(
                    "the folder {shown} cannot be read: {}",
                    fault::chain(&error)
                ))
            };
            for entry in std::fs::read_dir(folder).map_err(wrong)?.take(FILES_MAX) {
                paths.push(entry.map_err(wrong)?.path());
            }
        }
        paths.sort();
        let documents = paths.iter().filter(|path| Format::of_path(path).is_some());
        // What cannot be read is no workflow; `scenario lint` says why.
        Ok(documents.filter_map(|path| read(path)).collect())
    }
}

fn read(path: &Path) -> Option<Found> {
    let about = std::fs::metadata(path).ok()?;
    if !about.is_file() || about.len() > BYTES_MAX {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    let source = Source::new(path.display().to_string(), text.clone());
    let documents =
        tessera_manifest::parse(source, Format::of_path(path)?, &Limits::default()).ok()?;
    let header = documents.first()?.decode_at::<Json>("document").ok()?;
    let get = |name: &str| match header.get(name)? {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let (namespace, name, version) = (get("namespace")?, get("name")?, get("version")?);
    Some(Found { namespace, name, version, text })
}

fn choose(all: Vec<Found>, namespace: &str, name: &str, version: &str) -> Result<String, Error> {
    let known: Vec<_> = all.iter().map(|it| format!("{}/{}", it.namespace, it.name)).collect();
    let same = all.into_iter().filter(|it| it.namespace == namespace && it.name == name);
    let same: Vec<_> = same.collect();
    if same.is_empty() {
        let wanted = format!("{namespace}/{name}");
        let near = fault::did_you_mean(&wanted, known.iter().map(String::as_str));
        return Err(fault::configuration(format!("there is no workflow {wanted}{near}")));
    }
    let versions: Vec<_> = same.iter().map(|it| it.version.clone()).collect();
    let found = match version {
        "latest" => same.into_iter().max_by_key(|it| semver::Version::parse(&it.version).ok()),
        version => same.into_iter().find(|it| it.version == version),
    };
    found.map(|it| it.text).ok_or_else(|| {
        let versions = versions.join(", ");
        fault::configuration(format!(
            "{namespace}/{name} has no version {version}; it has {versions}"
        ))
    })
}
