//! Which manager reconciles which kind, and who else is looked at when a
//! resource has changed.

use std::sync::Arc;

use tessera_types::timed::TimedStatus;
use tessera_types::{
    Actor, Host, Kind, KindName, Now, Object, Report, Resource, SessionPart, Timestamp, Uid,
    WaitReason, Write,
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

/// The reports that wait for a resource: that of a part for its jobs, that of a session for its
/// parts and for theirs. Their owners need not change with it.
fn reports_concerned(resource: &Resource, world: &World) -> Vec<Uid> {
    let above = match resource {
        Resource::Job(job) => job.owner.as_ref(),
        Resource::SessionPart(part) => part.owner.as_ref(),
        Resource::Report(report) => {
            let part =
                report.owner.as_ref().and_then(|part| world.table::<SessionPart>().get(part.id));
            part.and_then(|part| part.owner.as_ref())
        }
        _ => None,
    };
    let reports = above.map(|owner| world.owned::<Report>(owner.id).map(|report| report.id));
    reports.into_iter().flatten().collect()
}

/// Who is looked at because `resource` has changed: its owner, and what it owns.
/// A node's group counts its nodes, and tenants go by its labels.
pub(crate) fn concerned(resource: &Resource, world: &World) -> Vec<Uid> {
    let owner = resource.owner().map(|owner| owner.id);
    let children = world.children_of(resource.id()).map(|(_, id)| id);
    let mut concerned: Vec<_> = owner.into_iter().chain(children).collect();
    concerned.extend(reports_concerned(resource, world));
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tessera_types::{Job, Name, OwnerRef, ResourceKey, Revision, Session};

    use super::*;

    fn object<K: Kind>(id: u64, owner: Option<(KindName, u64)>, spec: Value) -> Arc<Object<K>> {
        let name = Name::new(&format!("r{id}")).unwrap();
        let key = ResourceKey::new(K::KIND, Some(Name::default_namespace()), name);
        let spec = Arc::new(serde_json::from_value(spec).unwrap());
        let mut object = Object::<K>::new(&key, spec, Actor::API, Timestamp::EPOCH);
        object.id = Uid(id);
        let name = |owner| Name::new(&format!("r{owner}")).unwrap();
        object.owner = owner.map(|(kind, id)| OwnerRef { kind, name: name(id), id: Uid(id) });
        Arc::new(object)
    }

    /// Who owns something of a report may stay as it is when that changes, and then tells nobody.
    #[test]
    fn a_report_is_looked_at_when_what_it_is_made_of_changes() {
        let of_type = json!({"definition": {"type_key": "x"}});
        let with = |more: Value| {
            let mut spec = of_type.clone();
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            spec
        };
        let slot = json!({"start": "2026-01-01T00:00:00Z"});
        let session = object::<Session>(1, None, with(json!({"timeslot": slot})));
        let part = json!({"timeslot": slot, "part": "one", "order": 0});
        let part = object::<SessionPart>(2, Some((KindName::Session, 1)), with(part));
        let job = object::<Job>(3, Some((KindName::SessionPart, 2)), of_type.clone());
        let of_part = object::<Report>(4, Some((KindName::SessionPart, 2)), of_type.clone());
        let of_session = object::<Report>(5, Some((KindName::Session, 1)), of_type.clone());
        let (part, job) = (Resource::SessionPart(part), Resource::Job(job));
        let (of_part, of_session) = (Resource::Report(of_part), Resource::Report(of_session));
        let all = [&part, &job, &of_part, &of_session].map(Resource::clone);
        let all = all.into_iter().chain([Resource::Session(session)]);
        let world = World::load(Revision(1), all);
        let is_concerned =
            |report: u64, by: &Resource| concerned(by, &world).contains(&Uid(report));
        assert!(is_concerned(4, &job), "the results of its jobs");
        assert!(is_concerned(5, &part), "whether its parts are over");
        assert!(is_concerned(5, &of_part), "the reports of its parts");
    }
}
