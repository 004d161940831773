//! The world: the typed in-memory read model with its indexes, fed by the
//! change stream. Everything that is read or decided is read from here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use tessera_types::workload::WorkloadStatus;
use tessera_types::{
    BootTime, Change, Committed, Duration, Kind, KindName, Name, Node, Object, Resource,
    ResourceKey, Revision, Uid, Workload,
};

type TableKey = (Option<Name>, Name);

/// All resources of one kind, by identity and by name.
#[derive(Clone, Debug)]
pub struct Table<K: Kind> {
    by_id: HashMap<Uid, Arc<Object<K>>>,
    by_key: BTreeMap<TableKey, Uid>,
}

impl<K: Kind> Default for Table<K> {
    fn default() -> Self {
        Self { by_id: HashMap::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Kind> Table<K> {
    /// The resource with this identity.
    #[must_use]
    pub fn get(&self, id: Uid) -> Option<&Arc<Object<K>>> {
        self.by_id.get(&id)
    }

    /// The resource of this name.
    #[must_use]
    pub fn find(&self, namespace: Option<&Name>, name: &Name) -> Option<&Arc<Object<K>>> {
        self.by_key.get(&(namespace.cloned(), name.clone())).and_then(|id| self.by_id.get(id))
    }

    /// All of them, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Object<K>>> {
        self.by_key.values().filter_map(|id| self.by_id.get(id))
    }

    /// Those that come after `after` in the order of namespace and name.
    pub fn iter_after(
        &self,
        after: Option<(Option<Name>, Name)>,
    ) -> impl Iterator<Item = &Arc<Object<K>>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_key.range((from, Bound::Unbounded)).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn insert(&mut self, object: Arc<Object<K>>) -> Option<Arc<Object<K>>> {
        self.by_key.insert((object.namespace.clone(), object.name.clone()), object.id);
        self.by_id.insert(object.id, object)
    }

    fn remove(&mut self, id: Uid) -> Option<Arc<Object<K>>> {
        let object = self.by_id.remove(&id)?;
        let key = (object.namespace.clone(), object.name.clone());
        if self.by_key.get(&key) == Some(&id) {
            self.by_key.remove(&key);
        }
        Some(object)
    }
}

/// The workloads of one node, as its agent has to know them.
#[derive(Clone, Debug, Default)]
pub struct NodeLoad {
    /// When anything that the agent has to know last changed.
    pub changed_at: Revision,
    /// The workloads that are assigned to the node, each with the revision at
    /// which anything that the agent has to know of it last changed.
    pub workloads: BTreeMap<Uid, Revision>,
}

/// Everything that is known.
#[derive(Clone, Debug, Default)]
pub struct World {
    revision: Revision,
    /// The nodes.
    pub nodes: Table<Node>,
    /// The workloads.
    pub workloads: Table<Workload>,
    loads: HashMap<Uid, NodeLoad>,
    leases: HashMap<Uid, BootTime>,
    /// Nodes whose agent has said that it ends and that nothing runs there.
    left: HashSet<Uid>,
    started_at: BootTime,
}

impl World {
    /// The world as the store has it at `revision`.
    #[must_use]
    pub fn load(revision: Revision, resources: impl IntoIterator<Item = Resource>) -> Self {
        let mut world = Self { revision, ..Self::default() };
        for resource in resources {
            world.put(resource, revision);
        }
        world
    }

    /// The last commit that it has seen.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Takes in a commit; they come in order. Says which nodes' agents have to
    /// be told something.
    pub fn apply(&mut self, committed: &Committed) -> BTreeSet<Uid> {
        let mut concerned = BTreeSet::new();
        for change in &committed.changes {
            self.apply_change(change, committed.revision, &mut concerned);
        }
        self.revision = committed.revision;
        concerned
    }

    fn apply_change(&mut self, change: &Change, at: Revision, concerned: &mut BTreeSet<Uid>) {
        match (&change.after, change.key.kind) {
            (Some(resource), _) => concerned.extend(self.put(resource.clone(), at)),
            (None, KindName::Workload) => {
                if let Some(before) = self.workloads.remove(change.id) {
                    concerned.extend(self.reload(Some(&before), None, at));
                }
            }
            (None, KindName::Node) => {
                self.nodes.remove(change.id);
                self.leases.remove(&change.id);
                self.left.remove(&change.id);
                self.forget_if_empty(change.id);
            }
        }
    }

    fn put(&mut self, resource: Resource, at: Revision) -> Vec<Uid> {
        match resource {
            Resource::Node(node) => {
                let (id, is_reachable) = (node.id, node.status.is_reachable());
                let before = self.nodes.insert(node);
                let was_reachable = before.is_some_and(|before| before.status.is_reachable());
                // An agent whose node is Offline waits until it is not, and one that leaves until it is.
                if is_reachable != was_reachable { vec![id] } else { Vec::new() }
            }
            Resource::Workload(workload) => {
                let before = self.workloads.insert(Arc::clone(&workload));
                self.reload(before.as_deref(), Some(&workload), at)
            }
        }
    }

    /// Brings the nodes' loads up to date after a workload changed.
    fn reload(
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
            load.changed_at = at;
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
    fn forget_if_empty(&mut self, node: Uid) {
        let is_empty = self.loads.get(&node).is_some_and(|load| load.workloads.is_empty());
        if is_empty && self.nodes.get(node).is_none() {
            self.loads.remove(&node);
        }
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

    /// A resource by its key.
    #[must_use]
    pub fn find(&self, key: &ResourceKey) -> Option<Resource> {
        let namespace = key.namespace.as_ref();
        match key.kind {
            KindName::Node => self.nodes.find(None, &key.name).cloned().map(Resource::Node),
            KindName::Workload => {
                self.workloads.find(namespace, &key.name).cloned().map(Resource::Workload)
            }
        }
    }

    /// The control plane has just started, with leases of this length.
    pub fn started(&mut self, now: BootTime, lease: Duration) {
        self.started_at = now;
        self.renew_leases(now, lease);
    }

    /// Every node that counts as reachable gets a fresh lease: after a start, or
    /// when the control plane itself did not run for a while, nothing is known of
    /// who was silent.
    pub fn renew_leases(&mut self, now: BootTime, lease: Duration) {
        let reachable = self.nodes.iter().filter(|node| node.status.is_reachable());
        let reachable: Vec<_> = reachable.map(|node| node.id).collect();
        for node in reachable {
            self.heard(node, now, lease);
        }
    }

    /// The agent of a node was heard of: the node counts as reachable for `lease`
    /// from `now` on. Says whether it counts as Offline, so that it has to be
    /// looked at. Leases are never stored.
    pub fn heard(&mut self, node: Uid, now: BootTime, lease: Duration) -> bool {
        self.left.remove(&node);
        let until = now.plus(lease);
        let current = self.leases.entry(node).or_insert(until);
        *current = until.max(*current);
        self.nodes.get(node).is_some_and(|node| !node.status.is_reachable())
    }

    /// The agent of a node has ended and left nothing running: no lease runs any
    /// more, so the node has to be looked at.
    pub fn left(&mut self, node: Uid, now: BootTime) {
        self.left.insert(node);
        self.leases.insert(node, now);
    }

    /// Whether the last that was heard of a node is that its agent has [`left`](Self::left).
    #[must_use]
    pub fn has_left(&self, node: Uid) -> bool {
        self.left.contains(&node)
    }

    /// Until when a node counts as reachable; none when it was not heard of
    /// since the control plane started.
    #[must_use]
    pub fn lease_until(&self, node: Uid) -> Option<BootTime> {
        self.leases.get(&node).copied()
    }

    /// From when on no lease of a node that counts as Offline runs. Offline is
    /// written once its lease has lapsed, and before that it is not answered; so
    /// for one that was not heard of since the control plane started, no lease
    /// has run since then.
    #[must_use]
    pub fn lapsed_at(&self, node: Uid) -> BootTime {
        self.lease_until(node).unwrap_or(self.started_at)
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
