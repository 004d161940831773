//! The exam of `fixtures/exam.yaml`: a session of two parts with a gate between
//! them, from its declaration until nothing of it is left.

mod events;
mod kills;
mod whole;

use serde_json::{Value, json};
use tessera_e2e::Fleet;
use tessera_types::report::ReportStatus;
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Outcome, TimedStatus};
use tessera_types::{Object, Pod, Report, Session, SessionPart};

/// Where the events of the student come from.
const SOURCE: &str = "https://lms.test";

/// A fleet of one node that lets the student's events in, with the exam declared
/// by its file.
async fn exam() -> Fleet {
    let mut fleet = Fleet::with_arguments("15s", &["--event-source", SOURCE]).await;
    fleet.add_node("a", &[]).await;
    let text = include_str!("../../../fixtures/exam.yaml")
        .replace("@DIR@", &fleet.area().path().to_string_lossy())
        .replace("@TAG@", &fleet.area().tag());
    let applied = fleet.ctl_with(&["apply", "-f", "-"], &text).expect(0);
    assert!(applied.stdout.contains("session/default/exam-1 created"), "{}", applied.stdout);
    fleet
}

/// The event that a student hands something in.
fn submitted(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": SOURCE, "type": "student.submitted",
        "subject": "session/default/exam-1",
    })
}

/// It went well, with the scores of the two parts and of the whole.
async fn expect_passed(fleet: &Fleet) -> Object<Session> {
    let session = fleet.over("exam-1").await;
    assert_eq!(session.status, SessionStatus::Inactive, "{session:#?}");
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
    assert_eq!(session.observed.timed.failure, None);
    assert_eq!(session.observed.timed.late, None);
    assert_eq!((session.observed.score, session.observed.passed), (Some(77.5), Some(true)));
    for (name, score) in [("exam-1-theory", 80.0), ("exam-1-lab", 75.0)] {
        let part = fleet.see::<SessionPart>(name).await;
        assert_eq!(part.status, TimedStatus::Terminated);
        assert_eq!(part.observed.timed.outcome, Some(Outcome::Completed), "{part:#?}");
        assert_eq!(part.observed.score, Some(score));
        assert!(part.observed.timed.leftovers.is_empty());
        let report = fleet.see::<Report>(&format!("{name}-report")).await;
        assert_eq!((report.status, report.observed.score), (ReportStatus::Complete, Some(score)));
        assert_eq!(report.observed.max_score, Some(100.0));
    }
    let report = fleet.see::<Report>("exam-1-report").await;
    assert_eq!(report.observed.score, Some(77.5));
    assert_eq!(report.observed.items.len(), 2, "it is made of the parts' reports: {report:#?}");
    for name in ["exam-1-theory-desk", "exam-1-lab-bench"] {
        let pod = fleet.see::<Pod>(name).await;
        assert_eq!(pod.status, TimedStatus::Terminated);
        assert_eq!(pod.observed.timed.outcome, Some(Outcome::Completed));
        assert_eq!(pod.observed.binding, None, "it holds nothing of its host any more");
    }
    fleet.nothing_left().await;
    session
}
