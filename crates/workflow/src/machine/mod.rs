//! Runs: a state machine that is told what has happened and says what is to be done.

mod effect;
mod entry;
mod error;

pub use effect::{
    Action, Authorization, ContainerSpec, Effect, Fetch, HttpRequest, OpenApiRequest, ProcessSpec,
    ScriptSpec, ShellSpec, StartRun, StepId,
};
pub use entry::{CloudEvent, Entry, Happening};
pub use error::{Error, kind};
