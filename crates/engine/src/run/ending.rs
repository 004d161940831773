//! How jobs end, and the events that tell of it.

use std::sync::Arc;

use tessera_store::journal::{Change, JobNumber};
use tessera_types::engine::{JobEventData, JobEventKind, JobStatus, Submission};
use tessera_types::{Actor, Timestamp, limits};
use tessera_workflow::machine::Error;

use super::Stop;
use crate::plane::Plane;
use crate::state::JobState;
use crate::submit::{self, StoredOutcome};
use crate::{clock, cloud_event, failure};

/// Changes a status along a way that there is.
pub(super) fn advance(state: &mut JobState, to: JobStatus, at: Timestamp, by: Actor, reason: &str) {
    let advanced = state.advance(to, at, by, reason);
    advanced.expect("a run begins from Submitted or Running, and ends once");
}

pub(super) fn output_of(
    output: &tessera_workflow::value::Value,
) -> Result<serde_json::Value, Error> {
    let text = output.to_string();
    if text.len() > limits::JOB_OUTPUT_BYTES_MAX {
        let max = limits::JOB_OUTPUT_BYTES_MAX;
        return Err(failure::runtime(format!("its output has more than {max} bytes")));
    }
    serde_json::from_str(&text)
        .map_err(|error| failure::runtime(format!("its output is no JSON: {error}")))
}

pub(super) fn failed(error: &Error) -> (JobStatus, JobEventKind, String, StoredOutcome) {
    let outcome = StoredOutcome { output: None, error: Some(failure::job_error(error)) };
    (JobStatus::Failed, JobEventKind::Failed, error.to_string(), outcome)
}

pub(super) fn state_change(number: JobNumber, state: &JobState) -> Change {
    let ended_at = state.head.ended_at.filter(|_| state.head.status.is_over());
    Change::State { job: number, body: state.to_text(), ended_at }
}

pub(super) fn outcome_change(number: JobNumber, outcome: &StoredOutcome) -> Change {
    let body = serde_json::to_string(outcome).expect("an outcome has text keys only");
    Change::Outcome { job: number, body }
}

/// An event about a job, as a change, with its number; none if nobody wants any.
pub(crate) fn event_of(
    plane: &Plane,
    number: JobNumber,
    state: &mut JobState,
    submission: &Submission,
    kind: JobEventKind,
    outcome: &StoredOutcome,
    at: Timestamp,
) -> Option<(u64, Change)> {
    state.callback_url.as_ref()?;
    let event = state.next_event;
    state.next_event += 1;
    let data = JobEventData {
        job_id: state.head.id.clone(),
        scenario: state.head.scenario.clone(),
        status: state.head.status,
        attempt: state.head.attempt,
        sequence: event,
        progress: state.head.progress.clone(),
        waiting_for: state.head.waiting_for.clone(),
        output: outcome.output.clone(),
        error: outcome.error.clone(),
        pod_definition_id: submission.pod_definition_id.clone(),
        metadata: submission.metadata.clone(),
    };
    let body = cloud_event::text(&plane.options.event_source, kind, at, &data);
    Some((event, Change::Send { job: number, number: event, at, body }))
}

/// Says in the log how a job ended, with the reason if it did not complete.
pub(super) fn tell_of_end(state: &JobState) {
    let (head, last) = (&state.head, state.history.last());
    let reason = last.map_or("", |last| last.reason.as_str());
    tracing::info!(target: "tessera::engine", job = %head.id, scenario = %head.scenario, status = %head.status, reason, "job ended");
}

/// Fails a job that cannot be run.
pub(super) async fn fail(
    plane: &Plane,
    number: JobNumber,
    state: JobState,
    submission: &Submission,
    error: &Error,
    at: Timestamp,
) -> Result<(), Stop> {
    end(plane, number, state, submission, failed(error), at).await
}

/// Ends a job that no machine has ended.
async fn end(
    plane: &Plane,
    number: JobNumber,
    mut state: JobState,
    submission: &Submission,
    (status, kind, reason, outcome): (JobStatus, JobEventKind, String, StoredOutcome),
    at: Timestamp,
) -> Result<(), Stop> {
    let by = if status == JobStatus::Cancelled { Actor::API } else { Actor::ENGINE };
    advance(&mut state, status, at, by, &reason);
    let event = event_of(plane, number, &mut state, submission, kind, &outcome, at);
    let mut changes = vec![outcome_change(number, &outcome), state_change(number, &state)];
    let event = event.map(|(event, change)| {
        changes.push(change);
        event
    });
    plane.commit_patiently(changes).await?;
    plane.metrics.job_ended(status);
    tell_of_end(&state);
    let state = Arc::new(state);
    plane.book.lock().put(number, Arc::clone(&state));
    if let Some(event) = event {
        plane.outbox.add(number, event, state.callback_url.as_deref());
    }
    Ok(())
}

/// A job that is not over, as it is stored.
async fn unfinished(
    plane: &Plane,
    number: JobNumber,
) -> Result<Option<(JobState, Submission)>, Stop> {
    let (state, stored) = submit::stored(plane, number).await?;
    if state.head.status.is_over() {
        return Ok(None);
    }
    let submission: Submission =
        serde_json::from_str(&stored.body).map_err(|error| Stop::Journal(error.to_string()))?;
    Ok(Some((state, submission)))
}

/// Fails a job that cannot be driven on.
pub(super) async fn give_up(plane: &Plane, number: JobNumber, why: &str) -> Result<(), Stop> {
    let Some((state, submission)) = unfinished(plane, number).await? else { return Ok(()) };
    tracing::error!(target: "tessera::engine", job = %state.head.id, why, "a job is given up");
    let error = failure::runtime(format!("{why}; the engine's log says more"));
    fail(plane, number, state, &submission, &error, clock::now()).await
}

/// Cancels a job that is not driven on.
pub(super) async fn cancel(plane: &Plane, number: JobNumber, reason: String) -> Result<(), Stop> {
    let Some((state, submission)) = unfinished(plane, number).await? else { return Ok(()) };
    let cancelled =
        (JobStatus::Cancelled, JobEventKind::Cancelled, reason, StoredOutcome::default());
    end(plane, number, state, &submission, cancelled, clock::now()).await
}
