//! The manager of nodes: reachable or not, and whether they take workloads.

use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::node::{DesiredNodeStatus, NodeSpec, NodeStatus};
use tessera_types::sync::Registration;
use tessera_types::{
    Actor, BootTime, Duration, Edit, KindName, Name, Node, Now, Object, ResourceKey, Timestamp,
    WaitReason, Write,
};

use crate::manager::{Manager, Plan};
use crate::world::World;

/// How long after its lease a node may need to kill its copies that are
/// declared `on_disconnect: stop`. The node kills them when the lease that it
/// knows lapses, which is earlier than the one counted here.
pub const KILL_MARGIN: Duration = Duration::from_secs(3);

/// How far a time that is shown may be off.
pub(crate) const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// Reconciles nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeManager;

impl Manager for NodeManager {
    type Kind = Node;

    fn reconcile(&self, node: &Arc<Object<Node>>, world: &World, now: Now) -> Plan {
        let lease_until = world.lease_until(node.id);
        let is_reachable = lease_until.is_some_and(|until| until > now.boot);
        let count = world.count_on(node.id);
        if node.deletion_requested_at.is_some() && count == 0 {
            return Plan::write(Write::delete(
                node,
                Actor::RECONCILER,
                "deleted as asked",
                now.wall,
            ));
        }
        let mut edit = Edit::of(node, now.wall);
        let goal = goal(node, is_reachable, count);
        // The machine has a way from every status to every goal but from
        // Offline to Drained, which is two steps.
        for step in path(node.status, goal) {
            let silence = Silence {
                has_left: world.has_left(node.id),
                lapsed_at: lease_until.map(|until| now.wall_at(until)),
            };
            let reason = reason(step, node, silence, count);
            if edit.transition(step, Actor::RECONCILER, reason).is_err() {
                break;
            }
        }
        edit.object.observed.stopped_by =
            (!is_reachable).then(|| shown(node.observed.stopped_by, stopped_by(node, world), now));
        wait(&mut edit, count);
        let runs = |until: &BootTime| *until > now.boot || planted(Bug::LapsedLeaseLookedAt);
        Plan::of(edit).look_again_after(lease_until.filter(runs))
    }
}

/// From when on no copy that is declared `on_disconnect: stop` can be alive on a
/// node that counts as Offline: when its last lease has lapsed, and it has had
/// the time to kill them.
pub(crate) fn stopped_by(node: &Object<Node>, world: &World) -> BootTime {
    world.lapsed_at(node.id).plus(KILL_MARGIN)
}

/// What the wall clock shows at `stopped_by`, for people. What was shown stays,
/// as long as it is about right: the two clocks do not tick alike, and it is not
/// worth a write. When the time has come, any time in the past will do.
fn shown(before: Option<Timestamp>, stopped_by: BootTime, now: Now) -> Timestamp {
    let estimate = now.wall_at(stopped_by);
    let is_right = |before: &Timestamp| match stopped_by <= now.boot {
        true => *before <= now.wall,
        false => before.since(estimate).max(estimate.since(*before)) <= SHOWN_WITHIN,
    };
    before.filter(is_right).unwrap_or(estimate)
}

fn goal(node: &Object<Node>, is_reachable: bool, count: usize) -> NodeStatus {
    if !is_reachable {
        return NodeStatus::Offline;
    }
    let desired = match node.deletion_requested_at {
        Some(_) => DesiredNodeStatus::Drained,
        None => node.desired_status,
    };
    match desired {
        DesiredNodeStatus::Ready => NodeStatus::Ready,
        DesiredNodeStatus::Cordoned => NodeStatus::Cordoned,
        DesiredNodeStatus::Drained if count == 0 => NodeStatus::Drained,
        DesiredNodeStatus::Drained => NodeStatus::Draining,
    }
}

fn path(from: NodeStatus, to: NodeStatus) -> Vec<NodeStatus> {
    use tessera_types::State;
    from.path_to(to).unwrap_or_default()
}

/// Why nothing is heard of a node.
#[derive(Clone, Copy)]
struct Silence {
    has_left: bool,
    lapsed_at: Option<Timestamp>,
}

impl Silence {
    fn reason(self) -> String {
        match self.lapsed_at {
            _ if self.has_left => "its agent has ended, and nothing runs there".to_owned(),
            Some(until) => format!("its agent was not heard of; its lease lapsed at {until:.3}"),
            None => "its agent was not heard of".to_owned(),
        }
    }
}

fn reason(step: NodeStatus, node: &Object<Node>, silence: Silence, count: usize) -> String {
    match step {
        NodeStatus::Offline => silence.reason(),
        NodeStatus::Ready if node.status == NodeStatus::Offline => "its agent is here".to_owned(),
        NodeStatus::Ready => "it takes workloads again".to_owned(),
        NodeStatus::Cordoned => "it takes nothing new".to_owned(),
        NodeStatus::Draining => format!("{} to move away", workloads(count)),
        NodeStatus::Drained => "nothing is left on it".to_owned(),
    }
}

fn wait(edit: &mut Edit<Node>, count: usize) {
    match edit.object.status {
        NodeStatus::Draining => {
            let message = format!("{} to leave", workloads(count));
            edit.wait_for(WaitReason::Children, &message, None);
        }
        NodeStatus::Offline => {
            edit.wait_for(WaitReason::Agent, "its agent to be heard of", None);
        }
        NodeStatus::Ready | NodeStatus::Cordoned | NodeStatus::Drained => edit.wait_for_nothing(),
    }
}

fn workloads(count: usize) -> String {
    match count {
        1 => "1 workload".to_owned(),
        count => format!("{count} workloads"),
    }
}

/// What becomes of a node when its agent registers: a new one, the same with
/// what the agent says brought up to date, or nothing when that is known.
#[must_use]
pub fn registered(
    existing: Option<&Arc<Object<Node>>>,
    name: &Name,
    registration: &Registration,
    now: Timestamp,
) -> Option<Write> {
    let agent = Actor::agent(name);
    let observe = |object: &mut Object<Node>| {
        let observed = &mut object.observed;
        observed.capacity = registration.capacity;
        observed.agent_labels.clone_from(&registration.labels);
        observed.executors.clone_from(&registration.executors);
        observed.agent_version.clone_from(&registration.version);
        observed.agent_id.clone_from(&registration.agent_id);
    };
    match existing {
        Some(existing) => {
            let mut edit = Edit::of(existing, now);
            observe(&mut edit.object);
            edit.finish().map(Write::update)
        }
        None => {
            let key = ResourceKey::new(KindName::Node, None, name.clone());
            let spec = Arc::new(NodeSpec::default());
            let mut object = Object::<Node>::new(&key, spec, agent, now);
            observe(&mut object);
            Some(Write::create(object))
        }
    }
}
