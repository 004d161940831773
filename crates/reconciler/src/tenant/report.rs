//! What an agent's report makes of a tenant.
//!
//! A report says how a tenant is on a node. It counts only while the node is listed, and
//! only if it is newer than the last one of the agent's session; so it may be lost, doubled,
//! late or out of order. What it makes of the tenant's status, its manager says.

use std::collections::BTreeMap;

use tessera_planted::{Bug, planted};
use tessera_types::sync::{InstallState, RunEnd, RunReport, TenantReport};
use tessera_types::tenant::{
    RunState, TenantNode, TenantNodeState, TenantObserved, TenantRun, TenantTold, service_name,
};
use tessera_types::{Actor, Edit, Name, Tenant, Timestamp, Uid, Write, limits};

use crate::workload::Reported;
use crate::world::World;

/// Whose reports they are.
#[derive(Clone, Copy, Debug)]
pub struct Reporter<'a> {
    /// The node.
    pub node: &'a Name,
    /// Its identity.
    pub node_id: Uid,
    /// The start of its agent.
    pub session: &'a str,
}

/// What `reports`, oldest first for each tenant, come to.
#[must_use]
pub fn apply_tenant_reports(
    world: &World,
    from: Reporter<'_>,
    reports: &[TenantReport],
    now: Timestamp,
) -> Reported {
    let mut by_tenant: BTreeMap<Uid, Vec<&TenantReport>> = BTreeMap::new();
    for report in reports {
        by_tenant.entry(report.id).or_default().push(report);
    }
    let mut reported = Reported::default();
    for (id, reports) in by_tenant {
        let Some(tenant) = world.tenants.get(id) else {
            reported.stale.push(id);
            continue;
        };
        let mut edit = Edit::of(tenant, now);
        let applied = reports.iter().map(|report| apply(&mut edit, from, report, now));
        let is_stale = applied.fold(false, |any, applied| any | applied.is_err());
        reported.writes.extend(edit.finish().map(Write::update));
        reported.stale.extend(is_stale.then_some(id));
    }
    reported
}

/// The node is not one of the tenant's.
struct NotOnNode;

fn apply(
    edit: &mut Edit<Tenant>,
    from: Reporter<'_>,
    report: &TenantReport,
    now: Timestamp,
) -> Result<(), NotOnNode> {
    let observed = &mut edit.object.observed;
    let at = observed.nodes.iter().position(|on| on.node_id == from.node_id).ok_or(NotOnNode)?;
    let told = observed.nodes[at].told.as_ref();
    let is_of = |session: &str| session == from.session || planted(Bug::SessionUnchecked);
    if told.is_some_and(|told| is_of(&told.session) && report.seq <= told.seq) {
        return Ok(());
    }
    let is_leaving = observed.nodes[at].state == TenantNodeState::Removing;
    // The agent had not heard yet that it is to come, or to leave: once it does, it says more.
    let is_earlier = report.turn.is_some_and(|turn| turn != observed.nodes[at].turn);
    let notes = tell_runs(observed, from.node_id, &report.runs);
    if is_leaving && report.state == InstallState::Removed && !is_earlier {
        observed.nodes.remove(at);
    } else {
        let state = match is_leaving {
            true => TenantNodeState::Removing,
            false if is_earlier => TenantNodeState::Waiting,
            false => state(observed, report),
        };
        tell(&mut observed.nodes[at], from.session, report, now);
        let on = &mut observed.nodes[at];
        on.state = state;
        let is_about_it = state != TenantNodeState::Waiting && !is_earlier;
        on.reason = report.reason.clone().filter(|_| is_about_it);
        on.conflicts = if is_about_it { report.conflicts.clone() } else { Vec::new() };
    }
    for note in notes {
        edit.note(Actor::agent(from.node), note);
    }
    Ok(())
}

/// How a tenant that is to be on a node is there. What is told of something else that was
/// declared before says only that the agent has not come to it.
fn state(observed: &TenantObserved, report: &TenantReport) -> TenantNodeState {
    if report.generation < observed.hash_generation {
        return TenantNodeState::Waiting;
    }
    match report.state {
        InstallState::Installing => TenantNodeState::Installing,
        InstallState::Installed if report.hash == observed.hash => TenantNodeState::Installed,
        InstallState::Conflict => TenantNodeState::Conflict,
        InstallState::Failed => TenantNodeState::Failed,
        InstallState::Installed | InstallState::Removing | InstallState::Removed => {
            TenantNodeState::Waiting
        }
    }
}

/// What is so whatever it is about.
fn tell(on: &mut TenantNode, session: &str, report: &TenantReport, now: Timestamp) {
    on.hash = report.hash;
    on.repaired.clone_from(&report.repaired);
    on.services.clone_from(&report.services);
    on.reported_at = Some(now);
    on.told = Some(TenantTold {
        session: session.to_owned(),
        seq: report.seq,
        generation: report.generation,
    });
}

/// Takes in what came of runs, and says what is worth a note. What is over stays as it is.
fn tell_runs(observed: &mut TenantObserved, node: Uid, reports: &[RunReport]) -> Vec<String> {
    let mut notes = Vec::new();
    for report in reports {
        let mut runs = observed.runs.iter_mut();
        let run = runs.find(|run| run.id == report.id && run.node_id == node && run.is_open());
        if let Some(run) = run {
            notes.extend(tell_run(run, report));
        }
    }
    notes
}

fn tell_run(run: &mut TenantRun, report: &RunReport) -> Option<String> {
    run.state = RunState::Running;
    run.joined = report.joined;
    run.invocation_id.clone_from(&report.invocation_id);
    run.started_at = report.started_at;
    let RunEnd { at, result, exit_code, source, message } = report.end.clone()?;
    run.state = RunState::Done;
    run.ended_at = Some(at);
    run.exit_code = Some(exit_code);
    (run.result, run.source, run.message) = (result, source, message);
    let service = service_name(run.service.as_ref());
    Some(format!("the run {} of {service} on {} ended with {exit_code}", run.id, run.node))
}

/// A tenant on which a run was asked for, as one more of its runs.
pub fn request_run(edit: &mut Edit<Tenant>, run: TenantRun) {
    let service = service_name(run.service.as_ref());
    let note = format!("the run {} of {service} on {} was asked for", run.id, run.node);
    let by = run.requested_by.clone();
    let runs = &mut edit.object.observed.runs;
    runs.push(run);
    while runs.len() > limits::TENANT_RUNS_MAX
        && let Some(oldest) = runs.iter().position(|run| !run.is_open())
    {
        runs.remove(oldest);
    }
    edit.note(by, note);
}
