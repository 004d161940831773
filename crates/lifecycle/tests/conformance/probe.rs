//! The probes: a tenant in each language that does as it is told.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tessera_conform::area::is_ours;

/// A language of the SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Python,
}

/// A program with what it needs.
pub(crate) struct Program {
    pub(crate) entrypoint: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// How long a probe may take until it has failed; far more than it ever does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

impl Language {
    /// Whether this machine can run it; says so if not.
    pub(crate) fn is_there(self) -> bool {
        self == Self::Rust || tessera_testkit::part("python")
    }

    /// How a manifest would start it.
    pub(crate) fn program(self) -> Program {
        match self {
            Self::Rust => Program {
                entrypoint: vec![rust_probe().to_str().unwrap().to_owned()],
                environment: Vec::new(),
            },
            Self::Python => {
                let path = |path| repository(path).to_str().unwrap().to_owned();
                let variables = [
                    ("PYTHONPATH", path("sdk/python")),
                    ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
                ];
                Program {
                    entrypoint: vec!["python3".to_owned(), path("sdk/conformance/probe.py")],
                    environment: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
                }
            }
        }
    }

    fn command(self) -> Command {
        let Program { entrypoint, environment } = self.program();
        let mut command = Command::new(&entrypoint[0]);
        command.args(&entrypoint[1..]).envs(environment);
        command
    }

    /// The probe in the folder `root` with these words; an empty variable is one that is not set.
    pub(crate) fn probe(
        self,
        root: &Path,
        words: &[&str],
        env: &BTreeMap<String, String>,
    ) -> Command {
        let mut command = self.command();
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        command
            .args(words)
            .current_dir(root)
            .env("TESSERA_TELEMETRY_DIR", root.join("hub"))
            .env("TESSERA_TENANT_MANIFEST", root.join("tessera-tenant.toml"))
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The same command under a limit for the size of files: a write ends within a line, as it does on
/// a disk that is full.
pub(crate) fn limited(probe: &Command, kib: u32) -> Command {
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!("ulimit -f {kib}; trap '' XFSZ; exec \"$@\"")).arg("bash");
    command.arg(probe.get_program()).args(probe.get_args());
    for (name, value) in probe.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(probe.get_current_dir().expect("a probe has a folder"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The example `probe` of this crate, which is built with its tests.
fn rust_probe() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples/probe");
    assert!(
        path.exists(),
        "{} is missing: cargo build -p tessera-lifecycle --examples",
        path.display()
    );
    path
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    root.join(path)
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} has not come about");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a process, and ends it if it takes too long.
pub(crate) fn finish(child: Child) -> Output {
    let pid = child.id();
    let ended = thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel::<()>();
        scope.spawn(move || {
            if receiver.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        });
        let output = child.wait_with_output();
        drop(sender);
        output
    });
    ended.unwrap()
}

/// How a process ended, in words.
pub(crate) fn ending(output: &Output) -> String {
    match (output.status.code(), output.status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

/// A folder with a manifest.
pub(crate) fn folder(manifest: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("tessera-tenant.toml"), manifest).unwrap();
    root
}
