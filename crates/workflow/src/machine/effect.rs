//! What a machine wants to be done, as data.
//!
//! Effects are never stored: replaying the journal brings the same ones again, with the same ids
//! and keys. So they may hold secrets, and their `Debug` must not show any.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_types::Duration;

use super::uri::shown;
use crate::definition::{OutputFormat, Scheme};
use crate::value::Value;

/// An effect of a run: its number in the order in which the machine wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u64);

/// Something to be done, once.
#[derive(Clone, Debug)]
pub struct Effect {
    /// Its id in the run.
    pub id: StepId,
    /// The task that wants it, as a JSON pointer.
    pub task: Arc<str>,
    /// The same whenever this effect is tried, and for no other of any run. What is outside is
    /// told it where there is a way to.
    pub idempotency_key: Arc<str>,
    /// What.
    pub action: Action,
}

/// What is to be done.
#[derive(Clone)]
pub enum Action {
    /// A request over HTTP. Its result is what [`HttpRequest::output`] says.
    Http(HttpRequest),
    /// An operation of an OpenAPI document. Its result is as for HTTP.
    OpenApi(OpenApiRequest),
    /// A document. Its result is the text.
    Fetch(Fetch),
    /// A function of an adapter. Its result is the function's.
    Adapter {
        /// The function, such as `fleet.deploy`.
        name: Arc<str>,
        /// Its arguments.
        arguments: Value,
    },
    /// A process. Its result is `{code, stdout, stderr}`; null when it is not waited for.
    Process {
        /// Which.
        spec: ProcessSpec,
        /// Whether it is waited for.
        awaits: bool,
    },
    /// Another workflow's document. Its result is `{definition}`: the text of it.
    FindWorkflow {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
        /// Its version, or `latest`.
        version: Arc<str>,
    },
    /// A run of another workflow that is not waited for. Its result is null.
    StartRun(StartRun),
    /// An event to be published. Its result is null.
    Emit(super::CloudEvent),
}

/// A request over HTTP.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method, in upper case.
    pub method: Arc<str>,
    /// An absolute URI, without what `query` adds.
    pub uri: Arc<str>,
    /// Headers.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// Parameters of the query.
    pub query: Vec<(Arc<str>, Arc<str>)>,
    /// The body: JSON, unless it is a text and the content type is another.
    pub body: Option<Value>,
    /// How it is authenticated.
    pub authorization: Option<Authorization>,
    /// What the result is.
    pub output: OutputFormat,
    /// Whether answers of 300 to 399 are none of an error. They are followed then.
    pub redirect: bool,
}

/// An operation of an OpenAPI document.
#[derive(Clone)]
pub struct OpenApiRequest {
    /// Where the document is.
    pub document: Fetch,
    /// The operation.
    pub operation_id: Arc<str>,
    /// Its parameters: an object; the body's under `body`.
    pub parameters: Value,
    /// How it is authenticated.
    pub authorization: Option<Authorization>,
    /// What the result is.
    pub output: OutputFormat,
    /// Whether answers of 300 to 399 are none of an error.
    pub redirect: bool,
}

/// A document that is to be fetched.
#[derive(Clone)]
pub struct Fetch {
    /// Where it is; relative to the workflow's document when it has no scheme. A function of the
    /// default catalog is named as the document names it, `log:1.0.0@default`.
    pub uri: Arc<str>,
    /// How the request is authenticated.
    pub authorization: Option<Authorization>,
}

/// A scheme of authentication and its properties, which may be secret.
#[derive(Clone)]
pub struct Authorization {
    /// The scheme.
    pub scheme: Scheme,
    /// Its properties, as the specification names them.
    pub properties: Value,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ***", self.scheme)
    }
}

/// A process.
#[derive(Clone)]
pub enum ProcessSpec {
    /// A command for `/bin/sh`.
    Shell(ShellSpec),
    /// A script.
    Script(ScriptSpec),
    /// A container.
    Container(ContainerSpec),
}

/// A command for `/bin/sh`.
#[derive(Clone)]
pub struct ShellSpec {
    /// The command.
    pub command: Arc<str>,
    /// `$1` and so on.
    pub arguments: Vec<Arc<str>>,
    /// The environment.
    pub environment: Vec<(Arc<str>, Arc<str>)>,
    /// What it reads.
    pub stdin: Option<Arc<str>>,
}

/// A script.
#[derive(Clone)]
pub struct ScriptSpec {
    /// `js` or `python`.
    pub language: Arc<str>,
    /// The code.
    pub code: Arc<str>,
    /// Its arguments.
    pub arguments: Vec<Arc<str>>,
    /// The environment.
    pub environment: Vec<(Arc<str>, Arc<str>)>,
    /// What it reads.
    pub stdin: Option<Arc<str>>,
}

/// A container.
#[derive(Clone)]
pub struct ContainerSpec {
    /// The image.
    pub image: Arc<str>,
    /// The container's name.
    pub name: Option<Arc<str>>,
    /// A command for the image's shell.
    pub command: Option<Arc<str>>,
    /// Arguments.
    pub arguments: Vec<Arc<str>>,
    /// The environment.
    pub environment: Vec<(Arc<str>, Arc<str>)>,
    /// Ports of the machine and of the container.
    pub ports: Vec<(u16, u16)>,
    /// Folders of the machine and of the container.
    pub volumes: Vec<(Arc<str>, Arc<str>)>,
    /// What it reads.
    pub stdin: Option<Arc<str>>,
    /// `ifNotPresent`, `always` or `never`.
    pub pull: Arc<str>,
    /// How long after its end it is removed; never when not given.
    pub cleanup_after: Option<Duration>,
}

/// A run of another workflow.
#[derive(Clone)]
pub struct StartRun {
    /// The workflow's namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its version, or `latest`.
    pub version: Arc<str>,
    /// The run's input.
    pub input: Value,
}

impl Action {
    /// What it is, for people. A text of the document may be in it, and so may a secret.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Http(it) => format!("an http call to {}", host(&it.uri)),
            Self::OpenApi(it) => format!("the openapi call {}", it.operation_id),
            Self::Fetch(_) => "a document".to_owned(),
            Self::Adapter { name, .. } => name.to_string(),
            Self::Process { spec: ProcessSpec::Shell(it), .. } => match program(&it.command) {
                Some(program) => format!("a shell command: {program}"),
                None => "a shell command".to_owned(),
            },
            Self::Process { spec: ProcessSpec::Script(it), .. } => {
                format!("a script in {}", it.language)
            }
            Self::Process { spec: ProcessSpec::Container(it), .. } => {
                format!("a container of {}", it.image)
            }
            Self::FindWorkflow { .. } => "a workflow's document".to_owned(),
            Self::StartRun(_) => "the start of a workflow".to_owned(),
            Self::Emit(_) => "an event to be published".to_owned(),
        }
    }
}

/// The host of a URI, with its port.
fn host(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// The program that a command begins with, where it begins with one plainly.
fn program(command: &str) -> Option<&str> {
    let first = command.split_whitespace().next()?;
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "/._-+".contains(it);
    first.chars().all(is_plain).then_some(first)
}

// What may hold a secret is left out: headers, bodies, queries, arguments, environments.

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(it) => it.fmt(f),
            Self::OpenApi(it) => it.fmt(f),
            Self::Fetch(it) => it.fmt(f),
            Self::Adapter { name, .. } => write!(f, "Adapter({name})"),
            Self::Process { spec, awaits } => write!(f, "{spec:?}, awaits: {awaits}"),
            Self::FindWorkflow { namespace, name, version } => {
                write!(f, "FindWorkflow({namespace}/{name}@{version})")
            }
            Self::StartRun(it) => it.fmt(f),
            Self::Emit(event) => {
                write!(f, "Emit({})", event.get("type").and_then(|it| it.as_str()).unwrap_or("?"))
            }
        }
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({} {})", self.method, shown(&self.uri))
    }
}

impl fmt::Debug for OpenApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenApi({} of {})", self.operation_id, shown(&self.document.uri))
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetch({})", shown(&self.uri))
    }
}

impl fmt::Debug for ProcessSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(it) => it.fmt(f),
            Self::Script(it) => it.fmt(f),
            Self::Container(it) => it.fmt(f),
        }
    }
}

impl fmt::Debug for ShellSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shell")
    }
}

impl fmt::Debug for ScriptSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", self.language)
    }
}

impl fmt::Debug for ContainerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Container({})", self.image)
    }
}

impl fmt::Debug for StartRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartRun({}/{}@{})", self.namespace, self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_the_host_and_the_program_and_no_more() {
        assert_eq!(host("https://me:word@h:81/a?b=c#d"), "h:81");
        assert_eq!(host("http://h?b=c@d"), "h");
        assert_eq!(program("  /usr/bin/curl -H x"), Some("/usr/bin/curl"));
        assert_eq!(["TOKEN=abc curl", "(a; b)", "$PROGRAM", ""].map(program), [None; 4]);
    }
}
