//! Carries out what runs of workflows want done: calls, processes, events, documents.
//!
//! The one idea: an effect is data in, and one result or one error out. A [`Performer`] keeps nothing
//! of a run; what must survive a crash is in the run's journal. What is outside is told the effect's
//! idempotency key wherever there is a way to: a header, a variable, a label of a container.
//!
//! Whatever comes from outside is bounded ([`Limits`]), and no secret of an effect gets into an
//! error, a log or a `Debug`.

mod adapter;
mod auth;
mod emit;
mod fault;
mod fetch;
mod find;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
mod json;
pub mod local;
mod mask;
mod openapi;
mod performer;
mod process;
mod settings;
pub mod trace;

pub use adapter::{Adapter, AdapterCall};
pub use emit::{Collected, Sink};
pub use fault::{configuration, is_answered};
pub use find::{Definitions, Folder, Runs};
pub use json::to_json;
pub use performer::Performer;
pub use settings::{
    Base, ContainerEngine, Events, Files, Limits, Resolve, Settings, SettingsError,
};
