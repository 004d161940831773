//! The agent's side: starting runs, finding them again, and talking to their supervisors.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use super::SUPERVISE;
use super::protocol::{Answer, Request, Status};
use super::recover::recover;
use super::run_dir::{DISCARDED, ERRORS, EXIT, RunDir, SPEC, STARTED, UNFINISHED, is_broken};
use super::spec::{ExitRecord, Lease, RunKind, RunSpec, Started, StopSpec};
use crate::containers::ContainerApi;

/// How long a start may take before the handle is given out without it; it goes on then.
const START_TIME: Duration = Duration::from_secs(10);
const ANSWER_TIME: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(20);
const RUN_ID_BYTES_MAX: usize = 128;

/// Why a run could not be started, found or spoken to.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The run id cannot be a folder's name.
    #[error(
        "run id {0:?} is not usable: letters, digits, '-', '_' and '.', at most 128, and no '.' first"
    )]
    InvalidRunId(String),
    /// There is such a run already.
    #[error("run {0} exists already")]
    Exists(String),
    /// A file or process operation failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The supervisor ended before it could write down anything.
    #[error("the supervisor of run {run_id} did not come up: {detail}")]
    NotStarted {
        /// Which run.
        run_id: String,
        /// What it said.
        detail: String,
    },
    /// The supervisor lives but does not answer.
    #[error("the supervisor of run {0} does not answer")]
    Unresponsive(String),
    /// The supervisor said no.
    #[error("run {run_id}: {message}")]
    Refused {
        /// Which run.
        run_id: String,
        /// Why.
        message: String,
    },
    /// The run is over.
    #[error("run {0} has ended")]
    Ended(String),
    /// The run is not over, so its folder cannot be removed.
    #[error("run {0} has not ended yet")]
    Alive(String),
}

impl SupervisorError {
    /// Whether a record is not there or makes no sense, so that it will not be read later either.
    pub(crate) fn is_lost_record(&self) -> bool {
        let lost =
            |source: &io::Error| source.kind() == io::ErrorKind::NotFound || is_broken(source);
        matches!(self, Self::Io { source, .. } if lost(source))
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SupervisorError {
    let path = path.to_owned();
    move |source| SupervisorError::Io { what, path, source }
}

type Result<T, E = SupervisorError> = std::result::Result<T, E>;

/// Starts and finds runs.
#[derive(Debug)]
pub struct Supervisor;

/// What [`Supervisor::scan`] found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The runs, alive or ended.
    pub runs: Vec<RunHandle>,
    /// Folders that could not be read. A run may be in there, and alive.
    pub failed: Vec<Unreadable>,
}

/// The folder of a run that could not be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The folder.
    pub dir: PathBuf,
    /// Why.
    pub error: SupervisorError,
}

impl Supervisor {
    /// Starts a run in a folder of its own below `runs_dir`, with `exe` (see [`own_executable`]) as
    /// its supervisor.
    ///
    /// It returns when the program was executed or could not be; that is an [`ExitRecord`] of the
    /// run then, and not an error. A start that takes longer than ten seconds goes on behind the
    /// handle.
    ///
    /// # Errors
    /// If there is such a run, or its supervisor could not be started.
    ///
    /// [`own_executable`]: super::own_executable
    pub async fn start(runs_dir: &Path, exe: &Path, spec: RunSpec) -> Result<RunHandle> {
        check_run_id(&spec.run_id)?;
        let (dir, lock) = create(runs_dir, &spec)?;
        if let Err(error) = spawn(&dir, exe, lock).await {
            let _leftover = fs::remove_dir_all(dir.path());
            return Err(error);
        }
        let handle = RunHandle::new(dir, spec);
        handle.check_came_up()?;
        Ok(handle)
    }

    /// Finds the runs below `runs_dir` and takes them over, whoever started them. Call it before the
    /// first start: it also sweeps up what starts left unfinished.
    ///
    /// # Errors
    /// If `runs_dir` cannot be listed.
    pub async fn scan(runs_dir: &Path) -> Result<Scan> {
        let mut scan = Scan::default();
        for path in run_folders(runs_dir).map_err(io_error("list", runs_dir))? {
            match RunHandle::open(&path).await {
                Ok(run) => scan.runs.push(run),
                Err(error) => scan.failed.push(Unreadable { dir: path, error }),
            }
        }
        Ok(scan)
    }
}

fn check_run_id(run_id: &str) -> Result<()> {
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = (1..=RUN_ID_BYTES_MAX).contains(&run_id.len()) && !run_id.starts_with('.');
    if fits && run_id.chars().all(usable) {
        Ok(())
    } else {
        Err(SupervisorError::InvalidRunId(run_id.to_owned()))
    }
}

/// Makes the folder under a name that nobody looks at, and gives it its own name when it is
/// complete and locked.
fn create(runs_dir: &Path, spec: &RunSpec) -> Result<(RunDir, File)> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder.recursive(true).create(runs_dir).map_err(io_error("make", runs_dir))?;
    let runs_dir = fs::canonicalize(runs_dir).map_err(io_error("find", runs_dir))?;
    let path = runs_dir.join(&spec.run_id);
    if path.exists() {
        return Err(SupervisorError::Exists(spec.run_id.clone()));
    }
    let unfinished = runs_dir.join(format!("{UNFINISHED}{}", spec.run_id));
    let _stale = fs::remove_dir_all(&unfinished);
    let fill = || {
        builder.create(&unfinished)?;
        let dir = RunDir::new(&unfinished);
        let lock = dir.create_lock()?;
        dir.write(SPEC, spec)?;
        fs::rename(&unfinished, &path)?;
        Ok(lock)
    };
    let lock = fill().map_err(io_error("make", &path)).inspect_err(|_| {
        let _leftover = fs::remove_dir_all(&unfinished);
    })?;
    Ok((RunDir::new(path), lock))
}

/// Starts the supervisor, hands it the lock, and waits until it says that the start is decided.
async fn spawn(dir: &RunDir, exe: &Path, lock: File) -> Result<()> {
    let errors = File::create(dir.file(ERRORS)).map_err(io_error("make", dir.path()))?;
    let mut child = Command::new(exe)
        .arg0("tessera-supervise")
        .arg(SUPERVISE)
        .arg(dir.path())
        .stdin(Stdio::from(lock))
        .stdout(Stdio::piped())
        .stderr(Stdio::from(errors))
        .spawn()
        .map_err(io_error("execute", exe))?;
    let notify = child.stdout.take();
    // It outlives this agent or not; while both live, somebody has to take note of its end.
    tokio::spawn(async move { child.wait().await });
    if let Some(mut notify) = notify {
        let _closed_or_late = timeout(START_TIME, notify.read(&mut [0])).await;
    }
    Ok(())
}

fn run_folders(runs_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(runs_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(UNFINISHED) || name.starts_with(DISCARDED) {
            // An agent died while it filled or removed this; nothing was started from it yet, or
            // nothing is left of it.
            let _leftover = fs::remove_dir_all(&path);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// One run. Clones are the same run; dropping them does nothing to it.
#[derive(Debug, Clone)]
pub struct RunHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: RunDir,
    spec: RunSpec,
    started: OnceLock<Started>,
    /// That its supervisor is gone was said.
    loss_told: AtomicBool,
}

impl RunHandle {
    fn new(dir: RunDir, spec: RunSpec) -> Self {
        let (started, loss_told) = (OnceLock::new(), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { dir, spec, started, loss_told }) }
    }

    /// Takes over the run in this folder. If its supervisor was killed, what is left of the run is
    /// killed too and recorded as [`Outcome::SupervisorLost`](super::Outcome::SupervisorLost). If
    /// that is not possible now, [`wait`](Self::wait) goes on trying.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub async fn open(dir: &Path) -> Result<Self> {
        let dir = RunDir::new(fs::canonicalize(dir).map_err(io_error("open", dir))?);
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let spec = dir.read(SPEC).and_then(|spec| spec.ok_or_else(missing));
        let spec = spec.map_err(io_error("read", &dir.file(SPEC)))?;
        Self::take_over(Self::new(dir, spec)).await
    }

    /// As [`open`](Self::open), for a folder whose spec is lost: `guess` says in its place where
    /// what is left of the run is to be looked for, should its supervisor be gone. The folder is made
    /// again if somebody has removed it.
    ///
    /// # Errors
    /// If the folder can be neither read nor made.
    pub async fn open_without_spec(dir: &Path, guess: RunSpec) -> Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error("make", dir))?;
        let dir = RunDir::new(fs::canonicalize(dir).map_err(io_error("open", dir))?);
        Self::take_over(Self::new(dir, guess)).await
    }

    async fn take_over(handle: Self) -> Result<Self> {
        if handle.exit()?.is_none()
            && !handle.is_alive()?
            && let Err(error) = handle.recover().await
        {
            tracing::warn!(run = handle.run_id(), %error, "a run is not over yet");
        }
        Ok(handle)
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.shared.spec.run_id
    }

    /// What it was started with.
    pub fn spec(&self) -> &RunSpec {
        &self.shared.spec
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.shared.dir.path()
    }

    /// When it was executed and under which pid; `None` before that, and if it never was.
    pub fn started(&self) -> Option<Started> {
        if let Some(started) = self.shared.started.get() {
            return Some(started.clone());
        }
        let started = self.shared.dir.read(STARTED).ok().flatten()?;
        Some(self.shared.started.get_or_init(|| started).clone())
    }

    /// How it ended; `None` while it has not. A record that makes no sense does not count: when the
    /// supervisor is gone, another one is written.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn exit(&self) -> Result<Option<ExitRecord>> {
        match self.shared.dir.read(EXIT) {
            Err(error) if is_broken(&error) => Ok(None),
            other => other.map_err(io_error("read", &self.shared.dir.file(EXIT))),
        }
    }

    /// Whether it has a supervisor.
    ///
    /// # Errors
    /// If its lock cannot be looked at.
    pub fn is_alive(&self) -> Result<bool> {
        self.shared.dir.is_supervised().map_err(io_error("look at", self.dir()))
    }

    /// Waits until it is over. Any number may wait at once, and a wait may be abandoned.
    ///
    /// # Errors
    /// If its record cannot be read, or something of a lost run will not die.
    pub async fn wait(&self) -> Result<ExitRecord> {
        loop {
            if let Some(record) = self.exit()? {
                return Ok(record);
            }
            if let Ok(mut stream) = self.shared.dir.connect().await {
                // Nothing is ever sent without being asked for, so this ends when the supervisor
                // does.
                let _ended = stream.read(&mut [0]).await;
            }
            if let Some(record) = self.exit()? {
                return Ok(record);
            }
            if !self.is_alive()?
                && let Some(record) = self.recover().await?
            {
                return Ok(record);
            }
            sleep(RETRY).await;
        }
    }

    /// Asks it to stop: the signal now, SIGKILL to everything when the grace is over. It returns
    /// when the request was taken; [`wait`](Self::wait) for the end. Asking again can only bring
    /// the end nearer. Nothing happens if it has ended.
    ///
    /// # Errors
    /// If the supervisor does not answer or the signal cannot be sent.
    pub async fn stop(&self, stop: StopSpec) -> Result<()> {
        let request = Request::Stop { signal: stop.signal, grace_ms: stop.grace_ms };
        unless_ended(self.order(request).await)
    }

    /// Kills everything in it. Nothing happens if it has ended.
    ///
    /// # Errors
    /// If the supervisor does not answer.
    pub async fn kill(&self) -> Result<()> {
        unless_ended(self.order(Request::Kill {}).await)
    }

    /// Prolongs its lease. Read the clock for `granted_at` before asking whoever grants it.
    ///
    /// # Errors
    /// If it has ended, its lease has lapsed, or the supervisor does not answer.
    pub async fn renew(&self, lease: Lease) -> Result<()> {
        let granted_at = Some(lease.granted_at);
        self.order(Request::Renew { lease_ms: lease.lease_ms, granted_at }).await
    }

    /// Moves or removes the end of its window.
    ///
    /// # Errors
    /// If it has ended or is being stopped, or the supervisor does not answer.
    pub async fn set_not_after(&self, not_after: Option<Timestamp>) -> Result<()> {
        self.order(Request::NotAfter(not_after)).await
    }

    /// How it is.
    ///
    /// # Errors
    /// If it has ended or the supervisor does not answer.
    pub async fn status(&self) -> Result<Status> {
        match self.request(&Request::Status {}).await? {
            Answer::Status(status) => Ok(status),
            Answer::Done {} => Err(SupervisorError::Unresponsive(self.run_id().to_owned())),
            Answer::Refused { message } => Err(self.refused(message)),
        }
    }

    /// Runs a command that checks its health, in its surroundings and for at most `limit`, with
    /// `exe` as for [`Supervisor::start`]. Nothing of the command is left afterwards.
    ///
    /// # Errors
    /// If the check failed or could not be made: what was wrong, for people.
    pub async fn check(
        &self,
        exe: &Path,
        command: &[String],
        limit: tessera_types::Duration,
    ) -> std::result::Result<(), String> {
        super::check::check(exe, self.dir(), command, limit).await
    }

    /// Forgets a run that has ended: removes its folder, and its container or control group if that
    /// is still there. The log stays.
    ///
    /// # Errors
    /// If it has not ended, or something cannot be removed (yet): it may be tried again.
    pub async fn remove(&self) -> Result<()> {
        if self.dir().exists() && self.exit()?.is_none() {
            return Err(SupervisorError::Alive(self.run_id().to_owned()));
        }
        if let RunKind::Container(container) = &self.shared.spec.kind {
            let removed = ContainerApi::new(&container.socket).remove_run(self.run_id()).await;
            let removed = removed.map_err(io::Error::other);
            removed.map_err(io_error("remove the container of", self.dir()))?;
        }
        let shared = Arc::clone(&self.shared);
        let remove = move || {
            shared.spec.group().remove()?;
            shared.dir.discard()
        };
        blocking(remove).await.map_err(io_error("remove", self.dir()))
    }

    /// After the supervisor closed its pipe there is one record or the other, or it failed without
    /// a word.
    fn check_came_up(&self) -> Result<()> {
        if self.started().is_some() || self.exit()?.is_some() || self.is_alive()? {
            return Ok(());
        }
        let said = self.shared.dir.errors();
        let detail = if said.is_empty() { "it said nothing".into() } else { said };
        let _leftover = fs::remove_dir_all(self.dir());
        Err(SupervisorError::NotStarted { run_id: self.run_id().to_owned(), detail })
    }

    async fn recover(&self) -> Result<Option<ExitRecord>> {
        let shared = Arc::clone(&self.shared);
        let attempt = blocking(move || recover(&shared.dir, &shared.spec, &shared.loss_told)).await;
        attempt.map_err(io_error("clean up after the lost supervisor of", self.dir()))
    }

    async fn order(&self, request: Request) -> Result<()> {
        match self.request(&request).await? {
            Answer::Done {} | Answer::Status(_) => Ok(()),
            Answer::Refused { message } => Err(self.refused(message)),
        }
    }

    fn refused(&self, message: String) -> SupervisorError {
        SupervisorError::Refused { run_id: self.run_id().to_owned(), message }
    }

    /// Asks until there is an answer, for a while: a supervisor that comes up does not listen yet.
    async fn request(&self, request: &Request) -> Result<Answer> {
        let deadline = Instant::now() + ANSWER_TIME;
        loop {
            if let Ok(Ok(answer)) = timeout(ANSWER_TIME, self.ask_once(request)).await {
                return Ok(answer);
            }
            let lost =
                self.exit()?.is_none() && !self.is_alive()? && self.recover().await?.is_some();
            if lost || self.exit()?.is_some() {
                return Err(SupervisorError::Ended(self.run_id().to_owned()));
            }
            if Instant::now() >= deadline {
                return Err(SupervisorError::Unresponsive(self.run_id().to_owned()));
            }
            sleep(RETRY).await;
        }
    }

    async fn ask_once(&self, request: &Request) -> io::Result<Answer> {
        let mut stream = BufReader::new(self.shared.dir.connect().await?);
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    }
}

fn unless_ended(result: Result<()>) -> Result<()> {
    match result {
        Err(SupervisorError::Ended(_)) => Ok(()),
        other => other,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
