//! Processes: shell commands, scripts, containers and other workflows.

use std::sync::Arc;

use super::{Period, Resource};
use crate::expression::Template;

/// `run`: a process.
#[derive(Debug)]
pub struct Run {
    /// Which.
    pub process: Process,
    /// Whether the task waits for its end. If not, the task's output is its input.
    pub awaits: bool,
    /// What the output is.
    pub output: Return,
}

/// What is run.
#[derive(Debug)]
pub enum Process {
    /// A command for `/bin/sh`.
    Shell(Shell),
    /// A script.
    Script(Script),
    /// A container.
    Container(Container),
    /// Another workflow.
    Workflow(SubWorkflow),
}

/// What the output of a process is. A workflow's output is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the value of that name")]
pub enum Return {
    #[default]
    Stdout,
    Stderr,
    Code,
    All,
    None,
}

/// A shell command.
#[derive(Debug)]
pub struct Shell {
    /// The command.
    pub command: Template,
    /// Its arguments, `$1` and so on: a list of text.
    pub arguments: Option<Template>,
    /// Its environment: an object.
    pub environment: Option<Template>,
    /// What it reads.
    pub stdin: Option<Template>,
}

/// A script.
#[derive(Debug)]
pub struct Script {
    /// `js` or `python`.
    pub language: Arc<str>,
    /// The code.
    pub source: Source,
    /// Its arguments: a list of text.
    pub arguments: Option<Template>,
    /// Its environment: an object.
    pub environment: Option<Template>,
    /// What it reads.
    pub stdin: Option<Template>,
}

/// Where the code of a script is.
#[derive(Debug)]
pub enum Source {
    /// In the document.
    Code(Template),
    /// Somewhere else.
    Resource(Resource),
}

/// A container.
#[derive(Debug)]
pub struct Container {
    /// The image.
    pub image: Template,
    /// The container's name.
    pub name: Option<Template>,
    /// A command for the image's shell instead of the image's own.
    pub command: Option<Template>,
    /// Arguments: a list of text.
    pub arguments: Option<Template>,
    /// The environment: an object.
    pub environment: Option<Template>,
    /// Ports of the container to ports of the machine: an object.
    pub ports: Option<Template>,
    /// Folders of the machine to folders of the container: an object.
    pub volumes: Option<Template>,
    /// What it reads.
    pub stdin: Option<Template>,
    /// `ifNotPresent`, `always` or `never`.
    pub pull: Arc<str>,
    /// How long after its end it is removed; never when not given.
    pub cleanup_after: Option<Period>,
}

/// Another workflow.
#[derive(Debug)]
pub struct SubWorkflow {
    /// Its namespace.
    pub namespace: Template,
    /// Its name.
    pub name: Template,
    /// Its version, or `latest`.
    pub version: Template,
    /// Its input; the task's when not given.
    pub input: Option<Template>,
}
