//! What is not known yet of what happened on a node.
//!
//! A time limit that passed is judged with knowledge that is at least as new as the
//! limit. Else an outage of the control plane, over which a program ends as it should,
//! would look as if it had not, and it would be run once more.

use std::sync::Arc;

use tessera_types::{Duration, Name, Now, Object, Timestamp, WaitingFor, Workload};

use crate::node::SHOWN_WITHIN;
use crate::world::World;

/// What has to be known before a time limit can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// In words, what is waited for.
    pub(crate) what: String,
    /// When it is known at the latest; none when it is looked at anyway.
    pub(crate) until: Option<Timestamp>,
}

/// How often it is asked whether a node has told all. What has happened wakes whoever
/// waits for it; that nothing has happened does not.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Unknown {
    /// The first of `workloads` whose node has not told all that happened up to `limit`.
    /// A node that is Offline is not waited for: then its workloads are lost.
    pub(crate) fn of<'a>(
        workloads: impl IntoIterator<Item = &'a Arc<Object<Workload>>>,
        limit: Timestamp,
        world: &World,
        now: Now,
    ) -> Option<Self> {
        let placed = workloads.into_iter().filter(|workload| workload.status.holds_node());
        let mut nodes = placed.filter_map(|workload| {
            let assigned = workload.observed.assigned.as_ref()?;
            world.nodes.get(assigned.node_id).filter(|node| node.status.is_reachable())
        });
        let node = nodes.find(|node| !world.is_told(node.id, limit, now.wall))?;
        let until = world.lease_until(node.id).map(|until| now.wall_at(until));
        Some(Self::node(&node.name, until))
    }

    fn node(name: &Name, until: Option<Timestamp>) -> Self {
        Self { what: format!("node/{name} to say how it ended"), until }
    }

    /// Until when that is shown. What was shown stays as long as it is about right: the
    /// two clocks do not tick alike, and that is not worth a write.
    pub(crate) fn shown(&self, before: Option<&WaitingFor>, now: Now) -> Option<Timestamp> {
        let until = self.until.filter(|until| *until > now.wall)?;
        let is_right = |before: &Timestamp| {
            *before > now.wall && before.since(until).max(until.since(*before)) <= SHOWN_WITHIN
        };
        before.and_then(|waiting| waiting.until).filter(is_right).or(Some(until))
    }

    /// When to look again.
    pub(crate) fn look_again_at(now: Now) -> Timestamp {
        now.wall.plus(LOOK_EVERY)
    }
}
