//! What the engine says of the jobs of steps: as events, or because it was asked.
//!
//! Either way it is written into the instance in one commit, and whoever comes second
//! finds that the step is not under way any more.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tessera_api::ApiError;
use tessera_reconciler::{JobNews, Told, Whose, tell_step};
use tessera_types::booking::EventOutcome;
use tessera_types::engine::{
    EngineJob, JobError, JobEventData, JobEventKind, JobId, JobStatus, Progress,
};
use tessera_types::event::CloudEvent;
use tessera_types::problem::Code;
use tessera_types::timed::{StepState, Timed};
use tessera_types::{Actor, Edit, KindName, Name, ResourceKey, limits, with_pipelined};

use crate::clock;
use crate::plane::Plane;

/// A try of a step whose job the engine has or is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suspended {
    pub(crate) key: ResourceKey,
    pub(crate) phase: Name,
    pub(crate) step: Name,
    pub(crate) correlation_id: String,
}

impl Suspended {
    /// What the engine is told of whose job it is, and tells in each event.
    pub(crate) fn metadata(&self) -> Map<String, Value> {
        let namespace = self.key.namespace.as_ref().map(ToString::to_string);
        let all = [
            ("instance", Some(format!("{}/{}", self.key.kind.singular(), self.key.name))),
            ("namespace", namespace),
            ("phase", Some(self.phase.to_string())),
            ("step", Some(self.step.to_string())),
            ("correlation_id", Some(self.correlation_id.clone())),
        ];
        let given = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.map(|(name, value)| (name, value.into())).collect()
    }

    /// The same from an event; none where it is not one of ours.
    fn of_metadata(metadata: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| metadata.get(name).and_then(Value::as_str);
        let name = |field: &str| Name::new(text(field)?).ok();
        let (kind, instance) = text("instance")?.split_once('/')?;
        let kinds = [KindName::Pod, KindName::SessionPart, KindName::Host];
        let kind = kinds.into_iter().find(|known| known.singular() == kind)?;
        Some(Self {
            key: ResourceKey::new(kind, name("namespace"), Name::new(instance).ok()?),
            phase: name("phase")?,
            step: name("step")?,
            correlation_id: text("correlation_id")?.to_owned(),
        })
    }
}

/// Takes an event about a job.
pub(crate) async fn take_event(
    plane: &Plane,
    kind: JobEventKind,
    event: &CloudEvent,
) -> Result<(EventOutcome, Option<ResourceKey>, Option<String>), ApiError> {
    let unmatched = |why: &str| Ok((EventOutcome::Unmatched, None, Some(why.to_owned())));
    let data = event.data.clone().unwrap_or_default();
    let Ok(data) = serde_json::from_value::<JobEventData>(data) else {
        return unmatched("its data is not that of an event about a job");
    };
    let Some(whose) = Suspended::of_metadata(&data.metadata) else {
        return unmatched("its metadata names no step of an instance");
    };
    let news = news_of(kind, &data);
    let told = tell(plane, &whose, Some(&data.job_id), Some(data.sequence), &news).await?;
    Ok(match told {
        Told::Taken => (EventOutcome::Accepted, Some(whose.key), None),
        Told::Known => (EventOutcome::Duplicate, Some(whose.key), None),
        Told::Older => {
            (EventOutcome::Unmatched, None, Some("it is older than what is known".into()))
        }
        Told::Stale => {
            if !kind.is_last() {
                plane.engine.end_stray(&data.job_id).await?;
            }
            (EventOutcome::Unmatched, None, Some("it is about a try that is over".into()))
        }
    })
}

fn news_of(kind: JobEventKind, data: &JobEventData) -> JobNews {
    match kind {
        JobEventKind::Started => JobNews::Taken,
        JobEventKind::Progress => under_way(&data.progress, data.waiting_for.as_ref()),
        JobEventKind::Completed => JobNews::Completed(data.output.clone().unwrap_or_default()),
        JobEventKind::Failed => failed(data.error.as_ref()),
        JobEventKind::Cancelled => cancelled(),
    }
}

/// What a job is known to have come to by now.
pub(crate) fn news_of_job(job: &EngineJob) -> JobNews {
    match job.head.status {
        JobStatus::Submitted | JobStatus::Running => JobNews::Taken,
        JobStatus::Completed => JobNews::Completed(job.output.clone().unwrap_or_default()),
        JobStatus::Failed => failed(job.error.as_ref()),
        JobStatus::Cancelled => cancelled(),
    }
}

/// What is known of a job that the engine was asked for.
pub(crate) fn news_when_asked(job: &EngineJob) -> JobNews {
    let head = &job.head;
    match head.status {
        JobStatus::Submitted => JobNews::Progress {
            message: "it has not begun".to_owned(),
            waiting_for: Some("its turn in the engine".to_owned()),
        },
        JobStatus::Running => under_way(&head.progress, head.waiting_for.as_ref()),
        _ => news_of_job(job),
    }
}

fn under_way(progress: &Progress, waiting_for: Option<&String>) -> JobNews {
    JobNews::Progress { message: in_words(progress), waiting_for: waiting_for.cloned() }
}

fn in_words(progress: &Progress) -> String {
    let Progress { done, known, current } = progress;
    let at = current.as_ref().map(|task| format!(", at {task}")).unwrap_or_default();
    format!("{done} of {known} tasks are done{at}")
}

/// Of a step that still wants its job only a person can have cancelled it, and does not mean
/// that another is to be begun.
fn cancelled() -> JobNews {
    JobNews::FailedForGood("somebody cancelled it in the engine".to_owned())
}

/// A job whose document does not take its input would not take it another time.
fn failed(error: Option<&JobError>) -> JobNews {
    let why = why(error);
    let is_for_good = error.is_some_and(|error| {
        error.kind.ends_with("/errors/validation") && error.instance == "/input"
    });
    match is_for_good {
        true => JobNews::FailedForGood(why),
        false => JobNews::Failed(why),
    }
}

fn why(error: Option<&JobError>) -> String {
    let Some(error) = error else { return "it failed".to_owned() };
    let title = error.title.as_deref().unwrap_or(&error.kind);
    match &error.detail {
        Some(detail) => format!("{title}: {detail}"),
        None => title.to_owned(),
    }
}

/// Writes into the instance what the engine says. What is gone takes no news.
pub(crate) async fn tell(
    plane: &Plane,
    whose: &Suspended,
    job_id: Option<&JobId>,
    sequence: Option<u64>,
    news: &JobNews,
) -> Result<Told, ApiError> {
    let told = with_pipelined!(whose.key.kind, K => {
        one::<K>(plane, whose, job_id, sequence, news).await
    });
    match told {
        Some(Err(error)) if error.problem().code != Code::NotFound => Err(error),
        Some(Ok(told)) => Ok(told),
        _ => Ok(Told::Stale),
    }
}

async fn one<K: Timed>(
    plane: &Plane,
    whose: &Suspended,
    job_id: Option<&JobId>,
    sequence: Option<u64>,
    news: &JobNews,
) -> Result<Told, ApiError> {
    let pipelines = Arc::clone(plane.world.read().pipelines());
    let told = Mutex::new(Told::Stale);
    let Suspended { phase, step, correlation_id, .. } = whose;
    let job_id = job_id.map(JobId::as_str);
    let of = Whose { phase, step, correlation_id, job_id, sequence };
    plane
        .edit::<K>(&whose.key, |edit| {
            let outcome = tell_step(&pipelines, edit, of, news, clock::now());
            *told.lock() = outcome;
            if outcome == Told::Taken {
                note_end(edit, whose, job_id, news);
            }
            Ok(())
        })
        .await?;
    Ok(told.into_inner())
}

/// The way of a step with a job is in the history, from its suspension on.
fn note_end<K: Timed>(edit: &mut Edit<K>, whose: &Suspended, job_id: Option<&str>, news: &JobNews) {
    let ended = match news {
        JobNews::Completed(_) => "is completed".to_owned(),
        JobNews::Failed(why) | JobNews::FailedForGood(why) | JobNews::Refused(why) => {
            format!("has failed: {}", limits::one_line(why, limits::QUOTE_BYTES_MAX))
        }
        JobNews::Taken | JobNews::Progress { .. } => return,
    };
    let Suspended { phase, step, correlation_id, .. } = whose;
    let progress = K::timed(&edit.object).pipeline_progress.get(phase);
    let Some(stands) = progress.and_then(|progress| progress.get(step)) else { return };
    let (from, to, attempt) = (StepState::Suspended, stands.state, stands.attempt);
    let job = job_id.map(|id| format!(" {id}")).unwrap_or_default();
    edit.note(Actor::ENGINE, format!("phase {phase}: job{job} of step {step} {ended}"))
        .with("phase", phase)
        .with("step", step)
        .with("attempt", attempt)
        .with("step_state", format_args!("{from:?} → {to:?}"))
        .with("correlation_id", correlation_id);
    if let Some(id) = job_id {
        edit.with("job_id", id);
    }
}
