//! What an agent's report makes of a workload.
//!
//! A report says what a copy does. It counts only for the epoch that is placed
//! now, on the node that it is placed on, and only if it is newer than the last
//! one; so a report may be lost, doubled, late or out of order.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::sync::{CopyState, Report};
use tessera_types::workload::{Exit, WorkloadStatus};
use tessera_types::{Actor, Edit, Edited, Name, Object, State, Timestamp, Uid, Workload, Write};

use crate::world::World;

/// What reports come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reported {
    /// What is to be written, one write for each workload at most.
    pub writes: Vec<Write>,
    /// Workloads of which a report was refused.
    pub stale: Vec<Uid>,
}

/// What `reports`, sent by the agent of `node` and oldest first for each copy,
/// come to.
#[must_use]
pub fn apply_reports(world: &World, node: &Name, reports: &[Report], now: Timestamp) -> Reported {
    let mut by_workload: BTreeMap<Uid, Vec<&Report>> = BTreeMap::new();
    for report in reports {
        by_workload.entry(report.id).or_default().push(report);
    }
    let mut reported = Reported::default();
    for (id, reports) in by_workload {
        let Some(workload) = world.workloads.get(id) else {
            reported.stale.push(id);
            continue;
        };
        let (edited, is_stale) = fold(workload, node, &reports, now);
        reported.writes.extend(edited.map(Write::update));
        reported.stale.extend(is_stale.then_some(id));
    }
    reported
}

/// All reports of one workload as one change, and whether any was stale.
fn fold(
    workload: &Arc<Object<Workload>>,
    node: &Name,
    reports: &[&Report],
    now: Timestamp,
) -> (Option<Edited<Workload>>, bool) {
    let mut current = Arc::clone(workload);
    let mut transitions = Vec::new();
    let mut is_stale = false;
    for report in reports {
        match apply_report(&current, node, report, now) {
            Ok(Some(edited)) => {
                transitions.extend(edited.transitions);
                current = Arc::new(edited.object);
            }
            Ok(None) => {}
            Err(StaleReport) => is_stale = true,
        }
    }
    let is_changed = *current != **workload;
    let object = Arc::unwrap_or_clone(current);
    (is_changed.then_some(Edited { object, transitions }), is_stale)
}

/// A report of a copy that does not count any more: its agent is to stop it and
/// forget it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the copy is of an older placement")]
pub struct StaleReport;

/// What `report`, sent by the agent of `node`, makes of `workload`; none when it
/// is no news.
///
/// # Errors
/// [`StaleReport`] when the copy is not the one that is placed now.
pub fn apply_report(
    workload: &Arc<Object<Workload>>,
    node: &Name,
    report: &Report,
    now: Timestamp,
) -> Result<Option<Edited<Workload>>, StaleReport> {
    let observed = &workload.observed;
    let assigned = observed.assigned.as_ref().filter(|assigned| assigned.node == *node);
    let is_old = observed.epoch != report.epoch && !planted(Bug::EpochUnchecked);
    if assigned.is_none() || is_old {
        return Err(StaleReport);
    }
    if report.seq <= observed.report_seq && !planted(Bug::ReportOrderUnchecked) {
        return Ok(None);
    }
    let mut edit = Edit::of(workload, now);
    observe(&mut edit, report);
    advance(&mut edit, node, report, now);
    if report.state.is_final() {
        release(&mut edit);
    }
    Ok(edit.finish())
}

fn observe(edit: &mut Edit<Workload>, report: &Report) {
    let observed = &mut edit.object.observed;
    observed.report_seq = report.seq;
    observed.restarts = report.restarts;
    observed.instance.clone_from(&report.instance);
    observed.next_start_at = report.next_start_at;
    observed.health = report.health;
    observed.trouble.clone_from(&report.trouble);
    if let Some(exit) = &report.last_exit {
        let known = observed.last_exit.take().filter(|known| is_same(known, exit));
        observed.last_exit = known.or_else(|| Some(exit.clone()));
    }
}

/// Whether a report only repeats how a run ended: then it does not say again what
/// the run wrote last.
fn is_same(known: &Exit, exit: &Exit) -> bool {
    exit.last_lines.is_empty() && (known.at, &known.outcome) == (exit.at, &exit.outcome)
}

/// Goes to the status that the report corresponds to, by the shortest legal way:
/// what lies in between happened too, if unobserved.
fn advance(edit: &mut Edit<Workload>, node: &Name, report: &Report, now: Timestamp) {
    let Some(goal) = goal(edit.object.status, report.state) else { return };
    let path = edit.object.status.path_to(goal).unwrap_or_default();
    let at = report.at.min(now).max(edit.object.status_since);
    let steps = path.len();
    for (i, step) in path.into_iter().enumerate() {
        let reason = if i + 1 == steps { report.reason.as_str() } else { "not observed" };
        if edit.transition_at(step, at, Actor::agent(node), reason).is_err() {
            return;
        }
    }
    if steps > 0 {
        add_facts(edit, node, report);
    }
}

/// The status to go to. A copy that is being stopped does not go back, whatever
/// it did before it was told; and however it ends, it was stopped.
fn goal(status: WorkloadStatus, state: CopyState) -> Option<WorkloadStatus> {
    match status {
        WorkloadStatus::Stopping if state.is_final() => Some(WorkloadStatus::Stopped),
        WorkloadStatus::Stopping => None,
        _ => Some(state.status()),
    }
}

fn add_facts(edit: &mut Edit<Workload>, node: &Name, report: &Report) {
    edit.with("node", node).with("epoch", report.epoch);
    if let Some(pid) = report.instance.as_ref().and_then(|instance| instance.pid) {
        edit.with("pid", pid);
    }
    if report.restarts > 0 {
        edit.with("restarts", report.restarts);
    }
    if let Some(exit) = &report.last_exit
        && !matches!(report.state, CopyState::Running | CopyState::Provisioning)
    {
        edit.with("exit", &exit.outcome);
    }
}

/// The copy is gone for good: the node is free of it.
fn release(edit: &mut Edit<Workload>) {
    let observed = &mut edit.object.observed;
    observed.assigned = None;
    observed.instance = None;
    observed.next_start_at = None;
}
