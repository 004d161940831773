//! What is declared anew while it is booked.

use serde_json::{Value, json};
use tessera_reconciler::admission::{AdmissionError, Stretch, check_deletion, extend_session};
use tessera_types::timed::{TimedStatus, Window};
use tessera_types::{
    Duration, Host, HostDefinition, JobDefinition, Kind, LabLocation, Pod, PodDefinition, Session,
    SessionPart, Timestamp, WaitReason, Workload,
};

use crate::exam::{Exam, book, name, session};
use crate::plane::{Plane, Run};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A server with a pod on it, from 100 to 160 seconds from now.
fn booked_server() -> Plane {
    let mut plane = Plane::new();
    for place in ["north", "south"] {
        plane.apply::<LabLocation>(json!({"name": place, "spec": {
            "type_key": place, "version": "1.0.0",
        }}));
    }
    for version in [1, 2] {
        plane.apply::<HostDefinition>(json!({"name": format!("server-{version}"), "spec": {
            "type_key": "server", "version": format!("{version}.0.0"), "host_type": "server",
            "pod_types": ["cml_on_aws"], "licence_class": format!("class-{version}"),
            "capacity": capacity(4, 2),
        }}));
    }
    plane.apply::<Host>(server(&json!({})));
    plane.apply::<PodDefinition>(json!({"name": "lab", "spec": {
        "type_key": "lab", "version": "1.0.0", "pod_type": "cml_on_aws",
        "demand": {"cpu": "3", "counted": {"licences": 2}, "ports": 2},
        "host": {"location": "north", "licence_class": "class-1",
            "labels": [{"label": "rack", "equal": "a"}]},
    }}));
    plane.apply::<Pod>(json!({"name": "alone", "spec": {
        "definition": {"type_key": "lab"},
        "timeslot": {"start": plane.at(100).to_string(), "duration": "60s"},
    }}));
    plane.settle();
    plane
}

fn capacity(cpu: u32, licences: u32) -> Value {
    json!({"cpu": cpu.to_string(), "counted": {"licences": licences},
        "ports": [{"first": 9000, "last": 9003}]})
}

fn server(more: &Value) -> Value {
    let mut json = json!({"name": "server", "labels": {"rack": "a"}, "spec": {
        "definition": {"type_key": "server", "version": "1"}, "location": "north",
    }});
    for (name, value) in more.as_object().unwrap() {
        match name.as_str() {
            "labels" => json["labels"] = value.clone(),
            _ => json["spec"][name] = value.clone(),
        }
    }
    json
}

/// Why others stand in the way of declaring a host so. Nothing is written then.
fn booked(plane: &mut Plane, json: Value) -> String {
    let before = plane.world.revision();
    let error = plane.try_apply::<Host>(json).expect_err("it is refused");
    assert_eq!(plane.world.revision(), before);
    match error {
        AdmissionError::Booked(message) => message,
        other => panic!("{other}"),
    }
}

const WHEN: &str = "from 2001-09-09T01:48:20Z to 2001-09-09T01:49:20Z";

#[test]
fn a_host_is_not_declared_smaller_than_what_is_booked_of_it() {
    let mut plane = booked_server();
    for (change, message) in [
        (
            json!({"capacity": capacity(2, 2)}),
            format!("cpu: 3000m held {WHEN}, the host has 2000m"),
        ),
        (json!({"capacity": capacity(4, 1)}), format!("licences: 2 held {WHEN}, the host has 1")),
        (
            json!({"capacity": {"cpu": "4", "counted": {"licences": 2},
            "ports": [{"first": 9001, "last": 9009}]}}),
            "port 9000 is not the host's".to_owned(),
        ),
        (
            json!({"timeslot": {"start": plane.at(0).to_string(), "end": plane.at(150).to_string()}}),
            "the host is open from".to_owned(),
        ),
        (json!({"location": "south"}), "are not at location north".to_owned()),
        (json!({"labels": {"rack": "b"}}), "lack label rack=a".to_owned()),
        (
            json!({"definition": {"type_key": "server", "version": "2"}}),
            "lack licence class class-1".to_owned(),
        ),
    ] {
        let found = booked(&mut plane, server(&change));
        assert!(found.starts_with("host/server: ") && found.contains(&message), "{found}");
        assert!(found.contains("pod/default/alone") && found.contains(WHEN), "{found}");
    }
    plane.apply::<Host>(server(&json!({"capacity": capacity(3, 2)})));
    plane.run(200);
    plane.apply::<Host>(server(&json!({"capacity": capacity(1, 0), "location": "south"})));
}

#[test]
fn a_host_that_is_booked_is_not_deleted() {
    let mut plane = booked_server();
    let host = Host::wrap(plane.get::<Host>("server"));
    let error = check_deletion(&plane.world, &host).unwrap_err();
    let expected = format!("host/server is booked: by pod/default/alone {WHEN}");
    assert_eq!(error.to_string(), expected);
    plane.run(200);
    check_deletion(&plane.world, &host).unwrap();
}

/// `a-group` would take the node that `fleet` counts.
#[test]
fn a_group_does_not_take_the_nodes_of_another_that_is_booked() {
    let mut plane = Exam::default().plane();
    book(&mut plane);
    let group = json!({"name": "a-group", "spec": {
        "definition": {"type_key": "group"}, "nodes": [{"label": "node", "equal": "node-a"}],
    }});
    let found = booked(&mut plane, group.clone());
    assert!(found.starts_with("host/fleet: cpu: ") && found.contains("pod/default/exam-one-lab"));
    let narrower = json!({"name": "fleet", "spec": {
        "definition": {"type_key": "group"}, "nodes": [{"label": "node", "equal": "node-b"}],
    }});
    let found = booked(&mut plane, narrower.clone());
    assert!(found.starts_with("host/fleet: cpu: "), "{found}");
    plane.node("node-b", 4000);
    plane.apply::<Host>(narrower);
    plane.apply::<Host>(group);
}

/// What a lost node has broken already is no reason to refuse another change.
#[test]
fn a_group_that_lost_a_node_says_what_is_booked_too_much() {
    let mut plane = Exam::default().plane();
    plane.node("node-b", 1500);
    book(&mut plane);
    plane.apply::<Pod>(json!({"name": "alone", "spec": {
        "definition": {"type_key": "lab-one"},
        "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
    }}));
    plane.settle();
    assert_eq!(plane.get::<Host>("fleet").waiting_for, None);
    plane.cut_off("node-a");
    plane.run(20);
    let waiting = plane.get::<Host>("fleet").waiting_for.clone().expect("it says so");
    assert_eq!(waiting.reason, WaitReason::Overbooked);
    let text = "room for what is booked: cpu: 3000m held from ";
    assert!(waiting.message.starts_with(text), "{}", waiting.message);
    assert!(waiting.message.contains("pod/default/alone"), "{}", waiting.message);
    plane.apply::<Host>(json!({"name": "fleet", "labels": {"x": "y"}, "spec": {
        "definition": {"type_key": "group"},
    }}));
    plane.delete::<Pod>("alone");
    plane.delete::<Session>("exam");
    plane.run(1);
    assert_eq!(plane.get::<Host>("fleet").waiting_for, None);
}

/// The catalogue goes on, and what was made from it stays as it was made.
#[test]
fn a_host_that_is_declared_again_keeps_the_jobs_that_it_was_made_with() {
    let mut plane = Plane::new();
    let check = |version: &str| {
        json!({"name": format!("check-{}", &version[..1]), "spec": {
            "type_key": "check", "version": version, "workload": {"command": "check"},
        }})
    };
    plane.apply::<JobDefinition>(check("1.0.0"));
    plane.apply::<HostDefinition>(json!({"name": "server", "spec": {
        "type_key": "server", "version": "1.0.0", "host_type": "server",
        "pod_types": ["cml_on_aws"], "capacity": {"cpu": "4"},
        "lifecycle": {"phases": [{"name": "prepare", "engine": "workflow",
            "trigger_on_status": "Provisioning", "definition": {"type_key": "check"}}]},
    }}));
    let server = |label: &str| {
        json!({"name": "server", "labels": {"x": label},
            "spec": {"definition": {"type_key": "server"}}})
    };
    plane.apply::<Host>(server("a"));
    let jobs = plane.get::<Host>("server").observed.timed.jobs.clone();
    plane.apply::<JobDefinition>(check("2.0.0"));
    let mut changed = server("b");
    changed["spec"]["capacity"] = json!({"cpu": "5"});
    plane.apply::<Host>(changed);
    let host = plane.get::<Host>("server");
    assert_eq!(host.labels["x"], "b");
    assert_eq!(host.observed.timed.jobs, jobs);
    assert_eq!(plane.world.table::<Workload>().len(), 0);
}

/// The exam of `exam::session` with more in its timeslot.
fn exam_with(start: Timestamp, more: &Value) -> Value {
    let mut json = session("exam", start);
    for (name, value) in more.as_object().unwrap() {
        json["spec"]["timeslot"][name] = value.clone();
    }
    json
}

fn held(plane: &Plane, pod: &str) -> Window {
    let pod = plane.pod(pod);
    let slot = pod.observed.timed.timeslot.unwrap();
    let binding = pod.observed.binding.as_ref().unwrap();
    assert_eq!(binding.window, slot.held());
    binding.window
}

#[test]
fn other_buffers_take_effect_and_are_booked() {
    let mut plane = Exam { node_cpu: 2000, ..Exam::default() }.plane();
    let start = book(&mut plane);
    let end = start.plus(secs(120));
    assert_eq!(held(&plane, "exam-two-lab").until, end.plus(secs(20)));
    plane.apply::<Session>(exam_with(start, &json!({"teardown_buffer": "50s"})));
    assert_eq!(held(&plane, "exam-two-lab").until, end.plus(secs(50)));
    let part = plane.get::<SessionPart>("exam-two").observed.timed.timeslot.unwrap();
    assert_eq!(part.cleanup_deadline(), end.plus(secs(50)));
    let exam = plane.get::<Session>("exam").observed.timed.timeslot.unwrap();
    assert_eq!((exam.end, exam.cleanup_deadline()), (end, end.plus(secs(50))));
    // Whoever comes next is not pushed away.
    for i in 0..2 {
        plane.apply::<Pod>(json!({"name": format!("next-{i}"), "spec": {
            "definition": {"type_key": "lab-one"},
            "timeslot": {"start": end.plus(secs(90)).to_string(), "duration": "60s"},
        }}));
    }
    let revision = plane.world.revision();
    let longer = exam_with(start, &json!({"teardown_buffer": "61s"}));
    let error = plane.try_apply::<Session>(longer).unwrap_err();
    assert!(matches!(error, AdmissionError::DoesNotFit(_)), "{error}");
    assert_eq!(plane.world.revision(), revision);
    plane.apply::<Session>(exam_with(start, &json!({"teardown_buffer": "60s"})));
    plane.run_until(end.plus(secs(200)));
    assert_eq!(plane.path("session/default/exam"), "Pending Active Aggregating Inactive");
}

/// A session that was declared to last longer than its parts does so, declared anew
/// or with a part extended.
#[test]
fn a_longer_end_than_that_of_the_parts_is_kept() {
    let mut plane = Exam::default().plane();
    let start = plane.at(100);
    let end = |plane: &Plane| plane.get::<Session>("exam").observed.timed.timeslot.unwrap().end;
    plane.apply::<Session>(exam_with(start, &json!({"duration": "300s"})));
    assert_eq!(end(&plane), start.plus(secs(300)));
    let later = start.plus(secs(10));
    plane.apply::<Session>(exam_with(later, &json!({"duration": "300s"})));
    assert_eq!(end(&plane), later.plus(secs(300)));
    stretch(&mut plane, Some("two"), Stretch::Extend(secs(30))).unwrap();
    assert_eq!(end(&plane), later.plus(secs(300)));
    stretch(&mut plane, Some("two"), Stretch::Extend(secs(300))).unwrap();
    assert_eq!(end(&plane), later.plus(secs(450)));
    plane.apply::<Session>(exam_with(later, &json!({"duration": "200s"})));
    assert_eq!(end(&plane), later.plus(secs(200)));
}

fn stretch(plane: &mut Plane, part: Option<&str>, by: Stretch) -> Result<(), AdmissionError> {
    let session = plane.get::<Session>("exam");
    let part = part.map(name);
    let now = plane.now.wall;
    let extended = extend_session(&plane.world, &session, part.as_ref(), by, now)?;
    plane.commit(extended.writes);
    plane.settle();
    Ok(())
}

/// What is not said of a part follows from the definition.
#[test]
fn a_part_that_is_longer_moves_the_next_one() {
    let mut plane = Exam::default().plane();
    let start = plane.at(60);
    let mut json = session("exam", start);
    json["spec"]["parts"] = json!({"one": {"timeslot": {"duration": "90s"}}});
    plane.apply::<Session>(json);
    let slot = |part| plane.get::<SessionPart>(part).observed.timed.timeslot.unwrap();
    let (one, two) = (slot("exam-one"), slot("exam-two"));
    assert_eq!((one.start, one.end), (start, start.plus(secs(90))));
    assert_eq!((two.start, two.end), (start.plus(secs(90)), start.plus(secs(150))));
}

#[test]
fn an_extension_says_what_has_moved_and_when_it_ends() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    stretch(&mut plane, Some("one"), Stretch::Extend(secs(10))).unwrap();
    let at = |seconds| start.plus(secs(seconds));
    let words = format!(
        "part one extended by 10s: it ends at {} instead of {}; the session ends at {}; part two \
         moves by 10s, to {} to {}",
        at(70),
        at(60),
        at(130),
        at(70),
        at(130)
    );
    for history in [
        &plane.get::<Session>("exam").state_history.last().unwrap().reason,
        &plane.get::<SessionPart>("exam-two").state_history.last().unwrap().reason,
    ] {
        assert_eq!(*history, words);
    }
}

/// Nobody else has to give way where a session is in its own way.
#[test]
fn an_extension_into_the_lead_time_of_the_next_part_is_told_as_such() {
    // One pod at a time has room, and part two needs its host 40s before it starts.
    let mut plane = Exam { node_cpu: 1000, ..Exam::default() }.plane();
    let mut json = session("exam", plane.at(60));
    let late = plane.at(200);
    json["spec"]["parts"] = json!({"two": {"timeslot": {"start": late.to_string()}}});
    plane.apply::<Session>(json);
    plane.settle();
    let before = plane.world.revision();
    let error = stretch(&mut plane, Some("one"), Stretch::Extend(secs(21))).unwrap_err();
    assert_eq!(plane.world.revision(), before);
    assert_eq!(
        error.to_string(),
        format!(
            "pod/exam-one-lab: part one would need fleet until {}, with its teardown, and part two \
             of the same session needs it from {} on, with its lead time; there are 20s between \
             the two, so its end can move by no more",
            plane.at(161),
            plane.at(160)
        )
    );
    stretch(&mut plane, Some("one"), Stretch::Extend(secs(20))).unwrap();
    let error = stretch(&mut plane, Some("one"), Stretch::Extend(secs(1))).unwrap_err();
    assert!(error.to_string().contains("there is no time between the two"), "{error}");
}

/// A host that has lost a node is over: who gives back is not asked to fit.
#[test]
fn a_session_is_shrunk_on_a_host_that_has_too_little() {
    let mut plane = Exam { node_cpu: 1500, ..Exam::default() }.plane();
    plane.node("node-b", 1500);
    let start = book(&mut plane);
    plane.cut_off("node-b");
    plane.run(20);
    assert!(plane.get::<Host>("fleet").waiting_for.is_some());
    let error = stretch(&mut plane, Some("two"), Stretch::Extend(secs(1))).unwrap_err();
    assert!(matches!(error, AdmissionError::DoesNotFit(_)), "{error}");
    stretch(&mut plane, Some("two"), Stretch::Shrink(secs(30))).unwrap();
    assert_eq!(held(&plane, "exam-two-lab").until, start.plus(secs(110)));
}

/// The first part is still graded when the second has begun.
#[test]
fn a_part_is_not_extended_into_one_that_has_begun() {
    let mut plane = Exam::default().plane();
    plane.script = Box::new(|name, _| match name.contains("grade") {
        true => Run::Ends(secs(8), 0, r#"{"score": 60}"#),
        false => Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(62)));
    let status = |plane: &Plane, part: &str| plane.get::<SessionPart>(part).status;
    assert_eq!(status(&plane, "exam-one"), TimedStatus::Grading);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Active);
    let error = stretch(&mut plane, Some("one"), Stretch::Extend(secs(5))).unwrap_err();
    let AdmissionError::NotNow(message) = error else { panic!("{error}") };
    assert!(message.contains("and part two after it has begun"), "{message}");
}
