//! A podman of a test's own: its storage, its socket, and an image without any registry.
//!
//! Nothing of the machine's own podman is touched, and nothing is left behind: all of it lives in
//! one folder, which goes when the [`Podman`] is dropped, together with every container in it.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::image::{self, IMAGE};
use crate::part;

const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A running podman service with an image of busybox.
#[derive(Debug)]
pub struct Podman {
    dir: PathBuf,
    service: Option<Child>,
}

/// Starts a podman for the calling test; none if the machine lacks what that needs (see
/// [`part`]).
///
/// # Panics
///
/// When it does not start although everything is there.
pub fn podman() -> Option<Podman> {
    // Both, so that whoever reads the output sees all that is missing.
    let (podman, busybox) = (part("podman"), part("busybox"));
    if !podman || !busybox {
        return None;
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // Short, for the address of a unix socket is.
    let dir = PathBuf::from(format!("/tmp/tessera-podman-{}-{number}", std::process::id()));
    let mut podman = Podman { dir, service: None };
    podman.make_image().expect("the test image is made");
    podman.start_service();
    Some(podman)
}

impl Podman {
    /// The socket of the Docker-compatible API.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("sock")
    }

    /// The image, a busybox without entry point and command.
    pub fn image(&self) -> &'static str {
        IMAGE
    }

    /// What comes before each command of podman's command line, so that it works on this storage, and
    /// what its environment has.
    pub fn command_line(&self) -> (Vec<String>, Vec<(String, String)>) {
        let command = self.command(&[]);
        let text = |it: &std::ffi::OsStr| it.to_string_lossy().into_owned();
        let environment = command.get_envs().filter_map(|(k, v)| Some((text(k), text(v?))));
        (command.get_args().map(text).collect(), environment.collect())
    }

    /// Runs podman's command line on the same storage, and returns what it says on standard output.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().expect("podman can be executed");
        assert!(output.status.success(), "podman {args:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Ends the service. Containers go on.
    pub fn stop_service(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill().expect("the service is killed");
            service.wait().expect("the service ends");
        }
    }

    /// Starts the service, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not within twenty seconds.
    pub fn start_service(&mut self) {
        let address = format!("unix://{}", self.socket().display());
        let _stale = fs::remove_file(self.socket());
        let log = fs::File::create(self.dir.join("service.log")).expect("the log is created");
        let mut command = self.command(&["system", "service", "--time=0", &address]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.service = Some(command.spawn().expect("podman can be executed"));
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(self.socket()).is_err() {
            let log = || fs::read_to_string(self.dir.join("service.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "podman does not come up: {}", log());
            thread::sleep(LOOK_INTERVAL);
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let dir = |name: &str| self.dir.join(name);
        let mut command = Command::new("podman");
        // What watches over a container leaves a file there when memory runs out.
        command.current_dir(&self.dir).env("CONTAINERS_CONF", dir("containers.conf"));
        command.arg("--root").arg(dir("root")).arg("--runroot").arg(dir("run"));
        command.arg("--tmpdir").arg(dir("tmp")).args(args);
        command
    }

    fn make_image(&self) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        fs::write(self.dir.join("containers.conf"), image::config("", ""))?;
        let archive = image::archive(&self.dir)?;
        self.run(&["import", "--quiet", path(&archive), IMAGE]);
        Ok(())
    }

    fn clean_up(&mut self) {
        self.stop_service();
        let removed = self.command(&["rm", "--all", "--force", "--time=0"]).output();
        if let Ok(output) = &removed
            && !output.status.success()
        {
            eprintln!("containers of a test may be left: {}", said(output));
        }
        self.end_watchers();
        // The storage's own mount keeps its folder.
        let _unmounted = Command::new("umount").arg(self.dir.join("root/overlay")).output();
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("{} is left: {error}", self.dir.display());
        }
    }

    /// Ends what watches over containers that are gone: it would make the folder again.
    fn end_watchers(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let pids @ [_, ..] = &self.processes()[..] {
            if Instant::now() > deadline {
                eprintln!("these processes of a test are left: {}", pids.join(" "));
                return;
            }
            let _some_are_gone = Command::new("kill").arg("-KILL").args(pids).output();
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// The processes that were told of this folder, which is nobody else's.
    fn processes(&self) -> Vec<String> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let marks = [format!("{}/root", path(&self.dir)), format!("{}/run", path(&self.dir))];
        let is_ours = |pid: &String| {
            let told = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            told.split(|byte| *byte == 0)
                .any(|word| marks.iter().any(|mark| word == mark.as_bytes()))
        };
        pids.filter(|pid| pid.parse::<u32>().is_ok()).filter(is_ours).collect()
    }

    /// Freezes the service or lets it go on: frozen, it accepts calls and does not answer.
    ///
    /// # Panics
    ///
    /// When there is no service.
    pub fn freeze_service(&self, frozen: bool) {
        let service = self.service.as_ref().expect("the service runs");
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill").args([signal, &service.id().to_string()]).status();
        assert!(sent.expect("kill can be executed").success(), "the service is gone");
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.clean_up();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the folder has a plain name")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
