//! Whether a resource is where it should be: a pure function.

use std::collections::BTreeMap;

use tessera_types::api::ApplyResult;
use tessera_types::node::{DesiredNodeStatus, NodeStatus};
use tessera_types::tenant::TenantStatus;
use tessera_types::timed::{DesiredTimedStatus, Failure, TimedStatus};
use tessera_types::with_object;
use tessera_types::workload::{DesiredWorkloadStatus, Health, WorkloadStatus};
use tessera_types::{Host, Node, Object, Resource, ResourceKey, Tenant, Uid, WaitReason, Workload};

/// What a resource should come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// It is as it was declared: a workload runs (or has completed, or is stopped
    /// where that is wanted); a node takes workloads or not as it should; a host is
    /// Active; a session or a pod is admitted.
    Converged {
        /// The generation that was declared.
        generation: u64,
    },
    /// It should take place, and was over before it was declared again.
    Over {
        /// Why that does nothing.
        why: String,
    },
    /// Nothing is left on the node.
    Drained,
    /// The resource of this identity is gone.
    Gone {
        /// The identity.
        id: Uid,
    },
}

impl Goal {
    /// What is to come of what was declared, by what came of its declaration; none of
    /// what was refused. A session that `known` (before the declaration) has as over
    /// does not take place again.
    #[must_use]
    pub fn of(result: &ApplyResult, known: &BTreeMap<ResourceKey, Resource>) -> Option<Self> {
        let (key, generation) = (result.key.as_ref()?, result.generation?);
        let was_over = matches!(known.get(key), Some(Resource::Session(it)) if it.status.is_over());
        Some(match &result.note {
            Some(why) if was_over => Self::Over { why: why.clone() },
            _ => Self::Converged { generation },
        })
    }
}

/// What the resource says about its goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is there.
    Reached,
    /// It is on its way, and waits for this.
    Waiting(String),
    /// It will not come there by itself.
    Failed(String),
}

impl Verdict {
    /// Whether nothing is waited for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::Waiting(_))
    }
}

/// Judges a resource as it is known; none when it is not there.
#[must_use]
pub fn judge(goal: &Goal, resource: Option<&Resource>) -> Verdict {
    match (goal, resource) {
        (Goal::Gone { id }, Some(resource)) if resource.id() == *id => {
            Verdict::Waiting(reason(resource).unwrap_or_else(|| resource.status().to_owned()))
        }
        (Goal::Gone { .. }, _) => Verdict::Reached,
        (Goal::Over { why }, _) => Verdict::Failed(why.clone()),
        (Goal::Converged { .. }, None) => Verdict::Waiting("being declared".to_owned()),
        (Goal::Drained, None) => Verdict::Failed("the node is gone".to_owned()),
        (Goal::Drained, Some(resource)) => drained(resource),
        (Goal::Converged { generation }, Some(resource)) => converged(resource, *generation),
    }
}

/// What Tessera says that the resource waits for.
fn reason(resource: &Resource) -> Option<String> {
    let waiting = with_object!(resource, object => object.waiting_for.as_ref());
    waiting.map(|waiting| waiting.message.clone())
}

fn drained(resource: &Resource) -> Verdict {
    let Resource::Node(node) = resource else { return Verdict::Reached };
    match node.status {
        NodeStatus::Drained => Verdict::Reached,
        status => Verdict::Waiting(reason(resource).unwrap_or_else(|| status.to_string())),
    }
}

fn converged(resource: &Resource, generation: u64) -> Verdict {
    if resource.deletion_requested_at().is_some() {
        return Verdict::Failed("it is being deleted".to_owned());
    }
    if resource.generation() < generation {
        return Verdict::Waiting("being declared".to_owned());
    }
    let (verdict, trouble) = match resource {
        Resource::Node(node) => (node_verdict(node), None),
        Resource::Workload(workload) => {
            (workload_verdict(workload), workload.observed.trouble.clone())
        }
        Resource::Host(host) => (host_verdict(host), None),
        Resource::Tenant(tenant) => (tenant_verdict(tenant), None),
        // A session and a pod are admitted when they are there: their time comes by
        // itself. Nothing more is asked of a definition, a job or a report.
        _ => (Some(Verdict::Reached), None),
    };
    verdict.unwrap_or_else(|| {
        let words = reason(resource).or(trouble);
        Verdict::Waiting(words.unwrap_or_else(|| resource.status().to_owned()))
    })
}

/// The verdict on a node; none while it is on its way. One that should take
/// workloads needs no more than to be declared: whether its machine is on is
/// another matter.
fn node_verdict(node: &Object<Node>) -> Option<Verdict> {
    let is_reached = match node.desired_status {
        DesiredNodeStatus::Ready => true,
        DesiredNodeStatus::Cordoned => node.status == NodeStatus::Cordoned,
        DesiredNodeStatus::Drained => node.status == NodeStatus::Drained,
    };
    is_reached.then_some(Verdict::Reached)
}

/// The verdict on a tenant; none while it is on its way. A conflict stays until somebody
/// decides; what is Offline or failed may come back, and is waited for.
fn tenant_verdict(tenant: &Object<Tenant>) -> Option<Verdict> {
    let conflict = tenant.waiting_for.as_ref().filter(|it| it.reason == WaitReason::Conflict);
    match (tenant.status, conflict) {
        // What it was before this was declared says nothing.
        _ if tenant.observed.generation < tenant.generation => None,
        // A node that it is to leave still runs it.
        (TenantStatus::Installed, _) if tenant.waiting_for.is_some() => None,
        (TenantStatus::Installed, _) => Some(Verdict::Reached),
        (TenantStatus::Degraded, Some(conflict)) => Some(Verdict::Failed(conflict.message.clone())),
        _ => None,
    }
}

/// The verdict on a host; none while it is on its way. One whose window opens later
/// is waited for only until it is declared: its time comes by itself.
fn host_verdict(host: &Object<Host>) -> Option<Verdict> {
    let is_unwanted = host.desired_status == DesiredTimedStatus::TornDown;
    let is_for_later = host.spec.timeslot.is_some() && host.status == TimedStatus::Scheduled;
    match host.status {
        TimedStatus::Terminated if is_unwanted => Some(Verdict::Reached),
        TimedStatus::Active if !is_unwanted => Some(Verdict::Reached),
        TimedStatus::Failed | TimedStatus::Terminated => {
            let failure = host.observed.timed.failure.as_ref().map(Failure::to_string);
            let ended = || "its time is over".to_owned();
            Some(Verdict::Failed(failure.unwrap_or_else(ended)))
        }
        _ => is_for_later.then_some(Verdict::Reached),
    }
}

/// The verdict on a workload; none while it is on its way.
fn workload_verdict(workload: &Object<Workload>) -> Option<Verdict> {
    let observed = &workload.observed;
    // What was placed is what is declared; a new declaration is placed anew.
    let is_current = observed.placed_generation >= observed.launch_generation;
    let is_wanted = workload.desired_status == DesiredWorkloadStatus::Running;
    let reached = match workload.status {
        WorkloadStatus::Running => is_wanted && is_current && is_well(workload),
        WorkloadStatus::Completed => is_current || !is_wanted,
        WorkloadStatus::Stopped => !is_wanted || is_window_over(workload),
        WorkloadStatus::Failed if is_wanted => {
            // A Failed workload is started again as soon as anything is declared; one that
            // belongs to something only when it is launched anew.
            let is_final = match workload.owner {
                None => observed.placed_generation >= workload.generation,
                Some(_) => is_current,
            };
            return is_final.then(|| Verdict::Failed(why_failed(workload)));
        }
        WorkloadStatus::Failed => true,
        _ => false,
    };
    reached.then_some(Verdict::Reached)
}

fn is_well(workload: &Object<Workload>) -> bool {
    matches!(workload.observed.health, None | Some(Health::Healthy))
}

/// Whether it stopped because it may not run any more.
fn is_window_over(workload: &Object<Workload>) -> bool {
    workload.spec.not_after.is_some_and(|end| end <= workload.status_since)
}

fn why_failed(workload: &Object<Workload>) -> String {
    let reason = workload.state_history.last().map(|last| last.reason.clone());
    let exit = || workload.observed.last_exit.as_ref().map(|exit| exit.outcome.to_string());
    reason.or_else(exit).unwrap_or_else(|| "no reason is known".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use tessera_types::workload::WorkloadSpec;
    use tessera_types::{Actor, Kind, KindName, State, Timestamp, WaitingFor};

    fn workload(status: WorkloadStatus) -> Object<Workload> {
        let key = ResourceKey::new(KindName::Workload, None, "web".parse().unwrap());
        let spec = Arc::new(WorkloadSpec::default());
        let mut workload = Object::<Workload>::new(&key, spec, Actor::API, Timestamp::EPOCH);
        workload.status = status;
        workload.observed.placed_generation = 1;
        workload
    }

    fn judged(workload: Object<Workload>) -> Verdict {
        let goal = Goal::Converged { generation: workload.generation };
        judge(&goal, Some(&Workload::wrap(Arc::new(workload))))
    }

    #[test]
    fn running_counts_only_for_the_declared_generation_and_in_good_health() {
        assert_eq!(judged(workload(WorkloadStatus::Running)), Verdict::Reached);
        let mut old = workload(WorkloadStatus::Running);
        (old.generation, old.observed.launch_generation) = (2, 2);
        assert!(!judged(old).is_settled());
        let mut ill = workload(WorkloadStatus::Running);
        ill.observed.health = Some(Health::Unhealthy);
        assert!(!judged(ill).is_settled());
        let stale = Goal::Converged { generation: 2 };
        let running = Workload::wrap(Arc::new(workload(WorkloadStatus::Running)));
        assert!(!judge(&stale, Some(&running)).is_settled());
    }

    #[test]
    fn an_end_of_what_was_declared_before_says_nothing() {
        for status in [WorkloadStatus::Failed, WorkloadStatus::Completed] {
            let mut again = workload(status);
            (again.generation, again.observed.launch_generation) = (2, 2);
            assert!(!judged(again.clone()).is_settled(), "{status}");
            again.observed.placed_generation = 2;
            assert!(judged(again).is_settled(), "{status}");
        }
    }

    #[test]
    fn a_change_that_needs_no_start_leaves_a_completed_workload_alone() {
        let mut completed = workload(WorkloadStatus::Completed);
        completed.generation = 2;
        assert_eq!(judged(completed), Verdict::Reached);
    }

    #[test]
    fn a_workload_that_should_stop_has_converged_when_it_does_not_run() {
        let mut stopped = workload(WorkloadStatus::Stopped);
        assert!(!judged(stopped.clone()).is_settled());
        stopped.desired_status = DesiredWorkloadStatus::Stopped;
        assert_eq!(judged(stopped), Verdict::Reached);
        let mut running = workload(WorkloadStatus::Running);
        running.desired_status = DesiredWorkloadStatus::Stopped;
        assert!(!judged(running).is_settled());
    }

    #[test]
    fn another_resource_under_the_name_means_that_the_old_one_is_gone() {
        let web = Workload::wrap(Arc::new(workload(WorkloadStatus::Running)));
        assert!(!judge(&Goal::Gone { id: Uid(0) }, Some(&web)).is_settled());
        assert_eq!(judge(&Goal::Gone { id: Uid(1) }, Some(&web)), Verdict::Reached);
        assert_eq!(judge(&Goal::Gone { id: Uid(1) }, None), Verdict::Reached);
    }

    #[test]
    fn a_node_is_drained_when_it_says_so() {
        let key = ResourceKey::new(KindName::Node, None, "node-a".parse().unwrap());
        let node = Object::<Node>::new(&key, Arc::default(), Actor::API, Timestamp::EPOCH);
        for status in NodeStatus::ALL {
            let mut node = node.clone();
            node.status = *status;
            let verdict = judge(&Goal::Drained, Some(&Node::wrap(Arc::new(node))));
            assert_eq!(verdict.is_settled(), *status == NodeStatus::Drained, "{status}");
        }
    }

    #[test]
    fn a_tenant_that_was_installed_before_it_was_changed_has_not_converged() {
        let key = ResourceKey::new(KindName::Tenant, None, "circ".parse().unwrap());
        let mut tenant = Object::<Tenant>::new(&key, Arc::default(), Actor::API, Timestamp::EPOCH);
        tenant.status = TenantStatus::Installed;
        (tenant.generation, tenant.observed.generation) = (2, 1);
        let goal = Goal::Converged { generation: 2 };
        assert!(!judge(&goal, Some(&Tenant::wrap(Arc::new(tenant.clone())))).is_settled());
        tenant.observed.generation = 2;
        let judged =
            |tenant: &Object<Tenant>| judge(&goal, Some(&Tenant::wrap(Arc::new(tenant.clone()))));
        assert_eq!(judged(&tenant), Verdict::Reached);
        // It has moved, and the node that it was on has it still.
        let message = "n1 to remove it".to_owned();
        let waiting = WaitingFor {
            reason: WaitReason::Agent,
            message: message.clone(),
            since: Timestamp::EPOCH,
            until: None,
        };
        tenant.waiting_for = Some(waiting);
        assert_eq!(judged(&tenant), Verdict::Waiting(message));
    }

    #[test]
    fn a_host_is_there_when_it_can_take_pods() {
        let Resource::Host(host) = crate::fixture::host() else { panic!("it is a host") };
        for status in TimedStatus::ALL {
            let mut host = (*host).clone();
            host.status = *status;
            let verdict =
                judge(&Goal::Converged { generation: 1 }, Some(&Host::wrap(Arc::new(host))));
            let expected = match status {
                TimedStatus::Active => Some(true),
                TimedStatus::Failed | TimedStatus::Terminated => Some(false),
                _ => None,
            };
            let found = verdict.is_settled().then_some(verdict == Verdict::Reached);
            assert_eq!(found, expected, "{status}");
        }
    }

    proptest! {
        #[test]
        fn nothing_on_its_way_is_settled(status in prop::sample::select(WorkloadStatus::ALL)) {
            let at_rest = matches!(
                status,
                WorkloadStatus::Running | WorkloadStatus::Completed | WorkloadStatus::Failed
            );
            prop_assert_eq!(judged(workload(status)).is_settled(), at_rest);
        }
    }
}
