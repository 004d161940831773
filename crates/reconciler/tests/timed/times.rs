//! Being late, extending, shrinking.

use serde_json::json;
use tessera_reconciler::admission::{self, Stretch};
use tessera_types::session::SessionStatus;
use tessera_types::timed::{
    Boundary, DesiredTimedStatus, LateDecision, Outcome, Request, TimedStatus, Timeslot,
};
use tessera_types::{Duration, Name, Pod, Report, Session, SessionPart, Timestamp, Workload};

use crate::exam::{Exam, book, name, session};
use crate::plane::Plane;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn slot(plane: &Plane, part: &str) -> Timeslot {
    plane.get::<SessionPart>(part).observed.timed.timeslot.unwrap()
}

fn late(plane: &Plane, part: &str) -> Option<(Boundary, LateDecision)> {
    let late = plane.get::<SessionPart>(part).observed.timed.late.clone();
    late.map(|late| (late.boundary, late.decision))
}

/// An exam that is declared, and then nobody is there until so many seconds after
/// its start (60 s from now; its provisioning begins 30 s before that).
fn slept(on_late: &'static str, until: u64, is_frozen: bool) -> (Plane, Timestamp) {
    let mut plane = Exam { on_late, ..Exam::default() }.plane();
    let start = book(&mut plane);
    match is_frozen {
        true => plane.freeze(60 + until),
        false => plane.sleep(60 + until),
    }
    (plane, start)
}

/// Both a restart and a freeze end in the same decision.
fn for_both(test: impl Fn(bool)) {
    [false, true].into_iter().for_each(test);
}

#[test]
fn what_is_late_is_skipped_where_that_is_declared_and_nothing_of_it_is_made() {
    for_both(|is_frozen| {
        let (mut plane, start) = slept("skip", 10, is_frozen);
        assert_eq!(late(&plane, "exam-one"), Some((Boundary::Start, LateDecision::Skipped)));
        let one = plane.get::<SessionPart>("exam-one");
        assert_eq!(one.status, TimedStatus::Terminated);
        // What is wanted of it is another than at first, and so is its generation.
        assert_eq!((one.desired_status, one.generation), (DesiredTimedStatus::TornDown, 2));
        plane.run_until(start.plus(secs(300)));
        assert!(plane.made.iter().all(|name| name.contains("two")), "{:?}", plane.made);
        let (mut plane, _) = slept("skip", 100, is_frozen);
        let session = plane.get::<Session>("exam");
        assert_eq!(session.observed.timed.outcome, Some(Outcome::Skipped));
        assert_eq!(session.status, SessionStatus::Inactive);
        plane.run(300);
        assert_eq!(plane.made.len(), 0, "{:?}", plane.made);
    });
}

#[test]
fn a_late_session_has_less_time_where_that_is_declared() {
    for_both(|is_frozen| {
        let (mut plane, start) = slept("shorten", 10, is_frozen);
        assert_eq!(late(&plane, "exam-one"), Some((Boundary::Start, LateDecision::Shortened)));
        plane.run(2);
        assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Active);
        assert_eq!(slot(&plane, "exam-one").end, start.plus(secs(60)));
        plane.run(300);
        assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
        assert_eq!(plane.made.iter().filter(|name| name.ends_with("-vm")).count(), 2);
    });
}

#[test]
fn a_late_session_takes_place_later_where_that_is_declared_and_is_decided_once() {
    for_both(|is_frozen| {
        let (mut plane, start) = slept("shift", 10, is_frozen);
        // It is 40 s late: its provisioning should have begun 30 s before.
        let first = slot(&plane, "exam-one");
        assert_eq!((first.start, first.end), (start.plus(secs(40)), start.plus(secs(100))));
        assert_eq!(slot(&plane, "exam-two").start, start.plus(secs(100)));
        assert_eq!(late(&plane, "exam-one"), Some((Boundary::Start, LateDecision::Shifted)));
        let session = plane.get::<Session>("exam");
        assert_eq!(session.observed.timed.timeslot.unwrap().end, start.plus(secs(160)));
        plane.run_until(start.plus(secs(41)));
        assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Active);
        plane.sleep(5);
        assert_eq!(slot(&plane, "exam-one"), first, "decided once");
        plane.run(300);
        assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
    });
}

#[test]
fn what_cannot_be_shifted_is_shortened() {
    let mut plane = Exam { on_late: "shift", node_cpu: 2000, ..Exam::default() }.plane();
    let start = book(&mut plane);
    // Its first pod has what the two of this one would have if they moved.
    plane.apply::<Session>(session("next", start.plus(secs(130))));
    plane.sleep(70);
    assert_eq!(late(&plane, "exam-one"), Some((Boundary::Start, LateDecision::Shortened)));
    assert_eq!(slot(&plane, "exam-one").start, start);
}

#[test]
fn only_what_is_still_to_come_takes_place() {
    for_both(|is_frozen| {
        let (mut plane, start) = slept("shorten", 70, is_frozen);
        assert_eq!(late(&plane, "exam-one"), Some((Boundary::End, LateDecision::Skipped)));
        assert_eq!(late(&plane, "exam-two"), Some((Boundary::Start, LateDecision::Shortened)));
        plane.run(2);
        assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Active);
        plane.run_until(start.plus(secs(300)));
        assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
        assert!(plane.made.iter().all(|name| name.contains("two")), "{:?}", plane.made);
    });
}

#[test]
fn a_session_that_is_over_before_anybody_came_is_skipped_without_a_burst() {
    for_both(|is_frozen| {
        let (mut plane, _) = slept("shorten", 400, is_frozen);
        let session = plane.get::<Session>("exam");
        assert_eq!(session.status, SessionStatus::Inactive);
        assert_eq!(session.observed.timed.outcome, Some(Outcome::Skipped));
        plane.run(100);
        assert_eq!(plane.made.len(), 0);
    });
}

#[test]
fn a_later_part_that_is_late_is_decided_by_itself() {
    for (on_late, expected) in
        [("skip", LateDecision::Skipped), ("shorten", LateDecision::Shortened)]
    {
        for_both(|is_frozen| {
            let mut plane = Exam { on_late, ..Exam::default() }.plane();
            let start = book(&mut plane);
            plane.run_until(start.plus(secs(10)));
            match is_frozen {
                true => plane.freeze(20),
                false => plane.sleep(20),
            }
            assert_eq!(late(&plane, "exam-one"), None);
            assert_eq!(late(&plane, "exam-two"), Some((Boundary::ProvisionAt, expected)));
            plane.run(300);
            let took_place = plane.made.iter().any(|name| name == "exam-two-lab-vm");
            assert_eq!(took_place, expected == LateDecision::Shortened);
            let session = plane.get::<Session>("exam");
            assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
        });
    }
}

/// One that is late by less than a restart takes is not late.
#[test]
fn a_short_restart_changes_nothing() {
    let mut plane = Exam { on_late: "skip", ..Exam::default() }.plane();
    let start = book(&mut plane);
    plane.run_until(start.minus(secs(31)));
    plane.sleep(3);
    assert_eq!(late(&plane, "exam-one"), None);
    plane.run(300);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

#[test]
fn a_pod_that_stands_alone_decides_for_itself() {
    for (on_late, decision, outcome) in [
        ("skip", LateDecision::Skipped, Outcome::Skipped),
        ("shorten", LateDecision::Skipped, Outcome::Skipped),
        ("shift", LateDecision::Shifted, Outcome::Completed),
    ] {
        let mut plane = Exam::default().plane();
        let start = plane.at(60);
        plane.apply::<Pod>(json!({"name": "alone", "spec": {
            "definition": {"type_key": "lab-one"}, "on_late": on_late,
            "timeslot": {"start": start.to_string(), "duration": "30s", "teardown_buffer": "10s"},
        }}));
        plane.settle();
        plane.sleep(200);
        let late = plane.pod("alone").observed.timed.late.clone().unwrap();
        assert_eq!((late.boundary, late.decision), (Boundary::End, decision), "{on_late}");
        plane.run(200);
        assert_eq!(plane.pod("alone").observed.timed.outcome, Some(outcome), "{on_late}");
    }
}

// Extending and shrinking.

fn stretch(plane: &mut Plane, part: Option<&Name>, by: Stretch) -> Result<Timeslot, String> {
    let session = plane.get::<Session>("exam");
    let before = plane.world.revision();
    let extended = admission::extend_session(&plane.world, &session, part, by, plane.now.wall);
    let extended = extended.map_err(|error| error.to_string())?;
    plane.commit(extended.writes);
    assert!(plane.world.revision() > before);
    plane.settle();
    Ok(extended.slot)
}

#[test]
fn an_extension_delays_the_teardown_and_the_later_part_and_restarts_nothing() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(50)));
    let before = plane.get::<Workload>("exam-one-lab-vm");
    let runs = plane.started.len();
    let slot_after = stretch(&mut plane, None, Stretch::Extend(secs(30))).unwrap();
    assert_eq!(slot_after.end, start.plus(secs(150)));
    let after = plane.get::<Workload>("exam-one-lab-vm");
    assert_eq!(after.spec.not_after, Some(start.plus(secs(60 + 30 + 10))));
    assert_eq!(after.observed.launch_generation, before.observed.launch_generation);
    let mut same = (*after.spec).clone();
    same.not_after = before.spec.not_after;
    assert_eq!(same, *before.spec, "only not_after differs");
    assert_eq!(slot(&plane, "exam-two").start, start.plus(secs(90)));
    let two = plane.pod("exam-two-lab").observed.clone();
    assert_eq!(two.binding.unwrap().window, two.timed.timeslot.unwrap().held());
    plane.run_until(start.plus(secs(89)));
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Active);
    assert_eq!(plane.started.len(), runs, "nothing is restarted");
    plane.run_until(start.plus(secs(90)));
    assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Active);
    plane.run(200);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

#[test]
fn an_extension_that_conflicts_is_refused_and_leaves_everything_as_it_was() {
    let mut plane = Exam { node_cpu: 2000, lead_time: 20, ..Exam::default() }.plane();
    let start = book(&mut plane);
    // Its two pods have the whole node from 190 to 230.
    plane.apply::<Session>(session("next", start.plus(secs(150))));
    plane.run_until(start.plus(secs(110)));
    let before = plane.world.revision();
    let refused = stretch(&mut plane, None, Stretch::Extend(secs(60))).unwrap_err();
    assert!(refused.starts_with("pod/exam-two-lab: fleet: "), "{refused}");
    assert_eq!(plane.world.revision(), before);
    assert!(stretch(&mut plane, None, Stretch::Extend(secs(2))).is_ok());
}

#[test]
fn an_extension_of_what_is_over_is_refused() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(70)));
    let refused = stretch(&mut plane, Some(&name("one")), Stretch::Extend(secs(5))).unwrap_err();
    assert_eq!(refused, "part one is over");
    let refused = stretch(&mut plane, Some(&name("three")), Stretch::Extend(secs(5))).unwrap_err();
    assert_eq!(refused, "part: there is no part `three`: the parts are one, two");
    plane.run(300);
    let refused = stretch(&mut plane, None, Stretch::Extend(secs(5))).unwrap_err();
    assert_eq!(
        refused,
        "it is over (Inactive); a session that is over is declared anew under another name"
    );
}

#[test]
fn a_shorter_part_ends_earlier_and_never_before_now() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(30)));
    let refused = stretch(&mut plane, None, Stretch::Shrink(secs(30))).unwrap_err();
    assert!(refused.contains("it cannot end before it starts"), "{refused}");
    stretch(&mut plane, None, Stretch::Shrink(secs(20))).unwrap();
    plane.run_until(start.plus(secs(40)));
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Grading);
    plane.run_until(start.plus(secs(59)));
    assert_ne!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Active);
    plane.run(200);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

/// A part that is being provisioned, or is ready, when the one before it is
/// extended keeps what it has.
#[test]
fn a_provisioned_part_that_is_moved_keeps_its_pod() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(30)));
    assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Ready);
    let before = plane.pod("exam-two-lab").observed.binding.clone().unwrap();
    stretch(&mut plane, None, Stretch::Extend(secs(45))).unwrap();
    let after = plane.pod("exam-two-lab").observed.binding.clone().unwrap();
    assert_eq!(after.window.from, before.window.from, "it holds what it holds");
    assert_eq!(after.window.until, before.window.until.plus(secs(45)));
    plane.run_until(start.plus(secs(104)));
    assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Ready);
    plane.run_until(start.plus(secs(105)));
    assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Active);
    assert_eq!(plane.started.iter().filter(|(name, _)| name == "exam-two-lab-vm").count(), 1);
}

/// A pod that needs longer for its teardown than its part says has the time.
#[test]
fn the_buffers_of_pods_count_in_those_of_their_part_and_session() {
    let mut plane = Exam { teardown_buffer: Some(50), ..Exam::default() }.plane();
    let start = book(&mut plane);
    let part = slot(&plane, "exam-two");
    assert_eq!((part.lead_time, part.teardown_buffer), (secs(40), secs(50)));
    let session = plane.get::<Session>("exam").observed.timed.timeslot.unwrap();
    assert_eq!(session.provision_at(), start.minus(secs(30)));
    assert_eq!(session.cleanup_deadline(), start.plus(secs(170)));
    plane.run(300);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

/// A pod that goes sooner than its part bounds the last grading.
#[test]
fn a_last_grading_is_over_before_the_first_pod_goes() {
    let mut plane = Exam { teardown_buffer: Some(8), ..Exam::default() }.plane();
    plane.script = Box::new(|name, _| match name.contains("grade") {
        true => crate::plane::Run::Ends(secs(3), 0, r#"{"score": 60}"#),
        false => crate::plane::Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(70)));
    assert_eq!(plane.get::<SessionPart>("exam-one").observed.score, Some(60.0));
    plane.script = Box::new(|_, _| crate::plane::Run::Stays);
    plane.run_until(start.plus(secs(123)));
    assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Grading);
    plane.run_until(start.plus(secs(125)));
    let failure = plane.get::<SessionPart>("exam-two").observed.timed.failure.clone().unwrap();
    assert_eq!(failure.of, "its grading", "{}", failure.message);
}

/// A session may leave no time for the grading that its parts' definitions ask for.
#[test]
fn a_part_that_ends_ungraded_for_want_of_time_says_so() {
    let mut plane = Exam { teardown_buffer: Some(0), ..Exam::default() }.plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(200)));
    let part = plane.get::<SessionPart>("exam-one");
    assert_eq!(part.observed.timed.outcome, Some(Outcome::Completed));
    assert_eq!(part.observed.graded_at, None);
    let notes: Vec<_> = part.state_history.iter().filter(|one| one.from == Some(one.to)).collect();
    let said = "not graded: no time was left before its teardown";
    assert_eq!(notes.iter().filter(|note| note.reason == said).count(), 1, "{notes:?}");
}

/// A pod without a teardown buffer goes at the very end of the window; that is
/// not the failure of its part.
#[test]
fn a_pod_that_goes_at_the_end_of_the_window_has_done_its_work() {
    let mut plane = Exam { teardown_buffer: Some(0), is_graded: false, ..Exam::default() }.plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(200)));
    let session = plane.get::<Session>("exam");
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
    assert_eq!(plane.get::<SessionPart>("exam-one").observed.timed.failure, None);
}

/// What runs while the window is open runs as long as it is open.
#[test]
fn an_extension_reaches_the_jobs_that_run_in_the_window() {
    let phases = vec![json!({"name": "watch", "engine": "workflow",
        "trigger_on_status": "Active", "definition": {"type_key": "watch"}, "retry": {"timeout": "1h"}})];
    let exam = Exam { phases, is_graded: false, ..Exam::default() };
    let mut plane = exam.plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(50)));
    stretch(&mut plane, None, Stretch::Extend(secs(60))).unwrap();
    plane.run_until(start.plus(secs(115)));
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Active);
    let job = plane.get::<tessera_types::Job>("exam-one-watch-1");
    assert_eq!(job.status, tessera_types::job::JobStatus::Running);
    let workload = plane.get::<Workload>("job-exam-one-watch-1");
    assert_eq!(workload.spec.not_after, Some(start.plus(secs(130))));
    assert_eq!(plane.started.iter().filter(|(name, _)| name.contains("watch")).count(), 1);
    plane.run(300);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

/// People read whole seconds, which are never late for a start; the fields are exact.
#[test]
fn reasons_say_times_in_whole_seconds() {
    let phases = vec![json!({"name": "prepare", "engine": "workflow",
        "trigger_on_status": "Provisioning", "definition": {"type_key": "check"},
        "retry": {"attempts_max": 2, "backoff": {"initial": "1s", "max": "1s"}}})];
    let mut plane = Exam { phases, gate: json!("approval"), ..Exam::default() }.plane();
    plane.script = Box::new(|name, _| match name {
        _ if name.ends_with("prepare-1") => crate::plane::Run::Ends(secs(1), 1, ""),
        _ if name.contains("job-") => crate::plane::Run::Ends(secs(1), 0, r#"{"score": 60}"#),
        _ => crate::plane::Run::Stays,
    });
    let start = Timestamp::from_micros(plane.at(60).as_micros() + 654_321);
    plane.apply::<Session>(session("exam", start));
    let mut waited = std::collections::BTreeSet::new();
    for _ in 0..70 {
        plane.run(2);
        for resource in plane.world.all() {
            tessera_types::with_object!(resource, object => {
                waited.extend(object.waiting_for.as_ref().map(|waiting| waiting.message.clone()));
            });
        }
    }
    let exact = format!("its start at {}", start.second_before());
    assert!(waited.contains(&exact), "{waited:#?}");
    let reasons = plane.history.iter().map(|entry| entry.record.reason.clone());
    for text in reasons.chain(waited) {
        assert!(!text.contains("654321"), "{text}");
    }
    let pod = plane.pod("exam-one-lab").observed.timed.timeslot.unwrap();
    assert_eq!(pod.start, start);
}

/// The first part was graded and over; then nobody was there for the whole window of
/// the second. What has taken place counts, and so does its score.
#[test]
fn a_session_of_which_a_part_took_place_is_not_skipped_with_the_others() {
    for_both(|is_frozen| {
        let mut plane = Exam::default().plane();
        let start = book(&mut plane);
        plane.run_until(start.plus(secs(5)));
        plane.ask::<SessionPart>("exam-one", Request::Finish);
        plane.run_until(start.plus(secs(15)));
        assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Terminated);
        match is_frozen {
            true => plane.freeze(115),
            false => plane.sleep(115),
        }
        assert_eq!(late(&plane, "exam-two"), Some((Boundary::End, LateDecision::Skipped)));
        plane.run(100);
        let session = plane.get::<Session>("exam");
        assert_eq!(session.status, SessionStatus::Inactive);
        assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
        assert_eq!((session.observed.score, session.observed.passed), (Some(60.0), Some(true)));
        assert_eq!(plane.get::<Report>("exam-report").observed.items.len(), 1);
    });
}
