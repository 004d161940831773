//! What a run tells of itself: its trace, its commits, and what it came to.

use tessera_agent::core::AgentCore;
use tessera_types::{Committed, with_object};

use super::Sim;

impl Sim {
    pub(super) fn note(&mut self, line: &str) {
        let now = self.now.since(self.peace_at.minus(self.config.busy)).as_millis();
        let by = self.acting.map(|act| format!(" {act}")).unwrap_or_default();
        self.trace.push(format!("{now:>10}{by} {line}"));
    }

    /// Looks at what was committed since it did last.
    pub(super) fn observe(&mut self) {
        for committed in self.disk.chronicle.fresh() {
            if self.config.script.is_some() {
                self.narrator.take_in(&committed);
            }
            if self.config.digests {
                self.narrator.digest(&committed);
            }
            if self.config.tells_all {
                self.tell_all(&committed);
            }
        }
    }

    /// Notes every change of a status.
    fn tell_all(&mut self, committed: &Committed) {
        let revision = committed.revision;
        for change in &committed.changes {
            let Some(resource) = &change.after else {
                self.statuses.remove(&change.id);
                self.note(&format!("    @{revision} {} is gone", change.key));
                continue;
            };
            let (is, why) = with_object!(resource, object => {
                let why = object.state_history.last().map(|last| last.reason.clone());
                (object.status.to_string(), why.unwrap_or_default())
            });
            let was = self.statuses.insert(change.id, is.clone());
            if was.as_ref() != Some(&is) {
                let was = was.map(|was| format!("{was} → ")).unwrap_or_default();
                self.note(&format!("    @{revision} {}: {was}{is}: {why}", change.key));
            }
        }
    }

    /// Adds to the trace what the agents and the control plane think.
    pub(super) fn explain(&mut self) {
        let mut lines = Vec::new();
        for machine in &self.machines {
            for (id, run) in &machine.runs {
                lines.push(format!("{}: run {id} is {:?}", machine.name, run.phase));
            }
            for copy in machine.agent.iter().flat_map(AgentCore::copies) {
                let (id, state, ending) = (copy.copy, copy.state, copy.ending);
                lines.push(format!(
                    "{}: copy {id} is {state}, ending {ending:?}, live {}",
                    machine.name, copy.live
                ));
            }
        }
        for workload in self.control.iter().flat_map(|control| control.world.workloads.iter()) {
            let at = workload.observed.assigned.as_ref().map(|assigned| &assigned.node);
            let (id, epoch) = (workload.id, workload.observed.epoch);
            lines.push(format!(
                "control: {id}-{epoch} is {} on {at:?}, {}",
                workload.status, workload.spec.resources.cpu
            ));
        }
        lines.iter().for_each(|line| self.note(line));
    }
}
