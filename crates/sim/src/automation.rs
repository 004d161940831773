//! What is made and cleared away by pipelines with jobs: pods, and the servers that some are on.
//! Steps come one after the other and at once, are tried again, gone on without, too slow for
//! their time, and some come at the end.

use serde_json::{Value, json};

/// The spec of a pod that is provisioned and torn down with jobs.
pub(crate) fn pod() -> Value {
    pod_within("9s", "40s")
}

/// The same with other times for a job and for a phase; the window has room for a phase.
pub(crate) fn pod_within(job: &str, phase: &str) -> Value {
    let within = Within { job, phase };
    let job = |name: &str| within.job(name);
    let provision = json!({
        "extends": "standard-provision",
        "insert_after": {
            "bind-host": [job("lab"), with(job("extra"), "on_failure", "continue".into())],
            "ports": [with(job("net"), "outputs", json!({"by": ".job"}))],
        },
        // It runs beside all that comes after the host.
        "insert_before": {"ready": [with(job("beside"), "needs", json!(["bind-host"]))]},
    });
    json!({
        "pod_type": "fleet",
        "workloads": [{"name": "w0", "spec": {
            "command": "x", "resources": {"cpu": "300m"}, "stop": {"grace": "2s"},
        }}],
        "demand": {"counted": {"licences": 1}, "ports": 1},
        "lead_time": phase, "teardown_buffer": if phase == "40s" { "20s" } else { phase },
        "lifecycle": {"phases": [
            within.phase("provision", "Provisioning", &provision),
            within.phase("watch", "Active", &json!({"steps": [job("watch")]})),
            within.phase("save", "TearingDown", &within.save()),
        ]},
    })
}

/// The spec of a server: it is raised, watched and cleared by jobs.
pub(crate) fn server(licences: u64) -> Value {
    server_within(licences, "9s", "40s")
}

/// The same with other times for a job and for a phase.
pub(crate) fn server_within(licences: u64, job: &str, phase: &str) -> Value {
    let within = Within { job, phase };
    let raise = json!({"steps": [
        within.job("raise"),
        {"name": "ready", "handler": "mark_ready", "needs": ["raise"]},
    ]});
    json!({
        "host_type": "server", "pod_types": ["proxmox"],
        "capacity": {"cpu": 4000, "memory": "4GiB", "counted": {"licences": licences},
            "ports": [{"first": 9000, "last": 9003}]},
        "lifecycle": {"phases": [
            required(within.phase("raise", "Provisioning", &raise)),
            within.phase("watch", "Active", &json!({"steps": [within.job("watch")]})),
            within.phase("clear", "TearingDown", &within.save()),
        ]},
    })
}

/// The spec of a pod on a server.
pub(crate) fn lab(licences: u64) -> Value {
    lab_within(licences, "9s", "40s")
}

/// The same with other times for a job and for a phase; the window has room for a phase.
pub(crate) fn lab_within(licences: u64, job: &str, phase: &str) -> Value {
    let within = Within { job, phase };
    let provision = json!({"steps": [
        {"name": "host", "handler": "bind_host"},
        with(within.job("lab"), "needs", json!(["host"])),
        {"name": "ready", "handler": "mark_ready", "needs": ["lab"]},
    ]});
    json!({
        "pod_type": "proxmox",
        "demand": {"cpu": 1500, "counted": {"licences": licences}, "ports": 1},
        "lead_time": phase, "teardown_buffer": if phase == "40s" { "20s" } else { phase },
        "lifecycle": {"phases": [
            within.phase("provision", "Provisioning", &provision),
            within.phase("save", "TearingDown", &within.save()),
        ]},
    })
}

fn with(mut step: Value, field: &str, value: Value) -> Value {
    step[field] = value;
    step
}

fn required(phase: Value) -> Value {
    with(phase, "is_required", true.into())
}

/// How long a job and a phase may take.
#[derive(Clone, Copy)]
struct Within<'a> {
    job: &'a str,
    phase: &'a str,
}

impl Within<'_> {
    fn retry(timeout: &str) -> Value {
        let backoff = json!({"initial": "1s", "max": "2s"});
        json!({"attempts_max": 2, "timeout": timeout, "backoff": backoff})
    }

    fn job(self, name: &str) -> Value {
        let with = json!({"pod": "${ .instance.name }", "known": "${ .outputs }"});
        json!({"name": name, "job": "work@v1", "with": with, "retry": Self::retry(self.job)})
    }

    fn phase(self, name: &str, status: &str, pipeline: &Value) -> Value {
        json!({"name": name, "engine": "pipeline", "trigger_on_status": status,
            "is_required": false, "pipeline": pipeline, "retry": Self::retry(self.phase)})
    }

    /// What is kept of it in the end.
    fn save(self) -> Value {
        json!({"steps": [
            with(self.job("save"), "on_failure", "continue".into()),
            {"name": "record", "handler": "archive", "needs": ["save"]},
        ]})
    }
}
