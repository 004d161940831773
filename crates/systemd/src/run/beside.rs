//! A run that another waits for, who has the turn.
//!
//! The one idea: to start the unit once more would join that run, or begin another if it has just ended;
//! so it is only waited until the other has written down how it ended. Where nobody does, because he was
//! interrupted or is held up, it is looked at the unit. Only who waits in his place starts it, since its
//! job alone tells that it was stopped. A run that ends at that very moment has its own end all the same.

use std::time::{Duration, Instant};

use super::begun::{Begun, recalled};
use super::judge::{self, Whose};
use super::state::State;
use super::turn::{Turn, Turns};
use super::{End, Outcome, look};
use crate::systemctl::SystemctlError;

/// Between two looks at the unit.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// So long after its end a run may not be written down yet.
const HELD_UP: Duration = Duration::from_secs(10);

/// A run that was joined without a start of the unit.
#[derive(Debug)]
pub(super) struct Beside {
    unit: String,
    pub(super) invocation: String,
    over_since: Option<Instant>,
    next_look: Instant,
}

/// What came of a look at a run.
#[derive(Debug)]
pub(super) enum Step {
    /// It is not over.
    Waits,
    /// Who waited for it is gone, and this one has joined it in his place.
    Inherited(Box<Begun>),
    /// It is over.
    Ended(Outcome),
}

impl Beside {
    /// Joins the run that is under way, if one is.
    pub(super) fn join(unit: &str, state: &State) -> Option<Self> {
        let invocation = state.invocation().filter(|_| state.is_running())?.to_owned();
        let (over_since, next_look) = (None, Instant::now() + LOOK_PAUSE);
        Some(Self { unit: unit.to_owned(), invocation, over_since, next_look })
    }

    pub(super) fn step(&mut self, turns: &Turns) -> Result<Step, SystemctlError> {
        // The turn is given back after the end was written down.
        let turn = turns.take().ok().flatten();
        if let Some(outcome) = turns.told(&self.invocation) {
            return Ok(Step::Ended(Outcome { is_joined: true, ..outcome }));
        }
        if turn.is_none() && Instant::now() < self.next_look {
            return Ok(Step::Waits);
        }
        self.next_look = Instant::now() + LOOK_PAUSE;
        let now = look(&self.unit)?;
        let whose = Whose::of(&now, None, Some(&self.invocation));
        match turn {
            Some(turn) => self.inherit(turns, turn, now, whose),
            None => Ok(self.left_alone(&now, whose)),
        }
    }

    /// Nobody waits for the run any more: this one does, so that he learns of it if it is stopped.
    fn inherit(
        &self,
        turns: &Turns,
        turn: Turn,
        now: State,
        whose: Whose,
    ) -> Result<Step, SystemctlError> {
        if whose == Whose::Its && now.is_running() {
            let has_job = now.job().is_some();
            let begun = Begun::start(&self.unit, Some(turn), now)?;
            // With another job it is another run: this one has just ended, and that is looked at next.
            let is_its = begun.is_joined || !has_job;
            return Ok(if is_its { Step::Inherited(Box::new(begun)) } else { Step::Waits });
        }
        if whose == Whose::Its && !now.is_settled() {
            return Ok(Step::Waits);
        }
        let outcome = self.ended(&now, whose);
        turns.tell(&turn, &outcome);
        Ok(Step::Ended(outcome))
    }

    /// Who has the turn has not told how the run ended: he may be held up.
    fn left_alone(&mut self, now: &State, whose: Whose) -> Step {
        if whose == Whose::Its && !now.is_settled() {
            self.over_since = None;
            return Step::Waits;
        }
        let over_since = *self.over_since.get_or_insert_with(Instant::now);
        match over_since.elapsed() > HELD_UP {
            true => Step::Ended(self.ended(now, whose)),
            false => Step::Waits,
        }
    }

    fn ended(&self, now: &State, whose: Whose) -> Outcome {
        let end = match judge::without_job(now, whose) {
            End::Unknown => recalled(now, &self.invocation),
            end => end,
        };
        Outcome::of(&self.unit, Some(&self.invocation), true, now, end)
    }
}
