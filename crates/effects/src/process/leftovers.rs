//! Processes that outlived the program that began them.
//!
//! The one idea: each has its effect's key in its environment, which is where it is found again. A
//! program that goes on where another one died looks once which keys there are, and ends what has
//! one of them before it performs that effect again: two of them would be in each other's way.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{
    Pid, Signal, geteuid, getpgid, getpgrp, getpid, kill_process, kill_process_group,
};

use super::KEY_VARIABLE;

/// How long it is between two looks at what is still there.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one that was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// The keys of what was left behind.
#[derive(Default)]
pub(super) struct Leftovers(Mutex<HashSet<String>>);

impl Leftovers {
    /// Looks which there are; says how many.
    pub(super) fn look(&self) -> usize {
        let keys: HashSet<String> = all().into_iter().map(|(_, key)| key).collect();
        let count = keys.len();
        *self.0.lock() = keys;
        count
    }

    /// Ends what was left behind with this key, with TERM and then KILL, and waits for that.
    pub(super) async fn end(&self, key: &str, grace: Duration) {
        if !self.0.lock().remove(key) {
            return;
        }
        tracing::info!(key, "a process that a crash left behind is ended");
        for (signal, within) in [(Signal::TERM, grace), (Signal::KILL, GONE_WITHIN)] {
            let until = Instant::now() + within;
            let mut told = HashSet::new();
            loop {
                let there = of(key).await;
                if there.is_empty() {
                    return;
                }
                // What it has begun meanwhile is told, too.
                for process in there.into_iter().filter(|it| told.insert(*it)) {
                    tell(process, signal);
                }
                if Instant::now() >= until {
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        tracing::warn!(key, "a process that a crash left behind does not end");
    }
}

/// Signals a process and its group, unless that is this program's own.
fn tell(process: Pid, signal: Signal) {
    // That it is gone already is what is wanted.
    let _gone = match getpgid(Some(process)) {
        Ok(group) if group != getpgrp() => kill_process_group(group, signal),
        _ => kill_process(process, signal),
    };
}

async fn of(key: &str) -> Vec<Pid> {
    let key = key.to_owned();
    let found = tokio::task::spawn_blocking(move || {
        let its = all().into_iter().filter(|(_, its)| *its == key);
        its.map(|(process, _)| process).collect()
    });
    found.await.unwrap_or_default()
}

/// The processes of this user that have a key, but for this one.
fn all() -> Vec<(Pid, String)> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let processes = names.filter_map(|name| Pid::from_raw(name.parse().ok()?));
    let others = processes.filter(|process| *process != getpid());
    others.filter_map(|process| Some((process, key_of(process)?))).collect()
}

/// The key in a process's environment; none where it has none, or is another user's.
fn key_of(process: Pid) -> Option<String> {
    let folder = Path::new("/proc").join(process.as_raw_pid().to_string());
    if std::fs::metadata(&folder).ok()?.uid() != geteuid().as_raw() {
        return None;
    }
    let environment = std::fs::read(folder.join("environ")).ok()?;
    let key = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(KEY_VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    Some(std::str::from_utf8(key).ok()?.to_owned())
}
