//! Who speaks for each node: which installation of an agent, and which start of
//! it.
//!
//! A node's name belongs to one installation for as long as its lease runs, and
//! what it must kill then may be alive. Of one installation the start that
//! registered last speaks, so that an agent that was restarted is let in at once.
//! The start before is superseded for good: if it still lives (its state folder
//! was copied), the two must not take the node from each other for ever. Nothing
//! of this is stored: after a restart of the control plane all agents register
//! again.

use std::collections::{HashMap, VecDeque};

use tessera_types::sync::Registration;
use tessera_types::{BootTime, Name, Node, Object, Uid, limits};

use crate::node::KILL_MARGIN;
use crate::world::World;

/// When another installation may have the name of a node: once no copy that must be alone can be
/// alive under the one before. It is told to run the same placements, and knows nothing of those.
fn free_at(world: &World, node: &Object<Node>) -> BootTime {
    let lapsed_at = world.lapsed_at(node.id);
    if world.has_left(node.id) { lapsed_at } else { lapsed_at.plus(KILL_MARGIN) }
}

/// Who speaks for each node.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    by_node: HashMap<Name, Seat>,
    /// How often a seat was taken so far.
    taken: u64,
}

/// That an agent may register, as of when it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// How many had taken a seat by then.
    taken: u64,
}

#[derive(Clone, Debug)]
struct Seat {
    node: Uid,
    agent_id: String,
    session: String,
    /// Which start of the installation it is; 0 where that is not counted.
    start: u64,
    /// The number of this taking among all.
    taken: u64,
    /// The starts of this installation that do not speak any more, oldest first.
    superseded: VecDeque<String>,
}

/// Why an agent does not speak for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInSession {
    /// Another installation has the name, and what it runs may be alive.
    #[error("another agent has the name")]
    NameTaken {
        /// Until when, at least.
        until: BootTime,
    },
    /// A later start of the same installation speaks for the node.
    #[error("another agent with this identity has registered")]
    Superseded,
    /// It must register first.
    #[error("the agent is not registered in this session")]
    NotRegistered,
}

impl Sessions {
    /// Whether an agent may register as the node `name`.
    ///
    /// # Errors
    /// [`NotInSession`] says why not.
    pub fn may_register(
        &self,
        world: &World,
        name: &Name,
        registration: &Registration,
        now: BootTime,
    ) -> Result<Permit, NotInSession> {
        let permit = Permit { taken: self.taken };
        let Some(node) = world.nodes.find(None, name) else { return Ok(permit) };
        let seat = self.seat(name, node);
        let holder = seat.map_or(node.observed.agent_id.as_str(), |seat| seat.agent_id.as_str());
        if !holder.is_empty() && holder != registration.agent_id {
            let until = free_at(world, node);
            return if until > now { Err(NotInSession::NameTaken { until }) } else { Ok(permit) };
        }
        match seat {
            Some(seat) if seat.superseded.contains(&registration.session) => {
                Err(NotInSession::Superseded)
            }
            // Its request was under way when it ended. A folder that was put back to what it
            // was counts from there on: then the later one is not there.
            Some(seat)
                if seat.session != registration.session
                    && (1..seat.start).contains(&registration.start)
                    && world.lapsed_at(node.id) > now =>
            {
                Err(NotInSession::Superseded)
            }
            _ => Ok(permit),
        }
    }

    fn seat(&self, name: &Name, node: &Object<Node>) -> Option<&Seat> {
        self.by_node.get(name).filter(|seat| seat.node == node.id)
    }

    /// An agent has registered as `node`: it speaks for it from now on. It may
    /// have been superseded since it got its `permit`, also by a later start; or the
    /// installation whose lease was over by then was heard of again.
    ///
    /// # Errors
    /// [`NotInSession`] says which.
    pub fn registered(
        &mut self,
        world: &World,
        name: &Name,
        node: Uid,
        registration: &Registration,
        permit: Permit,
        now: BootTime,
    ) -> Result<(), NotInSession> {
        let Registration { agent_id, session, start, .. } = registration;
        let taken = self.taken + 1;
        let before = self.by_node.get_mut(name);
        if let (Some(seat), Some(object)) = (&before, world.nodes.get(node))
            && seat.node == node
            && seat.agent_id != *agent_id
        {
            let until = free_at(world, object);
            if until > now {
                return Err(NotInSession::NameTaken { until });
            }
        }
        let Some(seat) = before.filter(|seat| seat.node == node && seat.agent_id == *agent_id)
        else {
            let (agent_id, session) = (agent_id.clone(), session.clone());
            let (start, superseded) = (*start, VecDeque::new());
            let seat = Seat { node, agent_id, session, start, taken, superseded };
            self.by_node.insert(name.clone(), seat);
            self.taken = taken;
            return Ok(());
        };
        if seat.superseded.contains(session) {
            return Err(NotInSession::Superseded);
        }
        if seat.session != *session {
            if seat.taken > permit.taken && (1..seat.start).contains(start) {
                return Err(NotInSession::Superseded);
            }
            let before = std::mem::replace(&mut seat.session, session.clone());
            (seat.start, seat.taken, self.taken) = (*start, taken, taken);
            seat.superseded.push_back(before);
            if seat.superseded.len() > limits::SUPERSEDED_MAX {
                seat.superseded.pop_front();
            }
        }
        Ok(())
    }

    /// The node that this start of an agent speaks for.
    ///
    /// # Errors
    /// [`NotInSession`] says why it does not.
    pub fn speaks_for(
        &self,
        world: &World,
        name: &Name,
        session: &str,
    ) -> Result<Uid, NotInSession> {
        let node = world.nodes.find(None, name).ok_or(NotInSession::NotRegistered)?;
        let seat = self.seat(name, node).ok_or(NotInSession::NotRegistered)?;
        if seat.session == session {
            Ok(seat.node)
        } else if seat.superseded.iter().any(|one| one == session) {
            Err(NotInSession::Superseded)
        } else {
            Err(NotInSession::NotRegistered)
        }
    }

    /// A node was deleted: nobody speaks for it, and nobody is superseded.
    pub fn removed(&mut self, name: &Name, node: Uid) {
        if self.by_node.get(name).is_some_and(|seat| seat.node == node) {
            self.by_node.remove(name);
        }
    }
}
