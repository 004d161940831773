//! Hosts: their own windows, and what a node group has of its nodes.

use serde_json::json;
use tessera_types::timed::{DesiredTimedStatus, Outcome, Request, TimedStatus};
use tessera_types::{Duration, Host, HostDefinition, Job, Millicores, Pod, Session};

use crate::exam::{Exam, book};
use crate::plane::{Plane, Run};

fn server(plane: &mut Plane, timeslot: &serde_json::Value) {
    plane.apply::<HostDefinition>(json!({"name": "server", "spec": {
        "type_key": "server", "version": "1.0.0", "host_type": "server",
        "pod_types": ["cml_on_aws"], "capacity": {"cpu": "4"},
    }}));
    plane.apply::<Host>(json!({"name": "lab-server", "spec": {
        "definition": {"type_key": "server"}, "timeslot": timeslot,
    }}));
    plane.settle();
}

#[test]
fn a_host_with_a_window_can_be_used_in_it_only() {
    let mut plane = Exam::default().plane();
    let start = plane.at(100);
    server(
        &mut plane,
        &json!({"start": start.to_string(), "duration": "300s", "lead_time": "20s"}),
    );
    plane.run_until(start.minus(Duration::from_secs(1)));
    assert_eq!(plane.get::<Host>("lab-server").status, TimedStatus::Ready);
    plane.run_until(start.plus(Duration::from_secs(301)));
    assert_eq!(
        plane.path("host/lab-server"),
        "Scheduled Provisioning Ready Active TearingDown Terminated"
    );
    let host = plane.get::<Host>("lab-server");
    assert_eq!(host.observed.timed.outcome, Some(Outcome::Completed));
}

#[test]
fn a_group_has_what_its_nodes_have_that_can_be_reached() {
    let mut plane = Exam::default().plane();
    let cpu = |plane: &Plane| plane.get::<Host>("fleet").observed.capacity.cpu;
    let one = cpu(&plane);
    plane.node("node-b", 9000);
    assert_eq!(plane.get::<Host>("fleet").observed.nodes, Some(2));
    assert!(cpu(&plane) > one && cpu(&plane) <= Millicores(13_000));
    assert_eq!(plane.get::<Host>("fleet").observed.capacity.counted["licences"], 10);
    plane.cut_off("node-b");
    plane.run(20);
    assert_eq!((plane.get::<Host>("fleet").observed.nodes, cpu(&plane)), (Some(1), one));
    plane.cut_off("node-a");
    plane.run(20);
    let host = plane.get::<Host>("fleet");
    assert_eq!((host.status, host.observed.nodes), (TimedStatus::Active, Some(0)));
    let message = host.waiting_for.as_ref().unwrap().message.clone();
    assert_eq!(message, "a node that belongs to it to be Ready");
    plane.reconnect("node-a");
    plane.run(1);
    assert_eq!(plane.get::<Host>("fleet").waiting_for, None);
}

#[test]
fn a_group_of_labelled_nodes_places_its_pods_there() {
    let mut plane = Exam::default().plane();
    plane.node("node-b", 4000);
    plane.apply::<Host>(json!({"name": "a-group", "spec": {
        "definition": {"type_key": "group"}, "nodes": [{"label": "node", "equal": "node-b"}],
    }}));
    plane.settle();
    assert_eq!(plane.get::<Host>("a-group").observed.nodes, Some(1));
    assert_eq!(plane.get::<Host>("fleet").observed.nodes, Some(1), "a node belongs to one group");
    let start = book(&mut plane);
    plane.run_until(start);
    for pod in plane.world.pods.iter().cloned().collect::<Vec<_>>() {
        let host = pod.observed.binding.as_ref().unwrap().host.to_string();
        let wanted = if host == "a-group" { "node-b" } else { "node-a" };
        for workload in plane.world.owned::<tessera_types::Workload>(pod.id) {
            let node = &workload.observed.assigned.as_ref().unwrap().node;
            // Also the group that selects nothing: the other counts that node.
            assert_eq!(node.as_str(), wanted, "{}", workload.name);
        }
    }
    plane.delete::<Session>("exam");
    plane.delete::<Host>("a-group");
    plane.run(5);
    assert_eq!(plane.get::<Host>("fleet").observed.nodes, Some(2), "it has the node again");
}

#[test]
fn a_pod_of_a_type_without_an_adapter_fails_and_says_so() {
    let mut plane = Exam::default().plane();
    server(&mut plane, &json!({"start_in": "1s"}));
    plane.run(2);
    plane.apply::<tessera_types::PodDefinition>(json!({"name": "lab", "spec": {
        "type_key": "lab", "version": "1.0.0", "pod_type": "cml_on_aws", "demand": {"cpu": "1"},
        "provision": {"attempts_max": 2, "timeout": "5s", "backoff": {"initial": "1s", "max": "1s"}},
    }}));
    plane.apply::<Pod>(json!({"name": "alone", "spec": {
        "definition": {"type_key": "lab"},
        "timeslot": {"start": plane.at(30).to_string(), "duration": "30s", "lead_time": "20s"},
    }}));
    plane.run(29);
    let pod = plane.pod("alone");
    assert_eq!(pod.status, TimedStatus::Failed);
    let message = pod.observed.timed.failure.clone().unwrap().message;
    assert!(message.contains("an adapter for cml_on_aws pods, and there is none"), "{message}");
    plane.run(60);
    assert_eq!(plane.pod("alone").status, TimedStatus::Terminated);
}

#[test]
fn a_host_that_is_not_wanted_any_more_ends_without_its_pods() {
    let mut plane = Exam::default().plane();
    server(&mut plane, &json!({"start_in": "10s"}));
    plane.edit::<Host>("lab-server", |edit| edit.desire(DesiredTimedStatus::TornDown));
    plane.settle();
    assert_eq!(plane.path("host/lab-server"), "Scheduled TearingDown Terminated");
}

fn with_phases(plane: &mut Plane) {
    let phase = |name: &str, status: &str| {
        json!({"name": name, "engine": "workflow", "trigger_on_status": status,
            "definition": {"type_key": "check"},
            "retry": {"attempts_max": 2, "backoff": {"initial": "1s", "max": "1s"}}})
    };
    let phases = ["Provisioning", "Active", "TearingDown"]
        .map(|status| phase(&format!("on-{}", status.to_lowercase()), status));
    plane.apply::<HostDefinition>(json!({"name": "server", "spec": {
        "type_key": "server", "version": "1.0.0", "host_type": "server",
        "pod_types": ["cml_on_aws"], "capacity": {"cpu": "4"}, "lifecycle": {"phases": phases},
    }}));
    plane.apply::<Host>(json!({"name": "srv", "spec": {
        "definition": {"type_key": "server"}, "timeslot": {"start_in": "1s", "duration": "60s", "teardown_buffer": "10s"},
    }}));
    plane.settle();
}

#[test]
fn a_host_that_is_not_ready_by_its_end_has_failed() {
    let mut plane = Exam::default().plane();
    plane.script = Box::new(|_, _| Run::Stays);
    with_phases(&mut plane);
    plane.run(59);
    assert_eq!(plane.get::<Host>("srv").status, TimedStatus::Provisioning);
    plane.run(30);
    let host = plane.get::<Host>("srv");
    assert_eq!(plane.path("host/srv"), "Scheduled Provisioning Failed TearingDown Terminated");
    assert_eq!(host.observed.timed.outcome, Some(Outcome::Failed));
    let failure = host.observed.timed.failure.as_ref().unwrap();
    let message = failure.to_string();
    let waited = "it was not ready before its end: it still waited for phase ";
    assert!(message.starts_with(waited), "{message}");
    assert!(message.ends_with(", so its provisioning failed"), "{message}");
}

fn jobs(plane: &Plane) -> Vec<String> {
    plane.world.jobs.iter().map(|job| format!("{} {}", job.name, job.status)).collect()
}

#[test]
fn a_host_runs_its_phases_in_each_of_its_states() {
    let mut plane = Exam::default().plane();
    plane.script = Box::new(|_, _| Run::Ends(Duration::from_secs(1), 0, ""));
    // A stranger has the name of its first job.
    plane.apply::<Job>(
        json!({"name": "srv-on-active-1", "spec": {"definition": {"type_key": "check"}}}),
    );
    with_phases(&mut plane);
    plane.run(100);
    assert_eq!(
        jobs(&plane),
        [
            "srv-on-active-1 Succeeded",
            "srv-on-active-2 Succeeded",
            "srv-on-provisioning-1 Succeeded",
            "srv-on-tearingdown-1 Succeeded",
        ]
    );
    let path = "Scheduled Provisioning Ready Active TearingDown Terminated";
    assert_eq!(plane.path("host/srv"), path);
}

#[test]
fn a_host_that_has_failed_says_what_can_be_done_and_can_be_tried_again() {
    for (phase, seconds) in [("provisioning", 5), ("active", 8)] {
        let mut plane = Exam::default().plane();
        plane.script = Box::new(move |name, _| {
            let fails = name.contains(phase) && !name.ends_with("-3");
            Run::Ends(Duration::from_secs(1), i32::from(fails), "")
        });
        with_phases(&mut plane);
        plane.ask::<Host>("srv", Request::Retry);
        plane.run(seconds);
        let host = plane.get::<Host>("srv");
        assert_eq!(host.status, TimedStatus::Failed, "{phase}");
        let failure = host.observed.timed.failure.as_ref().unwrap();
        assert_eq!((failure.of.clone(), failure.attempts), (format!("phase on-{phase}"), 2));
        let message = host.waiting_for.clone().unwrap().message;
        assert!(message.contains("tesseractl retry host/srv"), "{message}");
        plane.ask::<Host>("srv", Request::Retry);
        plane.run(5);
        let host = plane.get::<Host>("srv");
        assert_eq!(host.status, TimedStatus::Active, "{phase}");
        let timed = &host.observed.timed;
        assert_eq!((&timed.failure, timed.outcome), (&None, None));
        plane.run(100);
        let outcome = plane.get::<Host>("srv").observed.timed.outcome;
        assert_eq!(outcome, Some(Outcome::Completed));
    }
}

/// The pod is booked on the group that selects nothing, which has one small node; the
/// large node is another group's, and has room.
#[test]
fn a_pod_is_not_placed_on_a_node_that_another_group_counts() {
    let mut plane = Exam { node_cpu: 1000, ..Exam::default() }.plane();
    plane.apply::<Host>(json!({"name": "a-group", "labels": {"for": "others"}, "spec": {
        "definition": {"type_key": "group"}, "nodes": [{"label": "node", "equal": "node-b"}],
    }}));
    plane.node("node-b", 8000);
    for (name, is) in [("mine", "equal"), ("theirs", "not_equal")] {
        plane.apply::<Pod>(json!({"name": name, "spec": {
            "definition": {"type_key": "lab-one"},
            "host": {"labels": [{"label": "for", is: "others"}]},
            "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
        }}));
    }
    plane.run(60);
    let node = |plane: &Plane, name: &str| {
        let workload = plane.get::<tessera_types::Workload>(name);
        workload.observed.assigned.as_ref().map(|at| at.node.to_string())
    };
    assert_eq!(node(&plane, "mine-vm").as_deref(), Some("node-b"));
    assert_eq!(node(&plane, "theirs-vm").as_deref(), Some("node-a"));
}

/// What comes of declaring a pod with these workloads.
fn refused(plane: &mut Plane, workloads: &[serde_json::Value]) -> String {
    let version = plane.commits;
    let workloads: Vec<_> = workloads
        .iter()
        .enumerate()
        .map(|(i, spec)| {
            let mut spec = spec.clone();
            if spec.get("image").is_none() {
                spec["command"] = "x".into();
            }
            json!({"name": format!("w{i}"), "spec": spec})
        })
        .collect();
    plane.apply::<tessera_types::PodDefinition>(json!({"name": format!("odd-{version}"), "spec": {
        "type_key": "odd", "version": format!("1.0.{version}"), "pod_type": "fleet",
        "workloads": workloads,
    }}));
    let pod = json!({"name": format!("odd-{version}"), "spec": {
        "definition": {"type_key": "odd"},
        "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
    }});
    plane.try_apply::<Pod>(pod).map_or_else(|error| error.to_string(), |_| "admitted".to_owned())
}

#[test]
fn a_pod_is_admitted_to_a_group_only_if_its_nodes_can_run_it() {
    let mut plane = Exam::default().plane();
    plane.node("node-b", 2000);
    let on = |node: &str| json!([{"label": "node", "equal": node}]);
    let port = json!([{"port": 8080}]);
    for (workloads, reason) in [
        (vec![json!({"image": "docker.io/library/nginx"})], "runs containers for workload w0"),
        (vec![json!({"constraints": on("node-c")})], "has node=node-c for workload w0"),
        (vec![json!({}), json!({"resources": {"cpu": "5"}})], "is large enough for workload w1"),
        (
            vec![json!({"resources": {"cpu": "3"}, "constraints": on("node-b")})],
            "runs processes, is large enough and meets the constraints, all at once, for workload w0",
        ),
    ] {
        let error = refused(&mut plane, &workloads);
        let expected = format!("the only host does not fit: it has no node that {reason}");
        assert!(error.ends_with(&expected), "{error}");
    }
    let taker = |constraints: serde_json::Value| json!({"ports": port, "constraints": constraints});
    let three = vec![taker(json!([])), taker(json!([])), taker(json!([]))];
    let error = refused(&mut plane, &three);
    let expected = "it has too few nodes for the 3 workloads that take port 8080/tcp of theirs";
    assert!(error.ends_with(expected), "{error}");
    let same = vec![taker(on("node-a")), taker(on("node-a"))];
    assert!(refused(&mut plane, &same).contains("too few nodes for the 2 workloads"));
    // The first has to make room for the second.
    let two = vec![taker(json!([])), taker(on("node-a"))];
    assert_eq!(refused(&mut plane, &two), "admitted");
}
