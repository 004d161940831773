//! One run, moment by moment.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tessera_store::journal::{Change, JobNumber};
use tessera_types::engine::{JobEventKind, JobStatus, Submission};
use tessera_types::{Actor, Timestamp};
use tessera_workflow::expression::Watch;
use tessera_workflow::journaled::{Journaled, Numbered, Tracker};
use tessera_workflow::machine::{Command, Effect, Happening, Outcome, Status};
use tokio::sync::{SemaphorePermit, mpsc, oneshot};

use super::Stop;
use super::ending::{
    advance, event_of, fail, failed, outcome_change, output_of, state_change, tell_of_end,
};
use super::hiding::hide_secrets;
use super::parked::{LOOK_AT_CLOCK, Parked, Woken};
use super::perform::{Ended, UnderWay};
use crate::book::Tell;
use crate::memory::Share;
use crate::plane::Plane;
use crate::state::JobState;
use crate::submit::{self, StoredOutcome};
use crate::trace::{Begun, NotBegun};
use crate::{clock, outbox, trace};

/// What happens in one moment, at most.
const HAPPENINGS_MAX: usize = 256;

/// A machine goes on for some hundredths of a second; one that takes so long is stopped. What its
/// expressions may cost is bounded otherwise: this is for mistakes in that.
const CALCULATES_WITHIN: Duration = Duration::from_secs(30);

/// Events about progress are at least so far apart.
const PROGRESS_EVERY: tessera_types::Duration = tessera_types::Duration::from_secs(1);

/// A run under way.
pub(super) struct Run<'p> {
    plane: &'p Arc<Plane>,
    number: JobNumber,
    state: JobState,
    submission: Submission,
    /// Of the submission.
    body_bytes: usize,
    journaled: Journaled,
    tracker: Tracker,
    progress_sent: (u32, Timestamp),
    under_way: UnderWay,
    moment: Moment,
    /// Why it is to be cancelled, if it is.
    cancelled: Arc<OnceLock<String>>,
    share: Share<'p>,
    /// What it was told while it was not in memory.
    first: Option<Tell>,
    /// Its place among those that are replayed, until it is known what it holds.
    replaying: Option<SemaphorePermit<'p>>,
}

/// What is to be committed next, and what follows once it is.
#[derive(Default)]
struct Moment {
    changes: Vec<Change>,
    happened: usize,
    state_changed: bool,
    events: Vec<u64>,
    told: Vec<(oneshot::Sender<bool>, bool)>,
    settled: Vec<Arc<Effect>>,
    ended: Vec<Instant>,
}

impl<'p> Run<'p> {
    /// Drives a job from where it is to its end.
    pub(super) async fn drive(
        plane: &'p Arc<Plane>,
        number: JobNumber,
        told: &mut mpsc::Receiver<Tell>,
        woken: Option<Woken<'p>>,
    ) -> Result<(), Stop> {
        let Some(mut run) = Self::begin(plane, number).await? else { return Ok(()) };
        match woken {
            Some(woken) => run.wakes(woken),
            None if run.replaying.is_some() => run.tell_that_it_goes_on(),
            None => {}
        }
        loop {
            if run.journaled.machine.was_stopped() && plane.stopping.is_cancelled() {
                return Err(Stop::Stopping);
            }
            run.observe();
            let is_over = run.conclude();
            run.commit().await?;
            run.obey();
            if is_over {
                return Ok(());
            }
            run.share.set(run.journaled.machine.memory_bytes() + run.body_bytes);
            run.replaying = None;
            run.rest(run.journaled.machine.status() == Status::Waiting);
            run.wait(told).await?;
        }
    }

    /// Does what the machine wants done.
    fn obey(&mut self) {
        for command in self.journaled.machine.take_effects() {
            match command {
                Command::Do(mut effect) => {
                    hide_secrets(&self.journaled.machine, &mut effect.action);
                    self.under_way.begin(self.plane, effect);
                }
                Command::Cancel(step) => self.under_way.cancel(step),
            }
        }
    }

    /// Leaves its place to another run, or takes it again.
    fn rest(&self, rests: bool) {
        let has_changed = self.plane.book.lock().rest(self.number, rests);
        if has_changed && rests {
            self.plane.bell.notify_one();
        }
    }

    /// A run as its journal has it; none if its job is over.
    async fn begin(plane: &'p Arc<Plane>, number: JobNumber) -> Result<Option<Self>, Stop> {
        let (mut state, stored) = submit::stored(plane, number).await?;
        if state.head.status.is_over() {
            plane.book.lock().put(number, Arc::new(state));
            outbox::look_for(plane, number).await?;
            return Ok(None);
        }
        let submission: Submission =
            serde_json::from_str(&stored.body).map_err(|error| Stop::Journal(error.to_string()))?;
        let is_new = state.head.status == JobStatus::Submitted;
        let at = match state.head.started_at {
            Some(at) if !is_new => at,
            _ => clock::now().max(state.head.created_at),
        };
        let replaying = match is_new {
            true => None,
            false => Some(plane.replays.acquire().await.map_err(|_| Stop::Stopping)?),
        };
        let begun = trace::begin(plane, &state, &stored, &submission, at);
        let Begun { workflow, machine, lacks } = match begun {
            Ok(begun) => begun,
            // What it has done is not to be lost for that.
            Err(NotBegun::Secret(error)) if !is_new => return Err(Stop::secret(&error)),
            Err(NotBegun::Document(error) | NotBegun::Secret(error)) => {
                fail(plane, number, state, &submission, &error, at).await?;
                return Ok(None);
            }
        };
        if !is_new && let Some(gone) = lacks.iter().find(|name| !state.lacks.contains(name)) {
            return Err(Stop::Secret(format!("the secret {gone} is not there any more")));
        }
        if is_new {
            state.lacks = lacks;
            advance(&mut state, JobStatus::Running, at, Actor::ENGINE, "");
        }
        let mut run = Self {
            plane,
            number,
            tracker: Tracker::new(state.run_id().into(), &workflow),
            journaled: Journaled::new(machine, state.first_entry, at),
            progress_sent: (0, at),
            under_way: UnderWay::new(),
            cancelled: plane.book.lock().cancelled(number),
            moment: Moment { state_changed: is_new, ..Moment::default() },
            state,
            submission,
            body_bytes: stored.body.len(),
            share: plane.memory.share(0),
            first: None,
            replaying,
        };
        if is_new {
            run.send(JobEventKind::Started, &StoredOutcome::default());
        }
        if !run.proceed() {
            // It takes its time: others are to know meanwhile that it runs.
            run.commit().await?;
            run.settle().await;
        }
        // One that is new may have been given events while it waited for its turn.
        if !is_new || !run.state.interest.is_none() {
            run.replay().await?;
        }
        Ok(Some(run))
    }

    /// Takes over what it was before it was dropped from memory.
    fn wakes(&mut self, woken: Woken<'p>) {
        let Woken { share, due, progress_sent, tell } = woken;
        self.plane.book.lock().rest(self.number, false);
        (self.share, self.progress_sent, self.first) = (share, progress_sent, tell);
        self.journaled.due = due;
    }

    fn tell_that_it_goes_on(&self) {
        let entries = self.journaled.next_entry() - self.state.first_entry;
        tracing::info!(target: "tessera::engine", job = %self.state.head.id, entries, "job goes on");
    }

    /// Tells the machine all that is in the journal.
    async fn replay(&mut self) -> Result<(), Stop> {
        loop {
            let page = trace::entries(self.plane, self.number, self.journaled.next_entry()).await?;
            if page.is_empty() {
                break;
            }
            for (seq, entry) in page {
                self.journaled.replay(seq, &entry);
                self.settle().await;
            }
        }
        Ok(())
    }

    /// Lets the machine do all that follows from what it was told, and other runs do theirs in
    /// between.
    async fn settle(&mut self) {
        while !self.proceed() {
            tokio::task::yield_now().await;
        }
    }

    /// Lets the machine go on for a moment, unless nobody wants to know any more what comes of it.
    fn proceed(&mut self) -> bool {
        let (cancelled, stopping) = (Arc::clone(&self.cancelled), self.plane.stopping.clone());
        let began = Instant::now();
        let watch: Watch = Arc::new(move || {
            let is_unwanted = cancelled.get().is_some() || stopping.is_cancelled();
            is_unwanted || began.elapsed() > CALCULATES_WITHIN
        });
        self.journaled.machine.proceed_under(&watch)
    }

    /// Takes in what the machine has come by.
    fn observe(&mut self) {
        for observation in self.journaled.machine.take_observations() {
            self.tracker.note(&observation);
        }
        let progress = self.tracker.progress();
        let (done, sent_at) = self.progress_sent;
        let is_due = self.journaled.at().since(sent_at) >= PROGRESS_EVERY && progress.done > done;
        self.state.head.progress = progress;
        self.state.head.waiting_for = self.journaled.machine.waiting_for();
        if is_due && self.journaled.machine.outcome().is_none() {
            self.progress_sent = (self.state.head.progress.done, self.journaled.at());
            self.send(JobEventKind::Progress, &StoredOutcome::default());
        }
    }

    /// Ends the job if its run has ended.
    fn conclude(&mut self) -> bool {
        let Some(outcome) = self.journaled.machine.outcome().cloned() else { return false };
        let (status, kind, reason, outcome) = match outcome {
            Outcome::Completed(output) => match output_of(&output) {
                Ok(output) => {
                    let outcome = StoredOutcome { output: Some(output), error: None };
                    (JobStatus::Completed, JobEventKind::Completed, String::new(), outcome)
                }
                Err(error) => failed(&error),
            },
            Outcome::Faulted(_)
                if self.journaled.machine.was_stopped() && self.cancelled.get().is_some() =>
            {
                // It was to be cancelled while it calculated, and did not come to hear of it.
                let reason = self.cancelled.get().cloned().unwrap_or_default();
                self.happen(Happening::Cancelled { reason: reason.clone() });
                let none = StoredOutcome::default();
                (JobStatus::Cancelled, JobEventKind::Cancelled, reason, none)
            }
            Outcome::Faulted(error) => failed(&error),
            Outcome::Cancelled(reason) => {
                let none = StoredOutcome::default();
                (JobStatus::Cancelled, JobEventKind::Cancelled, reason.to_string(), none)
            }
        };
        let by = if status == JobStatus::Cancelled { Actor::API } else { Actor::ENGINE };
        advance(&mut self.state, status, self.journaled.at(), by, &reason);
        self.state.head.progress.current = None;
        self.moment.state_changed = true;
        self.send(kind, &outcome);
        self.moment.changes.push(outcome_change(self.number, &outcome));
        true
    }

    /// Has an event sent with the commit of this moment.
    fn send(&mut self, kind: JobEventKind, outcome: &StoredOutcome) {
        let Self { plane, number, state, submission, journaled, .. } = self;
        let event = event_of(plane, *number, state, submission, kind, outcome, journaled.at());
        if let Some((event, change)) = event {
            self.moment.changes.push(change);
            self.moment.events.push(event);
            // The number of the next event is part of the state.
            self.moment.state_changed = true;
        }
    }

    /// Makes the moment durable, and tells of it.
    async fn commit(&mut self) -> Result<(), Stop> {
        let mut moment = std::mem::take(&mut self.moment);
        if moment.state_changed {
            moment.changes.push(state_change(self.number, &self.state));
        }
        if !moment.changes.is_empty() {
            self.plane.commit_patiently(moment.changes).await?;
        }
        self.plane.book.lock().put(self.number, Arc::new(self.state.clone()));
        for event in moment.events {
            let url = self.state.callback_url.as_deref();
            self.plane.outbox.add(self.number, event, url);
        }
        for (told, news) in moment.told {
            // Whoever asked may be gone.
            let _ = told.send(news);
        }
        for effect in moment.settled {
            let performer = self.plane.performer.clone();
            self.plane.runs.spawn(async move { performer.settle(&effect).await });
        }
        for ended in moment.ended {
            self.plane.metrics.step_durable(ended.elapsed());
        }
        if self.state.head.status.is_over() {
            self.plane.metrics.job_ended(self.state.head.status);
            tell_of_end(&self.state);
        }
        Ok(())
    }

    /// Waits until something has happened, and tells the machine.
    async fn wait(&mut self, told: &mut mpsc::Receiver<Tell>) -> Result<(), Stop> {
        if let Some(tell) = self.first.take() {
            self.hear(tell);
        }
        while self.moment.happened == 0 && self.moment.told.is_empty() {
            let pause = self.due_in().unwrap_or(LOOK_AT_CLOCK).min(LOOK_AT_CLOCK);
            if !pause.is_zero() && self.is_to_go() {
                let (due, progress_sent) = (self.journaled.due, self.progress_sent);
                let bytes = self.share.bytes();
                return Err(Stop::Parked(Parked { due, progress_sent, bytes }));
            }
            tokio::select! {
                biased;
                () = self.plane.stopping.cancelled() => return Err(Stop::Stopping),
                Some(tell) = told.recv() => self.hear(tell),
                Some(ended) = self.under_way.ended.recv() => self.end(ended),
                () = tokio::time::sleep(pause) => self.look_at_clock(),
                () = self.plane.memory.becomes_scarce() => {}
            }
        }
        self.rest(false);
        self.settle().await;
        // What else has happened shares the commit.
        while self.moment.happened < HAPPENINGS_MAX && self.journaled.machine.outcome().is_none() {
            if let Ok(ended) = self.under_way.ended.try_recv() {
                self.end(ended);
            } else if let Ok(tell) = told.try_recv() {
                self.hear(tell);
            } else {
                break;
            }
            self.settle().await;
        }
        Ok(())
    }

    /// Whether it is to be dropped from memory: it waits for time or an event only.
    fn is_to_go(&self) -> bool {
        self.journaled.machine.status() == Status::Waiting
            && self.under_way.is_empty()
            && self.share.is_to_go()
    }

    /// How long it is until the next timer is due.
    fn due_in(&mut self) -> Option<Duration> {
        self.journaled.due_in(clock::now(), clock::passed())
    }

    fn look_at_clock(&mut self) {
        if self.due_in() == Some(Duration::ZERO) {
            let entry = self.journaled.wakes(clock::now());
            self.store(&entry);
        }
    }

    fn hear(&mut self, tell: Tell) {
        match tell {
            Tell::Cancel { reason, told } => {
                self.happen(Happening::Cancelled { reason });
                self.moment.told.push((told, true));
            }
            Tell::Event { event, told } => {
                let entry = self.journaled.hears(clock::now(), &event);
                entry.iter().for_each(|entry| self.store(entry));
                self.moment.told.push((told, entry.is_some()));
            }
        }
    }

    fn end(&mut self, ended: Ended) {
        // One that was cancelled does not matter any more.
        let Some(effect) = self.under_way.take(ended.step) else { return };
        let entry = self.journaled.ends(clock::now(), ended.step, ended.result);
        self.store(&entry);
        self.moment.settled.push(effect);
        self.moment.ended.push(ended.at);
    }

    /// Something has happened.
    fn happen(&mut self, what: Happening) {
        let entry = self.journaled.happens(clock::now(), what);
        self.store(&entry);
    }

    /// An entry is part of what is committed next.
    fn store(&mut self, (seq, entry): &Numbered) {
        let body = serde_json::to_string(entry).expect("an entry has text keys only");
        let (job, seq) = (self.number, *seq);
        self.moment.changes.push(Change::Append { job, seq, body });
        self.moment.happened += 1;
    }
}
