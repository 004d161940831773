//! Bad input: refused with a precise error, and nothing is written.

use serde_json::{Value, json};
use tessera_types::{
    Host, HostDefinition, LabLocation, PartDefinition, Pod, PodDefinition, Report, Session,
    SessionDefinition, SessionPart, Workload,
};

use crate::exam::{Exam, session};
use crate::plane::Plane;
use tessera_reconciler::Tabled;

/// The error of declaring something. Nothing is written then.
fn refused<K: Tabled>(plane: &mut Plane, json: Value) -> String {
    let before = (plane.world.revision(), plane.commits);
    let error = plane.try_apply::<K>(json).expect_err("it is refused");
    assert_eq!((plane.world.revision(), plane.commits), before);
    error.to_string()
}

/// The clock shows 2001-09-09T01:46:40Z.
fn plane() -> Plane {
    Exam::default().plane()
}

fn exam(plane: &Plane, seconds: u64, more: &Value) -> Value {
    let mut json = session("exam", plane.at(seconds));
    for (name, value) in more.as_object().unwrap() {
        for (field, value) in value.as_object().unwrap() {
            json["spec"][name][field] = value.clone();
        }
    }
    json
}

#[test]
fn an_end_before_its_start() {
    let mut plane = plane();
    let json = exam(&plane, 100, &json!({"timeslot": {"end": plane.at(100).to_string()}}));
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "spec.timeslot.end: 2001-09-09T01:48:20Z is not after the start, 2001-09-09T01:48:20Z"
    );
    let two = json!({"two": {"timeslot": {
        "start": plane.at(200).to_string(), "end": plane.at(190).to_string(),
    }}});
    let json = exam(&plane, 100, &json!({"parts": two}));
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "spec.parts.two.timeslot.end: 2001-09-09T01:49:50Z is not after the start, 2001-09-09T01:50:00Z"
    );
}

#[test]
fn parts_that_overlap_where_the_policy_is_sequential() {
    let mut plane = plane();
    let two = json!({"two": {"timeslot": {"start": plane.at(130).to_string()}}});
    let json = exam(&plane, 100, &json!({"parts": two}));
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "spec.parts.two.timeslot: part two (2001-09-09T01:48:50Z to 2001-09-09T01:49:50Z) begins \
         before part one (2001-09-09T01:48:20Z to 2001-09-09T01:49:20Z) is over, and the parts \
         are sequential"
    );
    let mut plane = Exam { order: "parallel", ..Exam::default() }.plane();
    let two = json!({"two": {"timeslot": {"start": plane.at(130).to_string()}}});
    let json = exam(&plane, 100, &json!({"parts": two}));
    plane.apply::<Session>(json);
}

#[test]
fn parts_that_there_are_not_or_that_are_outside() {
    let mut plane = plane();
    let json = exam(
        &plane,
        100,
        &json!({"parts": {"three": {"timeslot": {"start": plane.at(130).to_string()}}}}),
    );
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "spec.parts.three: there is no part `three`: the parts are one, two"
    );
    let json = exam(&plane, 100, &json!({"timeslot": {"duration": "90s"}}));
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "spec.parts.two.timeslot: part two (2001-09-09T01:49:20Z to 2001-09-09T01:50:20Z) is not \
         inside the session's window (2001-09-09T01:48:20Z to 2001-09-09T01:49:50Z)"
    );
}

#[test]
fn definitions_and_versions_that_there_are_not() {
    let mut plane = plane();
    for (definition, message) in [
        (
            json!({"type_key": "exan"}),
            "spec.definition: no sessiondefinition matches type exan; did you mean `exam`?",
        ),
        (
            json!({"type_key": "exam", "version": "2"}),
            "spec.definition: no sessiondefinition matches type exam, version ^2; there is version 1.0.0",
        ),
        (
            json!({"labels": [{"label": "vendor", "equal": "x"}]}),
            "spec.definition: no sessiondefinition matches vendor=x; known types are exam",
        ),
        (json!({}), "spec.definition: it selects everything: give `type_key` or `labels`"),
    ] {
        let mut json = exam(&plane, 100, &json!({}));
        json["spec"]["definition"] = definition;
        assert_eq!(refused::<Session>(&mut plane, json), message);
    }
}

#[test]
fn a_definition_whose_parts_cannot_be_resolved() {
    let mut plane = plane();
    plane.apply::<SessionDefinition>(json!({"name": "odd", "spec": {
        "type_key": "odd", "version": "1.0.0",
        "parts": [{"name": "one", "selector": {"type_key": "part-three"}}],
    }}));
    let mut json = exam(&plane, 100, &json!({}));
    json["spec"]["definition"]["type_key"] = "odd".into();
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "spec.definition (part one): no partdefinition matches type part-three; did you mean `part-one`?"
    );
}

#[test]
fn times_that_have_passed() {
    let mut plane = plane();
    let json = exam(&plane, 10, &json!({}));
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "spec.timeslot.start: part one starts at 2001-09-09T01:46:50Z with a lead time of 30s, so \
         its provisioning would have had to begin at 2001-09-09T01:46:20Z, which has passed; the \
         earliest start of the session is 2001-09-09T01:47:10Z"
    );
    let mut json = exam(&plane, 0, &json!({}));
    json["spec"]["timeslot"]["start"] = "2001-09-09T01:00:00Z".into();
    let error = refused::<Session>(&mut plane, json);
    // One problem for all parts, with the start at which all of them would be in time.
    assert_eq!(
        error,
        "spec.timeslot.start: part one starts at 2001-09-09T01:00:00Z, which has passed (it is \
         2001-09-09T01:46:40Z); the earliest start of the session is 2001-09-09T01:47:10Z"
    );
    let mut json = exam(&plane, 100, &json!({}));
    json["spec"]["parts"] = json!({"two": {"timeslot": {"start": plane.at(20).to_string()}}});
    json["spec"]["definition"]["type_key"] = "both".into();
    let mut both = serde_json::to_value(&*plane.get::<SessionDefinition>("exam").spec).unwrap();
    both["type_key"] = "both".into();
    both["part_execution"]["order"] = "parallel".into();
    plane.apply::<SessionDefinition>(json!({"name": "both", "spec": both}));
    let error = refused::<Session>(&mut plane, json);
    assert!(
        error.contains(
            "spec.parts.two.timeslot.start: part two starts at 2001-09-09T01:47:00Z with a lead \
             time of 40s, so its provisioning would have had to begin at 2001-09-09T01:46:20Z, \
             which has passed; its earliest start is 2001-09-09T01:47:20Z"
        ),
        "{error}"
    );
    let pod = json!({"name": "alone", "spec": {
        "definition": {"type_key": "lab-one"},
        "timeslot": {"start": plane.at(29).to_string(), "duration": "60s"},
    }});
    assert!(refused::<Pod>(&mut plane, pod).starts_with("spec.timeslot.start: it starts at "));
}

#[test]
fn windows_that_are_not_said_or_said_twice() {
    let mut plane = plane();
    for (timeslot, message) in [
        (json!({}), "spec.timeslot.start: it has no start: give `start` (a time) or `start_in`"),
        (
            json!({"start": "2001-09-09T02:00:00Z", "start_in": "60s"}),
            "spec.timeslot.start_in: `start` is given too: give one of the two",
        ),
        (
            json!({"start": "2001-09-09T02:00:00Z", "end": "2001-09-09T03:00:00Z", "duration": "1h"}),
            "spec.timeslot.duration: `end` is given too: give one of the two",
        ),
        (
            json!({"start_in": "1h", "duration": "0s"}),
            "spec.timeslot.duration: a window is longer than nothing",
        ),
        (
            json!({"start_in": "1h", "lead_time": "9000h"}),
            "spec.timeslot.lead_time: at most 366d are allowed",
        ),
    ] {
        let json = json!({"name": "exam", "spec": {
            "definition": {"type_key": "exam"}, "timeslot": timeslot,
        }});
        assert_eq!(refused::<Session>(&mut plane, json), message);
    }
}

#[test]
fn owners_that_cannot_be() {
    let mut plane = plane();
    for (json, message) in [
        (
            json!({"kind": "Pod", "name": "alone"}),
            "owner: a Pod does not belong to a Pod, only to a SessionPart",
        ),
        (
            json!({"kind": "SessionPart", "name": "exam-one"}),
            "owner: a Pod that belongs to a SessionPart is made by Tessera: remove it",
        ),
    ] {
        let json = json!({"name": "alone", "owner": json, "spec": {
            "definition": {"type_key": "lab-one"},
            "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
        }});
        assert_eq!(refused::<Pod>(&mut plane, json), message);
    }
    let report = json!({"name": "x", "owner": {"kind": "SessionPart", "name": "none"},
        "spec": {"definition": {"type_key": "sum"}}});
    assert_eq!(
        refused::<Report>(&mut plane, report),
        "owner: there is no sessionpart/default/none"
    );
    let part = json!({"name": "x", "spec": {
        "definition": {"type_key": "part-one"}, "part": "one", "order": 0,
        "timeslot": {"start": plane.at(60).to_string()},
    }});
    assert_eq!(
        refused::<SessionPart>(&mut plane, part),
        "kind: the parts of a session are made when it is admitted: declare a Session"
    );
}

#[test]
fn no_host_that_fits() {
    let mut plane = plane();
    let json = exam(&plane, 100, &json!({"host": {"licence_class": "enterprise"}}));
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "pod/exam-one-lab: the only host does not fit: it lacks licence class enterprise"
    );
    let json = exam(&plane, 100, &json!({"host": {"location": "moon"}}));
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "spec.host.location: no lablocation matches type moon; there is none at all: seed some (tesseractl seed)"
    );
    plane.apply::<PodDefinition>(json!({"name": "giant", "spec": {
        "type_key": "giant", "version": "1.0.0", "pod_type": "fleet",
        "workloads": [{"name": "vm", "spec": {"command": "vm", "resources": {"cpu": "9"}}}],
    }}));
    let pod = json!({"name": "alone", "spec": {
        "definition": {"type_key": "giant"},
        "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
    }});
    assert_eq!(
        refused::<Pod>(&mut plane, pod),
        "pod/alone: the only host does not fit: it has no node that is large enough for workload vm"
    );
}

#[test]
fn names_that_are_taken_or_too_long() {
    let mut plane = plane();
    plane.apply::<Pod>(json!({"name": "exam-two-lab", "spec": {
        "definition": {"type_key": "lab-one"},
        "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
    }}));
    let json = exam(&plane, 100, &json!({}));
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "name: it would have pod/default/exam-two-lab, which exists already: choose another name"
    );
    let json = session(&"x".repeat(60), plane.at(100));
    let error = refused::<Session>(&mut plane, json);
    assert!(error.contains("names have at most 63: choose shorter ones"), "{error}");
}

/// A session cannot overrule what the definition of a pod asks of its host.
#[test]
fn hosts_that_are_asked_to_be_two_things() {
    let mut plane = plane();
    plane.apply::<LabLocation>(json!({"name": "north", "spec": {
        "type_key": "north", "version": "1.0.0",
    }}));
    let definition = plane.get::<PodDefinition>("lab-one");
    let mut spec = serde_json::to_value(&*definition.spec).unwrap();
    spec["version"] = "1.1.0".into();
    spec["host"] = json!({"location": "north", "licence_class": "small"});
    plane.apply::<PodDefinition>(json!({"name": "lab-one-north", "spec": spec}));
    let json = exam(&plane, 100, &json!({"host": {"location": "north", "licence_class": "large"}}));
    let error = refused::<Session>(&mut plane, json);
    assert!(error.starts_with("spec.host.licence_class: it asks for a host with"), "{error}");
    assert!(error.contains("(pod lab) (host.licence_class), for one with `small`"), "{error}");
    assert!(!error.contains("location"), "{error}");
    let pod = json!({"name": "alone", "spec": {
        "definition": {"type_key": "lab-one"}, "host": {"licence_class": "large"},
        "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
    }});
    let error = refused::<Pod>(&mut plane, pod);
    assert!(
        error.contains("at spec.definition (host.licence_class), for one with `small`"),
        "{error}"
    );
}

/// A session type whose parts and pods are called so, on pods with one workload.
fn named(plane: &mut Plane, parts: &[(&str, &[&str])]) {
    for (i, (_, pods)) in parts.iter().enumerate() {
        let pods: Vec<_> = pods
            .iter()
            .map(|name| json!({"name": name, "selector": {"type_key": "lab-one"}}))
            .collect();
        plane.apply::<PartDefinition>(json!({"name": format!("odd-{i}"), "spec": {
            "type_key": format!("odd-{i}"), "version": "1.0.0", "duration": "60s",
            "teardown_buffer": "2s", "pods": pods,
            "lifecycle": {"phases": [{"name": "grade", "engine": "workflow",
                "trigger_on_status": "Grading", "definition": {"type_key": "grade"}}]},
        }}));
    }
    let parts: Vec<_> = parts
        .iter()
        .enumerate()
        .map(|(i, (name, _))| json!({"name": name, "selector": {"type_key": format!("odd-{i}")}}))
        .collect();
    plane.apply::<SessionDefinition>(json!({"name": "odd", "spec": {
        "type_key": "odd", "version": "1.0.0", "parts": parts,
    }}));
}

fn odd(plane: &mut Plane, name: &str) -> String {
    let json = json!({"name": name, "spec": {
        "definition": {"type_key": "odd"}, "timeslot": {"start": plane.at(100).to_string()},
    }});
    refused::<Session>(plane, json)
}

#[test]
fn two_of_one_session_that_would_have_one_name() {
    let mut plane = plane();
    named(&mut plane, &[("a", &["b-c"]), ("a-b", &["c"])]);
    assert!(odd(&mut plane, "x").starts_with(
        "name: two pods would be called x-a-b-c, of sessionpart/x-a and of sessionpart/x-a-b"
    ));
    let mut plane = crate::refused::plane();
    named(&mut plane, &[("a", &["b", "b-vm"])]);
    plane.apply::<Workload>(json!({"name": "x-a-b-vm", "spec": {"command": "other"}}));
    assert_eq!(
        odd(&mut plane, "x"),
        "name: pod/x-a-b would have the workload x-a-b-vm, and the name is taken by \
         workload/x-a-b-vm (Pending), which belongs to nothing: choose another name"
    );
}

#[test]
fn workloads_that_another_pod_will_have() {
    let mut plane = plane();
    named(&mut plane, &[("a", &["b"])]);
    let definition = plane.get::<PodDefinition>("lab-one");
    let mut spec = serde_json::to_value(&*definition.spec).unwrap();
    spec["type_key"] = "lab-other".into();
    spec["workloads"][0]["name"] = "a-b-vm".into();
    plane.apply::<PodDefinition>(json!({"name": "lab-other", "spec": spec}));
    plane.apply::<Pod>(json!({"name": "x", "spec": {
        "definition": {"type_key": "lab-other"},
        "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
    }}));
    assert_eq!(
        odd(&mut plane, "x"),
        "name: pod/x-a-b would have the workload x-a-b-vm, and pod/default/x will have it: choose \
         another name"
    );
    // `job-` and the number count, too.
    let name = "y".repeat(63 - "job--a-grade-99".len() + 1);
    let error = odd(&mut plane, &name);
    assert!(error.contains("the workload of a job would be called `job-yyy"), "{error}");
}

#[test]
fn changes_of_what_does_not_change() {
    let mut plane = plane();
    plane.apply::<Session>(session("exam", plane.at(100)));
    let mut json = exam(&plane, 100, &json!({}));
    json["spec"]["env"] = json!({"A": "b"});
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "spec.env: it does not change once a session is admitted: delete the session and declare it again"
    );
    plane.run(110);
    let json = exam(&plane, 100, &json!({}));
    assert_eq!(
        refused::<Session>(&mut plane, json),
        "session exam has begun: its window changes by `tesseractl session extend` and `shrink`"
    );
    let workload = json!({"name": "exam-one-lab-vm", "spec": {"command": "other"}});
    assert_eq!(
        refused::<Workload>(&mut plane, workload),
        "it belongs to pod/exam-one-lab, which says what it is: change that"
    );
    let json =
        json!({"name": "fleet", "spec": {"definition": {"type_key": "group"}, "location": "moon"}});
    assert!(refused::<Host>(&mut plane, json).starts_with("spec.location: no lablocation"));
}

#[test]
fn the_same_declaration_twice_changes_nothing() {
    let mut plane = plane();
    let json = json!({"name": "exam", "spec": {
        "definition": {"type_key": "exam"}, "timeslot": {"start_in": "100s"},
    }});
    plane.apply::<Session>(json.clone());
    plane.run(50);
    assert_eq!(plane.try_apply::<Session>(json).unwrap(), 0);
}

#[test]
fn a_host_whose_whole_window_has_passed() {
    let mut plane = plane();
    plane.run(1000);
    let server = |slot: Value| {
        json!({"name": "server", "spec": {
            "definition": {"type_key": "group"}, "timeslot": slot,
            "nodes": [{"label": "node", "equal": "none"}],
        }})
    };
    let (begun, now) =
        (plane.now.wall.minus(tessera_types::Duration::from_secs(600)), plane.now.wall);
    let over = |end: tessera_types::Timestamp| {
        server(json!({"start": begun.to_string(), "end": end.to_string()}))
    };
    let why =
        format!("spec.timeslot.end: its window ends at {now}, which has passed (it is {now})");
    assert_eq!(refused::<Host>(&mut plane, over(now)), why);
    // One that has begun is open for what is left.
    let end = plane.at(100);
    plane.apply::<Host>(over(end));
    plane.run(10);
    assert!(
        refused::<Host>(&mut plane, over(now)).starts_with("spec.timeslot.end: its window ends")
    );
    plane.run(100);
    // What is over may still be declared as it was, with something else changed.
    let mut labelled = over(end);
    labelled["labels"] = json!({"rack": "a"});
    plane.apply::<Host>(labelled);
}

#[test]
fn a_host_that_loses_its_window_is_there_from_now_on() {
    let mut plane = plane();
    let mut declared = json!({"name": "server", "spec": {
        "definition": {"type_key": "group"},
        "timeslot": {"start": plane.now.wall.to_string(), "duration": "60s"},
        "nodes": [{"label": "node", "equal": "none"}],
    }});
    plane.apply::<Host>(declared.clone());
    plane.run(10);
    declared["spec"]["timeslot"] = Value::Null;
    plane.apply::<Host>(declared);
    let slot = plane.get::<Host>("server").observed.timed.timeslot.unwrap();
    assert_eq!(slot.end, tessera_types::Timestamp::MAX);
}

#[test]
fn hosts_without_any_node() {
    let mut plane = Plane::new();
    plane.apply::<HostDefinition>(json!({"name": "group", "spec": {
        "type_key": "group", "version": "1.0.0", "host_type": "node_group", "pod_types": ["fleet"],
    }}));
    plane.apply::<Host>(json!({"name": "fleet", "spec": {"definition": {"type_key": "group"}}}));
    plane.apply::<PodDefinition>(json!({"name": "small", "spec": {
        "type_key": "small", "version": "1.0.0", "pod_type": "fleet",
        "workloads": [{"name": "vm", "spec": {"command": "vm"}}],
    }}));
    let pod = json!({"name": "alone", "spec": {
        "definition": {"type_key": "small"},
        "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
    }});
    assert_eq!(
        refused::<Pod>(&mut plane, pod),
        "pod/alone: the only host does not fit: it has no node at all for workload vm"
    );
}

/// A phase of the teardown that would never run is refused where it is known how much time
/// there is.
#[test]
fn phases_of_a_teardown_without_time_for_it() {
    let mut plane = plane();
    let phase = |name: &str| {
        json!({"name": name, "engine": "pipeline", "trigger_on_status": "TearingDown",
            "pipeline": {"steps": [{"name": "save", "job": "save@v1"}]}})
    };
    let definition = json!({"type_key": "saved", "version": "1.0.0", "pod_type": "proxmox",
        "lifecycle": {"phases": [phase("bye")]}});
    plane.apply::<PodDefinition>(json!({"name": "saved", "spec": definition}));
    let mut without = definition.clone();
    without["teardown_buffer"] = json!("0s");
    let why = "phase bye runs when it is torn down, which needs time after the window: give a \
               `teardown_buffer`, such as 5m";
    assert_eq!(
        refused::<PodDefinition>(&mut plane, json!({"name": "saved", "spec": without})),
        format!("spec.teardown_buffer: {why}")
    );
    let pod = |plane: &Plane, more: &Value| {
        let mut timeslot = json!({"start": plane.at(60).to_string(), "duration": "60s"});
        timeslot.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let spec = json!({"definition": {"type_key": "saved"}, "timeslot": timeslot});
        json!({"name": "saved", "spec": spec})
    };
    let json = pod(&plane, &json!({}));
    assert_eq!(
        refused::<Pod>(&mut plane, json),
        format!("spec.timeslot.teardown_buffer: spec.definition: {why}, here or in the definition")
    );
    let json = pod(&plane, &json!({"teardown_buffer": "5m"}));
    let error = plane.try_apply::<Pod>(json).expect_err("no host takes it").to_string();
    assert!(!error.contains("teardown"), "{error}");

    let host = json!({"type_key": "gone", "version": "1.0.0", "host_type": "server",
        "pod_types": ["proxmox"], "lifecycle": {"phases": [phase("halt")]}});
    plane.apply::<HostDefinition>(json!({"name": "gone", "spec": host}));
    let host = |timeslot: Value| {
        let spec = json!({"definition": {"type_key": "gone"}, "timeslot": timeslot});
        json!({"name": "gone", "spec": spec})
    };
    let end = plane.at(600).to_string();
    let start = plane.at(1).to_string();
    let error = refused::<Host>(&mut plane, host(json!({"start": start, "end": end})));
    assert!(error.starts_with("spec.timeslot.teardown_buffer: spec.definition: phase halt"));
    plane.apply::<Host>(host(json!({"start": start})));
}

/// What a session says of the time for its teardown goes before what its parts say.
#[test]
fn a_session_that_leaves_no_time_for_the_teardown_of_a_part() {
    let phase = json!({"name": "notify", "engine": "pipeline", "trigger_on_status": "TearingDown",
        "pipeline": {"steps": [{"name": "tell", "job": "tell@v1"}]}});
    let exam_with = Exam { phases: vec![phase], is_graded: false, ..Exam::default() };
    let mut plane = exam_with.plane();
    let json = exam(&plane, 100, &json!({"timeslot": {"teardown_buffer": "0s"}}));
    let error = refused::<Session>(&mut plane, json);
    let place = "spec.timeslot.teardown_buffer: spec.definition (part one): phase notify runs";
    assert!(error.starts_with(place), "{error}");
    let json = exam(&plane, 100, &json!({}));
    plane.apply::<Session>(json);
}
