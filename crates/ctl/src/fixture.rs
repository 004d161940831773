//! Resources for tests: an exam of two parts, the second of which waits for the
//! first, seen at nine o'clock, a minute after its start.

use serde_json::{Value, json};
use tessera_types::{Resource, Timestamp};

/// When everything is looked at.
pub(crate) fn now() -> Timestamp {
    "2026-05-01T09:00:00Z".parse().unwrap()
}

/// A resource with these fields instead of, or besides, those that any has.
pub(crate) fn made(kind: &str, name: &str, id: u64, with: &Value) -> Resource {
    let mut value = json!({
        "kind": kind, "name": name, "namespace": "default", "id": format!("{id:016x}"),
        "generation": 1, "revision": 7, "status_since": "2026-05-01T08:59:00Z",
        "created_at": "2026-05-01T08:50:00Z", "updated_at": "2026-05-01T08:59:00Z",
    });
    value.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

fn owner(kind: &str, name: &str, id: u64) -> Value {
    json!({"kind": kind, "name": name, "id": format!("{id:016x}")})
}

fn slot(start: &str, end: &str) -> Value {
    json!({"start": start, "end": end, "lead_time": "2m", "teardown_buffer": "1m"})
}

fn head(type_key: &str) -> Value {
    json!({"type_key": type_key, "version": "1.2.0"})
}

fn pinned(type_key: &str, rest: &Value) -> Value {
    let mut spec = head(type_key);
    spec.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    json!({"name": type_key, "type_key": type_key, "version": "1.2.0", "spec": spec})
}

pub(crate) fn session() -> Resource {
    let parts = json!([
        {"name": "theory", "selector": {"type_key": "theory"}, "gate": "approval"},
        {"name": "lab", "selector": {"type_key": "lab"}},
    ]);
    made(
        "Session",
        "exam-1",
        1,
        &json!({
            "spec": {"definition": {"type_key": "exam"}, "timeslot": {"start": "2026-05-01T08:59:00Z"}, "env": {"STUDENT": "secret"}},
            "desired_status": "Active", "status": "Active",
            "waiting_for": {"reason": "gate", "message": "part lab: somebody's approval of theory", "since": "2026-05-01T08:59:30Z", "until": "2026-05-01T09:20:00Z"},
            "observed": {
                "timeslot": slot("2026-05-01T08:59:00Z", "2026-05-01T09:20:00Z"),
                "definition": pinned("exam", &json!({"parts": parts})),
                "started_at": "2026-05-01T08:59:00Z",
            },
            "state_history": [
                {"to": "Pending", "at": "2026-05-01T08:50:00Z", "by": "api", "reason": "created"},
                {"from": "Pending", "to": "Active", "at": "2026-05-01T08:59:00Z", "by": "reconciler", "reason": "its window is open"},
                {"from": "Active", "to": "Active", "at": "2026-05-01T08:59:40Z", "by": "api", "reason": "its end is 5m later"},
            ],
        }),
    )
}

pub(crate) fn theory() -> Resource {
    let phase = json!({"name": "grade", "engine": "workflow", "trigger_on_status": "Grading", "definition": {"type_key": "grade"}, "retry": {"attempts_max": 2}});
    let definition = json!({
        "duration": "10m", "lifecycle": {"phases": [phase]},
        "triggers": [{"event": "student.submitted", "action": "grade"}],
    });
    made(
        "SessionPart",
        "exam-1-theory",
        2,
        &json!({
            "spec": {"definition": {"type_key": "theory"}, "timeslot": {"start": "2026-05-01T08:59:00Z"}, "part": "theory", "order": 0, "gate": "approval"},
            "desired_status": "Active", "status": "Terminated", "owner": owner("Session", "exam-1", 1),
            "observed": {
                "timeslot": slot("2026-05-01T08:59:00Z", "2026-05-01T08:59:30Z"),
                "definition": pinned("theory", &definition),
                "outcome": "completed", "score": 7.0, "passed": true,
                "started_at": "2026-05-01T08:59:00Z", "graded_at": "2026-05-01T08:59:25Z",
                "ended_at": "2026-05-01T08:59:30Z",
            },
        }),
    )
}

pub(crate) fn lab() -> Resource {
    made(
        "SessionPart",
        "exam-1-lab",
        3,
        &json!({
            "spec": {"definition": {"type_key": "lab"}, "timeslot": {"start": "2026-05-01T09:04:00Z"}, "part": "lab", "order": 1, "gate": {"passed": {"min_score": 6.5}}},
            "desired_status": "Ready", "status": "Ready", "owner": owner("Session", "exam-1", 1),
            "waiting_for": {"reason": "gate", "message": "somebody's approval of theory", "since": "2026-05-01T08:59:30Z"},
            "observed": {
                "timeslot": slot("2026-05-01T09:04:00Z", "2026-05-01T09:20:00Z"),
                "definition": pinned("lab", &json!({"duration": "16m"})),
            },
        }),
    )
}

/// The pod of the second part: its provisioning has failed once.
pub(crate) fn pod() -> Resource {
    let window = json!({"from": "2026-05-01T08:58:00Z", "until": "2026-05-01T09:21:00Z"});
    made(
        "Pod",
        "exam-1-lab-desk",
        4,
        &json!({
            "spec": {"definition": {"type_key": "desk"}, "timeslot": {"start": "2026-05-01T09:04:00Z", "end": "2026-05-01T09:20:00Z"}},
            "desired_status": "Active", "status": "Provisioning", "owner": owner("SessionPart", "exam-1-lab", 3),
            "waiting_for": {"reason": "backoff", "message": "phase provision: the pause after try 1 of 3 (it exited with code 1)", "since": "2026-05-01T08:59:55Z", "until": "2026-05-01T09:00:04Z"},
            "observed": {
                "timeslot": slot("2026-05-01T09:04:00Z", "2026-05-01T09:20:00Z"),
                "definition": pinned("desk", &json!({"pod_type": "fleet", "parameters": {"url": "http://desk"}})),
                "binding": {
                    "host": "rack", "host_id": "0000000000000009", "window": window,
                    "demand": {"cpu": 1500, "memory": 1_073_741_824_u64, "counted": {"seats": 2}, "ports": 3},
                    "ports": [7000, 7001, 7004],
                },
                "phases": [{"name": "provision", "state": "backing_off", "attempt": 1, "since": "2026-05-01T08:59:55Z", "retry_at": "2026-05-01T09:00:04Z", "message": "it exited with code 1"}],
            },
        }),
    )
}

pub(crate) fn workload() -> Resource {
    made(
        "Workload",
        "exam-1-lab-desk-web",
        5,
        &json!({
            "spec": {"command": "/bin/web"}, "desired_status": "Running", "status": "Running",
            "owner": owner("Pod", "exam-1-lab-desk", 4),
            "observed": {"assigned": {"node": "node-a", "node_id": "000000000000000a", "since": "2026-05-01T08:58:00Z"}},
        }),
    )
}

pub(crate) fn job() -> Resource {
    made(
        "Job",
        "exam-1-theory-grade-1",
        6,
        &json!({
            "spec": {"definition": {"type_key": "grade"}, "phase": "grade", "attempt": 1},
            "desired_status": "Succeeded", "status": "Succeeded", "owner": owner("SessionPart", "exam-1-theory", 2),
            "observed": {
                "definition": pinned("grade", &json!({"workload": {"command": "grade"}})),
                "deadline": "2026-05-01T09:15:00Z", "workload": "exam-1-theory-grade-1",
                "result": {"score": 7.0, "max_score": 10.0, "output": {"answers": 7}},
            },
        }),
    )
}

pub(crate) fn report() -> Resource {
    made(
        "Report",
        "exam-1-theory-report",
        7,
        &json!({
            "spec": {"definition": {"type_key": "sum"}}, "desired_status": "Complete", "status": "Complete",
            "owner": owner("SessionPart", "exam-1-theory", 2),
            "observed": {
                "definition": pinned("sum", &json!({})), "score": 7.0, "max_score": 10.0, "passed": true,
                "items": [{"of": "job/exam-1-theory-grade-1", "score": 7.0, "max_score": 10.0}],
                "made_at": "2026-05-01T08:59:25Z",
            },
        }),
    )
}

pub(crate) fn host() -> Resource {
    let definition =
        json!({"host_type": "server", "pod_types": ["proxmox"], "licence_class": "gold"});
    made(
        "Host",
        "rack",
        9,
        &json!({
            "namespace": null, "labels": {"rack": "7"},
            "spec": {"definition": {"type_key": "server"}, "location": "brussels"},
            "desired_status": "Active", "status": "Active",
            "observed": {
                "timeslot": {"start": "2026-05-01T08:50:00Z", "end": Timestamp::MAX},
                "definition": pinned("server", &definition),
                "capacity": {"cpu": 8000, "memory": 17_179_869_184_u64, "counted": {"seats": 20}, "ports": [{"first": 7000, "last": 7099}]},
            },
        }),
    )
}

pub(crate) fn definition() -> Resource {
    made(
        "PodDefinition",
        "desk",
        10,
        &json!({
            "namespace": null,
            "spec": {
                "type_key": "desk", "version": "1.2.0", "title": "A desk", "pod_type": "fleet",
                "workloads": [{"name": "web", "spec": {"command": "web", "env": {"TOKEN": "secret"}}}],
            },
            "desired_status": "Available", "status": "Available", "observed": {"origin": "seeded"},
        }),
    )
}

/// The whole tree of the exam, in no order.
pub(crate) fn exam() -> Vec<Resource> {
    vec![workload(), report(), lab(), job(), pod(), theory(), session()]
}
