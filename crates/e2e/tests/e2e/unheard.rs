//! A deadline passes while there is no control plane: it is judged with what the node has
//! told, and what was done is not done again.

use serde_json::json;
use tessera_e2e::{Fleet, definition};
use tessera_types::job::JobStatus;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Job, Timestamp, Workload};

const TIMEOUT: &str = "8s";

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passed_is_judged_when_the_node_has_told() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let dir = fleet.area().path().display().to_string();
    let quick = format!("echo quick >> {dir}/starts; sleep 2; : > {dir}/quick-has-ended");
    // Its node stops it at its deadline, which takes it longer than anybody waits.
    let stubborn = format!(
        "echo stubborn >> {dir}/starts; trap '' TERM; \
         while ! test -e {dir}/enough; do sleep 0.1; done"
    );
    for (name, script) in [("quick", quick), ("stubborn", stubborn)] {
        let mut workload = fleet.workload(name, &script)["spec"].clone();
        workload["stop"] = json!({"grace": "5m"});
        let spec = json!({"timeout": TIMEOUT, "workload": workload});
        let job = json!({"kind": "Job", "name": name, "spec": {"definition": {"type_key": name}}});
        fleet.declare(&[definition("JobDefinition", name, spec), job]).await;
        fleet.reaches::<Workload>(&format!("job-{name}"), WorkloadStatus::Running).await;
    }
    let deadline = fleet.see::<Job>("stubborn").await.observed.deadline.unwrap();
    fleet.kill_control();
    fleet
        .eventually("both deadlines pass", async || {
            let now: Timestamp = jiff::Timestamp::now().into();
            let has_ended = fleet.area().join("quick-has-ended").exists();
            (now > deadline && has_ended).then_some(())
        })
        .await;
    fleet.start_control().await;
    fleet.reaches::<Job>("quick", JobStatus::Succeeded).await;
    let stubborn = fleet.reaches::<Job>("stubborn", JobStatus::Failed).await;
    assert_eq!(stubborn.observed.message.as_deref(), Some("it took too long"));
    assert_eq!((fleet.starts("quick"), fleet.starts("stubborn")), (1, 1));
    // Nothing but what its node has told can have said so: it still runs.
    assert!(fleet.see::<Workload>("job-stubborn").await.status.holds_node());
    std::fs::write(fleet.area().join("enough"), "").unwrap();
    fleet.vanishes::<Workload>("job-stubborn").await;
}
