//! The folder in which a node keeps what must outlive its agent.
//!
//! ```text
//! lock                       held while an agent uses the folder
//! agent_id                   made once; tells the control plane that it is the same installation
//! starts                     how often an agent was started with it
//! machine                    on which machine that was: a copy elsewhere is not the same installation
//! runs/<run>/                one folder for each run, see `supervisor`
//! progress/<copy>.json       how far each copy is
//! logs/<namespace>/<name>/   what workloads printed
//! tenant-notes/<id>.json     what is remembered of tenants
//! tenants/, folders/         units and manifests of tenants, see `tenants::systemd`
//! ```

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::core::{CopyId, Progress};
use crate::error::StartError;

/// The file that says which installation it is.
const AGENT_ID: &str = "agent_id";
/// The longest identity or fingerprint.
const WORD_BYTES_MAX: u64 = 128;

/// The folder, which no other agent can use meanwhile.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Opens the folder; it is made if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::StateDir { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let lock =
            File::options().create(true).append(true).open(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The installation's identity. `machine` is the fingerprint of this machine, if it has one; a
    /// folder that has none yet gets it.
    ///
    /// # Errors
    /// If the folder belongs to another machine, or cannot be used.
    pub(crate) fn agent_id(&self, machine: Option<&str>) -> Result<String, StartError> {
        self.check_machine(machine)?;
        let path = self.path.join(AGENT_ID);
        let failed = |source| StartError::StateDir { path: path.clone(), source };
        match read_word(&path).map_err(failed)? {
            Some(id) => Ok(id),
            None => self.make_agent_id(&path).map_err(failed),
        }
    }

    fn check_machine(&self, machine: Option<&str>) -> Result<(), StartError> {
        let Some(machine) = machine else { return Ok(()) };
        let path = self.path.join("machine");
        let failed = |source| StartError::StateDir { path: path.clone(), source };
        match read_word(&path).map_err(failed)? {
            Some(recorded) if recorded == machine => Ok(()),
            Some(_) => Err(StartError::OtherMachine { path: self.path.clone() }),
            None => write_durably(&path, format!("{machine}\n").as_bytes()).map_err(failed),
        }
    }

    fn make_agent_id(&self, path: &Path) -> io::Result<String> {
        let id = random_id()?;
        write_durably(path, format!("{id}\n").as_bytes())?;
        Ok(id)
    }

    /// Which start this is, counted from 1 on. It is written before it is told. Where it cannot be, as on a full
    /// disk, the agent starts all the same, with the number that the next start will have, too. 0, which is not
    /// counted, where an installation that was there before does not know of its starts: from 1 on it would seem to
    /// be an earlier one. Called before [`StateDir::agent_id`], which makes the installation.
    pub(crate) fn next_start(&self) -> u64 {
        let path = self.path.join("starts");
        let warn = |error: io::Error| {
            warn!(target: "tessera::agent", path = %path.display(), %error, "cannot count this start; the agent starts all the same");
            None
        };
        let before = read_word(&path).unwrap_or_else(warn).and_then(|word| word.parse().ok());
        let is_new = || !path.exists() && !self.path.join(AGENT_ID).exists();
        let start =
            before.map_or_else(|| u64::from(is_new()), |before: u64| before.saturating_add(1));
        let written = write_durably(&path, format!("{start}\n").as_bytes());
        let _warned = written.map_or_else(warn, |()| None);
        start
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.path.join("runs")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn tenant_notes(&self) -> PathBuf {
        self.path.join("tenant-notes")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// What is known of copies.
    pub(crate) fn progress(&self) -> Result<ProgressStore, StartError> {
        let dir = self.path.join("progress");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(|source| StartError::StateDir { path: dir.clone(), source })?;
        Ok(ProgressStore { dir })
    }
}

/// Reads a file with one word of letters and digits; none if it is not there, or empty.
fn read_word(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file.take(WORD_BYTES_MAX + 2).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let word = text.trim();
    let fits = word.len() as u64 <= WORD_BYTES_MAX;
    if !fits || !word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let what = "it should hold one word of letters and digits, and does not";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok((!word.is_empty()).then(|| word.to_owned()))
}

/// Sixteen random bytes in hexadecimal.
pub(crate) fn random_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file so that it is seen whole or not at all. It is not synced to the disk: a crash of the machine ends
/// the runs that it is about.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_aside(path, bytes)?;
    fs::rename(aside(path), path)
}

/// As [`write_whole`], and it is still there after a crash of the machine: who the agent is must outlast that.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_aside(path, bytes)?.sync_all()?;
    fs::rename(aside(path), path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

fn write_aside(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let options = &mut File::options();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(aside(path))?;
    file.write_all(bytes)?;
    Ok(file)
}

/// One file for each copy.
#[derive(Debug)]
pub(crate) struct ProgressStore {
    dir: PathBuf,
}

impl ProgressStore {
    fn path(&self, copy: CopyId) -> PathBuf {
        self.dir.join(format!("{copy}.json"))
    }

    pub(crate) fn save(&self, progress: &Progress) -> io::Result<()> {
        write_whole(&self.path(progress.copy), &serde_json::to_vec(progress)?)
    }

    pub(crate) fn forget(&self, copy: CopyId) -> io::Result<()> {
        match fs::remove_file(self.path(copy)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Everything that was saved. A file that cannot be read is left out: its copy is started anew if it is still
    /// assigned, and its run is stopped.
    pub(crate) fn load(&self) -> Result<Vec<Progress>, StartError> {
        let failed = |source| StartError::StateDir { path: self.dir.clone(), source };
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)) {
                Ok(progress) => all.push(progress),
                // The message of the parser could repeat a secret.
                Err(_) => {
                    warn!(target: "tessera::agent", file = %path.display(), "cannot be read, and is left out");
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use tessera_types::sync::CopyState;
    use tessera_types::{Epoch, Name, Uid};

    use super::*;

    #[test]
    fn only_one_agent_uses_a_folder_and_the_next_is_the_same_installation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = StateDir::open(&path).unwrap();
        let id = first.agent_id(None).unwrap();
        assert_eq!(id.len(), 32);
        assert!(matches!(StateDir::open(&path), Err(StartError::InUse { .. })));
        drop(first);
        assert_eq!(StateDir::open(&path).unwrap().agent_id(None).unwrap(), id);
    }

    #[test]
    fn starts_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        for start in 1..4 {
            assert_eq!(StateDir::open(dir.path()).unwrap().next_start(), start);
        }
        // As on a full disk: it cannot be written.
        let in_the_way = dir.path().join("starts.tmp");
        fs::create_dir(&in_the_way).unwrap();
        for _ in 0..2 {
            assert_eq!(StateDir::open(dir.path()).unwrap().next_start(), 4);
        }
        fs::remove_dir(&in_the_way).unwrap();
        let starts = dir.path().join("starts");
        fs::write(&starts, "many").unwrap();
        assert_eq!(StateDir::open(dir.path()).unwrap().next_start(), 0, "it is not known");
        assert_eq!(StateDir::open(dir.path()).unwrap().next_start(), 1);
        StateDir::open(dir.path()).unwrap().agent_id(None).unwrap();
        fs::remove_file(&starts).unwrap();
        assert_eq!(StateDir::open(dir.path()).unwrap().next_start(), 0, "of an old installation");
    }

    #[test]
    fn a_folder_of_another_machine_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let id = state.agent_id(None).unwrap();
        // A folder from before there were fingerprints gets one with the first that is known.
        assert_eq!(state.agent_id(Some("a1")).unwrap(), id);
        assert_eq!(state.agent_id(Some("a1")).unwrap(), id);
        let error = state.agent_id(Some("b2")).unwrap_err();
        assert!(matches!(error, StartError::OtherMachine { .. }), "{error}");
        assert_eq!(state.agent_id(None).unwrap(), id, "a machine without an id is not judged");
    }

    #[test]
    fn an_identity_is_one_short_word() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        for bad in ["a b", "../x", &"a".repeat(1000)] {
            fs::write(dir.path().join("agent_id"), bad).unwrap();
            assert!(matches!(state.agent_id(None), Err(StartError::StateDir { .. })), "{bad}");
        }
    }

    #[test]
    fn what_was_saved_is_found_again_and_what_is_broken_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let store = state.progress().unwrap();
        let progress = Progress {
            copy: CopyId { id: Uid(1), epoch: Epoch(2) },
            namespace: Name::default_namespace(),
            name: Name::new("web").unwrap(),
            generation: 1,
            spec: Arc::default(),
            ending: None,
            unhealthy: None,
            attempt: 1,
            live: true,
            failures: 0,
            restarts: 0,
            state: CopyState::Running,
            reason: "started".to_owned(),
            instance: None,
            next_start_at: None,
            last_exit: None,
            health: None,
            trouble: None,
            seq: 2,
            unlisted_from: None,
            exit_seq: 0,
            reports: VecDeque::new(),
        };
        store.save(&progress).unwrap();
        fs::write(dir.path().join("progress/0000000000000001-3.json"), "{").unwrap();
        assert_eq!(store.load().unwrap(), std::slice::from_ref(&progress));
        store.forget(progress.copy).unwrap();
        store.forget(progress.copy).unwrap();
        assert!(store.load().unwrap().is_empty());
    }
}
