//! Runs: a state machine that is told what has happened and says what is to be done.
//!
//! [`Machine::start`] begins a run; [`Machine::apply`] tells it the next entry of its journal;
//! [`Machine::take_effects`] is what is to be done now. It does nothing itself and knows no time but
//! that of the entries, so the same start and the same entries bring the same effects, with the
//! same ids and idempotency keys, the same observations and the same outcome.
//!
//! Inside, what is active is a tree of scopes (`scope`, `arena`): a run (`workflow`), lists of tasks
//! (`list`) and tasks (`task`), each with what its kind needs (`for_each`, `fork`, `listen`, `retry`,
//! `call`, `process` …). A scope that ends tells its parent. Nothing here recurses deeper than the
//! document is.

mod arena;
mod authorize;
mod bounds;
mod call;
mod census;
mod data;
mod effect;
mod emit;
mod entry;
mod error;
mod extension;
mod filter;
mod for_each;
mod fork;
mod library;
mod list;
mod listen;
mod mailbox;
mod mask;
mod outcome;
mod process;
mod progress;
mod retry;
mod run;
mod scope;
mod settle;
mod start;
mod task;
mod uri;
mod variables;
mod work;
mod workflow;

pub use effect::{
    Action, Authorization, ContainerSpec, Effect, Fetch, HttpRequest, OpenApiRequest, ProcessSpec,
    ScriptSpec, ShellSpec, StartRun, StepId,
};
pub use entry::{CloudEvent, Entry, Happening};
pub use error::{Error, kind};
pub use mask::mask_secrets;
pub use outcome::{Command, Listening, Observation, Observed, Outcome, Status, TaskPoint};
pub use run::Machine;
pub use start::{Limits, Reader, Runtime, Start};
