//! The pipelines of phases: compiled once, and what the engine says of their steps.
//!
//! The one idea: what a step came to is written into its instance, whoever says so first;
//! everybody later finds that the step is not under way any more.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tessera_pipeline::{OverridesPolicy, Pipeline, Tier, compile_phase};
use tessera_planted::{Bug, planted};
use tessera_types::timed::{PipelineSpec, StepProgress, StepState, Timed, TimedStatus};
use tessera_types::{
    Edit, Host, Invalid, Kind, KindName, Name, Object, SessionPart, Timestamp, limits,
};

use crate::timed::Step;

/// Pipelines that are kept at most: more than that are made anew when they are needed.
const KEPT_MAX: usize = 1000;

/// No engine answers at its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineAway {
    /// The address.
    pub url: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether something else answers there.
    pub is_other: bool,
}

impl fmt::Display for EngineAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, since) = (&self.url, self.since.second_before());
        match self.is_other {
            true => write!(f, "what answers at {url} is not an engine"),
            false => write!(f, "the engine at {url} has not answered since {since}"),
        }
    }
}

/// Whether the engine can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineUse {
    /// It can.
    #[default]
    On,
    /// There is none.
    Missing,
    /// An operator has stopped its use.
    Stopped,
}

impl EngineUse {
    /// Why no pipeline with jobs begins, if none does.
    #[must_use]
    pub const fn held(self) -> Option<&'static str> {
        match self {
            Self::On => None,
            Self::Missing => {
                Some("an engine for its jobs: the control plane was started without --engine")
            }
            Self::Stopped => Some(
                "pipelines with jobs to be let through: the control plane was started with --no-engine",
            ),
        }
    }
}

/// What came of a step that Tessera does itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Handled {
    /// It is done; what it gave.
    Done(Value),
    /// It goes on; in words, what it waits for.
    UnderWay(String),
    /// It has failed.
    Failed(String),
}

impl Handled {
    /// Admission refuses such names, so only another release can have let it in.
    pub(crate) fn unknown(handler: &str) -> Self {
        Self::Failed(format!("there is no handler `{handler}`"))
    }
}

/// A kind whose phases can be pipelines.
pub(crate) trait Acts: Timed<Status = TimedStatus> {
    /// Does what `handler` stands for, or looks how far it is.
    fn act(step: &mut Step<'_, Self>, handler: &str) -> Handled;

    /// Removes what a failed try has left. True once nothing is.
    fn clean(step: &mut Step<'_, Self>) -> bool;

    /// What its pipelines are given.
    fn inputs(object: &Object<Self>) -> Value;

    /// What expressions know of it, besides what all timed resources have.
    fn instance(object: &Object<Self>) -> Value;
}

/// What all kinds but pods have.
macro_rules! acts_little {
    ($kind:ident) => {
        impl Acts for $kind {
            fn act(step: &mut Step<'_, Self>, handler: &str) -> Handled {
                match handler {
                    "mark_ready" => Handled::Done(Value::Null),
                    "archive" => {
                        let timed = step.timed();
                        Handled::Done(json!({
                            "outcome": timed.outcome,
                            "provisioned_at": timed.provisioned_at,
                            "started_at": timed.started_at,
                            "ended_at": timed.ended_at,
                        }))
                    }
                    other => Handled::unknown(other),
                }
            }

            fn clean(_: &mut Step<'_, Self>) -> bool {
                true
            }

            fn inputs(_: &Object<Self>) -> Value {
                json!({})
            }

            fn instance(_: &Object<Self>) -> Value {
                json!({})
            }
        }
    };
}
acts_little!(Host);
acts_little!(SessionPart);

/// The pipelines that were compiled, and where their steps came from.
#[derive(Debug, Default)]
pub struct Pipelines {
    compiled: Mutex<HashMap<String, Arc<Pipeline>>>,
    hits: [AtomicU64; Tier::ALL.len()],
}

impl Pipelines {
    /// The pipeline of the phase `name`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(
        &self,
        kind: KindName,
        name: &Name,
        spec: Option<&PipelineSpec>,
        policy: OverridesPolicy,
    ) -> Result<Arc<Pipeline>, Vec<Invalid>> {
        // The text is the whole of it, so nothing else is ever taken for it.
        let key = format!("{kind} {name} {policy:?} {}", json!(spec));
        if let Some(known) = self.compiled.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(compile_phase(kind, name.as_str(), spec, policy)?);
        let mut compiled = self.compiled.lock();
        if compiled.len() >= KEPT_MAX {
            compiled.clear();
        }
        compiled.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// A pipeline whose steps are from `tier` begins.
    pub(crate) fn hit(&self, tier: Tier) {
        if let Some(at) = Tier::ALL.iter().position(|one| *one == tier) {
            self.hits[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many pipelines have begun with steps of each tier.
    pub fn hits(&self) -> impl Iterator<Item = (Tier, u64)> {
        Tier::ALL.into_iter().zip(self.hits.iter().map(|hits| hits.load(Ordering::Relaxed)))
    }
}

/// What the engine says of the job of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum JobNews {
    /// It has taken it.
    Taken,
    /// It is under way.
    Progress {
        /// How far it has come; in words.
        message: String,
        /// What it waits for itself, if it does.
        waiting_for: Option<String>,
    },
    /// It is done; what it gave.
    Completed(Value),
    /// It could not.
    Failed(String),
    /// It could not, and another would not either; or a person has cancelled it.
    FailedForGood(String),
    /// It does not take it, and would not another time.
    Refused(String),
}

/// What became of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// They were new.
    Taken,
    /// They were known.
    Known,
    /// They are older than what is known.
    Older,
    /// They are about a try that is not the present one or was given up, or about another
    /// job than its own.
    Stale,
}

/// Whose job news are of.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The phase.
    pub phase: &'a Name,
    /// Its step.
    pub step: &'a Name,
    /// What the try is known by.
    pub correlation_id: &'a str,
    /// The engine's id of the job; none when it has not taken it.
    pub job_id: Option<&'a str>,
    /// The number of the event that says so; none when the engine was asked.
    pub sequence: Option<u64>,
}

/// Writes into an instance what the engine says of the job of one of its steps.
pub fn tell_step<K: Timed>(
    pipelines: &Pipelines,
    edit: &mut Edit<K>,
    whose: Whose<'_>,
    news: &JobNews,
    now: Timestamp,
) -> Told {
    let compiled = compiled(pipelines, &edit.object, whose.phase);
    let progress = K::timed_mut(&mut edit.object).pipeline_progress.get_mut(whose.phase);
    let Some(progress) = progress else { return Told::Stale };
    let Some(stands) = progress.get_mut(whose.step) else { return Told::Stale };
    let is_other = stands.correlation_id.as_deref() != Some(whose.correlation_id);
    if is_other && !planted(Bug::EarlierTryActs) {
        return Told::Stale;
    }
    if stands.state != StepState::Suspended {
        // It was given up, and its job does not know that yet.
        let goes_on = matches!(news, JobNews::Taken | JobNews::Progress { .. });
        let is_given_up = stands.state != StepState::Completed;
        return if goes_on && is_given_up { Told::Stale } else { Told::Known };
    }
    if whose.job_id.is_some_and(|id| stands.job_id.as_ref().is_some_and(|known| known != id)) {
        return Told::Stale;
    }
    if let Some(sequence) = whose.sequence {
        if sequence <= stands.event_sequence {
            return if sequence == stands.event_sequence { Told::Known } else { Told::Older };
        }
        stands.event_sequence = sequence;
    }
    // What is told again when the engine is asked is nothing to write down.
    if whose.sequence.is_none() && is_known(stands, news) {
        return Told::Known;
    }
    let attempt = stands.attempt;
    stands.job_id = whose.job_id.map(str::to_owned).or(stands.job_id.take());
    let (step, pipeline) = (whose.step, compiled.as_deref());
    let is_told = match (news, pipeline) {
        (JobNews::Taken, _) => true,
        (JobNews::Progress { message, waiting_for }, _) => {
            let clip = |text: &String| limits::clip(text, limits::REASON_BYTES_MAX);
            stands.message = Some(clip(message));
            stands.waiting_for = waiting_for.as_ref().map(clip);
            stands.told_at = Some(now);
            true
        }
        (_, None) => false,
        (JobNews::Completed(output), Some(pipeline)) => {
            pipeline.completed(progress, step, attempt, output.clone(), now)
        }
        (JobNews::Refused(why), Some(pipeline)) => {
            pipeline.refused(progress, step, attempt, why, now)
        }
        (JobNews::Failed(why), Some(pipeline)) => {
            pipeline.failed(progress, step, attempt, &with_job(whose, why), now)
        }
        (JobNews::FailedForGood(why), Some(pipeline)) => {
            pipeline.refused(progress, step, attempt, &with_job(whose, why), now)
        }
    };
    if is_told { Told::Taken } else { Told::Stale }
}

fn with_job(whose: Whose<'_>, why: &str) -> String {
    let job = whose.job_id.map(|job| format!("job {job}: ")).unwrap_or_default();
    format!("{job}{why}")
}

/// Whether news of a job under way say what is written down of it already.
fn is_known(stands: &StepProgress, news: &JobNews) -> bool {
    let JobNews::Progress { message, waiting_for } = news else { return false };
    let clip = |text: &String| limits::clip(text, limits::REASON_BYTES_MAX);
    stands.told_at.is_some()
        && stands.message.as_ref() == Some(&clip(message))
        && stands.waiting_for == waiting_for.as_ref().map(clip)
}

fn compiled<K: Timed>(
    pipelines: &Pipelines,
    object: &Object<K>,
    phase: &Name,
) -> Option<Arc<Pipeline>> {
    let lifecycle = K::lifecycle(object)?;
    let declared = lifecycle.phases.iter().find(|one| one.name == *phase);
    let spec = declared.and_then(|phase| phase.pipeline.as_ref());
    pipelines.of(<K as Kind>::KIND, phase, spec, K::overrides_policy(object)).ok()
}
