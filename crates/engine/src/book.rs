//! Every job as it stands, in memory, and which of them run or wait for their turn.
//!
//! The one idea: what is here is what the journal has, or is about to: a run changes
//! it when its commit is durable. Lists and counts are answered from here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use tessera_store::journal::JobNumber;
use tessera_types::Timestamp;
use tessera_types::engine::{JobId, JobStatus};
use tessera_types::limits;
use tessera_workflow::machine::CloudEvent;
use tokio::sync::{mpsc, oneshot};

use crate::queue::Queue;
use crate::state::JobState;

/// What a run is told from outside. Who tells it learns when that is durable: whether
/// it was news to the run.
pub(crate) enum Tell {
    Cancel { reason: String, told: oneshot::Sender<bool> },
    Event { event: Arc<CloudEvent>, told: oneshot::Sender<bool> },
}

/// Runs that wait for time or an event and are in memory without a place among those that
/// run; what waits beyond them keeps its place.
const RESTING_MAX: usize = 20_000;

/// What a run is told and has not heard yet, at most. Who tells it more waits.
const TOLD_MAX: usize = 1024;

/// A run that is under way.
#[derive(Clone)]
pub(crate) struct RunHandle {
    pub(crate) tell: mpsc::Sender<Tell>,
    /// Why it is to be cancelled, if it is: also what calculates looks at it.
    pub(crate) cancelled: Arc<OnceLock<String>>,
    /// Whether it waits for time or an event only, and leaves its place to another.
    rests: bool,
}

/// Every job, and where it is.
#[derive(Default)]
pub(crate) struct Book {
    jobs: BTreeMap<JobNumber, Arc<JobState>>,
    by_id: HashMap<JobId, JobNumber>,
    pub(crate) queue: Queue,
    pub(crate) running: HashMap<JobNumber, RunHandle>,
    /// How many of those that run rest.
    resting: usize,
    /// The jobs that run or wait for their turn and to which events may matter.
    listeners: BTreeSet<JobNumber>,
    /// Those that wait and may have been given events that only the journal has.
    pub(crate) unread: HashSet<JobNumber>,
    /// How many jobs there are that were begun by this one, or by one that it began.
    begun: HashMap<JobId, usize>,
    next: JobNumber,
}

impl Book {
    /// The number of the next job.
    pub(crate) fn take_number(&mut self) -> JobNumber {
        let number = self.next;
        self.next = number.next();
        number
    }

    pub(crate) fn begin_with(&mut self, next: JobNumber) {
        self.next = next;
    }

    /// Counts a job that is begun by another, whose family it joins. False when that has as many as
    /// it may have.
    pub(crate) fn joins(&mut self, family: &JobId) -> bool {
        let begun = self.begun.entry(family.clone()).or_default();
        let has_room = *begun < limits::STARTED_RUNS_MAX;
        *begun += usize::from(has_room);
        has_room
    }

    /// A job that was counted is not there, or not any more.
    pub(crate) fn leaves(&mut self, family: &JobId) {
        if let Some(begun) = self.begun.get_mut(family) {
            *begun = begun.saturating_sub(1);
            if *begun == 0 {
                self.begun.remove(family);
            }
        }
    }

    /// Says how a job stands.
    pub(crate) fn put(&mut self, number: JobNumber, state: Arc<JobState>) {
        if !self.jobs.contains_key(&number) {
            self.by_id.insert(state.head.id.clone(), number);
        }
        match state.interest.is_none() || state.head.status.is_over() {
            true => self.listeners.remove(&number),
            false => self.listeners.insert(number),
        };
        self.jobs.insert(number, state);
    }

    pub(crate) fn forget(&mut self, number: JobNumber) {
        if let Some(state) = self.jobs.remove(&number) {
            self.by_id.remove(&state.head.id);
            if let Some(family) = &state.family {
                self.leaves(family);
            }
            self.listeners.remove(&number);
            self.unread.remove(&number);
        }
    }

    pub(crate) fn get(&self, number: JobNumber) -> Option<&Arc<JobState>> {
        self.jobs.get(&number)
    }

    pub(crate) fn number(&self, id: &JobId) -> Option<JobNumber> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn find(&self, id: &JobId) -> Option<(JobNumber, Arc<JobState>)> {
        let number = self.number(id)?;
        Some((number, Arc::clone(self.get(number)?)))
    }

    /// The jobs older than `before`, newest first.
    pub(crate) fn newest(
        &self,
        before: Option<JobNumber>,
    ) -> impl Iterator<Item = (JobNumber, &Arc<JobState>)> {
        let end = before.unwrap_or(JobNumber(u64::MAX));
        self.jobs.range(..end).rev().map(|(number, state)| (*number, state))
    }

    /// Takes the next job that waits, if fewer than `jobs_max` run and do not rest; it runs from now
    /// on.
    pub(crate) fn next_to_run(
        &mut self,
        jobs_max: usize,
    ) -> Option<(JobNumber, mpsc::Receiver<Tell>)> {
        if self.running.len() - self.resting.min(RESTING_MAX) >= jobs_max {
            return None;
        }
        let number = self.queue.pop()?;
        self.unread.remove(&number);
        Some((number, self.runs(number)))
    }

    /// Whether any run does not rest.
    pub(crate) fn has_busy(&self) -> bool {
        self.running.len() > self.resting
    }

    /// A job runs from now on.
    pub(crate) fn runs(&mut self, number: JobNumber) -> mpsc::Receiver<Tell> {
        let (tell, told) = mpsc::channel(TOLD_MAX);
        self.ends(number);
        self.running.insert(number, RunHandle { tell, cancelled: Arc::default(), rests: false });
        told
    }

    /// Why a run is to be cancelled, once it is.
    pub(crate) fn cancelled(&self, number: JobNumber) -> Arc<OnceLock<String>> {
        self.running.get(&number).map(|run| Arc::clone(&run.cancelled)).unwrap_or_default()
    }

    /// A run rests, or goes on. One that goes on does so at once, also where that is one more than
    /// there are places for. True when that changed.
    pub(crate) fn rest(&mut self, number: JobNumber, rests: bool) -> bool {
        let Some(run) = self.running.get_mut(&number) else { return false };
        let was = std::mem::replace(&mut run.rests, rests);
        self.resting = self.resting + usize::from(rests) - usize::from(was);
        was != rests
    }

    /// A job runs no longer.
    pub(crate) fn ends(&mut self, number: JobNumber) {
        if let Some(run) = self.running.remove(&number) {
            self.resting -= usize::from(run.rests);
        }
    }

    /// The jobs to which an event may matter: those that run, and those that wait for their turn.
    pub(crate) fn listening(
        &self,
        event: &CloudEvent,
    ) -> (Vec<(JobNumber, RunHandle)>, Vec<JobNumber>) {
        let (mut running, mut waiting) = (Vec::new(), Vec::new());
        for number in &self.listeners {
            let Some(state) = self.jobs.get(number) else { continue };
            if !state.interest.includes(event) {
                continue;
            }
            match self.running.get(number) {
                Some(run) => running.push((*number, run.clone())),
                None => waiting.push(*number),
            }
        }
        (running, waiting)
    }

    /// How many jobs there are of each status.
    pub(crate) fn count(&self) -> BTreeMap<JobStatus, u64> {
        let mut counts: BTreeMap<_, _> = JobStatus::VALUES.iter().map(|it| (*it, 0)).collect();
        for state in self.jobs.values() {
            *counts.entry(state.head.status).or_default() += 1;
        }
        counts
    }

    /// The time before which jobs ended that are too many to be kept; none when there are not.
    pub(crate) fn too_old(&self, jobs_kept_max: usize) -> Option<Timestamp> {
        let ends = self.jobs.values().filter_map(|state| state.head.ended_at);
        let mut ends: Vec<Timestamp> = ends.collect();
        let excess = ends.len().checked_sub(jobs_kept_max).filter(|excess| *excess > 0)?;
        let (_, last, _) = ends.select_nth_unstable(excess - 1);
        Some(Timestamp::from_micros(last.as_micros() + 1))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (JobNumber, &Arc<JobState>)> {
        self.jobs.iter().map(|(number, state)| (*number, state))
    }
}
