//! The manager of workloads.
//!
//! Where a copy may be alive, nothing is assumed of it: it is told to stop and
//! its agent says that it has, or its node has been silent for so long that it
//! cannot be alive (`on_disconnect: stop`), or it may be doubled by declaration
//! (`on_disconnect: keep`). Only then is the workload placed again, under a new
//! epoch. The workload of a job is placed once, and never again.

use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_scheduler::{Demand, Refusal};
use tessera_types::node::DesiredNodeStatus;
use tessera_types::workload::{Assigned, DesiredWorkloadStatus, OnDisconnect, WorkloadStatus};
use tessera_types::{
    Actor, BootTime, Duration, Edit, Epoch, IllegalTransition, KindName, Name, Node, Now, Object,
    State, Timestamp, Transition, Uid, WaitReason, Workload, Write,
};

use crate::manager::{Manager, Plan};
use crate::node::stopped_by;
use crate::world::World;

/// Why a workload is given up; see [`tessera_types::limits::WRITE_TRIES_MAX`].
const GIVEN_UP: &str = "the store refuses what is to be written of it, see the control plane's log; a change of its spec tries again";

/// Reconciles workloads.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkloadManager;

impl Manager for WorkloadManager {
    type Kind = Workload;

    fn reconcile(&self, workload: &Arc<Object<Workload>>, world: &World, now: Now) -> Plan {
        let look = Look { workload, world, now };
        let plan = if workload.status.holds_node() { look.placed() } else { look.unplaced() };
        // The machine has every arrow that is used here; a missing one is a
        // mistake of ours, found by the tests, and must not stop the loop.
        plan.unwrap_or_else(|illegal| {
            debug_assert!(false, "{illegal}");
            Plan::nothing()
        })
    }
}

impl WorkloadManager {
    /// What becomes of a workload that a node was found for.
    #[must_use]
    pub fn take(workload: &Arc<Object<Workload>>, id: Uid, name: Name, now: Now) -> Plan {
        take(workload, id, name, now.wall).unwrap_or_default()
    }

    /// What becomes of a workload that no node takes. If it `is_told` much the
    /// same already, it stays as it is.
    #[must_use]
    pub fn refused(
        workload: &Arc<Object<Workload>>,
        world: &World,
        refusal: &Refusal,
        is_told: bool,
        now: Now,
    ) -> Plan {
        Look { workload, world, now }.refused(refusal, is_told)
    }

    /// What becomes of a workload of which the store refuses what is to be
    /// written, time and again; none where that would claim what is not known:
    /// a copy of it may be alive, or it is to disappear.
    #[must_use]
    pub fn give_up(workload: &Arc<Object<Workload>>, now: Timestamp) -> Option<Plan> {
        let is_at_rest = matches!(workload.status, WorkloadStatus::Failed);
        if workload.status.holds_node() || workload.deletion_requested_at.is_some() || is_at_rest {
            return None;
        }
        let mut edit = Edit::of(workload, now);
        for step in workload.status.path_to(WorkloadStatus::Failed)? {
            edit.transition(step, Actor::RECONCILER, GIVEN_UP).ok()?;
        }
        // Only another generation of it is worth another try.
        edit.object.observed.placed_generation = workload.generation;
        Some(Plan::of(edit))
    }
}

/// What a node has closed is placed again after so long, if as much is left of its window then.
const CLOSED_EARLY: Duration = Duration::from_secs(60);
const CLOSED_EARLY_WHY: &str =
    "its node has closed its window too early, by its clock: the pause before it is placed again";

/// Why a copy is to be stopped.
enum StopCause {
    Deleted,
    NotWanted,
    SpecChanged,
    NodeLeaves,
    NodeDiffers(String),
}

struct Look<'a> {
    workload: &'a Arc<Object<Workload>>,
    world: &'a World,
    now: Now,
}

type Planned = Result<Plan, IllegalTransition>;

impl Look<'_> {
    fn edit(&self) -> Edit<Workload> {
        Edit::of(self.workload, self.now.wall)
    }

    fn is_deleted(&self) -> bool {
        self.workload.deletion_requested_at.is_some()
    }

    fn is_wanted(&self) -> bool {
        !self.is_deleted() && self.workload.desired_status == DesiredWorkloadStatus::Running
    }

    fn is_window_over(&self) -> bool {
        self.workload.spec.not_after.is_some_and(|end| end <= self.now.wall)
    }

    // No copy is alive anywhere.

    fn unplaced(&self) -> Planned {
        if self.is_deleted() {
            let write =
                Write::delete(self.workload, Actor::RECONCILER, "deleted as asked", self.now.wall);
            return Ok(Plan::write(write));
        }
        match self.workload.status {
            WorkloadStatus::Pending => self.pending(),
            _ => self.ended(),
        }
    }

    /// Until when its window counts as closed, because it was by its node's clock: to its end where
    /// that is near, as the clocks of nodes are not quite ours, and for a pause where that clock was
    /// wrong. It may still be, and would stop it again.
    fn closed_until(&self) -> Option<Timestamp> {
        let end = self.workload.spec.not_after?;
        let is_as_placed = self.workload.generation == self.workload.observed.placed_generation;
        if !is_as_placed || !is_closed_by_node(self.workload) {
            return None;
        }
        // Where the clock was set back, the pause is counted from the first look after that.
        let waiting = self.workload.waiting_for.as_ref();
        let said = waiting.filter(|it| it.reason == WaitReason::Backoff).and_then(|it| it.until);
        let said = said.filter(|until| *until <= self.now.wall.plus(CLOSED_EARLY));
        let since = self.workload.status_since.min(self.now.wall);
        let counted = || Some(since.plus(CLOSED_EARLY)).filter(|at| at.plus(CLOSED_EARLY) < end);
        Some(said.or_else(counted).unwrap_or(end))
    }

    fn pending(&self) -> Planned {
        let mut edit = self.edit();
        if !self.is_wanted() {
            edit.transition(WorkloadStatus::Stopped, Actor::RECONCILER, "it is not wanted")?;
            return Ok(Plan::of(edit));
        }
        if self.is_window_over() {
            edit.transition(
                WorkloadStatus::Stopped,
                Actor::RECONCILER,
                "its not_after has passed",
            )?;
            return Ok(Plan::of(edit));
        }
        if let Some(start) = self.workload.spec.not_before.filter(|start| *start > self.now.wall) {
            edit.wait_for(
                WaitReason::NotBefore,
                &format!("its not_before, {}", start.second_before()),
                Some(start),
            );
            return Ok(Plan::of(edit).look_again_at(Some(start)));
        }
        Ok(Plan { wants_node: Some(Demand::of(self.workload)), ..Plan::nothing() }
            .look_again_at(self.workload.spec.not_after))
    }

    /// Whether it is of a job, which runs once: what comes of it is the job's to
    /// say, and another run is another try with a job of its own.
    fn is_of_job(&self) -> bool {
        let owner = self.workload.owner.as_ref().filter(|_| !planted(Bug::JobPlacedAgain));
        owner.is_some_and(|owner| owner.kind == KindName::Job)
    }

    /// Stopped, Completed or Failed: at rest, unless something is wanted that
    /// it was not placed for.
    fn ended(&self) -> Planned {
        let observed = &self.workload.observed;
        let is_launched_anew = observed.launch_generation > observed.placed_generation;
        let changed = match self.workload.status {
            _ if self.is_of_job() => false,
            WorkloadStatus::Completed => is_launched_anew,
            // Whoever owns it changes its window and the like, and has still to see
            // that it failed; only a person means any change as another try.
            WorkloadStatus::Failed if self.workload.owner.is_some() => is_launched_anew,
            WorkloadStatus::Failed => self.workload.generation > observed.placed_generation,
            _ => true,
        };
        let mut edit = self.edit();
        if !self.is_wanted() || self.is_window_over() || !changed {
            edit.wait_for_nothing();
            return Ok(Plan::of(edit));
        }
        if let Some(until) = self.closed_until().filter(|until| *until > self.now.wall) {
            if self.workload.spec.not_after == Some(until) {
                edit.wait_for_nothing();
                return Ok(Plan::of(edit));
            }
            edit.wait_for(WaitReason::Backoff, CLOSED_EARLY_WHY, Some(until));
            return Ok(Plan::of(edit).look_again_at(Some(until)));
        }
        let reason = match self.workload.status {
            WorkloadStatus::Stopped => "it is wanted",
            _ => "its spec changed",
        };
        edit.transition(WorkloadStatus::Pending, Actor::RECONCILER, reason)?;
        Ok(Plan::of(edit))
    }

    // A copy may be alive on a node.

    fn placed(&self) -> Planned {
        let node = self.node();
        if self.workload.status == WorkloadStatus::Lost {
            return match node {
                Some(node) if node.status.is_reachable() => self.found_again(node),
                Some(node) => self.lost(node),
                None => self.dead("its node is gone"),
            };
        }
        match node {
            Some(node) if node.status.is_reachable() => self.reachable(node),
            Some(node) => {
                let reason = format!("{} is Offline", node.name);
                let mut edit = self.edit();
                edit.transition(WorkloadStatus::Lost, Actor::RECONCILER, reason)?;
                Ok(Plan::of(edit))
            }
            None => {
                let mut edit = self.edit();
                edit.transition(WorkloadStatus::Lost, Actor::RECONCILER, "its node is gone")?;
                Ok(Plan::of(edit))
            }
        }
    }

    fn node(&self) -> Option<&Arc<Object<Node>>> {
        let assigned = self.workload.observed.assigned.as_ref()?;
        self.world.nodes.get(assigned.node_id)
    }

    fn reachable(&self, node: &Object<Node>) -> Planned {
        let mut edit = self.edit();
        if self.workload.status == WorkloadStatus::Stopping {
            self.wait_for_stop(&mut edit, node);
            return Ok(Plan::of(edit));
        }
        if let Some(cause) = self.stop_cause(node) {
            edit.transition(WorkloadStatus::Stopping, Actor::RECONCILER, cause.reason(node))?;
            self.wait_for_stop(&mut edit, node);
            return Ok(Plan::of(edit));
        }
        self.wait_for_agent(&mut edit, node);
        Ok(Plan::of(edit))
    }

    fn stop_cause(&self, node: &Object<Node>) -> Option<StopCause> {
        let observed = &self.workload.observed;
        let unmet = || {
            let mut constraints = self.workload.spec.constraints.iter();
            constraints.find(|constraint| !constraint.allows(node.label(&constraint.label)))
        };
        if self.is_deleted() {
            Some(StopCause::Deleted)
        } else if !self.is_wanted() {
            Some(StopCause::NotWanted)
        } else if observed.launch_generation > observed.placed_generation {
            Some(StopCause::SpecChanged)
        } else if node.deletion_requested_at.is_some()
            || node.desired_status == DesiredNodeStatus::Drained && !planted(Bug::DrainIgnored)
        {
            Some(StopCause::NodeLeaves)
        } else {
            unmet().map(|constraint| StopCause::NodeDiffers(constraint.to_string()))
        }
    }

    fn wait_for_stop(&self, edit: &mut Edit<Workload>, node: &Object<Node>) {
        match &self.workload.observed.trouble {
            Some(trouble) => edit.wait_for(WaitReason::Unkillable, trouble, None),
            None => {
                let grace = self.workload.spec.stop.grace;
                let message = format!("its copy on {} to stop (grace {grace})", node.name);
                edit.wait_for(WaitReason::Stop, &message, None);
            }
        }
    }

    fn wait_for_agent(&self, edit: &mut Edit<Workload>, node: &Object<Node>) {
        let observed = &self.workload.observed;
        let node = &node.name;
        match self.workload.status {
            WorkloadStatus::Scheduled => {
                let message = format!("the agent of {node} to take it over");
                edit.wait_for(WaitReason::Agent, &message, None);
            }
            WorkloadStatus::Provisioning => {
                let message = match (&observed.trouble, &observed.health) {
                    (Some(trouble), _) => trouble.clone(),
                    (None, Some(_)) => format!("its health check on {node} to pass"),
                    (None, None) => format!("its start on {node}"),
                };
                edit.wait_for(WaitReason::Start, &message, None);
            }
            // Every other pause has an end.
            WorkloadStatus::BackingOff if observed.next_start_at.is_none() => {
                let message = format!("the agent of {node}, together with which it was stopped");
                edit.wait_for(WaitReason::Agent, &message, None);
            }
            WorkloadStatus::BackingOff => {
                let why = observed
                    .last_exit
                    .as_ref()
                    .map_or_else(String::new, |exit| format!("it {}: ", exit.outcome));
                let message = format!("{why}the pause before its next start on {node}");
                edit.wait_for(WaitReason::Backoff, &message, observed.next_start_at);
            }
            _ => edit.wait_for_nothing(),
        }
    }

    // Its node is Offline.

    /// The node is heard of again and the copy may never have noticed: it goes
    /// on where it was, and the agent says what has happened meanwhile.
    fn found_again(&self, node: &Object<Node>) -> Planned {
        let before = self.workload.state_history.iter().rev().find_map(|transition| {
            (transition.to == WorkloadStatus::Lost).then_some(transition.from).flatten()
        });
        let goal = match before {
            Some(
                status @ (WorkloadStatus::Running
                | WorkloadStatus::BackingOff
                | WorkloadStatus::Stopping),
            ) => status,
            _ => WorkloadStatus::Provisioning,
        };
        let mut edit = self.edit();
        let reason = format!("{} is back before it was replaced", node.name);
        edit.transition(goal, Actor::RECONCILER, reason)?;
        Ok(Plan::of(edit))
    }

    fn lost(&self, node: &Object<Node>) -> Planned {
        let assigned = self.workload.observed.assigned.as_ref();
        if assigned.is_some_and(|assigned| assigned.on_disconnect == OnDisconnect::Stop) {
            let stopped_by = stopped_by(node, self.world);
            if self.now.boot < stopped_by && !planted(Bug::PlacedBeforeStopped) {
                return Ok(self.wait_for_certainty(node, stopped_by));
            }
            return self.dead(&format!("{} has stopped its copy by now", node.name));
        }
        if node.deletion_requested_at.is_some() {
            return self.dead(&format!("{} is given up", node.name));
        }
        if self.is_wanted() && !self.is_window_over() {
            return Ok(Plan { wants_node: Some(Demand::of(self.workload)), ..Plan::nothing() });
        }
        let mut edit = self.edit();
        let message = format!(
            "{} to come back and stop its copy; if it is gone for good, delete node/{}",
            node.name, node.name
        );
        edit.wait_for(WaitReason::NodeOffline, &message, None);
        Ok(Plan::of(edit))
    }

    fn wait_for_certainty(&self, node: &Object<Node>, stopped_by: BootTime) -> Plan {
        let mut edit = self.edit();
        let shown = node.observed.stopped_by.unwrap_or_else(|| self.now.wall_at(stopped_by));
        let message = format!(
            "{} is Offline; by {} it has stopped its copy (on_disconnect: stop)",
            node.name,
            shown.second_after()
        );
        edit.wait_for(WaitReason::NodeOffline, &message, Some(shown));
        Plan::of(edit).look_again_after(Some(stopped_by))
    }

    /// No copy of it is alive: it is free to be placed again, or to go. That of a
    /// job has run, as far as anybody knows.
    fn dead(&self, reason: &str) -> Planned {
        let mut edit = self.edit();
        if self.is_wanted() && !self.is_of_job() {
            edit.transition(WorkloadStatus::Pending, Actor::RECONCILER, reason)?;
        } else {
            edit.transition(WorkloadStatus::Stopping, Actor::RECONCILER, reason)?;
            edit.transition(WorkloadStatus::Stopped, Actor::RECONCILER, reason)?;
        }
        let observed = &mut edit.object.observed;
        observed.assigned = None;
        observed.instance = None;
        observed.next_start_at = None;
        observed.trouble = None;
        Ok(Plan::of(edit))
    }

    // No node was found.

    fn refused(&self, refusal: &Refusal, is_told: bool) -> Plan {
        let offline = self.node().filter(|_| self.workload.status == WorkloadStatus::Lost);
        let (reason, message) = match offline {
            Some(node) => (
                WaitReason::NodeOffline,
                format!("{} is Offline, and no other node takes it: {refusal}", node.name),
            ),
            None => (WaitReason::NoNodeFits, refusal.to_string()),
        };
        let waits_for = self.workload.waiting_for.as_ref().map(|waiting| waiting.reason);
        let mut edit = self.edit();
        if (!is_told || waits_for != Some(reason)) && !planted(Bug::WaitNotSaid) {
            edit.wait_for(reason, &message, None);
        }
        Plan::of(edit).look_again_at(self.workload.spec.not_after)
    }
}

/// Whether its node has stopped it unasked, which it does where the window is over by its clock. How its last
/// run ended does not say that: it may have had none there, and ended in a pause or before its start.
pub(crate) fn is_closed_by_node(workload: &Object<Workload>) -> bool {
    use WorkloadStatus::{Lost, Stopped, Stopping};
    let is_of_end =
        |step: &&Transition<WorkloadStatus>| matches!(step.to, Stopping | Lost | Stopped);
    let mut end = workload.state_history.iter().rev().take_while(is_of_end).peekable();
    let by_agent = |step: &Transition<WorkloadStatus>| step.by.is_agent();
    workload.status == Stopped
        && end.peek().is_some_and(|last| last.from == Some(Stopping))
        && end.all(|step| step.to == Lost || by_agent(step))
}

/// A node was found.
fn take(workload: &Arc<Object<Workload>>, node_id: Uid, node: Name, now: Timestamp) -> Planned {
    let mut edit = Edit::of(workload, now);
    if workload.status == WorkloadStatus::Lost {
        let from = workload.observed.assigned.as_ref().map(|assigned| &assigned.node);
        let reason = match from {
            Some(from) => format!("{from} is Offline: it moves to {node}"),
            None => format!("it moves to {node}"),
        };
        edit.transition(WorkloadStatus::Pending, Actor::RECONCILER, reason)?;
    }
    let epoch = workload.observed.epoch;
    let epoch = if planted(Bug::EpochReused) { epoch.max(Epoch(1)) } else { epoch.next() };
    let reason = format!("placed on {node}");
    edit.transition(WorkloadStatus::Scheduled, Actor::RECONCILER, reason)?
        .with("node", &node)
        .with("epoch", epoch);
    let generation = workload.generation;
    let observed = &mut edit.object.observed;
    observed.epoch = epoch;
    observed.placed_generation = generation;
    observed.last_node = Some(node.clone());
    observed.report_seq = 0;
    observed.restarts = 0;
    observed.instance = None;
    observed.next_start_at = None;
    observed.health = None;
    observed.trouble = None;
    let message = format!("the agent of {node} to take it over");
    observed.assigned = Some(Assigned {
        node,
        node_id,
        since: now,
        resources: workload.spec.resources,
        on_disconnect: workload.spec.on_disconnect,
        ports: workload.spec.ports.clone(),
    });
    edit.wait_for(WaitReason::Agent, &message, None);
    Ok(Plan::of(edit))
}

impl StopCause {
    fn reason(&self, node: &Object<Node>) -> String {
        match self {
            Self::Deleted => "it is being deleted".to_owned(),
            Self::NotWanted => "it is not wanted".to_owned(),
            Self::SpecChanged => "its spec changed".to_owned(),
            Self::NodeLeaves => format!("{} is being drained", node.name),
            Self::NodeDiffers(constraint) => {
                format!("{} does not have {constraint} any more", node.name)
            }
        }
    }
}
