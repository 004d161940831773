//! What is remembered of a copy over a restart of the agent.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_planted::{Bug, planted};
use tessera_types::limits::REPORT_TEXT_BYTES_MAX as TEXT_BYTES_MAX;
use tessera_types::sync::{Assignment, CopyState, Report};
use tessera_types::workload::{Exit, ExitOutcome, Health, Instance, WorkloadSpec};
use tessera_types::{Name, Timestamp, limits};

use super::identity::{CopyId, RunId};

/// A text in a report that was refused for its size.
const SHORT_TEXT_BYTES: usize = 100;

/// Reports of one copy that are kept while the control plane cannot be reached.
pub const REPORTS_KEPT_MAX: usize = 16;

/// How far one copy is. It is saved with every change, so that a new agent goes on where the last one was.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The copy.
    pub copy: CopyId,
    /// The workload's namespace.
    pub namespace: Name,
    /// The workload's name.
    pub name: Name,
    /// The workload's generation that `spec` is of.
    pub generation: u64,
    /// What is declared.
    pub spec: Arc<WorkloadSpec>,
    /// Why it is to end, or has ended, for good.
    pub ending: Option<Ending>,
    /// Why its present run is being ended although the copy is to go on.
    pub unhealthy: Option<String>,
    /// The number of the last start.
    pub attempt: u32,
    /// Whether the run of that start may be there.
    pub live: bool,
    /// Ends in a row.
    pub failures: u32,
    /// How often it was started again.
    pub restarts: u32,
    /// What it does.
    pub state: CopyState,
    /// Why, in words.
    pub reason: String,
    /// The present run, once it was started.
    pub instance: Option<Instance>,
    /// When it starts again.
    pub next_start_at: Option<Timestamp>,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// What its health check says.
    pub health: Option<Health>,
    /// What goes wrong at the moment.
    pub trouble: Option<String>,
    /// The number of the last report.
    pub seq: u64,
    /// The number of the last report that an earlier agent had written down, where later ones were made since and the
    /// control plane has not listed the copy: they may have the numbers of some that were told and not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted_from: Option<u64>,
    /// The number of the report that has the last lines of `last_exit`; 0 for none yet.
    #[serde(default)]
    pub exit_seq: u64,
    /// Reports that were not acknowledged, oldest first.
    pub reports: VecDeque<Report>,
}

/// Why a copy is to end for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The control plane asked for it.
    StopAsked,
    /// Its `not_after` has passed.
    WindowClosed,
    /// It is not the node's business any more; nobody wants to hear of it.
    Unassigned,
}

impl Progress {
    /// A copy that was just assigned.
    pub(super) fn new(assignment: &Assignment, spec: Arc<WorkloadSpec>) -> Self {
        Self {
            copy: CopyId { id: assignment.id, epoch: assignment.epoch },
            namespace: assignment.namespace.clone(),
            name: assignment.name.clone(),
            generation: assignment.generation,
            spec,
            ending: assignment.stop.then_some(Ending::StopAsked),
            unhealthy: None,
            attempt: 0,
            live: false,
            failures: 0,
            restarts: 0,
            state: CopyState::Provisioning,
            reason: String::new(),
            instance: None,
            next_start_at: None,
            last_exit: None,
            health: None,
            trouble: None,
            seq: assignment.report_seq,
            unlisted_from: None,
            exit_seq: 0,
            reports: VecDeque::new(),
        }
    }

    /// The run of the last start.
    #[must_use]
    pub fn run(&self) -> RunId {
        RunId { copy: self.copy, attempt: self.attempt }
    }

    /// Queues a report of how it is now. Where too many wait, the oldest goes: the newest says what is.
    pub(super) fn report(&mut self, now: Timestamp, reason: &str) {
        self.reason = limits::clip(reason, limits::REASON_BYTES_MAX);
        if self.ending == Some(Ending::Unassigned) {
            return;
        }
        self.seq += 1;
        if self.reports.len() == REPORTS_KEPT_MAX {
            self.drop_oldest();
        }
        let last_exit = self.exit_to_report();
        self.reports.push_back(Report {
            id: self.copy.id,
            epoch: self.copy.epoch,
            seq: self.seq,
            at: now,
            state: self.state,
            reason: self.reason.clone(),
            restarts: self.restarts,
            instance: self.instance.clone(),
            next_start_at: self.next_start_at,
            last_exit,
            health: self.health,
            trouble: self.trouble.as_deref().map(|text| limits::clip(text, TEXT_BYTES_MAX)),
        });
    }

    /// How it ended last. What it wrote before that is said once: together that is most of a report.
    fn exit_to_report(&mut self) -> Option<Exit> {
        let mut exit = clipped(self.last_exit.clone()?);
        if self.exit_seq == 0 {
            self.exit_seq = self.seq;
        } else {
            exit.last_lines.clear();
        }
        Some(exit)
    }

    /// A run has ended: so it is said with the next report.
    pub(super) fn has_ended(&mut self, exit: Exit) {
        self.last_exit = Some(exit);
        self.exit_seq = 0;
    }

    /// If the oldest report had the last lines of an end that the next one speaks of too, that has
    /// them now.
    fn drop_oldest(&mut self) {
        let (Some(dropped), Some(next)) = (self.reports.pop_front(), self.reports.front_mut())
        else {
            return;
        };
        if let (Some(told), Some(exit)) = (dropped.last_exit, &mut next.last_exit)
            && (told.at, &told.outcome) == (exit.at, &exit.outcome)
            && exit.last_lines.is_empty()
        {
            exit.last_lines = told.last_lines;
        }
        if dropped.seq == self.exit_seq {
            self.exit_seq = next.seq;
        }
    }

    /// The control plane cannot take report `seq`. If that is the newest, it is made as short as it can be and sent
    /// again; else, or if it was that short, it is dropped.
    pub(super) fn refused(&mut self, seq: u64) {
        let Some(index) = self.reports.iter().position(|report| report.seq == seq) else { return };
        let short = shortened(&self.reports[index]);
        if seq == self.seq && short != self.reports[index] {
            self.reports[index] = short;
        } else {
            self.reports.remove(index);
        }
    }

    /// Drops the reports up to number `seq`.
    pub(super) fn acknowledged(&mut self, seq: u64) {
        let is_known = |report: &Report| report.seq <= seq || planted(Bug::ReportsForgotten);
        while self.reports.front().is_some_and(is_known) {
            self.reports.pop_front();
        }
    }
}

/// A report with nothing in it that could be large.
fn shortened(report: &Report) -> Report {
    let short = |text: &str| limits::clip(text, SHORT_TEXT_BYTES);
    let mut report = report.clone();
    report.reason = short(&report.reason);
    report.trouble = report.trouble.as_deref().map(short);
    if let Some(exit) = &mut report.last_exit {
        exit.last_lines.clear();
        if let ExitOutcome::StartFailed { message } | ExitOutcome::Unhealthy { message } =
            &mut exit.outcome
        {
            *message = short(message);
        }
    }
    if let Some(id) = report.instance.as_mut().and_then(|instance| instance.container_id.as_mut()) {
        *id = limits::clip(id, SHORT_TEXT_BYTES);
    }
    report
}

/// An exit as it is reported.
fn clipped(mut exit: Exit) -> Exit {
    if let ExitOutcome::StartFailed { message } | ExitOutcome::Unhealthy { message } =
        &mut exit.outcome
    {
        *message = limits::clip(message, TEXT_BYTES_MAX);
    }
    exit
}

/// The spec may hold secrets, so it is not shown.
impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("copy", &self.copy)
            .field("ending", &self.ending)
            .field("attempt", &self.attempt)
            .field("live", &self.live)
            .field("failures", &self.failures)
            .field("state", &self.state)
            .field("reason", &self.reason)
            .field("next_start_at", &self.next_start_at)
            .field("seq", &self.seq)
            .field("reports", &self.reports.len())
            .finish_non_exhaustive()
    }
}
