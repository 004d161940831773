//! Control plane, agent and Podman together.

use serde_json::{Value, json};
use tessera_e2e::Fleet;
use tessera_testkit::{Podman, podman};
use tessera_types::workload::{ExitOutcome, WorkloadStatus};

async fn fleet_with(podman: &Podman) -> Fleet {
    let mut fleet = Fleet::start().await;
    fleet.add_node("plain", &[]).await;
    let socket = podman.socket();
    fleet.add_node("boxes", &["--container-socket", socket.to_str().unwrap()]).await;
    fleet
}

fn container(name: &str, image: &str, script: &str) -> Value {
    json!({
        "name": name,
        "spec": {
            "image": image, "command": "/bin/sh", "args": ["-c", script],
            "restart": {"backoff": {"initial": "100ms"}}, "stop": {"grace": "1s"},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_placed_runs_is_killed_and_deleted() {
    let Some(podman) = podman() else { return };
    let fleet = fleet_with(&podman).await;
    let script = "echo up; echo oops >&2; while :; do sleep 0.05; done";
    fleet.apply(&container("web", podman.image(), script)).await;
    let first = fleet.running("web").await;
    let node = first.observed.assigned.as_ref().unwrap().node.as_str();
    assert_eq!(node, "boxes", "the other node has no container runtime");
    let id = |it: &tessera_types::Object<tessera_types::Workload>| {
        it.observed.instance.as_ref().and_then(|it| it.container_id.clone()).unwrap()
    };
    assert!(podman.run(&["ps", "--quiet", "--no-trunc"]).contains(&id(&first)));
    fleet
        .eventually("its log", async || {
            let logs = fleet.ctl(&["logs", "web"]).expect(0);
            ((logs.stdout.as_str(), logs.stderr.as_str()) == ("up\n", "oops\n")).then_some(())
        })
        .await;
    assert!(
        fleet.ctl(&["describe", "workload", "web"]).expect(0).stdout.contains(&id(&first)[..12])
    );

    podman.run(&["kill", &id(&first)]);
    let second = fleet
        .until("web", "started again", |it| {
            it.observed.restarts == 1 && it.status == WorkloadStatus::Running
        })
        .await;
    assert_ne!(id(&second), id(&first));
    let exit = second.observed.last_exit.unwrap();
    assert_eq!(exit.outcome, ExitOutcome::Signaled { signal: 9 });

    fleet.ctl(&["delete", "workload", "web", "--wait"]).expect(0);
    assert_eq!(podman.run(&["ps", "--all", "--quiet"]), "", "nothing of it is left");
    assert_eq!(fleet.ctl(&["logs", "web"]).expect(0).stdout, "up\nup\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_nobody_has_is_said_at_once() {
    let Some(podman) = podman() else { return };
    let fleet = fleet_with(&podman).await;
    let file = fleet.area().join("nope.json");
    std::fs::write(&file, container("nope", "localhost/nope:1", "true").to_string()).unwrap();
    let applied = fleet.ctl(&["apply", "--wait", "-f", file.to_str().unwrap()]).expect(1);
    let said = "image localhost/nope:1 is not on the node";
    assert!(applied.stderr.contains(said), "{}", applied.stderr);
    assert_eq!(fleet.get("nope").await.status, WorkloadStatus::Failed);
    fleet.ctl(&["delete", "workload", "nope", "--wait"]).expect(0);
}
