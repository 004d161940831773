//! The log of a tenant: on which of its nodes it is wanted, and of which service.

use std::sync::Arc;

use dropshot::Body as HttpBody;
use http::Response;
use tessera_api::{ApiError, TenantLogsQuery};
use tessera_types::problem::Code;
use tessera_types::sync::TenantLogRequest;
use tessera_types::tenant::TenantNode;
use tessera_types::{KindName, Name, Object, Problem, ResourceKey, Tenant};

use super::{Log, Place};
use crate::agents::WantedLog;
use crate::handlers::tenant::{check_service, names_of, not_installed, not_on};
use crate::missing::missing;
use crate::plane::Plane;

/// Begins to read it.
pub(in crate::handlers) async fn read(
    plane: &Arc<Plane>,
    name: Name,
    query: TenantLogsQuery,
) -> Result<Response<HttpBody>, ApiError> {
    let TenantLogsQuery { node, service, tail, since, follow } = query;
    let key = ResourceKey::new(KindName::Tenant, None, name);
    let tenant = plane.get::<Tenant>(&key)?;
    let on = node_of(plane, &tenant, &key, node.as_ref())?;
    check_service(&tenant, &key, on, service.as_ref())?;
    if !on.services.iter().any(|it| it.service == service) {
        return Err(not_installed(&key, on).into());
    }
    let follow = follow.unwrap_or(false);
    let id = tenant.id;
    let wanted =
        |request| WantedLog::Tenant(TenantLogRequest { request, id, service, tail, since, follow });
    super::read(plane, Log { key, node: on.node.clone(), follow, place }, wanted).await
}

/// The node that is asked for; the only one if none is.
fn node_of<'t>(
    plane: &Plane,
    tenant: &'t Object<Tenant>,
    key: &ResourceKey,
    node: Option<&Name>,
) -> Result<&'t TenantNode, Problem> {
    let nodes = tenant.observed.nodes.as_slice();
    if let Some(name) = node {
        let world = plane.world.read();
        let Some(node) = world.nodes.find(None, name) else {
            return Err(missing(&world, &ResourceKey::new(KindName::Node, None, name.clone())));
        };
        return tenant.on(node.id).ok_or_else(|| not_on(tenant, key, node));
    }
    match nodes {
        [only] => Ok(only),
        [] => {
            let problem = Problem::new(Code::NotNow, format!("{key} is on no node")).instance(key);
            let remedy = format!("`tesseractl describe tenant {}` says why", key.name);
            Err(problem.remedy(remedy))
        }
        nodes => {
            let names = names_of(nodes.iter());
            let detail = format!("{key} is on {} nodes, so name one: {names}", nodes.len());
            Err(Problem::new(Code::InvalidRequest, detail).instance(key))
        }
    }
}

fn place(plane: &Plane, key: &ResourceKey, node: &Name) -> Place {
    let tenant = plane.find::<Tenant>(key);
    let is_here = tenant.is_some_and(|it| it.observed.nodes.iter().any(|on| on.node == *node));
    if is_here { Place::Here } else { Place::Nowhere }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use std::time::Duration;

    use crate::server::Control;
    use crate::server::tests::{ask, options};

    const MANIFEST: &str = r#"
name = "circ"
kind = "extract"
version = "1.0.0"
schema = "rows"
owner = "data@library.example"
sources = ["sierra"]
schedule = "*-01-01 00:00:00 UTC"
freshness = "800d"

[telemetry]

[lifecycle]
entrypoint = ["/bin/true"]
subcommands = ["run", "status", "dry-run", "migrate"]

[services.reconcile]
schedule = "*-01-01 00:00:00 UTC"
"#;

    async fn answer(control: &Control, request: &str, body: &Value) -> (u16, Value) {
        let answer = ask(control, request, &body.to_string()).await;
        let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (code, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }

    async fn register(control: &Control, node: &str) {
        let registration = json!({
            "agent_id": node, "session": "s", "version": "1", "executors": {"process": true},
            "capacity": {"cpu": 1000, "memory": 1 << 30, "workloads": 100},
        });
        let (code, _) =
            answer(control, &format!("POST /v1/nodes/{node}/register"), &registration).await;
        assert_eq!(code, 200);
    }

    /// The tenant, once it is to be on so many nodes.
    async fn on_nodes(control: &Control, count: usize) -> Value {
        for _ in 0..2000 {
            let (_, tenant) = answer(control, "GET /v1/tenants/circ", &json!({})).await;
            if tenant["observed"]["nodes"].as_array().map_or(0, Vec::len) == count {
                return tenant;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not come to {count} nodes")
    }

    /// The agent of node a says that the tenant is installed.
    async fn installed(control: &Control, tenant: &Value) {
        let services = json!([
            {"unit": "circ.service"}, {"service": "reconcile", "unit": "circ-reconcile.service"},
        ]);
        let report = json!({
            "id": tenant["id"], "seq": 1, "generation": 1, "state": "Installed",
            "hash": tenant["observed"]["hash"], "services": services,
        });
        let call = json!({"session": "s", "reports": [], "tenants": [report]});
        let (code, answered) = answer(control, "POST /v1/nodes/a/reports", &call).await;
        assert_eq!((code, &answered), (200, &json!({})));
    }

    /// What the agent of node a is asked for next.
    async fn asked(control: &Control) -> Value {
        let sync = json!({"session": "s", "since": 0, "wait": "100ms"});
        for _ in 0..100 {
            let (_, answered) = answer(control, "POST /v1/nodes/a/sync", &sync).await;
            if let Some(request) = answered["tenant_log_requests"].get(0) {
                return request.clone();
            }
        }
        panic!("nobody asks for a log")
    }

    async fn refused(control: &Control, query: &str) -> (u16, String) {
        let (code, problem) =
            answer(control, &format!("GET /v1/tenants/{query}"), &json!({})).await;
        (code, problem.to_string())
    }

    #[tokio::test]
    async fn the_agent_is_asked_and_what_it_sends_is_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::start(options(folder.path())).await.unwrap();
        register(&control, "a").await;
        let declared = json!({"spec": {"manifest": MANIFEST}});
        assert_eq!(answer(&control, "PUT /v1/tenants/circ", &declared).await.0, 200);
        let tenant = on_nodes(&control, 1).await;
        installed(&control, &tenant).await;
        let read = async {
            let query = "service=reconcile&tail=5&since=2026-05-01T08:00:00Z&follow=true";
            ask(&control, &format!("GET /v1/tenants/circ/logs?{query}"), "").await
        };
        let send = async {
            let request = asked(&control).await;
            let name = request["request"].as_str().unwrap().to_owned();
            let expected = json!({
                "request": name, "id": tenant["id"], "service": "reconcile", "tail": 5,
                "since": "2026-05-01T08:00:00Z", "follow": true,
            });
            assert_eq!(request, expected);
            let line = json!({"at": "2026-05-01T08:00:00Z", "stream": "stdout", "text": "three"});
            let chunk = json!({"session": "s", "seq": 1, "lines": [line], "end": true});
            let call = format!("POST /v1/nodes/a/logs/{name}");
            let (_, taken) = answer(&control, &call, &chunk).await;
            assert_eq!(taken, json!({"wanted": true, "taken": true}));
        };
        let (read, ()) = tokio::join!(read, send);
        assert!(read.starts_with("HTTP/1.1 200") && read.contains("tessera-node: a"), "{read}");
        assert!(read.contains(r#""text":"three""#), "{read}");
        control.stop().await;
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::start(options(folder.path())).await.unwrap();
        let declared = json!({"spec": {"manifest": MANIFEST}});
        answer(&control, "PUT /v1/tenants/circ", &declared).await;
        let (code, told) = refused(&control, "circ/logs").await;
        assert!(code == 409 && told.contains("tenant/circ is on no node"), "{code} {told}");
        for node in ["a", "b"] {
            register(&control, node).await;
        }
        installed(&control, &on_nodes(&control, 2).await).await;
        for (query, code, part) in [
            ("cirk/logs", 404, "did you mean `circ`?"),
            ("circ/logs", 400, "tenant/circ is on 2 nodes, so name one: a, b"),
            ("circ/logs?node=c", 404, "node/c"),
            ("circ/logs?node=a&service=reconcil", 422, "did you mean `reconcile`?"),
            ("circ/logs?node=b", 409, "tenant/circ is not installed on b yet"),
        ] {
            let (found, told) = refused(&control, query).await;
            assert!(found == code && told.contains(part), "{query}: {found} {told}");
        }
        let unreadable = async { refused(&control, "circ/logs?node=a").await };
        let send = async {
            let name = asked(&control).await["request"].as_str().unwrap().to_owned();
            let error = "no journal is kept on this machine";
            let chunk = json!({"session": "s", "seq": 1, "lines": [], "end": true, "error": error});
            answer(&control, &format!("POST /v1/nodes/a/logs/{name}"), &chunk).await
        };
        let ((code, told), _) = tokio::join!(unreadable, send);
        assert!(code == 503, "{code} {told}");
        assert!(
            told.contains("a cannot read the log of tenant/circ: no journal is kept"),
            "{told}"
        );
        control.stop().await;
    }
}
