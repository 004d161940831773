//! Bringing a machine to where its job is: for a run that goes on, and for the trace.

use std::sync::Arc;

use serde_json::json;
use tessera_effects::trace::{Step, steps as steps_of};
use tessera_store::journal::{JobNumber, JournalError, StoredJob};
use tessera_types::engine::{JobId, JobStep, JobSteps, Submission};
use tessera_types::{Problem, Timestamp, limits};
use tessera_workflow::definition::Workflow;
use tessera_workflow::machine::{Entry, Error, Limits, Machine, Observation, Runtime, Start};
use tessera_workflow::reading::Documents;
use tessera_workflow::value::from_json;

use crate::failure::{self, no_job, of_journal};
use crate::plane::Plane;
use crate::state::JobState;
use crate::{secrets, submit};

/// Entries that are read at once.
pub(crate) const PAGE: usize = 1000;

/// A machine before anything has happened, and what it was made of.
pub(crate) struct Begun {
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) machine: Machine,
    /// The secrets that the document names and that are not there.
    pub(crate) lacks: Vec<String>,
}

/// Why a machine cannot begin.
pub(crate) enum NotBegun {
    /// Its document is not there, or cannot be read any more.
    Document(Error),
    /// A secret cannot be read now.
    Secret(Error),
}

/// A job's machine before anything has happened.
pub(crate) fn begin(
    plane: &Plane,
    state: &JobState,
    stored: &StoredJob,
    submission: &Submission,
    at: Timestamp,
) -> Result<Begun, NotBegun> {
    let runtime = |why: &str| NotBegun::Document(failure::runtime(why));
    let missing = || runtime("its document is not in the journal");
    let text = stored.text.as_deref().ok_or_else(missing)?;
    let unreadable = |why| runtime(&format!("its document cannot be read any more: {why}"));
    let workflow = plane.documents.stored(&state.hash, text).map_err(unreadable)?;
    let secrets = secrets::read(plane.options.secrets.as_deref(), &workflow.secrets);
    let secrets = secrets.map_err(NotBegun::Secret)?;
    let lacks = workflow.secrets.iter().filter(|name| !secrets.contains_key(*name));
    let lacks = lacks.map(ToString::to_string).collect();
    let metadata = json!({
        "job_id": state.head.id,
        "attempt": state.head.attempt,
        "pod_definition_id": submission.pod_definition_id,
    });
    let start = Start {
        run_id: state.run_id().into(),
        input: from_json(submission.input.clone()),
        at,
        secrets,
        runtime: Runtime {
            name: "tessera-engine".into(),
            version: tessera_api::VERSION.into(),
            metadata: from_json(metadata),
        },
        limits: Limits::default(),
        reader: Arc::new(Documents),
    };
    let machine = Machine::begin(Arc::clone(&workflow), start);
    Ok(Begun { workflow, machine, lacks })
}

/// Why entries could not be read.
#[derive(Debug)]
pub(crate) enum EntriesError {
    /// The journal does not answer.
    Journal(JournalError),
    /// One of them is no entry.
    Damaged(String),
}

impl From<EntriesError> for Problem {
    fn from(error: EntriesError) -> Self {
        match error {
            EntriesError::Journal(error) => of_journal(error),
            EntriesError::Damaged(why) => Self::internal(&why),
        }
    }
}

/// Entries of a job from this number on, in order, each with its number; none when there are no
/// more.
pub(crate) async fn entries(
    plane: &Plane,
    number: JobNumber,
    from: u64,
) -> Result<Vec<(u64, Entry)>, EntriesError> {
    let page = plane.journal.entries(number, from, PAGE).await.map_err(EntriesError::Journal)?;
    let read = |(seq, body): (u64, String)| match serde_json::from_str(&body) {
        Ok(entry) => Ok((seq, entry)),
        Err(error) => {
            tracing::error!(target: "tessera::engine", job = %number, seq, %error, "an entry of a journal cannot be read");
            Err(EntriesError::Damaged(format!("entry {seq} of the job's journal cannot be read")))
        }
    };
    page.into_iter().map(read).collect()
}

/// The trace of a job.
pub(crate) async fn steps(plane: &Arc<Plane>, id: &JobId) -> Result<JobSteps, Problem> {
    let (number, state) = plane.book.lock().find(id).ok_or_else(|| no_job(id))?;
    let mut steps = JobSteps {
        job: id.clone(),
        attempt: state.head.attempt,
        status: state.head.status,
        entries: 0,
        steps: Vec::new(),
    };
    let Some(at) = state.head.started_at else { return Ok(steps) };
    // Each holds a whole run, and a replay takes its time.
    let _place = plane.traces.take().await?;
    let (_, stored) = submit::stored(plane, number).await?;
    let mut happened = Vec::new();
    loop {
        let next = state.first_entry + happened.len() as u64;
        let page = entries(plane, number, next).await?;
        if page.is_empty() {
            break;
        }
        happened.extend(page.into_iter().map(|(_, entry)| entry));
    }
    steps.entries = happened.len() as u64;
    let plane = Arc::clone(plane);
    // A replay evaluates every expression of the run anew, which may take its time.
    let replayed = tokio::task::spawn_blocking(move || {
        let submission: Submission = serde_json::from_str(&stored.body)
            .map_err(|error| Problem::internal(&error.to_string()))?;
        // One that could not begin has no steps.
        let Ok(Begun { mut machine, .. }) = begin(&plane, &state, &stored, &submission, at) else {
            return Ok::<_, Problem>(Vec::new());
        };
        while !machine.proceed() {}
        let mut seen = machine.take_observations();
        for entry in &happened {
            machine.apply(entry);
            seen.append(&mut machine.take_observations());
        }
        Ok(fold(&seen))
    });
    steps.steps = replayed.await.map_err(|error| Problem::internal(&error.to_string()))??;
    Ok(steps)
}

/// What was observed, task by task; the last tasks where there are many.
fn fold(seen: &[Observation]) -> Vec<JobStep> {
    let steps = steps_of(seen);
    let excess = steps.len().saturating_sub(limits::JOB_STEPS_MAX);
    steps.into_iter().skip(excess).map(job_step).collect()
}

fn job_step(step: Step) -> JobStep {
    JobStep {
        task: step.task,
        within: step.within,
        iteration: step.iteration,
        status: step.status,
        started_at: step.started_at,
        ended_at: step.ended_at,
        retries: step.retries,
        error: step.error,
    }
}
