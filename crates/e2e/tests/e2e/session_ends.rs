//! Giving a session up, by cancelling or deleting it, wherever it has got.

use serde_json::{Value, json};
use tessera_e2e::{Fleet, definition, part, pod, room, session, session_of};
use tessera_types::job::JobStatus;
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Outcome, TimedStatus};
use tessera_types::{Job, Object, Pod, Report, Session, SessionPart};

/// How a session is given up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GiveUp {
    Cancel,
    Delete,
}

/// A sort of session in which each status lasts until it is given up, and what it
/// needs for that.
struct Sort {
    status: TimedStatus,
    start_in: &'static str,
    workload: Value,
    part: Value,
    attempts: u32,
}

/// A part that is open for an hour and takes a minute to get ready at most.
fn long() -> Value {
    json!({"duration": "1h", "lead_time": "1m", "teardown_buffer": "1m"})
}

fn sorts(fleet: &Fleet) -> Vec<Sort> {
    let lives = || fleet.actor("lab", "");
    let sort =
        |status, start_in, workload, part| Sort { status, start_in, workload, part, attempts: 1 };
    let mut eager = long();
    eager["lead_time"] = json!("2s");
    let mut graded = eager.clone();
    graded["lifecycle"] = json!({"phases": [{
        "name": "grade", "engine": "workflow", "trigger_on_status": "Grading",
        "definition": {"type_key": "endless"},
    }]});
    graded["duration"] = json!("1s");
    graded["teardown_buffer"] = json!("10m");
    let mut stubborn = lives();
    stubborn["spec"]["args"][1] = json!(format!(
        "{}trap '' TERM; while :; do sleep 0.1; done",
        stubborn["spec"]["args"][1].as_str().unwrap().split("trap").next().unwrap()
    ));
    stubborn["spec"]["stop"] = json!({"grace": "6s"});
    let mut brief = eager.clone();
    brief["duration"] = json!("1s");
    brief["teardown_buffer"] = json!("30s");
    vec![
        // The only one that passes by itself is the first to be given up.
        sort(TimedStatus::TearingDown, "3s", stubborn, brief),
        sort(TimedStatus::Scheduled, "1h", lives(), long()),
        sort(TimedStatus::Provisioning, "61s", fleet.actor("lab", "sleep 1000"), long()),
        sort(TimedStatus::Ready, "61s", lives(), long()),
        sort(TimedStatus::Active, "3s", lives(), eager.clone()),
        sort(TimedStatus::Grading, "3s", lives(), graded),
        sort(TimedStatus::Failed, "3s", fleet.actor("lab", "exit 1"), eager),
    ]
}

/// Declares a session of each sort, waits until its part is so, and gives it up.
async fn in_each_phase(give_up: GiveUp) {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.declare(&room(10)).await;
    let endless = json!({"timeout": "10m", "workload": {
        "command": "/bin/sleep", "args": ["1000"], "stop": {"grace": "1s"},
    }});
    fleet.declare(&[definition("JobDefinition", "endless", endless)]).await;
    let mut names = Vec::new();
    for sort in sorts(&fleet) {
        let key = format!("in-{}", sort.status.to_string().to_lowercase());
        let mut desk = pod(&format!("{key}.pod"), &[sort.workload]);
        desk["spec"]["provision"]["attempts_max"] = json!(sort.attempts);
        let part = part(&format!("{key}.part"), &format!("{key}.pod"), sort.part);
        // A failure that ends the session at once would not last.
        let mut whole = session_of(&key, &[("first", &format!("{key}.part"))]);
        whole["spec"]["part_execution"] = json!({"on_failure": "continue"});
        fleet.declare(&[desk, part, whole, session(&key, &key, sort.start_in)]).await;
        names.push((key, sort.status));
    }
    for (name, status) in &names {
        fleet.reaches::<SessionPart>(&format!("{name}-first"), *status).await;
        match give_up {
            GiveUp::Cancel => {
                let path = format!("/v1/sessions/{name}/cancel");
                let (status, answer) = fleet.post(&path, &json!({})).await;
                assert_eq!(status, 202, "{answer}");
                // Once more makes no difference.
                fleet.post(&path, &json!({})).await;
            }
            GiveUp::Delete => drop(fleet.ctl(&["delete", "session", name]).expect(0)),
        }
    }
    for (name, status) in &names {
        match give_up {
            GiveUp::Cancel => expect_cancelled(&fleet, name, *status).await,
            GiveUp::Delete => {
                fleet.vanishes::<Session>(name).await;
                let last = fleet.life::<Session>(name).await.pop().unwrap();
                assert_eq!(last.to, "Deleted", "{last:?}");
            }
        }
    }
    fleet.nothing_left().await;
    if give_up == GiveUp::Delete {
        assert!(fleet.all::<SessionPart>().await.is_empty());
        assert!(fleet.all::<Pod>().await.is_empty());
        assert!(fleet.all::<Job>().await.is_empty());
        assert!(fleet.all::<Report>().await.is_empty());
    }
    let starts = fleet.all_starts();
    let expected: Vec<_> = names.iter().filter(|it| it.1 != TimedStatus::Scheduled).collect();
    assert_eq!(
        starts.len(),
        expected.len(),
        "each once, except what was not provisioned: {starts:?}"
    );
    the_host_is_free(&fleet).await;
}

async fn expect_cancelled(fleet: &Fleet, name: &str, status: TimedStatus) {
    let session = fleet.over(name).await;
    assert_eq!(session.status, SessionStatus::Inactive, "{session:#?}");
    let part: Object<SessionPart> = fleet.see(&format!("{name}-first")).await;
    assert_eq!(part.status, TimedStatus::Terminated);
    assert!(part.observed.timed.leftovers.is_empty(), "{part:#?}");
    let outcome = match status {
        TimedStatus::Failed => Outcome::Failed,
        TimedStatus::TearingDown => Outcome::Completed,
        _ => Outcome::Cancelled,
    };
    assert_eq!(part.observed.timed.outcome, Some(outcome), "{name}: {part:#?}");
    fleet.life::<SessionPart>(&format!("{name}-first")).await;
    fleet.life::<Pod>(&format!("{name}-first-pod")).await;
    fleet.life::<Session>(name).await;
    for job in fleet.all::<Job>().await {
        assert_eq!(job.status, JobStatus::Cancelled, "{job:#?}");
    }
}

/// Nothing is held of it from now on.
async fn the_host_is_free(fleet: &Fleet) {
    let (status, calendar) =
        fleet.send(reqwest::Method::GET, "/v1/hosts/room/calendar", &[], String::new()).await;
    assert_eq!((status, &calendar["holds"]), (200, &json!([])), "{calendar:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_cancelled_in_each_of_its_phases() {
    in_each_phase(GiveUp::Cancel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_deleted_in_each_of_its_phases() {
    in_each_phase(GiveUp::Delete).await;
}
