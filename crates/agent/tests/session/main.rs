//! A whole agent with real processes, against a control plane in memory.

mod logs;
mod plane;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;
use tempfile::TempDir;
use tessera_agent::{Agent, AgentHandle, AgentOptions, ContainerSocket, StartError};
use tessera_types::Name;
use tessera_types::sync::{CopyState, Report};
use tessera_types::workload::{ExitOutcome, Health};

use plane::{Plane, eventually};

/// Long enough that nothing lapses in a test that does not want it to.
const LONG_LEASE_MS: u64 = 15_000;

/// A state folder, and an end for all that was started from it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn options(&self) -> AgentOptions {
        AgentOptions {
            state_dir: self.0.path().join("state"),
            exe: PathBuf::from(env!("CARGO_BIN_EXE_tessera-agent")),
            ..AgentOptions::new(Name::new("node-a").unwrap(), "http://127.0.0.1:1")
        }
    }

    async fn agent(&self, plane: &Plane) -> AgentHandle {
        Agent::start_with(self.options(), plane.clone()).await.unwrap()
    }

    fn runs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.0.path().join("state/runs")).into_iter().flatten();
        entries.flatten().map(|entry| entry.path()).collect()
    }

    fn saved(&self) -> usize {
        std::fs::read_dir(self.0.path().join("state/progress")).unwrap().count()
    }
}

/// A test that failed leaves nothing behind: a supervisor's end is its workload's.
impl Drop for Home {
    fn drop(&mut self) {
        for run in self.runs() {
            if let Some(pid) = supervisor_of(&run) {
                let _gone = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn supervisor_of(run: &Path) -> Option<Pid> {
    if run.join("exit.json").exists() {
        return None;
    }
    let started = std::fs::read(run.join("started.json")).ok()?;
    let started: serde_json::Value = serde_json::from_slice(&started).ok()?;
    Pid::from_raw(started["supervisor_pid"].as_i64()?.try_into().ok()?)
}

fn pid(report: &Report) -> Pid {
    let pid = report.instance.as_ref().and_then(|instance| instance.pid).expect("it runs");
    Pid::from_raw(pid.try_into().unwrap()).unwrap()
}

fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

/// Whether a process is gone, or dead and only not reaped yet by whoever it fell to.
fn has_ended(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
}

fn sleeper() -> serde_json::Value {
    json!({"command": "/bin/sleep", "args": ["1000"], "restart": {"backoff": {"initial": "50ms"}}})
}

fn script(script: &str) -> serde_json::Value {
    json!({
        "command": "/bin/sh", "args": ["-c", script],
        "restart": {"policy": "on_failure", "backoff": {"initial": "50ms"}},
    })
}

#[tokio::test]
async fn a_workload_is_started_restarted_and_stopped() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, sleeper());
    let first = pid(&plane.until_state(1, CopyState::Running).await);
    assert!(is_alive(first));
    kill_process(first, Signal::KILL).unwrap();
    let again =
        plane.until(1, "a second run", |r| r.state == CopyState::Running && r.restarts == 1).await;
    assert!(!is_alive(first) && is_alive(pid(&again)));
    assert_eq!(again.last_exit.as_ref().unwrap().outcome, ExitOutcome::Signaled { signal: 9 });
    let states: Vec<_> = plane.reports(1).iter().map(|report| report.state.as_str()).collect();
    let expected = ["Provisioning", "Running", "BackingOff", "Provisioning", "Running"];
    assert_eq!(states, expected);
    plane.ask_to_stop(1);
    plane.until_state(1, CopyState::Stopped).await;
    assert!(!is_alive(pid(&again)));
    plane.unassign(1);
    eventually("a clean state folder", || home.runs().is_empty() && home.saved() == 0).await;
    agent.shutdown(false).await;
}

#[tokio::test]
async fn a_new_agent_takes_over_what_the_last_one_left() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, sleeper());
    let mut waiting =
        script("echo ready; while ! test -e go; do sleep 0.02; done; echo done; exit 3");
    waiting["working_dir"] = json!(home.0.path());
    waiting["restart"] = json!("never");
    plane.place(2, waiting);
    let before = pid(&plane.until_state(1, CopyState::Running).await);
    plane.until(2, "the second workload", |r| r.state == CopyState::Running).await;
    agent.shutdown(false).await;
    assert!(is_alive(before), "a workload outlives its agent");

    std::fs::write(home.0.path().join("go"), "").unwrap();
    let ended = || home.runs().iter().any(|run| run.join("exit.json").exists());
    eventually("the end of a run without an agent", ended).await;
    let agent = home.agent(&plane).await;
    let failed = plane.until_state(2, CopyState::Failed).await;
    let exit = failed.last_exit.unwrap();
    assert_eq!(exit.outcome, ExitOutcome::Exited { code: 3 });
    assert_eq!(exit.last_lines, ["ready", "done"]);
    assert!(is_alive(before));
    assert_eq!(pid(&plane.reports(1).pop().unwrap()), before, "the same process as before");
    kill_process(before, Signal::KILL).unwrap();
    plane
        .until(1, "a restart by the new agent", |r| {
            r.state == CopyState::Running && r.restarts == 1
        })
        .await;
    agent.shutdown(true).await;
}

#[tokio::test]
async fn a_node_that_is_cut_off_goes_on_and_tells_later() {
    let (home, plane) = (Home::new(), Plane::new(600));
    let agent = home.agent(&plane).await;
    plane.place(1, sleeper());
    let first = pid(&plane.until_state(1, CopyState::Running).await);
    plane.set_down(true);
    kill_process(first, Signal::KILL).unwrap();
    let restarted = || {
        let second = |run: &PathBuf| run.to_string_lossy().ends_with(".0000000000000001-1-2");
        home.runs().iter().any(|run| second(run) && run.join("started.json").exists())
    };
    eventually("a restart without the control plane", restarted).await;
    assert_eq!(plane.reports(1).len(), 2);
    plane.set_down(false);
    let back = plane
        .until(1, "the second run", |r| r.state == CopyState::Running && r.restarts == 1)
        .await;
    assert!(is_alive(pid(&back)));
    let seqs: Vec<_> = plane.reports(1).iter().map(|report| report.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    agent.shutdown(true).await;
}

/// A heartbeat says that all is told only when each report was acknowledged.
#[tokio::test]
async fn what_is_not_told_yet_is_not_claimed_to_be() {
    let (home, plane) = (Home::new(), Plane::new(300));
    let options = AgentOptions { simulated: true, ..home.options() };
    let agent = Agent::start_with(options, plane.clone()).await.unwrap();
    let told = |from: usize| plane.syncs().iter().skip(from).any(Option::is_some);
    eventually("a heartbeat that has nothing to tell", || told(0)).await;
    assert_eq!(plane.syncs()[0], None, "nothing was answered before it");
    plane.set_deaf(true);
    plane.place(1, sleeper());
    let before = plane.syncs().len();
    // The first two may have been under way.
    eventually("some heartbeats", || plane.syncs().len() > before + 6).await;
    assert!(!told(before + 2), "{:?}", plane.syncs());
    plane.set_deaf(false);
    plane.until_state(1, CopyState::Running).await;
    let heard = plane.syncs().len();
    eventually("a heartbeat that has told all", || told(heard)).await;
    agent.shutdown(false).await;
}

/// A proxy in between, say, takes less than the control plane does.
#[tokio::test]
async fn what_is_too_much_for_one_call_is_told_in_several() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, script("echo a long farewell; test -e go"));
    plane.place(2, script("echo a long farewell; test -e go"));
    plane.until(1, "it fails", |it| it.restarts >= 1).await;
    plane.set_down(true);
    let runs = || {
        let attempt = |run: &PathBuf| run.to_string_lossy().rsplit('-').next()?.parse::<u32>().ok();
        home.runs().iter().filter_map(attempt).max().unwrap_or_default()
    };
    let before = runs();
    eventually("some more runs", || runs() >= before + 4).await;
    plane.limit_bodies(800);
    plane.set_down(false);
    for id in [1, 2] {
        let told = plane.until(id, "all is told", |it| it.restarts >= before + 3).await;
        assert_eq!(told.epoch.0, 1);
    }
    agent.shutdown(true).await;
}

/// As on a disk that is full for a while, and an agent that dies meanwhile.
#[tokio::test]
async fn what_could_not_be_written_down_runs_once_all_the_same() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    let (done, go) = (home.0.path().join("done"), home.0.path().join("go"));
    let in_the_way = home.0.path().join("state/progress/0000000000000001-1.tmp");
    std::fs::create_dir(&in_the_way).unwrap();
    let (done_at, go_at) = (done.display(), go.display());
    let mut once =
        script(&format!("echo done >> {done_at}; until [ -e {go_at} ]; do sleep 0.01; done"));
    once["restart"] = json!({"policy": "never", "backoff": {"initial": "50ms"}});
    plane.place(1, once);
    let refused = plane.until_state(1, CopyState::BackingOff).await;
    let outcome = &refused.last_exit.as_ref().unwrap().outcome;
    assert!(matches!(outcome, ExitOutcome::StartFailed { .. }), "{outcome:?}");
    std::fs::remove_dir(&in_the_way).unwrap();
    plane.until_state(1, CopyState::Running).await;
    // Its end is neither written down nor told.
    std::fs::create_dir(&in_the_way).unwrap();
    plane.set_down(true);
    std::fs::write(&go, "").unwrap();
    let ended = || home.runs().iter().any(|run| run.join("exit.json").exists());
    eventually("its end", ended).await;
    let calls = plane.calls();
    eventually("some tries to tell it", || plane.calls() > calls + 6).await;
    agent.shutdown(false).await;
    std::fs::remove_dir(&in_the_way).unwrap();
    plane.set_down(false);
    let agent = home.agent(&plane).await;
    plane.until_state(1, CopyState::Completed).await;
    assert_eq!(std::fs::read_to_string(&done).unwrap(), "done\n");
    eventually("its run is cleaned up", || home.runs().is_empty()).await;
    agent.shutdown(true).await;
}

/// It leaves time for another, so that the node is heard of before its lease lapses.
#[tokio::test]
async fn a_registration_that_gets_lost_does_not_cost_the_lease() {
    const LEASE_MS: u64 = 3000;
    let (home, plane) = (Home::new(), Plane::new(LEASE_MS));
    let options = AgentOptions { simulated: true, ..home.options() };
    let agent = Agent::start_with(options, plane.clone()).await.unwrap();
    eventually("a registration", || plane.registrations() == 1).await;
    plane.forget_and_be_mute();
    eventually("another registration", || plane.registrations() == 2).await;
    let waited = plane.waited().expect("the one before was not answered");
    assert!(waited < Duration::from_millis(LEASE_MS), "{waited:?}");
    agent.shutdown(true).await;
}

#[tokio::test]
async fn a_copy_that_must_be_alone_ends_with_the_lease() {
    const LEASE_MS: u64 = 3000;
    let (home, plane) = (Home::new(), Plane::new(LEASE_MS));
    let agent = home.agent(&plane).await;
    let mut alone = sleeper();
    alone["on_disconnect"] = json!("stop");
    plane.place(1, alone);
    let first = pid(&plane.until_state(1, CopyState::Running).await);
    let lease = Duration::from_millis(LEASE_MS);
    let began = std::time::Instant::now();
    eventually("the time of a whole lease", || began.elapsed() > lease).await;
    assert!(is_alive(first));
    plane.set_down(true);
    eventually("its end", || !is_alive(first)).await;
    eventually("the record of its end", || home.runs().is_empty()).await;
    plane.set_down(false);
    let back =
        plane.until(1, "another run", |r| r.state == CopyState::Running && r.restarts == 1).await;
    assert_eq!(back.last_exit.unwrap().outcome, ExitOutcome::Disconnected);
    agent.shutdown(true).await;
}

#[tokio::test]
async fn stopping_everything_leaves_it_to_the_next_agent() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, sleeper());
    plane.place(2, sleeper());
    let pids = [
        pid(&plane.until_state(1, CopyState::Running).await),
        pid(&plane.until_state(2, CopyState::Running).await),
    ];
    agent.shutdown(true).await;
    assert!(pids.into_iter().all(|pid| !is_alive(pid)));
    assert!(plane.was_left());
    let last = plane.until_state(1, CopyState::BackingOff).await;
    assert!(last.reason.contains("together with its agent"), "{}", last.reason);
    let agent = home.agent(&plane).await;
    plane.until_state(1, CopyState::Running).await;
    plane.until_state(2, CopyState::Running).await;
    agent.shutdown(true).await;
}

#[tokio::test]
async fn an_agent_that_is_not_known_registers_again() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, sleeper());
    let first = plane.until_state(1, CopyState::Running).await;
    plane.forget_session();
    eventually("another registration", || plane.registrations() == 2).await;
    eventually("what it has is known", || plane.unchanged() == 1).await;
    plane.place(2, sleeper());
    plane.until_state(2, CopyState::Running).await;
    assert!(is_alive(pid(&first)));
    let labels = plane.registration().labels;
    assert_eq!(labels.get("node").map(String::as_str), Some("node-a"));
    assert!(plane.registration().capacity.memory.0 > 0);
    agent.shutdown(true).await;
}

#[tokio::test]
async fn a_health_check_decides_when_a_workload_runs() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    let mut checked = sleeper();
    checked["working_dir"] = json!(home.0.path());
    checked["health"] = json!({"exec": ["/usr/bin/test", "-e", "ready"], "interval": "100ms", "start_period": "0s", "retries": 1000});
    plane.place(1, checked);
    let failing = plane.until(1, "a failed check", |r| r.trouble.is_some()).await;
    assert_eq!((failing.state, failing.health), (CopyState::Provisioning, Some(Health::Starting)));
    std::fs::write(home.0.path().join("ready"), "").unwrap();
    let passing = plane.until_state(1, CopyState::Running).await;
    assert_eq!((passing.health, passing.trouble), (Some(Health::Healthy), None));
    agent.shutdown(true).await;
}

#[tokio::test]
async fn what_cannot_be_run_fails_with_a_reason() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, json!({"command": "/bin/nope"}));
    let failed = plane.until_state(1, CopyState::Failed).await;
    assert_eq!(failed.reason, "could not be started: no such file: /bin/nope");
    agent.shutdown(true).await;
}

#[tokio::test]
async fn a_start_that_never_happened_is_tried_a_few_times_under_restart_never() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    // A supervisor that does not come up.
    let options = AgentOptions { exe: "/bin/false".into(), ..home.options() };
    let agent = Agent::start_with(options, plane.clone()).await.unwrap();
    let restart = json!({"policy": "never", "backoff": {"initial": "1ms"}});
    plane.place(1, json!({"command": "/bin/true", "restart": restart}));
    let failed = plane.until_state(1, CopyState::Failed).await;
    assert!(failed.reason.contains("did not come up"), "{}", failed.reason);
    assert!(failed.reason.ends_with("5 in a row, and no more are allowed"), "{}", failed.reason);
    let starts = plane.reports(1).into_iter().filter(|r| r.state == CopyState::Provisioning);
    assert_eq!(starts.count(), 5);
    agent.shutdown(true).await;
}

/// The folder of the only run.
fn only_run(home: &Home) -> PathBuf {
    let runs = home.runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

#[tokio::test]
async fn a_run_whose_folder_cannot_be_read_is_not_started_anew_and_taken_over_later() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, sleeper());
    let before = pid(&plane.until_state(1, CopyState::Running).await);
    let unreadable = only_run(&home);
    plane.place(2, sleeper());
    let other = pid(&plane.until_state(2, CopyState::Running).await);
    agent.shutdown(false).await;

    // What cannot be read at the moment, for root neither.
    let (spec, aside) = (unreadable.join("spec.json"), unreadable.join("aside"));
    std::fs::rename(&spec, &aside).unwrap();
    std::fs::create_dir(&spec).unwrap();
    let agent = home.agent(&plane).await;
    let unknown = plane.until(1, "the trouble", |r| r.trouble.is_some()).await;
    let trouble = unknown.trouble.unwrap();
    assert!(trouble.contains("not known") && trouble.contains("spec.json"), "{trouble}");
    plane.place(2, sleeper());
    plane.until(2, "another epoch", |r| r.epoch.0 == 2 && r.state == CopyState::Running).await;
    assert!(!is_alive(other), "the other run was taken over, and replaced");
    plane.place(1, sleeper());
    plane.until(1, "the wait", |r| r.epoch.0 == 2 && r.reason.contains("earlier placement")).await;
    assert!(is_alive(before));
    assert!(!home.runs().iter().any(|run| run.to_string_lossy().ends_with("0001-2-1")));

    std::fs::remove_dir(&spec).unwrap();
    std::fs::rename(&aside, &spec).unwrap();
    plane.until(1, "the new copy", |r| r.epoch.0 == 2 && r.state == CopyState::Running).await;
    assert!(!is_alive(before));
    agent.shutdown(true).await;
}

#[tokio::test]
async fn a_run_whose_spec_is_lost_is_taken_over_while_it_lives() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, sleeper());
    let before = pid(&plane.until_state(1, CopyState::Running).await);
    agent.shutdown(false).await;
    std::fs::write(only_run(&home).join("spec.json"), "{").unwrap();
    let agent = home.agent(&plane).await;
    kill_process(before, Signal::KILL).unwrap();
    let again =
        plane.until(1, "another run", |r| r.state == CopyState::Running && r.restarts == 1).await;
    assert_eq!(again.last_exit.unwrap().outcome, ExitOutcome::Signaled { signal: 9 });
    plane.ask_to_stop(1);
    plane.until_state(1, CopyState::Stopped).await;
    plane.unassign(1);
    eventually("a clean state folder", || home.runs().is_empty()).await;
    agent.shutdown(true).await;
}

#[tokio::test]
async fn what_a_lost_supervisor_left_is_killed_before_the_next_run_though_every_record_is_broken() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let options = AgentOptions { container_socket: ContainerSocket::None, ..home.options() };
    let agent = Agent::start_with(options.clone(), plane.clone()).await.unwrap();
    let mut parent = script("setsid sleep 1000 & echo $! > helper; wait");
    parent["working_dir"] = json!(home.0.path());
    plane.place(1, parent);
    plane.until_state(1, CopyState::Running).await;
    let helper = home.0.path().join("helper");
    let read = || Pid::from_raw(std::fs::read_to_string(&helper).ok()?.trim().parse().ok()?);
    eventually("the helper", || read().is_some()).await;
    let helper = read().unwrap();
    agent.shutdown(false).await;
    let run = only_run(&home);
    kill_process(supervisor_of(&run).unwrap(), Signal::KILL).unwrap();
    assert!(is_alive(helper));
    for record in ["spec.json", "started.json", "exit.json"] {
        std::fs::write(run.join(record), "").unwrap();
    }
    let agent = Agent::start_with(options, plane.clone()).await.unwrap();
    let again =
        plane.until(1, "another run", |r| r.state == CopyState::Running && r.restarts == 1).await;
    assert!(has_ended(helper));
    assert_eq!(again.last_exit.unwrap().outcome, ExitOutcome::SupervisorLost);
    agent.shutdown(true).await;
}

#[tokio::test]
async fn a_run_that_cannot_be_cleaned_up_is_tried_again() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, sleeper());
    plane.until_state(1, CopyState::Running).await;
    let run = only_run(&home);
    // A file where the folder is to be moved to before it is removed.
    let name = run.file_name().unwrap().to_string_lossy().into_owned();
    let obstacle = run.with_file_name(format!(".gone-{name}"));
    std::fs::write(&obstacle, "").unwrap();
    plane.ask_to_stop(1);
    plane.until_state(1, CopyState::Stopped).await;
    plane.unassign(1);
    eventually("that it is forgotten", || home.saved() == 0).await;
    assert!(run.exists());
    std::fs::remove_file(&obstacle).unwrap();
    eventually("a clean state folder", || home.runs().is_empty()).await;
    agent.shutdown(true).await;
}

/// The control groups of this machine that are the parents of an agent's runs.
fn parent_groups(name: &str) -> Vec<PathBuf> {
    let folders = |dir: &Path| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let root = PathBuf::from("/sys/fs/cgroup");
    let bases = folders(&root).into_iter().chain([root]);
    let parents = bases.flat_map(|base| folders(&base.join("tessera")));
    parents.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(name)).collect()
}

#[tokio::test]
async fn the_groups_above_the_runs_go_with_the_last_of_them() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let name = format!("groups-{}", std::process::id());
    let options = AgentOptions { name: Name::new(&name).unwrap(), ..home.options() };
    let agent = Agent::start_with(options.clone(), plane.clone()).await.unwrap();
    plane.place(1, sleeper());
    plane.until_state(1, CopyState::Running).await;
    let there = parent_groups(&name);
    agent.shutdown(false).await;
    assert_eq!(parent_groups(&name).is_empty(), there.is_empty(), "a run is still there");
    let agent = Agent::start_with(options, plane.clone()).await.unwrap();
    agent.shutdown(true).await;
    assert!(home.runs().is_empty());
    assert_eq!(parent_groups(&name), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_agent_whose_place_is_taken_ends_and_stops_nothing() {
    const LEASE_MS: u64 = 3000;
    let (home, plane) = (Home::new(), Plane::new(LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, sleeper());
    let mut alone = sleeper();
    alone["on_disconnect"] = json!("stop");
    plane.place(2, alone);
    let keep = pid(&plane.until_state(1, CopyState::Running).await);
    let stop = pid(&plane.until_state(2, CopyState::Running).await);
    plane.supersede();
    tokio::time::timeout(Duration::from_secs(20), agent.superseded()).await.expect("it ends");
    let calls = plane.calls();
    assert!(is_alive(keep) && is_alive(stop));
    eventually("the end of the lease", || has_ended(stop)).await;
    assert!(is_alive(keep), "what is to be kept goes on");
    assert_eq!(plane.calls(), calls, "nothing is tried any more");
    agent.shutdown(false).await;
    for run in home.runs() {
        if let Some(supervisor) = supervisor_of(&run) {
            kill_process(supervisor, Signal::KILL).unwrap();
        }
    }
    eventually("the end of the other", || has_ended(keep)).await;
}

#[tokio::test]
async fn a_state_folder_is_for_one_agent() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    let second = Agent::start_with(home.options(), plane.clone()).await;
    assert!(matches!(second, Err(StartError::InUse { .. })));
    agent.shutdown(false).await;
    home.agent(&plane).await.shutdown(false).await;
}

#[tokio::test]
async fn a_simulated_node_behaves_like_one() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let options = AgentOptions { simulated: true, ..home.options() };
    let agent = Agent::start_with(options, plane.clone()).await.unwrap();
    plane.place(1, sleeper());
    plane.place(
        2,
        json!({
            "command": "/bin/sleep", "restart": {"attempts_max": 3, "backoff": {"initial": "10ms"}},
            "env": {"TESSERA_SIM_EXIT_AFTER": "10ms", "TESSERA_SIM_EXIT_CODE": "7"},
        }),
    );
    plane.until_state(1, CopyState::Running).await;
    let looped = plane.until_state(2, CopyState::Failed).await;
    assert_eq!(looped.reason, "exited with code 7; 3 in a row, and no more are allowed");
    plane.ask_to_stop(1);
    plane.until_state(1, CopyState::Stopped).await;
    assert!(home.runs().is_empty());
    agent.shutdown(false).await;
    assert!(plane.was_left(), "what is simulated ends with its agent");
}
