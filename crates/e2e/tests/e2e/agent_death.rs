//! An agent that is killed leaves its workloads running; the next one goes on
//! where it was, and knows what happened meanwhile.

use serde_json::json;
use tessera_e2e::{Fleet, Random, process};
use tessera_types::workload::{ExitOutcome, WorkloadStatus};

#[tokio::test(flavor = "multi_thread")]
async fn workloads_survive_their_agent_and_an_exit_meanwhile_is_reported() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let end = fleet.area().join("end");
    let script = format!(
        "echo ready; while [ ! -e {0} ]; do sleep 0.02; done; echo 'the end is near'; exit 3",
        end.display()
    );
    let mut doomed = fleet.workload("doomed", &script);
    doomed["spec"]["restart"] = json!("never");
    fleet.apply(&doomed).await;
    fleet.apply(&fleet.sleeper("steady")).await;
    let steady = fleet.running("steady").await;
    let copies = [process(&steady), process(&fleet.running("doomed").await)];

    fleet.node("a").kill();
    assert!(copies.iter().all(|copy| copy.is_alive()), "they go on without an agent");
    std::fs::write(&end, "").unwrap();
    fleet.eventually("the doomed one ends", async || (!copies[1].is_alive()).then_some(())).await;
    fleet.node("a").start();

    let failed = fleet.until("doomed", "Failed", |it| it.status == WorkloadStatus::Failed).await;
    let exit = failed.observed.last_exit.unwrap();
    assert_eq!(exit.outcome, ExitOutcome::Exited { code: 3 });
    assert_eq!(exit.last_lines, ["ready", "the end is near"]);

    let after = fleet.get("steady").await;
    assert_eq!(process(&after), copies[0], "the same process");
    assert_eq!((after.status, after.observed.restarts), (WorkloadStatus::Running, 0));
    assert_eq!(after.state_history, steady.state_history, "nothing happened to it");
    // The new agent is its master, too: it restarts it, and stops it.
    copies[0].kill();
    fleet
        .until("steady", "started again", |it| {
            it.observed.restarts == 1 && it.status == WorkloadStatus::Running
        })
        .await;
    fleet.one_copy_each(&["steady"]).await;
    fleet.delete("steady").await;
    fleet.gone("steady").await;
    assert!(fleet.copies("steady").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_at_any_moment_neither_doubles_nor_forgets() {
    const WORKLOADS: usize = 12;
    let mut random = Random::new();
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let names: Vec<_> = (0..WORKLOADS).map(|i| format!("w{i}")).collect();
    let sampler = tessera_e2e::Sampler::start(&fleet.area().tag());
    for round in 0..4 {
        for name in &names {
            let mut manifest = fleet.sleeper(name);
            manifest["spec"]["env"]["ROUND"] = json!(round.to_string());
            fleet.apply(&manifest).await;
        }
        // A moment of its own choice: before, while or after they are started.
        tokio::time::sleep(random.millis(0..300)).await;
        fleet.node("a").kill();
        fleet.node("a").start();
    }
    for name in &names {
        fleet.running(name).await;
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    fleet.one_copy_each(&names).await;
    sampler.expect_never_two();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ends_in_order_leaves_its_workloads_to_the_next() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&fleet.sleeper("web")).await;
    let before = process(&fleet.running("web").await);
    fleet.node("a").terminate().await;
    assert!(before.is_alive());
    fleet.node("a").start();
    // A change that needs the new agent shows that it is in charge.
    let mut changed = fleet.sleeper("web");
    changed["spec"]["env"]["VERSION"] = json!("2");
    fleet.apply(&changed).await;
    fleet
        .until("web", "replaced", |it| {
            it.status == WorkloadStatus::Running && it.observed.placed_generation == 2
        })
        .await;
    assert!(!before.is_alive());
    fleet.one_copy_each(&["web"]).await;
}
