//! What runs where, as the agents have to know it, and since which revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_types::workload::WorkloadStatus;
use tessera_types::{Object, Revision, Uid, Workload};

use super::World;

/// The workloads of one node, as its agent has to know them.
#[derive(Clone, Debug, Default)]
pub struct NodeLoad {
    /// When anything that the agent has to know last changed.
    pub changed_at: Revision,
    /// When a workload last went from the node.
    pub gone_at: Revision,
    /// When a copy that the agent may have was last to change or to end, or went from the node.
    pub had_changed_at: Revision,
    /// The workloads that are assigned to the node, each with the revision at
    /// which anything that the agent has to know of it last changed.
    pub workloads: BTreeMap<Uid, Revision>,
}

impl World {
    /// Brings the nodes' loads up to date after a workload changed.
    pub(super) fn reload(
        &mut self,
        before: Option<&Object<Workload>>,
        after: Option<&Object<Workload>>,
        at: Revision,
    ) -> Vec<Uid> {
        let node_of = |workload: Option<&Object<Workload>>| {
            workload.and_then(|workload| workload.observed.assigned.as_ref()).map(|at| at.node_id)
        };
        let (left, entered) = (node_of(before), node_of(after));
        if left == entered && !is_news(before, after) {
            return Vec::new();
        }
        let Some(id) = after.or(before).map(|workload| workload.id) else { return Vec::new() };
        if let Some(load) = left.and_then(|node| self.loads.get_mut(&node)) {
            load.workloads.remove(&id);
            (load.changed_at, load.had_changed_at) = (at, at);
            if left != entered {
                load.gone_at = at;
            }
        }
        left.into_iter().for_each(|node| self.forget_if_empty(node));
        if let Some(node) = entered {
            let load = self.loads.entry(node).or_default();
            load.workloads.insert(id, at);
            load.changed_at = at;
        }
        left.into_iter().chain(entered).collect()
    }

    /// Forgets the load of a node that is gone, once nothing is left on it.
    pub(super) fn forget_if_empty(&mut self, node: Uid) {
        let is_empty = self.loads.get(&node).is_some_and(|load| load.workloads.is_empty());
        if is_empty && self.nodes.get(node).is_none() {
            self.loads.remove(&node);
        }
    }

    /// The revision that the world was loaded with.
    pub(crate) fn loaded_at(&self) -> Revision {
        self.loaded_at
    }

    /// The workloads of a node.
    #[must_use]
    pub fn load_of(&self, node: Uid) -> Option<&NodeLoad> {
        self.loads.get(&node)
    }

    /// How many workloads a node has.
    #[must_use]
    pub fn count_on(&self, node: Uid) -> usize {
        self.loads.get(&node).map_or(0, |load| load.workloads.len())
    }

    /// The workloads that are assigned to a node.
    pub fn workloads_on(&self, node: Uid) -> impl Iterator<Item = &Arc<Object<Workload>>> {
        let load = self.loads.get(&node);
        load.into_iter()
            .flat_map(|load| load.workloads.keys())
            .filter_map(|id| self.workloads.get(*id))
    }
}

/// Whether an agent has to be told of the difference.
fn is_news(before: Option<&Object<Workload>>, after: Option<&Object<Workload>>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            before.generation != after.generation
                || before.observed.epoch != after.observed.epoch
                || is_to_stop(before) != is_to_stop(after)
        }
        _ => true,
    }
}

/// Whether the agent has to stop its copy. One that was placed for an earlier
/// spec is stopped even before that is its status: an agent that has not started
/// it yet would start the new one in the room of the old.
pub(crate) fn is_to_stop(workload: &Object<Workload>) -> bool {
    let observed = &workload.observed;
    workload.status == WorkloadStatus::Stopping
        || observed.launch_generation > observed.placed_generation
}
