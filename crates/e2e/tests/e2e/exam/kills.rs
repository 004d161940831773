//! The exam with a control plane that is killed at ten random moments: what comes
//! of it is the same.

use std::time::{Duration, Instant};

use reqwest::Method;
use tessera_e2e::{Fleet, Sampler, send};
use tessera_types::{Job, Pod, Report, Session, SessionPart};

use super::{exam, expect_passed, submitted};
use crate::kills::kill_ten_times;

/// The time from the declaration until about the end, in milliseconds.
const WHOLE_MS: u64 = 11_500;

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_dies_ten_times_changes_nothing() {
    let mut fleet = exam().await;
    let sampler = Sampler::start(&fleet.area().tag());
    let student = tokio::spawn(hand_in_everything(fleet.url()));
    kill_ten_times(&mut fleet, WHOLE_MS).await;
    student.await.unwrap();
    expect_passed(&fleet).await;
    sampler.expect_never_two();
    nothing_was_done_twice(&fleet).await;
    every_life_is_legal(&fleet).await;
}

/// A student who sends until it is taken: once for each part.
async fn hand_in_everything(url: String) {
    let begun = Instant::now();
    for part in ["theory", "lab"] {
        let mut event = submitted(part);
        event["part"] = part.into();
        let is_taken = async || {
            let headers = [("content-type", "application/cloudevents+json")];
            let body = event.to_string();
            let (_, answer) = send(&url, Method::POST, "/v1/events", &headers, body).await?;
            let outcome = answer["events"][0]["outcome"].as_str()?;
            (outcome != "unmatched").then_some(())
        };
        // Where it is never taken, the end of the part grades it.
        while is_taken().await.is_none() && begun.elapsed() < Duration::from_secs(25) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn nothing_was_done_twice(fleet: &Fleet) {
    for name in ["exam-1-theory-desk-paper", "exam-1-lab-bench-device", "exam-1-lab-bench-setup"] {
        assert_eq!(fleet.starts(name), 1, "{name}: {:?}", fleet.all_starts());
        let records = fleet.life::<tessera_types::Workload>(name).await;
        let placed = records.iter().filter(|it| it.to == "Scheduled").count();
        assert_eq!(placed, 1, "{name}: {records:#?}");
    }
    let jobs = fleet.all::<Job>().await;
    for job in &jobs {
        assert_eq!(fleet.starts(job.name.as_str()), 1, "{}: {:?}", job.name, fleet.all_starts());
    }
    assert_eq!(fleet.all_starts().len(), 3 + jobs.len(), "{:?}", fleet.all_starts());
    assert_eq!(jobs.len(), 2, "each part was graded once: {jobs:#?}");
}

async fn every_life_is_legal(fleet: &Fleet) {
    let path = fleet.path_of::<Session>("exam-1").await;
    assert_eq!(path, ["Pending", "Active", "Aggregating", "Inactive"]);
    for name in ["exam-1-theory", "exam-1-lab"] {
        let path = fleet.path_of::<SessionPart>(name).await;
        let gradings = path.iter().filter(|it| *it == "Grading").count();
        assert_eq!((gradings, path.len() < 9), (1, true), "{path:?}");
    }
    for name in ["exam-1-theory-desk", "exam-1-lab-bench"] {
        let expected =
            ["Scheduled", "Provisioning", "Ready", "Active", "TearingDown", "Terminated"];
        assert_eq!(fleet.path_of::<Pod>(name).await, expected);
    }
    for report in fleet.all::<Report>().await {
        assert_eq!(fleet.path_of::<Report>(report.name.as_str()).await, ["Pending", "Complete"]);
    }
}
