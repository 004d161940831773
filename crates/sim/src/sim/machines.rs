//! What fails on one machine alone, while all else of it goes on.

use super::Sim;

impl Sim {
    /// The supervisor of a run dies.
    pub(super) fn fail_on_a_machine(&mut self) {
        let i = self.rng.between(0, self.machines.len() as u64) as usize;
        let (machine, now) = (&mut self.machines[i], self.now);
        let supervised = machine.supervised();
        if supervised.is_empty() {
            return;
        }
        let run = *self.rng.pick(&supervised);
        machine.lose_supervisor(run, now);
        let line = format!("the supervisor of {run} on {} dies", machine.name);
        self.note(&line);
    }
}
