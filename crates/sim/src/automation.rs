//! Pods whose phases are pipelines with jobs: steps one after the other and at once, tried
//! again, gone on without, too slow for their time, and some at the end.

use serde_json::{Value, json};

/// The spec of a pod that is provisioned and torn down with jobs.
pub(crate) fn pod() -> Value {
    pod_within("9s", "40s")
}

/// The same with other times for a job and for a phase; the window has room for a phase.
pub(crate) fn pod_within(job: &str, phase: &str) -> Value {
    let backoff = json!({"initial": "1s", "max": "2s"});
    let within = phase;
    let retry = json!({"attempts_max": 2, "timeout": job, "backoff": backoff});
    let job = |name: &str| {
        let with = json!({"pod": "${ .instance.name }", "known": "${ .outputs }"});
        json!({"name": name, "job": "work@v1", "with": with, "retry": retry})
    };
    let with = |mut step: Value, field: &str, value: Value| {
        step[field] = value;
        step
    };
    let provision = json!({
        "extends": "standard-provision",
        "insert_after": {
            "bind-host": [job("lab"), with(job("extra"), "on_failure", json!("continue"))],
            "ports": [with(job("net"), "outputs", json!({"by": ".job"}))],
        },
        // It runs beside all that comes after the host.
        "insert_before": {"ready": [with(job("beside"), "needs", json!(["bind-host"]))]},
    });
    let save = json!({"steps": [
        with(job("save"), "on_failure", json!("continue")),
        {"name": "record", "handler": "archive", "needs": ["save"]},
    ]});
    let phase = |name: &str, status: &str, pipeline: Value| {
        json!({"name": name, "engine": "pipeline", "trigger_on_status": status,
            "is_required": false, "pipeline": pipeline,
            "retry": {"attempts_max": 2, "timeout": within, "backoff": backoff}})
    };
    json!({
        "pod_type": "fleet",
        "workloads": [{"name": "w0", "spec": {
            "command": "x", "resources": {"cpu": "300m"}, "stop": {"grace": "2s"},
        }}],
        "demand": {"counted": {"licences": 1}, "ports": 1},
        "lead_time": within, "teardown_buffer": if within == "40s" { "20s" } else { within },
        "lifecycle": {"phases": [
            phase("provision", "Provisioning", provision),
            phase("watch", "Active", json!({"steps": [job("watch")]})),
            phase("save", "TearingDown", save),
        ]},
    })
}
