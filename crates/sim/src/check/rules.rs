//! What must hold whenever the loop has nothing to do, and what of the numbers that are kept:
//! tries are bounded, counts only grow, what is over holds nothing, and what is said is so.
//!
//! The one idea: each of these was added for a mistake that nothing else saw.

#[cfg(test)]
pub(super) mod tests;

use tessera_reconciler::{Tabled, World};
use tessera_types::node::DesiredNodeStatus;
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Timed, TimedStatus};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Host, Node, Object, Pod, Revision, SessionPart, Timestamp};

use super::reasons::workload::is_closed_early;
use crate::control::Control;
use crate::machine::Machine;

/// So often anything that is declared here is tried at most.
const TRIES_MAX: u32 = 3;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    revision: Revision,
}

impl Rules {
    /// After every event. What the loop is about to do may be missing while it `is_behind`.
    pub(crate) fn check(
        &mut self,
        control: &Control,
        machines: &[Machine],
        is_behind: bool,
        now: Timestamp,
    ) -> Result<(), String> {
        no_run_outlives_what_its_agent_knows(machines, now)?;
        let world = &control.world;
        if self.revision != world.revision() {
            self.revision = world.revision();
            holds_what_it_needs(world)?;
            tries_are_bounded::<Pod>(world)?;
            tries_are_bounded::<SessionPart>(world)?;
            tries_are_bounded::<Host>(world)?;
        }
        if is_behind {
            return Ok(());
        }
        nothing_stays_on_a_drained_node(world)?;
        no_session_waits_for_what_is_active(world)
    }
}

/// What is wanted of a run ends it, however its supervisor was told; and an agent that is there
/// has told. One that is killed between writing a new end down and telling it leaves that to the
/// next: as long as there is none, nothing on the node can know.
fn no_run_outlives_what_its_agent_knows(
    machines: &[Machine],
    now: Timestamp,
) -> Result<(), String> {
    for machine in machines {
        let wall = machine.clock.wall(now);
        for (id, run) in machine.runs.iter().filter(|(_, run)| run.is_alive()) {
            if machine.unsaved.contains(&id.copy) {
                continue;
            }
            let Some(progress) = machine.disk.get(&id.copy) else { continue };
            let end = progress.spec.not_after;
            let is_untold = machine.agent.is_none() && machine.untold.contains(id);
            if !is_untold && end.is_some_and(|end| end < wall) {
                return Err(format!("{id} on {} outlives what its agent knows", machine.name));
            }
            if machine.agent.is_some() && run.not_after != end {
                let told = run.not_after;
                return Err(format!("{id} has to end at {end:?}, and was told {told:?}"));
            }
        }
    }
    Ok(())
}

/// A pod holds its host for all of its window with the time before and after it, and no longer
/// than it is there.
fn holds_what_it_needs(world: &World) -> Result<(), String> {
    for pod in world.pods.iter() {
        let Some(binding) = &pod.observed.binding else { continue };
        let (key, window) = (pod.key(), binding.window);
        if pod.status == TimedStatus::Terminated {
            return Err(format!("{key} is over, and holds {} {window}", binding.host));
        }
        let needs = pod.observed.timed.timeslot.map(|slot| slot.held());
        if needs.is_some_and(|needs| !window.covers(&needs)) {
            return Err(format!("{key} needs its host {needs:?}, and holds it {window}"));
        }
    }
    Ok(())
}

fn tries_are_bounded<K: Tabled + Timed>(world: &World) -> Result<(), String> {
    for object in world.table::<K>().iter() {
        let timed = K::timed(object);
        let phases = timed.phases.iter().map(|run| (&run.name, run.attempt));
        let steps = timed.pipeline_progress.values().flatten();
        let steps = steps.map(|(name, stands)| (name, stands.attempt));
        if let Some((name, attempt)) = phases.chain(steps).find(|(_, it)| *it > TRIES_MAX) {
            return Err(format!("{name} of {} is tried for the {attempt}th time", object.key()));
        }
    }
    Ok(())
}

fn is_left(node: &Object<Node>) -> bool {
    node.deletion_requested_at.is_some() || node.desired_status == DesiredNodeStatus::Drained
}

/// All that is on a node that is to be left is on its way out, and what runs or has ended
/// waits for nothing.
fn nothing_stays_on_a_drained_node(world: &World) -> Result<(), String> {
    for workload in world.workloads.iter() {
        use WorkloadStatus::{Completed, Failed, Running, Stopped, Stopping};
        let (name, status) = (&workload.name, workload.status);
        let waits = workload.waiting_for.as_ref();
        if let Some(waits) = waits.filter(|_| {
            matches!(status, Running | Completed | Failed | Stopped)
                && workload.deletion_requested_at.is_none()
                && !is_closed_early(workload)
        }) {
            return Err(format!("{name} is {status}, and says that it waits for {waits:?}"));
        }
        let assigned = workload.observed.assigned.as_ref();
        let node = assigned.and_then(|assigned| world.nodes.get(assigned.node_id));
        let left = node.filter(|node| node.status.is_reachable() && is_left(node));
        if let Some(node) = left.filter(|_| status != Stopping && status.holds_node()) {
            return Err(format!("{name} is {status} on {}, which is drained", node.name));
        }
    }
    Ok(())
}

/// A session whose present part is under way waits for nothing.
fn no_session_waits_for_what_is_active(world: &World) -> Result<(), String> {
    for session in world.sessions.iter().filter(|it| it.status == SessionStatus::Active) {
        let parts = world.owned::<SessionPart>(session.id);
        let mut parts: Vec<_> = parts.filter(|it| it.status != TimedStatus::Terminated).collect();
        parts.sort_by_key(|part| part.spec.order);
        let is_under_way = parts.first().is_some_and(|it| it.status == TimedStatus::Active);
        if let Some(waits) = session.waiting_for.as_ref().filter(|_| is_under_way) {
            return Err(format!("{}'s part is under way, and it says {waits:?}", session.key()));
        }
    }
    Ok(())
}
