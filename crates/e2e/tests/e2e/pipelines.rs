//! Pipelines with steps that the engine does: whatever dies, and whatever becomes of the
//! events, the pod comes to the same end, and each effect outside has one key.

#[path = "pipelines/declared.rs"]
mod declared;
#[path = "pipelines/ends.rs"]
mod ends;
#[path = "pipelines/lost.rs"]
mod lost;
#[path = "pipelines/outside.rs"]
mod outside;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tessera_e2e::{Fleet, definition, room};
use tessera_types::engine::JobStatus;
use tessera_types::timed::{StepProgress, StepState, TimedStatus};
use tessera_types::{Name, Object, Pod};

use self::outside::{Engine, LabServer, Postman};

/// A fleet with an engine, a lab server, a host, and a definition of pods whose
/// provisioning has a job of the engine.
struct Stage {
    fleet: Fleet,
    engine: Engine,
    labs: LabServer,
}

impl Stage {
    /// The job takes so many seconds.
    async fn new(seconds: u32, arguments: &[&str]) -> Self {
        let retry = json!({"attempts_max": 1, "timeout": "50s"});
        Self::with_retry(seconds, arguments, &retry).await
    }

    /// So often is the step tried, and not its phase.
    async fn with_retry(seconds: u32, arguments: &[&str], retry: &Value) -> Self {
        let (engine, labs) = (Engine::start().await, LabServer::start().await);
        let url = engine.gate.url();
        let mut all = vec!["--engine", url.as_str()];
        all.extend(arguments);
        let mut fleet = Fleet::with_arguments("15s", &all).await;
        fleet.add_node("a", &[]).await;
        fleet.declare(&room(10)).await;
        fleet.room_is_ready().await;
        let host = "${ .outputs[\"bind-host\"].host }";
        let lab = json!({
            "name": "lab", "job": "lab_start@v1",
            "with": {"url": labs.url, "seconds": seconds, "host": host},
            "outputs": {"host": ".host"}, "retry": retry,
        });
        let phase = json!({
            "name": "provision", "engine": "pipeline", "trigger_on_status": "Provisioning",
            "retry": {"attempts_max": 1},
            "pipeline": {"extends": "standard-provision", "insert_after": {"bind-host": [lab]}},
        });
        let spec = json!({
            "pod_type": "fleet", "workloads": [fleet.actor("vm", "")],
            "lifecycle": {"phases": [phase]},
        });
        fleet.declare(&[definition("PodDefinition", "lab", spec)]).await;
        Self { fleet, engine, labs }
    }

    async fn declare_pod(&self) {
        let timeslot = json!({"start_in": "1s", "duration": "5m"});
        let spec = json!({"definition": {"type_key": "lab"}, "timeslot": timeslot});
        self.fleet.declare(&[json!({"kind": "Pod", "name": "p", "spec": spec})]).await;
    }

    async fn until_suspended(&self) -> Object<Pod> {
        let is_suspended = |pod: &Object<Pod>| {
            step(pod, "lab")
                .is_some_and(|it| it.state == StepState::Suspended && it.job_id.is_some())
        };
        self.fleet.await_::<Pod>("p", "its step is suspended", is_suspended).await
    }

    /// The pod went on, with what its job gave, and everything was done once.
    async fn went_on(&self) {
        let pod = self.fleet.reaches::<Pod>("p", TimedStatus::Active).await;
        let lab = step(&pod, "lab").unwrap();
        assert_eq!((lab.state, lab.attempt), (StepState::Completed, 1));
        assert_eq!(lab.output, json!({"host": "room"}));
        assert_eq!(self.fleet.starts("p-vm"), 1);
        let jobs = self.engine.jobs().await;
        let [job] = jobs.as_slice() else { panic!("{jobs:#?}") };
        assert_eq!(job.head.status, JobStatus::Completed);
        assert_eq!(job.metadata["instance"], "pod/p");
        assert_eq!(Some(job.head.id.as_str()), lab.job_id.as_deref());
        let calls = self.labs.calls();
        assert_eq!(calls.len(), 2, "it is begun and confirmed: {calls:?}");
        assert_eq!(self.way_of_lab().await, ["Running → Suspended", "Suspended → Completed"]);
        // What comes next begins as soon as it is known that the job is over.
        let next = step(&pod, "workloads").unwrap();
        let late = next.since.since(lab.since).as_std();
        assert!(late < Duration::from_secs(1), "{late:?}");
    }

    async fn way_of_lab(&self) -> Vec<String> {
        let records = self.fleet.life::<Pod>("p").await.into_iter();
        let of_lab =
            records.filter(|record| record.metadata.get("step").is_some_and(|step| step == "lab"));
        of_lab.filter_map(|record| record.metadata.get("step_state").cloned()).collect()
    }
}

fn step<'a>(pod: &'a Object<Pod>, step: &str) -> Option<&'a StepProgress> {
    let name = |text: &str| Name::new(text).unwrap();
    pod.observed.timed.pipeline_progress.get(&name("provision"))?.get(&name(step))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_suspended_until_its_job_is_done() {
    let stage = Stage::new(2, &["--engine-check-every", "10m"]).await;
    stage.declare_pod().await;
    stage.until_suspended().await;
    let says = |pod: &Object<Pod>| {
        let waiting = pod.waiting_for.as_ref();
        waiting.is_some_and(|waiting| waiting.message.contains("step lab: job "))
    };
    stage.fleet.await_::<Pod>("p", "says what it waits for", says).await;
    assert_eq!(stage.engine.jobs().await[0].metadata["step"], "lab");
    stage.went_on().await;
    let job = &stage.engine.jobs().await[0];
    let pod = stage.fleet.see::<Pod>("p").await;
    let late = step(&pod, "lab").unwrap().since.since(job.head.ended_at.unwrap()).as_std();
    assert!(late < Duration::from_secs(1), "the event needed {late:?}");
    let calls = stage.labs.calls();
    assert!(calls.values().all(|times| *times == 1), "nobody died: {calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_twice_and_in_the_wrong_order_change_nothing() {
    let postman = Postman::start().await;
    let arguments = ["--engine-check-every", "10m", "--engine-callback", &postman.url];
    let stage = Stage::new(2, &arguments).await;
    postman.goes_to(stage.fleet.url());
    stage.declare_pod().await;
    stage.went_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_all_lost_are_found_by_asking() {
    let nowhere = ["--engine-check-every", "300ms", "--engine-callback", "http://127.0.0.1:9/"];
    let stage = Stage::new(1, &nowhere).await;
    stage.declare_pod().await;
    stage.went_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_may_die_in_the_middle() {
    let mut stage = Stage::new(3, &["--engine-check-every", "1s"]).await;
    stage.declare_pod().await;
    stage.until_suspended().await;
    stage.engine.kill();
    stage.engine.again().await;
    stage.went_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_may_be_dead_when_the_job_ends() {
    let mut stage = Stage::new(2, &[]).await;
    stage.declare_pod().await;
    stage.until_suspended().await;
    stage.fleet.kill_control();
    let over = async || {
        let jobs = stage.engine.jobs().await;
        jobs.iter().all(|job| job.head.status == JobStatus::Completed).then_some(())
    };
    stage.fleet.eventually("the end of the job", over).await;
    stage.fleet.start_control().await;
    stage.went_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_may_die_in_the_middle() {
    let mut stage = Stage::new(4, &["--engine-check-every", "1s"]).await;
    stage.declare_pod().await;
    stage.until_suspended().await;
    stage.engine.kill();
    stage.fleet.kill_control();
    stage.fleet.start_control().await;
    stage.engine.again().await;
    stage.went_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_gone_when_its_job_is() {
    let stage = Stage::new(3600, &[]).await;
    stage.declare_pod().await;
    stage.until_suspended().await;
    // Nobody can be asked to end the job.
    stage.engine.gate.cut();
    let ended = stage.fleet.ctl(&["delete", "pod", "p"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let says = |pod: &Object<Pod>| {
        let waiting = pod.waiting_for.as_ref();
        waiting.is_some_and(|waiting| waiting.message.contains("engine-job/"))
    };
    stage.fleet.await_::<Pod>("p", "waits for its job to be gone", says).await;
    stage.engine.gate.mend();
    stage.fleet.vanishes::<Pod>("p").await;
    let jobs = stage.engine.jobs().await;
    assert_eq!(jobs[0].head.status, JobStatus::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_with_jobs_begins_where_an_operator_has_stopped_that() {
    let stage = Stage::new(1, &["--no-engine"]).await;
    stage.declare_pod().await;
    let fleet = &stage.fleet;
    let says = |pod: &Object<Pod>| {
        let waiting = pod.waiting_for.as_ref();
        waiting.is_some_and(|waiting| waiting.message.contains("--no-engine"))
    };
    let pod = fleet.await_::<Pod>("p", "says why it waits", says).await;
    assert!(pod.observed.timed.pipeline_progress.is_empty(), "{pod:#?}");
    let (_, metrics) = fleet.send(Method::GET, "/metrics", &[], String::new()).await;
    let Value::String(metrics) = metrics else { panic!("{metrics}") };
    assert!(metrics.contains("tessera_pipelines_held 1"), "{metrics}");
    assert!(metrics.contains("tessera_engine_usable 0"), "{metrics}");
    assert!(stage.engine.jobs().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_cannot_be_is_refused_with_its_place() {
    let fleet = Fleet::start().await;
    let step =
        |name: &str, needs: &str| json!({"name": name, "needs": [needs], "handler": "mark_ready"});
    let refused = [
        (
            json!({"steps": [step("a", "b"), step("b", "a")]}),
            "pipeline.steps[0].needs",
            "each other",
        ),
        (json!({"steps": [{"name": "a", "handler": "fly"}]}), "pipeline.steps[0].handler", "fly"),
        (json!({"extends": "standard-nothing"}), "pipeline.extends", "standard-nothing"),
        (
            json!({"steps": [{"name": "a", "job": "echo@v1", "with": {"x": "${ .inputs.lab }"}}]}),
            "pipeline.steps[0].with.x",
            "no input `lab`",
        ),
        (json!({"remove": ["ghost"]}), "pipeline.remove[0]", "ghost"),
        (json!({"remove": ["workloads"]}), "pipeline", "no step makes the workloads"),
        (json!({"extends": "standard-teardown"}), "pipeline", "no step makes the workloads"),
    ];
    for (pipeline, place, words) in refused {
        let phase = json!({"name": "provision", "engine": "pipeline",
            "trigger_on_status": "Provisioning", "pipeline": pipeline});
        let workload = json!({"name": "vm", "spec": {"command": "x"}});
        let spec = json!({"pod_type": "fleet", "workloads": [workload],
            "lifecycle": {"phases": [phase]}});
        let results = fleet.try_declare(&[definition("PodDefinition", "lab", spec)]).await;
        let text = results[0]["problem"].to_string();
        let place = format!("spec.lifecycle.phases[0].{place}");
        assert!(text.contains(&place) && text.contains(words), "{place}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seeding_warns_of_jobs_that_the_engine_would_not_take() {
    let mut engine = Engine::start().await;
    let url = engine.gate.url();
    let fleet = Fleet::with_arguments("15s", &["--engine", url.as_str()]).await;
    let seed = |name: &str, job: &str| {
        let step = json!({"name": "lab", "job": job});
        let phase = json!({"name": "provision", "engine": "pipeline",
            "trigger_on_status": "Provisioning",
            "pipeline": {"extends": "standard-provision", "insert_before": {"ready": [step]}}});
        let workload = json!({"name": "vm", "spec": {"command": "x"}});
        let spec = json!({"pod_type": "fleet", "workloads": [workload],
            "lifecycle": {"phases": [phase]}});
        let seed = definition("PodDefinition", name, spec).to_string();
        fleet.ctl_with(&["seed", "-"], &seed).expect(0).stderr
    };
    assert_eq!(seed("right", "echo@v1"), "");
    // One that is slow to answer says nothing, so it is asked until it does.
    let mut told = String::new();
    for _ in 0..100 {
        told = seed("wrong", "ecco@v1");
        if !told.is_empty() {
            break;
        }
    }
    for part in [
        "warning: <stdin>:1:1: poddefinition/wrong: ",
        "pipeline.insert_before.ready[0].job: the engine has no scenario `ecco@v1` now",
        "did you mean `echo@v1`?",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    engine.kill();
    assert_eq!(seed("unheard", "ecco@v1"), "", "an engine that cannot be asked says nothing");
}
