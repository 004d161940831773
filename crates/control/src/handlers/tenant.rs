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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::server::Control;
    use crate::server::tests::{ask, options};

    /// A control plane with agents that say what they are told to.
    struct Plane {
        control: Control,
        _folder: tempfile::TempDir,
    }

    impl Plane {
        async fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let control = Control::start(options(folder.path())).await.unwrap();
            Self { control, _folder: folder }
        }

        async fn call(&self, request: &str, body: &Value) -> (u16, Value) {
            let answer = ask(&self.control, request, &body.to_string()).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap();
            (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
        }

        async fn register(&self, node: &str, zone: &str) {
            let registration = json!({
                "agent_id": node, "session": "s", "version": "1", "labels": {"zone": zone},
                "executors": {"process": true},
                "capacity": {"cpu": 1000, "memory": 1 << 30, "workloads": 100},
            });
            let (status, said) = self.call(&path("POST", node, "register"), &registration).await;
            assert_eq!(status, 200, "{said}");
        }

        async fn leave(&self, node: &str) {
            let body = json!({"session": "s", "since": 0, "wait": "0s", "leaving": true});
            let (status, said) = self.call(&path("POST", node, "sync"), &body).await;
            assert_eq!(status, 200, "{said}");
        }

        /// Declares a tenant with these further services.
        async fn declare(&self, name: &str, services: &[&str]) -> (u16, Value) {
            self.call(&format!("PUT /v1/tenants/{name}"), &declared(name, services)).await
        }

        /// A tenant, once the nodes of zone a are listed in it.
        async fn placed(&self, name: &str) -> Value {
            for _ in 0..2000 {
                let (_, tenant) = self.call(&format!("GET /v1/tenants/{name}"), &json!({})).await;
                if tenant["observed"]["nodes"].is_array() {
                    return tenant;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            panic!("{name} comes to no node")
        }

        async fn report(&self, node: &str, report: Value) -> (u16, Value) {
            let body = json!({"session": "s", "reports": [], "tenants": [report]});
            self.call(&path("POST", node, "reports"), &body).await
        }

        async fn ask(&self, tenant: &str, run: Value) -> (u16, Value) {
            self.call(&format!("POST /v1/tenants/{tenant}/runs"), &run).await
        }

        /// How the tenant is on its first node.
        async fn on(&self, tenant: &str) -> Value {
            let (_, tenant) = self.call(&format!("GET /v1/tenants/{tenant}"), &json!({})).await;
            tenant["observed"]["nodes"][0].clone()
        }
    }

    fn path(method: &str, node: &str, what: &str) -> String {
        format!("{method} /v1/nodes/{node}/{what}")
    }

    fn declared(name: &str, services: &[&str]) -> Value {
        let services: String = services
            .iter()
            .map(|it| format!("[services.{it}]\nschedule = \"Sun 04:00 UTC\"\n"))
            .collect();
        let manifest = format!(
            "name = \"{name}\"\nkind = \"extract\"\nversion = \"1.0.0\"\nschema = \"things\"\n\
             owner = \"data@library.example\"\nsources = [\"sierra\"]\nfreshness = \"26h\"\n\
             schedule = \"*-*-* 08:35:00 UTC\"\n[telemetry]\n[lifecycle]\n\
             entrypoint = [\"python3\", \"app.py\"]\n\
             subcommands = [\"run\", \"status\", \"dry-run\", \"migrate\"]\n{services}"
        );
        json!({
            "kind": "Tenant", "name": name,
            "spec": {"node_selector": {"zone": "a"}, "manifest": manifest},
        })
    }

    fn installed(tenant: &Value, seq: u64) -> Value {
        json!({
            "id": tenant["id"], "seq": seq, "generation": tenant["generation"],
            "state": "Installed", "hash": tenant["observed"]["hash"],
        })
    }

    #[tokio::test]
    async fn no_two_tenants_have_a_unit_of_one_name() {
        let plane = Plane::start().await;
        let taken = |by: &str| {
            format!(
                "`circ-trans.service` is a unit of {by} already: rename a service or a tenant: a \
                 tenant NAME has the units NAME and NAME-SUFFIX"
            )
        };
        let refused = |(status, said): (u16, Value), by: &str| {
            assert_eq!((status, &said["code"]), (422, &json!("invalid_spec")), "{said}");
            assert_eq!(said["invalid"], json!([{"path": "spec.manifest", "message": taken(by)}]));
        };
        assert_eq!(plane.declare("circ", &["trans"]).await.0, 200);
        refused(plane.declare("circ-trans", &[]).await, "circ");
        assert_eq!(plane.declare("circ", &["recon"]).await.0, 200);
        assert_eq!(plane.declare("circ-trans", &[]).await.0, 200);
        refused(plane.declare("circ", &["trans"]).await, "circ-trans");
        assert_eq!(plane.declare("circ", &["recon"]).await.0, 200);
        // Of two that come together, the second is refused.
        let both = [declared("loan", &["renew"]), declared("loan-renew", &[])];
        let (_, said) = plane.call("POST /v1/apply", &json!({"manifests": both})).await;
        assert_eq!(said["results"][0]["outcome"], "created", "{said}");
        assert_eq!(said["results"][1]["problem"]["code"], "invalid_spec", "{said}");
        plane.control.stop().await;
    }

    #[tokio::test]
    async fn what_is_being_deleted_keeps_its_units_until_it_is_gone() {
        let plane = Plane::start().await;
        plane.register("a", "a").await;
        plane.declare("circ", &["trans"]).await;
        let tenant = plane.placed("circ").await;
        plane.call("DELETE /v1/tenants/circ", &json!({})).await;
        let (status, said) = plane.declare("circ-trans", &[]).await;
        assert_eq!((status, &said["code"]), (409, &json!("not_now")), "{said}");
        let message = "`circ-trans.service` is a unit of circ, which is being deleted: declare it \
                       when that is gone";
        assert_eq!(said["detail"], message);
        let gone = json!({"id": tenant["id"], "seq": 1, "generation": 2, "state": "Removed"});
        for _ in 0..2000 {
            plane.report("a", gone.clone()).await;
            if plane.declare("circ-trans", &[]).await.0 == 200 {
                return plane.control.stop().await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("its units stay taken")
    }

    #[tokio::test]
    async fn a_run_is_asked_for_once_and_where_it_can_be() {
        let plane = Plane::start().await;
        plane.register("a", "a").await;
        plane.register("b", "b").await;
        plane.declare("circ", &["recon"]).await;
        let tenant = plane.placed("circ").await;
        let refused = async |tenant: &str, node: &str, service: Option<&str>| {
            let run = json!({"request_id": "r0", "node": node, "service": service});
            let (status, said) = plane.ask(tenant, run).await;
            (status, said["code"].clone(), said["detail"].clone(), said["remedy"].clone())
        };
        let told = |status: u16, code: &str, detail: &str, remedy: &str| {
            (status, json!(code), json!(detail), json!(remedy))
        };
        assert_eq!(
            refused("circ", "a", None).await,
            told(
                409,
                "not_now",
                "tenant/circ is not installed on a yet (Waiting)",
                "`tesseractl describe tenant circ` shows what it waits for"
            )
        );
        plane.report("a", installed(&tenant, 1)).await;
        assert_eq!(
            refused("circ", "b", None).await,
            told(409, "not_now", "tenant/circ does not belong on b", "its nodes are a")
        );
        assert_eq!(
            refused("circ", "aa", None).await,
            told(
                404,
                "not_found",
                "there is no node/aa",
                "`tesseractl get nodes` lists what there is"
            )
        );
        assert_eq!(
            refused("crc", "a", None).await,
            told(
                404,
                "not_found",
                "there is no tenant/crc",
                "did you mean `circ`? `tesseractl get tenants` lists what there is"
            )
        );
        let (status, said) =
            plane.ask("circ", json!({"request_id": "r0", "node": "a", "service": "reco"})).await;
        let message = "there is no service `reco`: there are primary, recon; did you mean `recon`?";
        assert_eq!(status, 422);
        assert_eq!(said["invalid"], json!([{"path": "service", "message": message}]));

        let run = json!({"request_id": "r1", "node": "a", "service": "recon"});
        let (status, first) = plane.ask("circ", run.clone()).await;
        assert_eq!((status, &first["state"]), (202, &json!("Requested")), "{first}");
        assert_eq!(plane.ask("circ", run).await, (202, first));
        let other = json!({"request_id": "r1", "node": "a"});
        assert_eq!(plane.ask("circ", other).await.0, 422, "another run under the same id");
        let (_, tenant) = plane.call("GET /v1/tenants/circ", &json!({})).await;
        assert_eq!(tenant["observed"]["runs"].as_array().map(Vec::len), Some(1));

        plane.leave("a").await;
        assert_eq!(
            refused("circ", "a", None).await,
            told(
                503,
                "node_unavailable",
                "tenant/circ: a is Offline, so nothing can be started there",
                "ask again when its agent is heard of, or for another node"
            )
        );
        plane.control.stop().await;
    }

    #[tokio::test]
    async fn a_report_counts_once_in_its_order_and_from_its_node() {
        let plane = Plane::start().await;
        plane.register("a", "a").await;
        plane.register("b", "b").await;
        plane.declare("circ", &[]).await;
        let tenant = plane.placed("circ").await;
        plane.ask("circ", json!({"request_id": "r1", "node": "a"})).await;
        assert_eq!(plane.report("a", installed(&tenant, 2)).await.0, 200);
        plane.ask("circ", json!({"request_id": "r1", "node": "a"})).await;
        // An older one after a newer says nothing.
        let older = json!({
            "id": tenant["id"], "seq": 1, "generation": 1, "state": "Failed", "reason": "no",
        });
        assert_eq!(plane.report("a", older).await, (200, json!({})));
        assert_eq!(plane.on("circ").await["state"], "Installed");
        // One that comes twice is written once.
        let end = json!({"at": "2026-05-01T08:00:00Z", "exit_code": 7, "source": "tenant"});
        let mut ended = installed(&tenant, 3);
        ended["runs"] = json!([{"id": "r1", "end": end}]);
        plane.report("a", ended.clone()).await;
        let (_, once) = plane.call("GET /v1/tenants/circ", &json!({})).await;
        assert_eq!(once["observed"]["runs"][0]["exit_code"], 7);
        assert_eq!(plane.report("a", ended).await, (200, json!({})));
        let (_, twice) = plane.call("GET /v1/tenants/circ", &json!({})).await;
        assert_eq!(once["revision"], twice["revision"]);
        // The end of a run is told once, whatever is told later.
        let mut again = installed(&tenant, 4);
        again["runs"] = json!([{"id": "r1", "end": {
            "at": "2026-05-01T09:00:00Z", "exit_code": 0, "source": "tenant",
        }}]);
        plane.report("a", again).await;
        let (_, after) = plane.call("GET /v1/tenants/circ", &json!({})).await;
        assert_eq!(after["observed"]["runs"], once["observed"]["runs"]);

        // A node that does not have it, one that nobody knows, and a tenant that is not there.
        let stale = json!({"stale": [tenant["id"]]});
        assert_eq!(plane.report("b", installed(&tenant, 9)).await, (200, stale));
        assert_eq!(plane.on("circ").await["node"], "a");
        let (status, said) = plane.report("c", installed(&tenant, 9)).await;
        assert_eq!((status, &said["code"]), (409, &json!("not_registered")), "{said}");
        let mut unknown = installed(&tenant, 5);
        unknown["id"] = json!("00000000000000ff");
        assert_eq!(plane.report("a", unknown).await.1, json!({"stale": ["00000000000000ff"]}));
        let mut large = installed(&tenant, 5);
        large["reason"] = json!("x".repeat(5000));
        let (status, said) = plane.report("a", large).await;
        let reason = json!("reason: at most 1024 bytes, here are 5000");
        assert_eq!((status, &said["refused_tenants"][0]["reason"]), (200, &reason), "{said}");
        plane.control.stop().await;
    }
}
