//! Where a program is called: folders of its own, an environment of its own, and a bound in time.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tessera_lifecycle::hub::{Hub, RUNS};
use tessera_lifecycle::telemetry::{Event, Line};
use tessera_tenant::manifest::Volume;

use crate::container::Container;
use crate::{Options, Subject};

/// How much of what a program says is kept.
const SAID_BYTES_MAX: u64 = 64 << 10;
/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(2);

/// Folders of its own for a program.
#[derive(Debug)]
pub struct Area<'a> {
    pub(crate) subject: &'a Subject,
    folder: TempDir,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status; none if it did not end in time.
    pub status: Option<ExitStatus>,
    /// What it said on standard output.
    pub stdout: String,
    /// What it said on standard error.
    pub stderr: String,
    /// What it has changed in its container, if it was in one.
    pub(crate) changed: Vec<String>,
}

/// A call that is under way.
#[derive(Debug)]
pub(crate) struct Call {
    child: Child,
    said: PathBuf,
    container: Option<Container>,
}

/// What the hub has of one run.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) first: Line,
    pub(crate) ended: Option<Line>,
}

/// Whether a variable is not handed on to a program that is called: it would change what it does,
/// and is set by whoever operates a tenant.
#[must_use]
pub fn is_ours(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    name.starts_with("TESSERA_")
        || name.starts_with("XDG_")
        || ["INVOCATION_ID", "HOME", "TMPDIR"].contains(&&*name)
}

impl<'a> Area<'a> {
    pub(crate) fn new(subject: &'a Subject) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tessera-conform-").tempdir()?;
        for name in ["home", "tmp", "hub", "said"] {
            fs::create_dir(folder.path().join(name))?;
        }
        Ok(Self { subject, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the tenant has in the hub of this area.
    pub(crate) fn hub(&self) -> Hub {
        Hub::new(&self.path("hub"), None, &self.subject.tenant)
    }

    /// The tenant's folder in that hub.
    pub(crate) fn hub_folder(&self) -> PathBuf {
        self.path("hub").join(self.subject.tenant.as_str())
    }

    /// Where a program could write: its folder, its home, temporary files, and what its environment
    /// names.
    pub(crate) fn visible(&self) -> Vec<PathBuf> {
        let named = self.subject.service.environment.values();
        let named = named.flat_map(|value| value.split(':')).filter(|path| path.contains('/'));
        // It starts in its folder, and finds from there what is not absolute.
        let named = named.map(|path| self.subject.folder.join(path));
        // All of the machine is no place of the tenant's.
        let named =
            named.filter(|path| fs::canonicalize(path).map_or(true, |it| it.parent().is_some()));
        let own = [self.subject.folder.clone(), self.path("home"), self.path("tmp")];
        match self.subject.service.image {
            // Nothing else of the machine is there.
            Some(_) => self.volumes().flat_map(roots).collect(),
            None => own.into_iter().chain(named).flat_map(roots).collect(),
        }
    }

    /// What a container could write of the machine.
    fn volumes(&self) -> impl Iterator<Item = PathBuf> {
        let is_readonly = |volume: &&Volume| {
            volume.options.as_ref().is_some_and(|all| all.split(',').any(|option| option == "ro"))
        };
        let volumes = self.subject.service.volumes.iter().filter(move |it| !is_readonly(it));
        volumes.map(|volume| PathBuf::from(&volume.from))
    }

    /// Calls the program with these words, to its end.
    pub(crate) fn call(
        &self,
        words: &[&str],
        variables: &[(&str, &str)],
        options: Options,
    ) -> io::Result<Ended> {
        self.start(words, variables, options)?.end(options)
    }

    pub(crate) fn start(
        &self,
        words: &[&str],
        variables: &[(&str, &str)],
        options: Options,
    ) -> io::Result<Call> {
        let image = self.subject.service.image.as_deref();
        let container = image
            .map(|_| Container::new(&self.subject.podman, self.folder.path(), options.patience));
        let said = self.path("said");
        let mut command = match (image, &container) {
            (Some(image), Some(container)) => {
                container.command(self.subject, image, &self.path("hub"), words, variables)
            }
            _ => self.process(words, variables),
        };
        command.stdin(Stdio::null());
        command.stdout(File::create(said.join("stdout"))?);
        command.stderr(File::create(said.join("stderr"))?);
        // What it starts is ended with it.
        let child = command.process_group(0).spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy().into_owned();
            io::Error::new(error.kind(), format!("{program} cannot be started: {error}"))
        })?;
        Ok(Call { child, said, container })
    }

    fn process(&self, words: &[&str], variables: &[(&str, &str)]) -> Command {
        let Subject { service, manifest, folder, .. } = self.subject;
        let (program, arguments) =
            service.entrypoint.split_first().expect("an entrypoint has a program");
        let mut command = match program.contains('/') {
            true => Command::new(folder.join(program)),
            false => Command::new(program),
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        // Packages that a person installed for himself are not data of his home.
        if let Some(home) = std::env::var_os("HOME").filter(|home| !home.is_empty())
            && std::env::var_os("PYTHONUSERBASE").is_none()
        {
            command.env("PYTHONUSERBASE", Path::new(&home).join(".local"));
        }
        command
            .args(arguments)
            .args(words)
            .current_dir(folder)
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(&service.environment)
            .env("TESSERA_TENANT_MANIFEST", manifest)
            .env("TESSERA_TELEMETRY_DIR", self.path("hub"))
            .envs(variables.iter().copied());
        if let Some(suffix) = &service.suffix {
            command.env("TESSERA_SERVICE", suffix.as_str());
        }
        command
    }

    /// What the hub has of runs, each in the order in which it began.
    pub(crate) fn recorded(&self) -> io::Result<Vec<Recorded>> {
        let mut runs: Vec<Recorded> = Vec::new();
        let mut ends = BTreeMap::new();
        let take = |line: &str| {
            let Ok(line) = serde_json::from_str::<Line>(line) else { return };
            if let Event::Ended { .. } = line.event {
                ends.insert(line.identity.run_id.clone(), line);
            } else {
                runs.push(Recorded { first: line, ended: None });
            }
        };
        self.hub().lines(RUNS, take).map_err(io::Error::other)?;
        for run in &mut runs {
            run.ended = ends.remove(&run.first.identity.run_id);
        }
        // An end without a start is a record, too.
        let lonely =
            ends.into_values().map(|end| Recorded { first: end.clone(), ended: Some(end) });
        runs.extend(lonely);
        Ok(runs)
    }
}

/// A place by its real path; and where it is a link, the link.
fn roots(path: PathBuf) -> Vec<PathBuf> {
    match fs::canonicalize(&path) {
        Ok(real) if path.is_symlink() => vec![path, real],
        Ok(real) => vec![real],
        Err(_) => vec![path],
    }
}

/// The status of a program, if it ends in this time; as long as it may go on.
pub(crate) fn ended_within(
    child: &mut Child,
    patience: Duration,
    may_go_on: impl Fn() -> io::Result<()>,
) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        may_go_on()?;
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > patience {
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

impl Call {
    /// Waits for its end, and ends it if that takes too long.
    pub(crate) fn end(mut self, options: Options) -> io::Result<Ended> {
        let status = self.wait(options)?;
        let changed = self.container.as_ref().map(Container::changed).transpose()?;
        self.kill();
        self.child.wait()?;
        let said = |name: &str| {
            let mut bytes = Vec::new();
            File::open(self.said.join(name))?.take(SAID_BYTES_MAX).read_to_end(&mut bytes)?;
            io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Ended {
            status,
            stdout: said("stdout")?,
            stderr: said("stderr")?,
            changed: changed.unwrap_or_default(),
        })
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Its status, if it ends in time.
    fn wait(&mut self, options: Options) -> io::Result<Option<ExitStatus>> {
        ended_within(&mut self.child, options.patience, || options.go_on())
    }

    /// Stops it where it is, unless it is in a container, and tells whether it did.
    pub(crate) fn freeze(&self) -> bool {
        self.container.is_none() && self.signal(Signal::STOP)
    }

    /// Lets it go on, and waits for its end.
    pub(crate) fn thaw(&mut self, options: Options) -> io::Result<Option<ExitStatus>> {
        if self.container.is_none() {
            self.signal(Signal::CONT);
        }
        self.wait(options)
    }

    /// Ends it, and what it has started, at once.
    pub(crate) fn kill(&self) {
        if let Some(container) = &self.container {
            container.kill();
        }
        // That nobody is left is well.
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) -> bool {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| kill_process_group(pid, signal).is_ok())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

impl Ended {
    /// Its exit code, if it ended by itself.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// How it ended, in words, with the last thing that it said.
    #[must_use]
    pub fn words(&self) -> String {
        let how = match self.status {
            None => "it did not end in time".to_owned(),
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("it ended with {code}"),
                (None, signal) => format!("signal {} ended it", signal.unwrap_or_default()),
            },
        };
        match self.stderr.trim_end().lines().next_back() {
            Some(line) => format!("{how}, and said: {line}"),
            None => how,
        }
    }
}
