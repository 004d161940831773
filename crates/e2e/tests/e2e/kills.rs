//! A control plane that is killed at ten random moments of a session's life: what
//! comes of the session, and of what is asked for meanwhile, is the same.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tessera_client::Api;
use tessera_e2e::{Fleet, Random, Sampler, definition, part, pod, room, send, session, session_of};
use tessera_types::job::JobStatus;
use tessera_types::node::NodeStatus;
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Outcome, TimedStatus, Timeslot};
use tessera_types::{Job, Kind, Node, Object, Pod, Session, SessionPart, Workload};

const KILLS: usize = 10;
/// How long one request may take, of those that are sent until one is answered.
const ANSWER_BOUND: Duration = Duration::from_secs(3);

/// Kills the control plane at random moments within this time from now, and starts
/// it again each time. The moments are printed.
pub(crate) async fn kill_ten_times(fleet: &mut Fleet, within_ms: u64) {
    let mut random = Random::new();
    let mut moments: Vec<_> = (0..KILLS).map(|_| random.millis(0..within_ms)).collect();
    moments.sort();
    let begun = Instant::now();
    for moment in moments {
        tokio::time::sleep(moment.saturating_sub(begun.elapsed())).await;
        eprintln!("killed at {:?}", begun.elapsed());
        fleet.kill_control();
        fleet.start_control().await;
    }
}

/// From the declaration until about the end, in milliseconds.
const WHOLE_MS: u64 = 14_000;
const LAB: &str = "s-first-pod-lab";

/// Two nodes, and a session of one part that is graded at its end, by a job that
/// fails twice.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::start().await;
    for node in ["a", "b"] {
        fleet.add_node(node, &[]).await;
    }
    fleet.declare(&room(1)).await;
    fleet.room_is_ready().await;
    let mut desk = pod("desk", &[fleet.actor("lab", "")]);
    desk["spec"]["demand"] = json!({"counted": {"seats": 1}});
    let retry = json!({"attempts_max": 5, "backoff": {"initial": "100ms", "max": "200ms"},
        "timeout": "8s"});
    let spec = json!({
        "duration": "5s", "lead_time": "3s", "teardown_buffer": "15s",
        "report": {"type_key": "points"},
        "lifecycle": {"phases": [{"name": "grade", "engine": "workflow",
            "trigger_on_status": "Grading", "definition": {"type_key": "grade"}, "retry": retry}]},
    });
    fleet
        .declare(&[
            desk,
            fails_twice(&fleet),
            definition("ReportDefinition", "points", json!({"aggregate": "sum"})),
            part("sitting", "desk", spec),
            session_of("one", &[("first", "sitting")]),
            session("s", "one", "4s"),
        ])
        .await;
    fleet
}

fn fails_twice(fleet: &Fleet) -> Value {
    let dir = fleet.area().path().display();
    let script = format!(
        "echo \"$TESSERA_JOB\" >> {dir}/starts; echo x >> {dir}/tries; \
         if test $(grep -c . {dir}/tries) -le 2; then exit 3; fi; echo '{{\"score\": 70}}'"
    );
    let mut workload = fleet.workload("grade", &script)["spec"].take();
    workload["resources"] = json!({"cpu": "20m", "memory": "8MiB"});
    workload.as_object_mut().expect("a spec is an object").remove("restart");
    let spec = json!({"timeout": "8s", "result": "last_line", "workload": workload});
    definition("JobDefinition", "grade", spec)
}

/// Somebody who asks until there is an answer.
#[derive(Clone)]
struct Operator {
    api: Api,
    url: String,
}

impl Operator {
    /// Extends the session by two seconds once it is active, and drains the node that it
    /// is on. Returns the node.
    async fn extend_and_drain(self) -> String {
        self.until::<SessionPart>("s-first", |part| part.status == TimedStatus::Active).await;
        let extended = self.post("/v1/sessions/s/extend", "once", &json!({"by": "2s"})).await;
        assert_eq!(extended.0, 202, "{}", extended.1);
        let lab = self.until::<Workload>(LAB, |lab| lab.observed.assigned.is_some()).await;
        let node = lab.observed.assigned.as_ref().unwrap().node.to_string();
        let drained = self.post(&format!("/v1/nodes/{node}/drain"), "drain", &Value::Null).await;
        assert_eq!(drained.0, 202, "{}", drained.1);
        self.until::<Node>(&node, |it| it.status == NodeStatus::Drained).await;
        node
    }

    /// Sends the same until it is answered; the key says that it is the same.
    async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        loop {
            let sent = send(&self.url, Method::POST, path, &headers, body.to_string());
            match tokio::time::timeout(ANSWER_BOUND, sent).await {
                // What stops, or has only begun, says that it cannot answer yet.
                Ok(Some(answer)) if answer.0 < 500 => return answer,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn until<K: Kind>(&self, name: &str, is: impl Fn(&Object<K>) -> bool) -> Object<K> {
        let begun = Instant::now();
        let key = name.parse().unwrap();
        while begun.elapsed() < tessera_e2e::BOUND {
            let got = tokio::time::timeout(ANSWER_BOUND, self.api.get::<K>(&key, None)).await;
            if let Ok(Ok(found)) = got
                && is(&found)
            {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} {name} does not come to it", K::KIND);
    }
}

fn slot(session: &Object<Session>) -> Timeslot {
    session.observed.timed.timeslot.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_extended_drained_and_tried_again_is_so_once() {
    let mut fleet = fleet().await;
    let before = slot(&fleet.see::<Session>("s").await);
    let sampler = Sampler::start(&fleet.area().tag());
    let operator = Operator { api: fleet.api.clone(), url: fleet.url() };
    let operator = tokio::spawn(operator.extend_and_drain());
    kill_ten_times(&mut fleet, WHOLE_MS).await;
    let drained = operator.await.unwrap();
    let session = fleet.over("s").await;
    sampler.expect_never_two();
    ended_well(&fleet, &session).await;
    assert_eq!(slot(&session).end, before.end.plus("2s".parse().unwrap()), "extended once");
    let life = fleet.life::<Session>("s").await;
    let extensions = life.iter().filter(|it| it.reason.contains("extended by 2s"));
    assert_eq!(extensions.count(), 1, "{life:#?}");
    moved_once(&fleet, &drained).await;
    tried_three_times(&fleet).await;
    fleet.nothing_left().await;
}

async fn ended_well(fleet: &Fleet, session: &Object<Session>) {
    let timed = &session.observed.timed;
    assert_eq!(session.status, SessionStatus::Inactive, "{session:#?}");
    assert_eq!((timed.outcome, &timed.late), (Some(Outcome::Completed), &None), "{session:#?}");
    assert!(timed.leftovers.is_empty(), "{session:#?}");
    let part = fleet.see::<SessionPart>("s-first").await;
    assert_eq!(part.observed.score, Some(70.0), "{part:#?}");
    assert!(part.observed.graded_at.unwrap() >= slot(session).end, "not at its old end");
    let usual = ["Scheduled", "Provisioning", "Ready", "Active", "TearingDown", "Terminated"];
    assert_eq!(fleet.path_of::<Pod>("s-first-pod").await, usual);
}

/// The pod was provisioned once, and then moved off the node, once.
async fn moved_once(fleet: &Fleet, drained: &str) {
    assert_eq!(fleet.starts(LAB), 2, "{:?}", fleet.all_starts());
    let records = fleet.life::<Workload>(LAB).await;
    let placed: Vec<_> = records.iter().filter(|it| it.to == "Scheduled").collect();
    assert_eq!(placed.len(), 2, "{records:#?}");
    let node = fleet.see::<Node>(drained).await;
    assert_eq!(node.status, NodeStatus::Drained, "no restart undoes it");
    assert!(fleet.workloads().await.values().all(|it| it.observed.assigned.is_none()));
}

async fn tried_three_times(fleet: &Fleet) {
    let jobs = fleet.all::<Job>().await;
    let failed = jobs.iter().filter(|job| job.status == JobStatus::Failed).count();
    assert_eq!((jobs.len(), failed), (3, 2), "{jobs:#?}");
    for job in &jobs {
        assert_eq!(fleet.starts(job.name.as_str()), 1, "{}: {:?}", job.name, fleet.all_starts());
    }
    assert_eq!(fleet.all_starts().len(), 2 + 3, "{:?}", fleet.all_starts());
}
