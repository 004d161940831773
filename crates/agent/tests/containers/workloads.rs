//! Workloads with an image, as an agent runs them.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use tessera_agent::{Agent, AgentHandle, AgentOptions, ContainerSocket};
use tessera_testkit::{Podman, podman};
use tessera_types::Name;
use tessera_types::sync::{CopyState, Report};
use tessera_types::workload::{ExitOutcome, Health};

use super::plane::{Plane, eventually};
use super::{EXE, extend, is_alive, kill, kill_supervisors};

/// Long enough that nothing lapses in a test that does not want it to.
const LEASE_MS: u64 = 15_000;

/// A state folder, a control plane and a podman of its own.
struct Home {
    dir: TempDir,
    plane: Plane,
    podman: Podman,
}

impl Home {
    fn new() -> Option<Self> {
        let (dir, plane) = (tempfile::tempdir().unwrap(), Plane::new(LEASE_MS));
        Some(Self { podman: podman()?, dir, plane })
    }

    async fn agent(&self) -> AgentHandle {
        let options = AgentOptions {
            state_dir: self.dir.path().join("state"),
            exe: PathBuf::from(EXE),
            container_socket: ContainerSocket::Path(self.podman.socket()),
            ..AgentOptions::new(Name::new("node-a").unwrap(), "http://127.0.0.1:1")
        };
        Agent::start_with(options, self.plane.clone()).await.unwrap()
    }

    /// A container that runs a shell script, with these fields in addition.
    fn place(&self, id: u64, script: &str, more: Value) {
        let mut spec = json!({
            "image": self.podman.image(), "command": "/bin/sh", "args": ["-c", script],
            "restart": {"backoff": {"initial": "50ms"}}, "stop": {"grace": "1s"},
        });
        extend(&mut spec, more);
        self.plane.place(id, spec);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        kill_supervisors(&self.dir.path().join("state/runs"));
    }
}

fn container(report: &Report) -> (String, u32) {
    let instance = report.instance.clone().expect("it runs");
    (instance.container_id.expect("in a container"), instance.pid.expect("as a process"))
}

fn end(report: &Report) -> ExitOutcome {
    report.last_exit.clone().expect("it has ended").outcome
}

#[tokio::test]
async fn a_container_is_restarted_taken_over_and_stopped() {
    let Some(home) = Home::new() else { return };
    let agent = home.agent().await;
    home.place(1, "echo up; exec sleep 1000", json!({}));
    let (first, pid) = container(&home.plane.until_state(1, CopyState::Running).await);
    let runtime = home.plane.registration().executors.container.unwrap();
    assert!(runtime.starts_with("podman "), "{runtime}");
    let labels = "{{index .Config.Labels \"tessera.workload\"}} \
                  {{index .Config.Labels \"tessera.node\"}}";
    let told = home.podman.run(&["inspect", "--format", labels, &first]);
    assert_eq!(told.trim(), "default/w1 node-a");

    kill(pid);
    let restarted = |report: &Report| report.state == CopyState::Running && report.restarts == 1;
    let report = home.plane.until(1, "a second run", restarted).await;
    assert_eq!(end(&report), ExitOutcome::Signaled { signal: 9 });
    let (second, pid) = container(&report);
    assert_ne!(first, second);

    agent.shutdown(false).await;
    assert!(is_alive(pid), "a container outlives its agent");
    let agent = home.agent().await;
    home.plane.ask_to_stop(1);
    let report = home.plane.until_state(1, CopyState::Stopped).await;
    // The shell became sleep, which as the first process of a container ignores SIGTERM.
    assert_eq!(end(&report), ExitOutcome::Signaled { signal: 9 });
    assert!(!is_alive(pid));
    assert_eq!(report.last_exit.unwrap().last_lines, ["up"]);
    agent.shutdown(false).await;
    assert_eq!(home.podman.run(&["ps", "--all", "--quiet"]), "");
}

#[tokio::test]
async fn an_image_that_is_missing_is_explained() {
    let Some(home) = Home::new() else { return };
    let agent = home.agent().await;
    home.place(1, "true", json!({"image": "localhost/nope:1"}));
    let report = home.plane.until_state(1, CopyState::Failed).await;
    let ExitOutcome::StartFailed { message } = end(&report) else { panic!("{report:?}") };
    assert!(message.starts_with("image localhost/nope:1 is not on the node"), "{message}");

    // Nobody listens on this port, so a registry there may still come up.
    home.place(2, "true", json!({"image": "127.0.0.1:9/nope:1"}));
    let report = home.plane.until_state(2, CopyState::BackingOff).await;
    let ExitOutcome::StartFailed { message } = end(&report) else { panic!("{report:?}") };
    let expected = "image 127.0.0.1:9/nope:1 is not on the node and cannot be pulled: ";
    assert!(message.starts_with(expected) && message.contains("refused"), "{message}");
    let reports = home.plane.reports(2);
    let pulling = reports.iter().find(|report| report.trouble.is_some()).expect("it says so");
    assert_eq!(pulling.trouble.as_deref(), Some("pulling 127.0.0.1:9/nope:1"));
    assert_eq!(pulling.state, CopyState::Provisioning);
    agent.shutdown(false).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_pull() {
    let Some(home) = Home::new() else { return };
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = silent.local_addr().unwrap();
    let agent = home.agent().await;
    home.place(1, "true", json!({"image": format!("{registry}/slow:1")}));
    let pulls = |report: &Report| report.trouble.is_some();
    home.plane.until(1, "a pull", pulls).await;
    home.plane.ask_to_stop(1);
    home.plane.until_state(1, CopyState::Stopped).await;
    agent.shutdown(false).await;
}

#[tokio::test]
async fn health_is_checked_inside() {
    let Some(home) = Home::new() else { return };
    let agent = home.agent().await;
    let check = |script: &str, start_period: &str| {
        json!({"health": {
            "exec": ["/bin/sh", "-c", script], "interval": "100ms", "timeout": "1s",
            "start_period": start_period, "retries": 1,
        }})
    };
    // The file is the container's own.
    home.place(1, "sleep 0.3; touch /tmp/ready; sleep 1000", check("test -e /tmp/ready", "1h"));
    let report = home.plane.until_state(1, CopyState::Running).await;
    assert_eq!(report.health, Some(Health::Healthy));

    home.place(2, "sleep 1000", check("sleep 900", "0s"));
    let ended = |report: &Report| report.last_exit.is_some();
    let report = home.plane.until(2, "an end", ended).await;
    let ExitOutcome::Unhealthy { message } = end(&report) else { panic!("{report:?}") };
    assert!(message.contains("no answer within 1s"), "{message}");

    home.place(
        3,
        "sleep 1000",
        json!({"health": {
            "exec": ["/bin/nope"], "interval": "100ms", "start_period": "0s", "retries": 1,
        }}),
    );
    let report = home.plane.until(3, "an end", ended).await;
    let ExitOutcome::Unhealthy { message } = end(&report) else { panic!("{report:?}") };
    assert!(message.contains("/bin/nope"), "{message}");
    for id in 1..=3 {
        home.plane.ask_to_stop(id);
        home.plane.until_state(id, CopyState::Stopped).await;
    }
    agent.shutdown(false).await;
}

#[tokio::test]
async fn a_check_that_hangs_is_ended() {
    let Some(home) = Home::new() else { return };
    let agent = home.agent().await;
    home.place(
        1,
        "sleep 1000",
        json!({"health": {
            "exec": ["/bin/sleep", "4711"], "interval": "100ms", "timeout": "300ms",
            "start_period": "0s", "retries": 1000,
        }}),
    );
    let failing = |report: &Report| report.trouble.is_some();
    home.plane.until(1, "a failing check", failing).await;
    let name = home.podman.run(&["ps", "--format", "{{.Names}}"]);
    let checks = || {
        let processes = home.podman.run(&["top", name.trim(), "args"]);
        processes.lines().filter(|line| line.contains("4711")).count()
    };
    // One check may be under way; were none ended, there would be ever more.
    for _ in 0..20 {
        let under_way = checks();
        assert!(under_way <= 1, "{under_way} checks are under way");
    }
    eventually("a moment without a check", || checks() == 0).await;
    agent.shutdown(true).await;
}

#[tokio::test]
async fn a_runtime_that_comes_up_later_is_found_and_told() {
    let Some(mut home) = Home::new() else { return };
    home.podman.stop_service();
    let agent = home.agent().await;
    home.place(1, "sleep 1000", json!({"restart": {"backoff": {"initial": "1s", "max": "1s"}}}));
    let report = home.plane.until_state(1, CopyState::BackingOff).await;
    assert!(report.reason.contains("no container runtime answers"), "{}", report.reason);
    assert_eq!(home.plane.registration().executors.container, None);
    home.podman.start_service();
    home.plane.until_state(1, CopyState::Running).await;
    let told = || home.plane.registration().executors.container.is_some();
    eventually("a registration with the runtime", told).await;
    agent.shutdown(true).await;
}
