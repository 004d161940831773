//! What of every host is taken when: the calendars, kept from the bindings of
//! pods and from what runs on the nodes of node groups besides pods.
//!
//! A service takes its share of its node's group from when it is placed until its
//! `not_after`, so that no session is promised what it has; and it is not placed
//! where that is promised to a session. The workloads of pods and jobs take
//! nothing of their own: pods hold what they need, and jobs run in their place.

use std::collections::{BTreeSet, HashMap};

use tessera_scheduler::calendar::{Calendar, Hold, Window};
use tessera_types::catalogue::HostType;
use tessera_types::host::{Amounts, node_port};
use tessera_types::timed::TimedStatus;
use tessera_types::{Host, KindName, Node, Object, Pod, Timestamp, Uid, Workload};

use crate::admission::hold_of;
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

    /// A node belongs to this group now.
    pub(crate) fn set_group(&mut self, node: Uid, group: Option<Uid>) {
        match group {
            Some(group) => self.groups.insert(node, group),
            None => self.groups.remove(&node),
        };
    }

    /// A host is new, or has changed.
    pub(crate) fn host_changed(&mut self, host: &Object<Host>) {
        let slot = host.observed.timed.timeslot;
        let open = slot.map(|slot| Window { from: slot.start, until: slot.end });
        // One without an end of its own is open for ever; and since when it was
        // declared is no bound for what is booked from now on.
        let open = open.filter(|_| host.spec.timeslot.is_some());
        let calendar = self.calendars.entry(host.id).or_default();
        calendar.set_capacity(&host.observed.capacity);
        calendar.set_nodes(host.observed.nodes);
        calendar.set_open(open);
    }

    /// A host is gone.
    pub(crate) fn host_removed(&mut self, host: Uid) {
        self.calendars.remove(&host);
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
pub(crate) fn group_of<'a>(
    tables: &'a Tables,
    node: &Object<Node>,
) -> Option<&'a std::sync::Arc<Object<Host>>> {
    let mut groups = tables.hosts.iter().filter(|host| is_group(host)).peekable();
    groups.peek()?;
    let labels = node.effective_labels();
    groups.find(|host| host.spec.nodes.iter().all(|constraint| constraint.is_met_by(&labels)))
}

fn is_group(host: &Object<Host>) -> bool {
    let definition = host.observed.definition.as_ref();
    definition.is_some_and(|pinned| pinned.spec.host_type == HostType::NodeGroup)
        && host.status != TimedStatus::Terminated
}
