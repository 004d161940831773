//! Phase pipelines: directed graphs of named steps that a manager takes as far as they go.
//!
//! The one idea: a pipeline is looked at, not run. [`resolve()`] says which steps there are and
//! where each comes from; [`Pipeline::decide`] looks at how they stand and says what is to be done
//! now. Whoever asks writes what came of it into the instance, so a crash between any two steps
//! costs nothing.
//!
//! The language of jobs ([`tessera_workflow`]) is another: jobs do one thing outside and know
//! nothing of Tessera, pipelines say in which order (RFD 0020). They share jq.

mod compile;
mod decide;
mod graph;
mod handlers;
mod names;
mod phase;
mod reads;
mod resolve;
mod stands;
mod templates;

pub use compile::{Handler, Pipeline};
pub use decide::{Cancel, Decision, Look, Outcome, Start, Work};
pub use handlers::handlers_of;
pub use phase::{compile_phase, is_template, jobs_of, refuse_pipelines};
pub use resolve::{Origin, Resolved, ResolvedStep, Sources, Tier, resolve};
pub use templates::standard_names;
pub use tessera_types::timed::OverridesPolicy;
