//! The manager of sessions: admit, run the parts, aggregate, finalize.
//!
//! A session provisions nothing itself. Its parts follow their own windows; it
//! lets each begin, gives them up when one fails and that is its policy, and
//! makes one report of theirs.

use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::catalogue::{PartOrder, SessionDefinitionSpec};
use tessera_types::report::ReportStatus;
use tessera_types::session::SessionStatus;
use tessera_types::timed::{
    DesiredTimedStatus, Failure, OnFailure, Outcome, TimedStatus, Timeslot,
};
use tessera_types::{
    IllegalTransition, Now, Object, Report, Session, SessionPart, WaitReason, Write, limits,
};

use super::gate::{self, Verdict};
use super::kept;
use super::late;
use super::part::is_over;
use crate::manager::{Manager, Plan};
use crate::report::{NO_NAME, own_report, report_of};
use crate::timed::{Done, Step, reason_with};
use crate::world::World;

/// Reconciles sessions.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionManager;

impl Manager for SessionManager {
    type Kind = Session;

    fn reconcile(&self, session: &Arc<Object<Session>>, world: &World, now: Now) -> Plan {
        let Some(slot) = session.observed.timed.timeslot else { return Plan::nothing() };
        let Some(definition) = &session.observed.definition else { return Plan::nothing() };
        let step = Step::of(session, world, now);
        if session.deletion_requested_at.is_some() && session.status.is_over() {
            return remove(step);
        }
        if session.status.is_over() {
            return kept::look(step);
        }
        let mut parts: Vec<_> = world.owned::<SessionPart>(session.id).collect();
        parts.sort_by_key(|part| part.spec.order);
        let look = Look { slot, definition: &definition.spec, parts, step };
        look.go().unwrap_or_else(|illegal| {
            debug_assert!(false, "{illegal}");
            Plan::nothing()
        })
    }
}

/// What is left of a session that is over are the records of its parts.
fn remove(mut step: Step<'_, Session>) -> Plan {
    let parts: Vec<_> = step.owned::<SessionPart>().collect();
    let reports: Vec<_> = step.owned::<Report>().collect();
    if parts.is_empty() && reports.is_empty() || planted(Bug::ParentDeletedFirst) {
        return step.remove();
    }
    parts.iter().for_each(|part| step.ask_to_delete(part));
    reports.iter().for_each(|report| step.ask_to_delete(report));
    step.wait(WaitReason::Children, "its parts and reports to be deleted", None);
    step.finish()
}

struct Look<'a> {
    slot: Timeslot,
    definition: &'a SessionDefinitionSpec,
    /// In their order.
    parts: Vec<&'a Arc<Object<SessionPart>>>,
    step: Step<'a, Session>,
}

impl Look<'_> {
    fn go(mut self) -> Result<Plan, IllegalTransition> {
        match self.step.object().status {
            SessionStatus::Pending => self.pending()?,
            SessionStatus::Active => self.active()?,
            SessionStatus::Aggregating => self.aggregating()?,
            SessionStatus::Finalizing => self.finalizing()?,
            SessionStatus::Inactive | SessionStatus::Failed => {}
        }
        Ok(self.step.finish())
    }

    fn is_given_up(&self) -> Option<&'static str> {
        let session = self.step.object();
        if session.deletion_requested_at.is_some() {
            return Some("it is being deleted");
        }
        let is_unwanted = session.desired_status == DesiredTimedStatus::TornDown;
        is_unwanted.then_some("it was cancelled")
    }

    /// Gives all parts up.
    fn give_up(&mut self, outcome: Outcome, reason: impl Into<String>) -> Done {
        self.step.conclude(outcome);
        let now = self.step.now;
        self.step.timed_mut().ended_at.get_or_insert(now);
        self.step.become_(SessionStatus::Finalizing, reason)?;
        self.finalizing()
    }

    fn fail(&mut self, failure: Failure) -> Done {
        let reason = failure.to_string();
        self.step.fail(failure);
        self.give_up(Outcome::Failed, reason)
    }

    fn pending(&mut self) -> Done {
        if let Some(reason) = self.is_given_up() {
            return self.give_up(Outcome::Cancelled, reason);
        }
        if let Some(skipped) = late::decide(&mut self.step, self.definition, &self.parts) {
            return self.give_up(Outcome::Skipped, skipped);
        }
        if let Some(slot) = self.step.slot() {
            self.slot = slot;
        }
        if let Some(failure) = self.failed_part() {
            return self.fail(failure);
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
        self.step.become_(SessionStatus::Active, "its window is open")?;
        self.run_parts()
    }

    /// A part that has failed, if that is the session's failure.
    fn failed_part(&self) -> Option<Failure> {
        self.parts.iter().filter(|part| part.spec.on_failure == OnFailure::Abort).find_map(|part| {
            let failure = part.observed.timed.failure.as_ref()?;
            Some(Failure { of: format!("part {}", part.spec.part), ..failure.clone() })
        })
    }

    fn active(&mut self) -> Done {
        if let Some(reason) = self.is_given_up() {
            return self.give_up(Outcome::Cancelled, reason);
        }
        if let Some(failure) = self.failed_part() {
            return self.fail(failure);
        }
        if let Some(skipped) = late::decide(&mut self.step, self.definition, &self.parts) {
            return self.give_up(Outcome::Skipped, skipped);
        }
        self.run_parts()
    }

    /// What is late was decided in this pass: the parts are seen as they were
    /// before it, so to decide again would be to decide twice.
    fn run_parts(&mut self) -> Done {
        if let Some(failure) = self.let_parts_begin() {
            return self.fail(failure);
        }
        match self.parts.iter().find(|part| !is_over(part)) {
            Some(part) => {
                self.say_what_part(part);
                Ok(())
            }
            None => self.parts_are_over(),
        }
    }

    /// Lets every part begin whose turn it is. Says what failed when a gate stays
    /// shut and that is the end.
    fn let_parts_begin(&mut self) -> Option<Failure> {
        let execution = self.definition.part_execution;
        let parts = self.parts.clone();
        let mut before: Option<&Arc<Object<SessionPart>>> = None;
        for part in parts {
            let verdict = match (execution.order, before) {
                (PartOrder::Parallel, _) | (PartOrder::Sequential, None) => Verdict::Open,
                (PartOrder::Sequential, Some(before)) => gate::verdict(before),
            };
            let on_shut = before.map(|before| before.spec.on_failure);
            match verdict {
                Verdict::Open => self.step.desire(part, DesiredTimedStatus::Active),
                Verdict::Waiting(_) if !part.status.is_ending() => return None,
                Verdict::Waiting(_) | Verdict::Shut(_) if on_shut == Some(OnFailure::Continue) => {
                    self.step.desire(part, DesiredTimedStatus::Active);
                }
                // Its time is over, and nobody has opened the gate.
                Verdict::Waiting(what) => {
                    let of =
                        before.map_or_else(String::new, |it| format!("gate of {}", it.spec.part));
                    let message = format!("part {} waited in vain for {what}", part.spec.part);
                    return Some(Failure { of, attempts: 1, message, at: self.step.now });
                }
                Verdict::Shut(message) => {
                    let of =
                        before.map_or_else(String::new, |it| format!("gate of {}", it.spec.part));
                    return Some(Failure { of, attempts: 1, message, at: self.step.now });
                }
            }
            before = Some(part);
        }
        None
    }

    fn say_what_part(&mut self, part: &Arc<Object<SessionPart>>) {
        match &part.waiting_for {
            Some(waiting) if part.status != TimedStatus::Active => {
                let message = format!("part {}: {}", part.spec.part, waiting.message);
                self.step.wait(waiting.reason, &message, waiting.until);
            }
            _ if planted(Bug::WaitNotCleared) => {}
            _ => self.step.edit.wait_for_nothing(),
        }
    }

    fn parts_are_over(&mut self) -> Done {
        let now = self.step.now;
        self.step.timed_mut().ended_at.get_or_insert(now);
        if self.step.timed().report.is_some() {
            self.step.become_(SessionStatus::Aggregating, "its parts are over")?;
            return self.aggregating();
        }
        self.finish_well()
    }

    fn finish_well(&mut self) -> Done {
        let took_place = |part: &&Arc<Object<SessionPart>>| {
            part.observed.timed.outcome != Some(Outcome::Skipped)
        };
        let any = self.parts.is_empty() || self.parts.iter().any(took_place);
        self.step.conclude(if any { Outcome::Completed } else { Outcome::Skipped });
        let left = self.take_leftovers();
        self.step.become_(SessionStatus::Inactive, format!("its parts are over, and {left}"))
    }

    fn aggregating(&mut self) -> Done {
        if let Some(reason) = self.is_given_up() {
            return self.give_up(Outcome::Cancelled, reason);
        }
        let Some(definition) = self.step.timed().report.clone() else { return self.finish_well() };
        let report = own_report(self.step.world, self.step.object());
        match report {
            Some(report) if report.status != ReportStatus::Pending => {
                let observed = &mut self.step.edit.object.observed;
                observed.score = report.observed.score;
                observed.passed = report.observed.passed;
                self.finish_well()
            }
            Some(_) => {
                self.step.wait(WaitReason::Children, "its report", None);
                Ok(())
            }
            None => {
                let (world, session) = (self.step.world, self.step.object());
                let report = report_of(world, session, definition, self.step.now);
                let message = match &report {
                    Some(_) => "its report",
                    None => NO_NAME,
                };
                self.step.wait(WaitReason::Children, message, None);
                report.into_iter().for_each(|report| self.step.write(Write::create(report)));
                Ok(())
            }
        }
    }

    fn finalizing(&mut self) -> Done {
        let parts = self.parts.clone();
        for part in &parts {
            self.step.desire(part, DesiredTimedStatus::TornDown);
        }
        let is_gone = |part: &Object<_>| is_over(part) && !planted(Bug::GoneStillAwaited);
        let left = parts.iter().filter(|part| !is_gone(part)).count();
        if left > 0 {
            let message = format!("{left} of its {} parts to be gone", parts.len());
            self.step.wait(WaitReason::Children, &message, None);
            return Ok(());
        }
        let left = self.take_leftovers();
        let failed = self.step.timed().failure.clone();
        match failed {
            Some(failure) => {
                let reason = format!("{} failed, and {left}", failure.of);
                self.step.become_(SessionStatus::Failed, reason)
            }
            None => self.step.become_(SessionStatus::Inactive, left),
        }
    }

    /// What is left of its parts is what is left of it; in words.
    fn take_leftovers(&mut self) -> String {
        let leftovers = self.parts.iter().flat_map(|part| part.observed.timed.leftovers.clone());
        let leftovers: Vec<_> = leftovers.take(limits::LEFTOVERS_MAX).collect();
        let words = reason_with(&leftovers);
        self.step.timed_mut().leftovers = leftovers;
        words
    }
}
