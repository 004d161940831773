//! Runs a unit now, on the way that its timer takes, and says how that ended.
//!
//! The one idea: a run has a name, its invocation. What systemd knows of a unit is that of its last
//! run, so only what is known of the very run counts. Who starts one has the turn until its end has
//! been seen, and others join it meanwhile; systemd then has one job, and one run.
//!
//! It goes in steps, so that who waits may stop waiting, or look at the output meanwhile: see [`Run`].
//! A run does not end with the waiting.

mod begun;
mod beside;
mod end;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod judge;
mod output;
mod recall;
mod seen;
mod state;
mod turn;
mod waiter;

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use end::{End, Source};
pub use output::{Output, last_lines};
pub use seen::{Seen, begin, manager, seen};

use crate::journal::NoOutput;
use crate::systemctl::{self, LOOK_INTERVAL, PATIENCE, SystemctlError};
use begun::Begun;
use beside::{Beside, Step};
use state::State;
use turn::{Turn, Turns};

/// Between two looks at a unit while another has the turn with it.
const TURN_INTERVAL: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// A run of a unit that was begun or joined.
///
/// Dropping it ends the waiting, and not the run.
#[derive(Debug)]
pub struct Run {
    unit: String,
    turns: Option<Turns>,
    stage: Stage,
    /// Where its output goes, if that is not the journal.
    output: Option<String>,
    begun: Instant,
}

/// How far it is.
#[derive(Debug)]
enum Stage {
    /// Another has the turn, and no run is under way.
    Waits { give_up: Instant, next_look: Instant },
    /// It was started.
    Begun(Box<Begun>),
    /// Another waits for it.
    Beside(Box<Beside>),
    /// It is over.
    Over(Outcome),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// With the times of the unit, as far as they are those of the run.
    fn of(unit: &str, invocation: Option<&str>, is_joined: bool, now: &State, end: End) -> Self {
        let is_known = invocation.is_some() && now.invocation() == invocation;
        let time = |name| now.time(name).filter(|_| is_known);
        Self {
            unit: unit.to_owned(),
            invocation_id: invocation.map(str::to_owned),
            is_joined,
            started_at: time("InactiveExitTimestamp"),
            ended_at: time("InactiveEnterTimestamp").filter(|_| now.is_settled()),
            end,
        }
    }

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
    let now = Instant::now();
    let mut run = Run {
        unit: unit.to_owned(),
        turns: Turns::of(unit),
        stage: Stage::Waits { give_up: now + PATIENCE, next_look: now },
        output: None,
        begun: now,
    };
    run.step()?;
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
        match &self.stage {
            Stage::Waits { .. } => None,
            Stage::Begun(begun) => begun.invocation.as_deref(),
            Stage::Beside(beside) => Some(&beside.invocation),
            Stage::Over(outcome) => outcome.invocation_id.as_deref(),
        }
    }

    /// Whether the run was under way already.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        match &self.stage {
            Stage::Waits { .. } => false,
            Stage::Begun(begun) => begun.is_joined,
            Stage::Beside(_) => true,
            Stage::Over(outcome) => outcome.is_joined,
        }
    }

    /// What it writes, from its beginning; none before the run is known.
    #[must_use]
    pub fn output(&self) -> Option<Result<Output, NoOutput>> {
        let invocation = self.invocation_id()?;
        Some(match &self.output {
            Some(place) => Err(NoOutput::Elsewhere(place.clone())),
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
            self.step()?;
            if let Stage::Over(outcome) = &self.stage {
                return Ok(Some(outcome.clone()));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(self.pause());
        }
    }

    /// Until the next look: of a run that takes long the end is not looked for so often.
    fn pause(&self) -> Duration {
        (self.begun.elapsed() / 20).clamp(LOOK_INTERVAL, PAUSE_MAX)
    }

    /// One look at how it is.
    fn step(&mut self) -> Result<(), SystemctlError> {
        let next = match &mut self.stage {
            Stage::Waits { .. } => self.take_turn()?,
            Stage::Begun(begun) => begun.step()?.map(|outcome| {
                if let (Some(turns), Some(turn)) = (&self.turns, &begun.turn) {
                    turns.tell(turn, &outcome);
                }
                Stage::Over(outcome)
            }),
            Stage::Beside(beside) => {
                let turns = self.turns.as_ref().expect("another has the turn");
                match beside.step(turns)? {
                    Step::Waits => None,
                    Step::Inherited(begun) => Some(Stage::Begun(begun)),
                    Step::Ended(outcome) => Some(Stage::Over(outcome)),
                }
            }
            Stage::Over(_) => None,
        };
        if let Some(stage) = next {
            self.stage = stage;
        }
        Ok(())
    }

    /// Starts the unit, or joins the run of who has started it.
    fn take_turn(&mut self) -> Result<Option<Stage>, SystemctlError> {
        let Stage::Waits { give_up, next_look } = &mut self.stage else { return Ok(None) };
        let now = Instant::now();
        let turn = match self.turns.as_ref().map(Turns::take) {
            Some(Ok(Some(turn))) => Some(turn),
            Some(Ok(None)) if now < *next_look => return Ok(None),
            Some(Ok(None)) if now < *give_up => {
                *next_look = now + TURN_INTERVAL;
                let state = look(&self.unit)?;
                if state.job().is_some() {
                    *give_up = now + PATIENCE;
                }
                self.output = state.output().map(str::to_owned);
                let beside = Beside::join(&self.unit, &state);
                return Ok(beside.map(|beside| Stage::Beside(Box::new(beside))));
            }
            // Where no turn can be had, it goes without.
            Some(Ok(None) | Err(_)) | None => None,
        };
        self.begin(turn).map(Some)
    }

    fn begin(&mut self, turn: Option<Turn>) -> Result<Stage, SystemctlError> {
        let before = look(&self.unit)?;
        self.output = before.output().map(str::to_owned);
        Ok(match judge::refusal(&before) {
            Some(end) => Stage::Over(Outcome::of(&self.unit, None, false, &before, end)),
            None => Stage::Begun(Box::new(Begun::start(&self.unit, turn, before)?)),
        })
    }
}
