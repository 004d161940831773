//! Two who want the same room at once: one has it, and the other is refused. Tried
//! with requests that arrive together, each pair over room of its own.

use serde_json::{Value, json};

use crate::options::Options;
use crate::server::Control;
use crate::server::tests::{ask, options};

const PAIRS: usize = 24;

async fn send(control: &Control, request: &str, body: &Value) -> (bool, Value) {
    let answer = ask(control, request, &body.to_string()).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
    let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    (head.starts_with("HTTP/1.1 20"), body)
}

async fn put(control: &Control, path: &str, spec: Value) {
    let (is_taken, answer) = send(control, &format!("PUT /v1/{path}"), &spec).await;
    assert!(is_taken, "{answer}");
}

/// Nodes of four cores, each a group of its own.
async fn nodes(control: &Control) {
    put(
        control,
        "hostdefinitions/group",
        json!({"spec": {"type_key": "group", "version": "1.0.0", "host_type": "node_group",
            "pod_types": ["fleet"]}}),
    )
    .await;
    put(
        control,
        "poddefinitions/lab",
        json!({"spec": {"type_key": "lab", "version": "1.0.0", "pod_type": "fleet", "workloads": [
            {"name": "vm", "spec": {"command": "vm", "resources": {"cpu": "3"}}}]}}),
    )
    .await;
    for i in 0..PAIRS {
        let registration = json!({
            "agent_id": format!("n{i}"), "session": "s", "version": "1",
            "executors": {"process": true}, "labels": {"rack": i.to_string()},
            "capacity": {"cpu": 4000, "memory": 1 << 30, "workloads": 100},
        });
        let (is_known, answer) =
            send(control, &format!("POST /v1/nodes/n{i}/register"), &registration).await;
        assert!(is_known, "{answer}");
        let rack = json!([{"label": "rack", "equal": i.to_string()}]);
        put(
            control,
            &format!("hosts/group-{i}"),
            json!({"labels": {"rack": i.to_string()},
                "spec": {"definition": {"type_key": "group"}, "nodes": rack}}),
        )
        .await;
    }
}

/// A pod that takes three cores of group `i` for an hour, two hours from now.
fn pod(i: usize) -> Value {
    json!({"spec": {
        "definition": {"type_key": "lab"}, "timeslot": {"start_in": "2h", "duration": "1h"},
        "host": {"labels": [{"label": "rack", "equal": i.to_string()}]},
    }})
}

/// A service that takes three cores of node `i` until `not_after`.
fn service(i: usize, not_after: &str) -> Value {
    json!({"spec": {
        "command": "x", "resources": {"cpu": "3"}, "not_after": not_after,
        "constraints": [{"label": "rack", "equal": i.to_string()}],
    }})
}

async fn until_placed(control: &Control, name: &str) {
    for _ in 0..4000 {
        let found = send(control, &format!("GET /v1/workloads/{name}"), &Value::Null).await.1;
        if found["observed"]["assigned"].is_object() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{name} is not placed");
}

/// A time so many hours from now.
fn hours(count: u64) -> String {
    crate::clock::now().plus(tessera_types::Duration::from_secs(count * 3600)).to_string()
}

/// Nobody's lease lapses in these tests, though no agent calls.
async fn start(folder: &std::path::Path) -> Control {
    let lease = tessera_types::Duration::from_secs(3600);
    let control = Control::start(Options { lease, ..options(folder) }).await.unwrap();
    nodes(&control).await;
    control
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_booking_and_a_later_end_of_a_service_exactly_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let control = start(folder.path()).await;
    let (soon, late) = (hours(1), hours(4));
    for i in 0..PAIRS {
        put(&control, &format!("workloads/web-{i}"), service(i, &soon)).await;
    }
    for i in 0..PAIRS {
        until_placed(&control, &format!("web-{i}")).await;
        let booking = (format!("PUT /v1/pods/lab-{i}"), pod(i));
        let longer = (format!("PUT /v1/workloads/web-{i}"), service(i, &late));
        let ((is_booked, booked), (is_longer, extended)) = tokio::join!(
            send(&control, &booking.0, &booking.1),
            send(&control, &longer.0, &longer.1)
        );
        assert_ne!(is_booked, is_longer, "{booked} {extended}");
        let refused = if is_booked { extended } else { booked };
        assert_eq!(refused["code"], "does_not_fit", "{refused}");
    }
    control.stop().await;
}

/// Which node of a pair is taken away, and how.
type Take = fn(usize) -> (String, Value);

/// The ways in which an operator takes a node away.
const TAKES: [Take; 4] = [
    |i| (format!("POST /v1/nodes/n{i}/drain"), Value::Null),
    |i| (format!("DELETE /v1/nodes/n{i}"), Value::Null),
    |i| (format!("PUT /v1/nodes/n{i}"), reserved(i)),
    |i| ("POST /v1/apply".to_owned(), json!({"manifests": [reserved(i)]})),
];

/// A node that keeps two of its cores for itself.
fn reserved(i: usize) -> Value {
    json!({"kind": "Node", "name": format!("n{i}"), "labels": {"rack": i.to_string()},
        "spec": {"reserved": {"cpu": "2"}}})
}

/// Whoever has booked before is named, no later than the node is away; whoever books
/// after that has nothing of the node.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_is_booked_before_it_is_taken_away_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let control = start(folder.path()).await;
    for i in 0..PAIRS {
        let (taking, what) = TAKES[i % TAKES.len()](i);
        let booking = (format!("PUT /v1/pods/lab-{i}"), pod(i));
        let ((is_taken, taken), (is_booked, booked)) =
            tokio::join!(send(&control, &taking, &what), send(&control, &booking.0, &booking.1));
        assert!(is_taken, "{taken}");
        if is_booked {
            let of = |resource: &Value| resource["revision"].as_u64().unwrap();
            let taken = if taken["revision"].is_u64() { &taken } else { inner(&taken) };
            assert!(of(&booked["resource"]) < of(taken), "{booked} {taken}");
        } else {
            assert_eq!(booked["code"], "does_not_fit", "{booked}");
        }
        let after = send(&control, &format!("PUT /v1/pods/after-{i}"), &pod(i)).await;
        assert_eq!(after.1["code"], "does_not_fit", "{}", after.1);
        let warning = warning_once_away(&control, i).await;
        let named = format!("(held by pod/default/lab-{i})");
        assert_eq!(warning.contains(&named), is_booked, "{taking}: {warning}");
    }
    control.stop().await;
}

/// What was taken, of the answer to one or to many declarations.
fn inner(answer: &Value) -> &Value {
    answer.get("resource").unwrap_or(&answer["results"][0])
}

/// What group `i` waits for once its node is drained or gone, or gives less.
async fn warning_once_away(control: &Control, i: usize) -> String {
    for _ in 0..4000 {
        let (is_there, node) = send(control, &format!("GET /v1/nodes/n{i}"), &Value::Null).await;
        let group = send(control, &format!("GET /v1/hosts/group-{i}"), &Value::Null).await.1;
        let gives_less = group["observed"]["capacity"]["cpu"] == json!(2000);
        if !is_there || node["status"] == "Drained" || gives_less {
            return group["waiting_for"].to_string();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("node {i} stays");
}
