//! `logs` of tenants.

use serde_json::{Value, json};

use crate::objects::problem;
use crate::program::run;
use crate::stub::{Answer, Stub};

fn tenant() -> Value {
    json!({
        "kind": "Tenant", "name": "circ", "spec": {"manifest": ""},
        "desired_status": "Installed", "id": "00000000000000a1", "generation": 1, "revision": 5,
        "status": "Installed", "status_since": "2026-05-01T08:00:00Z", "observed": {},
        "state_history": [
            {"to": "Installed", "at": "2026-05-01T08:00:00Z", "by": "reconciler", "reason": "of the test"},
        ],
        "created_at": "2026-05-01T08:00:00Z", "updated_at": "2026-05-01T08:00:00Z",
    })
}

const LINE: &str = "{\"at\":\"2026-05-01T08:00:00Z\",\"stream\":\"stdout\",\"text\":\"out\"}\n";

#[test]
fn logs_of_a_tenant_are_of_a_service_on_a_node() {
    let stub = Stub::start(|request| {
        assert_eq!(request.line, "GET /v1/tenants/circ/logs");
        Answer::Text(200, LINE)
    });
    let asked = |words: &[&str]| {
        let ended = run(&stub.url(), &[&["logs"], words].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "out\n"), "{ended:?}");
        stub.requests().last().unwrap().query.clone()
    };
    assert_eq!(asked(&["tenant/circ"]), "follow=false");
    let all = asked(&["tenant/circ", "--node", "a", "--service", "reconcile", "--tail", "5"]);
    assert_eq!(all, "node=a&service=reconcile&tail=5&follow=false");
    assert_eq!(asked(&["circ", "--node", "a"]), "node=a&follow=false");
    for (words, part) in [
        (["workload/web", "--node", "a"], "are for tenants: write tenant/NAME"),
        (["node/a", "--tail", "1"], "logs are of workloads and tenants, and `node/a` is neither"),
    ] {
        let ended = run(&stub.url(), &[&["logs"], &words[..]].concat());
        assert!(ended.code == 2 && ended.stderr.contains(part), "{ended:?}");
    }
}

#[test]
fn a_name_that_only_a_tenant_has_is_enough_for_its_log() {
    let stub = Stub::start(|request| match request.line.as_str() {
        "GET /v1/tenants/circ/logs" => Answer::Text(200, LINE),
        "GET /v1/tenants/circ" => Answer::Json(200, tenant()),
        line => Answer::Json(404, problem("not_found", 404, line)),
    });
    assert_eq!(run(&stub.url(), &["logs", "circ"]).stdout, "out\n");
    let ended = run(&stub.url(), &["logs", "workload/circ"]);
    assert!(ended.code != 0 && ended.stderr.contains("/v1/workloads/circ/logs"), "{ended:?}");
    let ended = run(&stub.url(), &["logs", "nobody"]);
    assert!(ended.code != 0 && ended.stderr.contains("/v1/workloads/nobody/logs"), "{ended:?}");
}
