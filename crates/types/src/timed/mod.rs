//! What all timed resources share: the window, the states, the lifecycle with
//! its phases, and what is known of where they are in it.
//!
//! The one idea: a timed resource is ready before its window `[start, end)`
//! opens and gone after it closes, so it occupies `[provision_at,
//! cleanup_deadline)`, and every question about it is one about these four
//! times.

mod lifecycle;
mod observed;
mod pipeline;
mod status;
mod timeslot;

pub use lifecycle::{Engine, Lifecycle, OnFailure, OnLate, OverridesPolicy, Phase, RetryPolicy};
pub(crate) use observed::timed_kind;
pub use observed::{
    Boundary, Failure, LateDecision, Lateness, Outcome, PhaseRun, PhaseState, Request, Requested,
    Timed, TimedObserved, UnwantedJob,
};
pub use pipeline::{
    PipelineProgress, PipelineSpec, StepOverride, StepProgress, StepSpec, StepState,
};
pub use status::{DesiredTimedStatus, TimedStatus};
pub use timeslot::{DeclaredTimeslot, Timeslot, Window};
