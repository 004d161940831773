//! What each reason to wait claims of whoever gives it, and whether that is so; and who may be
//! silent, as nothing more is to happen to it.
//!
//! The one idea: a table of predicates, by kind and reason, that count for themselves what is
//! there. A reason that a kind has no predicate for is one that it never has to give, so that is
//! a mistake, too.
//!
//! | reason | claimed by | so it must be |
//! |---|---|---|
//! | `no_node_fits` | workloads, tenants | no node has room that is not promised, where it says so; none has the labels, or some have no room |
//! | `not_before` | workloads | its window opens then |
//! | `agent` | workloads, nodes, tenants; phases and jobs whose time is over | its node is reachable, and it is at the agent to act; a node was not heard of |
//! | `start`, `backoff`, `stop`, `unkillable` | workloads | it is in that state, on a node that is reachable |
//! | `backoff` | phases | one is in its pause, which ends then |
//! | `node_offline` | workloads, tenants | a node that it is on is |
//! | `children` | nodes, hosts, sessions, parts, pods, jobs, reports | so many as it says are there, and not over |
//! | `no_host_fits` | pods | it has no host. Whether there is one for it is not asked: here each is admitted with its host |
//! | `overbooked` | hosts | at some time more is held of it than it has |
//! | `time` | sessions, parts, pods, hosts | its own window says so, and that is to come |
//! | `gate` | parts, pods | a part before it keeps it shut, or its session has not begun; its part has not begun |
//! | `phase` | parts, pods, hosts, jobs | a phase is under way and has something to wait for; or it has failed and nobody has asked for a retry |
//! | `engine` | phases | there is no engine, and here there always is one: what is told of one that is away or busy is the engine link's, whose own tests have it |
//! | `conflict` | tenants | something is in the way on a node that is reachable |
//!
//! A session whose part waits says what that says, to the letter.

mod session;
#[cfg(test)]
mod tests;
mod timed;
pub(super) mod workload;

use std::collections::BTreeSet;

use tessera_reconciler::World;
use tessera_types::job::JobStatus;
use tessera_types::node::NodeStatus;
use tessera_types::report::ReportStatus;
use tessera_types::tenant::{TenantNode, TenantNodeState, TenantStatus};
use tessera_types::timed::{PhaseState, TimedStatus};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{
    Duration, Job, KindName, Name, Node, Object, Report, Resource, SessionPart, Tenant, Timestamp,
    Uid, WaitReason, WaitingFor, Workload, with_object,
};

/// So much time may pass between a time and what follows from it.
pub(super) const SLACK: Duration = Duration::from_secs(2);

/// What is looked at, and what is known besides.
pub(super) struct Look<'a> {
    pub(super) world: &'a World,
    pub(super) wall: Timestamp,
    /// The nodes that were heard of so lately that they are not Offline.
    pub(super) heard: BTreeSet<Uid>,
}

/// Whether what a resource says that it waits for is so; or else what is.
pub(super) fn tells_the_truth(look: &Look<'_>, resource: &Resource) -> Result<(), String> {
    let waiting = with_object!(resource, object => object.waiting_for.clone());
    let Some(waiting) = waiting else {
        return match may_be_silent(look, resource) {
            true => Ok(()),
            false => Err("and waits for nothing".to_owned()),
        };
    };
    let is_so = match resource {
        Resource::Node(node) => node_is_right(look, node, &waiting),
        Resource::Workload(workload) => return workload::is_right(look, workload, &waiting),
        Resource::Session(session) => session::session_is_right(look, session, &waiting),
        Resource::SessionPart(part) => session::part_is_right(look, part, &waiting),
        Resource::Pod(pod) => timed::pod_is_right(look, pod, &waiting),
        Resource::Host(host) => timed::host_is_right(look, host, &waiting),
        Resource::Job(job) => job_is_right(look, job, &waiting),
        Resource::Report(report) => report_is_right(look, report, &waiting),
        Resource::Tenant(tenant) => tenant_is_right(look, tenant, &waiting),
        // What is in the catalogue has no life.
        _ => false,
    };
    if is_so { Ok(()) } else { Err("and that is not so".to_owned()) }
}

/// Whether nothing more is to happen to it by itself, and nothing of it is under way.
fn may_be_silent(look: &Look<'_>, resource: &Resource) -> bool {
    let is_deleted = resource.deletion_requested_at().is_some();
    match resource {
        Resource::Node(node) => {
            !is_deleted && !matches!(node.status, NodeStatus::Draining | NodeStatus::Offline)
        }
        Resource::Workload(workload) => workload::is_at_rest(workload),
        Resource::Session(session) => session::may_be_silent(look, session),
        Resource::SessionPart(part) => timed::may_be_silent(part),
        Resource::Pod(pod) => timed::may_be_silent(pod),
        Resource::Host(host) => timed::may_be_silent(host),
        Resource::Job(job) => job.status.is_over() && !is_deleted,
        Resource::Report(report) => report.status != ReportStatus::Pending && !is_deleted,
        Resource::Tenant(tenant) => {
            let is_there = |on: &TenantNode| on.state == TenantNodeState::Installed;
            tenant.status == TenantStatus::Installed && tenant.observed.nodes.iter().all(is_there)
        }
        _ => true,
    }
}

/// The numbers in a text, in their order.
fn numbers(text: &str) -> Vec<usize> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The name that follows `prefix` at the beginning of a text.
fn named<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    text.strip_prefix(prefix)?.split([':', ' ', ',']).next()
}

/// What of a kind belongs to this owner, by its own word.
fn is_of<K: tessera_types::Kind>(object: &Object<K>, owner: Uid) -> bool {
    object.owner.as_ref().is_some_and(|it| it.id == owner)
}

fn workloads_of(world: &World, owner: Uid) -> impl Iterator<Item = &Object<Workload>> {
    world.workloads.iter().map(AsRef::as_ref).filter(move |one| is_of(one, owner))
}

fn is_reachable(world: &World, node: Uid) -> bool {
    world.nodes.get(node).is_some_and(|node| node.status.is_reachable())
}

/// Whether a workload has a node that can be asked about it.
fn is_placed_within_reach(world: &World, workload: &Object<Workload>) -> bool {
    let assigned = workload.observed.assigned.as_ref();
    assigned.is_some_and(|assigned| is_reachable(world, assigned.node_id))
}

fn node_is_right(look: &Look<'_>, node: &Object<Node>, waiting: &WaitingFor) -> bool {
    match waiting.reason {
        WaitReason::Children => {
            let is_here = |one: &&std::sync::Arc<Object<Workload>>| {
                one.observed.assigned.as_ref().is_some_and(|it| it.node_id == node.id)
            };
            let count = look.world.workloads.iter().filter(is_here).count();
            node.status == NodeStatus::Draining && count > 0 && numbers(&waiting.message) == [count]
        }
        WaitReason::Agent => node.status == NodeStatus::Offline && !look.heard.contains(&node.id),
        _ => false,
    }
}

fn job_is_right(look: &Look<'_>, job: &Object<Job>, waiting: &WaitingFor) -> bool {
    use WorkloadStatus::{Completed, Failed, Stopped};
    let mut workloads = workloads_of(look.world, job.id);
    match waiting.reason {
        WaitReason::Phase => match workloads.next() {
            Some(workload) => {
                job.status == JobStatus::Running
                    && !matches!(workload.status, Completed | Failed | Stopped)
                    && named(&waiting.message, "workload/") == Some(workload.name.as_str())
            }
            None => job.status == JobStatus::Pending && job.observed.definition.is_none(),
        },
        // Its time is over, and what came of it is not known.
        WaitReason::Agent => {
            job.status == JobStatus::Running
                && job.observed.deadline.is_some_and(|deadline| deadline <= look.wall)
                && workloads.any(|one| is_placed_within_reach(look.world, one))
        }
        WaitReason::Children => {
            job.status.is_over()
                && job.deletion_requested_at.is_some()
                && workloads.next().is_some()
        }
        _ => false,
    }
}

/// It is made when all that it is made of is there.
fn report_is_right(look: &Look<'_>, report: &Object<Report>, waiting: &WaitingFor) -> bool {
    let (is_pending, what) = (report.status == ReportStatus::Pending, waiting.message.as_str());
    if waiting.reason != WaitReason::Children || !is_pending {
        return false;
    }
    let Some(owner) = &report.owner else { return true };
    if owner.kind == KindName::SessionPart {
        let Some(part) = look.world.session_parts.get(owner.id) else { return false };
        return match named(what, "job/") {
            Some(name) => {
                let mut jobs = look.world.jobs.iter().filter(|job| is_of(job, owner.id));
                jobs.any(|job| job.name.as_str() == name && !job.status.is_over())
            }
            None => named(what, "phase ").is_some_and(|phase| is_ungraded(part, phase)),
        };
    }
    let mut parts = look.world.session_parts.iter().filter(|part| is_of(part, owner.id));
    match named(what, "report/") {
        Some(name) => {
            let is_missing = |other: &Object<Report>| {
                other.name.as_str() == name && other.status == ReportStatus::Pending
            };
            parts.any(|part| {
                look.world.reports.iter().any(|other| is_of(other, part.id) && is_missing(other))
            })
        }
        None => parts.any(|part| part.status != TimedStatus::Terminated),
    }
}

/// Whether a phase that grades a part has still to do so.
fn is_ungraded(part: &Object<SessionPart>, phase: &str) -> bool {
    use TimedStatus::{Active, Grading, Provisioning, Ready, Scheduled};
    let is_done = |state| matches!(state, PhaseState::Done | PhaseState::Failed);
    let phases = &part.observed.timed.phases;
    let run = || phases.iter().find(|run| run.name.as_str() == phase);
    match part.status {
        Grading => run().is_none_or(|run| !is_done(run.state)),
        Scheduled | Provisioning | Ready | Active => part.observed.graded_at.is_none(),
        _ => false,
    }
}

fn tenant_is_right(look: &Look<'_>, tenant: &Object<Tenant>, waiting: &WaitingFor) -> bool {
    use TenantNodeState::{Conflict, Installed};
    let world = look.world;
    let mut on = tenant.observed.nodes.iter();
    let within_reach = |on: &&TenantNode| is_reachable(world, on.node_id);
    match waiting.reason {
        WaitReason::Conflict => on.filter(within_reach).any(|on| on.state == Conflict),
        WaitReason::Agent => {
            on.filter(within_reach).any(|on| !matches!(on.state, Installed | Conflict))
        }
        WaitReason::NodeOffline => on.any(|on| !is_reachable(world, on.node_id)),
        WaitReason::NoNodeFits => {
            let listed: Vec<&Name> = on.map(|on| &on.node).collect();
            let is_chosen = |node: &&std::sync::Arc<Object<Node>>| {
                let labels = node.effective_labels();
                tenant.spec.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            };
            let chosen: Vec<_> = world.nodes.iter().filter(is_chosen).collect();
            // One that it selects, and is not on, has no room.
            chosen.is_empty() || chosen.iter().any(|node| !listed.contains(&&node.name))
        }
        _ => false,
    }
}
