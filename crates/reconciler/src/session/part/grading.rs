//! The grading of a part: when it begins, what counts of it, and what follows.

use tessera_types::report::ReportStatus;
use tessera_types::timed::{Failure, Outcome, Request, TimedStatus};
use tessera_types::{Actor, WaitReason, Write, limits};

use super::Look;
use crate::report::{NO_NAME, own_report, report_of};
use crate::timed::{Done, Phases, run_phases};

impl Look<'_> {
    /// It is graded, anew if it was graded before: so is its report made. What it
    /// had until now does not count any more, whether this grading fails or not.
    pub(super) fn grade(&mut self, reason: &str) -> Done {
        self.step.go_between(TimedStatus::Grading, reason)?;
        let observed = &mut self.step.edit.object.observed;
        observed.gradings += 1;
        observed.graded_at = None;
        observed.score = None;
        observed.passed = None;
        let old = own_report(self.step.world, self.step.object());
        if let Some(old) = old.filter(|report| report.status != ReportStatus::Pending) {
            self.step.change(old, |edit| {
                let again = "what it is made of is graded again";
                let step = edit.transition(ReportStatus::Pending, Actor::RECONCILER, again);
                debug_assert!(step.is_ok(), "the machine has this arrow");
            });
        }
        self.grading()
    }

    /// Whether somebody has asked for a grading that can still take place. One that
    /// cannot is noted: what was handed in with it is not graded.
    pub(super) fn is_to_grade(&mut self) -> bool {
        if !self.step.serve(Request::Grade) || !self.is_graded() {
            return false;
        }
        let refused = if self.step.object().observed.gradings >= limits::GRADINGS_MAX {
            format!("not graded again: {} times is the most", limits::GRADINGS_MAX)
        } else if self.step.has_come(self.graded_by()) {
            "not graded again: its teardown has to begin".to_owned()
        } else {
            return true;
        };
        self.step.edit.note(Actor::RECONCILER, refused);
        false
    }

    pub(super) fn is_graded(&self) -> bool {
        self.definition.lifecycle.phases_in(TimedStatus::Grading).next().is_some()
    }

    pub(super) fn is_to_finish(&self) -> bool {
        self.step.timed().requested(Request::Finish).is_some()
    }

    /// Its window is over: it is graded for the last time, if it was not yet.
    pub(super) fn close(&mut self, reason: &str) -> Done {
        let is_due = self.is_graded() && self.step.object().observed.graded_at.is_none();
        if is_due && !self.step.has_come(self.graded_by()) {
            return self.grade(&format!("{reason}: it is graded"));
        }
        if is_due {
            let ungraded = "not graded: no time was left before its teardown";
            self.step.edit.note(Actor::RECONCILER, ungraded);
        }
        self.end(Outcome::Completed, reason)
    }

    pub(super) fn grading(&mut self) -> Done {
        if let Some(reason) = self.is_given_up() {
            return self.end(Outcome::Cancelled, reason);
        }
        if let Some(failure) = self.failed_pod() {
            return self.fail(failure);
        }
        let deadline = self.graded_by();
        if self.step.has_come(deadline) {
            let at = self.step.now;
            let message = "it was not done before the teardown had to begin".to_owned();
            return self.fail(Failure { of: "its grading".to_owned(), attempts: 1, message, at });
        }
        match run_phases(&mut self.step, deadline) {
            Phases::UnderWay => Ok(()),
            Phases::Failed(failure) => self.fail(failure),
            Phases::Done => self.graded(),
        }
    }

    /// The phases that grade are done: the report is made of their results, and
    /// then it goes on, or ends.
    pub(super) fn graded(&mut self) -> Done {
        if !self.take_report() {
            return Ok(());
        }
        let now = self.step.now;
        self.step.edit.object.observed.graded_at = Some(now);
        let ends_early = self.definition.ends_when_graded || self.is_to_finish();
        if self.step.has_come(self.slot.end) || ends_early {
            if self.is_to_grade() {
                let again = "it is graded, and another grading was asked for meanwhile";
                self.step.go_between(TimedStatus::Active, again)?;
                return self.grade("its grading was asked for");
            }
            return self.end(Outcome::Completed, "it is graded");
        }
        self.step.go_between(TimedStatus::Active, "it is graded, and its window is open")?;
        self.step.look_again(self.slot.end);
        Ok(())
    }

    /// True once the report of this grading is made; its score is the part's.
    pub(super) fn take_report(&mut self) -> bool {
        let Some(definition) = self.step.timed().report.clone() else { return true };
        let Some(report) = own_report(self.step.world, self.step.object()) else {
            let (world, part) = (self.step.world, self.step.object());
            let report = report_of(world, part, definition, self.step.now);
            let message = if report.is_some() { "its report" } else { NO_NAME };
            self.step.wait(WaitReason::Children, message, None);
            report.into_iter().for_each(|report| self.step.write(Write::create(report)));
            return false;
        };
        if report.status == ReportStatus::Pending {
            self.step.wait(WaitReason::Children, "its report", None);
            return false;
        }
        let observed = &mut self.step.edit.object.observed;
        observed.score = report.observed.score;
        observed.passed = report.observed.passed;
        true
    }
}
