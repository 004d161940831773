//! The agents' side of the API: registering, and heartbeats that wait for news.

use std::sync::Arc;
use std::time::Instant;

use tessera_api::ApiError;
use tessera_reconciler::{NotInSession, news_for, registered};
use tessera_store::CommitError;
use tessera_types::problem::Code;
use tessera_types::sync::{
    LogChunk, LogChunkAnswer, Registered, Registration, SyncRequest, SyncResponse, Usage,
};
use tessera_types::{Name, Node, Object, Problem, Revision, Uid};

use crate::agent_limits::check_log_chunk;
use crate::agents::{Agent, WantedLog};
use crate::clock;
use crate::failure::commit_error;
use crate::plane::{LoopMessage, Plane};

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
        let existing = {
            let world = plane.world.read();
            plane
                .agents
                .may_register(&world, name, registration, now.boot)
                .map_err(|why| refused(name, why))?;
            world.nodes.find(None, name).cloned()
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
            .registered(name, node_id, registration, now.wall)
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

/// A heartbeat that waits for news.
pub(super) async fn sync(
    plane: &Plane,
    name: &Name,
    request: SyncRequest,
) -> Result<SyncResponse, ApiError> {
    let started = Instant::now();
    if request.leaving {
        return leave(plane, name, &request.session).await;
    }
    let agent = session(plane, name, &request.session, request.usage)?;
    if let Some(until) = request.told {
        plane.world.write().told(agent.node_id, until);
    }
    plane.metrics.heartbeat();
    let wait = request.wait.min(plane.options.lease);
    let deadline = started + wait.as_std();
    let mut gathering = Gathering::default();
    loop {
        let news = agent.news.notified();
        tokio::pin!(news);
        // Listens from here on: what changes after the look below is not missed.
        news.as_mut().enable();
        in_session(plane, name, &request.session)?;
        let is_over = Instant::now() >= deadline || plane.stopping.is_cancelled();
        if !is_over && gathering.goes_on(plane, agent.node_id, request.since) {
            tokio::time::sleep_until((Instant::now() + GATHER_STEP).min(deadline).into()).await;
            continue;
        }
        match answer(plane, name, &agent, request.since) {
            Some(response) if is_over || has_news(&response) => {
                tracing::debug!(target: "tessera::agents", node = %name, assignments = response.assignments.as_ref().map(Vec::len), waited = ?started.elapsed(), "heartbeat");
                return Ok(response);
            }
            None if is_over => return Err(not_ready(name).into()),
            _ => {}
        }
        tokio::select! {
            () = plane.stopping.cancelled() => {}
            () = &mut news => {}
            () = tokio::time::sleep_until(deadline.into()) => {}
        }
    }
}

/// In a rush an agent waits so long at most, until it is told of all that has come for it.
const GATHER_MAX: std::time::Duration = std::time::Duration::from_secs(2);
const GATHER_STEP: std::time::Duration = std::time::Duration::from_millis(250);

/// News that are gathered in a rush: each answer lists all assignments of its node, and
/// costs a request and a report.
#[derive(Default)]
struct Gathering {
    since: Option<Instant>,
}

impl Gathering {
    fn goes_on(&mut self, plane: &Plane, node: Uid, known: Revision) -> bool {
        if !plane.rush.is_on(clock::boot()) {
            return false;
        }
        let world = plane.world.read();
        if world.load_of(node).is_none_or(|load| load.changed_at <= known) {
            return false;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() < GATHER_MAX
    }
}

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
) -> Result<Agent, Problem> {
    let agent = in_session(plane, name, session)?;
    plane.agents.heard(name, clock::now(), usage);
    heard(plane, agent.node_id);
    Ok(agent)
}

/// The agent of this session, if it still is.
fn in_session(plane: &Plane, name: &Name, session: &str) -> Result<Agent, Problem> {
    let world = plane.world.read();
    plane.agents.in_session(&world, name, session).map_err(|why| refused(name, why))
}

/// The answer to give now; none while the node counts as Offline.
fn answer(plane: &Plane, name: &Name, agent: &Agent, since: Revision) -> Option<SyncResponse> {
    let news = news_for(&plane.world.read(), agent.node_id, since)?;
    let (mut log_requests, mut tenant_log_requests) = (Vec::new(), Vec::new());
    for wanted in plane.agents.log_requests(name, Instant::now()) {
        match wanted {
            WantedLog::Workload(request) => log_requests.push(request),
            WantedLog::Tenant(request) => tenant_log_requests.push(request),
        }
    }
    Some(SyncResponse {
        lease: plane.options.lease,
        at: clock::now(),
        revision: news.revision,
        assignments: news.assignments,
        tenants: news.tenants,
        log_requests,
        tenant_log_requests,
    })
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
