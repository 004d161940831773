//! The exam when nothing goes wrong.

use tessera_e2e::Fleet;
use tessera_types::job::JobStatus;
use tessera_types::timed::{Timed, TimedStatus};
use tessera_types::{Job, Kind, Pod, Record, Report, Session, SessionPart, Timestamp};

use super::{exam, expect_passed, submitted};

/// When the resource came to have this status for the first time.
fn since(records: &[Record], status: TimedStatus) -> Timestamp {
    let wanted = status.to_string();
    let found = records.iter().find(|it| it.to == wanted && it.from.as_ref() != Some(&wanted));
    found.unwrap_or_else(|| panic!("never {wanted}: {records:#?}")).at
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exam_is_ready_before_its_window_and_gone_after_it() {
    let fleet = exam().await;
    fleet.reaches::<SessionPart>("exam-1-theory", TimedStatus::Active).await;
    hand_in(&fleet, "theory", "exam-1-theory").await;
    let pod = fleet.reaches::<Pod>("exam-1-lab-bench", TimedStatus::Active).await;
    let ports = pod.observed.binding.unwrap().ports;
    assert_eq!(ports.len(), 1);
    let device = std::fs::read_to_string(fleet.area().join("device")).unwrap();
    assert_eq!(device, format!("{0} of {0} for Ada\n", ports[0]));
    hand_in(&fleet, "lab", "exam-1-lab").await;
    let session = expect_passed(&fleet).await;
    let over = session.observed.timed.ended_at.unwrap();
    let slot = session.observed.timed.timeslot.unwrap();
    assert!(over < slot.end, "the lab is over as soon as it is graded");
    pods_were_ready_in_time(&fleet).await;
    the_histories_are_whole(&fleet).await;
    assert_eq!(
        fleet.all_starts().len(),
        5,
        "a paper, a device, a setup and two gradings: {:?}",
        fleet.all_starts()
    );
}

/// The student hands in, and the part is graded for it.
async fn hand_in(fleet: &Fleet, id: &str, part: &str) {
    let event = submitted(id).to_string();
    let headers = [("content-type", "application/cloudevents+json")];
    let (status, answer) = fleet.send(reqwest::Method::POST, "/v1/events", &headers, event).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["events"][0]["outcome"], "accepted", "{answer}");
    assert_eq!(answer["events"][0]["resource"], format!("sessionpart/default/{part}"));
    fleet.await_::<SessionPart>(part, "graded", |it| it.observed.graded_at.is_some()).await;
}

async fn pods_were_ready_in_time(fleet: &Fleet) {
    let theory = fleet.life::<SessionPart>("exam-1-theory").await;
    for (pod, part) in [("exam-1-theory-desk", "exam-1-theory"), ("exam-1-lab-bench", "exam-1-lab")]
    {
        let slot = window::<SessionPart>(fleet, part).await;
        let life = fleet.life::<Pod>(pod).await;
        assert!(since(&life, TimedStatus::Provisioning) >= slot.provision_at(), "{life:#?}");
        assert!(since(&life, TimedStatus::Ready) <= slot.start, "{pod}: {slot:?} {life:#?}");
        assert!(since(&life, TimedStatus::Active) >= slot.start, "{life:#?}");
        assert!(since(&life, TimedStatus::Terminated) <= slot.cleanup_deadline(), "{life:#?}");
    }
    let bench = fleet.life::<Pod>("exam-1-lab-bench").await;
    let second = since(&bench, TimedStatus::Provisioning);
    let theory_is_active =
        since(&theory, TimedStatus::Active)..since(&theory, TimedStatus::TearingDown);
    assert!(theory_is_active.contains(&second), "while the first part is active: {theory:#?}");
    let lab = fleet.life::<SessionPart>("exam-1-lab").await;
    assert!(
        since(&lab, TimedStatus::Active) >= window::<SessionPart>(fleet, "exam-1-lab").await.start
    );
}

async fn window<K: Timed + Kind>(fleet: &Fleet, name: &str) -> tessera_types::timed::Timeslot {
    K::timed(&fleet.see::<K>(name).await).timeslot.unwrap()
}

async fn the_histories_are_whole(fleet: &Fleet) {
    let path = fleet.path_of::<Session>("exam-1").await;
    assert_eq!(path, ["Pending", "Active", "Aggregating", "Inactive"]);
    let before = ["Scheduled", "Provisioning", "Ready", "Active"];
    let theory = [&before[..], &["Grading", "Active", "TearingDown", "Terminated"]].concat();
    assert_eq!(fleet.path_of::<SessionPart>("exam-1-theory").await, theory);
    let lab = [&before[..], &["Grading", "TearingDown", "Terminated"]].concat();
    assert_eq!(fleet.path_of::<SessionPart>("exam-1-lab").await, lab);
    let pod = [&before[..], &["TearingDown", "Terminated"]].concat();
    for name in ["exam-1-theory-desk", "exam-1-lab-bench"] {
        assert_eq!(fleet.path_of::<Pod>(name).await, pod);
    }
    for name in ["exam-1-theory-report", "exam-1-lab-report", "exam-1-report"] {
        assert_eq!(fleet.path_of::<Report>(name).await, ["Pending", "Complete"]);
    }
    let jobs = fleet.all::<Job>().await;
    assert_eq!(jobs.len(), 2);
    for job in jobs {
        assert_eq!(job.status, JobStatus::Succeeded, "{job:#?}");
        assert_eq!(
            fleet.path_of::<Job>(job.name.as_str()).await,
            ["Pending", "Running", "Succeeded"]
        );
        assert_eq!(fleet.starts(job.name.as_str()), 1);
    }
}
