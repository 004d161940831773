//! Runs of tenants that somebody asks for: written down once, for the agent of the node to
//! see to.

use std::sync::Arc;

use dropshot::HttpResponseAccepted;
use tessera_api::ApiError;
use tessera_reconciler::request_run;
use tessera_store::IdempotencyKey;
use tessera_types::api::RunTenantRequest;
use tessera_types::manifest::Refusal;
use tessera_types::problem::Code;
use tessera_types::tenant::{
    RunRequestId, RunState, TenantNode, TenantNodeState, TenantRun, service_name,
};
use tessera_types::{
    Actor, Committed, Edit, Fingerprint, Invalid, Kind, KindName, Name, Node, Object, Problem,
    ResourceKey, Tenant, limits, nearest,
};

use super::once::{Asked, Done};
use crate::clock;
use crate::declare::refused;
use crate::missing::missing;
use crate::plane::Plane;

/// Asks for a run.
pub(super) async fn run(
    plane: &Plane,
    name: Name,
    request: RunTenantRequest,
) -> Result<HttpResponseAccepted<TenantRun>, ApiError> {
    let key = ResourceKey::new(KindName::Tenant, None, name);
    let tenant = plane.get::<Tenant>(&key)?;
    let asked = Asked { once: Some(once(&tenant, &request)), key };
    let act = async {
        let key = &asked.key;
        let ask = |edit: &mut Edit<Tenant>| add(plane, key, &request, edit);
        plane.edit_once::<Tenant>(key, asked.once.as_ref(), ask).await
    };
    let done = asked.unless_done(plane, act).await?;
    let now = plane.get::<Tenant>(&asked.key)?;
    let run = run_of(&now, &request.request_id).or_else(|| match &done {
        Done::Now(tenant) => run_of(tenant, &request.request_id),
        Done::Before(committed) => run_in(committed, &request.request_id),
    });
    Ok(HttpResponseAccepted(run.ok_or_else(|| Problem::not_found(&asked.key))?))
}

/// The id of the run is the key under which it is asked for once.
fn once(tenant: &Object<Tenant>, request: &RunTenantRequest) -> IdempotencyKey {
    let RunTenantRequest { request_id, node, service } = request;
    let service = service.as_ref().map_or("", |service| service.as_str());
    IdempotencyKey {
        key: format!("run-{}-{request_id}", tenant.id),
        fingerprint: Fingerprint::default().text(node.as_str()).text(service).finish(),
    }
}

fn run_of(tenant: &Object<Tenant>, id: &RunRequestId) -> Option<TenantRun> {
    tenant.observed.runs.iter().find(|run| run.id == *id).cloned()
}

fn run_in(committed: &Committed, id: &RunRequestId) -> Option<TenantRun> {
    let changed = committed.changes.iter().filter_map(|change| change.after.as_ref());
    changed.filter_map(Tenant::unwrap).find_map(|tenant| run_of(tenant, id))
}

fn add(
    plane: &Plane,
    key: &ResourceKey,
    request: &RunTenantRequest,
    edit: &mut Edit<Tenant>,
) -> Result<(), Problem> {
    let tenant = Arc::clone(edit.before());
    if tenant.deletion_requested_at.is_some() {
        return Err(refused(key, &Refusal::BeingDeleted));
    }
    let node = node(plane, &tenant, key, request)?;
    check_service(&tenant, key, node, request.service.as_ref())?;
    if tenant.observed.runs.iter().filter(|run| run.is_open()).count() >= limits::TENANT_RUNS_MAX {
        let detail = format!(
            "{key}: {} runs are asked for and not over, which is the most",
            limits::TENANT_RUNS_MAX
        );
        return Err(Problem::new(Code::TooManyRequests, detail)
            .instance(key)
            .remedy(format!("`tesseractl describe tenant {}` shows them", key.name)));
    }
    let run = TenantRun {
        id: request.request_id.clone(),
        node: node.node.clone(),
        node_id: node.node_id,
        service: request.service.clone(),
        requested_at: clock::now(),
        requested_by: Actor::API,
        state: RunState::Requested,
        joined: false,
        invocation_id: None,
        started_at: None,
        ended_at: None,
        result: None,
        exit_code: None,
        source: None,
        message: None,
    };
    request_run(edit, run);
    Ok(())
}

/// How the tenant is on the node, if it can run there now.
fn node<'t>(
    plane: &Plane,
    tenant: &'t Object<Tenant>,
    key: &ResourceKey,
    request: &RunTenantRequest,
) -> Result<&'t TenantNode, Problem> {
    let world = plane.world.read();
    let Some(node) = world.nodes.find(None, &request.node) else {
        let node = ResourceKey::new(KindName::Node, None, request.node.clone());
        return Err(missing(&world, &node));
    };
    let on = tenant.on(node.id).filter(|on| on.state != TenantNodeState::Removing);
    let on = on.ok_or_else(|| not_on(tenant, key, node))?;
    if !node.status.is_reachable() {
        let detail = format!("{key}: {} is Offline, so nothing can be started there", node.name);
        return Err(Problem::new(Code::NodeUnavailable, detail)
            .instance(key)
            .remedy("ask again when its agent is heard of, or for another node"));
    }
    if on.hash.is_none() { Err(not_installed(key, on)) } else { Ok(on) }
}

/// The tenant is on the node, or will be, and there is nothing of it that was installed.
pub(super) fn not_installed(key: &ResourceKey, on: &TenantNode) -> Problem {
    let detail = format!("{key} is not installed on {} yet ({})", on.node, on.state);
    Problem::new(Code::NotNow, detail)
        .instance(key)
        .remedy(format!("`tesseractl describe tenant {}` shows what it waits for", key.name))
}

/// The tenant is not on the node, nor will be.
pub(super) fn not_on(tenant: &Object<Tenant>, key: &ResourceKey, node: &Object<Node>) -> Problem {
    let on = tenant.observed.nodes.iter().filter(|on| on.state != TenantNodeState::Removing);
    let remedy = match names_of(on) {
        none if none.is_empty() => "it is on no node".to_owned(),
        names => format!("its nodes are {names}"),
    };
    let detail = format!("{key} does not belong on {}", node.name);
    Problem::new(Code::NotNow, detail).instance(key).remedy(remedy)
}

/// The names of nodes, for people.
pub(super) fn names_of<'t>(nodes: impl Iterator<Item = &'t TenantNode>) -> String {
    let names: Vec<_> = nodes.map(|on| on.node.as_str()).take(limits::PAGE_DEFAULT).collect();
    names.join(", ")
}

/// A service is one of the manifest, or one that the agent has told of.
pub(super) fn check_service(
    tenant: &Object<Tenant>,
    key: &ResourceKey,
    on: &TenantNode,
    service: Option<&Name>,
) -> Result<(), Problem> {
    let told = on.services.iter().map(|it| it.service.as_ref());
    let Some(suffix) = service.filter(|suffix| !told.clone().any(|it| it == Some(suffix))) else {
        return Ok(());
    };
    let declared =
        tessera_tenant::fleet::services(&tenant.spec, jiff::tz::db(), jiff::Timestamp::now());
    if declared.iter().any(|it| it.as_ref() == Some(suffix)) {
        return Ok(());
    }
    let known: Vec<_> = declared.iter().map(|it| service_name(it.as_ref())).collect();
    let suffixes = declared.iter().flatten().map(Name::as_str);
    let near = nearest(suffix.as_str(), suffixes)
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let message = format!("there is no service `{suffix}`: there are {}{near}", known.join(", "));
    Err(Problem::invalid(key, vec![Invalid::new("service", message)]))
}
