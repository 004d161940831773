//! One container, one supervisor: from the start to whatever end.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tessera_agent::cgroup::CgroupParent;
use tessera_agent::logs::LogLimits;
use tessera_agent::supervisor::{
    ExitReason, ExitRecord, Lease, LogSpec, Outcome, Resources, RunHandle, RunKind, RunSpec,
    Signal, StopSpec, Supervisor,
};
use tessera_testkit::{Podman, podman};
use tokio::time::{Instant, sleep, timeout};

use super::{EXE, extend, is_alive, kill, kill_supervisors};

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A node's folder, and a podman of its own.
struct Node {
    dir: TempDir,
    podman: Podman,
}

impl Node {
    fn new() -> Option<Self> {
        Some(Self { podman: podman()?, dir: tempfile::tempdir().unwrap() })
    }

    fn runs(&self) -> PathBuf {
        self.dir.path().join("runs")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A container that runs a shell script, with these fields in addition.
    fn script(&self, script: &str, more: Value) -> RunSpec {
        let mut container = json!({
            "socket": self.podman.socket(), "image": self.podman.image(),
            "command": "/bin/sh", "args": ["-c", script],
        });
        extend(&mut container, more);
        RunSpec {
            run_id: "run-1".into(),
            kind: RunKind::Container(serde_json::from_value(container).unwrap()),
            resources: Resources::default(),
            stop: StopSpec { signal: Signal::TERM, grace_ms: 20_000 },
            lease: None,
            not_after: None,
            log: LogSpec { dir: self.file("log"), limits: LogLimits::default() },
            cgroup: CgroupParent::none(),
            labels: BTreeMap::new(),
        }
    }

    async fn start(&self, spec: RunSpec) -> RunHandle {
        let run = Supervisor::start(&self.runs(), Path::new(EXE), spec).await.unwrap();
        until("the start is decided", || run.started().is_some() || run.exit().unwrap().is_some())
            .await;
        run
    }

    async fn run(&self, spec: RunSpec) -> ExitRecord {
        end(&self.start(spec).await).await
    }

    /// Runs it under this id, and says why it could not be started.
    async fn failure(&self, run_id: &str, spec: RunSpec) -> String {
        match self.run(RunSpec { run_id: run_id.to_owned(), ..spec }).await.outcome {
            Outcome::StartFailed { message, .. } => message,
            other => panic!("it was started: {other:?}"),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("log/current.log")).unwrap_or_default()
    }

    async fn until_printed(&self, text: &str) {
        until(&format!("{text:?} in the log"), || self.log().contains(text)).await;
    }

    /// All containers, whatever they do.
    fn containers(&self) -> Vec<String> {
        let listed = self.podman.run(&["ps", "--all", "--no-trunc", "--format", "{{.ID}}"]);
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        kill_supervisors(&self.runs());
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: that did not happen");
        sleep(LOOK_INTERVAL).await;
    }
}

async fn end(run: &RunHandle) -> ExitRecord {
    timeout(PATIENCE, run.wait()).await.expect("the run did not end").unwrap()
}

fn killed() -> Outcome {
    Outcome::Signaled { signal: Signal::KILL, core: false }
}

#[tokio::test]
async fn a_container_gets_what_is_declared_and_its_end_is_recorded() {
    let Some(node) = Node::new() else { return };
    let script = "echo \"$GREETING, $TESSERA_RUN in $(pwd)\"; echo problem >&2; exit 42";
    let more = json!({
        "env": {"GREETING": "Grüße ☃ 'x' \"y\""}, "working_dir": "/bin",
        "labels": {"tessera.node": "node-a"},
    });
    let exit = node.run(node.script(script, more)).await;
    assert_eq!(exit.outcome, Outcome::Exited { code: 42 });
    assert_eq!((exit.requested, exit.reason), (false, None));
    let mut lines = exit.last_lines;
    lines.sort();
    assert_eq!(lines, ["Grüße ☃ 'x' \"y\", run-1 in /bin", "problem"]);
    let log = node.log();
    assert!(log.contains(" stdout F Grüße") && log.contains(" stderr F problem"), "{log}");
    assert!(node.containers().is_empty(), "it is removed");
}

#[tokio::test]
async fn many_lines_arrive_whole_and_in_order() {
    let Some(node) = Node::new() else { return };
    let exit = node.run(node.script("seq 20000; printf unfinished", json!({}))).await;
    assert_eq!(exit.outcome, Outcome::Exited { code: 0 });
    let log = node.log();
    let texts: Vec<&str> = log.lines().filter_map(|line| line.split(" F ").nth(1)).collect();
    let expected: Vec<String> =
        (1..=20_000).map(|n: u32| n.to_string()).chain(["unfinished".to_owned()]).collect();
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn a_stop_gives_time_and_then_kills() {
    let Some(node) = Node::new() else { return };
    let polite = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let run = node.start(node.script(polite, json!({}))).await;
    node.until_printed("ready").await;
    run.stop(run.spec().stop).await.unwrap();
    let exit = end(&run).await;
    assert_eq!((exit.outcome, exit.requested), (Outcome::Exited { code: 7 }, true));
    assert_eq!(exit.last_lines, ["ready", "bye"]);

    let deaf = "trap '' TERM; setsid sleep 100 & echo deaf; while :; do sleep 0.05; done";
    let mut spec = node.script(deaf, json!({}));
    spec.run_id = "run-2".into();
    let run = node.start(spec).await;
    node.until_printed("deaf").await;
    let pid = run.started().unwrap().pid;
    run.stop(StopSpec { signal: Signal::TERM, grace_ms: 300 }).await.unwrap();
    let exit = end(&run).await;
    assert_eq!((exit.outcome, exit.requested), (killed(), true));
    assert!(!is_alive(pid) && node.containers().is_empty());
}

#[tokio::test]
async fn what_cannot_be_started_is_explained() {
    let Some(node) = Node::new() else { return };
    let image = node.podman.image();
    let script = |more| node.script("true", more);
    let missing = node.failure("a", script(json!({"command": "/bin/nope"}))).await;
    assert_eq!(missing, format!("image {image} has no such program: /bin/nope"));
    let folder = node.failure("b", script(json!({"command": "/bin"}))).await;
    assert_eq!(folder, format!("not executable in image {image}: /bin"));
    let nothing = node.failure("c", script(json!({"command": null, "args": []}))).await;
    assert!(nothing.contains("give the workload a `command`"), "{nothing}");

    let nowhere = node.file("nowhere");
    let mounts = json!([{"source": nowhere, "target": "/x"}]);
    let mount = node.failure("d", script(json!({"mounts": mounts}))).await;
    assert_eq!(mount, format!("the mount's source {} is not on the node", nowhere.display()));
    assert!(!nowhere.exists(), "nothing is made in its place");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let ports = json!([{"port": 80, "host_port": port}]);
    let busy = node.failure("e", script(json!({"ports": ports}))).await;
    assert!(busy.starts_with("cannot start the container: "), "{busy}");
    assert!(busy.contains(&port.to_string()) && busy.contains("in use"), "{busy}");

    let image = node.failure("f", script(json!({"image": "localhost/nope:1"}))).await;
    assert!(image.starts_with("cannot create the container: "), "{image}");
    let socket = json!({"socket": "/nowhere/podman.sock"});
    let away = node.failure("g", script(socket)).await;
    assert!(away.starts_with("cannot create") && away.contains("/nowhere/podman.sock"), "{away}");
    assert!(node.containers().is_empty());
}

#[tokio::test]
async fn too_much_memory_is_recognised() {
    let Some(node) = Node::new() else { return };
    let hog = "x=$(head -c 1000000 /dev/zero | tr '\\0' x); while :; do x=$x$x; done";
    let mut spec = node.script(hog, json!({}));
    spec.resources.memory_bytes = Some(32 * 1024 * 1024);
    let exit = node.run(spec).await;
    assert_eq!((exit.outcome, exit.reason), (killed(), Some(ExitReason::Oom)));
}

#[tokio::test]
async fn a_processor_limit_is_the_runtimes_to_enforce() {
    let Some(node) = Node::new() else { return };
    let mut spec = node.script("sleep 100", json!({}));
    spec.resources.cpu_millicores = Some(250);
    let run = node.start(spec).await;
    let quota = "{{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}}";
    let told = node.podman.run(&["inspect", "--format", quota, "tessera-run-1"]);
    assert_eq!(told.trim(), "25000 100000");
    run.kill().await.unwrap();
    assert_eq!(end(&run).await.outcome, killed());
}

#[tokio::test]
async fn mounts_show_the_nodes_files_and_read_only_means_it() {
    let Some(node) = Node::new() else { return };
    let (given, shared) = (node.file("given"), node.file("shared"));
    fs::write(&given, "secret\n").unwrap();
    fs::create_dir(&shared).unwrap();
    let mounts = json!([
        {"source": given, "target": "/given", "read_only": true},
        {"source": shared, "target": "/shared"},
    ]);
    let script = "cat /given; echo written > /shared/file; echo no >> /given && echo wrong";
    let exit = node.run(node.script(script, json!({"mounts": mounts}))).await;
    assert_eq!(exit.last_lines[0], "secret");
    assert_ne!(exit.outcome, Outcome::Exited { code: 0 });
    assert_eq!(fs::read_to_string(given).unwrap(), "secret\n");
    assert_eq!(fs::read_to_string(shared.join("file")).unwrap(), "written\n");
}

#[tokio::test]
async fn a_port_is_published_on_loopback() {
    let Some(node) = Node::new() else { return };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports = json!([{"port": 8000, "host_port": free}]);
    let server = "while :; do echo hello | nc -l -p 8000; done";
    let run = node.start(node.script(server, json!({"ports": ports}))).await;
    let greeting = async {
        loop {
            if let Ok(stream) = tokio::net::TcpStream::connect(("127.0.0.1", free)).await {
                let mut line = String::new();
                let mut reader = tokio::io::BufReader::new(stream);
                let read = tokio::io::AsyncBufReadExt::read_line(&mut reader, &mut line);
                if timeout(Duration::from_secs(2), read).await.is_ok() && !line.is_empty() {
                    return line;
                }
            }
            sleep(LOOK_INTERVAL).await;
        }
    };
    assert_eq!(timeout(PATIENCE, greeting).await.expect("it does not answer"), "hello\n");
    run.kill().await.unwrap();
    end(&run).await;
}

#[tokio::test]
async fn a_run_is_found_again_with_the_same_container_and_process() {
    let Some(node) = Node::new() else { return };
    let run = node.start(node.script("echo started; sleep 100", json!({}))).await;
    let started = run.started().unwrap();
    let id = started.container_id.clone().unwrap();
    node.until_printed("started").await;
    drop(run);

    let run = Supervisor::scan(&node.runs()).await.unwrap().runs.remove(0);
    assert_eq!(run.started().as_ref(), Some(&started));
    assert_eq!(node.containers(), [id]);
    assert!(is_alive(started.pid));
    drop(run);
    kill(started.pid);
    // Nobody looks meanwhile; a later agent finds out how it ended.
    let exit_json = node.runs().join("run-1/exit.json");
    until("the exit is recorded", || exit_json.exists()).await;
    let run = Supervisor::scan(&node.runs()).await.unwrap().runs.remove(0);
    let exit = run.exit().unwrap().unwrap();
    assert_eq!((exit.outcome, exit.pid), (killed(), Some(started.pid)));
    assert_eq!(exit.last_lines, ["started"]);
    run.remove().await.unwrap();
    assert!(node.containers().is_empty());
}

#[tokio::test]
async fn a_lost_supervisors_container_is_ended_by_the_agent() {
    let Some(mut node) = Node::new() else { return };
    let run = node.start(node.script("echo here; sleep 100", json!({}))).await;
    let started = run.started().unwrap();
    node.until_printed("here").await;
    kill(started.supervisor_pid);
    let exit = end(&run).await;
    assert_eq!((exit.outcome, exit.pid), (Outcome::SupervisorLost, Some(started.pid)));
    assert_eq!(exit.last_lines, ["here"]);
    assert!(!is_alive(started.pid) && node.containers().is_empty());

    // Not even the runtime needs to be there for that.
    let mut spec = node.script("sleep 100", json!({}));
    spec.run_id = "run-2".into();
    let run = node.start(spec).await;
    let started = run.started().unwrap();
    node.podman.stop_service();
    kill(started.supervisor_pid);
    assert_eq!(end(&run).await.outcome, Outcome::SupervisorLost);
    assert!(!is_alive(started.pid));
    assert!(run.clone().remove().await.is_err(), "the container is still to be removed");
    node.podman.start_service();
    run.remove().await.unwrap();
    assert!(node.containers().is_empty());
}

#[tokio::test]
async fn a_lapsed_lease_kills_even_if_the_runtime_is_away() {
    let Some(mut node) = Node::new() else { return };
    let deaf = "trap '' TERM; echo deaf; while :; do sleep 0.05; done";
    let mut spec = node.script(deaf, json!({}));
    spec.lease = Some(Lease::from_now(60_000));
    let run = node.start(spec).await;
    node.until_printed("deaf").await;
    let pid = run.started().unwrap().pid;
    node.podman.stop_service();
    assert!(is_alive(pid), "a runtime that goes away takes nothing with it");
    drop(run);

    let mut spec = node.script(deaf, json!({}));
    (spec.run_id, spec.lease) = ("run-2".into(), Some(Lease::from_now(10_000)));
    node.podman.start_service();
    let run = node.start(spec).await;
    let short = run.started().expect("it starts within its lease").pid;
    node.podman.freeze_service(true);
    until("the container is dead", || !is_alive(short)).await;
    assert!(is_alive(pid), "the other has time");
    node.podman.freeze_service(false);
    assert_eq!(end(&run).await.outcome, Outcome::LeaseExpired);
    let first = Supervisor::scan(&node.runs()).await.unwrap().runs.remove(0);
    first.kill().await.unwrap();
    assert_eq!(end(&first).await.outcome, killed());
}

#[tokio::test]
async fn a_runtime_that_is_restarted_loses_no_exit() {
    let Some(mut node) = Node::new() else { return };
    let go = node.file("go");
    fs::create_dir(&go).unwrap();
    let script = "echo before; while ! test -e /go/1; do sleep 0.05; done; echo after; \
                  while ! test -e /go/2; do sleep 0.05; done; exit 5";
    let mounts = json!([{"source": go, "target": "/go"}]);
    let run = node.start(node.script(script, json!({"mounts": mounts}))).await;
    node.until_printed("before").await;
    node.podman.stop_service();
    node.podman.start_service();
    node.until_printed("the container runtime was away").await;
    fs::write(go.join("1"), "").unwrap();
    node.until_printed("after").await;
    fs::write(go.join("2"), "").unwrap();
    assert_eq!(end(&run).await.outcome, Outcome::Exited { code: 5 });
    assert!(node.containers().is_empty());
}

#[tokio::test]
async fn a_container_that_somebody_else_removes_has_ended() {
    let Some(node) = Node::new() else { return };
    let run = node.start(node.script("echo ready; sleep 100", json!({}))).await;
    node.until_printed("ready").await;
    node.podman.run(&["rm", "--force", "--time=0", "tessera-run-1"]);
    let exit = end(&run).await;
    assert_eq!((exit.outcome, exit.requested), (killed(), false));
}

#[tokio::test]
async fn what_ends_at_once_ends_well_and_a_window_is_kept() {
    let Some(node) = Node::new() else { return };
    let exit = node.run(node.script("true", json!({}))).await;
    assert_eq!(exit.outcome, Outcome::Exited { code: 0 });
    assert!(exit.started_at.is_some());

    let polite = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut spec = node.script(polite, json!({}));
    spec.run_id = "run-2".into();
    spec.not_after = Some(jiff::Timestamp::now() + Duration::from_secs(3600));
    let run = node.start(spec).await;
    node.until_printed("ready").await;
    run.set_not_after(Some(jiff::Timestamp::now())).await.unwrap();
    let exit = end(&run).await;
    assert_eq!(exit.outcome, Outcome::Exited { code: 9 });
    assert_eq!(exit.reason, Some(ExitReason::NotAfter));
    assert!(!exit.requested && node.containers().is_empty());
}
