//! A real `systemd --user` of a test's own, with Quadlet and, if asked for, with containers.
//!
//! The one idea: nothing of the machine is touched, and nothing is left behind. The manager lives in
//! a mount namespace and in a control group of its own, and has a home of its own. A script,
//! `hold.sh`, holds these and ends them together with every process in them when the
//! [`UserManager`] is dropped, and also when the test is killed. It needs root, and no booted systemd.
//!
//! ```
//! # fn starts_a_service() {
//! let Some(manager) = tessera_testkit::user_manager() else {
//!     return;
//! };
//! // … write units into `manager.config()`, then:
//! manager.systemctl(&["daemon-reload"]);
//! # }
//! ```
//!
//! What is started by [`UserManager::command`] is inside: it sees the manager's home, `/run` and
//! groups, and is ended with it. All other files are those of the machine. There is no journal unless
//! asked for: what units say is lost then. Containers share the machine's network.

mod slots;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::image::{self, IMAGE};
use crate::{QUADLET_VARIABLE, in_ci, part, quadlet, refusal, usable};

const HOLD: &str = include_str!("hold.sh");
/// Holds in a mount namespace, and removes the folder from outside of it, where nothing is mounted.
const HOLD_OUTSIDE: &str =
    r#"unshare --mount --propagation private sh -c "$0" hold "$1"; rm -rf "$1""#;
/// Runs a program inside: in the current folder, and in the given group. Its own process becomes the
/// program, so that signals and exit codes are the program's.
const ENTER: &str = r#"
here=$(pwd -P); keeper=$1; shift
exec nsenter --target "$(cat "$keeper")" --mount --cgroup sh -c '
    unset DBUS_SESSION_BUS_ADDRESS NOTIFY_SOCKET LISTEN_FDS LISTEN_PID INVOCATION_ID JOURNAL_STREAM
    cd "$0" && echo 0 >"/sys/fs/cgroup/$1/cgroup.procs" || exit 125
    shift
    exec "$@"' "$here" "$@"
"#;
/// The group of the manager itself.
const MANAGER_GROUP: &str = "user.slice/user-0.slice/user@0.service";
/// The group of the journal.
const JOURNAL_GROUP: &str = "system.slice/systemd-journald.service";
/// The group of what tests run beside it.
const COMMANDS_GROUP: &str = "commands";
/// Where packages put the programs of systemd that are not for people.
const SYSTEMD: [&str; 2] = ["/usr/lib/systemd", "/lib/systemd"];
/// What a manager has that a login starts.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Podman without the machine's services, and where control groups may lack controllers.
const CONTAINERS: &str = r#"pids_limit = 0
netns = "host"
log_driver = "k8s-file"
"#;
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A running user manager.
#[derive(Debug)]
pub struct UserManager {
    dir: PathBuf,
    quadlet: PathBuf,
    holder: Option<Holder>,
    manager: Option<Child>,
    journal: Option<Child>,
}

/// The script that holds the namespaces.
#[derive(Debug)]
struct Holder {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Starts a user manager for the calling test; none if the machine lacks what that needs (see
/// [`part`]), or if the test is not run by root.
///
/// # Panics
///
/// When it does not come up although everything is there.
pub fn user_manager() -> Option<UserManager> {
    // All, so that whoever reads the output sees all that is missing.
    let present = ["systemd", "quadlet"].map(part);
    let root = fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0);
    if !root && !usable(refusal("a user manager of a test's own needs root", in_ci())) {
        return None;
    }
    if present.contains(&false) {
        return None;
    }
    slots::take();
    let mut manager = UserManager {
        dir: new_folder().expect("a folder for the manager is made"),
        quadlet: quadlet().expect("the part is there, so the generator is"),
        holder: None,
        manager: None,
        journal: None,
    };
    manager.furnish().expect("the manager's folder is filled");
    manager.hold();
    manager.start();
    Some(manager)
}

impl UserManager {
    /// Makes the image [`UserManager::image`] with a podman of its own, which is the one that units
    /// and commands find; none if the machine lacks what that needs.
    ///
    /// # Panics
    ///
    /// When the image cannot be made.
    pub fn with_podman(self) -> Option<Self> {
        let present = ["podman", "busybox"].map(part);
        if present.contains(&false) {
            return None;
        }
        let archive = image::archive(&self.dir.join("podman")).expect("the test image is made");
        let mut import = self.command("podman");
        ran(import.args(["import", "--quiet"]).arg(archive).arg(IMAGE).current_dir("/"));
        Some(self)
    }

    /// Starts a journal, which has what units say from then on. `journalctl` finds it by matches such as
    /// `_SYSTEMD_INVOCATION_ID=…`; with `--user` it does not, as root has no journal of its own. As
    /// everywhere, it may miss whose a line is if the process that wrote it has ended at once.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn with_journal(mut self) -> Self {
        self.start_journal();
        self
    }

    /// The image, a busybox without entry point and command.
    pub fn image(&self) -> &'static str {
        IMAGE
    }

    /// A command that runs the program inside, with the manager's environment. It keeps the current
    /// folder and passes on exit codes; 127 means that there is no such program.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.inside(COMMANDS_GROUP);
        command.arg(program);
        command
    }

    /// What comes before the program and its arguments, for whoever builds commands himself, and what
    /// the environment has beside that of the caller. Both hold for as long as the manager does.
    pub fn command_line(&self) -> (Vec<String>, Vec<(String, String)>) {
        let command = self.inside(COMMANDS_GROUP);
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let words = words.map(|word| word.to_string_lossy().into_owned()).collect();
        (words, self.environment())
    }

    /// The manager's `HOME`. It is empty at first.
    pub fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    /// Its `XDG_CONFIG_HOME`: `systemd/user` is there, and `containers/systemd`. None is made.
    pub fn config(&self) -> PathBuf {
        self.home().join(".config")
    }

    /// Its `XDG_RUNTIME_DIR`, which is `%t` in units.
    pub fn runtime(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Runs `systemctl --user`, and returns what it says on standard output.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn systemctl(&self, args: &[&str]) -> String {
        ran(self.command("systemctl").arg("--user").args(args))
    }

    /// Ends the manager and every process inside at once, and starts it again with the same home:
    /// what cutting its power is to a machine.
    ///
    /// # Panics
    ///
    /// When it does not come up again.
    pub fn restart(&mut self) {
        let holder = self.holder.as_mut().expect("the namespaces are held");
        writeln!(holder.orders, "again").expect("the holder takes orders");
        self.await_holder();
        let had_journal = self.journal.is_some();
        self.reap();
        if had_journal {
            self.start_journal();
        }
        self.start();
    }

    /// Freezes the manager or lets it go on: frozen, it accepts calls and does not answer.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn freeze(&self, frozen: bool) {
        let manager = self.manager.as_ref().expect("the manager runs");
        let signal = if frozen { "-STOP" } else { "-CONT" };
        ran(Command::new("kill").args([signal, &manager.id().to_string()]));
    }

    /// A command that goes on with a program.
    fn inside(&self, group: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", ENTER, "enter"]).arg(self.dir.join("keeper")).arg(group);
        command.envs(self.environment());
        command
    }

    fn environment(&self) -> Vec<(String, String)> {
        let home = self.home();
        let places = [
            ("HOME", home.clone()),
            ("XDG_RUNTIME_DIR", self.runtime()),
            ("XDG_CONFIG_HOME", self.config()),
            ("XDG_DATA_HOME", home.join(".local/share")),
            ("XDG_STATE_HOME", home.join(".local/state")),
            ("XDG_CACHE_HOME", home.join(".cache")),
            ("SYSTEMD_GENERATOR_PATH", self.dir.join("generators")),
            ("QUADLET_UNIT_DIRS", self.config().join("containers/systemd")),
            (QUADLET_VARIABLE, self.quadlet.clone()),
            ("CONTAINERS_CONF", self.dir.join("podman/containers.conf")),
            ("CONTAINERS_STORAGE_CONF", self.dir.join("podman/storage.conf")),
        ];
        let text = |path: PathBuf| path.to_str().expect("the folder has a plain name").to_owned();
        places.into_iter().map(|(name, path)| (name.to_owned(), text(path))).collect()
    }

    /// Makes what the manager and podman read.
    fn furnish(&self) -> io::Result<()> {
        let dir = |name: &str| self.dir.join(name);
        for name in ["home", "generators", "podman"] {
            fs::create_dir(dir(name))?;
        }
        fs::DirBuilder::new().mode(0o700).create(self.runtime())?;
        // By its name the generator knows for whom it works.
        symlink(&self.quadlet, dir("generators/podman-user-generator"))?;
        let engine = format!(
            "runtime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\ntmp_dir = {:?}\n",
            dir("podman/tmp")
        );
        fs::write(dir("podman/containers.conf"), image::config(CONTAINERS, &engine))?;
        let (root, run) = (dir("podman/root"), dir("podman/run"));
        let driver = self.storage_driver()?;
        let storage =
            format!("[storage]\ndriver = \"{driver}\"\ngraphroot = {root:?}\nrunroot = {run:?}\n");
        fs::write(dir("podman/storage.conf"), storage)
    }

    /// Overlays do not lie on others, such as the root of a container in which tests run.
    fn storage_driver(&self) -> io::Result<&'static str> {
        let kind = Command::new("stat").args(["-f", "-c", "%T"]).arg(&self.dir).output()?;
        Ok(if kind.stdout.starts_with(b"overlay") { "vfs" } else { "overlay" })
    }

    fn hold(&mut self) {
        let mut command = Command::new("sh");
        command.args(["-c", HOLD_OUTSIDE, HOLD]).arg(&self.dir).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Whoever ends the test's group of processes leaves this one to clean up.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().expect("sh can be executed");
        let orders = process.stdin.take().expect("it was piped");
        let answers = BufReader::new(process.stdout.take().expect("it was piped"));
        self.holder = Some(Holder { process, orders, answers });
        self.await_holder();
    }

    fn await_holder(&mut self) {
        let holder = self.holder.as_mut().expect("the namespaces are held");
        let mut answer = String::new();
        let read = holder.answers.read_line(&mut answer);
        if read.is_err() || answer != "ready\n" {
            let said = self.holder.take().map(Holder::end).unwrap_or_default();
            panic!("no namespaces for a user manager: {said}");
        }
    }

    /// Starts the manager, and waits until its default target is reached.
    fn start(&mut self) {
        self.manager =
            Some(self.service(MANAGER_GROUP, "systemd", &["--user", "--log-target=console"]));
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        while !matches!(&*state, "running" | "degraded") {
            let ended = self.manager.as_mut().and_then(|process| process.try_wait().ok().flatten());
            let why = match ended {
                Some(status) => format!("has ended ({status})"),
                None => format!("does not come up ({state})"),
            };
            let in_time = ended.is_none() && Instant::now() < deadline;
            assert!(in_time, "the user manager {why}: {}", self.log_of("systemd"));
            thread::sleep(LOOK_INTERVAL);
            state = self.state();
        }
    }

    fn start_journal(&mut self) {
        const NAME: &str = "systemd-journald";
        self.journal = Some(self.service(JOURNAL_GROUP, NAME, &[]));
        let deadline = Instant::now() + PATIENCE;
        let is_there = || {
            let mut command = self.command("test");
            command.args(["-S", "/run/systemd/journal/stdout"]).current_dir("/").status()
        };
        while !is_there().expect("sh can be executed").success() {
            assert!(Instant::now() < deadline, "no journal comes up: {}", self.log_of(NAME));
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Starts a program of systemd inside, as a booted machine would.
    fn service(&self, group: &str, name: &str, args: &[&str]) -> Child {
        let log = fs::File::create(self.log(name)).expect("the log is created");
        let programs = SYSTEMD.map(|folder| Path::new(folder).join(name));
        let mut command = self.inside(group);
        command.env_clear().envs(self.environment()).env("PATH", PATH);
        command.envs([("USER", "root"), ("LOGNAME", "root"), ("SHELL", "/bin/sh")]);
        command.arg(programs.iter().find(|path| path.exists()).unwrap_or(&programs[0])).args(args);
        command.current_dir("/").stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log is opened twice")).stderr(log);
        command.spawn().expect("sh can be executed")
    }

    /// The manager's state in its own words, or why it is not known.
    fn state(&self) -> String {
        let mut command = self.command("systemctl");
        let output = command.args(["--user", "is-system-running"]).current_dir("/").output();
        let output = output.expect("sh can be executed");
        let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if state.is_empty() { said(&output) } else { state }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join(name).with_extension("log")
    }

    fn log_of(&self, name: &str) -> String {
        match fs::read_to_string(self.log(name)) {
            Ok(log) if log.is_empty() => {
                "it said nothing, as when fs.inotify.max_user_instances are in use".to_owned()
            }
            log => log.unwrap_or_else(|error| error.to_string()),
        }
    }

    /// Takes note that what was started was ended.
    fn reap(&mut self) {
        for mut process in [self.manager.take(), self.journal.take()].into_iter().flatten() {
            let _ended = process.wait();
        }
    }
}

impl Holder {
    /// Has everything ended, and says what went wrong.
    fn end(self) -> String {
        let Self { mut process, orders, answers } = self;
        drop((orders, answers));
        let mut said = String::new();
        let read = process.stderr.take().map(|mut errors| errors.read_to_string(&mut said));
        if let Some(Err(error)) = read {
            said = error.to_string();
        }
        let _ended = process.wait();
        said.trim().to_owned()
    }
}

impl Drop for UserManager {
    fn drop(&mut self) {
        let said = self.holder.take().map(Holder::end).unwrap_or_default();
        self.reap();
        if !said.is_empty() {
            eprintln!("of a user manager something may be left: {said}");
        }
        // The holder has removed it, unless it never came to be.
        let _removed = fs::remove_dir_all(&self.dir);
    }
}

/// A folder that no other test has. Its name is short, for the address of a unix socket is.
fn new_folder() -> io::Result<PathBuf> {
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = format!("/tmp/tessera-user-{}-{number}", std::process::id());
        match fs::create_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| PathBuf::from(dir)),
        }
    }
}

fn ran(command: &mut Command) -> String {
    let output = command.output().expect("the program can be executed");
    let words: Vec<_> = command.get_args().skip(4).collect();
    assert!(output.status.success(), "{words:?} ({}): {}", output.status, said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
