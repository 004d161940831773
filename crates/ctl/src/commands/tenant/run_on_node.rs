//! `tenant run-now --node`: asks for a run of a tenant on a node of the fleet, and ends as it
//! does. The request is written down, so that who stops waiting stops nothing.

use std::time::Duration;

use serde::Serialize;
use tessera_client::call;
use tessera_types::api::RunTenantRequest;
use tessera_types::tenant::{RunRequestId, RunSource, RunState, TenantRun, service_name};
use tessera_types::{KindName, Name, Object, Resource, ResourceKey, Tenant, Timestamp};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Format;
use crate::context::{Context, json, print, tell};
use crate::exit::Exit;
use crate::failure::{Failure, said};
use crate::follow::{Change, Follow, Scope};
use crate::moment::brief;
use crate::once::once;
use crate::style::{Tone, printable};

/// How a run ended, for programs: as on one machine, with the node, the service and the id.
#[derive(Debug, Serialize)]
struct Report<'a> {
    id: &'a RunRequestId,
    node: &'a Name,
    service: Option<&'a Name>,
    unit: String,
    invocation_id: Option<&'a str>,
    joined: bool,
    result: Option<&'a str>,
    exit_code: u8,
    source: Option<RunSource>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    message: &'a str,
    remedy: Option<String>,
}

/// Asks for a run on a node, and waits for its end.
pub(super) async fn on_node(
    context: &Context,
    name: &Name,
    service: Option<&Name>,
    node: &Name,
) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    // Before the run is asked for, so that Ctrl-C finds somebody from then on.
    let mut pressed = signal(SignalKind::interrupt())?;
    let asked = tokio::select! {
        asked = ask(context, name, service, node) => asked?,
        _ = pressed.recv() => return Err(Failure::Told(Exit::Interrupted)),
    };
    let what = format!("{} of {name} on {node}", service_name(service));
    let over = tokio::select! {
        over = wait(context, name, &asked) => over?,
        _ = pressed.recv() => {
            tell(&format!("{what} goes on: `tesseractl describe tenant {name}` shows it\n"));
            return Err(Failure::Told(Exit::Interrupted));
        }
    };
    match format {
        Format::Json => print(&json(&Report::of(name, &over))?)?,
        _ => show(context, name, &what, &over)?,
    }
    match exit_code(&over) {
        0 => Ok(()),
        code => Err(Failure::Ended(code)),
    }
}

/// What has no exit code was never started, or nobody knows.
fn exit_code(run: &TenantRun) -> u8 {
    run.exit_code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn message(run: &TenantRun) -> &str {
    run.message.as_deref().or(run.result.as_deref()).unwrap_or("it was not started")
}

/// Where to look on.
fn remedy(tenant: &Name, run: &TenantRun) -> Option<String> {
    let node = &run.node;
    if run.source.is_none() {
        // Nobody ended it: neither the program nor systemd.
        return Some(format!("`tesseractl describe tenant {tenant}` shows how it is on {node}"));
    }
    let service = run.service.as_ref().map(|suffix| format!(" --service {suffix}"));
    let service = service.unwrap_or_default();
    let remedy =
        || format!("`tesseractl logs tenant/{tenant} --node {node}{service}` shows what it wrote");
    (exit_code(run) != 0).then(remedy)
}

/// Asks once, however often it has to be sent.
async fn ask(
    context: &Context,
    name: &Name,
    service: Option<&Name>,
    node: &Name,
) -> Result<TenantRun, Failure> {
    let send = async |once: &str| {
        let request_id = once.parse().expect("a key is an id: 32 hexadecimal digits");
        let (node, service) = (node.clone(), service.cloned());
        call(context.api.tenant_run(name, &RunTenantRequest { request_id, node, service })).await
    };
    once("tenant_run", send).await
}

/// Waits until a run is over. One that nobody lists any more has been for long.
async fn wait(context: &Context, name: &Name, asked: &TenantRun) -> Result<TenantRun, Failure> {
    let key = ResourceKey::new(KindName::Tenant, None, name.clone());
    let mut follow = Follow::start(&context.api, Scope::around([&key])).await?;
    let mut known = follow.known().get(&key).cloned();
    let mut is_joining_told = false;
    loop {
        let Some(Resource::Tenant(tenant)) = &known else {
            return Err(failed(format!("{key} is gone, and its run {} with it", asked.id)));
        };
        let run = of(tenant, &asked.id)
            .ok_or_else(|| failed(format!("{key} does not know the run {} any more", asked.id)))?;
        if run.joined && !is_joining_told {
            tell(&format!("{name} runs on {} already: joined that run\n", run.node));
            is_joining_told = true;
        }
        if run.state == RunState::Done {
            return Ok(run.clone());
        }
        match follow.next().await? {
            Change::Changed { after, .. } => known = Some(after),
            Change::Deleted { .. } => known = None,
            Change::Notice(notice) => tell(&format!("{notice}\n")),
        }
    }
}

fn failed(message: String) -> Failure {
    Failure::Failed { message, details: Vec::new() }
}

fn of<'t>(tenant: &'t Object<Tenant>, id: &RunRequestId) -> Option<&'t TenantRun> {
    tenant.observed.runs.iter().find(|run| run.id == *id)
}

impl Report<'_> {
    fn of<'a>(tenant: &Name, run: &'a TenantRun) -> Report<'a> {
        let suffix = run.service.as_ref().map(|suffix| format!("-{suffix}")).unwrap_or_default();
        Report {
            id: &run.id,
            node: &run.node,
            service: run.service.as_ref(),
            unit: format!("{tenant}{suffix}.service"),
            invocation_id: run.invocation_id.as_deref(),
            joined: run.joined,
            result: run.result.as_deref(),
            exit_code: exit_code(run),
            source: run.source,
            started_at: run.started_at,
            ended_at: run.ended_at,
            message: message(run),
            remedy: remedy(tenant, run),
        }
    }
}

/// How a run ended, for people.
fn show(context: &Context, tenant: &Name, what: &str, run: &TenantRun) -> Result<(), Failure> {
    if exit_code(run) == 0 {
        let took = run.ended_at.zip(run.started_at).map(|(end, start)| end.since(start));
        let took = took.filter(|took| took.as_std() >= Duration::from_secs(1));
        let took = took.map_or_else(String::new, |took| format!(", after {}", brief(took)));
        return print(&format!("{what}: {}{took}\n", context.style.paint(Tone::Good, "done")));
    }
    let message = format!("{what}: {}", printable(message(run)));
    tell(&said(context.error_style, None, &message, &[], remedy(tenant, run).as_deref()));
    Ok(())
}
