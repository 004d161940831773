//! What of every host is taken when: the calendars, kept from the bindings of
//! pods and from what runs on the nodes of node groups besides pods.
//!
//! A service takes its share of its node's group from when it is placed until its
//! `not_after`, so that no session is promised what it has; and it is not placed
//! where that is promised to a session. The workloads of pods and jobs take
//! nothing of their own: pods hold what they need, and jobs run in their place.
//!
//! What a node group has is counted here as nodes come, change and go, and not read
//! from the group: its manager writes that down a moment later, and what a drained
//! node had must not be promised meanwhile.

use std::collections::{BTreeSet, HashMap};

use tessera_scheduler::calendar::{Calendar, Hold, Window};
use tessera_types::catalogue::{HostDefinitionSpec, HostType};
use tessera_types::host::{Amounts, HostCapacity, node_port};
use tessera_types::timed::TimedStatus;
use tessera_types::{Host, KindName, Labels, Node, Object, Pod, Timestamp, Uid, Workload};

use crate::admission::hold_of;
use crate::host::counts;
use crate::tables::Tables;

/// The calendars of all hosts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bookings {
    calendars: HashMap<Uid, Calendar>,
    /// Who holds something of a host, and of which.
    held_of: HashMap<Uid, Uid>,
    /// The pods that hold something of a host.
    pods: HashMap<Uid, BTreeSet<Uid>>,
    /// The group that each node belongs to.
    groups: HashMap<Uid, Uid>,
    /// The nodes of each group.
    nodes: HashMap<Uid, BTreeSet<Uid>>,
    /// What each node adds to its group, if it counts.
    shares: HashMap<Uid, Share>,
    /// What each node group has besides its nodes, and has of them.
    of_nodes: HashMap<Uid, (HostCapacity, Share)>,
}

/// What one node or several add to a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    cpu: u64,
    memory: u64,
    nodes: u32,
}

impl Share {
    fn of(node: &Object<Node>) -> Self {
        let has = node.allocatable();
        let share = Self { cpu: has.cpu.0, memory: has.memory.0, nodes: 1 };
        if counts(node) { share } else { Self::default() }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            memory: self.memory + other.memory,
            nodes: self.nodes + other.nodes,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu - other.cpu,
            memory: self.memory - other.memory,
            nodes: self.nodes - other.nodes,
        }
    }
}

impl Bookings {
    pub(crate) fn calendar(&self, host: Uid) -> Option<&Calendar> {
        self.calendars.get(&host)
    }

    pub(crate) fn pods_on(&self, host: Uid) -> impl Iterator<Item = Uid> + '_ {
        self.pods.get(&host).into_iter().flatten().copied()
    }

    /// The group that a node belongs to.
    pub(crate) fn group_of(&self, node: Uid) -> Option<Uid> {
        self.groups.get(&node).copied()
    }

    /// The nodes of a group.
    pub(crate) fn nodes_of(&self, group: Uid) -> impl Iterator<Item = Uid> + '_ {
        self.nodes.get(&group).into_iter().flatten().copied()
    }

    /// A node belongs to this group now.
    pub(crate) fn set_group(&mut self, node: Uid, group: Option<Uid>) {
        let before = match group {
            Some(group) => self.groups.insert(node, group),
            None => self.groups.remove(&node),
        };
        if let Some(before) = before
            && let Some(nodes) = self.nodes.get_mut(&before)
        {
            nodes.remove(&node);
            if nodes.is_empty() {
                self.nodes.remove(&before);
            }
        }
        if let Some(group) = group {
            self.nodes.entry(group).or_default().insert(node);
        }
        let share = self.shares.get(&node).copied().unwrap_or_default();
        if let Some(before) = before {
            self.add_share(before, share, Share::default());
        }
        if let Some(group) = group {
            self.add_share(group, Share::default(), share);
        }
    }

    /// A node is new, or has changed.
    pub(crate) fn node_changed(&mut self, node: &Object<Node>) {
        let share = Share::of(node);
        let before = self.shares.insert(node.id, share).unwrap_or_default();
        if let Some(group) = self.group_of(node.id).filter(|_| before != share) {
            self.add_share(group, before, share);
        }
    }

    /// A node is gone.
    pub(crate) fn node_removed(&mut self, node: Uid) {
        self.set_group(node, None);
        self.shares.remove(&node);
    }

    /// A node adds another share to its group than before, if that is still there.
    fn add_share(&mut self, group: Uid, before: Share, after: Share) {
        let Some((_, share)) = self.of_nodes.get_mut(&group) else { return };
        *share = share.plus(after).minus(before);
        self.count_nodes(group);
    }

    /// Gives the calendar of a group what it has and what its nodes add to that.
    fn count_nodes(&mut self, group: Uid) {
        let Some((own, share)) = self.of_nodes.get(&group) else { return };
        let mut capacity = own.clone();
        capacity.cpu.0 += share.cpu;
        capacity.memory.0 += share.memory;
        let calendar = self.calendars.entry(group).or_default();
        calendar.set_capacity(&capacity);
        calendar.set_nodes(Some(share.nodes));
    }

    /// A host is new, or has changed.
    pub(crate) fn host_changed(&mut self, host: &Object<Host>) {
        let slot = host.observed.timed.timeslot;
        let open = slot.map(|slot| Window { from: slot.start, until: slot.end });
        // One without an end of its own is open for ever; and since when it was
        // declared is no bound for what is booked from now on.
        let open = open.filter(|_| host.spec.timeslot.is_some());
        let calendar = self.calendars.entry(host.id).or_default();
        calendar.set_open(open);
        match definition_of_group(host) {
            Some(definition) => {
                let own = host.spec.capacity.as_ref().unwrap_or(&definition.capacity).clone();
                self.of_nodes.entry(host.id).or_default().0 = own;
                self.count_nodes(host.id);
            }
            None => {
                calendar.set_capacity(&host.observed.capacity);
                calendar.set_nodes(host.observed.nodes);
            }
        }
    }

    /// A host is gone.
    pub(crate) fn host_removed(&mut self, host: Uid) {
        self.calendars.remove(&host);
        self.of_nodes.remove(&host);
    }

    /// A pod is new, or has changed.
    pub(crate) fn pod_changed(&mut self, pod: &Object<Pod>) {
        let Some(binding) = &pod.observed.binding else {
            self.release(pod.id);
            return;
        };
        self.hold(pod.id, binding.host_id, hold_of(pod, binding));
        self.pods.entry(binding.host_id).or_default().insert(pod.id);
    }

    /// A workload is new, or has changed.
    pub(crate) fn workload_changed(&mut self, workload: &Object<Workload>) {
        let node = workload.observed.assigned.as_ref().map(|assigned| assigned.node_id);
        let group = node.and_then(|node| self.group_of(node));
        match (hold_of_service(workload), group) {
            (Some(hold), Some(group)) => self.hold(workload.id, group, hold),
            _ => self.release(workload.id),
        }
    }

    fn hold(&mut self, id: Uid, host: Uid, hold: Hold) {
        if self.held_of.get(&id).is_some_and(|other| *other != host) {
            self.release(id);
        }
        self.calendars.entry(host).or_default().hold(id, hold);
        self.held_of.insert(id, host);
    }

    /// Somebody holds nothing any more.
    pub(crate) fn release(&mut self, id: Uid) {
        let Some(host) = self.held_of.remove(&id) else { return };
        if let Some(calendar) = self.calendars.get_mut(&host) {
            calendar.release(id);
        }
        if let Some(pods) = self.pods.get_mut(&host) {
            pods.remove(&id);
            if pods.is_empty() {
                self.pods.remove(&host);
            }
        }
    }
}

/// What a service that is placed holds of its node's group.
pub(crate) fn hold_of_service(workload: &Object<Workload>) -> Option<Hold> {
    let assigned = workload.observed.assigned.as_ref().filter(|_| is_service(workload))?;
    let until = workload.spec.not_after.unwrap_or(Timestamp::MAX);
    let amounts = Amounts {
        cpu: assigned.resources.cpu,
        memory: assigned.resources.memory,
        counted: assigned.ports.iter().map(|port| (node_port(port.on_host()), 1)).collect(),
    };
    Some(Hold {
        window: Window { from: assigned.since, until },
        amounts,
        ports: Vec::new(),
        label: workload.key().to_string(),
    })
}

/// Whether a workload holds of its node's group what is set aside for it.
pub(crate) fn is_service(workload: &Object<Workload>) -> bool {
    let owner = workload.owner.as_ref().map(|owner| owner.kind);
    !matches!(owner, Some(KindName::Pod | KindName::Job))
}

/// The node group that a node belongs to: the first by name whose constraints it
/// meets.
///
/// This is the rule; who has many nodes and one host that has changed goes by
/// [`selects`].
pub(crate) fn group_of<'a>(
    tables: &'a Tables,
    node: &Object<Node>,
) -> Option<&'a std::sync::Arc<Object<Host>>> {
    let mut groups = tables.hosts.iter().filter(|host| is_group(host)).peekable();
    groups.peek()?;
    let labels = node.effective_labels();
    groups.find(|host| meets(host, &labels))
}

/// Whether a host is a node group and `node` meets its constraints.
pub(crate) fn selects(host: &Object<Host>, node: &Object<Node>) -> bool {
    is_group(host) && meets(host, &node.effective_labels())
}

fn meets(host: &Object<Host>, labels: &Labels) -> bool {
    host.spec.nodes.iter().all(|constraint| constraint.is_met_by(labels))
}

fn is_group(host: &Object<Host>) -> bool {
    definition_of_group(host).is_some() && host.status != TimedStatus::Terminated
}

/// What a host was made from, if that is a node group.
fn definition_of_group(host: &Object<Host>) -> Option<&HostDefinitionSpec> {
    let definition = host.observed.definition.as_ref().map(|pinned| &*pinned.spec);
    definition.filter(|definition| definition.host_type == HostType::NodeGroup)
}
