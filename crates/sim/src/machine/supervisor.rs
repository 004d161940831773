//! Supervisors that die alone, and what their agent makes of it.
//!
//! The one idea: the kernel ends the process of a run with its supervisor, and nobody has written
//! down how it ended. So there is nothing to find of such a run but that its lock is free: an agent
//! that is there sees that after a moment, and the next one where there is none, and it says so as
//! of then.

use tessera_agent::core::{RunEvent, RunId};
use tessera_types::Timestamp;
use tessera_types::workload::{ExitOutcome, RestartPolicy};

use super::{Machine, Phase, Run, end};

/// An agent has cleaned up after a run whose supervisor is gone within this.
const FOUND_MS_MAX: u64 = 5000;

impl Machine {
    /// The runs that have a supervisor.
    pub(crate) fn supervised(&self) -> Vec<RunId> {
        let is_supervised = |phase| !matches!(phase, Phase::Ended | Phase::Abandoned);
        self.runs.iter().filter(|(_, run)| is_supervised(run.phase)).map(|(id, _)| *id).collect()
    }

    /// The supervisor of a run is killed, and its process with it.
    pub(crate) fn lose_supervisor(&mut self, id: RunId, now: Timestamp) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.phase = Phase::Abandoned;
        run.next = now.plus(self.fate.time_to_find(id, FOUND_MS_MAX));
    }

    /// Whether it is started again where it ends by itself.
    pub(crate) fn is_started_again(&self, id: RunId) -> bool {
        let is_again = |run: &Run| run.spec.restart.policy != RestartPolicy::Never;
        self.runs.get(&id).is_some_and(is_again)
    }

    /// Something is done with a run, or by it: its supervisor may die right after that.
    /// What is never started again would rightly end otherwise, and does not count.
    pub(super) fn has_turned(&mut self, id: RunId, now: Timestamp) {
        if !self.is_started_again(id) {
            return;
        }
        self.turns += 1;
        if self.abandons_at == Some(self.turns) {
            self.lose_supervisor(id, now);
            self.has_abandoned = Some(id);
        }
    }

    /// The agent finds that a run has no supervisor any more, if it is there.
    pub(super) fn find_abandoned(&mut self, id: RunId, now: Timestamp) -> Option<RunEvent> {
        if self.agent.is_none() || self.is_frozen {
            return None;
        }
        let (wall, was_bound) = (self.clock.wall(now), self.fate.was_bound(id));
        let run = self.runs.get_mut(&id)?;
        let outcome = match run.started.is_some() || was_bound {
            true => ExitOutcome::SupervisorLost,
            false => ExitOutcome::StartFailed { message: "its supervisor did not come up".into() },
        };
        Some(end(run, wall, outcome, false))
    }

    /// When the agent sees that, where it is there.
    pub(super) fn finds_at(&self, next: Timestamp) -> Option<Timestamp> {
        (self.agent.is_some() && !self.is_frozen).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tessera_agent::core::CopyId;
    use tessera_types::workload::{Instance, WorkloadSpec};
    use tessera_types::{Epoch, Name, Uid};

    use super::*;
    use crate::clock::{BEGIN, Clock};
    use crate::rng::Rng;
    use crate::tenants::Tenants;

    const ID: RunId = RunId { copy: CopyId { id: Uid(1), epoch: Epoch(1) }, attempt: 1 };

    fn at(seconds: u64) -> Timestamp {
        BEGIN.plus(tessera_types::Duration::from_secs(seconds))
    }

    /// A machine with a run.
    fn machine() -> Machine {
        let clock = Clock::new(&mut Rng::of(0, 0));
        let tenants = Tenants::new(Rng::of(0, 1), &clock);
        let mut machine = Machine::new(Name::new("n0").unwrap(), 4000, clock, tenants);
        let run = Run {
            spec: Arc::new(WorkloadSpec::default()),
            launched_at: BEGIN,
            started: Some(Instance { pid: Some(7), container_id: None, started_at: BEGIN }),
            next: at(3600),
            phase: Phase::Running,
            lease_until: None,
            not_after: None,
            end: None,
        };
        machine.runs.insert(ID, run);
        machine
    }

    fn end_of(machine: &Machine) -> Option<(Timestamp, ExitOutcome)> {
        machine.runs[&ID].end.as_ref().map(|end| (end.at, end.outcome.clone()))
    }

    #[test]
    fn a_process_dies_with_its_supervisor_and_the_agent_finds_it_later() {
        let mut machine = machine();
        assert_eq!(machine.supervised(), [ID]);
        machine.lose_supervisor(ID, at(10));
        assert_eq!(machine.alive(ID.copy.id).count(), 0);
        assert!(machine.supervised().is_empty());
        assert_eq!(machine.find_abandoned(ID, at(11)).map(|_| ()), Some(()));
        let wall = machine.clock.wall(at(11));
        assert_eq!(end_of(&machine), Some((wall, ExitOutcome::SupervisorLost)));
    }

    #[test]
    fn where_there_is_no_agent_the_next_one_finds_it() {
        let mut machine = machine();
        machine.kill_agent(at(10));
        machine.lose_supervisor(ID, at(10));
        machine.advance(at(60), true);
        assert_eq!((end_of(&machine), machine.finds_at(at(11))), (None, None));
        machine.start_agent(at(90));
        machine.advance(at(91), true);
        // Nothing was written down of it, so it is cleaned up and gone.
        assert!(machine.runs.is_empty());
    }
}
