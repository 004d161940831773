//! What runs although its time is over, where its node can be told.
//!
//! The one idea: an agent ends what it knows to be over, and the control plane tells it what that
//! is. Either may be wrong, so what counts is what is declared: of the workload, of its pod and of
//! its job. A node is told within a minute as long as nothing is in the way, which is known here.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use tessera_agent::core::RunId;
use tessera_reconciler::World;
use tessera_types::{Duration, KindName, Object, Timestamp, Workload};

use crate::machine::Machine;

/// A few calls that are lost one after the other, and the time to stop.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// Since when what still runs should not, and could have been told so.
#[derive(Debug, Default)]
pub(crate) struct Overdue(BTreeMap<RunId, Timestamp>);

impl Overdue {
    /// Nobody can be told now.
    pub(crate) fn pause(&mut self) {
        self.0.clear();
    }

    /// After every event, at the time that the control plane's clock shows, and the true one.
    pub(crate) fn check(
        &mut self,
        world: &World,
        machines: &[Machine],
        wall: Timestamp,
        now: Timestamp,
    ) -> Result<(), String> {
        let mut overdue = BTreeMap::new();
        for machine in machines.iter().filter(|machine| machine.can_be_told()) {
            let here = machine.clock.wall(now);
            for (id, _) in machine.runs.iter().filter(|(_, run)| run.is_alive()) {
                let Some(end) = is_past_its_end(world, *id, wall, here) else { continue };
                let since = self.0.get(id).copied().unwrap_or(now);
                if now.since(since) > TOLD_WITHIN {
                    let name = &machine.name;
                    return Err(format!("{id} runs on {name}, and should have ended at {end}"));
                }
                overdue.insert(*id, since);
            }
        }
        self.0 = overdue;
        Ok(())
    }
}

/// Which end of it has passed: that of the workload, by its node's clock; or the time by which
/// its owner is to have left nothing, by the control plane's.
fn is_past_its_end(
    world: &World,
    id: RunId,
    wall: Timestamp,
    here: Timestamp,
) -> Option<Timestamp> {
    let workload = world.workloads.get(id.copy.id)?;
    // Whether an earlier placement may still run is another question.
    if workload.observed.epoch != id.copy.epoch {
        return None;
    }
    let own = workload.spec.not_after.filter(|end| *end < here);
    own.or_else(|| owners_deadline(world, workload).filter(|end| *end < wall))
}

fn owners_deadline(world: &World, workload: &Object<Workload>) -> Option<Timestamp> {
    let owner = workload.owner.as_ref()?;
    match owner.kind {
        KindName::Pod => {
            let slot = world.pods.get(owner.id)?.observed.timed.timeslot?;
            Some(slot.cleanup_deadline())
        }
        KindName::Job => world.jobs.get(owner.id)?.observed.deadline,
        _ => None,
    }
}
