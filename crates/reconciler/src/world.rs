//! The world: the typed in-memory read model with its indexes, fed by the
//! change stream. Everything that is read or decided is read from here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Deref;
use std::sync::Arc;

use tessera_scheduler::calendar::Calendar;
use tessera_types::timed::TimedStatus;
use tessera_types::workload::Assigned;
use tessera_types::{
    BootTime, Change, Committed, Duration, Host, Kind, KindName, Node, Now, Object, Pod, Resource,
    Revision, Tenant, Timestamp, Uid, Workload,
};

use crate::bookings::{Bookings, group_of, selects};
use crate::dispatch::waits_for_holders;
use crate::node::SHOWN_WITHIN;
use crate::pipelines::{EngineAway, EngineUse, Pipelines};
use crate::tables::{Table, Tabled, Tables};
use crate::tenant::TenantLoads;

mod loads;

pub use loads::NodeLoad;
pub(crate) use loads::is_to_stop;

/// Everything that is known: the tables of all kinds, with indexes over them.
#[derive(Clone, Debug, Default)]
pub struct World {
    revision: Revision,
    /// The revision that it was loaded with: what went before is not known.
    loaded_at: Revision,
    tables: Tables,
    /// What a resource owns. One that is gone may still have children.
    children: HashMap<Uid, BTreeSet<(KindName, Uid)>>,
    kinds: HashMap<Uid, KindName>,
    bookings: Bookings,
    /// The hosts that wait for what others hold of them.
    waiting_hosts: BTreeSet<Uid>,
    loads: HashMap<Uid, NodeLoad>,
    tenant_loads: TenantLoads,
    leases: HashMap<Uid, BootTime>,
    /// Until when a lease may run that was granted before the control plane started.
    unknown_until: BootTime,
    /// Up to when each agent has told all that happened on its node. Never stored: after
    /// a start nothing is known to be known.
    told: HashMap<Uid, Timestamp>,
    /// Nodes whose agent has said that it ends and that nothing runs there.
    left: HashSet<Uid>,
    /// How long what is over is kept; for ever unless it is said.
    keep_finished: Option<Duration>,
    engine: EngineUse,
    engine_asked_by: Now,
    engine_away: Option<EngineAway>,
    engine_busy: Option<String>,
    pipelines: Arc<Pipelines>,
}

impl World {
    /// The world as the store has it at `revision`.
    #[must_use]
    pub fn load(revision: Revision, resources: impl IntoIterator<Item = Resource>) -> Self {
        let mut world = Self { revision, loaded_at: revision, ..Self::default() };
        for resource in resources {
            world.put(resource, revision);
        }
        world
    }

    /// Has what is over kept for so long, and then removed.
    pub fn keep_finished_for(&mut self, time: Duration) {
        self.keep_finished = Some(time);
    }

    /// How long what is over is kept, if not for ever.
    pub(crate) fn keep_finished(&self) -> Option<Duration> {
        self.keep_finished
    }

    /// Says whether the engine can be used, and when it has been asked about all jobs
    /// that it had before.
    pub fn use_engine(&mut self, engine: EngineUse, asked_by: Now) {
        (self.engine, self.engine_asked_by) = (engine, asked_by);
    }

    /// By then the engine has been asked about all jobs that it had before, as the wall clock
    /// shows it now: one that was set since shows another time. It tells the same time as
    /// before where the clocks only do not tick alike.
    pub(crate) fn engine_asked_by(&self, now: Now) -> Timestamp {
        let Now { wall, boot } = self.engine_asked_by;
        if boot <= now.boot {
            return wall.min(now.wall);
        }
        let estimate = now.wall_at(boot);
        let is_right = wall.since(estimate).max(estimate.since(wall)) <= SHOWN_WITHIN;
        if is_right { wall } else { estimate }
    }

    /// Says that no engine answers at the engine's address; or that it does.
    pub fn engine_is_away(&mut self, away: Option<EngineAway>) {
        self.engine_away = away;
    }

    /// Says that the engine takes nothing now, in words; or that it does.
    pub fn engine_is_busy(&mut self, busy: Option<String>) {
        self.engine_busy = busy;
    }

    /// Why the engine takes nothing now, if it does not; in words.
    pub(crate) fn engine_busy(&self) -> Option<&str> {
        self.engine_busy.as_deref()
    }

    /// Why the engine does nothing, if that is known; in words.
    pub(crate) fn engine_trouble(&self) -> Option<String> {
        match (&self.engine, &self.engine_away) {
            (EngineUse::Missing, _) => {
                Some("the control plane was started without --engine".to_owned())
            }
            (_, Some(away)) => Some(away.to_string()),
            _ => None,
        }
    }

    /// Whether nobody can be asked how far jobs are.
    pub(crate) fn is_engine_silent(&self) -> bool {
        self.engine == EngineUse::Missing || self.engine_away.is_some()
    }

    /// Whether the engine can be used.
    #[must_use]
    pub fn engine(&self) -> EngineUse {
        self.engine
    }

    /// The pipelines of what it has.
    #[must_use]
    pub fn pipelines(&self) -> &Arc<Pipelines> {
        &self.pipelines
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
        match &change.after {
            Some(resource) => concerned.extend(self.put(resource.clone(), at)),
            None => concerned.extend(self.take(change.key.kind, change.id, at)),
        }
    }

    fn put(&mut self, resource: Resource, at: Revision) -> Vec<Uid> {
        let (kind, id) = (resource.kind(), resource.id());
        self.kinds.insert(id, kind);
        if let Some(owner) = resource.owner() {
            self.children.entry(owner.id).or_default().insert((kind, id));
        }
        let before = self.tables.insert(resource.clone());
        match resource {
            Resource::Node(node) => {
                let before = before.as_ref().and_then(Node::unwrap);
                let was_reachable = before.is_some_and(|before| before.status.is_reachable());
                if before.is_none_or(|before| before.effective_labels() != node.effective_labels())
                {
                    self.group_node(&node);
                }
                self.bookings.node_changed(&node);
                // An agent whose node is Offline waits until it is not, and one that leaves until it is.
                if node.status.is_reachable() != was_reachable { vec![id] } else { Vec::new() }
            }
            Resource::Host(host) => {
                self.bookings.host_changed(&host);
                match waits_for_holders(&host) {
                    true => self.waiting_hosts.insert(id),
                    false => self.waiting_hosts.remove(&id),
                };
                self.groups_changed(before.as_ref().and_then(Host::unwrap), Some(&host));
                Vec::new()
            }
            Resource::Pod(pod) => {
                let before = before.as_ref().and_then(Pod::unwrap);
                if before.is_none_or(|it| it.observed.binding != pod.observed.binding) {
                    self.bookings.pod_changed(&pod);
                }
                Vec::new()
            }
            Resource::Workload(workload) => {
                let before = before.as_ref().and_then(Workload::unwrap);
                if before.is_none_or(|before| held_by(before) != held_by(&workload)) {
                    self.bookings.workload_changed(&workload);
                }
                self.reload(before.map(|before| &**before), Some(&workload), at)
            }
            Resource::Tenant(tenant) => {
                let before = before.as_ref().and_then(Tenant::unwrap);
                self.tenant_loads.changed(before.map(|before| &**before), Some(&tenant), at)
            }
            _ => Vec::new(),
        }
    }

    fn take(&mut self, kind: KindName, id: Uid, at: Revision) -> Vec<Uid> {
        self.kinds.remove(&id);
        let Some(before) = self.tables.remove(kind, id) else { return Vec::new() };
        if let Some(owner) = before.owner()
            && let Some(siblings) = self.children.get_mut(&owner.id)
        {
            siblings.remove(&(kind, id));
            if siblings.is_empty() {
                self.children.remove(&owner.id);
            }
        }
        match before {
            Resource::Workload(workload) => {
                self.bookings.release(id);
                self.reload(Some(&workload), None, at)
            }
            Resource::Tenant(tenant) => self.tenant_loads.changed(Some(&tenant), None, at),
            Resource::Host(host) => {
                self.bookings.host_removed(id);
                self.waiting_hosts.remove(&id);
                self.groups_changed(Some(&host), None);
                Vec::new()
            }
            Resource::Pod(_) => {
                self.bookings.release(id);
                Vec::new()
            }
            Resource::Node(_) => {
                self.leases.remove(&id);
                self.left.remove(&id);
                self.told.remove(&id);
                self.bookings.node_removed(id);
                self.forget_if_empty(id);
                self.tenant_loads.node_removed(id);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// What of a host is taken when.
    #[must_use]
    pub fn calendar(&self, host: Uid) -> Option<&Calendar> {
        self.bookings.calendar(host)
    }

    /// The pods that hold something of a host.
    pub fn pods_on(&self, host: Uid) -> impl Iterator<Item = &Arc<Object<Pod>>> {
        self.bookings.pods_on(host).filter_map(|id| self.tables.pods.get(id))
    }

    /// The node group that a node belongs to, if it belongs to one.
    #[must_use]
    pub fn group_of(&self, node: Uid) -> Option<&Arc<Object<Host>>> {
        self.bookings.group_of(node).and_then(|host| self.tables.hosts.get(host))
    }

    /// The nodes of a node group.
    pub fn nodes_of(&self, host: Uid) -> impl Iterator<Item = &Arc<Object<Node>>> {
        self.bookings.nodes_of(host).filter_map(|node| self.tables.nodes.get(node))
    }

    /// The hosts that are given up, and those that say that more is booked of them than
    /// they have: whoever holds something of one may hold less now.
    pub(crate) fn waiting_hosts(&self) -> impl Iterator<Item = &Arc<Object<Host>>> {
        self.waiting_hosts.iter().filter_map(|host| self.tables.hosts.get(*host))
    }

    /// A node is new or has other labels: it may belong to another group, and with
    /// it what is on it.
    fn group_node(&mut self, node: &Object<Node>) {
        let group = group_of(&self.tables, node).map(|group| group.id);
        if self.bookings.group_of(node.id) == group {
            return;
        }
        self.bookings.set_group(node.id, group);
        let workloads: Vec<_> = self.workloads_on(node.id).cloned().collect();
        workloads.iter().for_each(|workload| self.bookings.workload_changed(workload));
    }

    /// A host came, went or changed: nodes may belong to another group.
    fn groups_changed(
        &mut self,
        before: Option<&Arc<Object<Host>>>,
        after: Option<&Arc<Object<Host>>>,
    ) {
        let what = |host: &Arc<Object<Host>>| {
            let is_over = host.status == TimedStatus::Terminated;
            (host.spec.nodes.clone(), host.observed.definition.is_some(), is_over)
        };
        if before.map(what) == after.map(what) {
            return;
        }
        let Some(host) = after.or(before) else { return };
        // Of those that select a node, the first by name has it.
        let may_gain = |node: &&Arc<Object<Node>>| {
            self.group_of(node.id).is_none_or(|group| host.name < group.name) && selects(host, node)
        };
        let may_lose = self.nodes_of(host.id);
        let nodes: Vec<_> =
            self.tables.nodes.iter().filter(may_gain).chain(may_lose).cloned().collect();
        nodes.iter().for_each(|node| self.group_node(node));
    }

    /// The kind of the resource with this identity.
    #[must_use]
    pub fn kind_of(&self, id: Uid) -> Option<KindName> {
        self.kinds.get(&id).copied()
    }

    /// What a resource owns, by kind and identity.
    pub fn children_of(&self, owner: Uid) -> impl Iterator<Item = (KindName, Uid)> + '_ {
        self.children.get(&owner).into_iter().flatten().copied()
    }

    /// The resources of one kind that a resource owns, oldest first.
    pub fn owned<K: Tabled>(&self, owner: Uid) -> impl Iterator<Item = &Arc<Object<K>>> {
        self.children_of(owner)
            .filter(|(kind, _)| *kind == K::KIND)
            .filter_map(|(_, id)| K::table(&self.tables).get(id))
    }

    /// The table of a kind.
    #[must_use]
    pub fn table<K: Tabled>(&self) -> &Table<K> {
        K::table(&self.tables)
    }

    /// The tenants of all nodes.
    pub(crate) fn tenant_loads(&self) -> &TenantLoads {
        &self.tenant_loads
    }

    /// The control plane has just started, with leases of this length.
    pub fn started(&mut self, now: BootTime, lease: Duration) {
        self.unknown_until = now.plus(lease);
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

    /// The agent of a node has told all that happened there up to `until`, and it is
    /// taken in. To be heard of is less: a heartbeat may overtake a report.
    pub fn told(&mut self, node: Uid, until: Timestamp) {
        self.told.insert(node, until);
    }

    /// Whether all that happened on a node up to `at`, which is not later than `now`, is
    /// known. Nobody can have told what is to come: the clock was set back since.
    #[must_use]
    pub fn is_told(&self, node: Uid, at: Timestamp, now: Timestamp) -> bool {
        self.told.get(&node).is_some_and(|until| (at..=now).contains(until))
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

    /// From when on no lease of a node that counts as Offline runs. For one that was not
    /// heard of since the control plane started, that is a whole lease after the start: it
    /// may have been answered for the last time just before Offline was written.
    #[must_use]
    pub fn lapsed_at(&self, node: Uid) -> BootTime {
        self.lease_until(node).unwrap_or(self.unknown_until)
    }
}

impl Deref for World {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.tables
    }
}

/// What of a node a workload holds, and until when.
fn held_by(workload: &Object<Workload>) -> (Option<&Assigned>, Option<Timestamp>) {
    (workload.observed.assigned.as_ref(), workload.spec.not_after)
}
