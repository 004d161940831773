//! The manager of tenants: which nodes each is on, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_types::tenant::{RunState, TenantNode, TenantNodeState, TenantObserved, TenantStatus};
use tessera_types::{Actor, Edit, Node, Now, Object, State, Tenant, Timestamp, Uid, Write, limits};

use super::standing::{Standing, listed};
use crate::manager::{Manager, Plan};
use crate::world::World;

/// Reconciles tenants.
#[derive(Clone, Copy, Debug, Default)]
pub struct TenantManager;

impl Manager for TenantManager {
    type Kind = Tenant;

    fn reconcile(&self, tenant: &Arc<Object<Tenant>>, world: &World, now: Now) -> Plan {
        if tenant.status == TenantStatus::Terminated {
            let reason = "deleted as asked";
            return Plan::write(Write::delete(tenant, Actor::RECONCILER, reason, now.wall));
        }
        let mut edit = Edit::of(tenant, now.wall);
        hash(&mut edit.object);
        edit.object.observed.generation = edit.object.generation;
        choose(&mut edit.object, world);
        end_runs(&mut edit.object, now.wall);
        go(&mut edit, world);
        Plan::of(edit)
    }
}

/// One that is new has no hash yet.
fn hash(tenant: &mut Object<Tenant>) {
    if tenant.observed.hash.is_none() {
        tenant.observed.hash = Some(tenant.spec.hash());
        tenant.observed.hash_generation = tenant.generation;
    }
}

/// The nodes that it is to be on.
fn wanted<'w>(tenant: &Object<Tenant>, world: &'w World) -> BTreeMap<Uid, &'w Arc<Object<Node>>> {
    if tenant.deletion_requested_at.is_some() {
        return BTreeMap::new();
    }
    let nodes = world.nodes.iter().filter(|node| tenant.selects(node));
    nodes.map(|node| (node.id, node)).collect()
}

/// Lists the nodes that it is to be on. One that it is to leave stays listed until its agent
/// has said that nothing is left, and one that is gone does not.
fn choose(tenant: &mut Object<Tenant>, world: &World) {
    let mut wanted = wanted(tenant, world);
    let mut nodes = std::mem::take(&mut tenant.observed.nodes);
    nodes.retain(|on| world.nodes.get(on.node_id).is_some());
    for on in &mut nodes {
        let is_wanted = wanted.remove(&on.node_id).is_some();
        let is_leaving = on.state == TenantNodeState::Removing;
        if is_wanted == is_leaving {
            let state =
                if is_wanted { TenantNodeState::Waiting } else { TenantNodeState::Removing };
            begin_anew(on, state, next_turn(&mut tenant.observed));
        }
    }
    let mut no_room_on = Vec::new();
    let mut new: Vec<_> = wanted.into_values().collect();
    new.sort_by(|a, b| a.name.cmp(&b.name));
    for node in new {
        if nodes.len() < limits::TENANT_NODES_MAX && has_room(tenant, node, world) {
            let turn = next_turn(&mut tenant.observed);
            nodes.push(TenantNode::chosen(node.name.clone(), node.id, turn));
        } else {
            no_room_on.push(node.name.clone());
        }
    }
    no_room_on.truncate(limits::LIST_MAX);
    nodes.sort_by(|a, b| a.node.cmp(&b.node));
    (tenant.observed.nodes, tenant.observed.no_room_on) = (nodes, no_room_on);
}

fn next_turn(observed: &mut TenantObserved) -> u64 {
    observed.turns += 1;
    observed.turns
}

/// What was told was about something else.
fn begin_anew(on: &mut TenantNode, state: TenantNodeState, turn: u64) {
    (on.state, on.turn) = (state, turn);
    on.reason = None;
    on.conflicts.clear();
}

/// Whether one more tenant may be on `node`. Of several that come at once, those that were
/// declared first do: so the decision about one does not need the write of another.
fn has_room(tenant: &Object<Tenant>, node: &Object<Node>, world: &World) -> bool {
    if world.tenants.len() <= limits::NODE_TENANTS_MAX {
        return true;
    }
    let comes_first = |other: &&Arc<Object<Tenant>>| {
        other.id < tenant.id
            && other.deletion_requested_at.is_none()
            && other.on(node.id).is_none()
            && other.selects(node)
    };
    let before = world.tenants.iter().filter(comes_first).count();
    world.tenant_loads().count_on(node.id) + before < limits::NODE_TENANTS_MAX
}

/// Nobody will tell the end of a run on a node that it is not on.
fn end_runs(tenant: &mut Object<Tenant>, now: Timestamp) {
    let nodes: Vec<_> = tenant.observed.nodes.iter().map(|on| on.node_id).collect();
    for run in &mut tenant.observed.runs {
        if !run.is_open() || nodes.contains(&run.node_id) {
            continue;
        }
        let what = match run.state {
            RunState::Running => "how it ended is not known",
            RunState::Requested | RunState::Done => "it was not started, as far as is known",
        };
        run.message = Some(format!("the tenant is not on {} any more: {what}", run.node));
        run.state = RunState::Done;
        run.ended_at = Some(now);
    }
}

/// Goes to the status that follows from how it is on its nodes, and says what is waited for.
fn go(edit: &mut Edit<Tenant>, world: &World) {
    let standing = Standing::of(&edit.object, world);
    let goal = standing.goal();
    let path = edit.object.status.path_to(goal).unwrap_or_default();
    for step in path {
        let reason = reason(step, edit, &standing);
        if edit.transition(step, Actor::RECONCILER, reason).is_err() {
            break;
        }
    }
    match standing.waits_for(world) {
        Some((reason, message)) => edit.wait_for(reason, &message, None),
        None => edit.wait_for_nothing(),
    }
}

fn reason(step: TenantStatus, edit: &Edit<Tenant>, standing: &Standing) -> String {
    match step {
        TenantStatus::Pending => "no node is chosen".to_owned(),
        TenantStatus::Installing => {
            let before = edit.before();
            let is_on = |on: &&TenantNode| before.on(on.node_id).is_some();
            let new: Vec<_> = edit.object.observed.nodes.iter().filter(|on| !is_on(on)).collect();
            match new.as_slice() {
                [] => "it is to be brought up to date".to_owned(),
                new => format!("chosen: {}", listed(new.iter().map(|on| &on.node))),
            }
        }
        TenantStatus::Installed => match standing.wanted() {
            1 => "it is installed on its node".to_owned(),
            count => format!("it is installed on its {count} nodes"),
        },
        TenantStatus::Degraded => standing.trouble().unwrap_or_default(),
        TenantStatus::Terminating => "it is being deleted".to_owned(),
        TenantStatus::Terminated => "nothing of it is left on any node".to_owned(),
    }
}

/// The tenants that are looked at because a node came, changed or went.
pub(crate) fn concerned_by_node<'w>(
    id: Uid,
    node: Option<&'w Object<Node>>,
    world: &'w World,
) -> impl Iterator<Item = Uid> + 'w {
    let is_concerned = move |tenant: &&Arc<Object<Tenant>>| {
        tenant.on(id).is_some() || node.is_some_and(|node| tenant.selects(node))
    };
    world.tenants.iter().filter(is_concerned).map(|tenant| tenant.id)
}

/// The tenants that wait for another to leave a node.
pub(crate) fn without_room(world: &World) -> impl Iterator<Item = Uid> + '_ {
    let waits = |tenant: &&Arc<Object<Tenant>>| !tenant.observed.no_room_on.is_empty();
    world.tenants.iter().filter(waits).map(|tenant| tenant.id)
}
