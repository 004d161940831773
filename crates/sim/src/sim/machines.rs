//! What fails on one machine alone, while all else of it goes on.

use super::faults::Mend;
use super::{Event, Sim};

impl Sim {
    /// The supervisor of a run dies, or the disk is full that the agent writes to.
    pub(super) fn fail_on_a_machine(&mut self) {
        let i = self.rng.between(0, self.machines.len() as u64) as usize;
        match self.rng.between(0, 3) {
            0 => self.fill_disk_of_agent(i),
            _ => self.kill_a_supervisor(i),
        }
    }

    fn fill_disk_of_agent(&mut self, i: usize) {
        let ms = self.rng.between(1000, 60_000);
        self.machines[i].is_disk_full = true;
        self.note(&format!("the agent of {} cannot write, for {ms} ms", self.machines[i].name));
        self.after(ms, Event::Mend(Mend::AgentsDisk(i)));
        // What is not written is missed by the next one.
        if self.rng.percent(50) {
            let dies_in_ms = self.rng.between(0, ms);
            self.after(dies_in_ms, Event::AgentDies(i));
        }
    }

    /// The agent is killed, and started again after a while.
    pub(super) fn agent_dies(&mut self, i: usize) {
        self.machines[i].kill_agent(self.now);
        self.note(&format!("the agent of {} is killed", self.machines[i].name));
        let ms = self.any_time().between(10, 20_000);
        self.after(ms, Event::Mend(Mend::Agent(i)));
    }

    fn kill_a_supervisor(&mut self, i: usize) {
        let (machine, now) = (&mut self.machines[i], self.now);
        let mut supervised = machine.supervised();
        // What is never started again ends with it, and not as a script has it.
        if self.config.script.is_some() {
            supervised.retain(|run| machine.is_started_again(*run));
        }
        if supervised.is_empty() {
            return;
        }
        let run = *self.rng.pick(&supervised);
        machine.lose_supervisor(run, now);
        let line = format!("the supervisor of {run} on {} dies", machine.name);
        self.note(&line);
    }
}
