//! The engine in the simulation: it runs the jobs of pipelines, once for each key, and
//! tells of them by events. It dies and comes back; what it has taken it goes on with.
//!
//! The one idea is the real engine's: a moment. What has happened to a job is told to its machine in
//! memory; what that comes to (entries of its journal, its state, what is to be told) is one commit;
//! and only then are effects begun, and anybody told. A death loses all that is not on the disk, and
//! a start replays the journals.
//!
//! Real are the interpreter, the reader of documents, and what is kept of a run beside its machine
//! (`tessera_workflow::journaled`). The loop around them is this file's, and stands in for the HTTP
//! API, the queue, the performer of effects and the outbox's sockets.

mod outside;
mod replay;
mod run;
mod scenarios;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use tessera_reconciler::JobNews;
use tessera_types::engine::JobStatus;
use tessera_types::{Duration, Name, ResourceKey, Timestamp};
use tessera_workflow::journaled::{Due, Numbered};
use tessera_workflow::machine::{Command, Effect};

use self::outside::Outside;
use self::replay::Witness;
use self::run::{Run, Time};
use self::scenarios::Scenario;
use crate::clock::Clock;
use crate::rng::Rng;

/// The stream of a job's chance that says whether it is dropped from memory while it waits, as it is
/// where memory is scarce, and replayed.
const PARKED: u64 = 1 << 32;

/// A try of a step with a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OfStep {
    pub(crate) key: ResourceKey,
    pub(crate) phase: Name,
    pub(crate) step: Name,
    pub(crate) correlation_id: String,
}

/// A job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) of: OfStep,
    pub(crate) input: Value,
    /// What it came to, once it is over.
    pub(crate) ending: Result<Value, String>,
    /// How often it was begun.
    pub(crate) runs: u32,
    /// Whether something that it told was lost for good.
    pub(crate) is_unheard: bool,
    is_steady: bool,
    scenario: Scenario,
    /// Its own share of chance.
    share: u64,
    /// When it is begun.
    begins_at: Timestamp,
    stored: Stored,
    /// What was seen of it by who does not die.
    witness: Witness,
}

/// How a job is on the disk, beside what it is and what it came to.
#[derive(Clone, Debug)]
struct Stored {
    status: JobStatus,
    /// When it has begun, by the engine's clock.
    started_at: Timestamp,
    /// The texts of its entries.
    journal: Vec<String>,
    sequence: u64,
}

/// What is to be committed next, and what follows once it is.
#[derive(Debug, Default)]
struct Moment {
    entries: Vec<String>,
    /// When it begins, if it does with this.
    begins: Option<Timestamp>,
    ending: Option<(JobStatus, Result<Value, String>)>,
    news: Vec<JobNews>,
    /// The keys of effects that have ended.
    settled: Vec<Arc<str>>,
    /// The events that it was given.
    heard: Vec<u64>,
}

impl Moment {
    fn takes(&mut self, (_, entry): Numbered) {
        self.entries.push(serde_json::to_string(&entry).expect("an entry has text keys only"));
    }
}

impl Job {
    pub(crate) fn is_over(&self) -> bool {
        self.stored.status.is_over()
    }

    /// What it is known to have come to.
    pub(crate) fn news(&self) -> JobNews {
        match (&self.ending, self.is_over()) {
            (_, false) => JobNews::Taken,
            (Ok(output), true) => JobNews::Completed(output.clone()),
            (Err(why), true) => JobNews::Failed(why.clone()),
        }
    }

    /// What a moment comes to is on the disk, with the events that tell of it.
    fn takes(&mut self, moment: Moment) -> Vec<News> {
        let mut news = moment.news;
        self.stored.journal.extend(moment.entries);
        if let Some(at) = moment.begins {
            (self.stored.status, self.stored.started_at) = (JobStatus::Running, at);
            self.runs += 1;
        }
        if let Some((status, ending)) = moment.ending {
            (self.stored.status, self.ending) = (status, ending);
            news.push(self.news());
        }
        news.into_iter().map(|news| self.event(news)).collect()
    }

    /// Whether an effect fails, and how long it takes.
    fn draws(&self, effect: &Effect) -> (bool, Duration) {
        let is_hard = effect.task.ends_with("/hard");
        let mut rng = Rng::of(self.share, effect.id.0);
        let (fails, ms) = match self.is_steady {
            true => (is_hard && effect.id.0 == 0, 500),
            false => (rng.percent(if is_hard { 45 } else { 13 }), rng.between(50, 5000)),
        };
        (fails, Duration::from_millis(ms))
    }

    fn event(&mut self, news: JobNews) -> News {
        self.stored.sequence += 1;
        let is_last = !matches!(news, JobNews::Taken | JobNews::Progress { .. });
        let (of, job_id, sequence) = (self.of.clone(), self.id.clone(), self.stored.sequence);
        News { of, job_id, sequence, news, is_last }
    }
}

/// An event about a job.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) of: OfStep,
    pub(crate) job_id: String,
    pub(crate) sequence: u64,
    pub(crate) news: JobNews,
    pub(crate) is_last: bool,
}

/// The engine: what it has in memory, and what is on its disk.
#[derive(Default)]
pub(crate) struct Engine {
    is_down: bool,
    /// Until then it stands still: what is sent to it waits, and so does all that it has to do.
    stands_until: Option<Timestamp>,
    /// Whether every job goes well, and as long as any other.
    is_steady: bool,
    /// Steps so far: before and after each of its commits is one.
    pub(crate) steps: u64,
    /// It dies right after this one.
    pub(crate) dies_after: Option<u64>,
    /// It has, and nobody has noticed.
    pub(crate) has_died: bool,
    clock: Clock,
    /// Its clock is set by so much as soon as a run waits for a time.
    clock_is_set_by_ms: Option<i64>,
    /// By the correlation id, which is the key: its disk.
    pub(crate) jobs: BTreeMap<String, Job>,
    /// Keys of which no job may begin any more, on the disk as well: that was cancelled before it came.
    cancelled: BTreeSet<String>,
    /// Events that are to be told, on the disk as well.
    outbox: Vec<News>,
    /// The runs in memory.
    runs: BTreeMap<String, Run>,
    outside: Outside,
    /// What it did wrong.
    wrong: Option<String>,
}

impl Engine {
    /// One that has nothing to do, and dies after this step.
    pub(crate) fn new(is_steady: bool, dies_after: Option<u64>, clock: Clock) -> Self {
        Self { is_steady, dies_after, clock, ..Self::default() }
    }

    /// Takes a job, or finds the one that has its key.
    ///
    /// # Errors
    /// When the key is that of something else.
    pub(crate) fn submit(
        &mut self,
        of: &OfStep,
        input: &Value,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<(), String> {
        if let Some(job) = self.jobs.get(&of.correlation_id) {
            return match job.of == *of && job.input == *input {
                true => Ok(()),
                false => Err(format!("{of:?} with {input} has the key of {:?}", job.of)),
            };
        }
        if self.cancelled.contains(&of.correlation_id) {
            return Ok(());
        }
        let (id, is_steady) = (format!("{:032x}", self.jobs.len() + 1), self.is_steady);
        let scenario = if is_steady { Scenario::of(of) } else { Scenario::any(rng) };
        let waits = if is_steady { 200 } else { rng.between(0, 2000) };
        let begins_at = now.plus(Duration::from_millis(waits));
        let status = JobStatus::Submitted;
        let job = Job {
            id,
            of: of.clone(),
            input: input.clone(),
            ending: Err("it is not over".to_owned()),
            runs: 0,
            is_unheard: false,
            is_steady,
            scenario,
            share: rng.between(0, u64::MAX),
            begins_at,
            stored: Stored { status, started_at: begins_at, journal: Vec::new(), sequence: 0 },
            witness: Witness::default(),
        };
        if self.survives() {
            if scenario.hears() {
                self.outside.writes(&of.correlation_id, begins_at, rng, is_steady);
            }
            self.jobs.insert(of.correlation_id.clone(), job);
            self.survives();
        }
        Ok(())
    }

    /// What its clocks show.
    fn time(&self, truth: Timestamp) -> Time {
        let passed = self.clock.boot(truth).as_millis();
        let passed = std::time::Duration::from_millis(passed);
        Time { truth, wall: self.clock.wall(truth), passed }
    }

    /// A step is done. False when it dies right after it.
    fn survives(&mut self) -> bool {
        self.steps += 1;
        let dies = self.dies_after == Some(self.steps);
        if dies {
            self.has_died = true;
            self.dies();
        }
        !dies
    }

    /// It is gone with all that it had in memory.
    pub(crate) fn dies(&mut self) {
        self.is_down = true;
        self.stands_until = None;
        self.runs.clear();
    }

    pub(crate) fn is_down(&self) -> bool {
        self.is_down
    }

    /// It stands still until then, if it runs.
    pub(crate) fn freezes(&mut self, until: Timestamp) {
        self.stands_until = Some(until).filter(|_| !self.is_down);
    }

    /// When it runs again, if it stands still.
    pub(crate) fn runs_again_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.stands_until.filter(|until| *until > now)
    }

    /// Its clock is set by so much once a run waits for a time; until then it is left alone.
    pub(crate) fn sets_clock(&mut self, ms: i64) {
        self.clock_is_set_by_ms = Some(ms);
    }

    /// Nothing goes wrong with it any more.
    pub(crate) fn is_mended(&mut self, now: Timestamp) {
        (self.clock_is_set_by_ms, self.dies_after, self.stands_until) = (None, None, None);
        self.clock.set(0);
        self.start(now);
        // What has come while it stood still happens now.
        self.advance(now);
    }

    /// It is started, unless it runs: whatever has begun is replayed, and goes on.
    pub(crate) fn start(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.is_down) {
            return;
        }
        let begun = self.jobs.iter().filter(|(_, job)| job.stored.status == JobStatus::Running);
        let begun: Vec<String> = begun.map(|(key, _)| key.clone()).collect();
        begun.iter().for_each(|key| self.replays(key, None, now));
    }

    /// # Errors
    /// What it has done and must not.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), String> {
        let mut runs = self.runs.values().filter(|_| self.runs_again_at(now).is_none());
        runs.try_for_each(|run| run.is_in_time(now))?;
        self.wrong.clone().map_or(Ok(()), Err)
    }

    fn note_wrong(&mut self, checked: Result<(), String>) {
        self.wrong = self.wrong.take().or(checked.err());
    }

    pub(crate) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.values().find(|job| job.id == id)
    }

    /// Lets no job begin that comes under this key: its submission may still be on its way.
    pub(crate) fn cancels_key(&mut self, key: &str) {
        if self.survives() {
            self.cancelled.insert(key.to_owned());
            self.survives();
        }
    }

    /// Ends a job that is not over.
    pub(crate) fn cancel(&mut self, id: &str, now: Timestamp) {
        let of_id = |(_, job): &(&String, &Job)| job.id == id && !job.is_over();
        let Some(key) = self.jobs.iter().find(of_id).map(|(key, _)| key.clone()) else { return };
        let reason = "it was cancelled";
        match self.runs.remove(&key) {
            Some(mut run) => {
                let moment = run.cancelled(reason, self.time(now));
                self.commit(&key, run, moment, now);
            }
            None => {
                let ending = Some((JobStatus::Cancelled, Err(reason.to_owned())));
                self.stores(&key, Moment { ending, ..Moment::default() }, None, now);
            }
        }
    }

    /// What it has done, for the trace.
    pub(crate) fn summary(&self) -> String {
        let count = |is_it: fn(&Job) -> bool| self.jobs.values().filter(|job| is_it(job)).count();
        format!(
            "the engine had {} jobs with {} effects: {} completed, {} failed or were cancelled, of {} something was lost",
            self.jobs.len(),
            self.outside.count(),
            count(|job| job.is_over() && job.ending.is_ok()),
            count(|job| job.is_over() && job.ending.is_err()),
            count(|job| job.is_unheard),
        )
    }

    /// When something happens to a job.
    pub(crate) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(until) = self.runs_again_at(now) {
            return Some(until);
        }
        let up = self.jobs.iter().filter(|_| !self.is_down);
        up.filter_map(|(key, job)| self.due_at(key, job, now)).min()
    }

    fn due_at(&self, key: &str, job: &Job, now: Timestamp) -> Option<Timestamp> {
        match job.stored.status {
            JobStatus::Submitted => Some(job.begins_at),
            JobStatus::Running => {
                let run = self.runs.get(key)?;
                let timer = run.due_in(self.time(now)).map(|left| self.clock.after(now, left));
                let all = [timer, run.ends_at(), self.outside.gives_at(key)];
                all.into_iter().flatten().min()
            }
            _ => None,
        }
    }

    /// Lets happen what happens by `now`.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        if self.runs_again_at(now).is_some() {
            return;
        }
        while let Some(key) = self.due(now) {
            if self.jobs[&key].stored.status == JobStatus::Submitted {
                self.begins(&key, now);
            } else if let Some(mut run) = self.runs.remove(&key) {
                let moment = run.happens(self.outside.given(&key, now), self.time(now));
                self.commit(&key, run, moment, now);
            }
        }
    }

    /// A job with which something happens by `now`.
    fn due(&self, now: Timestamp) -> Option<String> {
        let mut up = self.jobs.iter().filter(|_| !self.is_down);
        let due = up.find(|(key, job)| self.due_at(key, job, now).is_some_and(|at| at <= now));
        due.map(|(key, _)| key.clone())
    }

    /// What is to be told of what was committed: it is on its way from now on.
    pub(crate) fn tells(&mut self, now: Timestamp) -> Vec<News> {
        if self.is_down || self.runs_again_at(now).is_some() {
            Vec::new()
        } else {
            std::mem::take(&mut self.outbox)
        }
    }

    fn begins(&mut self, key: &str, now: Timestamp) {
        let wall = self.time(now).wall;
        let run = Run::begin(&self.jobs[key], wall);
        let (begins, news) = (Some(wall), vec![JobNews::Taken]);
        self.commit(key, run, Moment { begins, news, ..Moment::default() }, now);
    }

    /// Makes a moment durable, and then does what the run wants done.
    fn commit(&mut self, key: &str, mut run: Run, mut moment: Moment, now: Timestamp) {
        let commands = run.commands();
        moment.settled.extend(run.unwanted(&commands, moment.ending.is_some()));
        if !self.stores(key, moment, Some((&run, &commands)), now) || self.jobs[key].is_over() {
            return;
        }
        self.obey(key, &mut run, commands, now);
        run.looks_at_clocks(self.time(now));
        let (rests, due) = (run.rests(), run.journaled.due);
        self.runs.insert(key.to_owned(), run);
        if rests
            && due.is_some()
            && let Some(ms) = self.clock_is_set_by_ms.take()
        {
            self.clock.set(ms);
        }
        let job = &self.jobs[key];
        if rests && Rng::of(job.share, PARKED | job.stored.journal.len() as u64).percent(30) {
            self.runs.remove(key);
            self.replays(key, due, now);
        }
    }

    /// Makes a moment durable. False when it died before that, or right after it.
    fn stores(
        &mut self,
        key: &str,
        moment: Moment,
        seen: Option<(&Run, &[Command])>,
        now: Timestamp,
    ) -> bool {
        if !self.survives() {
            return false;
        }
        let Some(job) = self.jobs.get_mut(key) else { return false };
        moment.settled.iter().for_each(|key| self.outside.settles(key));
        let heard = moment.heard.clone();
        self.outbox.extend(job.takes(moment));
        if let Some((run, commands)) = seen {
            job.witness.sees(run, commands, job.stored.journal.len());
        }
        let mut allowed = Ok(());
        if job.is_over() {
            self.outside.is_over(key);
            allowed = job.ending.as_ref().map_or(Ok(()), |output| job.scenario.allows(output));
        }
        self.note_wrong(allowed);
        let survives = self.survives();
        // Who is not told that an event was taken gives it again.
        for number in heard.into_iter().filter(|_| survives) {
            self.outside.taken(key, number, now);
        }
        survives
    }

    /// Does what a run wants done.
    fn obey(&mut self, key: &str, run: &mut Run, commands: Vec<Command>, now: Timestamp) {
        for command in commands {
            match command {
                Command::Cancel(step) => drop(run.under_way.remove(&step)),
                Command::Do(effect) => {
                    let job = &self.jobs[key];
                    let (fails, time) = job.draws(&effect);
                    match self.outside.asks(&job.id, &effect, fails) {
                        Ok(result) => run.begins(&effect, result, now.plus(time)),
                        Err(why) => self.note_wrong(Err(why)),
                    }
                }
            }
        }
    }

    /// Has a run in memory again that its journal has. What is kept of one that was dropped is its
    /// next timer.
    fn replays(&mut self, key: &str, due: Option<Due>, now: Timestamp) {
        let job = &self.jobs[key];
        match Run::replayed(job) {
            Err(why) => self.note_wrong(Err(why)),
            Ok(mut run) => {
                let commands = run.commands();
                self.note_wrong(Witness::knows(job, &run, &commands));
                self.obey(key, &mut run, commands, now);
                run.journaled.due = due;
                run.looks_at_clocks(self.time(now));
                self.runs.insert(key.to_owned(), run);
            }
        }
    }
}
