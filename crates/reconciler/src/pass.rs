//! A pass: what it wants written, and what it books of hosts meanwhile.
//!
//! The one idea: what is decided later in a pass counts what was decided before in it, or
//! waits for the next.

use std::collections::{HashMap, HashSet};

use tessera_scheduler::calendar::{Calendar, Hold};
use tessera_types::{Resource, ResourceKey, Revision, Uid, Write};

use crate::admission::hold_of;
use crate::bookings::hold_of_service;
use crate::manager::Plan;
use crate::world::World;

/// What one pass wants written, each with the resource it is about.
#[derive(Debug, Default)]
pub struct Pass {
    /// The writes: for each resource all that belongs together.
    pub writes: Vec<(Uid, Vec<Write>)>,
    /// What was done.
    pub stats: PassStats,
    /// The world that it was decided in.
    pub decided_at: Revision,
    /// What is written, as a resource is written only once in a pass.
    pub(crate) written: HashSet<ResourceKey>,
    /// Resources that are looked at again in the next pass.
    pub(crate) deferred: Vec<Uid>,
    /// The calendars of the hosts of which it books something, with that.
    pub(crate) calendars: HashMap<Uid, Calendar>,
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassStats {
    /// Resources looked at.
    pub evaluated: usize,
    /// Of those, nodes.
    pub nodes_evaluated: usize,
    /// Workloads for which a node was found.
    pub workloads_placed: usize,
    /// Workloads that no node takes.
    pub workloads_unplaced: usize,
    /// Nodes that became Offline.
    pub nodes_offline: usize,
}

impl Pass {
    /// Whether it takes of a host what was not taken before. An admission must not
    /// be decided meanwhile.
    #[must_use]
    pub fn books(&self) -> bool {
        !self.calendars.is_empty()
    }

    /// Takes in what a plan books, so that what is decided next in this pass counts
    /// it. False, and nothing is taken in, when the plan was decided without what
    /// an earlier one of this pass has booked of the same host.
    pub(crate) fn book(&mut self, writes: &[Write], world: &World) -> bool {
        let updates = writes.iter().filter_map(|write| match write {
            Write::Update { resource: Resource::Pod(pod), .. } => Some(pod),
            _ => None,
        });
        let mut booked = Vec::new();
        for pod in updates {
            let before = world.pods.get(pod.id).and_then(|it| it.observed.binding.as_ref());
            match &pod.observed.binding {
                Some(binding) if Some(binding) != before => booked.push((pod, binding)),
                _ => {}
            }
        }
        if booked.iter().any(|(_, binding)| self.calendars.contains_key(&binding.host_id)) {
            return false;
        }
        for (pod, binding) in booked {
            self.hold(binding.host_id, pod.id, hold_of(pod, binding), world);
        }
        true
    }

    pub(crate) fn hold(&mut self, host: Uid, id: Uid, hold: Hold, world: &World) {
        let calendar = || world.calendar(host).cloned().unwrap_or_default();
        self.calendars.entry(host).or_insert_with(calendar).hold(id, hold);
    }

    /// What of a host is taken when, with what this pass has booked.
    pub(crate) fn calendar<'a>(&'a self, host: Uid, world: &'a World) -> Option<&'a Calendar> {
        self.calendars.get(&host).or_else(|| world.calendar(host))
    }
}

/// Gathers what is to be written about `id`. If something of it is written in this
/// pass already, or books a host that this pass has booked, it is looked at again
/// after that.
pub(crate) fn gather(id: Uid, writes: Vec<Write>, world: &World, pass: &mut Pass) {
    if writes.is_empty() {
        return;
    }
    let is_written = writes.iter().any(|write| pass.written.contains(&write.key()));
    if is_written || !pass.book(&writes, world) {
        pass.deferred.push(id);
        return;
    }
    pass.written.extend(writes.iter().map(Write::key));
    pass.writes.push((id, writes));
}

/// A service that is placed takes its share of its node's group from now on.
pub(crate) fn book_service(plan: &Plan, world: &World, pass: &mut Pass) {
    let Some(Write::Update { resource: Resource::Workload(placed), .. }) = plan.writes.first()
    else {
        return;
    };
    let node = placed.observed.assigned.as_ref().map(|assigned| assigned.node_id);
    if let Some(group) = node.and_then(|node| world.group_of(node))
        && let Some(hold) = hold_of_service(placed)
    {
        pass.hold(group.id, placed.id, hold, world);
    }
}
