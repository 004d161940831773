//! Golden outputs from fixed objects at a fixed time.

use std::sync::Arc;

use serde_json::{Value, json};
use tessera_types::api::NodeTop;
use tessera_types::{KindName, Resource, Timestamp};

use super::{Beside, Detail, change, describe::describe, table};
use crate::style::Style;
use crate::tree::Tree;

fn now() -> Timestamp {
    "2026-05-01T09:00:00Z".parse().unwrap()
}

fn resource(mut value: Value, with: Value) -> Resource {
    let Value::Object(with) = with else { panic!("{with} is no map") };
    value.as_object_mut().unwrap().extend(with);
    serde_json::from_value(value).unwrap()
}

fn workload(with: Value) -> Resource {
    let base = json!({
        "kind": "Workload", "name": "web", "namespace": "default",
        "spec": {"command": "/bin/sh", "args": ["-c", "exec server --port 80"]},
        "desired_status": "Running", "id": "00000000000000a1", "generation": 2, "revision": 17,
        "status": "Running", "status_since": "2026-05-01T08:57:00Z",
        "created_at": "2026-05-01T08:00:00Z", "updated_at": "2026-05-01T08:57:00Z",
    });
    resource(base, with)
}

fn crashing() -> Resource {
    workload(json!({
        "name": "worker", "status": "BackingOff", "labels": {"app": "web", "tier": "back"},
        "spec": {
            "command": "worker", "env": {"TOKEN": "secret"}, "resources": {"cpu": 1500, "memory": 67_108_864},
            "restart": {"policy": "always", "attempts_max": 5},
            "constraints": [{"label": "zone", "in": ["a", "b"]}],
            "health": {"http": {"port": 80}}, "ports": [{"port": 80}],
        },
        "waiting_for": {
            "reason": "backoff", "message": "the pause before its next start on node-a",
            "since": "2026-05-01T08:59:50Z", "until": "2026-05-01T09:00:08Z",
        },
        "observed": {
            "assigned": {"node": "node-a", "node_id": "0000000000000001", "since": "2026-05-01T08:30:00Z"},
            "placed_generation": 1, "launch_generation": 2, "restarts": 3,
            "next_start_at": "2026-05-01T09:00:08Z",
            "last_exit": {
                "at": "2026-05-01T08:59:50Z", "outcome": "exited", "code": 1, "last_lines": ["boom", "\u{1b}[2Jbad"],
            },
        },
        "state_history": [
            {"to": "Pending", "at": "2026-05-01T08:00:00Z", "by": "api", "reason": "created"},
            {"from": "Running", "to": "BackingOff", "at": "2026-05-01T08:59:50Z", "by": "agent/node-a",
             "reason": "exited with code 1"},
        ],
    }))
}

fn node() -> (Resource, Beside) {
    let base = json!({
        "kind": "Node", "name": "node-a", "labels": {"zone": "a"}, "spec": {"reserved": {"cpu": 500, "memory": 0}},
        "desired_status": "Ready", "id": "0000000000000001", "generation": 1, "revision": 3,
        "status": "Ready", "status_since": "2026-05-01T08:00:00Z",
        "observed": {
            "capacity": {"cpu": 8000, "memory": 17_179_869_184_u64, "workloads": 500},
            "agent_labels": {"node": "node-a", "os": "linux"}, "agent_version": "0.1.0",
            "executors": {"process": true, "container": "podman 4.3.1", "limits": true},
        },
        "created_at": "2026-04-20T09:00:00Z", "updated_at": "2026-05-01T08:00:00Z",
    });
    let top: NodeTop = serde_json::from_value(json!({
        "name": "node-a", "status": "Ready",
        "allocatable": {"cpu": 7500, "memory": 17_179_869_184_u64, "workloads": 500},
        "allocated": {"cpu": 1500, "memory": 67_108_864, "workloads": 2},
        "used": {"cpu": 250, "memory": 1_073_741_824},
        "last_heard_at": "2026-05-01T08:59:57Z",
    }))
    .unwrap();
    let tops = [("node-a".parse().unwrap(), top)].into();
    (resource(base, json!({})), Beside { tops, ..Beside::default() })
}

fn shown(kind: KindName, resources: &[Resource], detail: Detail, beside: &Beside) -> String {
    table(kind, resources, detail, beside, now()).render(Style::PLAIN, None)
}

#[test]
fn workloads_in_a_table() {
    let waiting = workload(json!({
        "name": "big", "status": "Pending",
        "waiting_for": {"reason": "no_node_fits", "message": "no node has 4 cpus free", "since": "2026-05-01T08:00:00Z"},
    }));
    let failed = workload(json!({
        "name": "job", "status": "Failed",
        "observed": {"last_exit": {"at": "2026-05-01T08:57:00Z", "outcome": "signaled", "signal": 9}},
    }));
    let going = workload(
        json!({"name": "old", "status": "Stopping", "deletion_requested_at": "2026-05-01T08:59:00Z"}),
    );
    let all = [waiting, failed, going, workload(json!({})), crashing()];
    let expected = "\
NAME    STATUS                    NODE    RESTARTS  AGE  WAITING FOR
big     Pending                   -       0         60m  no node has 4 cpus free
job     Failed (signal 9)         -       0         60m
old     Stopping (being deleted)  -       0         60m
web     Running                   -       0         60m
worker  BackingOff (next in 8s)   node-a  3         60m  the pause before its next start on node-a
";
    assert_eq!(shown(KindName::Workload, &all, Detail::default(), &Beside::default()), expected);
}

#[test]
fn workloads_in_a_wide_table() {
    let healthy = workload(json!({
        "observed": {"health": "healthy", "instance": {"pid": 4711, "started_at": "2026-05-01T08:57:00Z"}},
    }));
    let detail = Detail { wide: true, namespaces: true };
    let expected = "\
NAMESPACE  NAME    STATUS                   NODE    RESTARTS  AGE  HEALTH   RUNS AS   CPU  MEMORY  GENERATION  RUNS                                WAITING FOR
default    web     Running                  -       0         60m  healthy  pid 4711  -    -       2           /bin/sh -c 'exec server --port 80'
default    worker  BackingOff (next in 8s)  node-a  3         60m  -        -         1.5  64MiB   2           worker                              the pause before its next start on node-a
";
    assert_eq!(
        shown(KindName::Workload, &[healthy, crashing()], detail, &Beside::default()),
        expected
    );
}

#[test]
fn nodes_in_a_table() {
    let (node, beside) = node();
    let expected = "\
NAME    STATUS  WORKLOADS  CPU      MEMORY       RUNS                   AGE
node-a  Ready   2/500      1.5/7.5  64MiB/16GiB  process, podman 4.3.1  11d
";
    let nodes = [node];
    assert_eq!(shown(KindName::Node, &nodes, Detail::default(), &beside), expected);
    let wide =
        shown(KindName::Node, &nodes, Detail { wide: true, namespaces: true }, &Beside::default());
    assert!(wide.ends_with("0.1.0    node=node-a,os=linux,zone=a\n"), "{wide}");
    assert!(wide.contains("node-a  Ready   500        7.5"), "{wide}");
}

#[test]
fn a_workload_explained() {
    let expected = "\
workload/default/worker
  status        BackingOff since 2026-05-01T08:57:00.000Z (3m)
  waits for     the pause before its next start on node-a
                since 2026-05-01T08:59:50.000Z (10s), decided by 2026-05-01T09:00:08.000Z (in 8s)
  desired       Running
  generation    2 (revision 17)
  labels        app=web,tier=back
  id            00000000000000a1
  created       2026-05-01T08:00:00.000Z (60m ago)

runs on
  node          node-a since 2026-05-01T08:30:00.000Z (30m)
  copy          of generation 1: it is replaced by one of 2
  restarts      3; next start in 8s

spec
  runs          worker
  env           TOKEN
  cpu           1.5
  memory        64MiB
  restart       always, at most 5 in a row
  constraints   zone in (a, b)
  health check  GET http://127.0.0.1:80/ every 10s, 3 failures end the run
  stop          SIGTERM, SIGKILL after 10s
  port          80/tcp

last exit
  10s ago: exited with code 1
  | boom
  | \u{fffd}[2Jbad

history
  2026-05-01T08:00:00.000Z  Pending: created (api)
  2026-05-01T08:59:50.000Z  Running → BackingOff: exited with code 1 (agent/node-a)
";
    let text = describe(&crashing(), &Beside::default(), &Tree::default(), Style::PLAIN, now());
    assert_eq!(text, expected);
    assert!(!text.contains("secret"));
}

#[test]
fn a_node_explained() {
    let (node, beside) = node();
    let expected = "\
node/node-a
  status        Ready since 2026-05-01T08:00:00.000Z (60m)
  desired       Ready
  generation    1 (revision 3)
  labels        zone=a
  id            0000000000000001
  created       2026-04-20T09:00:00.000Z (11d ago)

machine
  runs          process, podman 4.3.1
  limits        enforced
  agent         0.1.0
  its labels    node=node-a,os=linux
  heard of      3s ago

capacity
  cpu           7.5, 1.5 set aside, 0.25 used
  memory        16GiB, 64MiB set aside, 1GiB used
  workloads     500, 2 set aside
";
    assert_eq!(describe(&node, &beside, &Tree::default(), Style::PLAIN, now()), expected);
}

#[test]
fn a_change_is_told_by_what_is_new() {
    let before = workload(json!({
        "state_history": [{"to": "Pending", "at": "2026-05-01T08:00:00Z", "by": "api", "reason": "created"}],
    }));
    let after = workload(json!({
        "generation": 3, "revision": 18,
        "waiting_for": {"reason": "start", "message": "its start on node-a", "since": "2026-05-01T08:58:00Z"},
        "state_history": [
            {"to": "Pending", "at": "2026-05-01T08:00:00Z", "by": "api", "reason": "created"},
            {"from": "Pending", "to": "Scheduled", "at": "2026-05-01T08:58:00Z", "by": "reconciler", "reason": "placed on node-a"},
        ],
    }));
    let told = |before: Option<&Resource>, after: &Resource| {
        let events = change::events(before, after);
        events.iter().map(|event| event.describe(Style::PLAIN)).collect::<Vec<_>>()
    };
    assert_eq!(
        told(Some(&before), &after),
        [
            "Pending → Scheduled: placed on node-a",
            "declared anew: generation 3",
            "waits for: its start on node-a"
        ]
    );
    assert_eq!(told(None, &before), ["Pending: created"]);
    assert_eq!(told(Some(&before), &before), ["changed"]);
    let another = {
        let Resource::Workload(object) = &before else { panic!("it is a workload") };
        let mut object = (**object).clone();
        object.id = tessera_types::Uid(9);
        Resource::Workload(Arc::new(object))
    };
    assert_eq!(told(Some(&another), &before), ["Pending: created"]);
}
