//! The manager of parts.

mod grading;

use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::catalogue::{PartDefinitionSpec, PartOrder};
use tessera_types::timed::{
    DesiredTimedStatus, Failure, OnFailure, Outcome, Request, TimedStatus, Timeslot,
};
use tessera_types::{
    Actor, IllegalTransition, Job, Now, Object, Pod, Report, SessionPart, Timestamp, WaitReason,
    limits,
};

use super::gate::{self, Verdict};
use crate::manager::{Manager, Plan};
use crate::timed::{
    Done, Phases, Step, begins_anew, clear_gone, end_jobs, end_own_jobs, force, is_late,
    left_in_words, reason_with, run_phases, undone, waits_for_engine,
};
use crate::world::World;

/// Reconciles parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartManager;

impl Manager for PartManager {
    type Kind = SessionPart;

    fn reconcile(&self, part: &Arc<Object<SessionPart>>, world: &World, now: Now) -> Plan {
        let Some(slot) = part.observed.timed.timeslot else { return Plan::nothing() };
        let Some(definition) = &part.observed.definition else { return Plan::nothing() };
        let step = Step::of(part, world, now);
        if part.deletion_requested_at.is_some() && part.status == TimedStatus::Terminated {
            return remove(step);
        }
        Look { slot, definition: &definition.spec, step }.go().unwrap_or_else(|illegal| {
            debug_assert!(false, "{illegal}");
            Plan::nothing()
        })
    }
}

/// What is left of a part that is gone are the records of what it had.
fn remove(mut step: Step<'_, SessionPart>) -> Plan {
    let (pods, jobs) = (step.owned::<Pod>(), step.owned::<Job>());
    let (pods, jobs): (Vec<_>, Vec<_>) = (pods.collect(), jobs.collect());
    let reports: Vec<_> = step.owned::<Report>().collect();
    if pods.is_empty() && jobs.is_empty() && reports.is_empty() {
        return if waits_for_engine(&mut step) { step.finish() } else { step.remove() };
    }
    pods.iter().for_each(|pod| step.ask_to_delete(pod));
    jobs.iter().for_each(|job| step.ask_to_delete(job));
    reports.iter().for_each(|report| step.ask_to_delete(report));
    step.wait(WaitReason::Children, "its pods, jobs and reports to be deleted", None);
    step.finish()
}

struct Look<'a> {
    slot: Timeslot,
    definition: &'a PartDefinitionSpec,
    step: Step<'a, SessionPart>,
}

impl<'a> Look<'a> {
    fn go(mut self) -> Result<Plan, IllegalTransition> {
        if let Some(approval) = self.step.timed_mut().served(Request::Approve) {
            self.approve(approval.by);
        }
        match self.step.object().status {
            TimedStatus::Scheduled => self.scheduled()?,
            TimedStatus::Provisioning => self.provisioning()?,
            TimedStatus::Ready => self.ready()?,
            TimedStatus::Active => self.active()?,
            TimedStatus::Grading => self.grading()?,
            TimedStatus::Failed => self.failed()?,
            TimedStatus::TearingDown => self.tearing_down()?,
            TimedStatus::Terminated => {
                let pods: Vec<_> = self.pods().collect();
                clear_gone(&mut self.step, |entry| {
                    pods.iter().any(|pod| pod.observed.timed.leftovers.contains(entry))
                });
            }
        }
        Ok(self.step.finish())
    }

    fn approve(&mut self, by: Actor) {
        let observed = &mut self.step.edit.object.observed;
        if observed.approved_by.is_none() {
            observed.approved_by = Some(by.clone());
            self.step.edit.note(by, "its gate was approved");
        }
    }

    fn pods(&self) -> impl Iterator<Item = &'a Arc<Object<Pod>>> + use<'a> {
        self.step.owned::<Pod>()
    }

    /// Why it has to end at once, if it has to.
    fn is_given_up(&self) -> Option<&'static str> {
        let part = self.step.object();
        if part.deletion_requested_at.is_some() {
            return Some("it is being deleted");
        }
        let is_unwanted = part.desired_status == DesiredTimedStatus::TornDown;
        is_unwanted.then_some("it is not wanted any more")
    }

    fn end(&mut self, outcome: Outcome, reason: impl Into<String>) -> Done {
        if self.step.serve(Request::Grade) && self.is_graded() {
            self.step.edit.note(Actor::RECONCILER, "not graded again: it ends");
        }
        self.step.conclude(outcome);
        let now = self.step.now;
        self.step.timed_mut().ended_at.get_or_insert(now);
        self.step.become_(TimedStatus::TearingDown, reason)?;
        self.tearing_down()
    }

    fn fail(&mut self, failure: Failure) -> Done {
        let reason = failure.to_string();
        self.step.fail(failure);
        self.step.become_(TimedStatus::Failed, reason)?;
        self.failed()
    }

    /// A pod that has failed, if that is the part's failure.
    fn failed_pod(&self) -> Option<Failure> {
        if self.definition.on_pod_failure == OnFailure::Continue {
            return None;
        }
        self.pods().find_map(|pod| {
            let of = format!("pod/{}", pod.name);
            let Some(failure) = &pod.observed.timed.failure else {
                return self.is_lost(pod).then(|| Failure {
                    of,
                    attempts: 1,
                    message: "somebody had it torn down before its time".to_owned(),
                    at: self.step.now,
                });
            };
            Some(Failure { of, ..failure.clone() })
        })
    }

    /// Whether a pod is on its way out although the part has not let it go.
    fn is_lost(&self, pod: &Object<Pod>) -> bool {
        let until = pod.observed.timed.timeslot.map(|slot| slot.teardown_at());
        pod.status.is_ending() && until.is_some_and(|until| self.step.now < until)
    }

    /// When its last grading is over at the latest: then its pods may go.
    fn graded_by(&self) -> Timestamp {
        let pods = self.pods().filter_map(|pod| pod.observed.timed.timeslot);
        let teardowns = pods.map(|slot| slot.teardown_at());
        teardowns.chain([self.slot.teardown_at()]).min().unwrap_or(self.slot.end)
    }

    fn scheduled(&mut self) -> Done {
        if let Some(reason) = self.is_given_up() {
            return self.end(Outcome::Cancelled, reason);
        }
        if self.is_undecided() {
            self.step.wait(WaitReason::Time, "its session, which decides as it is late", None);
            return Ok(());
        }
        if self.step.has_come(self.slot.end) {
            return self.end(Outcome::Skipped, "its window was over before it began");
        }
        let provision_at = self.slot.provision_at();
        if !self.step.has_come(provision_at) {
            let message =
                format!("the beginning of its provisioning at {}", provision_at.second_before());
            self.step.wait(WaitReason::Time, &message, Some(provision_at));
            return Ok(());
        }
        let reason = format!("its window opens at {}", self.slot.start.second_before());
        self.step.begin();
        self.step.become_(TimedStatus::Provisioning, reason)?;
        self.provisioning()
    }

    /// Whether it is late, and its session has not said what comes of that.
    fn is_undecided(&self) -> bool {
        let part = self.step.object();
        part.observed.timed.late.is_none()
            && part
                .owner
                .as_ref()
                .is_some_and(|owner| self.step.world.sessions.get(owner.id).is_some())
            && is_late(&self.slot, self.step.now).is_some()
    }

    fn provisioning(&mut self) -> Done {
        if let Some(reason) = self.is_given_up() {
            return self.end(Outcome::Cancelled, reason);
        }
        if let Some(failure) = self.failed_pod() {
            return self.fail(failure);
        }
        if self.step.has_come(self.slot.end) {
            return self.fail(self.step.not_ready());
        }
        let is_awaited = |pod: &&Arc<Object<Pod>>| {
            let is_given_up = pod.observed.timed.failure.is_some() || pod.status.is_ending();
            !pod.status.is_usable() && !is_given_up
        };
        let waited_for = self.pods().find(is_awaited);
        if let Some(pod) = waited_for {
            let message = match &pod.waiting_for {
                Some(waiting) => format!("pod/{}: {}", pod.name, waiting.message),
                None => format!("pod/{} to be ready", pod.name),
            };
            self.step.wait(WaitReason::Children, &message, None);
            return Ok(());
        }
        let deadline = self.slot.end;
        match run_phases(&mut self.step, deadline) {
            Phases::UnderWay => Ok(()),
            Phases::Failed(failure) => self.fail(failure),
            Phases::Done => {
                self.step.become_(TimedStatus::Ready, "its pods are ready")?;
                self.ready()
            }
        }
    }

    fn ready(&mut self) -> Done {
        if let Some(reason) = self.is_given_up() {
            return self.end(Outcome::Cancelled, reason);
        }
        if let Some(failure) = self.failed_pod() {
            return self.fail(failure);
        }
        if self.step.has_come(self.slot.end) {
            return match self.is_shut_out() {
                true => self.end(Outcome::Cancelled, "its gate did not open before its end"),
                false => self.end(Outcome::Skipped, "its window was over before anybody came"),
            };
        }
        let is_early = planted(Bug::GateStillSaid) && !self.step.has_come(self.slot.start);
        if self.step.object().desired_status < DesiredTimedStatus::Active || is_early {
            let message = self.gate_in_words();
            self.step.wait(WaitReason::Gate, &message, Some(self.slot.end));
            return Ok(());
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

    /// Whether the gate of the part before it keeps it waiting.
    fn is_shut_out(&self) -> bool {
        let owner = self.step.object().owner.as_ref();
        let session = owner.and_then(|owner| self.step.world.sessions.get(owner.id));
        let definition = session.and_then(|session| session.observed.definition.as_ref());
        let is_sequential =
            definition.is_none_or(|it| it.spec.part_execution.order == PartOrder::Sequential);
        let before = self.part_before().filter(|_| is_sequential);
        before.is_some_and(|part| gate::verdict(part) != Verdict::Open)
    }

    fn gate_in_words(&self) -> String {
        let before = self.part_before();
        match before.map(|part| gate::verdict(part)) {
            Some(Verdict::Waiting(what) | Verdict::Shut(what)) => what,
            Some(Verdict::Open) | None => "its session to let it begin".to_owned(),
        }
    }

    fn part_before(&self) -> Option<&'a Arc<Object<SessionPart>>> {
        let part = self.step.object();
        let session = part.owner.as_ref()?.id;
        let before = part.spec.order.checked_sub(1)?;
        self.step.world.owned::<SessionPart>(session).find(|one| one.spec.order == before)
    }

    fn active(&mut self) -> Done {
        if let Some(reason) = self.is_given_up() {
            return self.end(Outcome::Cancelled, reason);
        }
        if let Some(failure) = self.failed_pod() {
            return self.fail(failure);
        }
        let pods: Vec<_> = self.pods().collect();
        for pod in pods {
            self.step.desire(pod, DesiredTimedStatus::Active);
        }
        if self.is_to_grade() {
            return self.grade("its grading was asked for");
        }
        let is_over = self.step.has_come(self.slot.end);
        if is_over || self.is_to_finish() {
            return self.close(if is_over {
                "its window is over"
            } else {
                "it was finished early"
            });
        }
        let deadline = self.graded_by();
        match run_phases(&mut self.step, deadline) {
            Phases::Failed(failure) => self.fail(failure),
            Phases::UnderWay => Ok(()),
            Phases::Done => {
                self.step.edit.wait_for_nothing();
                Ok(())
            }
        }
    }

    /// Its jobs end. It stays so until its session gives it up, an operator has it
    /// tried again, or its window is over.
    fn failed(&mut self) -> Done {
        if let Some(reason) = self.is_given_up() {
            return self.end(Outcome::Failed, reason);
        }
        if self.step.has_come(self.slot.end) {
            return self.end(Outcome::Failed, "its window is over");
        }
        // A retry begins all anew, so nothing of before may still run.
        let is_clean = end_own_jobs(&mut self.step);
        if begins_anew(&mut self.step, is_clean) {
            return self.retry();
        }
        if self.step.timed().requested(Request::Retry).is_some() {
            return Ok(());
        }
        let message = "somebody to retry or cancel it; at its end it is torn down";
        self.step.wait(WaitReason::Phase, message, Some(self.slot.end));
        Ok(())
    }

    /// What has failed is tried again: the pods, and the phases of the part.
    fn retry(&mut self) -> Done {
        let failed: Vec<_> = self.pods().filter(|pod| pod.status == TimedStatus::Failed).collect();
        let now = self.step.now;
        for pod in failed {
            self.step.change(pod, |edit| {
                let request = Request::Retry;
                let by = Actor::RECONCILER;
                let timed = &mut edit.object.observed.timed;
                timed.failure = None;
                timed.outcome = None;
                timed.request(tessera_types::timed::Requested {
                    request,
                    by,
                    event: None,
                    at: now,
                });
            });
        }
        let timed = self.step.timed_mut();
        timed.failure = None;
        timed.outcome = None;
        self.step.become_(TimedStatus::Provisioning, "an operator has it tried again")?;
        self.step.wait(WaitReason::Children, "its pods to be ready", None);
        Ok(())
    }

    fn tearing_down(&mut self) -> Done {
        let deadline = self.slot.cleanup_deadline();
        let is_forced = self.step.has_come(deadline);
        let has_begun = self.step.has_begun();
        if !is_forced && has_begun && run_phases(&mut self.step, deadline) == Phases::UnderWay {
            return Ok(());
        }
        let pods: Vec<_> = self.pods().collect();
        for pod in &pods {
            self.step.desire(pod, DesiredTimedStatus::TornDown);
        }
        let left = pods.iter().filter(|pod| pod.status != TimedStatus::Terminated).count();
        let jobs_are_gone = end_jobs(&mut self.step);
        if left == 0 && (jobs_are_gone || is_forced) {
            return self.terminate(&pods);
        }
        // Past the deadline each pod ends by itself, and names what is left.
        let until = (!is_forced).then_some(deadline);
        let message = match left {
            0 => left_in_words(&self.step),
            left => format!("{left} of its {} pods to be gone", pods.len()),
        };
        self.step.wait(WaitReason::Children, &message, until);
        Ok(())
    }

    /// It is over, with what is left of its jobs and of its pods by name.
    fn terminate(&mut self, pods: &[&Arc<Object<Pod>>]) -> Done {
        let undone = undone(&self.step).into_iter();
        let of_jobs = force(&mut self.step);
        let of_pods = pods.iter().flat_map(|pod| pod.observed.timed.leftovers.clone());
        let leftovers: Vec<_> =
            undone.chain(of_jobs).chain(of_pods).take(limits::LEFTOVERS_MAX).collect();
        let reason = reason_with(&leftovers);
        self.step.timed_mut().leftovers = leftovers;
        self.step.become_(TimedStatus::Terminated, reason)
    }
}

/// Whether what a session has of a part is over.
pub(super) fn is_over(part: &Object<SessionPart>) -> bool {
    part.status == TimedStatus::Terminated
}
