//! The outbox: events about jobs, on their way to whoever submitted them.
//!
//! The one idea: an event was stored with the change that it tells of, and is sent
//! until it has arrived or is given up. Of each job one event at a time is under way,
//! so they arrive in order; between jobs there is no order, so one receiver that does
//! not answer delays nobody else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tessera_store::journal::{Change, JobNumber, JournalError, OpenEvent, Standing};
use tessera_types::engine::{DeadLetter, DeadLetters, JobId, Replay};
use tessera_types::{Problem, Timestamp, limits};
use tessera_workflow::definition::OutputFormat;
use tessera_workflow::machine::{Action, Effect, Error, HttpRequest, StepId, kind};
use tessera_workflow::value::from_json;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::failure::{no_job, of_journal};
use crate::plane::Plane;

/// Events on their way at the same time.
const UNDER_WAY_MAX: usize = 64;

/// How long a receiver may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// The pause after the first failure; it doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// What is refused so often, will be.
const REFUSALS_MAX: u32 = 3;

/// An event that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Letter {
    number: u64,
    attempts: u32,
}

/// The events of one job, in order. The first is the one that is sent.
#[derive(Debug, Default)]
struct Lane {
    letters: VecDeque<Letter>,
    /// When the first may be sent; none while it is under way.
    due: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Letters {
    lanes: BTreeMap<JobNumber, Lane>,
    /// The lanes that have something to send, by when.
    due: BTreeSet<(Timestamp, JobNumber)>,
    pending: u64,
    dead: BTreeSet<(JobNumber, u64)>,
}

/// The events that have not arrived.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    letters: Mutex<Letters>,
    bell: Notify,
}

impl Letters {
    fn add(&mut self, job: JobNumber, letter: Letter, at: Timestamp) {
        let lane = self.lanes.entry(job).or_default();
        let is_first = lane.letters.is_empty();
        // One that is sent again is older than what waits, but not than what is under way.
        let is_under_way = !is_first && lane.due.is_none();
        let place = lane.letters.iter().skip(usize::from(is_under_way));
        let place = place.take_while(|it| it.number < letter.number).count();
        lane.letters.insert(place + usize::from(is_under_way), letter);
        if is_first {
            lane.due = Some(at);
            self.due.insert((at, job));
        }
        self.pending += 1;
    }

    /// Takes the first letter of a lane that is due.
    fn take(&mut self, now: Timestamp) -> Option<(JobNumber, Letter)> {
        let (at, job) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, job));
        let lane = self.lanes.get_mut(&job)?;
        lane.due = None;
        Some((job, lane.letters.front()?.clone()))
    }

    /// The letter that was under way has arrived or is given up.
    fn done(&mut self, job: JobNumber, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&job) else { return };
        self.pending -= u64::from(lane.letters.pop_front().is_some());
        match lane.letters.is_empty() {
            true => drop(self.lanes.remove(&job)),
            false => {
                lane.due = Some(now);
                self.due.insert((now, job));
            }
        }
    }

    /// The letter that was under way is to be sent again.
    fn again(&mut self, job: JobNumber, attempts: u32, at: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&job) else { return };
        if let Some(first) = lane.letters.front_mut() {
            first.attempts = attempts;
        }
        lane.due = Some(at);
        self.due.insert((at, job));
    }
}

impl Outbox {
    /// The outbox as a start finds it.
    pub(crate) fn load(events: &[OpenEvent]) -> Self {
        let mut letters = Letters::default();
        for event in events {
            if event.standing == Standing::Dead {
                letters.dead.insert((event.job, event.number));
                continue;
            }
            let letter = Letter { number: event.number, attempts: event.attempts };
            letters.add(event.job, letter, event.at);
        }
        Self { letters: Mutex::new(letters), bell: Notify::new() }
    }

    /// Has an event sent that is stored.
    pub(crate) fn add(&self, job: JobNumber, number: u64, at: Timestamp) {
        self.letters.lock().add(job, Letter { number, attempts: 0 }, at);
        self.bell.notify_one();
    }

    /// Events that are to be sent, and those that were given up.
    pub(crate) fn count(&self) -> (u64, u64) {
        let letters = self.letters.lock();
        (letters.pending, letters.dead.len() as u64)
    }

    pub(crate) fn forget(&self, jobs: &[JobNumber]) {
        self.letters.lock().dead.retain(|(job, _)| !jobs.contains(job));
    }
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
            tokio::select! {
                () = deliver(&plane, job, letter) => {}
                () = plane.stopping.cancelled() => {}
            }
        });
    }
}

/// The next letter, when it is due; none when everything ends.
async fn next(plane: &Plane) -> Option<(JobNumber, Letter)> {
    loop {
        let now = clock::now();
        let due_at = {
            let mut letters = plane.outbox.letters.lock();
            if let Some(taken) = letters.take(now) {
                return Some(taken);
            }
            letters.due.first().map(|(at, _)| *at)
        };
        let pause = due_at.map_or(PAUSE_MAX, |at| at.since(now).as_std()).min(PAUSE_MAX);
        tokio::select! {
            () = plane.outbox.bell.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = plane.stopping.cancelled() => return None,
        }
    }
}

/// Sends a letter, and stores what came of it.
async fn deliver(plane: &Plane, job: JobNumber, letter: Letter) {
    let result = send(plane, job, &letter).await;
    let attempts = letter.attempts + u32::from(result.is_err());
    let now = clock::now();
    let (standing, at, note) = match result {
        Ok(()) => (Standing::Delivered, now, None),
        Err(failure) => {
            let is_refusal = failure.is_refusal && attempts >= REFUSALS_MAX;
            let is_dead = is_refusal || attempts >= plane.options.event_attempts;
            let note = limits::clip(&failure.why, limits::REASON_BYTES_MAX);
            match is_dead {
                true => (Standing::Dead, now, Some(note)),
                false => (Standing::Pending, now.plus(pause_after(attempts)), Some(note)),
            }
        }
    };
    plane.metrics.event_sent(standing);
    if let (Standing::Dead, Some(why)) = (standing, &note) {
        tracing::warn!(target: "tessera::engine", job = %job, event = letter.number, attempts, why, "an event is given up; it is among the dead letters");
    }
    let number = letter.number;
    let change = Change::Stands { job, number, standing, attempts, at, note };
    match plane.commit_patiently(vec![change]).await {
        // Whether it was stored is not known, or nothing is: it is sent once more.
        Err(JournalError::Failed(_) | JournalError::Closed) => {
            let at = now.plus(tessera_types::Duration::from_secs(1));
            plane.outbox.letters.lock().again(job, attempts, at);
        }
        _ => {
            let mut letters = plane.outbox.letters.lock();
            match standing {
                Standing::Pending => letters.again(job, attempts, at),
                Standing::Delivered => letters.done(job, now),
                Standing::Dead => {
                    letters.dead.insert((job, number));
                    letters.done(job, now);
                }
            }
        }
    }
    plane.outbox.bell.notify_one();
}

fn pause_after(attempts: u32) -> tessera_types::Duration {
    let doubled = PAUSE_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let pause = clock::jittered(doubled.min(PAUSE_MAX));
    tessera_types::Duration::from_millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
}

/// Why an event has not arrived.
struct Failure {
    why: String,
    /// Whether the receiver does not want it, now or later.
    is_refusal: bool,
}

async fn send(plane: &Plane, job: JobNumber, letter: &Letter) -> Result<(), Failure> {
    let failed = |why: String| Failure { why, is_refusal: false };
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
    let is_answer = *error.kind == *kind::COMMUNICATION;
    let is_final = (300..500).contains(&error.status) && !matches!(error.status, 408 | 425 | 429);
    let title = error.title.as_deref().unwrap_or_default();
    let detail = error.detail.as_deref().unwrap_or_default();
    let why = format!("{} {title}: {detail}", error.status);
    Failure { why, is_refusal: is_answer && is_final }
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
            Ok(()) => plane.outbox.add(job, number, at),
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

    const T: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn letter(number: u64) -> Letter {
        Letter { number, attempts: 0 }
    }

    fn later(ms: u64) -> Timestamp {
        T.plus(tessera_types::Duration::from_millis(ms))
    }

    #[test]
    fn of_each_job_one_event_is_under_way_in_order() {
        let mut letters = Letters::default();
        let (a, b) = (JobNumber(1), JobNumber(2));
        (1..=2).for_each(|number| letters.add(a, letter(number), T));
        letters.add(b, letter(1), T);
        assert_eq!(letters.take(T), Some((a, letter(1))));
        assert_eq!(letters.take(T), Some((b, letter(1))));
        assert_eq!(letters.take(T), None);
        letters.again(a, 1, later(5));
        assert_eq!(letters.take(later(4)), None);
        assert_eq!(letters.take(later(5)), Some((a, Letter { number: 1, attempts: 1 })));
        letters.done(a, later(5));
        assert_eq!(letters.take(later(5)), Some((a, letter(2))));
        // One that is sent again waits for the one that is under way.
        letters.add(a, letter(1), T);
        assert_eq!(letters.take(later(5)), None);
        letters.done(a, later(6));
        assert_eq!(letters.take(later(6)), Some((a, letter(1))));
        letters.done(a, later(6));
        letters.done(b, later(6));
        assert_eq!((letters.pending, letters.lanes.len(), letters.due.len()), (0, 0, 0));
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        assert!(pause_after(1).as_millis() <= 200);
        assert!(pause_after(4).as_millis() >= 1200);
        assert!((225_000..=300_000).contains(&pause_after(40).as_millis()));
    }
}
