//! Resources as the API says them.

use serde_json::{Value, json};

/// A workload with this name, status and revision.
pub(crate) fn workload(name: &str, status: &str, revision: u64) -> Value {
    json!({
        "kind": "Workload", "name": name, "namespace": "default",
        "spec": {"command": "/bin/sleep", "args": ["3600"]},
        "desired_status": "Running", "id": "00000000000000a1", "generation": 1, "revision": revision,
        "status": status, "status_since": "2026-05-01T08:00:00Z",
        "observed": {"placed_generation": 1, "launch_generation": 1},
        "state_history": [
            {"to": status, "at": "2026-05-01T08:00:00Z", "by": "reconciler", "reason": "of the test"},
        ],
        "created_at": "2026-05-01T08:00:00Z", "updated_at": "2026-05-01T08:00:00Z",
    })
}

/// A page that is the whole list.
pub(crate) fn list(items: &[Value], revision: u64) -> Value {
    json!({"items": items, "revision": revision})
}

/// A change as an event of a watch.
pub(crate) fn changed(resource: &Value) -> Value {
    json!({"event": "changed", "revision": resource["revision"], "resource": resource})
}

/// The deletion of a resource as an event of a watch.
pub(crate) fn deleted(resource: &Value, revision: u64) -> Value {
    json!({
        "event": "deleted", "revision": revision, "kind": resource["kind"],
        "namespace": resource["namespace"], "name": resource["name"], "id": resource["id"],
    })
}

/// A refusal.
pub(crate) fn problem(code: &str, status: u16, detail: &str) -> Value {
    json!({"type": format!("/problems/{code}"), "title": "x", "status": status, "code": code, "detail": detail})
}

/// The key of a workload.
pub(crate) fn key(name: &str) -> Value {
    json!({"kind": "Workload", "namespace": "default", "name": name})
}

/// The result of one manifest that was applied.
pub(crate) fn applied(name: &str, outcome: &str) -> Value {
    json!({"key": key(name), "outcome": outcome, "generation": 1, "revision": 6})
}

/// The result of one manifest that was refused.
pub(crate) fn refused(name: &str, problem: &Value) -> Value {
    json!({"key": key(name), "problem": problem})
}
