//! The agents that are heard of: which of them speaks for its node, what they
//! wait for, what they last measured. Nothing of this is stored: after a restart they all register
//! again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tessera_reconciler::{NotInSession, Permit, Sessions, World};
use tessera_types::sync::{LogRequest, Registration, TenantLogRequest, Usage};
use tessera_types::{BootTime, Name, Now, Timestamp, Uid};
use tokio::sync::Notify;

/// An agent that was told of a log request and has not begun to answer it is told again
/// after this time: what told it may be lost.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// The agents that are heard of.
#[derive(Default)]
pub(crate) struct Agents {
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    sessions: Sessions,
    by_node: HashMap<Name, Agent>,
}

/// Who speaks for a node.
#[derive(Clone)]
pub(crate) struct Speaker {
    pub(crate) node_id: Uid,
    /// Rung when there is news for it.
    pub(crate) news: Arc<Notify>,
    /// When it was last told any.
    pub(crate) told_at: BootTime,
}

/// One agent.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) node_id: Uid,
    pub(crate) heard_at: Timestamp,
    pub(crate) usage: Option<Usage>,
    told_at: BootTime,
    news: Arc<Notify>,
    log_requests: Vec<Asked>,
}

/// A log that somebody wants to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WantedLog {
    Workload(LogRequest),
    Tenant(TenantLogRequest),
}

impl WantedLog {
    /// What names the request.
    fn request(&self) -> &str {
        match self {
            Self::Workload(wanted) => &wanted.request,
            Self::Tenant(wanted) => &wanted.request,
        }
    }
}

/// One that the agent has not begun to send.
#[derive(Clone)]
struct Asked {
    wanted: WantedLog,
    told_at: Option<Instant>,
}

impl Asked {
    fn is_news(&self, now: Instant) -> bool {
        self.told_at.is_none_or(|at| now.duration_since(at) >= TELL_AGAIN)
    }
}

impl Agents {
    /// As [`Sessions::may_register`].
    pub(crate) fn may_register(
        &self,
        world: &World,
        name: &Name,
        registration: &Registration,
        now: BootTime,
    ) -> Result<Permit, NotInSession> {
        self.all.lock().sessions.may_register(world, name, registration, now)
    }

    /// An agent has registered: it replaces the one that was there, if it was not
    /// itself replaced meanwhile.
    pub(crate) fn registered(
        &self,
        world: &World,
        name: &Name,
        node_id: Uid,
        registration: &Registration,
        permit: Permit,
        now: Now,
    ) -> Result<(), NotInSession> {
        let mut all = self.all.lock();
        all.sessions.registered(world, name, node_id, registration, permit, now.boot)?;
        let mut agent = Agent::new(node_id, now.wall);
        if let Some(before) = all.by_node.remove(name) {
            // Its open call, if it has one, ends: it is not the agent any more.
            before.news.notify_waiters();
            // What it has not begun, the new one does.
            let anew = |Asked { wanted, .. }| Asked { wanted, told_at: None };
            agent.log_requests = before.log_requests.into_iter().map(anew).collect();
        }
        all.by_node.insert(name.clone(), agent);
        Ok(())
    }

    pub(crate) fn get(&self, name: &Name) -> Option<Agent> {
        self.all.lock().by_node.get(name).cloned()
    }

    /// The agent of `name`, if this session speaks for it.
    pub(crate) fn in_session(
        &self,
        world: &World,
        name: &Name,
        session: &str,
    ) -> Result<Speaker, NotInSession> {
        let all = self.all.lock();
        all.sessions.speaks_for(world, name, session)?;
        let agent = all.by_node.get(name).ok_or(NotInSession::NotRegistered)?;
        let Agent { node_id, told_at, .. } = *agent;
        Ok(Speaker { node_id, news: Arc::clone(&agent.news), told_at })
    }

    /// Notes that the agent of `name` was heard of.
    pub(crate) fn heard(&self, name: &Name, now: Timestamp, usage: Option<Usage>) {
        if let Some(agent) = self.all.lock().by_node.get_mut(name) {
            agent.heard_at = now;
            if usage.is_some() {
                agent.usage = usage;
            }
        }
    }

    /// The agent of `name` is told what is assigned to its node.
    pub(crate) fn told(&self, name: &Name, now: BootTime) {
        if let Some(agent) = self.all.lock().by_node.get_mut(name) {
            agent.told_at = now;
        }
    }

    /// There is news for the agent of this node.
    pub(crate) fn ring(&self, node_id: Uid, name: &Name) {
        let all = self.all.lock();
        if let Some(agent) = all.by_node.get(name).filter(|agent| agent.node_id == node_id) {
            agent.news.notify_waiters();
        }
    }

    /// Asks the agent for a log; says whether there is an agent to ask.
    pub(crate) fn ask_for_log(&self, name: &Name, wanted: WantedLog) -> bool {
        let mut all = self.all.lock();
        let Some(agent) = all.by_node.get_mut(name) else { return false };
        agent.log_requests.push(Asked { wanted, told_at: None });
        agent.news.notify_waiters();
        true
    }

    /// The agent has begun to send this log, or nobody reads it any more: it need not be
    /// told of it.
    pub(crate) fn settle_log_request(&self, name: &Name, request: &str) {
        if let Some(agent) = self.all.lock().by_node.get_mut(name) {
            agent.log_requests.retain(|asked| asked.wanted.request() != request);
        }
    }

    /// The logs that the agent is to send, if there are any that it has to be told of. It
    /// counts as told then.
    pub(crate) fn log_requests(&self, name: &Name, now: Instant) -> Vec<WantedLog> {
        let mut all = self.all.lock();
        let Some(agent) = all.by_node.get_mut(name) else { return Vec::new() };
        let due = agent.log_requests.iter_mut().filter(|asked| asked.is_news(now));
        due.map(|asked| {
            asked.told_at = Some(now);
            asked.wanted.clone()
        })
        .collect()
    }

    /// A node was deleted: what is known of its agents goes with it.
    pub(crate) fn removed(&self, name: &Name, node_id: Uid) {
        let mut all = self.all.lock();
        all.sessions.removed(name, node_id);
        if all.by_node.get(name).is_some_and(|agent| agent.node_id == node_id)
            && let Some(agent) = all.by_node.remove(name)
        {
            agent.news.notify_waiters();
        }
    }
}

impl Agent {
    fn new(node_id: Uid, now: Timestamp) -> Self {
        Self {
            node_id,
            heard_at: now,
            usage: None,
            told_at: BootTime::from_millis(0),
            news: Arc::new(Notify::new()),
            log_requests: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_types::Labels;
    use tessera_types::node::{Capacity, Executors};

    fn request(number: usize) -> WantedLog {
        WantedLog::Workload(LogRequest {
            request: number.to_string(),
            namespace: Name::default_namespace(),
            name: Name::new("web").unwrap(),
            tail: None,
            since: None,
            follow: true,
        })
    }

    fn registration() -> Registration {
        Registration {
            agent_id: "agent".to_owned(),
            session: "s".to_owned(),
            start: 0,
            version: String::new(),
            capacity: Capacity::default(),
            labels: Labels::default(),
            executors: Executors::default(),
        }
    }

    fn register(agents: &Agents, name: &Name) {
        let (world, registration) = (World::default(), registration());
        let now = Now { wall: Timestamp::EPOCH, boot: BootTime::from_millis(0) };
        let permit = agents.may_register(&world, name, &registration, now.boot).unwrap();
        agents.registered(&world, name, Uid(1), &registration, permit, now).unwrap();
    }

    #[test]
    fn nothing_is_kept_for_readers_that_are_gone_nor_of_nodes_that_are() {
        let (agents, a) = (Agents::default(), Name::new("a").unwrap());
        register(&agents, &a);
        for number in 0..3 {
            assert!(agents.ask_for_log(&a, request(number)));
        }
        agents.settle_log_request(&a, "1");
        assert_eq!(agents.log_requests(&a, Instant::now()), [request(0), request(2)]);
        agents.removed(&a, Uid(2));
        assert!(agents.get(&a).is_some(), "that was another node of the name");
        agents.removed(&a, Uid(1));
        assert!(agents.get(&a).is_none());
    }

    #[test]
    fn a_log_is_asked_for_until_it_begins() {
        let (agents, a) = (Agents::default(), Name::new("a").unwrap());
        register(&agents, &a);
        agents.ask_for_log(&a, request(0));
        let now = Instant::now();
        assert_eq!(agents.log_requests(&a, now), [request(0)]);
        assert_eq!(agents.log_requests(&a, now), [], "it has just been told");
        let later = now + TELL_AGAIN;
        assert_eq!(agents.log_requests(&a, later), [request(0)], "the answer may be lost");
        register(&agents, &a);
        assert_eq!(agents.log_requests(&a, later), [request(0)], "another agent begins anew");
        agents.settle_log_request(&a, "0");
        assert_eq!(agents.log_requests(&a, later + TELL_AGAIN), []);
    }
}
