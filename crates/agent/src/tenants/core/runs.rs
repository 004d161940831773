//! The runs that were asked for: each is started once, whoever dies when.
//!
//! The one idea: systemd gives every run of a unit an invocation id. Before a unit is started, its last one is noted;
//! whether it was started since is then seen from the unit, not remembered.

use std::collections::BTreeMap;

use tessera_planted::{Bug, planted};
use tessera_types::{Timestamp, limits};

use super::job::{Before, Look, Start, Started, UnitSeen};
use super::note::{Phase, RunNote};
use super::tenant::Tenant;
use tessera_types::sync::{RunEnd, RunReport, RunRequest};
use tessera_types::tenant::RunRequestId;

/// What is known of a start beside what is noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Attempt {
    /// A look has to tell first.
    #[default]
    Unknown,
    /// systemd would forget it at its end: what is installed is put right first.
    PutOff,
    /// It was looked at: it was not started.
    Due,
    /// The service manager was asked, and this is what it said.
    Asked(Started),
}

impl Tenant {
    /// Takes in which runs the control plane asks for: all that are not over as far as it knows.
    pub(super) fn requested(&mut self, requests: &[RunRequest]) {
        for request in requests {
            if !self.note.runs.contains_key(&request.id) {
                let run = RunNote { service: request.service.clone(), phase: Phase::Asked };
                self.note.runs.insert(request.id.clone(), run);
                self.dirty = true;
            }
        }
        let asked = |id: &RunRequestId| {
            requests.iter().any(|request| request.id == *id) && !planted(Bug::RunForgotten)
        };
        let runs = self.note.runs.len();
        // Known to be over, or never begun and not wanted any more.
        self.note.runs.retain(|id, run| asked(id) || !(run.is_done() || run.phase == Phase::Asked));
        self.dirty |= runs != self.note.runs.len();
    }

    /// Whether some run that was asked for is under way.
    pub(super) fn has_live_runs(&self) -> bool {
        self.note.runs.values().any(RunNote::is_live)
    }

    /// Whether some run waits for a look at its unit.
    pub(super) fn wants_look(&self) -> bool {
        self.note.runs.iter().any(|(id, run)| match &run.phase {
            Phase::Asked => self.is_installed(),
            Phase::Starting { .. } => self.attempts.get(id) != Some(&Attempt::Due),
            Phase::Running { .. } => true,
            Phase::Done { .. } => false,
        })
    }

    /// The run that is to be started now, if any.
    pub(super) fn start_due(&self) -> Option<Start> {
        let due = |(id, run): (&RunRequestId, &RunNote)| match &run.phase {
            Phase::Starting { before } if self.attempts.get(id) == Some(&Attempt::Due) => {
                Some(Start {
                    id: self.note.id,
                    run: id.clone(),
                    unit: self.unit_of(run),
                    before: before.clone(),
                })
            }
            _ => None,
        };
        self.note.runs.iter().find_map(due)
    }

    /// Runs that have not begun cannot, for this reason.
    pub(super) fn give_up_asked(&mut self, now: Timestamp, exit_code: i32, why: &str) {
        for run in self.note.runs.values_mut().filter(|run| run.phase == Phase::Asked) {
            run.phase = not_run(now, exit_code, why);
            self.dirty = true;
        }
    }

    pub(super) fn started(&mut self, run: RunRequestId, started: Started) {
        self.attempts.insert(run, Attempt::Asked(started));
    }

    /// Takes in how the units are.
    pub(super) fn looked(&mut self, now: Timestamp, look: &Look) {
        let installed = self.is_installed();
        let units: BTreeMap<RunRequestId, String> =
            self.note.runs.iter().map(|(id, run)| (id.clone(), self.unit_of(run))).collect();
        let mut is_put_off = false;
        for (id, run) in &mut self.note.runs {
            let attempt = self.attempts.entry(id.clone()).or_default();
            let Some(seen) = look.units.get(&units[id]) else { continue };
            let next = match &run.phase {
                Phase::Asked if installed && seen.forgets && *attempt != Attempt::PutOff => {
                    *attempt = Attempt::PutOff;
                    is_put_off = true;
                    None
                }
                Phase::Asked if installed => {
                    // It is due as soon as this is written down.
                    *attempt = Attempt::Due;
                    Some(first_look(now, &look.manager, seen))
                }
                Phase::Starting { before } => starting(now, before, &look.manager, seen, attempt),
                Phase::Running { run, joined, started_at } => {
                    running(now, run, *joined, *started_at, &look.manager, seen)
                }
                Phase::Asked | Phase::Done { .. } => None,
            };
            if let Some(next) = next {
                run.phase = next;
                self.dirty = true;
            }
        }
        self.attempts.retain(|id, _| self.note.runs.get(id).is_some_and(|run| !run.is_done()));
        if is_put_off {
            self.is_to_be_put_right(now);
        }
    }

    /// What there is to tell of runs.
    pub(super) fn run_reports(&self) -> Vec<RunReport> {
        self.note.runs.iter().filter_map(|(id, run)| report(id, run)).collect()
    }
}

/// The exit code where there is nothing to be run, and where it is not known how it ended.
pub(super) const NOT_THERE: i32 = 3;
const FAILED: i32 = 1;

fn first_look(now: Timestamp, manager: &str, seen: &UnitSeen) -> Phase {
    let at = Before { manager: manager.to_owned(), invocation: seen.invocation.clone() };
    match &seen.unusable {
        Some(end) => Phase::Done {
            invocation: None,
            joined: false,
            started_at: None,
            end: RunEnd { at: now, ..end.clone() },
        },
        None if seen.running => {
            Phase::Running { run: at, joined: true, started_at: seen.started_at }
        }
        None if seen.forgets => {
            not_run(now, FAILED, "no timer of its unit is on, so how it ends could not be known")
        }
        None => Phase::Starting { before: at },
    }
}

fn starting(
    now: Timestamp,
    before: &Before,
    manager: &str,
    seen: &UnitSeen,
    attempt: &mut Attempt,
) -> Option<Phase> {
    if before.manager != manager {
        let why = "systemd's user manager was started anew just then: whether it ran is not known";
        return Some(not_run(now, FAILED, why));
    }
    if before.invocation != seen.invocation && !seen.invocation.is_empty() {
        let run = Before { invocation: seen.invocation.clone(), ..before.clone() };
        return Some(Phase::Running { run, joined: false, started_at: seen.started_at });
    }
    match attempt {
        _ if seen.queued => None,
        _ if seen.forgets => {
            let why = "its timer was stopped just then: whether it ran is not known";
            Some(not_run(now, FAILED, why))
        }
        Attempt::Asked(Started::Accepted) => Some(not_started(now, seen)),
        Attempt::Asked(Started::Refused(why)) => Some(not_run(now, FAILED, why)),
        _ => {
            *attempt = Attempt::Due;
            None
        }
    }
}

/// systemd took the order, and there was no run: what it says of the unit now is why.
fn not_started(now: Timestamp, seen: &UnitSeen) -> Phase {
    let said = seen.unusable.clone().or_else(|| seen.ended.clone());
    match said.filter(|end| end.exit_code != 0) {
        Some(end) => Phase::Done {
            invocation: None,
            joined: false,
            started_at: None,
            end: RunEnd { at: now, ..end },
        },
        None => not_run(now, FAILED, "systemd did not start it, and does not say why"),
    }
}

fn running(
    now: Timestamp,
    run: &Before,
    joined: bool,
    started_at: Option<Timestamp>,
    manager: &str,
    seen: &UnitSeen,
) -> Option<Phase> {
    let started_at = started_at.or(seen.started_at);
    let invocation = Some(run.invocation.clone());
    if run.manager == manager && run.invocation == seen.invocation {
        let end = seen.ended.clone().filter(|_| !seen.running)?;
        return Some(Phase::Done { invocation, joined, started_at, end });
    }
    let why = if run.manager != manager {
        "systemd's user manager was started anew before its end was seen: how it ended is not known"
    } else if seen.invocation.is_empty() {
        "no timer refers to its unit any more, so systemd has forgotten the run: how it ended is not known"
    } else {
        "the next run began before its end was seen: how it ended is not known"
    };
    Some(Phase::Done { invocation, joined, started_at, end: unseen(now, FAILED, why) })
}

fn not_run(now: Timestamp, exit_code: i32, why: &str) -> Phase {
    let end = unseen(now, exit_code, why);
    Phase::Done { invocation: None, joined: false, started_at: None, end }
}

fn unseen(now: Timestamp, exit_code: i32, why: &str) -> RunEnd {
    let message = Some(limits::clip(why, limits::REASON_BYTES_MAX));
    RunEnd { at: now, result: None, exit_code, source: None, message }
}

fn report(id: &RunRequestId, run: &RunNote) -> Option<RunReport> {
    let (invocation_id, joined, started_at, end) = match &run.phase {
        Phase::Asked | Phase::Starting { .. } => return None,
        Phase::Running { run, joined, started_at } => {
            (Some(run.invocation.clone()), *joined, *started_at, None)
        }
        Phase::Done { invocation, joined, started_at, end } => {
            (invocation.clone(), *joined, *started_at, Some(end.clone()))
        }
    };
    Some(RunReport { id: id.clone(), joined, invocation_id, started_at, end })
}
