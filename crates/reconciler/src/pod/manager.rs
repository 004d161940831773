//! The manager of pods.
//!
//! A pod that belongs to a part is made ready by its own clock and ends when its
//! part says so, at its deadline at the latest; one that stands alone also ends
//! by its own clock.

use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::catalogue::{PodDefinitionSpec, PodType};
use tessera_types::timed::{
    DesiredTimedStatus, Failure, LateDecision, Outcome, Phase, Request, TimedStatus, Timeslot,
};
use tessera_types::{
    IllegalTransition, Job, Name, Now, Object, Pod, SessionPart, WaitReason, limits,
};

use super::fleet;
use crate::manager::{Manager, Plan};
use crate::timed::{
    Done, OwnPhase, Phases, Step, begins_anew, clear_gone, end_jobs, end_own_jobs, force, in_words,
    is_late, left_in_words, reason_with, run_phases, run_pipeline, undone, waits_for_engine,
};
use crate::world::World;

/// Reconciles pods.
#[derive(Clone, Copy, Debug, Default)]
pub struct PodManager;

impl Manager for PodManager {
    type Kind = Pod;

    fn reconcile(&self, pod: &Arc<Object<Pod>>, world: &World, now: Now) -> Plan {
        let Some(slot) = pod.observed.timed.timeslot else { return Plan::nothing() };
        let Some(definition) = &pod.observed.definition else { return Plan::nothing() };
        if pod.deletion_requested_at.is_some() && pod.status == TimedStatus::Terminated {
            return remove(Step::of(pod, world, now));
        }
        let step = Step::of(pod, world, now);
        Look { slot, definition: &definition.spec, step }.go().unwrap_or_else(|illegal| {
            debug_assert!(false, "{illegal}");
            Plan::nothing()
        })
    }
}

/// What is left of a pod that is gone are the records of its jobs.
fn remove(mut step: Step<'_, Pod>) -> Plan {
    let jobs: Vec<_> = step.owned::<Job>().collect();
    if jobs.is_empty() {
        return if waits_for_engine(&mut step) { step.finish() } else { step.remove() };
    }
    for job in jobs {
        step.ask_to_delete(job);
    }
    step.wait(WaitReason::Children, "its jobs to be deleted", None);
    step.finish()
}

struct Look<'a> {
    slot: Timeslot,
    definition: &'a PodDefinitionSpec,
    step: Step<'a, Pod>,
}

impl Look<'_> {
    fn go(mut self) -> Result<Plan, IllegalTransition> {
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

    /// Why it has to end whatever the time, if it has to.
    fn given_up(&self) -> Option<(Outcome, &'static str)> {
        let pod = self.step.object();
        if pod.deletion_requested_at.is_some() {
            return Some((Outcome::Cancelled, "it is being deleted"));
        }
        if pod.desired_status == DesiredTimedStatus::TornDown {
            // A part that is over lets its pods go; so they have done their work.
            return Some((self.usual_outcome(), "it is not wanted any more"));
        }
        None
    }

    /// Why it has to end, if it has to.
    fn must_end(&mut self) -> Option<(Outcome, &'static str)> {
        if let Some(given_up) = self.given_up() {
            return Some(given_up);
        }
        let pod = self.step.object();
        if pod.owner.is_some() {
            let teardown_at = self.slot.teardown_at();
            let is_over = self.step.has_come(teardown_at);
            return is_over
                .then(|| (self.usual_outcome(), "its window and what may follow is over"));
        }
        let is_over = self.step.has_come(self.slot.end) && !planted(Bug::CleanupNotBegun);
        is_over.then(|| (self.usual_outcome(), "its window is over"))
    }

    fn usual_outcome(&self) -> Outcome {
        match self.step.timed().started_at {
            Some(_) => Outcome::Completed,
            None => Outcome::Cancelled,
        }
    }

    fn end(&mut self, outcome: Outcome, reason: &str) -> Done {
        self.step.conclude(outcome);
        let now = self.step.now;
        self.step.timed_mut().ended_at.get_or_insert(now);
        self.step.become_(TimedStatus::TearingDown, reason)?;
        self.tearing_down()
    }

    fn scheduled(&mut self) -> Done {
        if let Some((outcome, reason)) = self.given_up() {
            return self.end(outcome, reason);
        }
        if self.step.object().owner.is_none() && self.decide_lateness()? {
            return Ok(());
        }
        let provision_at = self.slot.provision_at();
        if !self.step.has_come(provision_at) && !planted(Bug::ProvisionAtIgnored) {
            let message =
                format!("the beginning of its provisioning at {}", provision_at.second_before());
            self.step.wait(WaitReason::Time, &message, Some(provision_at));
            return Ok(());
        }
        // What it is late for is decided for its part as a whole, also when all of its
        // window has passed: it may be shifted.
        if self.part().is_some_and(|part| part.status == TimedStatus::Scheduled) {
            self.step.wait(WaitReason::Gate, "its part to begin", None);
            return Ok(());
        }
        if let Some((outcome, reason)) = self.must_end() {
            return self.end(outcome, reason);
        }
        let Some(binding) = self.step.object().observed.binding.clone() else {
            self.step.wait(WaitReason::NoHostFits, "a host", Some(self.slot.end));
            return Ok(());
        };
        let reason = format!("its window opens at {}", self.slot.start.second_before());
        self.step.begin();
        self.step.become_(TimedStatus::Provisioning, reason)?;
        self.step.edit.with("host", &binding.host);
        self.provisioning()
    }

    fn part(&self) -> Option<&Arc<Object<SessionPart>>> {
        let owner = self.step.object().owner.as_ref()?;
        self.step.world.table::<SessionPart>().get(owner.id)
    }

    /// For a pod that stands alone. True when it does not go on.
    fn decide_lateness(&mut self) -> Result<bool, IllegalTransition> {
        let Some(late) = is_late(&self.slot, self.step.now) else { return Ok(false) };
        if self.step.timed().late.is_some() {
            return Ok(false);
        }
        let policy = self.step.object().spec.on_late;
        let mut decision = late.decide(policy);
        if decision == LateDecision::Shifted {
            let by = late.by();
            match crate::admission::shift_pod(self.step.world, self.step.object(), by) {
                Some(binding) => {
                    self.slot = self.slot.shift(by);
                    let slot = self.slot;
                    self.step.timed_mut().timeslot = Some(slot);
                    self.step.edit.object.observed.binding = Some(binding);
                }
                None => decision = late.decide_without_shift(),
            }
        }
        let record = late.record(decision, self.step.now);
        let words = in_words(&record);
        self.step.timed_mut().late = Some(record);
        if decision == LateDecision::Skipped {
            self.end(Outcome::Skipped, &words)?;
            return Ok(true);
        }
        self.step.edit.note(tessera_types::Actor::RECONCILER, words);
        Ok(false)
    }

    fn provisioning(&mut self) -> Done {
        // No try is begun for a window that is over. That it was not ready is a failure, and
        // nobody's cancellation; also where its part has said so first.
        let given_up = self.given_up().filter(|_| !self.was_late_with_its_part());
        if let Some((outcome, reason)) = given_up {
            return self.end(outcome, reason);
        }
        if self.step.has_come(self.slot.end) {
            return self.fail_whatever_its_part_says(self.step.not_ready());
        }
        let phases = match self.provision() {
            Phases::Done => {
                if let Some(message) = self.broken() {
                    return self.fail_now(message);
                }
                let deadline = self.slot.end;
                run_phases(&mut self.step, deadline)
            }
            other => other,
        };
        match phases {
            Phases::UnderWay => Ok(()),
            Phases::Failed(failure) => self.fail(failure),
            Phases::Done => {
                self.step.become_(TimedStatus::Ready, "all that it needs is there")?;
                self.ready()
            }
        }
    }

    /// What makes it: the pipeline of its definition's phase `provision`, or else the
    /// built-in one.
    fn provision(&mut self) -> Phases {
        let definition = self.definition;
        if definition.pod_type == PodType::Fleet {
            fleet::follow(&mut self.step, &self.slot);
        }
        let mut declared = definition.lifecycle.phases_in(TimedStatus::Provisioning);
        let own = declared.find(|phase| phase.name.as_str() == Phase::OWN);
        let phase = match own {
            Some(phase) => OwnPhase::of(phase),
            None => OwnPhase {
                name: Name::new(Phase::OWN).expect("it is a name"),
                spec: None,
                retry: definition.provision,
            },
        };
        run_pipeline(&mut self.step, &phase)
    }

    /// Whether it was not ready at its end, and its part was given up for that.
    fn was_late_with_its_part(&mut self) -> bool {
        let has_failed =
            |part: &Arc<Object<SessionPart>>| part.observed.timed.outcome == Some(Outcome::Failed);
        let is_deleted = self.step.object().deletion_requested_at.is_some();
        !is_deleted && self.part().is_some_and(has_failed) && self.step.has_come(self.slot.end)
    }

    fn fail(&mut self, failure: Failure) -> Done {
        // What breaks once its part is over changes nothing of what came of that.
        if self.part().is_some_and(|part| part.status.is_ending()) {
            let reason = format!("its part is over, and {failure}");
            return self.end(self.usual_outcome(), &reason);
        }
        self.fail_whatever_its_part_says(failure)
    }

    fn fail_whatever_its_part_says(&mut self, failure: Failure) -> Done {
        let reason = failure.to_string();
        let attempts = failure.attempts;
        self.step.fail(failure);
        self.step.become_(TimedStatus::Failed, reason)?;
        self.step.edit.with("attempts", attempts);
        self.failed()
    }

    fn ready(&mut self) -> Done {
        if let Some((outcome, reason)) = self.must_end() {
            return self.end(outcome, reason);
        }
        if let Some(message) = self.broken() {
            return self.fail_now(message);
        }
        fleet::follow(&mut self.step, &self.slot);
        if !self.step.has_come(self.slot.start) {
            let start = self.slot.start;
            if !planted(Bug::StartNotSaid) {
                let message = format!("its start at {}", start.second_before());
                self.step.wait(WaitReason::Time, &message, Some(start));
            }
            return Ok(());
        }
        if self.step.object().desired_status < DesiredTimedStatus::Active {
            let (reason, message) = match self.part().is_some_and(|it| it.status.is_ending()) {
                true => (WaitReason::Phase, "the phases of its part, which is being torn down"),
                false => (WaitReason::Gate, "its part to begin"),
            };
            self.step.wait(reason, message, None);
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
        if let Some(message) = self.broken() {
            return self.fail_now(message);
        }
        fleet::follow(&mut self.step, &self.slot);
        let deadline = self.slot.teardown_at();
        match run_phases(&mut self.step, deadline) {
            Phases::Failed(failure) => self.fail(failure),
            Phases::UnderWay => Ok(()),
            Phases::Done => {
                self.step.edit.wait_for_nothing();
                Ok(())
            }
        }
    }

    /// What is wrong with it, once it was ready.
    fn broken(&self) -> Option<String> {
        fleet::broken(&self.step, self.definition)
    }

    fn fail_now(&mut self, message: String) -> Done {
        let at = self.step.now;
        self.fail(Failure { of: "the running pod".to_owned(), attempts: 1, message, at })
    }

    /// Its workloads and jobs go at once; the rest when its part says so, when an operator
    /// has it tried again, or when its window is over.
    fn failed(&mut self) -> Done {
        if let Some((_, reason)) = self.must_end() {
            return self.end(Outcome::Failed, reason);
        }
        let is_clean = fleet::clean(&mut self.step) & end_own_jobs(&mut self.step);
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
        let (message, until) = match self.step.object().owner {
            None => ("somebody to retry or cancel it; at its end it is torn down", self.slot.end),
            Some(_) => ("somebody to retry it, or its part to be over", self.slot.teardown_at()),
        };
        self.step.wait(WaitReason::Phase, message, Some(until));
        Ok(())
    }

    fn tearing_down(&mut self) -> Done {
        let deadline = self.slot.cleanup_deadline();
        let is_forced = self.step.has_come(deadline);
        let has_begun = self.step.has_begun();
        if !is_forced && has_begun && run_phases(&mut self.step, deadline) == Phases::UnderWay {
            return Ok(());
        }
        let is_clean = fleet::clean(&mut self.step) & end_jobs(&mut self.step);
        if is_clean {
            self.step.edit.object.observed.binding.take_if(|_| !planted(Bug::BindingKept));
            let leftovers = undone(&self.step);
            let reason = reason_with(&leftovers);
            self.step.timed_mut().leftovers = leftovers;
            return self.step.become_(TimedStatus::Terminated, reason);
        }
        if is_forced {
            return self.force();
        }
        let message = left_in_words(&self.step);
        self.step.wait(WaitReason::Children, &message, Some(deadline));
        Ok(())
    }

    /// The deadline has passed: what is left is killed, named, and goes as soon
    /// as its node can be reached.
    fn force(&mut self) -> Done {
        let undone = undone(&self.step).into_iter();
        let leftovers: Vec<_> =
            undone.chain(force(&mut self.step)).take(limits::LEFTOVERS_MAX).collect();
        let reason = reason_with(&leftovers);
        self.step.timed_mut().leftovers = leftovers;
        self.step.edit.object.observed.binding = None;
        self.step.become_(TimedStatus::Terminated, reason)
    }
}
