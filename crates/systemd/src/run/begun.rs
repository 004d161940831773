//! A run that was started here, or joined by its start job.
//!
//! The one idea: the job tells how the start ended, and the unit how its last run did. So which run is
//! this one's is learnt from the job, or where that was too quick from the unit, as long as nobody else
//! can have started it since; only what is known of that run counts.

use std::thread;
use std::time::{Duration, Instant};

use super::judge::{self, Job, Whose};
use super::state::State;
use super::turn::Turn;
use super::waiter::Waiter;
use super::{End, Outcome, fired, look, recall};
use crate::systemctl::{LOOK_INTERVAL, PATIENCE, SystemctlError};

/// Between two looks at a unit: until its run is known; while that is under way, where only the end of
/// its start job is looked for and whether the manager answers; and after that job.
const STATE_INTERVAL: Duration = Duration::from_millis(50);
const MANAGER_INTERVAL: Duration = Duration::from_secs(30);
const END_INTERVAL: Duration = Duration::from_millis(500);

/// A start of a unit.
#[derive(Debug)]
pub(super) struct Begun {
    unit: String,
    /// None where there are no turns.
    pub(super) turn: Option<Turn>,
    before: State,
    /// When the timers that start the unit have fired last, before.
    fired: Vec<String>,
    pub(super) invocation: Option<String>,
    pub(super) is_joined: bool,
    waiter: Option<Waiter>,
    /// The number of its job.
    job_id: Option<String>,
    job: Option<Job>,
    next_look: Instant,
}

impl Begun {
    /// Starts a unit that is in this state, and waits until systemd has taken that in.
    pub(super) fn start(
        unit: &str,
        turn: Option<Turn>,
        before: State,
    ) -> Result<Self, SystemctlError> {
        let mut begun = Self {
            unit: unit.to_owned(),
            turn,
            fired: fired(&before)?,
            before,
            invocation: None,
            is_joined: false,
            waiter: Some(Waiter::start(unit)?),
            job_id: None,
            job: None,
            next_look: Instant::now(),
        };
        let deadline = Instant::now() + PATIENCE;
        while begun.job_id.is_none() && begun.job.is_none() {
            if Instant::now() > deadline {
                return Err(SystemctlError::Silent(format!("start {unit}")));
            }
            thread::sleep(LOOK_INTERVAL);
            begun.reap()?;
        }
        Ok(begun)
    }

    /// One look at how it is; its outcome, when it is over.
    pub(super) fn step(&mut self) -> Result<Option<Outcome>, SystemctlError> {
        self.reap()?;
        if Instant::now() < self.next_look {
            return Ok(None);
        }
        let now = look(&self.unit)?;
        self.learn(&now)?;
        let pause = match (self.job, &self.invocation) {
            (Some(_), _) => END_INTERVAL,
            (None, Some(_)) => MANAGER_INTERVAL,
            (None, None) => STATE_INTERVAL,
        };
        self.next_look = Instant::now() + pause;
        let Some(job) = self.job else { return Ok(None) };
        let whose = Whose::of(&now, self.before.invocation(), self.invocation.as_deref());
        let is_over = now.is_settled() || whose != Whose::Its;
        Ok(is_over.then(|| {
            let end = match (judge::judge(job, &now, whose), &self.invocation) {
                (End::Unknown, Some(invocation)) => recalled(&now, invocation),
                (end, _) => end,
            };
            Outcome::of(&self.unit, self.invocation.as_deref(), self.is_joined, &now, end)
        }))
    }

    /// Looks which job it is, and whether that is over.
    fn reap(&mut self) -> Result<(), SystemctlError> {
        let Some(waiter) = &mut self.waiter else { return Ok(()) };
        let ended = waiter.ended()?;
        if self.job_id.is_none()
            && let Some(id) = waiter.job_id()
        {
            self.is_joined = self.before.job() == Some(&id);
            if self.is_joined && self.before.is_running() {
                self.invocation = self.before.invocation().map(str::to_owned);
            }
            self.job_id = Some(id);
        }
        if let Some((is_success, said)) = ended {
            self.job = Some(Job::of(is_success, &said));
            self.waiter = None;
            self.next_look = Instant::now();
        }
        Ok(())
    }

    /// Learns which run this is.
    fn learn(&mut self, now: &State) -> Result<(), SystemctlError> {
        let Some(current) = now.invocation().filter(|_| self.invocation.is_none()) else {
            return Ok(());
        };
        if Some(current) != self.before.invocation() {
            let is_of_the_job = now.is_running() && now.job() == self.job_id.as_deref();
            let has_fired = fired(now)? != self.fired;
            if !is_of_the_job && (self.job.is_none() || has_fired) {
                // It may be the run of a timer, after this one.
                return Ok(());
            }
            // A timer that has fired since may have been faster; its job and this one are the same.
            self.is_joined |= has_fired;
        } else if self.job == Some(Job::Done) && self.before.is_running() {
            // It is no oneshot, so that there was no job to join.
            self.is_joined = true;
        } else {
            return Ok(());
        }
        self.invocation = Some(current.to_owned());
        Ok(())
    }
}

/// How a failed run ended of which the unit tells no more.
pub(super) fn recalled(now: &State, invocation: &str) -> End {
    let state = recall::recall(now, invocation);
    state.map_or(End::Unknown, |state| judge::judge(Job::Failed, &state, Whose::Its))
}
