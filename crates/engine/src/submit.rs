//! Submitting, cancelling and retrying jobs, and what is answered of them.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tessera_store::journal::{Change, JobNumber, JournalError, NewJob, StoredJob};
use tessera_types::engine::{
    EngineJob, JobError, JobEventKind, JobHead, JobId, JobStatus, Progress, Submission,
};
use tessera_types::problem::Code;
use tessera_types::{Actor, Fingerprint, Problem, State, Timestamp, limits};
use tokio::sync::oneshot;

use crate::book::Tell;
use crate::clock;
use crate::failure::{self, no_job, of_journal};
use crate::plane::Plane;
use crate::run::event_of;
use crate::scenarios::Scenario;
use crate::state::JobState;

/// What came of a job, as it is stored.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoredOutcome {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<JobError>,
}

/// How long a run may take to store that it is cancelled.
const CANCELLED_WITHIN: Duration = Duration::from_secs(10);

/// Submits a job, once for its idempotency key. One that another began is of that one's family.
pub(crate) async fn submit(
    plane: &Plane,
    submission: Submission,
    family: Option<JobId>,
) -> Result<EngineJob, Problem> {
    let mut problems = Vec::new();
    submission.validate(&mut problems);
    if !problems.is_empty() {
        return Err(Problem::invalid("submission", problems));
    }
    let fingerprint = fingerprint(&submission);
    // A job that there is stays what it is, whatever has become of the queue and of the scenarios.
    if let Some(key) = &submission.idempotency_key
        && let Some(by) = plane.journal.job_of_key(key).await.map_err(of_journal)?
    {
        return again(plane, by, fingerprint).await;
    }
    let scenario = scenario(plane, &submission)?;
    let submitter = submission.submitter.as_deref().unwrap_or_default();
    if !submission.cancelled
        && !plane.book.lock().queue.has_room(submitter, plane.options.queue_max)
    {
        return Err(no_room(plane, submitter));
    }
    if let Some(family) = &family
        && !plane.book.lock().joins(family)
    {
        return Err(too_many_begun(family));
    }
    let created = create(plane, &submission, fingerprint, &scenario, family.clone()).await;
    if created.is_err()
        && let Some(family) = &family
    {
        plane.book.lock().leaves(family);
    }
    let (number, state) = match created {
        Ok(created) => created,
        Err(NotCreated::KeyUsed { by }) => return again(plane, by, fingerprint).await,
        Err(NotCreated::Problem(problem)) => return Err(problem),
    };
    plane.documents.keep(&scenario.workflow, &state.hash);
    tracing::info!(target: "tessera::engine", job = %state.head.id, scenario = %state.head.scenario, submitter = state.submitter(), "job submitted");
    let state = Arc::new(state);
    enqueue(plane, number, &state);
    Ok(view(&state, submission, StoredOutcome::default()))
}

/// Why a job was not stored.
enum NotCreated {
    KeyUsed { by: JobNumber },
    Problem(Problem),
}

/// Stores a new job.
async fn create(
    plane: &Plane,
    submission: &Submission,
    fingerprint: u64,
    scenario: &Scenario,
    family: Option<JobId>,
) -> Result<(JobNumber, JobState), NotCreated> {
    let number = plane.book.lock().take_number();
    let now = clock::now();
    let mut state =
        new_state(submission, fingerprint, scenario, now).map_err(NotCreated::Problem)?;
    state.family = family;
    if submission.cancelled {
        let advanced =
            state.advance(JobStatus::Cancelled, now, Actor::API, "submitted as cancelled");
        advanced.map_err(|error| NotCreated::Problem(Problem::internal(&error.to_string())))?;
    }
    let body = serde_json::to_string(submission)
        .map_err(|error| NotCreated::Problem(Problem::internal(&error.to_string())))?;
    let mut changes = vec![
        Change::Keep { hash: state.hash.as_str().into(), text: Arc::clone(&scenario.text) },
        Change::Create(NewJob {
            number,
            key: submission.idempotency_key.as_deref().map(Into::into),
            text: Some(state.hash.as_str().into()),
            body,
            state: state.to_text(),
        }),
    ];
    if submission.cancelled {
        changes.push(Change::State { job: number, body: state.to_text(), ended_at: Some(now) });
    }
    match plane.commit(changes).await {
        Ok(()) => Ok((number, state)),
        Err(JournalError::KeyUsed { by }) => Err(NotCreated::KeyUsed { by }),
        Err(error @ JournalError::Failed(_)) => match plane.journal.job(number).await {
            // Whether it was made is not known. What is stored is to be run.
            Ok(Some(_)) => Ok((number, state)),
            Ok(None) => Err(NotCreated::Problem(of_journal(error))),
            Err(error) => Err(NotCreated::Problem(of_journal(error))),
        },
        Err(error) => Err(NotCreated::Problem(of_journal(error))),
    }
}

fn no_room(plane: &Plane, submitter: &str) -> Problem {
    let (its, all) = {
        let queue = &plane.book.lock().queue;
        (queue.len_of(submitter), queue.len())
    };
    let max = plane.options.queue_max;
    let detail = format!(
        "{all} jobs wait already, {its} of them of this submitter; of {max} places one submitter \
         may have as many as are free"
    );
    Problem::new(Code::TooManyRequests, detail).remedy("try again later")
}

fn too_many_begun(family: &JobId) -> Problem {
    let max = limits::STARTED_RUNS_MAX;
    let detail = format!(
        "job {family} and those that it began have begun {max} jobs that are still kept, which is \
         the most"
    );
    Problem::new(Code::TooManyRequests, detail)
}

/// Puts a job that was stored into the queue, unless somebody else has done that.
fn enqueue(plane: &Plane, number: JobNumber, state: &Arc<JobState>) {
    let mut book = plane.book.lock();
    if book.get(number).is_some() {
        return;
    }
    book.put(number, Arc::clone(state));
    if state.head.status == JobStatus::Submitted {
        book.queue.push(state.submitter(), number);
    }
    drop(book);
    plane.bell.notify_one();
}

fn scenario(plane: &Plane, submission: &Submission) -> Result<Arc<Scenario>, Problem> {
    let name = &submission.scenario;
    // A key can be used up whatever has become of its scenario.
    let gone = || submission.cancelled.then(Scenario::gone).flatten();
    plane.scenarios.get(name).or_else(gone).ok_or_else(|| {
        let remedy = match plane.scenarios.nearest(name) {
            Some(near) => format!("did you mean {near}?"),
            None => "see GET /api/v1/scenarios".to_owned(),
        };
        Problem::not_found(format!("scenario {name}")).remedy(remedy)
    })
}

fn new_state(
    submission: &Submission,
    fingerprint: u64,
    scenario: &Scenario,
    now: Timestamp,
) -> Result<JobState, Problem> {
    let random = clock::random().map_err(|error| Problem::internal(&error.to_string()))?;
    let head = JobHead {
        id: JobId::new(now, random),
        scenario: submission.scenario.clone(),
        submitter: submission.submitter.clone(),
        status: JobStatus::Submitted,
        attempt: 1,
        progress: Progress::default(),
        waiting_for: None,
        created_at: now,
        started_at: None,
        ended_at: None,
    };
    let mut state = JobState {
        head,
        hash: scenario.info.hash.clone(),
        family: None,
        lacks: Vec::new(),
        interest: scenario.interest.clone(),
        fingerprint,
        callback_url: submission.callback_url.clone(),
        first_entry: 1,
        next_event: 1,
        history: Vec::new(),
    };
    state.note(None, now, Actor::API, "");
    Ok(state)
}

/// What tells submissions apart: all that they say but the key.
fn fingerprint(submission: &Submission) -> u64 {
    let rest = Submission { idempotency_key: None, ..submission.clone() };
    let text = serde_json::to_string(&rest).unwrap_or_default();
    Fingerprint::default().text(&text).finish()
}

/// The job that has the idempotency key, if it is of the same submission.
async fn again(plane: &Plane, by: JobNumber, fingerprint: u64) -> Result<EngineJob, Problem> {
    let (found, stored) = stored(plane, by).await?;
    if found.fingerprint != fingerprint {
        let detail = "the idempotency key was used for another submission";
        return Err(Problem::new(Code::IdempotencyKeyReused, detail)
            .instance(format!("job {}", found.head.id))
            .remedy("choose a new key for each job"));
    }
    if found.head.status == JobStatus::Submitted {
        // Whoever submitted it may not have come to that yet, or not know that it was stored.
        enqueue(plane, by, &Arc::new(found.clone()));
    }
    full(plane, by, found, &stored)
}

/// A job as it is stored.
pub(crate) async fn stored(
    plane: &Plane,
    number: JobNumber,
) -> Result<(JobState, StoredJob), Problem> {
    let stored = plane.journal.job(number).await.map_err(of_journal)?;
    let stored = stored.ok_or_else(|| Problem::not_found(format!("job number {number}")))?;
    let state = serde_json::from_str(&stored.state).map_err(|error| damaged(&error))?;
    Ok((state, stored))
}

fn damaged(error: &serde_json::Error) -> Problem {
    of_journal(JournalError::Failed(format!("a job cannot be read: {error}")))
}

/// All that there is to say of a job.
pub(crate) async fn describe(plane: &Plane, id: &JobId) -> Result<EngineJob, Problem> {
    let (number, _) = plane.book.lock().find(id).ok_or_else(|| no_job(id))?;
    let (state, stored) = stored(plane, number).await?;
    full(plane, number, state, &stored)
}

/// A job as it is stored, which is of one moment; with what is only known in memory, if
/// that is of the same one.
fn full(
    plane: &Plane,
    number: JobNumber,
    mut state: JobState,
    stored: &StoredJob,
) -> Result<EngineJob, Problem> {
    if let Some(live) = plane.book.lock().get(number)
        && (live.head.status, live.head.attempt) == (state.head.status, state.head.attempt)
    {
        state.head = live.head.clone();
    }
    let submission = serde_json::from_str(&stored.body).map_err(|error| damaged(&error))?;
    let outcome = match &stored.outcome {
        Some(text) => serde_json::from_str(text).map_err(|error| damaged(&error))?,
        None => StoredOutcome::default(),
    };
    Ok(view(&state, submission, outcome))
}

fn view(state: &JobState, submission: Submission, outcome: StoredOutcome) -> EngineJob {
    let status = state.head.status;
    EngineJob {
        head: state.head.clone(),
        scenario_hash: state.hash.clone(),
        input: submission.input,
        pod_definition_id: submission.pod_definition_id,
        callback_url: submission.callback_url,
        metadata: submission.metadata,
        // What is stored may be of an earlier attempt.
        output: outcome.output.filter(|_| status == JobStatus::Completed),
        error: outcome.error.filter(|_| status == JobStatus::Failed),
        history: state.history.clone(),
    }
}

/// Cancels a job: one that waits at once, one that runs by telling it.
pub(crate) async fn cancel(plane: &Plane, id: &JobId) -> Result<EngineJob, Problem> {
    let reason = "cancelled through the API";
    let number = plane.book.lock().number(id).ok_or_else(|| no_job(id))?;
    let desk = plane.desk.take(number).await?;
    let state = plane.book.lock().get(number).cloned().ok_or_else(|| no_job(id))?;
    if let Some(taken) = Taken::out_of_queue(plane, number, state.submitter()) {
        cancel_waiting(plane, number, &state, reason).await?;
        taken.stays_out();
        return describe(plane, id).await;
    }
    drop(desk);
    let run = plane.book.lock().running.get(&number).cloned();
    if let Some(run) = run {
        // The first reason counts.
        let _ = run.cancelled.set(reason.to_owned());
        let (told, durable) = oneshot::channel();
        let telling = async {
            if run.tell.send(Tell::Cancel { reason: reason.to_owned(), told }).await.is_ok() {
                // A run that ends by itself meanwhile, or fails to store this, drops the question.
                let _ = durable.await;
            }
        };
        tokio::time::timeout(CANCELLED_WITHIN, telling).await.map_err(|_| still_busy(id))?;
    }
    // Whatever became of it: asking again is no mistake.
    let job = describe(plane, id).await?;
    match job.head.status {
        JobStatus::Cancelled => Ok(job),
        JobStatus::Completed | JobStatus::Failed => Err(over(&job.head, "cancelled")),
        // It could not store what it was told.
        JobStatus::Submitted | JobStatus::Running => Err(still_busy(id)),
    }
}

/// A job that was taken out of the queue, and goes back unless it is said to stay out: nobody else
/// would put it there.
struct Taken<'p> {
    plane: &'p Plane,
    number: JobNumber,
    submitter: &'p str,
    goes_back: bool,
}

impl<'p> Taken<'p> {
    /// None where the job does not wait.
    fn out_of_queue(plane: &'p Plane, number: JobNumber, submitter: &'p str) -> Option<Self> {
        let waits = plane.book.lock().queue.remove(submitter, number);
        // Not before it is known: one that is dropped goes back.
        waits.then(|| Self { plane, number, submitter, goes_back: true })
    }

    fn stays_out(mut self) {
        self.goes_back = false;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.goes_back {
            self.plane.book.lock().queue.push(self.submitter, self.number);
            self.plane.bell.notify_one();
        }
    }
}

fn still_busy(id: &JobId) -> Problem {
    let detail = format!("job {id} was told, and has not stored that it is cancelled");
    Problem::new(Code::Unavailable, detail).remedy("ask again in a moment; is the disk full?")
}

async fn cancel_waiting(
    plane: &Plane,
    number: JobNumber,
    state: &JobState,
    reason: &str,
) -> Result<(), Problem> {
    let now = clock::now();
    let mut next = state.clone();
    let advanced = next.advance(JobStatus::Cancelled, now, Actor::API, reason);
    advanced.map_err(|error| Problem::internal(&error.to_string()))?;
    let (_, stored) = stored(plane, number).await?;
    let submission = serde_json::from_str(&stored.body).map_err(|error| damaged(&error))?;
    let mut changes = Vec::new();
    let outcome = StoredOutcome::default();
    let event =
        event_of(plane, number, &mut next, &submission, JobEventKind::Cancelled, &outcome, now);
    let number_of_event = event.map(|(event, change)| {
        changes.push(change);
        event
    });
    changes.push(Change::State { job: number, body: next.to_text(), ended_at: Some(now) });
    if let Err(error) = plane.commit(changes).await
        && !was_made(plane, number, &next, &error).await
    {
        return Err(of_journal(error));
    }
    plane.book.lock().put(number, Arc::new(next));
    if let Some(event) = number_of_event {
        plane.outbox.add(number, event, state.callback_url.as_deref());
    }
    Ok(())
}

/// Whether a change of a job was made although its commit failed, which may not be known: what is
/// stored is what counts.
async fn was_made(plane: &Plane, number: JobNumber, next: &JobState, error: &JournalError) -> bool {
    matches!(error, JournalError::Failed(_))
        && stored(plane, number).await.is_ok_and(|(state, _)| {
            (state.head.status, state.head.attempt) == (next.head.status, next.head.attempt)
        })
}

/// Has a job that is over tried again.
pub(crate) async fn retry(plane: &Plane, id: &JobId) -> Result<EngineJob, Problem> {
    let number = plane.book.lock().number(id).ok_or_else(|| no_job(id))?;
    let _desk = plane.desk.take(number).await?;
    let state = plane.book.lock().get(number).cloned().ok_or_else(|| no_job(id))?;
    if !state.head.status.may_become(JobStatus::Submitted) {
        // A run that has just ended is stored a moment before it is known here.
        let (stored, _) = stored(plane, number).await?;
        let is_over = stored.head.status.is_over();
        return Err(if is_over { just_ended(id) } else { not_over(&state.head) });
    }
    let mut next = (*state).clone();
    let attempt = next.head.attempt + 1;
    let reason = format!("attempt {attempt} was asked for through the API");
    let advanced = next.advance(JobStatus::Submitted, clock::now(), Actor::API, &reason);
    advanced.map_err(|error| Problem::internal(&error.to_string()))?;
    next.head.attempt = attempt;
    next.head.progress = Progress::default();
    // No event is given to the attempt before while this one begins.
    let mut door = plane.door.lock().await;
    door.passed(number);
    next.first_entry = entries_end(plane, number, state.first_entry).await?;
    let change = Change::State { job: number, body: next.to_text(), ended_at: None };
    if let Err(error) = plane.commit(vec![change]).await
        && !was_made(plane, number, &next, &error).await
    {
        return Err(of_journal(error));
    }
    {
        let mut book = plane.book.lock();
        book.put(number, Arc::new(next.clone()));
        book.queue.push(next.submitter(), number);
    }
    drop(door);
    plane.bell.notify_one();
    describe(plane, id).await
}

/// The number after a job's last entry.
async fn entries_end(plane: &Plane, number: JobNumber, from: u64) -> Result<u64, Problem> {
    let mut end = from;
    loop {
        let page = plane.journal.entries(number, end, crate::trace::PAGE).await;
        match page.map_err(of_journal)?.last() {
            Some((last, _)) => end = last + 1,
            None => return Ok(end),
        }
    }
}

fn over(head: &JobHead, what: &str) -> Problem {
    let detail = format!("job {} is {} and cannot be {what}", head.id, head.status);
    Problem::new(Code::NotNow, detail).instance(format!("job {}", head.id))
}

fn just_ended(id: &JobId) -> Problem {
    let detail = format!("job {id} has just ended, and its run is not done with that");
    Problem::new(Code::NotNow, detail).remedy("ask again in a moment")
}

fn not_over(head: &JobHead) -> Problem {
    let detail = format!("job {} is {}: one that is over can be tried again", head.id, head.status);
    Problem::new(Code::NotNow, detail)
        .instance(format!("job {}", head.id))
        .remedy("cancel it first, or wait for its end")
}

/// What a request is told when everything ends.
pub(crate) fn refuse_when_stopping(plane: &Plane) -> Result<(), Problem> {
    match plane.stopping.is_cancelled() {
        true => Err(failure::stopping()),
        false => Ok(()),
    }
}
