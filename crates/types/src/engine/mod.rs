//! The engine's jobs: runs of scenarios, which have effects on what is outside.
//!
//! The one idea: a job is submitted once and is then a journal, so unlike a resource
//! it has no revision and nothing is declared of it. What may happen to it is
//! [`JobStatus::may_become`](crate::State::may_become), and whoever submitted it is told
//! by events ([`JobEventData`]) that carry what the submission had as metadata.

mod event;
mod job;
mod readiness;
mod scenario;
mod steps;

pub use event::{
    DeadLetter, DeadLetters, EVENT_SOURCE, EventTaken, EventsTaken, JobEventData, JobEventKind,
    Replay, Replayed,
};
pub use job::{
    EngineJob, JobError, JobHead, JobId, JobIdError, JobList, JobStatus, JobTransition, Progress,
    Submission,
};
pub use readiness::EngineReadiness;
pub use scenario::{
    AdapterInfo, AdapterList, ScenarioInfo, ScenarioList, ScenarioName, ScenarioNameError,
    ScenarioSource,
};
pub use steps::{JobStep, JobSteps, StepStatus};
