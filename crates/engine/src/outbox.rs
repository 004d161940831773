//! The outbox: events about jobs, on their way to whoever submitted them.
//!
//! The one idea: an event was stored with the change that it tells of, and is sent
//! until it has arrived or is given up. Of each job one event at a time is under way,
//! so they arrive in order; between jobs there is no order, and each receiver has only so
//! many places, so one that does not answer delays nobody else (`lanes`).

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use parking_lot::Mutex;
use tessera_store::journal::{Change, JobNumber, JournalError, OpenEvent, Standing};
use tessera_types::engine::{DeadLetter, DeadLetters, JobId, Replay};
use tessera_types::{Problem, Timestamp, limits};
use tessera_workflow::definition::OutputFormat;
use tessera_workflow::machine::{Action, Effect, Error, HttpRequest, StepId};
use tessera_workflow::value::from_json;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::clock;
use crate::failure::{no_job, of_journal};
use crate::lanes::{Lanes, Letter, UNDER_WAY_MAX};
use crate::plane::{AGAIN_AFTER, Plane};

/// How long a receiver may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// The pause after the first failure; it doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// What is refused so often, will be.
const REFUSALS_MAX: u32 = 3;

#[derive(Debug, Default)]
struct Letters {
    lanes: Lanes,
    dead: BTreeSet<(JobNumber, u64)>,
}

/// The events that have not arrived.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    letters: Mutex<Letters>,
    bell: Notify,
    /// Held by whoever looks for events that were stored.
    looks: tokio::sync::Mutex<()>,
}

impl Outbox {
    /// The outbox as a start finds it.
    pub(crate) fn load(events: &[OpenEvent], book: &Book) -> Self {
        let outbox = Self::default();
        for event in events {
            let url = book.get(event.job).and_then(|state| state.callback_url.as_deref());
            outbox.take_in(event, url);
        }
        outbox
    }

    /// Takes in an event that is stored, unless it is known.
    fn take_in(&self, event: &OpenEvent, url: Option<&str>) {
        let letters = &mut *self.letters.lock();
        if event.standing == Standing::Dead {
            letters.dead.insert((event.job, event.number));
        } else if !letters.lanes.has(event.job, event.number) {
            let letter = Letter { number: event.number, attempts: event.attempts };
            // The clock may have been set meanwhile: none is longer off than the longest pause.
            let left = event.at.since(clock::now()).as_std().min(PAUSE_MAX);
            letters.lanes.add(event.job, letter, url.unwrap_or_default(), Instant::now() + left);
        }
    }

    /// Whether each of these events is to be sent, under way, or given up.
    fn knows(&self, events: &[OpenEvent]) -> bool {
        let letters = self.letters.lock();
        events.iter().all(|event| {
            letters.lanes.has(event.job, event.number)
                || letters.dead.contains(&(event.job, event.number))
        })
    }

    /// Has an event sent that is stored.
    pub(crate) fn add(&self, job: JobNumber, number: u64, url: Option<&str>) {
        let letter = Letter { number, attempts: 0 };
        let lanes = &mut self.letters.lock().lanes;
        lanes.add(job, letter, url.unwrap_or_default(), Instant::now());
        self.bell.notify_one();
    }

    /// Events that are to be sent, and those that were given up.
    pub(crate) fn count(&self) -> (u64, u64) {
        let letters = self.letters.lock();
        (letters.lanes.pending(), letters.dead.len() as u64)
    }

    /// The event of a job that was under way is to be sent again.
    fn again(&self, job: JobNumber, attempts: u32, pause: Duration) {
        self.letters.lock().lanes.again(job, attempts, Instant::now() + pause);
        self.bell.notify_one();
    }

    pub(crate) fn forget(&self, jobs: &[JobNumber]) {
        self.letters.lock().dead.retain(|(job, _)| !jobs.contains(job));
    }
}

/// Looks for events of a job that were stored, though the commit seemed to fail.
///
/// An event may arrive between the look into the journal and that into the lanes, and would be
/// sent once more, behind those that follow it. So what the lanes do not have is looked for again:
/// what has left them is stored as such by then.
pub(crate) async fn look_for(plane: &Plane, job: JobNumber) -> Result<(), JournalError> {
    let _alone = plane.outbox.looks.lock().await;
    let open = plane.journal.open_events(job).await?;
    if plane.outbox.knows(&open) {
        return Ok(());
    }
    let events = plane.journal.open_events(job).await?;
    let state = plane.book.lock().get(job).cloned();
    let url = state.as_ref().and_then(|state| state.callback_url.as_deref());
    events.iter().for_each(|event| plane.outbox.take_in(event, url));
    plane.outbox.bell.notify_one();
    Ok(())
}

/// Sends what is due, until everything ends.
pub(crate) async fn send_all(plane: Arc<Plane>) {
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = plane.stopping.cancelled() => return,
        };
        let Some((job, letter)) = next(&plane).await else { return };
        let plane = Arc::clone(&plane);
        tokio::spawn(async move {
            let _place = place;
            let delivering = AssertUnwindSafe(deliver(&plane, job, &letter)).catch_unwind();
            tokio::select! {
                done = delivering => {
                    if done.is_err() {
                        tracing::error!(target: "tessera::engine", job = %job, event = letter.number, "sending an event has panicked: report this as a bug with the log");
                        plane.outbox.again(job, letter.attempts, PAUSE_MAX);
                    }
                }
                () = plane.stopping.cancelled() => {}
            }
        });
    }
}

/// The next letter, when it is due; none when everything ends.
async fn next(plane: &Plane) -> Option<(JobNumber, Letter)> {
    loop {
        let now = Instant::now();
        let due_at = {
            let lanes = &mut plane.outbox.letters.lock().lanes;
            if let Some(taken) = lanes.take(now) {
                return Some(taken);
            }
            lanes.next_due()
        };
        let pause = due_at.map_or(PAUSE_MAX, |at| at.saturating_duration_since(now));
        tokio::select! {
            () = plane.outbox.bell.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = plane.stopping.cancelled() => return None,
        }
    }
}

/// Sends a letter, and stores what came of it.
async fn deliver(plane: &Plane, job: JobNumber, letter: &Letter) {
    let result = send(plane, job, letter).await;
    let has_answered = result.as_ref().err().is_none_or(|failure| failure.is_answer);
    plane.outbox.letters.lock().lanes.heard(job, has_answered);
    let attempts = letter.attempts + u32::from(result.is_err());
    let pause = pause_after(attempts);
    let (standing, note) = match result {
        Ok(()) => (Standing::Delivered, None),
        Err(failure) => {
            let is_refusal = failure.is_refusal && attempts >= REFUSALS_MAX;
            let is_dead = is_refusal || attempts >= plane.options.event_attempts;
            let note = limits::clip(&failure.why, limits::REASON_BYTES_MAX);
            (if is_dead { Standing::Dead } else { Standing::Pending }, Some(note))
        }
    };
    plane.metrics.event_sent(standing);
    if let (Standing::Dead, Some(why)) = (standing, &note) {
        let state = plane.book.lock().get(job).cloned();
        let id = state.as_ref().map_or("", |state| state.head.id.as_str());
        tracing::warn!(target: "tessera::engine", job = id, event = letter.number, attempts, why, "an event is given up; it is among the dead letters");
    }
    let number = letter.number;
    let at = stored_at(standing, pause);
    let change = Change::Stands { job, number, standing, attempts, at, note };
    match plane.commit_patiently(vec![change]).await {
        // Whether it was stored is not known, or nothing is: it is sent once more.
        Err(JournalError::Failed(_) | JournalError::Closed) => {
            plane.outbox.again(job, attempts, AGAIN_AFTER);
        }
        _ if standing == Standing::Pending => plane.outbox.again(job, attempts, pause),
        _ => {
            let mut letters = plane.outbox.letters.lock();
            if standing == Standing::Dead {
                letters.dead.insert((job, number));
            }
            letters.lanes.done(job, Instant::now());
        }
    }
    plane.outbox.bell.notify_one();
}

/// When an event is sent next, or when it was decided that it is not.
fn stored_at(standing: Standing, pause: Duration) -> Timestamp {
    let pause = if standing == Standing::Pending { pause } else { Duration::ZERO };
    let ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    clock::now().plus(tessera_types::Duration::from_millis(ms))
}

fn pause_after(attempts: u32) -> Duration {
    let doubled = PAUSE_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    clock::jittered(doubled.min(PAUSE_MAX))
}

/// Why an event has not arrived.
struct Failure {
    why: String,
    /// Whether the receiver answered with a status.
    is_answer: bool,
    /// Whether the receiver does not want it, now or later.
    is_refusal: bool,
}

async fn send(plane: &Plane, job: JobNumber, letter: &Letter) -> Result<(), Failure> {
    let failed = |why: String| Failure { why, is_answer: false, is_refusal: false };
    let url = plane.book.lock().get(job).and_then(|state| state.callback_url.clone());
    let Some(url) = url else { return Ok(()) };
    let stored = plane.journal.event(job, letter.number).await;
    let stored = stored.map_err(|error| failed(error.to_string()))?;
    let Some(stored) = stored else { return Ok(()) };
    let event: serde_json::Value =
        serde_json::from_str(&stored.body).map_err(|error| failed(error.to_string()))?;
    let id = event.get("id").and_then(|it| it.as_str()).unwrap_or_default();
    let effect = Effect {
        id: StepId(letter.number),
        task: "".into(),
        idempotency_key: id.into(),
        action: Action::Http(HttpRequest {
            method: "POST".into(),
            uri: url.into(),
            headers: vec![("content-type".into(), "application/cloudevents+json".into())],
            query: Vec::new(),
            body: Some(from_json(event)),
            authorization: None,
            output: OutputFormat::Raw,
            redirect: false,
        }),
    };
    let sending = plane.performer.perform(&effect, CancellationToken::new());
    match tokio::time::timeout(ANSWER_WITHIN, sending).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(failure_of(&error)),
        Err(_) => Err(failed(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))),
    }
}

fn failure_of(error: &Error) -> Failure {
    let is_answer = tessera_effects::is_answered(error);
    let is_final = (300..500).contains(&error.status) && !matches!(error.status, 408 | 425 | 429);
    let title = error.title.as_deref().unwrap_or_default();
    let detail = error.detail.as_deref().unwrap_or_default();
    let why = format!("{} {title}: {detail}", error.status);
    Failure { why, is_answer, is_refusal: is_answer && is_final }
}

/// The events that were given up.
pub(crate) async fn dead_letters(
    plane: &Plane,
    job: Option<&JobId>,
    limit: usize,
) -> Result<DeadLetters, Problem> {
    let chosen = chosen(plane, job, None)?;
    let mut items = Vec::new();
    for (number, event) in chosen.iter().take(limit) {
        let Some(state) = plane.book.lock().get(*number).cloned() else { continue };
        let stored = plane.journal.event(*number, *event).await.map_err(of_journal)?;
        let Some(stored) = stored.filter(|it| it.standing == Standing::Dead) else { continue };
        items.push(DeadLetter {
            job: state.head.id.clone(),
            sequence: *event,
            callback_url: state.callback_url.clone().unwrap_or_default(),
            attempts: stored.attempts,
            at: stored.at,
            reason: stored.note,
            event: serde_json::from_str(&stored.body).unwrap_or_default(),
        });
    }
    Ok(DeadLetters { items, total: chosen.len() as u64 })
}

/// Has events that were given up sent again; says how many.
pub(crate) async fn replay(plane: &Plane, replay: &Replay) -> Result<u64, Problem> {
    let chosen = chosen(plane, replay.job.as_ref(), replay.sequence)?;
    let mut replayed = 0;
    for (job, number) in chosen {
        // Who asks twice at the same time has it sent once.
        if !plane.outbox.letters.lock().dead.remove(&(job, number)) {
            continue;
        }
        let at = clock::now();
        let standing = Standing::Pending;
        let change = Change::Stands { job, number, standing, attempts: 0, at, note: None };
        match plane.commit(vec![change]).await {
            Ok(()) => {
                let state = plane.book.lock().get(job).cloned();
                let url = state.as_ref().and_then(|state| state.callback_url.as_deref());
                plane.outbox.add(job, number, url);
            }
            Err(JournalError::Unknown(_)) => continue,
            Err(error) => {
                plane.outbox.letters.lock().dead.insert((job, number));
                return Err(of_journal(error));
            }
        }
        replayed += 1;
    }
    Ok(replayed)
}

fn chosen(
    plane: &Plane,
    job: Option<&JobId>,
    sequence: Option<u64>,
) -> Result<Vec<(JobNumber, u64)>, Problem> {
    let number = match job {
        Some(id) => Some(plane.book.lock().number(id).ok_or_else(|| no_job(id))?),
        None => None,
    };
    let letters = plane.outbox.letters.lock();
    let is_chosen = |(job, event): &&(JobNumber, u64)| {
        number.is_none_or(|it| it == *job) && sequence.is_none_or(|it| it == *event)
    };
    Ok(letters.dead.iter().filter(is_chosen).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert!(pause_after(1).as_millis() <= 200);
        assert!(pause_after(4).as_millis() >= 1200);
        assert!((225_000..=300_000).contains(&pause_after(40).as_millis()));
    }
}
