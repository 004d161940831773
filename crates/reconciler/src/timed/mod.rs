//! What the managers of timed resources share: a step of one resource with the
//! writes it leads to, its phases, and what it makes and removes.
//!
//! The one idea: a timed resource moves through its states by the clock and by
//! what its children have come to. Intent goes down as `desired_status`, status
//! comes up through the world, and every manager only ever looks at its own
//! level.

mod jobs;
mod late;
mod phases;
mod pipeline;
mod step;
mod undone;
mod ways;
mod workloads;

pub(crate) use jobs::{end_jobs, end_own_jobs, env_of, is_gone};
pub(crate) use late::{in_words, is_late};
pub(crate) use phases::{Phases, Try, run_phases};
pub(crate) use pipeline::{OwnPhase, begins_anew, run_pipeline, waits_for_engine};
pub(crate) use step::{Done, Step};
pub(crate) use undone::undone;
pub(crate) use workloads::{
    change_spec, clear_gone, force, in_the_way, left_in_words, log_of, reason_with,
};

/// The variables that every program of a session is given, besides what is
/// declared.
pub(crate) mod env {
    /// The session.
    pub(crate) const SESSION: &str = "TESSERA_SESSION";
    /// The part, by its name in the session.
    pub(crate) const PART: &str = "TESSERA_PART";
    /// The pod.
    pub(crate) const POD: &str = "TESSERA_POD";
    /// The ports that the pod was given, separated by commas.
    pub(crate) const PORTS: &str = "TESSERA_PORTS";
    /// The job.
    pub(crate) const JOB: &str = "TESSERA_JOB";
    /// Which try of its phase a job is.
    pub(crate) const ATTEMPT: &str = "TESSERA_ATTEMPT";
}
