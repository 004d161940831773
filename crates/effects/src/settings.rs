//! What a performer is given, and its limits.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::{Adapter, Definitions, Runs, Sink};

/// What a [`crate::Performer`] is made from. The default reaches what the network reaches, reads no
/// files, and knows no workflows and adapters.
#[derive(Clone, Default)]
pub struct Settings {
    /// Where hosts are instead of where the network says.
    pub resolve: Vec<Resolve>,
    /// Certificates (PEM) that are trusted besides the system's.
    pub ca: Vec<PathBuf>,
    /// What relative references are relative to.
    pub base: Base,
    /// Where the default catalog is: a folder or URI that has `functions/NAME/VERSION/function.yaml`.
    pub catalog: Base,
    /// Which files may be read.
    pub files: Files,
    /// What bounds everything.
    pub limits: Limits,
    /// What runs containers; the first of podman and docker that is there when not given.
    pub container_engine: Option<ContainerEngine>,
    /// The folder that processes start in; this process's own when not given.
    pub work_dir: Option<PathBuf>,
    /// The other workflows that there are.
    pub definitions: Option<Arc<dyn Definitions>>,
    /// What starts runs that nobody waits for.
    pub runs: Option<Arc<dyn Runs>>,
    /// The adapters.
    pub adapters: Vec<Arc<dyn Adapter>>,
    /// Where events go.
    pub events: Events,
}

/// A host that is sent to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    /// The host, as URIs name it, in lower case.
    pub host: String,
    /// Where it is.
    pub address: IpAddr,
    /// The port that every connection to it takes; the URI's when not given.
    pub port: Option<u16>,
}

impl FromStr for Resolve {
    type Err = String;

    /// Reads `HOST=ADDR` or `HOST=ADDR:PORT`; an IPv6 address with a port is in brackets.
    fn from_str(text: &str) -> Result<Self, String> {
        let said = || format!("`{text}` is not HOST=ADDRESS or HOST=ADDRESS:PORT");
        let (host, at) = text.split_once('=').ok_or_else(said)?;
        if host.is_empty() || host.contains([':', '/', ' ']) {
            return Err(said());
        }
        let host = host.to_ascii_lowercase();
        if let Ok(address) = at.trim_matches(['[', ']']).parse() {
            return Ok(Self { host, address, port: None });
        }
        let at: SocketAddr = at.parse().map_err(|_| said())?;
        Ok(Self { host, address: at.ip(), port: Some(at.port()) })
    }
}

/// What relative references are relative to: where the workflow's document is.
#[derive(Clone, Debug, Default)]
pub enum Base {
    /// It is nowhere; a relative reference is an error.
    #[default]
    Nowhere,
    /// It is in this folder.
    Folder(PathBuf),
    /// It is at this URI.
    Uri(Url),
}

/// Which files documents may name.
#[derive(Clone, Debug, Default)]
pub enum Files {
    /// None.
    #[default]
    None,
    /// Those in this folder, wherever links in it lead.
    Within(PathBuf),
    /// All that this process may read: the documents are the user's own.
    Anywhere,
}

/// Where emitted events go.
#[derive(Clone, Default)]
pub enum Events {
    /// Nowhere else: the run itself sees them, if it listens.
    #[default]
    Nowhere,
    /// To this URI, by POST, each as a structured CloudEvent.
    To(Url),
    /// Wherever this takes them.
    Given(Arc<dyn Sink>),
}

/// A command line that runs containers as podman and docker do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEngine {
    /// The program.
    pub program: PathBuf,
    /// What comes before each command.
    pub arguments: Vec<String>,
    /// What its environment has besides this process's.
    pub environment: Vec<(String, String)>,
}

/// What bounds an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take, with its handshake.
    pub connect_time_max: Duration,
    /// How long a request may take in all, with its redirects. Tasks have timeouts of their own;
    /// this one ends what nobody thought of.
    pub request_time_max: Duration,
    /// Bytes of an answer's body.
    pub answer_bytes_max: usize,
    /// Bytes of an answer's head.
    pub head_bytes_max: usize,
    /// Redirects of one request.
    pub redirects_max: usize,
    /// Bytes of a document that is fetched.
    pub document_bytes_max: usize,
    /// Bytes of each of a process's outputs.
    pub output_bytes_max: usize,
    /// How long a process has from TERM until KILL.
    pub grace: Duration,
    /// Tokens and documents that are kept, of each sort.
    pub kept_max: usize,
    /// How long a document is kept.
    pub document_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_time_max: Duration::from_secs(10),
            request_time_max: Duration::from_secs(300),
            answer_bytes_max: 8 << 20,
            head_bytes_max: 64 << 10,
            redirects_max: 10,
            document_bytes_max: 8 << 20,
            output_bytes_max: 4 << 20,
            grace: Duration::from_secs(5),
            kept_max: 256,
            document_time_max: Duration::from_secs(300),
        }
    }
}

/// Why no performer can be made.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file of certificates cannot be used.
    #[error("{}: {why}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The TLS library refuses what it is given.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_sent_to_an_address_with_or_without_a_port() {
        let read = |text: &str| text.parse::<Resolve>().map(|it| (it.address.to_string(), it.port));
        assert_eq!(read("Example.com=127.0.0.1"), Ok(("127.0.0.1".to_owned(), None)));
        assert_eq!(read("a=127.0.0.1:81"), Ok(("127.0.0.1".to_owned(), Some(81))));
        assert_eq!(read("a=::1"), Ok(("::1".to_owned(), None)));
        assert_eq!(read("a=[::1]:81"), Ok(("::1".to_owned(), Some(81))));
        for wrong in ["a", "=127.0.0.1", "a=b", "a:80=127.0.0.1", "a=127.0.0.1:x", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
