//! Tenants as rows of a table, and in full.

use tessera_manifest::{Format, Limits, Source};
use tessera_types::tenant::{
    LastRun, RunState, TenantNode, TenantNodeState, TenantRun, TenantService, service_name,
};
use tessera_types::{Object, Tenant, Timestamp};

use super::Detail;
use super::labels;
use super::timed::{first_cells, first_columns, status, time};
use crate::moment::{age, until};
use crate::style::{Tone, told};
use crate::table::{Cell, Column};

/// The columns of tenants.
pub(super) fn columns(detail: Detail) -> Vec<Column> {
    let mut columns = first_columns::<Tenant>(detail);
    columns
        .extend(["KIND", "NODES", "SCHEDULE", "LAST RUN", "NEXT RUN", "STATUS"].map(Column::new));
    if detail.wide {
        columns.extend(["HASH", "NODE SELECTOR", "AGE"].map(Column::new));
    }
    columns.push(Column::flexible("WAITING FOR"));
    columns
}

/// A tenant as a row of [`columns`].
pub(super) fn row(tenant: &Object<Tenant>, detail: Detail, now: Timestamp) -> Vec<Cell> {
    let declared = Declared::of(&tenant.spec.manifest);
    let mut row = first_cells(tenant, detail);
    row.extend([
        declared.kind.unwrap_or_else(|| "-".to_owned()).into(),
        nodes(tenant).into(),
        declared.schedule.unwrap_or_else(|| "-".to_owned()).into(),
        last_run(tenant, now),
        time(next_run_at(tenant, now), detail, now),
        status(tenant),
    ]);
    if detail.wide {
        let hash = tenant.observed.hash.map_or_else(|| "-".to_owned(), |hash| hash.short());
        row.extend([
            hash.into(),
            labels(&tenant.spec.node_selector).into(),
            age(tenant.created_at, now).into(),
        ]);
    }
    let waiting = tenant.waiting_for.as_ref().map(|waiting| waiting.message.as_str());
    row.push(told(waiting.unwrap_or_default()).into());
    row
}

/// On how many of its nodes it is installed as it is declared: `2/3`. Those that it
/// leaves are not its nodes any more.
pub(super) fn nodes(tenant: &Object<Tenant>) -> String {
    let nodes = &tenant.observed.nodes;
    let installed = nodes.iter().filter(|it| it.state == TenantNodeState::Installed).count();
    let wanted = nodes.iter().filter(|it| it.state != TenantNodeState::Removing).count();
    format!("{installed}/{wanted}")
}

/// The services of all nodes.
fn services(tenant: &Object<Tenant>) -> impl Iterator<Item = &TenantService> {
    tenant.observed.nodes.iter().flat_map(|node| &node.services)
}

/// When any service runs next on any node. Of a node that is not heard of any more, what it
/// said was next has passed.
fn next_run_at(tenant: &Object<Tenant>, now: Timestamp) -> Option<Timestamp> {
    let all = services(tenant).filter_map(|service| service.next_run_at);
    all.filter(|at| *at >= now).min()
}

/// The last run of any service on any node: one that is under way, or else one that did not
/// end well, or else the one that ended last.
fn last_run(tenant: &Object<Tenant>, now: Timestamp) -> Cell {
    if let Some(since) = services(tenant).filter_map(|service| service.running_since).min() {
        return Cell::toned(format!("running for {}", age(since, now)), Tone::Busy);
    }
    let runs = services(tenant).filter_map(|service| service.last_run.as_ref());
    match runs.max_by_key(|run| (run.result != "success", run.ended_at)) {
        Some(run) => {
            let when = run.ended_at.map_or_else(String::new, |at| format!(" {} ago", age(at, now)));
            Cell::toned(format!("{}{when}", outcome(run)), tone_of(&run.result))
        }
        None => "-".into(),
    }
}

pub(super) fn tone_of(result: &str) -> Tone {
    if result == "success" { Tone::Good } else { Tone::Bad }
}

/// How a run ended: `success`, `exit code 7`, `timeout`.
pub(super) fn outcome(run: &LastRun) -> String {
    match (run.result.as_str(), run.exit_code) {
        ("exit-code", Some(code)) => format!("exit code {code}"),
        (result, _) => result.to_owned(),
    }
}

/// What a table tells of a manifest. The control plane has checked it.
#[derive(Default)]
pub(super) struct Declared {
    /// What the tenant does with data.
    pub(super) kind: Option<String>,
    /// When its primary service runs.
    pub(super) schedule: Option<String>,
    /// Its version.
    pub(super) version: Option<String>,
    /// Whom to ask.
    pub(super) owner: Option<String>,
}

impl Declared {
    pub(super) fn of(manifest: &str) -> Self {
        let source = Source::new("tessera-tenant.toml", manifest);
        let read = tessera_manifest::read(source, Format::Toml, &Limits::default(), |document| {
            let text = |field: &str| {
                document.root().get(field).and_then(|node| node.as_str()).map(str::to_owned)
            };
            Ok(Self {
                kind: text("kind"),
                schedule: text("schedule"),
                version: text("version"),
                owner: text("owner"),
            })
        });
        read.ok().and_then(|mut all| all.pop()).unwrap_or_default()
    }
}

/// One line for each node: how it is there.
pub(super) fn on_node(node: &TenantNode, now: Timestamp) -> (String, Tone) {
    let tone = match node.state {
        TenantNodeState::Installed => Tone::Good,
        TenantNodeState::Conflict | TenantNodeState::Failed => Tone::Bad,
        TenantNodeState::Waiting | TenantNodeState::Installing | TenantNodeState::Removing => {
            Tone::Busy
        }
    };
    let mut text = node.state.to_string();
    if let Some(at) = node.reported_at {
        text.push_str(&format!(", told {} ago", age(at, now)));
    }
    if let Some(reason) = &node.reason {
        text.push_str(&format!(": {reason}"));
    }
    (text, tone)
}

/// One service on one node: `runs for 3s; next in 2h; last success 4h ago`.
pub(super) fn of_service(service: &TenantService, now: Timestamp) -> String {
    let running = service.running_since.map(|at| format!("running for {}", age(at, now)));
    let next = service.next_run_at.map(|at| format!("next {}", until(at, now)));
    let last = service.last_run.as_ref().map(|run| {
        let when = run.ended_at.map_or_else(String::new, |at| format!(" {} ago", age(at, now)));
        format!("last {}{when}", outcome(run))
    });
    let parts: Vec<_> = [running, next, last].into_iter().flatten().collect();
    if parts.is_empty() { "never ran".to_owned() } else { parts.join("; ") }
}

/// One run that was asked for.
pub(super) fn of_run(run: &TenantRun, now: Timestamp) -> (String, Tone) {
    let of = format!("{} on {}", service_name(run.service.as_ref()), run.node);
    let asked = format!("asked for {} ago by {}", age(run.requested_at, now), run.requested_by);
    let joined = if run.joined { ", joined one under way" } else { "" };
    let (state, tone) = match (run.state, run.exit_code) {
        (RunState::Requested, _) => ("requested".to_owned(), Tone::Busy),
        (RunState::Running, _) => ("running".to_owned(), Tone::Busy),
        (RunState::Done, Some(0)) => ("done, exit code 0".to_owned(), Tone::Good),
        (RunState::Done, Some(code)) => {
            let whose = run.source.map_or_else(String::new, |source| format!(" ({source})"));
            (format!("done, exit code {code}{whose}"), Tone::Bad)
        }
        (RunState::Done, None) if has_begun(run) => ("done".to_owned(), Tone::Bad),
        (RunState::Done, None) => ("never started".to_owned(), Tone::Bad),
    };
    let message = run.message.as_ref().filter(|_| run.exit_code != Some(0));
    let message = message.map_or_else(String::new, |message| format!(": {message}"));
    (format!("{of}, {asked}{joined}: {state}{message}"), tone)
}

/// Whether it was ever seen to run.
fn has_begun(run: &TenantRun) -> bool {
    run.invocation_id.is_some() || run.started_at.is_some()
}
