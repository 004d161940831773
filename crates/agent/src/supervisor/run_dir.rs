//! The folder of a run: its files, its lock, and its socket.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tessera_types::limits;

pub(super) const SPEC: &str = "spec.json";
pub(super) const LOCK: &str = "lock";
pub(super) const STARTED: &str = "started.json";
pub(super) const EXIT: &str = "exit.json";
pub(super) const TROUBLE: &str = "trouble.json";
pub(super) const ERRORS: &str = "supervisor.err";
/// How the name of a folder begins that is still being filled.
pub(super) const UNFINISHED: &str = ".new-";
/// How the name of a folder begins that is being removed.
pub(super) const DISCARDED: &str = ".gone-";
const SOCKET: &str = "control.sock";
/// More than a reason has room for, however it is encoded.
const ERRORS_BYTES_MAX: u64 = 4096;

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads one of the records; `None` if it is not there (yet).
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.file(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes one of the records, so that it is seen whole or not at all. It is not synced to the
    /// disk: a crash of the machine ends the run anyway.
    pub(super) fn write(&self, name: &str, record: &impl Serialize) -> io::Result<()> {
        let temporary = self.file(&format!(".{name}.tmp"));
        let mut file =
            File::options().create(true).write(true).truncate(true).mode(0o600).open(&temporary)?;
        io::Write::write_all(&mut file, &serde_json::to_vec(record)?)?;
        fs::rename(temporary, self.file(name))
    }

    /// Makes the lock file and locks it. Whoever holds the file that this returns, or a duplicate,
    /// is the supervisor.
    pub(super) fn create_lock(&self) -> io::Result<File> {
        let lock = self.open_or_create_lock()?;
        lock.try_lock()?;
        Ok(lock)
    }

    /// Whether a supervisor lives. Looking takes the lock shared, so that two who look do not see
    /// each other.
    pub(super) fn is_supervised(&self) -> io::Result<bool> {
        match File::open(self.file(LOCK)) {
            Ok(lock) => held(lock.try_lock_shared()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the lock of a supervisor that is gone. Answers `None` if there is one after all.
    pub(super) fn take_over(&self) -> io::Result<Option<File>> {
        let lock = self.open_or_create_lock()?;
        Ok(if held(lock.try_lock())? { None } else { Some(lock) })
    }

    /// Removes the folder. It first gets a name that nobody looks at, so that one which is removed
    /// in part only is never taken for a run. It may be tried again.
    pub(super) fn discard(&self) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let gone = self.path.with_file_name(format!("{DISCARDED}{name}"));
        absent(fs::remove_dir_all(&gone))?;
        absent(fs::rename(&self.path, &gone))?;
        absent(fs::remove_dir_all(&gone))
    }

    fn open_or_create_lock(&self) -> io::Result<File> {
        File::options().create(true).append(true).mode(0o600).open(self.file(LOCK))
    }

    /// Listens on the control socket.
    pub(super) fn bind(&self) -> io::Result<UnixListener> {
        let _stale = fs::remove_file(self.file(SOCKET));
        let dir = self.open_dir()?;
        UnixListener::bind(socket_below(&dir))
    }

    /// Whether a supervisor ever listened on the control socket, which it does before it starts
    /// anything.
    pub(super) fn was_bound(&self) -> bool {
        self.file(SOCKET).exists()
    }

    /// Reads the beginning of what the supervisor said when it failed.
    pub(super) fn errors(&self) -> String {
        let mut said = Vec::new();
        let file = File::open(self.file(ERRORS));
        let read = file.and_then(|file| file.take(ERRORS_BYTES_MAX).read_to_end(&mut said));
        let _nothing_said = read;
        limits::clip(String::from_utf8_lossy(&said).trim(), limits::REASON_BYTES_MAX)
    }

    /// Connects to the control socket.
    pub(super) async fn connect(&self) -> io::Result<tokio::net::UnixStream> {
        let dir = self.open_dir()?;
        tokio::net::UnixStream::connect(socket_below(&dir)).await
    }

    fn open_dir(&self) -> io::Result<File> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::open(&self.path, flags, Mode::empty())?))
    }
}

/// The socket's path by way of the open folder: the address of a unix socket is limited to 108
/// bytes, and the state folder may well lie deeper than that.
fn socket_below(dir: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()))
}

/// What is not there need not be removed.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether a record was read and makes no sense: it was cut off by a crash of the machine, or
/// changed by somebody.
pub(super) fn is_broken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn held(attempt: Result<(), TryLockError>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
