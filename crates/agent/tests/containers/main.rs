//! Containers with a real podman: a supervisor's side of it, and an agent's.

#[path = "../session/plane.rs"]
#[expect(dead_code, reason = "the tests of the session use all of it")]
mod plane;
mod runs;
mod workloads;

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The agent's binary, which is the supervisors' too.
const EXE: &str = env!("CARGO_BIN_EXE_tessera-agent");

/// Adds the fields of one object to another.
fn extend(object: &mut Value, more: Value) {
    let (Value::Object(object), Value::Object(more)) = (object, more) else { panic!("no objects") };
    object.extend(more);
}

/// Whether a process runs; one that is dead and not reaped yet does not.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Kills the supervisors below a folder of runs, and with each of them what it started; a
/// container goes with its podman.
fn kill_supervisors(runs: &Path) {
    for run in fs::read_dir(runs).into_iter().flatten().flatten() {
        let started = fs::read(run.path().join("started.json")).unwrap_or_default();
        let started: Value = serde_json::from_slice(&started).unwrap_or_default();
        let supervisor = started["supervisor_pid"].as_u64().unwrap_or_default();
        let pid = rustix::process::Pid::from_raw(supervisor.try_into().unwrap_or_default());
        if let Some(pid) = pid.filter(|_| !run.path().join("exit.json").exists()) {
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
