//! The telemetry hub: a folder with a sub-folder for each tenant, in which its program keeps what it
//! did.
//!
//! The one idea: a line is there whole or not at all. It is appended by one write under a lock and
//! synced before anything follows from it; what a full disk cut off is taken back, and what a crash
//! cut off is left alone, skipped by readers, with the next line on a line of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use tessera_types::{Name, Timestamp};

use crate::manifest::Manifest;
use crate::telemetry::{Event, History, Line, ServiceHistory, Status, textfile};
use crate::verb::Verb;

/// The file of all runs.
pub const RUNS: &str = "runs.jsonl";
/// The file of all events for OpenLineage.
pub const OPENLINEAGE: &str = "openlineage.jsonl";
/// The folder of text files for node_exporter, unless another is named.
const METRICS: &str = "metrics";
/// The file of all migrations.
pub const MIGRATIONS: &str = "migrations.jsonl";

/// A file of this size is turned over before a line is appended to it.
const BYTES_MAX: u64 = 4 << 20;

/// Held while something is appended.
const LOCK: &str = "lock";
/// Held while migrations are applied.
const MIGRATE_LOCK: &str = "migrate.lock";
/// How long another writer is waited for. Each holds the lock for one write.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often a tenant that runs all the time is looked at before it is taken to be alive.
const LOOKS_MAX: usize = 8;
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// What a tenant has in the hub.
#[derive(Clone, Debug)]
pub struct Hub {
    folder: PathBuf,
    textfiles: PathBuf,
}

/// What could not be done with a file of the hub.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct HubError {
    path: PathBuf,
    source: io::Error,
}

/// Something is held until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

/// Removes what a tenant that is gone has told of its runs for others to read, which would be read for
/// ever: its text files in the hub at `root` and in `textfiles`. Answers whether there was any. Its own
/// records stay.
///
/// # Errors
/// If one could not be removed.
pub fn forget_metrics(
    root: &Path,
    textfiles: Option<&Path>,
    tenant: &Name,
) -> Result<bool, HubError> {
    let own = root.join(METRICS);
    let mut was_there = false;
    for folder in [Some(own.as_path()), textfiles].into_iter().flatten() {
        let path = textfile_of(folder, tenant);
        match fs::remove_file(&path) {
            Ok(()) => was_there = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(HubError { path, source }),
        }
    }
    Ok(was_there)
}

fn textfile_of(folder: &Path, tenant: &Name) -> PathBuf {
    folder.join(format!("tessera_tenant_{tenant}.prom"))
}

impl Hub {
    /// The tenant's part of the hub at `root`, with its text file in `textfiles` or else in the
    /// hub's `metrics`. Nothing is touched yet.
    pub fn new(root: &Path, textfiles: Option<&Path>, tenant: &Name) -> Self {
        Self {
            folder: root.join(tenant.as_str()),
            textfiles: textfiles.map_or_else(|| root.join(METRICS), Path::to_owned),
        }
    }

    /// What is known of the tenant's runs.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn history(&self) -> Result<History, HubError> {
        let mut history = History::default();
        self.lines(RUNS, |line| history.take(line))?;
        Ok(history)
    }

    /// What is known of one service's runs, and whether the one that has not ended is alive.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn look(&self, service: Option<&str>) -> Result<(ServiceHistory, bool), HubError> {
        let mut seen = self.history()?.of(service);
        // Runs begin and end between two looks. A run is marked before its first line and until
        // after its last, so one that has no mark and still no end a look later will have none.
        for _ in 0..LOOKS_MAX {
            if seen.open.is_none() || self.is_running(service) {
                return Ok((seen, true));
            }
            let again = self.history()?.of(service);
            if again.open == seen.open {
                return Ok((again, false));
            }
            seen = again;
        }
        Ok((seen, true))
    }

    /// How the tenant is at `now`, by what its primary service did.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn status(&self, manifest: &Manifest, now: Timestamp) -> Result<Status, HubError> {
        let (history, is_running) = self.look(None)?;
        Ok(Status::of(manifest, &history, is_running, now))
    }

    /// The exit code of the run that systemd calls by this invocation, if its end is recorded.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn exit_code(&self, invocation_id: &str) -> Result<Option<u8>, HubError> {
        let mut found = None;
        self.lines(RUNS, |line| {
            let Ok(Line { identity, event }) = serde_json::from_str::<Line>(line) else { return };
            let is_this = identity.invocation_id.as_deref() == Some(invocation_id);
            if let Event::Ended { exit_code, .. } = event
                && is_this
                && identity.verb == Verb::Run
            {
                found = Some(exit_code);
            }
        })?;
        Ok(found)
    }

    /// Gives each line of a file to `take`, the torn ones too. What is not there or is no file (a
    /// device may never end) has none.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn lines(&self, name: &str, mut take: impl FnMut(&str)) -> Result<(), HubError> {
        let path = self.folder.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(HubError { path, source }),
        };
        let wrong = |source| HubError { path: path.clone(), source };
        if !file.metadata().map_err(wrong)?.is_file() {
            return Ok(());
        }
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(wrong)?;
            take(&String::from_utf8_lossy(&line));
        }
        Ok(())
    }

    /// Appends a line to a file, durably.
    ///
    /// # Errors
    /// If it could not be written; the file is then as it was, as far as that can be had.
    pub fn append(&self, name: &str, line: &str) -> Result<(), HubError> {
        let _held = self.lock(LOCK, FlockOperation::NonBlockingLockExclusive, LOCK_WAIT)?;
        let path = self.folder.join(name);
        if name != MIGRATIONS && path.metadata().is_ok_and(|file| file.len() >= BYTES_MAX) {
            // Where it cannot be done the file grows on, and the next line tries again.
            let _ = self.turn_over(name);
        }
        append(&path, line).map_err(|source| HubError { path, source })
    }

    /// Puts a file aside as `….1.jsonl`, in place of the one before, and begins it anew with the
    /// lines on which what is known of the runs rests. It is there at any time.
    fn turn_over(&self, name: &str) -> Result<(), HubError> {
        let path = self.folder.join(name);
        let mut kept = String::new();
        if name == RUNS {
            let history = self.history()?;
            self.lines(name, |line| {
                if history.rests_on(line) {
                    kept += line;
                    kept.push('\n');
                }
            })?;
        }
        let turned = set_aside(&path).and_then(|()| replace(&path, &kept));
        let synced = turned.and_then(|()| sync_folders(&path));
        synced.map_err(|source| HubError { path, source })
    }

    /// Writes the text file anew from what is known of the runs.
    ///
    /// # Errors
    /// If it could not be written; the last one is then still there.
    pub fn refresh_textfile(&self, manifest: &Manifest) -> Result<(), HubError> {
        // Under the lock, so that of two writers the later one has seen what the other did.
        let _held = self.lock(LOCK, FlockOperation::NonBlockingLockExclusive, LOCK_WAIT)?;
        let text = textfile(manifest, &self.history()?);
        let path = textfile_of(&self.textfiles, &manifest.name);
        replace(&path, &text).map_err(|source| HubError { path, source })
    }

    /// Marks a service as running.
    ///
    /// # Errors
    /// If the mark cannot be set.
    pub fn hold_run(&self, service: Option<&str>) -> Result<Held, HubError> {
        self.lock(&run_lock(service), FlockOperation::NonBlockingLockShared, LOCK_WAIT)
    }

    /// Whether a run of a service is alive. One that died has given its mark back.
    pub fn is_running(&self, service: Option<&str>) -> bool {
        let Ok(file) = File::open(self.folder.join(run_lock(service))) else { return false };
        flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
    }

    /// Keeps others from migrating; nothing if somebody does.
    ///
    /// # Errors
    /// If the lock cannot be taken for another reason.
    pub fn hold_migrations(&self) -> Result<Option<Held>, HubError> {
        let operation = FlockOperation::NonBlockingLockExclusive;
        match self.lock(MIGRATE_LOCK, operation, Duration::ZERO) {
            Ok(held) => Ok(Some(held)),
            Err(error) if error.source.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lock(
        &self,
        name: &str,
        operation: FlockOperation,
        patience: Duration,
    ) -> Result<Held, HubError> {
        let path = self.folder.join(name);
        let locked = fs::create_dir_all(&self.folder).and_then(|()| {
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            wait_for(&file, operation, patience)?;
            Ok(Held(file))
        });
        locked.map_err(|source| HubError { path, source })
    }
}

fn run_lock(service: Option<&str>) -> String {
    service.map_or_else(|| "run.lock".to_owned(), |suffix| format!("run-{suffix}.lock"))
}

/// Takes a lock, with patience: a process that is frozen may hold one for ever.
fn wait_for(file: &File, operation: FlockOperation, patience: Duration) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match flock(file, operation) {
            Err(rustix::io::Errno::WOULDBLOCK) if began.elapsed() < patience => {
                thread::sleep(LOCK_RETRY);
            }
            Err(rustix::io::Errno::INTR) => {}
            done => return done.map_err(io::Error::from),
        }
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    let break_line = if is_torn(&file, length)? { "\n" } else { "" };
    let text = format!("{break_line}{line}\n");
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
    if written.is_err() {
        // Half a line says nothing, and what the disk would not take it cannot be asked to keep.
        let _ = file.set_len(length);
    }
    written?;
    if length == 0 { sync_folders(path) } else { Ok(()) }
}

/// Whether a crash cut off the last line.
fn is_torn(file: &File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

/// Makes a new file's name durable, and that of its folder.
fn sync_folders(path: &Path) -> io::Result<()> {
    for folder in path.ancestors().skip(1).take(2).filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Gives a file `name.jsonl` the name `name.1.jsonl` as well.
fn set_aside(path: &Path) -> io::Result<()> {
    let aside = path.with_extension("1.jsonl");
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::hard_link(path, aside),
    }
}

/// Puts a file in another's place, at once for readers. The file beside it has a name that
/// node_exporter does not read.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_added_extension("tmp");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
    let replaced = written.and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hub(root: &Path) -> Hub {
        Hub::new(root, None, &Name::new("circ-trans").unwrap())
    }

    fn lines(hub: &Hub) -> Vec<String> {
        let mut lines = Vec::new();
        hub.lines(RUNS, |line| lines.push(line.to_owned())).unwrap();
        lines
    }

    #[test]
    fn the_exit_code_of_a_run_is_found_by_its_invocation() {
        let root = tempfile::tempdir().unwrap();
        let hub = hub(root.path());
        assert_eq!(hub.exit_code("0f3c").unwrap(), None);
        let end = |verb: &str, invocation: &str, code: u8| {
            format!(
                "{{\"run_id\":\"a\",\"tenant\":\"circ-trans\",\"service\":null,\"verb\":\"{verb}\",\
                 \"version\":\"1.0.0\",\"invocation_id\":\"{invocation}\",\"event\":\"ended\",\
                 \"at\":\"2026-05-01T08:35:02Z\",\"outcome\":\"failure\",\"exit_code\":{code},\
                 \"rows\":null,\"duration_ms\":1}}"
            )
        };
        let run = end("run", "0f3c", 7);
        for line in [&run, &end("run", "0f3d", 8), &end("dry-run", "0f3c", 9), &run[..50]] {
            hub.append(RUNS, line).unwrap();
        }
        assert_eq!(hub.exit_code("0f3c").unwrap(), Some(7));
        assert_eq!(hub.exit_code("0f3e").unwrap(), None);
    }

    #[test]
    fn two_writers_leave_every_line_whole() {
        let root = tempfile::tempdir().unwrap();
        let line = |writer: usize, n: usize| format!("{writer}:{n}:{}", "x".repeat(5000));
        thread::scope(|scope| {
            for writer in 0..2 {
                let hub = hub(root.path());
                scope.spawn(move || {
                    (0..20).for_each(|n| hub.append(RUNS, &line(writer, n)).unwrap());
                });
            }
        });
        let mut found = lines(&hub(root.path()));
        found.sort();
        let mut expected: Vec<_> = (0..40).map(|n| line(n / 20, n % 20)).collect();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_run_is_alive_as_long_as_it_is_held() {
        let root = tempfile::tempdir().unwrap();
        let hub = hub(root.path());
        assert!(!hub.is_running(None));
        let held = hub.hold_run(None).unwrap();
        assert!(hub.is_running(None) && !hub.is_running(Some("reconcile")));
        drop(held);
        assert!(!hub.is_running(None));
    }

    #[test]
    fn migrations_are_applied_by_one_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let held = hub(root.path()).hold_migrations().unwrap().unwrap();
        assert!(hub(root.path()).hold_migrations().unwrap().is_none());
        drop(held);
        assert!(hub(root.path()).hold_migrations().unwrap().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn whatever_a_crash_left_the_next_line_is_whole(left in "[a-z\n]{0,20}") {
            let root = tempfile::tempdir().unwrap();
            let hub = hub(root.path());
            fs::create_dir_all(root.path().join("circ-trans")).unwrap();
            fs::write(root.path().join("circ-trans").join(RUNS), &left).unwrap();
            hub.append(RUNS, "next").unwrap();
            let lines = lines(&hub);
            prop_assert_eq!(lines.last().map(String::as_str), Some("next"));
            let kept: Vec<_> = left.lines().collect();
            prop_assert_eq!(&lines[..lines.len() - 1], kept.as_slice());
        }
    }
}
