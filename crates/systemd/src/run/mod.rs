//! Runs a unit now, on the way that its timer takes, and says how that ended.
//!
//! The one idea: a run has a name, its invocation. What systemd knows of a unit is that of its last
//! run, so the invocation before is noted, that of this run is learnt, and only what is known of that
//! one counts. A start while a run is under way joins it; systemd then has one job, and one run.
//!
//! It goes in steps, so that who waits may stop waiting, or look at the output meanwhile: see [`Run`].
//! A run does not end with the waiting.

mod end;
mod judge;
mod lock;
mod output;
mod seen;
mod state;
mod waiter;

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

pub use end::{End, Source};
pub use output::{Output, last_lines};
pub use seen::{Seen, begin, manager, seen};

use crate::journal::NoOutput;
use crate::systemctl::{self, LOOK_INTERVAL, PATIENCE, SystemctlError};
use judge::Job;
use state::State;
use waiter::Waiter;

/// Between two looks at a unit. While its start job waits, only the end of that is looked for.
const STATE_INTERVAL: Duration = Duration::from_millis(50);
const END_INTERVAL: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// A run of a unit that was begun or joined.
///
/// Dropping it ends the waiting, and not the run.
#[derive(Debug)]
pub struct Run {
    unit: String,
    before: State,
    /// When the timers that start the unit have fired last, before.
    fired: Vec<String>,
    invocation: Option<String>,
    is_joined: bool,
    waiter: Option<Waiter>,
    job: Option<Job>,
    outcome: Option<Outcome>,
    begun: Instant,
    next_look: Instant,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The unit.
    pub unit: String,
    /// What systemd calls the run; none where nothing was run, or it was over before it was seen.
    pub invocation_id: Option<String>,
    /// Whether the run was under way already.
    pub is_joined: bool,
    /// How it ended.
    pub end: End,
    /// When it began, in seconds since the epoch, if that is known.
    pub started_at: Option<i64>,
    /// When it ended, likewise.
    pub ended_at: Option<i64>,
}

impl Outcome {
    /// Whether it was over and forgotten before its invocation was known.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        self.invocation_id.is_none() && self.end.is_success()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.unit, self.end)
    }
}

/// Starts a unit, or joins the run that is under way. One that cannot be started has an outcome at
/// once.
///
/// # Errors
/// The service manager cannot be asked.
pub fn start(unit: &str) -> Result<Run, SystemctlError> {
    let _one_at_a_time = lock::lock(unit);
    let before = look(unit)?;
    let refusal = judge::refusal(&before);
    let mut run = Run {
        unit: unit.to_owned(),
        fired: fired(&before)?,
        before,
        invocation: None,
        is_joined: false,
        waiter: None,
        job: None,
        outcome: None,
        begun: Instant::now(),
        next_look: Instant::now(),
    };
    match refusal {
        Some(end) => run.outcome = Some(run.nothing(end)),
        None => run.begin()?,
    }
    Ok(run)
}

/// What is known of a unit.
fn look(unit: &str) -> Result<State, SystemctlError> {
    systemctl::show(unit, &state::NAMES).map(State)
}

/// When the timers of a unit have fired last.
fn fired(state: &State) -> Result<Vec<String>, SystemctlError> {
    let timers = state.get("TriggeredBy").split_whitespace();
    let last = |timer| {
        let mut shown = systemctl::show(timer, &["LastTriggerUSecMonotonic"])?;
        Ok(shown.remove("LastTriggerUSecMonotonic").unwrap_or_default())
    };
    timers.map(last).collect()
}

impl Run {
    /// What systemd calls the run, as soon as that is known.
    #[must_use]
    pub fn invocation_id(&self) -> Option<&str> {
        self.invocation.as_deref()
    }

    /// Whether the run was under way already.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// The unit.
    #[must_use]
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// What it writes, from its beginning; none before the run is known.
    #[must_use]
    pub fn output(&self) -> Option<Result<Output, NoOutput>> {
        let invocation = self.invocation_id()?;
        Some(match self.before.output() {
            Some(place) => Err(NoOutput::Elsewhere(place.to_owned())),
            None => Output::of(invocation),
        })
    }

    /// Waits for the end of the run, for this long at most.
    ///
    /// # Errors
    /// The service manager cannot be asked.
    pub fn wait(&mut self, at_most: Duration) -> Result<Option<Outcome>, SystemctlError> {
        let deadline = Instant::now() + at_most;
        loop {
            if self.outcome.is_none() {
                self.step()?;
            }
            if self.outcome.is_some() || Instant::now() >= deadline {
                return Ok(self.outcome.clone());
            }
            thread::sleep(self.pause());
        }
    }

    /// Until the next look: of a run that takes long the end is not looked for so often.
    fn pause(&self) -> Duration {
        (self.begun.elapsed() / 20).clamp(LOOK_INTERVAL, PAUSE_MAX)
    }

    /// Starts it, and waits until systemd has taken that in.
    fn begin(&mut self) -> Result<(), SystemctlError> {
        self.waiter = Some(Waiter::start(&self.unit)?);
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.reap()?;
            let Some(waiter) = &mut self.waiter else { return Ok(()) };
            if let Some(id) = waiter.job_id() {
                let is_same = self.before.job() == Some(&id);
                self.joins(is_same);
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(SystemctlError::Silent(format!("start {}", self.unit)));
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// The job was there before, or was not.
    fn joins(&mut self, is_same: bool) {
        self.is_joined = is_same;
        if is_same && self.before.is_running() {
            self.invocation = self.before.invocation().map(str::to_owned);
        }
    }

    /// Learns which run this is.
    fn learn(&mut self, now: &State) -> Result<(), SystemctlError> {
        let Some(current) = now.invocation().filter(|_| self.invocation.is_none()) else {
            return Ok(());
        };
        if Some(current) != self.before.invocation() {
            // A timer that has fired since may have been faster; its job and this one are the same.
            self.is_joined |= fired(now)? != self.fired;
        } else if self.job == Some(Job::Done) && self.before.is_running() {
            // It is no oneshot, so that there was no job to join.
            self.is_joined = true;
        } else {
            return Ok(());
        }
        self.invocation = Some(current.to_owned());
        Ok(())
    }

    /// Looks whether the start job is over.
    fn reap(&mut self) -> Result<(), SystemctlError> {
        if let Some(waiter) = &mut self.waiter
            && let Some((is_success, said)) = waiter.ended()?
        {
            if let Some(id) = waiter.job_id()
                && self.invocation.is_none()
            {
                let is_same = self.before.job() == Some(&id);
                self.joins(self.is_joined || is_same);
            }
            self.job = Some(Job::of(is_success, &said));
            self.waiter = None;
            self.next_look = Instant::now();
        }
        Ok(())
    }

    /// One look at how it is.
    fn step(&mut self) -> Result<(), SystemctlError> {
        self.reap()?;
        // Before the start job is over there is nothing to learn but which run it is.
        let is_pending = self.job.is_some() || self.invocation.is_none();
        if !is_pending || Instant::now() < self.next_look {
            return Ok(());
        }
        let now = look(&self.unit)?;
        self.learn(&now)?;
        let Some(job) = self.job else {
            self.next_look = Instant::now() + STATE_INTERVAL;
            return Ok(());
        };
        let is_ours = self.invocation.as_deref() == now.invocation();
        if now.is_settled() || !is_ours {
            self.outcome = Some(self.ended(job, &now));
        }
        self.next_look = Instant::now() + END_INTERVAL;
        Ok(())
    }

    fn ended(&self, job: Job, now: &State) -> Outcome {
        let invocation = self.invocation.as_deref();
        let end = judge::judge(job, now, invocation);
        let is_known = invocation.is_some() && now.invocation() == invocation;
        let time = |name| now.time(name).filter(|_| is_known);
        Outcome {
            unit: self.unit.clone(),
            invocation_id: invocation.map(str::to_owned),
            is_joined: self.is_joined,
            started_at: time("InactiveExitTimestamp"),
            ended_at: time("InactiveEnterTimestamp").filter(|_| now.is_settled()),
            end,
        }
    }

    /// The outcome where nothing was run.
    fn nothing(&self, end: End) -> Outcome {
        Outcome {
            unit: self.unit.clone(),
            invocation_id: None,
            is_joined: false,
            end,
            started_at: None,
            ended_at: None,
        }
    }
}
