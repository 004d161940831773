//! The one thing that goes wrong in a run that is compared with one where nothing does.

use super::faults::Mend;
use super::jobs::EngineEvent;
use super::{Event, Sim};
use crate::boundary::{Boundary, Counts, Harm};

/// Whoever died is started again after this.
const RESTART_MS: u64 = 400;
/// What is late comes so much later: after others, and before it is given up.
const LATE_MS: u64 = 3000;

impl Sim {
    /// What becomes of the message that is being sent, if it is the one.
    pub(super) fn boundary_of_message(&mut self, whose: &str) -> Option<Vec<u64>> {
        let Some(Boundary::Message(number, harm)) = self.config.boundary else { return None };
        if number != self.counts.messages {
            return None;
        }
        self.note(&format!("a message {whose} is {harm:?}"));
        Some(match harm {
            Harm::Lost => Vec::new(),
            Harm::Doubled => vec![1, LATE_MS],
            Harm::Late => vec![LATE_MS],
        })
    }

    /// Whoever has died at a boundary is dead from here on.
    pub(super) fn bury_the_dead(&mut self) {
        if self.disk.chronicle.is_dead() {
            self.disk.chronicle.is_buried();
            self.control = None;
            self.note("the control plane crashes right after a commit");
            self.after(RESTART_MS, Event::Mend(Mend::Control));
        }
        for i in 0..self.machines.len() {
            if std::mem::take(&mut self.machines[i].has_died) {
                let line = format!("the agent of {} dies after an action", self.machines[i].name);
                self.note(&line);
                self.after(RESTART_MS, Event::Mend(Mend::Agent(i)));
            }
            if let Some(run) = self.machines[i].has_abandoned.take() {
                let name = &self.machines[i].name;
                self.note(&format!("the supervisor of {run} on {name} dies"));
            }
        }
        if std::mem::take(&mut self.engine.has_died) {
            self.note("the engine dies after a step");
            self.after(RESTART_MS, Event::Engine(EngineEvent::Starts));
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            commits: self.disk.chronicle.count(),
            actions: self.machines.iter().map(|machine| machine.actions).collect(),
            runs: self.machines.iter().map(|machine| machine.turns).collect(),
            engine: self.engine.steps,
            messages: self.counts.messages,
        }
    }
}
