//! The supervisor with real processes: whatever happens to anyone, nothing is lost and nothing is
//! left behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;
use tessera_agent::cgroup::CgroupParent;
use tessera_agent::logs::{LogLimits, LogReader, ReadOptions};
use tessera_agent::supervisor::{
    BootInstant, ExitReason, ExitRecord, Lease, LogSpec, Outcome, Phase, ProcessSpec, Resources,
    RunHandle, RunKind, RunSpec, Signal, StartFault, StopSpec, Supervisor, SupervisorError,
};
use tokio::sync::RwLock;

const EXE: &str = env!("CARGO_BIN_EXE_tessera-agent");
const PATIENCE: Duration = Duration::from_secs(20);
/// A run that nobody stops would outlive a test that fails.
const LIFETIME: &str = "60";

/// Held shared by every test, and alone by the one that counts what this process has open.
static MACHINE: RwLock<()> = RwLock::const_new(());

static NODES: AtomicU32 = AtomicU32::new(0);

/// A state folder, and with or without control groups.
struct Node {
    dir: TempDir,
    cgroup: CgroupParent,
}

impl Node {
    fn new() -> Self {
        let number = NODES.fetch_add(1, Ordering::Relaxed);
        let name = format!("supervisor-test-{}-{number}", std::process::id());
        Self { dir: tempfile::tempdir().unwrap(), cgroup: CgroupParent::prepare(&name) }
    }

    fn without_cgroups() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), cgroup: CgroupParent::none() }
    }

    fn runs(&self) -> PathBuf {
        self.dir.path().join("runs")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A shell script as a run. `$D` is the node's folder.
    fn script(&self, script: &str) -> RunSpec {
        let dir = self.dir.path().to_str().unwrap().to_owned();
        let args = vec!["-c".to_owned(), script.to_owned()];
        self.process(ProcessSpec {
            command: "/bin/sh".into(),
            args,
            env: BTreeMap::from([("D".into(), dir), ("LIFETIME".into(), LIFETIME.into())]),
            working_dir: None,
        })
    }

    fn process(&self, process: ProcessSpec) -> RunSpec {
        RunSpec {
            run_id: "run-1".into(),
            kind: RunKind::Process(process),
            resources: Resources::default(),
            stop: StopSpec { signal: Signal::TERM, grace_ms: 10_000 },
            lease: None,
            not_after: None,
            log: LogSpec { dir: self.file("log"), limits: LogLimits::default() },
            cgroup: self.cgroup.clone(),
            labels: BTreeMap::new(),
        }
    }

    async fn start(&self, spec: RunSpec) -> RunHandle {
        Supervisor::start(&self.runs(), Path::new(EXE), spec).await.unwrap()
    }

    /// Runs it to its end.
    async fn run(&self, spec: RunSpec) -> ExitRecord {
        end(&self.start(spec).await).await
    }

    /// Waits for a file with a number in it, which scripts write when they are ready.
    async fn pid_in(&self, name: &str) -> u32 {
        let path = self.file(name);
        let read = || fs::read_to_string(&path).ok()?.strip_suffix('\n')?.trim().parse().ok();
        until(read).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.cgroup.remove();
    }
}

async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let attempts = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, attempts).await.expect("what was waited for did not happen")
}

async fn end(run: &RunHandle) -> ExitRecord {
    tokio::time::timeout(PATIENCE, run.wait()).await.expect("the run did not end").unwrap()
}

/// Whether a process runs; one that is dead and not reaped yet does not.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn send(pid: u32, signal: rustix::process::Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

fn kill(pid: u32) {
    send(pid, rustix::process::Signal::KILL);
}

fn killed() -> Outcome {
    Outcome::Signaled { signal: Signal::KILL, core: false }
}

#[tokio::test]
async fn the_exit_code_and_the_last_lines_are_recorded() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let exit = node.run(node.script("seq 30; exit 42")).await;
    assert_eq!(exit.outcome, Outcome::Exited { code: 42 });
    assert_eq!((exit.requested, exit.reason), (false, None));
    assert_eq!(exit.last_lines, (11..=30).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(exit.started_at.unwrap() <= exit.ended_at);
}

#[tokio::test]
async fn both_streams_and_an_unfinished_line_are_kept() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let exit = node.run(node.script("echo out; echo err >&2; printf unfinished")).await;
    let mut lines = exit.last_lines;
    lines.sort();
    assert_eq!(lines, ["err", "out", "unfinished"]);
}

#[tokio::test]
async fn an_end_by_a_signal_is_recorded() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let exit = node.run(node.script("kill -KILL $$")).await;
    assert_eq!((exit.outcome, exit.reason), (killed(), None));
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_explained() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let script = node.file("script");
    fs::write(&script, "#!/bin/nope\n").unwrap();
    let start = async |id: &str, command: &str, working_dir: Option<&str>| {
        let mut spec = node.process(ProcessSpec {
            command: command.into(),
            args: vec![],
            env: BTreeMap::from([("TOKEN".into(), "hunter2".into())]),
            working_dir: working_dir.map(PathBuf::from),
        });
        spec.run_id = id.into();
        let run = node.start(spec).await;
        assert_eq!(run.started(), None);
        match end(&run).await.outcome {
            Outcome::StartFailed { message, fault } => {
                assert!(fault.is_permanent(), "{message}: {fault:?}");
                message
            }
            other => panic!("{other:?}"),
        }
    };
    let path = script.to_str().unwrap();
    assert_eq!(start("a", "/bin/nope", None).await, "no such file: /bin/nope");
    assert_eq!(start("b", "nope", None).await, "no such command in PATH: nope");
    assert_eq!(start("c", path, None).await, format!("not executable: {path}"));
    assert_eq!(start("d", "/tmp", None).await, "not a program but a folder: /tmp");
    assert_eq!(
        start("e", "/bin/true", Some("/nope")).await,
        "working directory /nope: no such file or directory"
    );
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, executable).unwrap();
    let message = start("f", path, None).await;
    assert_eq!(message, format!("{path} needs an interpreter or loader that does not exist"));
}

#[tokio::test]
async fn a_supervisor_that_does_not_come_up_is_the_machines_fault() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    // Whether the lock is still held when the pipe is closed already is a matter of chance.
    for number in 0..20 {
        let spec = RunSpec { run_id: format!("run-{number}"), ..node.script("true") };
        match Supervisor::start(&node.runs(), Path::new("/bin/false"), spec).await {
            Ok(run) => match end(&run).await.outcome {
                Outcome::StartFailed { fault, .. } => assert_eq!(fault, StartFault::Machine),
                other => panic!("{other:?}"),
            },
            Err(error) => assert!(matches!(error, SupervisorError::NotStarted { .. }), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_start_that_the_machine_prevents_may_be_tried_again() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    fs::write(node.file("log"), "not a folder").unwrap();
    let exit = node.run(node.script("true")).await;
    let Outcome::StartFailed { message, fault } = exit.outcome else { panic!("it was started") };
    assert_eq!(fault, StartFault::Machine, "{message}");
}

/// A health check of a run.
async fn check(run: &RunHandle, script: &str, limit_ms: u64) -> Result<(), String> {
    let command = ["/bin/sh", "-c", script].map(str::to_owned);
    run.check(Path::new(EXE), &command, tessera_types::Duration::from_millis(limit_ms)).await
}

#[tokio::test]
async fn a_check_is_judged_by_its_exit_code_in_the_surroundings_of_the_run() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let mut spec = node.script("sleep $LIFETIME");
    let RunKind::Process(process) = &mut spec.kind else { panic!("not a process") };
    process.working_dir = Some("/proc".into());
    let run = node.start(spec).await;
    let good = "test \"$LIFETIME\" = 60 && test \"$TESSERA_RUN\" = run-1 && test -r self/stat";
    assert_eq!(check(&run, good, 20_000).await, Ok(()));
    let bad = check(&run, "exit 3", 20_000).await;
    assert_eq!(bad, Err("/bin/sh exited with code 3".to_owned()));
    let limit = tessera_types::Duration::from_secs(20);
    let missing = run.check(Path::new(EXE), &["/bin/nope".to_owned()], limit).await.unwrap_err();
    assert!(missing.starts_with("cannot execute /bin/nope"), "{missing}");
    run.kill().await.unwrap();
    end(&run).await;
}

/// A check that forks, also into another session and away from its parent, and hangs.
const HANGING_CHECK: &str = "setsid sleep $LIFETIME & echo $! > $D/other
    (sleep $LIFETIME & echo $! > $D/orphan) &
    cut -d' ' -f6 /proc/$$/stat > $D/session; cat /proc/$$/cgroup > $D/groups
    sleep $LIFETIME & echo $! > $D/child; wait";

async fn a_late_check_is_killed_alone(node: &Node) {
    let run = node.start(node.script("sleep $LIFETIME & echo $! > $D/helper; wait")).await;
    let helper = node.pid_in("helper").await;
    let late = check(&run, HANGING_CHECK, 1_000).await;
    assert_eq!(late, Err("no answer within 1s".to_owned()));
    for name in ["other", "orphan", "child"] {
        let pid = node.pid_in(name).await;
        assert!(!runs(pid), "{name}, {pid}, survived");
    }
    let main = run.started().unwrap().pid;
    assert!(runs(main) && runs(helper), "the workload was hit");
    assert_ne!(node.pid_in("session").await, main);
    let group = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(fs::read_to_string(node.file("groups")).unwrap(), group(main));
    run.kill().await.unwrap();
    end(&run).await;
    run.remove().await.unwrap();
}

#[tokio::test]
async fn a_late_check_is_killed_with_all_that_it_started_and_nothing_else() {
    let _machine = MACHINE.read().await;
    a_late_check_is_killed_alone(&Node::new()).await;
}

#[tokio::test]
async fn a_late_check_is_killed_as_well_where_there_are_no_control_groups() {
    let _machine = MACHINE.read().await;
    a_late_check_is_killed_alone(&Node::without_cgroups()).await;
}

#[tokio::test]
async fn what_a_check_leaves_behind_is_killed_when_it_passes() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let run = node.start(node.script("sleep $LIFETIME")).await;
    let script = "setsid sleep $LIFETIME & echo $! > $D/left";
    assert_eq!(check(&run, script, 20_000).await, Ok(()));
    let left = node.pid_in("left").await;
    assert!(!runs(left));
    run.kill().await.unwrap();
    end(&run).await;
}

#[tokio::test]
async fn a_check_ends_with_its_run() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    if node.cgroup.support() == CgroupParent::none().support() {
        eprintln!("not run: there are no control groups here");
        return;
    }
    let run = node.start(node.script("sleep $LIFETIME")).await;
    let checking = tokio::spawn({
        let run = run.clone();
        async move { check(&run, "echo $$ > $D/check; sleep $LIFETIME", 60_000).await }
    });
    let pid = node.pid_in("check").await;
    run.kill().await.unwrap();
    end(&run).await;
    assert!(!runs(pid));
    assert!(checking.await.unwrap().is_err());
}

fn oom_score(pid: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    text.trim().parse().unwrap()
}

#[tokio::test]
async fn the_supervisor_is_protected_from_want_of_memory_and_its_workload_is_not() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let own = oom_score(std::process::id());
    let run = node.start(node.script("sleep $LIFETIME & echo $! > $D/child; wait")).await;
    let child = node.pid_in("child").await;
    let started = run.started().unwrap();
    let supervisor = oom_score(started.supervisor_pid);
    if rustix::process::geteuid().is_root() && supervisor == own {
        eprintln!("not run in full: this root may not lower its own oom_score_adj");
    } else if rustix::process::geteuid().is_root() {
        assert_eq!(supervisor, -999);
    }
    assert_eq!(oom_score(started.pid), own.max(0));
    assert_eq!(oom_score(child), own.max(0));
    run.kill().await.unwrap();
    end(&run).await;
}

#[tokio::test]
async fn a_program_gets_a_clean_environment_session_and_descriptors() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let mut spec = node.script(
        "env; echo fds: /proc/self/fd/*; echo stdin: $(readlink /proc/$$/fd/0); echo pwd: $(pwd); \
         echo session: $(cut -d' ' -f6 /proc/$$/stat) $$",
    );
    let RunKind::Process(process) = &mut spec.kind else { panic!("not a process") };
    process.env.insert("HOME".into(), "/elsewhere".into());
    process.working_dir = Some("/usr".into());
    let lines = node.run(spec).await.last_lines;
    let line = |start: &str| lines.iter().find_map(|line| line.strip_prefix(start)).unwrap();
    let allowed = [
        "PATH=",
        "HOME=",
        "LANG=",
        "TZ=",
        "USER=",
        "TMPDIR=",
        "D=",
        "LIFETIME=",
        "TESSERA_RUN=",
        "TESSERA_RUN_DIR=",
        "PWD=",
    ];
    for variable in lines.iter().filter(|line| line.split(' ').next().unwrap().contains('=')) {
        assert!(allowed.iter().any(|name| variable.starts_with(name)), "{variable}");
    }
    assert_eq!(line("HOME="), "/elsewhere");
    assert_eq!(line("TESSERA_RUN="), "run-1");
    // 3 is the folder that the shell lists.
    let number = |path: &str| path.strip_prefix("/proc/self/fd/").unwrap().parse().unwrap();
    let mut fds: Vec<u32> = line("fds: ").split(' ').map(number).collect();
    fds.retain(|fd| *fd > 3 && !inheritable(*fd));
    assert!(fds.is_empty(), "{fds:?}");
    assert_eq!(line("stdin: "), "/dev/null");
    assert_eq!(line("pwd: "), "/usr");
    let (session, pid) = line("session: ").split_once(' ').unwrap();
    assert_eq!(session, pid);
}

/// Whether this test itself was given a descriptor that it hands on to whatever it starts.
fn inheritable(fd: u32) -> bool {
    const CLOEXEC: u32 = 0o2_000_000;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.is_some_and(|flags| u32::from_str_radix(flags.trim(), 8).unwrap() & CLOEXEC == 0)
}

#[tokio::test]
async fn a_stop_lets_the_program_end_in_its_own_way() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let run = node
        .start(node.script(
            "trap 'echo bye; exit 7' TERM; echo $$ > $D/ready; while :; do sleep 0.01; done",
        ))
        .await;
    node.pid_in("ready").await;
    assert_eq!(run.status().await.unwrap().phase, Phase::Running);
    run.stop(run.spec().stop).await.unwrap();
    let exit = end(&run).await;
    assert_eq!(exit.outcome, Outcome::Exited { code: 7 });
    assert_eq!((exit.requested, exit.last_lines), (true, vec!["bye".to_owned()]));
    // Idempotent for what has ended; an error for what makes no sense any more.
    run.stop(run.spec().stop).await.unwrap();
    run.kill().await.unwrap();
    assert!(matches!(run.status().await, Err(SupervisorError::Ended(_))));
}

#[tokio::test]
async fn a_program_that_ignores_the_signal_is_killed_after_the_grace() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let run = node
        .start(node.script("trap '' TERM; echo $$ > $D/ready; sleep $LIFETIME; sleep $LIFETIME"))
        .await;
    node.pid_in("ready").await;
    run.stop(StopSpec { signal: Signal::TERM, grace_ms: 100 }).await.unwrap();
    let exit = end(&run).await;
    assert_eq!((exit.outcome, exit.requested), (killed(), true));
}

#[tokio::test]
async fn a_shutdown_of_the_machine_lets_the_program_end_in_its_own_way() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let run = node
        .start(node.script("trap 'exit 8' TERM; echo $$ > $D/ready; while :; do sleep 0.01; done"))
        .await;
    node.pid_in("ready").await;
    send(run.started().unwrap().supervisor_pid, rustix::process::Signal::TERM);
    assert_eq!(end(&run).await.outcome, Outcome::Exited { code: 8 });
}

#[tokio::test]
async fn a_suspended_program_notices_a_stop() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let run = node
        .start(node.script("trap 'exit 6' TERM; echo $$ > $D/ready; while :; do sleep 0.01; done"))
        .await;
    let pid = node.pid_in("ready").await;
    send(pid, rustix::process::Signal::STOP);
    run.stop(run.spec().stop).await.unwrap();
    assert_eq!(end(&run).await.outcome, Outcome::Exited { code: 6 });
}

/// A daemon as they used to be: it leaves its parent and its session, and keeps the output open.
const DAEMON: &str =
    "setsid sh -c 'sh -c \"echo \\$\\$ > $D/daemon; exec sleep $LIFETIME\" & exit' ;";

#[tokio::test]
async fn what_the_program_leaves_behind_dies_with_it() {
    let _machine = MACHINE.read().await;
    for node in [Node::new(), Node::without_cgroups()] {
        let wait = "until [ -s $D/daemon ]; do sleep 0.01; done; exit 3";
        let exit = node.run(node.script(&format!("{DAEMON} {wait}"))).await;
        assert_eq!(exit.outcome, Outcome::Exited { code: 3 });
        assert!(!runs(node.pid_in("daemon").await));
    }
}

#[tokio::test]
async fn a_kill_reaches_everything() {
    let _machine = MACHINE.read().await;
    for node in [Node::new(), Node::without_cgroups()] {
        let run = node.start(node.script(&format!("{DAEMON} sleep $LIFETIME"))).await;
        let daemon = node.pid_in("daemon").await;
        run.kill().await.unwrap();
        assert_eq!(end(&run).await.outcome, killed());
        assert!(!runs(daemon));
    }
}

#[tokio::test]
async fn a_run_is_found_again_with_the_same_pid() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let first = node.start(node.script("echo started; echo $$ > $D/ready; sleep $LIFETIME"));
    let started = first.await.started().unwrap();
    assert_eq!(started.pid, node.pid_in("ready").await);

    let found = Supervisor::scan(&node.runs()).await.unwrap();
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    let [run] = &found.runs[..] else { panic!("{} runs", found.runs.len()) };
    assert_eq!(run.started().as_ref(), Some(&started));
    assert!(run.is_alive().unwrap() && runs(started.pid));
    assert!(matches!(run.clone().remove().await, Err(SupervisorError::Alive(_))));
    kill(started.pid);
    until(|| (!run.is_alive().unwrap()).then_some(())).await;

    // It ended while nobody looked; a third agent finds out how.
    let run = Supervisor::scan(&node.runs()).await.unwrap().runs.remove(0);
    let exit = run.exit().unwrap().unwrap();
    assert_eq!((exit.outcome, exit.pid), (killed(), Some(started.pid)));
    assert_eq!(exit.last_lines[0], "started");
    run.remove().await.unwrap();
    assert!(Supervisor::scan(&node.runs()).await.unwrap().runs.is_empty());
    assert!(node.file("log/current.log").exists());
}

#[tokio::test]
async fn a_lost_supervisor_takes_everything_with_it_and_is_reported() {
    let _machine = MACHINE.read().await;
    for node in [Node::new(), Node::without_cgroups()] {
        let run = node.start(node.script(&format!("echo here; {DAEMON} sleep $LIFETIME"))).await;
        let daemon = node.pid_in("daemon").await;
        let started = run.started().unwrap();
        let log = node.file("log/current.log");
        until(|| fs::read_to_string(&log).ok()?.contains("here").then_some(())).await;
        kill(started.supervisor_pid);
        until(|| (!runs(started.pid)).then_some(())).await;
        let found = until_open(&run).await;
        let exit = found.exit().unwrap().unwrap();
        assert_eq!((exit.outcome, exit.pid), (Outcome::SupervisorLost, Some(started.pid)));
        assert_eq!(exit.last_lines, ["here"]);
        assert!(!runs(daemon));
        found.remove().await.unwrap();
    }
}

/// The lock is free a moment after the supervisor is dead.
async fn until_open(run: &RunHandle) -> RunHandle {
    until(|| (!run.is_alive().unwrap()).then_some(())).await;
    RunHandle::open(run.dir()).await.unwrap()
}

#[tokio::test]
async fn who_waits_hears_of_a_lost_supervisor() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let run = node.start(node.script("sleep $LIFETIME")).await;
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { end(&run).await }
    });
    kill(run.started().unwrap().supervisor_pid);
    assert_eq!(waiting.await.unwrap().outcome, Outcome::SupervisorLost);
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_kills() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let mut spec = node.script(&format!("trap '' TERM; {DAEMON} sleep $LIFETIME"));
    spec.lease = Some(Lease::from_now(60_000));
    let run = node.start(spec).await;
    let daemon = node.pid_in("daemon").await;
    // A grant from the past is no longer than what is left of it, and does not take away what is
    // granted already.
    run.renew(Lease { lease_ms: 1, granted_at: BootInstant::from_ms(0) }).await.unwrap();
    let left = run.status().await.unwrap().lease_left_ms.unwrap();
    assert!((1..=60_000).contains(&left), "{left}");

    let mut spec = node.script("sleep $LIFETIME");
    (spec.run_id, spec.lease) = ("run-2".into(), Some(Lease::from_now(700)));
    let short = node.start(spec).await;
    let exit = end(&short).await;
    assert_eq!((exit.outcome, exit.requested), (Outcome::LeaseExpired, false));
    assert!(runs(daemon));
    run.kill().await.unwrap();
    end(&run).await;
}

#[tokio::test]
async fn a_renewed_lease_lasts() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let mut spec = node.script("sleep $LIFETIME");
    let first = Lease::from_now(1_500);
    spec.lease = Some(first);
    let run = node.start(spec).await;
    let second = Lease::from_now(3_000);
    run.renew(second).await.unwrap();
    let exit = end(&run).await;
    assert_eq!(exit.outcome, Outcome::LeaseExpired);
    assert!(BootInstant::now() >= second.until());
}

#[tokio::test]
async fn nothing_is_started_under_a_lapsed_lease_or_after_its_window() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let mut late = node.script("echo ran > $D/ran");
    late.lease = Some(Lease { lease_ms: 10, granted_at: BootInstant::from_ms(0) });
    let exit = node.run(late.clone()).await;
    assert_eq!((exit.outcome, exit.started_at), (Outcome::LeaseExpired, None));

    late.run_id = "run-2".into();
    (late.lease, late.not_after) = (None, Some(Timestamp::UNIX_EPOCH));
    let exit = node.run(late).await;
    assert!(matches!(exit.outcome, Outcome::StartFailed { .. }), "{:?}", exit.outcome);
    assert_eq!(exit.reason, Some(ExitReason::NotAfter));
    assert!(!node.file("ran").exists());
}

#[tokio::test]
async fn the_end_of_the_window_stops_gracefully_without_any_agent() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let mut spec =
        node.script("trap 'exit 9' TERM; echo $$ > $D/ready; while :; do sleep 0.01; done");
    spec.not_after = Some(Timestamp::now() + Duration::from_secs(3600));
    let run = node.start(spec).await;
    node.pid_in("ready").await;
    run.set_not_after(Some(Timestamp::now() + Duration::from_millis(100))).await.unwrap();
    let exit = end(&run).await;
    assert_eq!(exit.outcome, Outcome::Exited { code: 9 });
    assert_eq!((exit.reason, exit.requested), (Some(ExitReason::NotAfter), false));
}

#[tokio::test]
async fn too_much_memory_is_recognised() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    if !node.cgroup.support().limits_memory {
        eprintln!("not run: this machine does not let us limit memory through control groups");
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "with CI=true nothing may be skipped"
        );
        return;
    }
    // The shell keeps everything in one variable.
    let hog = "x=$(head -c 1000000 /dev/zero | tr '\\0' x); while :; do x=$x$x; done";
    let mut spec = node.script(hog);
    spec.resources.memory_bytes = Some(64 * 1024 * 1024);
    let exit = node.run(spec).await;
    assert_eq!((exit.outcome, exit.reason), (killed(), Some(ExitReason::Oom)));
}

#[tokio::test]
async fn a_state_folder_may_lie_deep() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let deep = node.file(&"d".repeat(200)).join("e".repeat(200));
    let spec = node.script("sleep $LIFETIME");
    let run = Supervisor::start(&deep, Path::new(EXE), spec).await.unwrap();
    assert_eq!(run.status().await.unwrap().pid, Some(run.started().unwrap().pid));
    run.kill().await.unwrap();
    end(&run).await;
}

#[tokio::test]
async fn secrets_stay_in_the_folder_of_the_run() {
    use std::os::unix::fs::PermissionsExt;
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let mut spec = node.script("sleep $LIFETIME");
    let RunKind::Process(process) = &mut spec.kind else { panic!("not a process") };
    process.env.insert("TOKEN".into(), "hunter2".into());
    let run = node.start(spec.clone()).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(run.dir()), mode(&run.dir().join("spec.json"))), (0o700, 0o600));
    let again = Supervisor::start(&node.runs(), Path::new(EXE), spec).await.unwrap_err();
    assert!(matches!(again, SupervisorError::Exists(_)), "{again}");
    assert!(!format!("{run:?} {again:?}").contains("hunter2"));
    let supervisor = run.started().unwrap().supervisor_pid;
    for file in ["environ", "cmdline"] {
        let bytes = fs::read(format!("/proc/{supervisor}/{file}")).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"));
    }
    run.kill().await.unwrap();
    end(&run).await;
}

#[tokio::test]
async fn run_ids_that_are_no_folder_names_are_refused() {
    let node = Node::new();
    for run_id in ["", "..", "a/b", ".hidden", "ä", &"x".repeat(129)] {
        let spec = RunSpec { run_id: run_id.to_owned(), ..node.script("true") };
        let error = Supervisor::start(&node.runs(), Path::new(EXE), spec).await.unwrap_err();
        assert!(matches!(error, SupervisorError::InvalidRunId(_)), "{error}");
    }
}

#[tokio::test]
async fn the_log_can_be_followed_while_it_is_written() {
    let _machine = MACHINE.read().await;
    let node = Node::new();
    let mut spec = node.script("seq 1 3000; echo $$ > $D/half; read go < $D/fifo; seq 3001 6000");
    spec.log.limits = LogLimits { max_bytes: 20_000, max_files: 100 };
    rustix::fs::mkfifoat(rustix::fs::CWD, node.file("fifo"), 0o600.into()).unwrap();
    let run = node.start(spec).await;
    let options = ReadOptions { follow: true, ..ReadOptions::default() };
    let mut reader = LogReader::open(&node.file("log"), options).unwrap();
    let mut seen: Vec<String> = Vec::new();
    let follow = async {
        while seen.len() < 6000 {
            seen.extend(reader.next().await.unwrap().unwrap().into_iter().map(|line| line.text));
            if seen.len() == 3000 {
                fs::write(node.file("fifo"), "go\n").unwrap();
            }
        }
    };
    tokio::time::timeout(PATIENCE, follow).await.expect("not all lines were seen");
    assert_eq!(seen, (1..=6000).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(end(&run).await.outcome, Outcome::Exited { code: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_runs_at_once_leave_nothing_behind() {
    let _alone = MACHINE.write().await;
    let node = Node::new();
    let own = std::process::id();
    let count = |path: String| fs::read_dir(path).unwrap().count();
    // The first start opens what the runtime keeps.
    node.run(node.script("true")).await;
    let before = count(format!("/proc/{own}/fd"));

    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let mut spec = node.script(&format!("echo {number}; exit {number}"));
            spec.run_id = format!("run-of-many-{number}");
            let runs = node.runs();
            tokio::spawn(async move {
                let run = Supervisor::start(&runs, Path::new(EXE), spec).await.unwrap();
                let exit = end(&run).await;
                run.remove().await.unwrap();
                (number, exit)
            })
        })
        .collect();
    for task in tasks {
        let (number, exit) = task.await.unwrap();
        assert_eq!(exit.outcome, Outcome::Exited { code: number });
        assert_eq!(exit.last_lines, [number.to_string()]);
    }
    until(|| (children_of(own) == 0).then_some(())).await;
    until(|| (count(format!("/proc/{own}/fd")) <= before).then_some(())).await;
    assert_eq!(count(node.runs().display().to_string()), 1);
}

/// Children, dead or alive.
fn children_of(parent: u32) -> usize {
    let parent = parent.to_string();
    let stats = fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter(|stat| {
            let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            rest.split_whitespace().nth(1) == Some(&parent)
        })
        .count()
}
