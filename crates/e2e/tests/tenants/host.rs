//! A machine with an instance, whose tenants run under a user manager of the test's own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use jiff::Timestamp;
use tessera_e2e::{BOUND, Ended, POLL, binary};
use tessera_manifest::Source;
use tessera_tenant::manifest::{self, Manifest, Tier};
use tessera_tenant::units::{UnitPlaces, render};
use tessera_testkit::UserManager;

/// A user manager whose home has an instance.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) manager: UserManager,
}

impl Host {
    pub(crate) fn new(manager: UserManager) -> Self {
        let host = Self { manager };
        write(&host.instance().join("instance.toml"), "org = \"library\"\nscope = \"dev\"\n");
        host
    }

    pub(crate) fn instance(&self) -> PathBuf {
        self.manager.home().join("instance")
    }

    /// The folder of a tenant's manifest.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.manager.home().join("tenants").join(name)
    }

    /// Adds a tenant to the instance; `lifecycle` is that section and what follows it.
    pub(crate) fn declare(&self, name: &str, lifecycle: &str) -> Manifest {
        let text = format!(
            "name = \"{name}\"\nkind = \"extract\"\nversion = \"1.0.0\"\nschema = \"rows\"\n\
             owner = \"data@library.example\"\nsources = [\"sierra\"]\nfreshness = \"800d\"\n\
             schedule = \"*-01-01 00:00:00 UTC\"\ntelemetry = {{}}\n\n[lifecycle]\n\
             subcommands = [\"run\", \"status\", \"dry-run\", \"migrate\"]\n{lifecycle}"
        );
        let path = self.folder(name).join(manifest::FILE_NAME);
        write(&path, &text);
        let entry = format!("manifest = \"../../tenants/{name}/{}\"\n", manifest::FILE_NAME);
        write(&self.instance().join(format!("tenants/{name}.toml")), &entry);
        let source = Source::new(path.display().to_string(), text);
        let checked = manifest::check(source, Tier::Three, jiff::tz::db(), Timestamp::now());
        checked.manifest.unwrap_or_else(|| panic!("{:?}", checked.problems))
    }

    /// Adds a tenant whose program is a shell script, and puts its units in place.
    pub(crate) fn process(&self, name: &str, script: &str) {
        self.process_with(name, script, "");
    }

    pub(crate) fn process_with(&self, name: &str, script: &str, lifecycle: &str) {
        write(&self.folder(name).join("program.sh"), script);
        let entrypoint = "entrypoint = [\"/bin/sh\", \"program.sh\"]\n";
        self.place(&self.declare(name, &format!("{entrypoint}{lifecycle}")));
    }

    /// Adds a tenant whose program is in a container of the image.
    pub(crate) fn container(&self, name: &str, image: &str, entrypoint: &[&str], lifecycle: &str) {
        let lifecycle = format!("image = {image:?}\nentrypoint = {entrypoint:?}\n{lifecycle}");
        self.place(&self.declare(name, &lifecycle));
    }

    /// Puts the units of a tenant in place by hand, and has its timers wait.
    pub(crate) fn place(&self, manifest: &Manifest) {
        let text = |path: PathBuf| path.to_str().expect("the path is plain").to_owned();
        let folder = self.folder(manifest.name.as_str());
        let telemetry = self.manager.home().join(".local/state/tessera/telemetry");
        let places = UnitPlaces {
            manifest: text(folder.join(manifest::FILE_NAME)),
            folder: text(folder),
            telemetry: text(telemetry),
            units: text(self.manager.config().join("systemd/user")),
            textfile: None,
        };
        let org = "library".parse().expect("it is a name");
        let files = render(manifest, &org, &places).expect("the units can be rendered");
        for file in &files {
            let folder = match file.name.ends_with(".container") {
                true => format!("containers/systemd/{}", manifest.name),
                false => "systemd/user".to_owned(),
            };
            write(&self.manager.config().join(folder).join(&file.name), &file.text);
        }
        self.manager.systemctl(&["daemon-reload"]);
        let timers = files.iter().map(|file| file.name.as_str());
        let timers: Vec<_> = timers.filter(|name| name.ends_with(".timer")).collect();
        self.manager.systemctl(&[&["enable", "--now", "--quiet"], &timers[..]].concat());
    }

    /// `tesseractl` with these arguments, about the instance.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.manager.command(binary("tesseractl"));
        command.args(arguments).env("TESSERA_INSTANCE", self.instance()).current_dir("/");
        command.env_remove("RUST_LOG").env_remove("NO_COLOR");
        command
    }

    /// Runs `tesseractl` to its end.
    pub(crate) fn tesseractl(&self, arguments: &[&str]) -> Ended {
        Started::new(self.command(arguments)).end()
    }

    /// What a file in a tenant's folder says; nothing where there is none.
    pub(crate) fn read(&self, name: &str, file: &str) -> String {
        fs::read_to_string(self.folder(name).join(file)).unwrap_or_default()
    }

    /// Waits until a unit has the value.
    pub(crate) fn await_property(&self, unit: &str, property: &str, value: &str) {
        wait_for(&format!("{property}={value} of {unit}"), || {
            self.manager.systemctl(&["show", unit, "-p", property, "--value"]).trim() == value
        });
    }
}

/// What a program has written to one of its pipes.
type Written = Arc<Mutex<Vec<u8>>>;

/// A program whose output is collected.
pub(crate) struct Started {
    pub(crate) pid: u32,
    waiter: thread::JoinHandle<ExitStatus>,
    stdout: Written,
    stderr: Written,
}

impl Started {
    pub(crate) fn new(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sh can be executed");
        let pid = child.id();
        let (stdout, output) = collect(child.stdout.take().expect("it was piped"));
        let (stderr, errors) = collect(child.stderr.take().expect("it was piped"));
        let waiter = thread::spawn(move || {
            for reader in [output, errors] {
                reader.join().expect("reading does not panic");
            }
            child.wait().expect("a child can be waited for")
        });
        Self { pid, waiter, stdout, stderr }
    }

    /// What it has written to standard output.
    pub(crate) fn output(&self) -> String {
        text(&self.stdout)
    }

    /// What it has written to standard error.
    pub(crate) fn complaints(&self) -> String {
        text(&self.stderr)
    }

    /// Waits for its end. What does not end is ended with its manager.
    pub(crate) fn end(self) -> Ended {
        wait_for("the program ends", || self.waiter.is_finished());
        let (stdout, stderr) = (self.output(), self.complaints());
        let status = self.waiter.join().expect("waiting does not panic");
        Ended { code: status.code().unwrap_or(-1), stdout, stderr }
    }
}

/// Reads a pipe to its end, line by line.
fn collect(pipe: impl Read + Send + 'static) -> (Written, thread::JoinHandle<()>) {
    let written = Written::default();
    let to = Arc::clone(&written);
    let reader = thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = pipe.read_until(b'\n', &mut line) {
            to.lock().expect("nobody panics with it").append(&mut line);
        }
    });
    (written, reader)
}

fn text(written: &Written) -> String {
    let bytes = written.lock().expect("nobody panics with it");
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(POLL);
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder is made");
    fs::write(path, text).expect("the file is written");
}
