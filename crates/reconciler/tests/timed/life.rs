//! The whole life of an exam, and what goes wrong in it.

use tessera_types::session::SessionStatus;
use tessera_types::timed::{Outcome, Request, TimedStatus};
use tessera_types::{
    Duration, Job, Pod, PodDefinition, Report, Session, SessionPart, Workload, limits,
};

use crate::exam::{Exam, book};
use crate::plane::{Plane, Run, Script};
use serde_json::json;

#[test]
fn an_exam_of_two_parts_is_ready_before_its_window_and_gone_after_it() {
    let mut plane = Exam { gate: json!({"passed": {"min_score": 50}}), ..Exam::default() }.plane();
    let start = book(&mut plane);
    plane.run_until(start.minus(Duration::from_secs(1)));
    assert_eq!(plane.pod("exam-one-lab").status, TimedStatus::Ready);
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Ready);
    assert_eq!(plane.get::<Session>("exam").status, SessionStatus::Pending);
    plane.run_until(start.plus(Duration::from_secs(40)));
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Active);
    assert_eq!(plane.pod("exam-two-lab").status, TimedStatus::Ready, "provisioned eagerly");
    assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Ready);
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.run(5);
    let one = plane.get::<SessionPart>("exam-one");
    assert_eq!((one.status, one.observed.score), (TimedStatus::Active, Some(60.0)));
    plane.run_until(start.plus(Duration::from_secs(121)));
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Terminated);
    assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Grading);
    plane.run(60);
    let session = plane.get::<Session>("exam");
    assert_eq!(session.status, SessionStatus::Inactive);
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
    assert_eq!((session.observed.score, session.observed.passed), (Some(120.0), Some(true)));
    assert_eq!(plane.world.table::<Workload>().len(), 0);
    assert_eq!(plane.path("session/default/exam"), "Pending Active Aggregating Inactive",);
    assert_eq!(
        plane.path("sessionpart/default/exam-one"),
        "Scheduled Provisioning Ready Active Grading Active TearingDown Terminated"
    );
    assert_eq!(
        plane.path("sessionpart/default/exam-two"),
        "Scheduled Provisioning Ready Active Grading TearingDown Terminated"
    );
    assert_eq!(
        plane.path("pod/default/exam-one-lab"),
        "Scheduled Provisioning Ready Active TearingDown Terminated"
    );
    let reports: Vec<_> =
        plane.world.table::<Report>().iter().map(|it| it.name.to_string()).collect();
    assert_eq!(reports, ["exam-one-report", "exam-report", "exam-two-report"]);
    plane.delete::<Session>("exam");
    plane.settle();
    assert!(plane.find::<Session>("exam").is_none());
    assert_eq!(plane.world.table::<Pod>().len() + plane.world.table::<Report>().len(), 0);
}

/// Workloads whose name has `part` in it fail on their first `count` runs.
fn fails(part: &'static str, count: usize) -> Script {
    Box::new(move |name, run| {
        if name.contains("grade") {
            return Run::Ends(Duration::from_secs(2), 0, r#"{"score": 60, "max_score": 100}"#);
        }
        match name.contains(part) && run <= count {
            true => Run::Ends(Duration::from_millis(500), 1, "no licence"),
            false => Run::Stays,
        }
    })
}

#[test]
fn a_pod_that_fails_twice_is_tried_a_third_time_and_the_exam_takes_place() {
    let mut plane = Exam::default().plane();
    plane.script = fails("exam-one-lab", 2);
    let start = book(&mut plane);
    plane.run_until(start);
    let pod = plane.pod("exam-one-lab");
    assert_eq!(pod.status, TimedStatus::Active);
    let made = plane.made.iter().filter(|name| *name == "exam-one-lab-vm").count();
    assert_eq!(made, 3, "one for each try");
    let notes: Vec<_> = pod.state_history.iter().filter(|one| one.from == Some(one.to)).collect();
    let attempts: Vec<_> = notes.iter().map(|note| note.metadata["attempt"].as_str()).collect();
    assert_eq!(attempts, ["1", "2"]);
    let next = notes[0].at.plus(Duration::from_secs(1)).second_before();
    assert_eq!(
        notes[0].reason,
        format!(
            "phase provision: try 1 of 3 failed: workload/exam-one-lab-vm exited with code 1, see \
             tesseractl logs exam-one-lab-vm; the next at {next} at the earliest"
        )
    );
    plane.run(200);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

#[test]
fn a_pod_that_never_succeeds_ends_the_exam_where_that_is_the_policy() {
    let mut plane = Exam::default().plane();
    plane.script = fails("exam-one-lab", 99);
    book(&mut plane);
    plane.run(60);
    let session = plane.get::<Session>("exam");
    assert_eq!(session.status, SessionStatus::Failed);
    let failure = session.observed.timed.failure.as_ref().unwrap();
    assert_eq!(failure.of, "part one");
    assert_eq!(failure.attempts, 3);
    // The cause is passed up as it is, and each level adds what of its own failed.
    let cause = "workload/exam-one-lab-vm exited with code 1, see tesseractl logs exam-one-lab-vm";
    assert_eq!(failure.message, cause);
    for (key, of) in [
        ("pod/default/exam-one-lab", "phase provision"),
        ("sessionpart/default/exam-one", "pod/exam-one-lab"),
        ("session/default/exam", "part one"),
    ] {
        let reason = format!("{cause}, so {of} failed");
        let is_it =
            |entry: &&crate::plane::Entry| entry.key == key && entry.record.reason == reason;
        assert!(plane.history.iter().any(|entry| is_it(&entry)), "{key}: {:#?}", plane.history);
    }
    assert_eq!(plane.made.len(), 3, "{:?}", plane.made);
    assert_eq!(plane.world.table::<Workload>().len(), 0);
    assert_eq!(plane.path("pod/default/exam-two-lab"), "Scheduled TearingDown Terminated");
    assert_eq!(plane.path("sessionpart/default/exam-two"), "Scheduled TearingDown Terminated");
    assert_eq!(plane.pod("exam-two-lab").observed.binding, None);
}

/// The part has taken place, so what becomes of its pod afterwards is no failure.
#[test]
fn a_pod_that_breaks_once_its_part_is_over_has_the_outcome_of_the_part() {
    let check = json!({"name": "check", "engine": "workflow", "trigger_on_status": "TearingDown",
        "definition": {"type_key": "check"}});
    let mut plane = Exam { is_graded: false, phases: vec![check], ..Exam::default() }.plane();
    plane.script = Box::new(|name, _| match name {
        // It is made 30 seconds before the start, and its part takes 60.
        "exam-one-lab-vm" => Run::Ends(Duration::from_secs(92), 1, ""),
        _ if name.contains("check") => Run::Ends(Duration::from_secs(5), 0, ""),
        _ => Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(64)));
    let (pod, part) = (plane.pod("exam-one-lab"), plane.get::<SessionPart>("exam-one"));
    assert_eq!(part.status, TimedStatus::TearingDown);
    let outcomes = [pod.observed.timed.outcome, part.observed.timed.outcome];
    assert_eq!(outcomes, [Some(Outcome::Completed); 2]);
    let last = &pod.state_history.iter().find(|it| it.to == TimedStatus::TearingDown).unwrap();
    assert!(last.reason.starts_with("its part is over, and workload/exam-one-lab-vm exited"));
}

#[test]
fn a_part_that_fails_is_left_behind_where_that_is_the_policy() {
    let mut plane = Exam { on_failure: "continue", ..Exam::default() }.plane();
    plane.script = fails("exam-one-lab", 99);
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(70)));
    assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Active);
    assert_eq!(
        plane.path("sessionpart/default/exam-one"),
        "Scheduled Provisioning Failed TearingDown Terminated"
    );
    plane.run(200);
    let session = plane.get::<Session>("exam");
    assert_eq!(session.status, SessionStatus::Inactive);
    assert_eq!(session.observed.score, Some(60.0));
}

#[test]
fn a_part_goes_on_without_a_pod_that_fails_where_that_is_its_policy() {
    let mut plane = Exam { on_pod_failure: "continue", ..Exam::default() }.plane();
    plane.script = fails("exam-one-lab", 99);
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(10)));
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Active);
    assert_eq!(plane.pod("exam-one-lab").status, TimedStatus::Failed);
    // An operator has it repaired while the part goes on.
    plane.script = fails("nothing", 0);
    plane.ask::<Pod>("exam-one-lab", Request::Retry);
    plane.run(3);
    assert_eq!(plane.pod("exam-one-lab").status, TimedStatus::Active);
    plane.run(200);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

/// The pod stays Failed past the end of the window, while the part is graded.
#[test]
fn a_failed_pod_waits_for_its_part_without_a_busy_loop() {
    let mut plane = Exam { on_pod_failure: "continue", ..Exam::default() }.plane();
    plane.script = Box::new(|name, run| match name {
        name if name.contains("grade") => Run::Ends(Duration::from_secs(5), 0, r#"{"score": 1}"#),
        _ => fails("exam-one-lab", 99)(name, run),
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(62)));
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Grading);
    assert_eq!(plane.pod("exam-one-lab").status, TimedStatus::Failed);
    plane.run(200);
    assert_eq!(plane.get::<Session>("exam").status, SessionStatus::Inactive);
}

#[test]
fn a_provisioning_that_hangs_fails_in_its_time() {
    let mut plane = Exam { attempts: 2, ..Exam::default() }.plane();
    plane.script = Box::new(|name, _| match name.contains("-vm") {
        true => Run::Hangs,
        false => Run::Stays,
    });
    book(&mut plane);
    plane.run_until(plane.at(30 + 20 + 1 + 20 + 1 + 2 * 5));
    let failure = plane.get::<Session>("exam").observed.timed.failure.clone().unwrap();
    assert!(failure.message.contains("the try took longer than 20s"), "{}", failure.message);
    assert_eq!(failure.attempts, 2);
}

#[test]
fn a_running_pod_that_breaks_fails_its_part() {
    let mut plane = Exam::default().plane();
    plane.script = Box::new(|name, _| match name.contains("exam-one-lab") {
        true => Run::Ends(Duration::from_secs(50), 3, ""),
        false => Run::Stays,
    });
    book(&mut plane);
    plane.run(120);
    let session = plane.get::<Session>("exam");
    assert_eq!(session.status, SessionStatus::Failed);
    assert_eq!(
        plane.path("pod/default/exam-one-lab"),
        "Scheduled Provisioning Ready Active Failed TearingDown Terminated"
    );
}

#[test]
fn a_part_is_graded_as_often_as_is_asked_each_time_by_a_job_of_its_own() {
    let mut plane = Exam::default().plane();
    plane.script = Box::new(|name, _| match name.rsplit('-').next() {
        Some("1") => Run::Ends(Duration::from_secs(2), 0, r#"{"score": 10, "max_score": 100}"#),
        Some(number) if name.contains("grade") => {
            let line = if number == "2" { r#"{"score": 20}"# } else { r#"{"score": 30}"# };
            Run::Ends(Duration::from_secs(2), 0, line)
        }
        _ => Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(1)));
    for score in [10.0, 20.0, 30.0] {
        plane.ask::<SessionPart>("exam-one", Request::Grade);
        plane.run(1);
        assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Grading);
        plane.run(4);
        let part = plane.get::<SessionPart>("exam-one");
        assert_eq!((part.status, part.observed.score), (TimedStatus::Active, Some(score)));
        assert_eq!(plane.get::<Report>("exam-one-report").observed.score, Some(score));
    }
    let jobs = plane.world.table::<Job>().iter().filter(|job| job.name.as_str().contains("one"));
    assert_eq!(jobs.count(), 3);
    assert_eq!(
        plane.path("report/default/exam-one-report"),
        ["Pending Complete", "Pending Complete", "Pending Complete"].join(" ")
    );
}

#[test]
fn a_grading_that_fails_is_tried_again_by_a_new_job_and_then_fails_the_part() {
    let mut plane = Exam::default().plane();
    plane.script = Box::new(|name, _| match name.contains("grade") {
        true => Run::Ends(Duration::from_secs(1), 0, "not JSON"),
        false => Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(1)));
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.run(30);
    let failure = plane.get::<SessionPart>("exam-one").observed.timed.failure.clone().unwrap();
    assert_eq!((failure.of.as_str(), failure.attempts), ("phase grade", 3));
    let expected = "the last line that its program wrote is not a JSON object: \
        see tesseractl logs job-exam-one-grade-3";
    assert_eq!(failure.message, expected);
    let jobs: Vec<_> = plane.started.iter().filter(|(name, _)| name.contains("grade")).collect();
    assert_eq!(jobs.len(), 3);
}

#[test]
fn the_facts_of_its_place_reach_a_program() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(1)));
    let env = &plane.get::<Workload>("exam-one-lab-vm").spec.env;
    for (name, value) in [
        ("TESSERA_SESSION", "exam"),
        ("TESSERA_PART", "one"),
        ("TESSERA_POD", "exam-one-lab"),
        ("TESSERA_PORTS", "7000"),
    ] {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn the_ports_of_a_pod_reach_its_arguments_and_its_health_check() {
    let mut plane = Exam::default().plane();
    plane.apply::<PodDefinition>(json!({"name": "web", "spec": {
        "type_key": "web", "version": "1.0.0", "pod_type": "fleet", "demand": {"ports": 2},
        "workloads": [{"name": "vm", "spec": {"command": "web", "args": ["{port.1}"],
            "health": {"exec": ["curl", "localhost:{port.2}"]}}}],
    }}));
    plane.apply::<Pod>(json!({"name": "alone", "spec": {
        "definition": {"type_key": "web"},
        "timeslot": {"start": plane.at(10).to_string(), "duration": "60s"},
    }}));
    plane.run(11);
    let spec = &plane.get::<Workload>("alone-vm").spec;
    let checked = spec.health.as_ref().and_then(|health| health.exec.as_deref()).unwrap();
    assert_eq!(
        (spec.args.as_slice(), checked[1].as_str()),
        (&["7000".to_owned()][..], "localhost:7001")
    );
}

fn grades_at_once(name: &str) -> Run {
    match name.contains("grade") {
        true => Run::Ends(Duration::ZERO, 0, r#"{"score": 60}"#),
        false => Run::Stays,
    }
}

#[test]
fn a_part_is_graded_on_request_a_bounded_number_of_times() {
    let mut plane = Exam::default().plane();
    plane.script = Box::new(|name, _| grades_at_once(name));
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(1)));
    for _ in 0..limits::GRADINGS_MAX {
        plane.ask::<SessionPart>("exam-one", Request::Grade);
        plane.settle();
    }
    let jobs = |plane: &Plane| plane.world.jobs.iter().count();
    let part = plane.get::<SessionPart>("exam-one");
    assert_eq!((part.status, part.observed.gradings), (TimedStatus::Active, limits::GRADINGS_MAX));
    let before = jobs(&plane);
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.settle();
    let part = plane.get::<SessionPart>("exam-one");
    assert_eq!((part.status, part.observed.timed.requests.len()), (TimedStatus::Active, 0));
    assert_eq!(jobs(&plane), before);
    assert_eq!(
        part.state_history.last().unwrap().reason,
        "not graded again: 100 times is the most"
    );
    plane.run(300);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

/// Strangers have every name that its job could have.
#[test]
fn a_phase_that_finds_no_name_for_its_job_fails_and_says_so() {
    let mut plane = Exam { on_failure: "continue", ..Exam::default() }.plane();
    let start = book(&mut plane);
    for number in 1..=limits::JOBS_OF_PHASE_MAX {
        plane.apply::<Job>(json!({"name": format!("exam-one-grade-{number}"),
            "spec": {"definition": {"type_key": "check"}}}));
        plane.edit::<Job>(&format!("exam-one-grade-{number}"), |edit| {
            edit.desire(tessera_types::job::DesiredJobStatus::Cancelled);
        });
    }
    plane.run_until(start.plus(Duration::from_secs(1)));
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.run(10);
    let failure = plane.get::<SessionPart>("exam-one").observed.timed.failure.clone().unwrap();
    let expected = "no name is free for another job of phase grade: it has had 0 of at most 999";
    assert_eq!((failure.attempts, failure.message.as_str()), (3, expected));
}

/// What a program writes may have secrets in it, and so may its environment: of
/// the first nothing is told, of the second only in the resources themselves.
#[test]
fn no_message_and_no_history_has_what_a_program_wrote() {
    for code in [0, 1] {
        let mut plane = Exam { on_failure: "continue", ..Exam::default() }.plane();
        plane.script = Box::new(move |name, _| match name.contains("grade") {
            true => Run::Ends(Duration::from_secs(1), code, "password=s3cret"),
            false => Run::Stays,
        });
        let start = book(&mut plane);
        plane.run_until(start.plus(Duration::from_secs(1)));
        plane.ask::<SessionPart>("exam-one", Request::Grade);
        plane.run(300);
        let job = plane.get::<Job>("exam-one-grade-1");
        let message = job.observed.message.clone().unwrap();
        assert!(message.ends_with("see tesseractl logs job-exam-one-grade-1"), "{message}");
        assert_eq!(message.contains("exited with code 1"), code == 1, "{message}");
        for resource in plane.world.all() {
            assert!(!format!("{resource:?}").contains("s3cret"), "{resource:#?}");
        }
        let told = |entry: &&crate::plane::Entry| format!("{entry:?}").contains("s3cret");
        assert!(plane.history.iter().find(told).is_none());
    }
}
