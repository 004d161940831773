//! The agents that are heard of: who they are, what they wait for, what they
//! last measured. Nothing of this is stored: after a restart they all register
//! again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tessera_types::sync::{LogRequest, Usage};
use tessera_types::{Name, Timestamp, Uid};
use tokio::sync::Notify;

/// The agents that are heard of.
#[derive(Default)]
pub(crate) struct Agents {
    by_node: Mutex<HashMap<Name, Agent>>,
}

/// One agent.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) node_id: Uid,
    pub(crate) agent_id: String,
    pub(crate) session: String,
    pub(crate) heard_at: Timestamp,
    pub(crate) usage: Option<Usage>,
    /// Rung when there is news for it.
    pub(crate) news: Arc<Notify>,
    log_requests: Vec<LogRequest>,
}

impl Agents {
    /// An agent has registered: it replaces the one that was there.
    pub(crate) fn registered(&self, name: &Name, agent: Agent) {
        let mut agents = self.by_node.lock();
        let before = agents.insert(name.clone(), agent);
        if let (Some(before), Some(agent)) = (before, agents.get_mut(name)) {
            // Its open call, if it has one, ends: it is not the agent any more.
            before.news.notify_waiters();
            // What it was not told of, the new one is.
            agent.log_requests = before.log_requests;
        }
    }

    pub(crate) fn get(&self, name: &Name) -> Option<Agent> {
        self.by_node.lock().get(name).cloned()
    }

    /// The agent of `name` if it is still in this session; notes that it was
    /// heard of.
    pub(crate) fn heard(
        &self,
        name: &Name,
        session: &str,
        now: Timestamp,
        usage: Option<Usage>,
    ) -> Option<Agent> {
        let mut agents = self.by_node.lock();
        let agent = agents.get_mut(name).filter(|agent| agent.session == session)?;
        agent.heard_at = now;
        if usage.is_some() {
            agent.usage = usage;
        }
        Some(agent.clone())
    }

    /// There is news for the agent of this node.
    pub(crate) fn ring(&self, node_id: Uid, name: &Name) {
        if let Some(agent) = self.by_node.lock().get(name).filter(|agent| agent.node_id == node_id)
        {
            agent.news.notify_waiters();
        }
    }

    /// Asks the agent for a log; says whether there is an agent to ask.
    pub(crate) fn ask_for_log(&self, name: &Name, request: LogRequest) -> bool {
        let mut agents = self.by_node.lock();
        let Some(agent) = agents.get_mut(name) else { return false };
        agent.log_requests.push(request);
        agent.news.notify_waiters();
        true
    }

    /// Nobody reads this log any more: an agent that was not told of it need not be.
    pub(crate) fn withdraw_log_request(&self, name: &Name, request: &str) {
        if let Some(agent) = self.by_node.lock().get_mut(name) {
            agent.log_requests.retain(|waiting| waiting.request != request);
        }
    }

    /// The log requests that the agent has not been told of.
    pub(crate) fn take_log_requests(&self, name: &Name, session: &str) -> Vec<LogRequest> {
        let mut agents = self.by_node.lock();
        match agents.get_mut(name).filter(|agent| agent.session == session) {
            Some(agent) => std::mem::take(&mut agent.log_requests),
            None => Vec::new(),
        }
    }

    /// A node was deleted: nothing is kept of it. Its open call ends.
    pub(crate) fn node_is_gone(&self, node_id: Uid, name: &Name) {
        let mut agents = self.by_node.lock();
        if agents.get(name).is_some_and(|agent| agent.node_id == node_id)
            && let Some(agent) = agents.remove(name)
        {
            agent.news.notify_waiters();
        }
    }

    pub(crate) fn forget(&self, name: &Name) {
        if let Some(agent) = self.by_node.lock().remove(name) {
            agent.news.notify_waiters();
        }
    }
}

impl Agent {
    pub(crate) fn new(node_id: Uid, agent_id: &str, session: &str, now: Timestamp) -> Self {
        Self {
            node_id,
            agent_id: agent_id.to_owned(),
            session: session.to_owned(),
            heard_at: now,
            usage: None,
            news: Arc::new(Notify::new()),
            log_requests: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: usize) -> LogRequest {
        LogRequest {
            request: number.to_string(),
            namespace: Name::default_namespace(),
            name: Name::new("web").unwrap(),
            tail: None,
            since: None,
            follow: true,
        }
    }

    #[test]
    fn nothing_is_kept_for_readers_that_are_gone_nor_of_nodes_that_are() {
        let (agents, a) = (Agents::default(), Name::new("a").unwrap());
        agents.registered(&a, Agent::new(Uid(1), "agent", "s", Timestamp::EPOCH));
        for number in 0..3 {
            assert!(agents.ask_for_log(&a, request(number)));
        }
        agents.withdraw_log_request(&a, "1");
        let told: Vec<_> = agents.take_log_requests(&a, "s");
        assert_eq!(told, [request(0), request(2)]);
        agents.node_is_gone(Uid(2), &a);
        assert!(agents.get(&a).is_some(), "that was another node of the name");
        agents.node_is_gone(Uid(1), &a);
        assert!(agents.get(&a).is_none());
    }
}
