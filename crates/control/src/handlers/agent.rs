//! The agents' side of the API: registering, and heartbeats that wait for news.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tessera_api::{ApiError, Later};
use tessera_reconciler::{Known, News, NotInSession, news_for, registered};
use tessera_store::CommitError;
use tessera_types::problem::Code;
use tessera_types::sync::{
    LogChunk, LogChunkAnswer, Registered, Registration, SyncRequest, SyncResponse, Usage,
};
use tessera_types::{Name, Node, Object, Problem, Revision, Uid};
use tokio::sync::futures::Notified;

use crate::agent_limits::check_log_chunk;
use crate::agents::{Speaker, WantedLog};
use crate::body;
use crate::clock;
use crate::failure::commit_error;
use crate::plane::{LoopMessage, Plane, STOPS_WITHIN};

/// How often a write is decided again because somebody else was faster.
pub(super) const TRIES_MAX: usize = 64;

/// An agent introduces its node.
pub(super) async fn register(
    plane: &Plane,
    name: &Name,
    registration: &Registration,
) -> Result<Registered, ApiError> {
    for _ in 0..TRIES_MAX {
        let now = clock::both();
        let (permit, existing) = {
            let world = plane.world.read();
            let permit = plane
                .agents
                .may_register(&world, name, registration, now.boot)
                .map_err(|why| refused(name, why))?;
            (permit, world.nodes.find(None, name).cloned())
        };
        let node_id = match registered(existing.as_ref(), name, registration, now.wall) {
            Some(write) => match plane.commit(vec![write]).await {
                Ok(done) => done.committed.changes.first().map(|change| change.id),
                Err(CommitError::Conflict { .. }) => continue,
                Err(error) => return Err(commit_error(error)),
            },
            None => existing.map(|node| node.id),
        };
        let Some(node_id) = node_id else { continue };
        plane
            .agents
            .registered(&plane.world.read(), name, node_id, registration, permit, clock::both())
            .map_err(|why| refused(name, why))?;
        heard(plane, node_id);
        tracing::info!(target: "tessera::agents", node = %name, version = %registration.version, "an agent registered");
        return Ok(Registered { node_id, lease: plane.options.lease });
    }
    Err(Problem::new(Code::Conflict, "the node changes too fast").remedy("register again").into())
}

/// The problem of an agent that does not speak for a node.
fn refused(name: &Name, why: NotInSession) -> Problem {
    let problem = match why {
        NotInSession::NameTaken { until } => {
            let until = clock::both().wall_at(until);
            let detail = format!("another agent has the name {name}, at least until {until:.3}");
            Problem::new(Code::NodeNameTaken, detail)
                .remedy("give this agent another name with --name, or stop the other one")
        }
        NotInSession::Superseded => {
            tracing::warn!(target: "tessera::agents", node = %name, "an agent that was superseded is refused");
            let detail = format!(
                "another agent with this identity has registered as node {name}; this one does not speak for it any more"
            );
            Problem::new(Code::Superseded, detail).remedy(
                "stop one of the two; if this agent's state folder is a copy, give it one of its own and another name",
            )
        }
        NotInSession::NotRegistered => {
            let detail = format!("the agent of {name} is not registered in this session");
            Problem::new(Code::NotRegistered, detail).remedy("register again")
        }
    };
    problem.instance(format!("node/{name}"))
}

/// A node was heard of: its lease runs anew.
fn heard(plane: &Plane, node_id: Uid) {
    let is_back = plane.world.write().heard(node_id, clock::boot(), plane.options.lease);
    if is_back {
        plane.tell_loop(LoopMessage::Wake(node_id));
    }
}

/// A heartbeat that waits for news. Where there is none, the head of the answer is sent at
/// once and its body when there is, or when the wait is over: nothing of the request is
/// kept for so long. A body that is broken off is no answer; why it was, the next call says.
pub(super) async fn sync(
    plane: &Arc<Plane>,
    name: Name,
    request: SyncRequest,
) -> Result<Later<SyncResponse>, ApiError> {
    let started = Instant::now();
    if request.leaving {
        return Ok(Later::Now(leave(plane, &name, &request.session).await?));
    }
    let agent = session(plane, &name, &request.session, request.usage)?;
    if let Some(until) = request.told {
        plane.world.write().told(agent.node_id, until);
    }
    plane.metrics.heartbeat();
    let deadline = started + request.wait.min(plane.options.lease).as_std();
    let SyncRequest { session, since, partial, held, .. } = request;
    let known = Known { since, partial, held };
    let plane = Arc::clone(plane);
    let waiting = Waiting { plane, name, agent, session, known, deadline };
    loop {
        let news = waiting.agent.news.notified();
        tokio::pin!(news);
        // Listens from here on: what changes after the look below is not missed.
        news.as_mut().enable();
        match waiting.look()? {
            Seen::News(response) => return Ok(Later::Now(response)),
            Seen::Nothing | Seen::Gathering(_) => break,
            Seen::NotReady => waiting.wait(news).await,
        }
    }
    let body = async move {
        let answered = waiting.answered().await;
        answered.map_err(|problem| Unanswered(problem.code))
    };
    Ok(Later::Body(body::later(body)))
}

/// A heartbeat that was not answered yet.
struct Waiting {
    plane: Arc<Plane>,
    name: Name,
    agent: Speaker,
    session: String,
    known: Known,
    deadline: Instant,
}

/// What there is to answer.
enum Seen {
    News(SyncResponse),
    Nothing,
    /// More may come in a rush, and it is told together. It is looked at after this time.
    Gathering(std::time::Duration),
    /// The node counts as Offline: nothing may be answered.
    NotReady,
}

/// Why an answer is broken off.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be answered: {0}")]
struct Unanswered(Code);

impl Waiting {
    fn look(&self) -> Result<Seen, Problem> {
        in_session(&self.plane, &self.name, &self.session)?;
        let is_over = Instant::now() >= self.deadline || self.plane.stopping.is_cancelled();
        let gathers = self.gathers(is_over);
        if let Some(time) = gathers.filter(|_| !is_over) {
            return Ok(Seen::Gathering(time));
        }
        match self.answer(gathers.is_some()) {
            Some(response) if is_over || has_news(&response) => {
                if response.assignments.is_some() {
                    self.plane.agents.told(&self.name, clock::boot());
                }
                Ok(Seen::News(response))
            }
            Some(_) => Ok(Seen::Nothing),
            None if is_over => Err(not_ready(&self.name)),
            None => Ok(Seen::NotReady),
        }
    }

    /// For how long news are gathered in a rush, if they are: each answer costs a request and a
    /// report. In a rush an agent is told at the end of a call, so that not all are told at once.
    fn gathers(&self, is_over: bool) -> Option<std::time::Duration> {
        // An agent that knows nothing yet may have copies whose lease it cannot renew before this.
        let since = Some(self.known.since).filter(|since| *since > Revision::ZERO)?;
        let now = clock::boot();
        let rush = self.plane.rush.goes_on(now)?;
        let had_changed_at = {
            let world = self.plane.world.read();
            let load = world.load_of(self.agent.node_id);
            load.filter(|load| load.changed_at > since)?.had_changed_at
        };
        let told_at = self.agent.told_at;
        if had_changed_at > since {
            let left = told_at.plus(STOPS_WITHIN).since(now);
            return (left > tessera_types::Duration::ZERO).then(|| left.as_std());
        }
        (!is_over || now < rush.tells_at(told_at)).then(|| rush.left.as_std())
    }

    /// The answer to give now, without news where they are still gathered; none while the node
    /// counts as Offline.
    fn answer(&self, gathers: bool) -> Option<SyncResponse> {
        let (world, node) = (self.plane.world.read(), self.agent.node_id);
        let news = match gathers {
            true if !world.nodes.get(node)?.status.is_reachable() => return None,
            true => News { revision: self.known.since, ..News::default() },
            false => news_for(&world, node, self.known)?,
        };
        drop(world);
        let (mut log_requests, mut tenant_log_requests) = (Vec::new(), Vec::new());
        for wanted in self.plane.agents.log_requests(&self.name, Instant::now()) {
            match wanted {
                WantedLog::Workload(request) => log_requests.push(request),
                WantedLog::Tenant(request) => tenant_log_requests.push(request),
            }
        }
        Some(SyncResponse {
            lease: self.plane.options.lease,
            at: clock::now(),
            revision: news.revision,
            since: news.since,
            unchanged: news.unchanged,
            assignments: news.assignments,
            tenants: news.tenants,
            log_requests,
            tenant_log_requests,
        })
    }

    async fn wait(&self, news: Pin<&mut Notified<'_>>) {
        tokio::select! {
            () = self.plane.stopping.cancelled() => {}
            () = news => {}
            () = tokio::time::sleep_until(self.deadline.into()) => {}
        }
    }

    /// The answer as JSON, once there is one.
    async fn answered(&self) -> Result<Bytes, Problem> {
        loop {
            let news = self.agent.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            match self.look()? {
                Seen::News(response) => return self.encoded(&response),
                Seen::Gathering(time) => self.gather(time).await,
                Seen::Nothing | Seen::NotReady => self.wait(news).await,
            }
        }
    }

    /// Waits until more has come in a rush, and no longer than what does not wait for that may.
    async fn gather(&self, time: std::time::Duration) {
        let until = (Instant::now() + time.min(STOPS_WITHIN.as_std())).min(self.deadline);
        tokio::select! {
            () = self.plane.stopping.cancelled() => {}
            () = tokio::time::sleep_until(until.into()) => {}
        }
    }

    fn encoded(&self, response: &SyncResponse) -> Result<Bytes, Problem> {
        tracing::debug!(target: "tessera::agents", node = %self.name, assignments = response.assignments.as_ref().map(Vec::len), "heartbeat");
        let assignments = response.assignments.iter().flatten();
        let bytes = assignments.map(|it| if it.spec.is_some() { SPEC_BYTES } else { COPY_BYTES });
        let mut json = Vec::with_capacity(ANSWER_BYTES + bytes.sum::<usize>());
        let written = serde_json::to_writer(&mut json, response);
        written
            .map(|()| Bytes::from(json))
            .map_err(|error| Problem::new(Code::Internal, error.to_string()))
    }
}

/// About the bytes of an answer, and of a copy in it, with its spec and without: room that has
/// to grow is copied.
const ANSWER_BYTES: usize = 512;
const SPEC_BYTES: usize = 768;
const COPY_BYTES: usize = 192;

/// How long an agent that ends waits until its node is written down as Offline.
const LEAVE_MAX: std::time::Duration = std::time::Duration::from_secs(1);

/// The agent ends, and nothing runs on its node. It is answered when the node is
/// Offline, so that a control plane that is stopped next does not come back with a
/// node that seems to be there.
async fn leave(plane: &Plane, name: &Name, session: &str) -> Result<SyncResponse, ApiError> {
    let agent = in_session(plane, name, session)?;
    plane.world.write().left(agent.node_id, clock::boot());
    plane.tell_loop(LoopMessage::Wake(agent.node_id));
    tracing::info!(target: "tessera::agents", node = %name, "its agent has ended, and nothing runs there");
    let until = tokio::time::Instant::now() + LEAVE_MAX;
    loop {
        let news = agent.news.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        let is_reachable = |node: &Arc<Object<Node>>| node.status.is_reachable();
        let is_offline = !plane.world.read().nodes.get(agent.node_id).is_some_and(is_reachable);
        if is_offline || tokio::time::timeout_at(until, news).await.is_err() {
            let revision = plane.world.read().revision();
            let lease = tessera_types::Duration::ZERO;
            return Ok(SyncResponse {
                lease,
                at: clock::now(),
                revision,
                since: Revision::ZERO,
                unchanged: false,
                assignments: None,
                tenants: None,
                log_requests: Vec::new(),
                tenant_log_requests: Vec::new(),
            });
        }
    }
}

fn has_news(response: &SyncResponse) -> bool {
    response.assignments.is_some()
        || response.tenants.is_some()
        || !response.log_requests.is_empty()
        || !response.tenant_log_requests.is_empty()
}

/// The node still counts as Offline: the loop is busy, or the store cannot write.
pub(super) fn not_ready(name: &Name) -> Problem {
    Problem::new(Code::Unavailable, format!("{name} cannot be marked as reachable yet"))
        .remedy("sync again")
}

/// The agent of this session. It has just been heard of.
pub(super) fn session(
    plane: &Plane,
    name: &Name,
    session: &str,
    usage: Option<Usage>,
) -> Result<Speaker, Problem> {
    let agent = in_session(plane, name, session)?;
    plane.agents.heard(name, clock::now(), usage);
    heard(plane, agent.node_id);
    Ok(agent)
}

/// The agent of this session, if it still is.
fn in_session(plane: &Plane, name: &Name, session: &str) -> Result<Speaker, Problem> {
    let world = plane.world.read();
    plane.agents.in_session(&world, name, session).map_err(|why| refused(name, why))
}

/// A part of a log. Only who speaks for the node can send it, and only of a log that it
/// was asked for.
pub(super) async fn log_chunk(
    plane: &Plane,
    name: &Name,
    request: &str,
    chunk: LogChunk,
) -> Result<LogChunkAnswer, ApiError> {
    check_log_chunk(name, &chunk)?;
    in_session(plane, name, &chunk.session)?;
    plane.agents.settle_log_request(name, request);
    Ok(plane.logs.deliver(name, request, chunk).await)
}

#[cfg(test)]
mod tests;
