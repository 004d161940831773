//! What of every host is taken when: the calendars, kept from the bindings of
//! pods and from what runs on the nodes of node groups besides pods.
//!
//! A workload that belongs to no pod takes its share of its node's group from
//! when it is placed until its `not_after`, so that no session is promised what
//! a service has.

use std::collections::{BTreeSet, HashMap};

use tessera_scheduler::calendar::{Calendar, Hold, Window};
use tessera_types::catalogue::HostType;
use tessera_types::host::Amounts;
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
}

impl Bookings {
    pub(crate) fn calendar(&self, host: Uid) -> Option<&Calendar> {
        self.calendars.get(&host)
    }

    pub(crate) fn pods_on(&self, host: Uid) -> impl Iterator<Item = Uid> + '_ {
        self.pods.get(&host).into_iter().flatten().copied()
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

    /// A workload that belongs to no pod is on a node of a group.
    pub(crate) fn workload_changed(&mut self, workload: &Object<Workload>, group: Option<Uid>) {
        let is_of_pod = workload.owner.as_ref().is_some_and(|owner| owner.kind == KindName::Pod);
        let assigned = workload.observed.assigned.as_ref().filter(|_| !is_of_pod);
        let (Some(assigned), Some(group)) = (assigned, group) else {
            self.release(workload.id);
            return;
        };
        let until = workload.spec.not_after.unwrap_or(Timestamp::MAX);
        let amounts = Amounts {
            cpu: assigned.resources.cpu,
            memory: assigned.resources.memory,
            ..Amounts::default()
        };
        let hold = Hold {
            window: Window { from: assigned.since, until },
            amounts,
            ports: Vec::new(),
            label: workload.key().to_string(),
        };
        self.hold(workload.id, group, hold);
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
