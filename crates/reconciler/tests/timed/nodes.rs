//! Nodes that cannot be reached, and nodes that are taken away.

use serde_json::json;
use tessera_types::job::JobStatus;
use tessera_types::node::{DesiredNodeStatus, NodeStatus};
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Request, TimedStatus};
use tessera_types::{
    Duration, Edit, Host, HostDefinition, Job, Node, Pod, PodDefinition, Session, SessionPart,
    WaitReason, Workload,
};

use crate::exam::{Exam, book, session};
use crate::plane::{Plane, Run};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What cannot be removed is named, does not keep the session, and goes as soon
/// as its node can be reached.
#[test]
fn what_cannot_be_cleaned_up_is_named_and_goes_later() {
    let mut plane = Exam { is_graded: false, ..Exam::default() }.plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(110)));
    plane.cut_off("node-a");
    plane.run_until(start.plus(secs(139)));
    assert_eq!(plane.pod("exam-two-lab").status, TimedStatus::TearingDown);
    plane.run_until(start.plus(secs(140)));
    let pod = plane.pod("exam-two-lab");
    assert_eq!(pod.status, TimedStatus::Terminated);
    assert_eq!(pod.observed.binding, None);
    let session = plane.get::<Session>("exam");
    assert_eq!(session.status, SessionStatus::Inactive);
    let [leftover] = session.observed.timed.leftovers.as_slice() else {
        panic!("{:?}", session.observed.timed.leftovers);
    };
    assert!(
        leftover.starts_with("workload/exam-two-lab-vm on node-a (Lost: waits for"),
        "{leftover}"
    );
    assert_eq!(plane.world.table::<Workload>().len(), 1);
    plane.reconnect("node-a");
    plane.run(2);
    assert_eq!(plane.world.table::<Workload>().len(), 0);
    let session = plane.get::<Session>("exam");
    assert!(session.observed.timed.leftovers.is_empty());
    let note = "what could not be removed in time is gone: workload/exam-two-lab-vm";
    assert_eq!(session.state_history.last().unwrap().reason, note);
    for timed in [
        &plane.pod("exam-two-lab").observed.timed,
        &plane.get::<SessionPart>("exam-two").observed.timed,
    ] {
        assert!(timed.leftovers.is_empty(), "{:?}", timed.leftovers);
    }
}

/// A workload that is left on a node that cannot be reached has its name until it
/// goes: who wants that name is told by what it is taken.
#[test]
fn a_name_that_a_leftover_has_is_said_to_be_taken_by_it() {
    let mut plane = Exam { is_graded: false, attempts: 1, ..Exam::default() }.plane();
    plane.node("node-b", 4000);
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(10)));
    let workload = plane.get::<Workload>("exam-one-lab-vm");
    let node = workload.observed.assigned.as_ref().unwrap().node.to_string();
    plane.cut_off(&node);
    plane.delete::<Session>("exam");
    plane.run_until(start.plus(secs(100)));
    assert!(plane.find::<Session>("exam").is_none());
    let start = plane.at(60);
    let error = plane.try_apply::<Session>(session("exam", start)).unwrap_err().to_string();
    let taken = format!("the name is taken by workload/exam-one-lab-vm on {node} (Lost: waits for");
    assert!(error.contains(&taken), "{error}");
    let whose = "which is left of a pod/exam-one-lab that is gone: choose another name";
    assert!(error.ends_with(whose), "{error}");
}

#[test]
fn a_job_whose_node_is_lost_has_failed_and_never_runs_again_under_its_name() {
    let mut plane = Exam { is_graded: true, ..Exam::default() }.plane();
    plane.node("node-b", 4000);
    plane.script = Box::new(|name, run| match name.contains("grade") {
        true if name == "job-exam-one-grade-1" && run == 1 => Run::Stays,
        true => Run::Ends(secs(1), 0, r#"{"score": 5}"#),
        false => Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(1)));
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.run(1);
    let workload = plane.get::<Workload>("job-exam-one-grade-1");
    let node = workload.observed.assigned.as_ref().unwrap().node.to_string();
    plane.cut_off(&node);
    plane.run(40);
    let job = plane.get::<Job>("exam-one-grade-1");
    assert_eq!(job.status, JobStatus::Failed);
    let message = job.observed.message.as_deref().unwrap();
    assert!(message.contains("whether it did its work is not known"), "{message}");
    assert_eq!(plane.get::<Job>("exam-one-grade-2").status, JobStatus::Succeeded);
    plane.reconnect(&node);
    plane.run(300);
    let mut names: Vec<_> = plane.started.iter().map(|(name, _)| name.clone()).collect();
    names.retain(|name| name.contains("grade"));
    let runs = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), runs, "each job runs once");
}

/// Phases with jobs run in order in each state of a part; the last ones even when
/// the node of the pod is gone.
#[test]
fn phases_run_in_their_states_and_a_failure_that_is_not_required_is_passed_over() {
    let phase = |name: &str, status: &str, is_required: bool| {
        json!({"name": name, "engine": "workflow", "trigger_on_status": status,
            "definition": {"type_key": "check"}, "is_required": is_required,
            "retry": {"attempts_max": 2, "backoff": {"initial": "1s", "max": "1s"}, "timeout": "20s"}})
    };
    let phases = vec![
        phase("prepare", "Provisioning", true),
        phase("greet", "Active", false),
        phase("archive", "TearingDown", true),
    ];
    let mut plane = Exam { phases, ..Exam::default() }.plane();
    plane.script = Box::new(|name, _| {
        let code = i32::from(name.contains("greet"));
        match name.contains("job-") {
            true => Run::Ends(secs(1), code, r#"{"score": 5}"#),
            false => Run::Stays,
        }
    });
    book(&mut plane);
    plane.run(300);
    let order: Vec<_> = plane.started.iter().map(|(name, _)| name.as_str()).collect();
    let of_one: Vec<_> = order.into_iter().filter(|name| name.contains("exam-one")).collect();
    assert_eq!(
        of_one,
        [
            "exam-one-lab-vm",
            "job-exam-one-prepare-1",
            "job-exam-one-greet-1",
            "job-exam-one-greet-2",
            "job-exam-one-grade-1",
            "job-exam-one-archive-1",
        ]
    );
    assert_eq!(plane.get::<Session>("exam").status, SessionStatus::Inactive);
}

fn active_phase(name: &str, definition: &str) -> serde_json::Value {
    json!({"name": name, "engine": "workflow", "trigger_on_status": "Active",
        "definition": {"type_key": definition}, "retry": {"timeout": "1h"}})
}

fn started(plane: &Plane, name: &str) -> usize {
    plane.started.iter().filter(|(started, _)| started.contains(name)).count()
}

/// Going on after a grading is not a new beginning: neither what is done nor what
/// still runs is run again.
#[test]
fn what_active_has_done_is_not_repeated_after_a_grading() {
    let phases = vec![active_phase("greet", "check"), active_phase("watch", "watch")];
    let mut plane = Exam { phases, on_failure: "continue", ..Exam::default() }.plane();
    plane.script = Box::new(|name, _| match name {
        _ if name.contains("greet") => Run::Ends(secs(1), 0, ""),
        _ if name.contains("grade") => Run::Ends(secs(1), 0, r#"{"score": 5}"#),
        _ => Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(5)));
    for _ in 0..3 {
        plane.ask::<SessionPart>("exam-one", Request::Grade);
        plane.run(3);
        assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Active);
    }
    assert_eq!(started(&plane, "exam-one-grade"), 3);
    assert_eq!((started(&plane, "exam-one-greet"), started(&plane, "exam-one-watch")), (1, 1));
    let watch = plane.get::<Job>("exam-one-watch-1");
    assert_eq!(watch.status, JobStatus::Running);
    // A retry that an operator asks for begins all of it anew.
    plane.delete::<Workload>("exam-one-lab-vm");
    plane.run(2);
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Failed);
    assert!(plane.get::<Job>("exam-one-watch-1").status.is_over(), "what failed has no jobs");
    plane.ask::<SessionPart>("exam-one", Request::Retry);
    plane.run(5);
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Active);
    assert_eq!((started(&plane, "exam-one-greet"), started(&plane, "exam-one-watch")), (2, 2));
}

/// A try that takes too long is stopped before the next begins.
#[test]
fn a_try_that_takes_too_long_is_stopped_before_the_next() {
    let phases = vec![json!({"name": "prepare", "engine": "workflow",
        "trigger_on_status": "Provisioning", "definition": {"type_key": "check"},
        "retry": {"attempts_max": 2, "backoff": {"initial": "1s", "max": "1s"}, "timeout": "5s"}})];
    let mut plane = Exam { phases, ..Exam::default() }.plane();
    let start = book(&mut plane);
    plane.run_until(start.minus(secs(22)));
    let live: Vec<_> = plane.world.jobs.iter().filter(|job| !job.status.is_over()).collect();
    assert_eq!(live.len(), 1, "{live:#?}");
    assert_eq!(live[0].name.as_str(), "exam-one-prepare-2");
    plane.run_until(start);
    assert_eq!(plane.get::<Session>("exam").status, SessionStatus::Failed);
    assert_eq!(plane.world.table::<Workload>().len(), 0);
}

/// A part that is given up before it began has nothing to archive.
#[test]
fn nothing_is_torn_down_of_what_never_began() {
    let phases = vec![json!({"name": "archive", "engine": "workflow",
        "trigger_on_status": "TearingDown", "definition": {"type_key": "check"}})];
    let mut plane = Exam { phases, ..Exam::default() }.plane();
    book(&mut plane);
    plane.run(10);
    plane.delete::<Session>("exam");
    plane.run(1);
    assert!(plane.made.is_empty(), "{:?}", plane.made);
    assert!(plane.find::<Session>("exam").is_none());
}

/// A group of two nodes of 4 cores each, and pods that take 3.
fn group() -> Plane {
    let mut plane = Plane::new();
    plane.node("node-a", 4000);
    plane.node("node-b", 4000);
    plane.apply::<HostDefinition>(json!({"name": "group", "spec": {"type_key": "group",
        "version": "1.0.0", "host_type": "node_group", "pod_types": ["fleet"]}}));
    plane.apply::<Host>(json!({"name": "fleet", "spec": {"definition": {"type_key": "group"}}}));
    plane.apply::<PodDefinition>(json!({"name": "lab", "spec": {"type_key": "lab",
        "version": "1.0.0", "pod_type": "fleet", "workloads": [
            {"name": "vm", "spec": {"command": "vm", "resources": {"cpu": "3"}}}]}}));
    plane.settle();
    plane
}

fn lab(plane: &Plane, name: &str) -> serde_json::Value {
    json!({"name": name, "spec": {"definition": {"type_key": "lab"},
        "timeslot": {"start": plane.at(600).to_string(), "duration": "60s"}}})
}

type Take = fn(&mut Edit<Node>);

/// The ways in which an operator takes a node away.
const TAKES: [Take; 3] = [
    |edit| {
        edit.desire(DesiredNodeStatus::Drained);
    },
    Edit::request_deletion,
    |edit| {
        let spec = std::sync::Arc::make_mut(&mut edit.object.spec);
        spec.reserved.cpu = tessera_types::Millicores(3500);
    },
];

#[test]
fn what_is_booked_right_after_a_node_was_taken_away_is_booked_without_it() {
    for take in TAKES {
        let mut plane = group();
        plane.apply::<Pod>(lab(&plane, "first"));
        plane.edit::<Node>("node-b", take);
        // No pass yet: nobody has written down what the group has now.
        let error = plane.try_apply::<Pod>(lab(&plane, "second")).unwrap_err().to_string();
        assert!(error.contains("pod/default/first"), "{error}");
    }
}

#[test]
fn what_a_node_gives_back_can_be_booked_once_it_is_ready() {
    let mut plane = group();
    plane.edit::<Node>("node-b", TAKES[0]);
    plane.settle();
    plane.apply::<Pod>(lab(&plane, "first"));
    plane.edit::<Node>("node-b", |edit| {
        edit.desire(DesiredNodeStatus::Ready);
    });
    plane.settle();
    plane.apply::<Pod>(lab(&plane, "second"));
}

/// Whoever has waited until a node is drained, or gone, can read who is short of it.
#[test]
fn a_group_says_who_is_short_no_later_than_its_node_is_drained_or_gone() {
    for take in &TAKES[..2] {
        let mut plane = group();
        plane.apply::<Pod>(lab(&plane, "first"));
        plane.apply::<Pod>(lab(&plane, "second"));
        plane.settle();
        plane.edit::<Node>("node-b", take);
        let mut passes = 0;
        let is_away = |plane: &Plane| {
            let node = plane.find::<Node>("node-b");
            node.is_none_or(|node| node.status == NodeStatus::Drained)
        };
        while !is_away(&plane) {
            assert!(plane.is_due(), "the node stays");
            plane.pass();
            passes += 1;
        }
        let host = plane.get::<Host>("fleet");
        let waiting = host.waiting_for.as_ref().unwrap_or_else(|| panic!("after {passes} passes"));
        assert_eq!(waiting.reason, WaitReason::Overbooked);
        assert!(waiting.message.contains("pod/default/second"), "{}", waiting.message);
    }
}
