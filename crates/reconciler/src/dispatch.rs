//! Which manager reconciles which kind, and who else is looked at when a
//! resource has changed.

use std::sync::Arc;

use tessera_types::timed::TimedStatus;
use tessera_types::{
    Actor, Host, Kind, KindName, Now, Object, Resource, Timestamp, Uid, WaitReason, Write,
};

use crate::bookings::is_service;
use crate::host::HostManager;
use crate::job::JobManager;
use crate::manager::{Manager, Plan};
use crate::pod::PodManager;
use crate::report::ReportManager;
use crate::session::{PartManager, SessionManager};
use crate::tables::Tabled;
use crate::tenant::{TenantManager, concerned_by_node, without_room};
use crate::world::World;

/// What to do about the resource of this kind and identity now. Nodes and
/// workloads are not reconciled here: they need the fleet's account.
pub(crate) fn plan(kind: KindName, id: Uid, world: &World, now: Now) -> Plan {
    match kind {
        KindName::Session => by(&SessionManager, id, world, now),
        KindName::SessionPart => by(&PartManager, id, world, now),
        KindName::Pod => by(&PodManager, id, world, now),
        KindName::Host => by(&HostManager, id, world, now),
        KindName::Job => by(&JobManager, id, world, now),
        KindName::Report => by(&ReportManager, id, world, now),
        KindName::Tenant => by(&TenantManager, id, world, now),
        KindName::Node | KindName::Workload => Plan::nothing(),
        definition => tessera_types::with_kind!(definition, K => {
            world.table::<K>().get(id).map_or_else(Plan::nothing, |it| of_definition(it, now.wall))
        }),
    }
}

fn by<M>(manager: &M, id: Uid, world: &World, now: Now) -> Plan
where
    M: Manager,
    M::Kind: Tabled,
{
    let table = world.table::<M::Kind>();
    table.get(id).map_or_else(Plan::nothing, |object| manager.reconcile(object, world, now))
}

/// Definitions are reference data: all that ever happens to one is that it goes.
fn of_definition<K: Kind>(definition: &Arc<Object<K>>, now: Timestamp) -> Plan {
    if definition.deletion_requested_at.is_none() {
        return Plan::nothing();
    }
    Plan::write(Write::delete(definition, Actor::RECONCILER, "deleted as asked", now))
}

/// The hosts that count nodes, if a change of this kind may make that another
/// count: a node belongs to the first group that selects it.
pub(crate) fn groups_concerned(kind: KindName, world: &World) -> impl Iterator<Item = Uid> + '_ {
    let is_concerned = matches!(kind, KindName::Node | KindName::Host);
    let hosts = world.hosts.iter().filter(move |_| is_concerned);
    hosts.filter(|host| host.observed.nodes.is_some()).map(|host| host.id)
}

/// The hosts that say that more is booked of them than they have: whoever holds
/// something may hold less now.
pub(crate) fn overbooked(world: &World) -> impl Iterator<Item = Uid> + '_ {
    world.waiting_hosts().filter(|host| says_overbooked(host)).map(|host| host.id)
}

/// Whether a host has to be looked at when what others hold of it changes.
pub(crate) fn waits_for_holders(host: &Object<Host>) -> bool {
    host.status == TimedStatus::TearingDown || says_overbooked(host)
}

fn says_overbooked(host: &Object<Host>) -> bool {
    host.waiting_for.as_ref().is_some_and(|it| it.reason == WaitReason::Overbooked)
}

/// The tenants that are looked at because a resource is gone.
pub(crate) fn tenants_concerned(kind: KindName, id: Uid, world: &World) -> Vec<Uid> {
    match kind {
        KindName::Node => concerned_by_node(id, None, world).collect(),
        KindName::Tenant => without_room(world).collect(),
        _ => Vec::new(),
    }
}

/// Who is looked at because `resource` has changed: its owner, and what it owns.
/// A node's group counts its nodes, and tenants go by its labels.
pub(crate) fn concerned(resource: &Resource, world: &World) -> Vec<Uid> {
    let owner = resource.owner().map(|owner| owner.id);
    let children = world.children_of(resource.id()).map(|(_, id)| id);
    let mut concerned: Vec<_> = owner.into_iter().chain(children).collect();
    match resource {
        Resource::Node(node) => {
            concerned.extend(groups_concerned(KindName::Node, world));
            concerned.extend(concerned_by_node(node.id, Some(node), world));
        }
        Resource::Tenant(_) => concerned.extend(without_room(world)),
        Resource::Host(_) => concerned.extend(groups_concerned(KindName::Host, world)),
        // A host that is given up waits for its pods to go. What holds something of a host was
        // decided by what the host had then, which may be less by now.
        Resource::Pod(pod) => {
            concerned.extend(world.waiting_hosts().map(|host| host.id));
            concerned.extend(pod.observed.binding.as_ref().map(|binding| binding.host_id));
        }
        Resource::Workload(workload) if is_service(workload) => {
            concerned.extend(overbooked(world));
            let node = workload.observed.assigned.as_ref().map(|assigned| assigned.node_id);
            concerned.extend(node.and_then(|node| world.group_of(node)).map(|group| group.id));
        }
        _ => {}
    }
    concerned
}
