//! The manager of hosts: whether they can be used, and what they have.

use std::sync::Arc;

use tessera_scheduler::calendar::Calendar;
use tessera_types::catalogue::{HostDefinitionSpec, HostType};
use tessera_types::host::LargestNode;
use tessera_types::node::{DesiredNodeStatus, NodeStatus};
use tessera_types::timed::{DesiredTimedStatus, Failure, Outcome, Request, TimedStatus, Timeslot};
use tessera_types::{Host, IllegalTransition, Job, Node, Now, Object, WaitReason, limits};

use crate::manager::{Manager, Plan};
use crate::timed::{
    Done, Phases, Step, begins_anew, clear_gone, end_jobs, end_own_jobs, force, left_in_words,
    reason_with, run_phases, undone, waits_for_engine,
};
use crate::world::World;

/// Reconciles hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostManager;

impl Manager for HostManager {
    type Kind = Host;

    fn reconcile(&self, host: &Arc<Object<Host>>, world: &World, now: Now) -> Plan {
        let Some(slot) = host.observed.timed.timeslot else { return Plan::nothing() };
        let Some(definition) = &host.observed.definition else { return Plan::nothing() };
        let step = Step::of(host, world, now);
        if host.deletion_requested_at.is_some() && host.status == TimedStatus::Terminated {
            return remove(step);
        }
        Look { slot, definition: &definition.spec, step }.go().unwrap_or_else(|illegal| {
            debug_assert!(false, "{illegal}");
            Plan::nothing()
        })
    }
}

fn remove(mut step: Step<'_, Host>) -> Plan {
    let jobs: Vec<_> = step.owned::<Job>().collect();
    if jobs.is_empty() {
        return if waits_for_engine(&mut step) { step.finish() } else { step.remove() };
    }
    jobs.iter().for_each(|job| step.ask_to_delete(job));
    step.wait(WaitReason::Children, "its jobs to be deleted", None);
    step.finish()
}

struct Look<'a> {
    slot: Timeslot,
    definition: &'a HostDefinitionSpec,
    step: Step<'a, Host>,
}

impl Look<'_> {
    fn go(mut self) -> Result<Plan, IllegalTransition> {
        if self.definition.host_type == HostType::NodeGroup {
            self.count_nodes();
        }
        match self.step.object().status {
            TimedStatus::Scheduled => self.scheduled()?,
            TimedStatus::Provisioning => self.provisioning()?,
            TimedStatus::Ready => self.ready()?,
            TimedStatus::Active | TimedStatus::Grading => self.active()?,
            TimedStatus::Failed => self.failed()?,
            TimedStatus::TearingDown => self.tearing_down()?,
            TimedStatus::Terminated => clear_gone(&mut self.step, |_| false),
        }
        Ok(self.step.finish())
    }

    fn count_nodes(&mut self) {
        let nodes: Vec<_> = self.step.world.nodes_of(self.step.id()).collect();
        take_nodes(&mut self.step.edit.object, self.definition, nodes.into_iter());
    }

    /// Why it has to end whatever the time, if it has to.
    fn given_up(&self) -> Option<(Outcome, &'static str)> {
        let host = self.step.object();
        if host.deletion_requested_at.is_some() {
            return Some((Outcome::Cancelled, "it is being deleted"));
        }
        if host.desired_status == DesiredTimedStatus::TornDown {
            return Some((Outcome::Cancelled, "it is not wanted any more"));
        }
        None
    }

    /// Why it has to end, if it has to.
    fn must_end(&mut self) -> Option<(Outcome, &'static str)> {
        if let Some(given_up) = self.given_up() {
            return Some(given_up);
        }
        let outcome = match self.step.timed().started_at {
            Some(_) => Outcome::Completed,
            None => Outcome::Skipped,
        };
        let is_over = self.step.has_come(self.slot.end);
        is_over.then_some((outcome, "its window is over"))
    }

    fn end(&mut self, outcome: Outcome, reason: &str) -> Done {
        self.step.conclude(outcome);
        self.step.become_(TimedStatus::TearingDown, reason)?;
        self.tearing_down()
    }

    fn scheduled(&mut self) -> Done {
        if let Some((outcome, reason)) = self.must_end() {
            return self.end(outcome, reason);
        }
        let provision_at = self.slot.provision_at();
        if !self.step.has_come(provision_at) {
            let message =
                format!("the beginning of its window at {}", provision_at.second_before());
            self.step.wait(WaitReason::Time, &message, Some(provision_at));
            return Ok(());
        }
        self.step.begin();
        self.step.become_(TimedStatus::Provisioning, "it is wanted")?;
        self.provisioning()
    }

    fn provisioning(&mut self) -> Done {
        if let Some((outcome, reason)) = self.given_up() {
            return self.end(outcome, reason);
        }
        if self.step.has_come(self.slot.end) {
            return self.fail(self.step.not_ready());
        }
        if self.step.object().observed.nodes == Some(0) {
            let message = "a node that belongs to it to be Ready";
            self.step.wait(WaitReason::Children, message, None);
            return Ok(());
        }
        let deadline = self.slot.end;
        match run_phases(&mut self.step, deadline) {
            Phases::UnderWay => Ok(()),
            Phases::Failed(failure) => self.fail(failure),
            Phases::Done => {
                self.step.become_(TimedStatus::Ready, "it can take pods")?;
                self.ready()
            }
        }
    }

    fn ready(&mut self) -> Done {
        if let Some((outcome, reason)) = self.must_end() {
            return self.end(outcome, reason);
        }
        if !self.step.has_come(self.slot.start) {
            let start = self.slot.start;
            self.step.wait(
                WaitReason::Time,
                &format!("its start at {}", start.second_before()),
                Some(start),
            );
            return Ok(());
        }
        self.step.start();
        self.step.become_(TimedStatus::Active, "its window is open")?;
        self.active()
    }

    fn active(&mut self) -> Done {
        if let Some((outcome, reason)) = self.must_end() {
            return self.end(outcome, reason);
        }
        let deadline = self.slot.end;
        match run_phases(&mut self.step, deadline) {
            Phases::Failed(failure) => return self.fail(failure),
            Phases::UnderWay => return Ok(()),
            Phases::Done => {}
        }
        self.say_what_it_lacks();
        Ok(())
    }

    fn fail(&mut self, failure: Failure) -> Done {
        let reason = failure.to_string();
        self.step.fail(failure);
        self.step.become_(TimedStatus::Failed, reason)?;
        self.failed()
    }

    /// It takes no new pods; those that it has stay for their windows.
    fn failed(&mut self) -> Done {
        if let Some((_, reason)) = self.must_end() {
            return self.end(Outcome::Failed, reason);
        }
        let is_clean = end_own_jobs(&mut self.step);
        if begins_anew(&mut self.step, is_clean) {
            let timed = self.step.timed_mut();
            timed.outcome = None;
            timed.failure = None;
            self.step.become_(TimedStatus::Provisioning, "an operator has it tried again")?;
            return self.provisioning();
        }
        if self.step.timed().requested(Request::Retry).is_some() {
            return Ok(());
        }
        let name = &self.step.object().name;
        let message =
            format!("somebody to retry it (tesseractl retry host/{name}) or to delete it");
        self.step.wait(WaitReason::Phase, &message, None);
        Ok(())
    }

    /// Says that more is booked than there is: a node was lost, and bookings are
    /// kept. Nothing can be refused then, but it can be known in time. Also of the
    /// last node it is said who is short of it.
    fn say_what_it_lacks(&mut self) {
        let calendar = self.step.world.calendar(self.step.id());
        if let Some(excess) = calendar.and_then(Calendar::is_over) {
            let message = format!("room for what is booked: {excess}");
            self.step.wait(WaitReason::Overbooked, &message, None);
        } else if self.step.object().observed.nodes == Some(0) {
            self.step.wait(WaitReason::Children, "a node that belongs to it to be Ready", None);
        } else {
            self.step.edit.wait_for_nothing();
        }
    }

    /// It takes nothing new; the pods that it has stay for their windows.
    fn tearing_down(&mut self) -> Done {
        let left = self.step.world.pods_on(self.step.id()).count();
        if left > 0 {
            let pods = if left == 1 { "pod" } else { "pods" };
            let message = format!("{left} {pods} on it to be over");
            self.step.wait(WaitReason::Children, &message, None);
            return Ok(());
        }
        let deadline = self.slot.cleanup_deadline();
        let is_forced = self.step.has_come(deadline);
        let deadline = deadline.min(self.step.now.plus(limits::WINDOW_MAX));
        let has_begun = self.step.has_begun();
        if !is_forced && has_begun && run_phases(&mut self.step, deadline) == Phases::UnderWay {
            return Ok(());
        }
        if !end_jobs(&mut self.step) && !is_forced {
            let message = left_in_words(&self.step);
            self.step.wait(WaitReason::Children, &message, None);
            return Ok(());
        }
        let undone = undone(&self.step).into_iter();
        let leftovers: Vec<_> =
            undone.chain(force(&mut self.step)).take(limits::LEFTOVERS_MAX).collect();
        let reason = reason_with(&leftovers);
        self.step.timed_mut().leftovers = leftovers;
        self.step.become_(TimedStatus::Terminated, reason)
    }
}

/// Gives a node group what its nodes have. Those that are Offline or leave do not
/// count.
pub(crate) fn take_nodes<'a>(
    host: &mut Object<Host>,
    definition: &HostDefinitionSpec,
    nodes: impl Iterator<Item = &'a Arc<Object<Node>>>,
) {
    let declared = host.spec.capacity.clone();
    let mut capacity = declared.unwrap_or_else(|| definition.capacity.clone());
    let (mut largest, mut count) = (LargestNode::default(), 0);
    for node in nodes.filter(|node| counts(node)) {
        let has = node.allocatable();
        capacity.cpu.0 += has.cpu.0;
        capacity.memory.0 += has.memory.0;
        largest.cpu = largest.cpu.max(has.cpu);
        largest.memory = largest.memory.max(has.memory);
        count += 1;
    }
    host.observed.capacity = capacity;
    host.observed.largest_node = Some(largest);
    host.observed.nodes = Some(count);
}

pub(crate) fn counts(node: &Object<Node>) -> bool {
    matches!(node.status, NodeStatus::Ready | NodeStatus::Cordoned)
        && node.desired_status != DesiredNodeStatus::Drained
        && node.deletion_requested_at.is_none()
}
