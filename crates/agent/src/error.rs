//! Why an agent cannot start, for the person who starts it.

use std::io;
use std::path::PathBuf;

use crate::supervisor::SupervisorError;

impl StartError {
    /// The sort of error, stable for programs: `docs/reference/errors.md` lists them.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::StateDir { .. } => "state_dir",
            Self::InUse { .. } => "state_dir_in_use",
            Self::OtherMachine { .. } => "state_dir_foreign",
            Self::Server(_) => "usage",
            Self::Name(_) | Self::ReservedLabel(_) | Self::Label(_) => "invalid_name",
            Self::Runs(_) => "runs",
            Self::Random(_) => "random",
        }
    }
}

/// Why an agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state folder cannot be used.
    #[error(
        "cannot use the state folder, at {}: {source}; make it writable, or name another with --state-dir",
        path.display()
    )]
    StateDir {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another agent uses the state folder.
    #[error(
        "another agent uses the state folder {}; stop it, or name another folder with --state-dir",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The state folder was made on another machine.
    #[error(
        "the state folder {} was made on another machine, and two machines cannot be the same node; \
         delete it, or name another folder with --state-dir",
        path.display()
    )]
    OtherMachine {
        /// The folder.
        path: PathBuf,
    },
    /// The control plane's address is none.
    #[error("{0}; give it with --server, such as http://127.0.0.1:7070")]
    Server(tessera_client::Error),
    /// A node cannot have that name.
    #[error("{0}; give another with --name")]
    Name(String),
    /// A label that agents give themselves.
    #[error("the label `{0}` is given by the agent itself; choose another key")]
    ReservedLabel(String),
    /// A label breaks a rule.
    #[error("{0}")]
    Label(String),
    /// Runs of an earlier agent cannot be found.
    #[error("cannot take over the runs of an earlier agent: {0}")]
    Runs(#[from] SupervisorError),
    /// The system has no random numbers.
    #[error("cannot read random numbers from /dev/urandom: {0}")]
    Random(io::Error),
}
