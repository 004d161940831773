//! A run as whoever drives it has it: a machine, and what becomes of its journal.
//!
//! The one idea: the machine is told nothing that is not an entry, and what is known beside the
//! machine (the run's time, the number of the next entry, the events that it was given) follows from
//! the entries as well. So a run that is replayed is the run that was lost.

mod due;
mod known;
mod progress;

use std::time::Duration;

use serde_json::Value as Json;
use tessera_planted::{Bug, planted};
use tessera_types::Timestamp;

use crate::machine::{CloudEvent, Entry, Error, Happening, Machine, StepId};
use known::Known;

pub use due::Due;
pub use known::{Identity, identity};
pub use progress::Tracker;

/// An entry, and its number in the journal.
pub type Numbered = (u64, Entry);

/// A run, and where its journal ends.
pub struct Journaled {
    /// The run.
    pub machine: Machine,
    /// Its next timer, as it was first seen. Whoever drops a run from memory keeps it.
    pub due: Option<Due>,
    known: Known,
    next: u64,
    at: Timestamp,
}

impl Journaled {
    /// A run to which nothing has happened since it began at `at`.
    #[must_use]
    pub fn new(machine: Machine, first_entry: u64, at: Timestamp) -> Self {
        Self { machine, due: None, known: Known::default(), next: first_entry, at }
    }

    /// The time of the last entry.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// The number of the next entry.
    #[must_use]
    pub const fn next_entry(&self) -> u64 {
        self.next
    }

    /// Takes in an entry of the journal, in order. What follows from it is still to
    /// [`proceed`](Machine::proceed).
    pub fn replay(&mut self, number: u64, entry: &Entry) {
        self.next = number + 1;
        self.at = self.at.max(entry.at);
        if let Happening::Event(event) = &entry.what
            && !planted(Bug::EventForgotten)
        {
            self.known.insert(event);
        }
        self.machine.tell(entry);
    }

    /// Something has happened: an entry to be stored, which the machine is told. What follows from it
    /// is still to [`proceed`](Machine::proceed), and nobody is to be told before the entry is durable.
    pub fn happens(&mut self, now: Timestamp, what: Happening) -> Numbered {
        self.at = self.at.max(now);
        let (number, entry) = (self.next, Entry { at: self.at, what });
        self.next += 1;
        self.machine.tell(&entry);
        (number, entry)
    }

    /// How long it is until the next timer is due, as the wall clock stands, and one that nobody sets.
    pub fn due_in(&mut self, wall: Timestamp, passed: Duration) -> Option<Duration> {
        let at = self.machine.next_wakeup()?;
        let due = self.due.filter(|due| due.at == at);
        let due = due.unwrap_or_else(|| Due::new(at, self.at.max(wall), passed));
        self.due = Some(due);
        Some(due.left(wall, passed))
    }

    /// The next timer is due, by whichever clock. The run's time is that of the timer, also where the
    /// wall clock is behind.
    pub fn wakes(&mut self, now: Timestamp) -> Numbered {
        let now = self.due.map_or(now, |due| now.max(due.at));
        self.happens(now, Happening::Woken)
    }

    /// An effect has ended.
    pub fn ends(&mut self, now: Timestamp, step: StepId, result: Result<Json, Error>) -> Numbered {
        let what = match result {
            Ok(mut result) => {
                self.machine.mask(&mut result);
                Happening::Done { step, result }
            }
            Err(error) => Happening::Failed { step, error: self.machine.masked(error) },
        };
        self.happens(now, what)
    }

    /// It is given an event; none if it was given that before.
    pub fn hears(&mut self, now: Timestamp, event: &CloudEvent) -> Option<Numbered> {
        let is_news = self.known.insert(event);
        is_news.then(|| {
            let event = self.machine.masked_event(event.clone());
            self.happens(now, Happening::Event(event))
        })
    }
}
