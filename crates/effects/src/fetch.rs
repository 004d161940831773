//! Documents: OpenAPI documents, functions of catalogs, scripts, schemas.

use std::path::{Component, Path, PathBuf};

use http::Method;
use tessera_workflow::machine::{Error, Fetch};
use tokio::io::AsyncReadExt;
use url::Url;

use crate::auth::{self, Auth};
use crate::fault;
use crate::http::{Ask, Redirects, address, shown};
use crate::settings::{Base, Files, Limits, Settings};

/// What ends the names of functions in the catalog that the runtime brings.
const DEFAULT_CATALOG: &str = "@default";

/// Fetches documents. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fetcher {
    auth: Auth,
    base: Base,
    catalog: Base,
    files: Files,
    limits: Limits,
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Web(Url),
    File(PathBuf),
}

/// A document and where it was found in the end.
pub(crate) struct Fetched {
    pub(crate) text: String,
    pub(crate) at: Place,
}

impl Place {
    /// Its name for people, which ends as the document's name does.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Web(uri) => shown(uri),
            Self::File(path) => path.display().to_string(),
        }
    }
}

impl Fetcher {
    pub(crate) fn new(auth: Auth, settings: &Settings) -> Self {
        let Settings { base, catalog, files, limits, .. } = settings.clone();
        Self { auth, base, catalog, files, limits }
    }

    /// The text of a document.
    pub(crate) async fn text(&self, fetch: &Fetch) -> Result<Fetched, Error> {
        match self.locate(&fetch.uri)? {
            Place::Web(uri) => self.web(uri, fetch).await,
            Place::File(path) => self.file(path).await,
        }
    }

    /// Where a reference leads.
    ///
    /// # Errors
    /// `configuration` when it is relative to nothing, or leads where documents are not had.
    pub(crate) fn locate(&self, reference: &str) -> Result<Place, Error> {
        if let Some(function) = reference.strip_suffix(DEFAULT_CATALOG) {
            return self.in_catalog(function);
        }
        match Url::parse(reference) {
            Ok(uri) if uri.scheme() == "file" => uri
                .to_file_path()
                .map(Place::File)
                .map_err(|()| fault::configuration(format!("{reference} names no file"))),
            Ok(_) => address(reference).map(Place::Web),
            Err(url::ParseError::RelativeUrlWithoutBase) => relative(&self.base, reference),
            Err(error) => {
                Err(fault::configuration(format!("a URI of a document is none: {error}")))
            }
        }
    }

    /// Where a function of the default catalog is: `log:1.0.0` is in `functions/log/1.0.0`.
    fn in_catalog(&self, function: &str) -> Result<Place, Error> {
        let (name, version) = function.split_once(':').unwrap_or((function, "latest"));
        let is_plain = |it: &str| !it.is_empty() && !it.contains(['/', '\\']) && it != "..";
        if !is_plain(name) || !is_plain(version) {
            return Err(fault::configuration(format!("`{function}` is no function of a catalog")));
        }
        match &self.catalog {
            Base::Nowhere => Err(fault::configuration(format!(
                "`{function}{DEFAULT_CATALOG}` cannot be had: there is no default catalog here"
            ))),
            base => relative(base, &format!("functions/{name}/{version}/function.yaml")),
        }
    }

    async fn web(&self, uri: Url, fetch: &Fetch) -> Result<Fetched, Error> {
        let ask = Ask::new(Method::GET, uri);
        let authorization = fetch.authorization.as_ref();
        let answer = self.auth.call(ask, authorization, Redirects::Follow).await?;
        if !answer.status.is_success() {
            let mask = auth::mask(&answer.asked.1, authorization);
            return Err(mask.error(answer.fault()));
        }
        self.bounded(answer.body.len(), &shown(&answer.uri))?;
        let text = String::from_utf8(answer.body.to_vec()).map_err(|_| {
            fault::bad_answer(format!("the document at {} is no UTF-8", shown(&answer.uri)))
        })?;
        Ok(Fetched { text, at: Place::Web(answer.uri) })
    }

    async fn file(&self, path: PathBuf) -> Result<Fetched, Error> {
        let path = self.allowed(&path)?;
        let shown = path.display().to_string();
        let wrong = |error: &std::io::Error| {
            fault::configuration(format!(
                "the document {shown} cannot be read: {}",
                fault::chain(error)
            ))
        };
        let file = tokio::fs::File::open(&path).await.map_err(|error| wrong(&error))?;
        let about = file.metadata().await.map_err(|error| wrong(&error))?;
        if !about.is_file() {
            // A pipe or a device may have no end, or none that ever comes.
            return Err(fault::configuration(format!("the document {shown} is no file")));
        }
        let mut bytes = Vec::new();
        let most = self.limits.document_bytes_max as u64 + 1;
        file.take(most).read_to_end(&mut bytes).await.map_err(|error| wrong(&error))?;
        self.bounded(bytes.len(), &shown)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| fault::configuration(format!("the document {shown} is no UTF-8")))?;
        Ok(Fetched { text, at: Place::File(path) })
    }

    fn bounded(&self, bytes: usize, shown: &str) -> Result<(), Error> {
        let max = self.limits.document_bytes_max;
        match bytes > max {
            true => {
                Err(fault::bad_answer(format!("the document {shown} has more than {max} bytes")))
            }
            false => Ok(()),
        }
    }

    fn allowed(&self, path: &Path) -> Result<PathBuf, Error> {
        let refused = || {
            fault::configuration(format!(
                "documents may not name the file {}{}",
                path.display(),
                match &self.files {
                    Files::Within(folder) => format!(": it is not in {}", folder.display()),
                    _ => String::new(),
                }
            ))
        };
        match &self.files {
            Files::None => Err(refused()),
            Files::Anywhere => Ok(path.to_owned()),
            Files::Within(folder) => {
                let path = plain(path);
                if path.starts_with(plain(folder)) { Ok(path) } else { Err(refused()) }
            }
        }
    }
}

/// A path without `.` and `..`, by its text alone: links are whoever's who made the folder.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// Where a relative reference leads from a base.
fn relative(base: &Base, reference: &str) -> Result<Place, Error> {
    match base {
        Base::Nowhere => Err(fault::configuration(format!(
            "`{reference}` is relative, and the workflow's document is nowhere: write a whole URI"
        ))),
        Base::Folder(folder) => Ok(Place::File(folder.join(reference))),
        Base::Uri(base) => {
            let uri = base.join(reference);
            let uri = uri.map_err(|error| {
                fault::configuration(format!("a URI of a document is none: {error}"))
            })?;
            address(uri.as_str()).map(Place::Web)
        }
    }
}
