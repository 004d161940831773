//! A program in a container, started as its unit would start it: with the manifest, the telemetry hub
//! and its volumes mounted, and all of the command as the entry point. Podman may hang, so whatever is
//! asked of it has its time.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tessera_tenant::manifest::FILE_NAME;
use tessera_tenant::units::{MANIFEST_IN_CONTAINER, TELEMETRY_IN_CONTAINER};

use crate::area::ended_within;
use crate::{Options, Subject};

/// How many changes are told one by one.
const TOLD_MAX: usize = 4;

/// How long it may take to clear a container away. A shorter time of calls is none for that: it would
/// leave containers behind on a busy machine.
const CLEARING: Duration = Duration::from_secs(30);

/// Folders in which programs make files for a while.
const SCRATCH: [&str; 4] = ["/run", "/tmp", "/var", "/var/tmp"];

/// Variables that podman heeds itself, by their beginnings: these are none to run it with.
const PODMANS: [&str; 8] =
    ["HOME", "PATH", "TMPDIR", "XDG_", "CONTAINER", "STORAGE_", "DBUS_", "LD_"];

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// One container, which goes when this does.
#[derive(Debug)]
pub(crate) struct Container {
    podman: Vec<String>,
    name: String,
    patience: Duration,
}

/// Whether the image is there.
pub(crate) fn is_there(subject: &Subject, image: &str, options: Options) -> io::Result<bool> {
    let words = ["image", "exists", image];
    let output = output(&subject.podman, &words, options.patience).map_err(|error| {
        let message = format!("it runs in a container, and podman cannot be asked: {error}");
        io::Error::new(error.kind(), message)
    })?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(io::Error::other(said(&output))),
    }
}

/// What is different in `later`, in words; nothing if nothing is.
pub(crate) fn changes(before: &[String], later: &[String]) -> Option<String> {
    let mut changes: Vec<_> =
        later.iter().filter(|change| !before.contains(change)).cloned().collect();
    let more = changes.len().saturating_sub(TOLD_MAX);
    changes.truncate(TOLD_MAX);
    if more > 0 {
        changes.push(format!("and {more} more"));
    }
    (!changes.is_empty()).then(|| changes.join(", "))
}

impl Container {
    /// A name of its own, after the folder of the area.
    pub(crate) fn new(podman: &[String], area: &Path, patience: Duration) -> Self {
        let area = area.file_name().unwrap_or_default().to_string_lossy().replace('.', "");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{area}-{}-{number}", std::process::id());
        Self { podman: podman.to_vec(), name, patience }
    }

    /// What runs the program in it.
    pub(crate) fn command(
        &self,
        subject: &Subject,
        image: &str,
        hub: &Path,
        words: &[&str],
        variables: &[(&str, &str)],
    ) -> Command {
        let service = &subject.service;
        let own = service.environment.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        let manifest = format!("{MANIFEST_IN_CONTAINER}{FILE_NAME}");
        let tessera = [
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("TESSERA_TENANT_MANIFEST", manifest.as_str()),
            ("TESSERA_TELEMETRY_DIR", TELEMETRY_IN_CONTAINER),
        ];
        let suffix = service.suffix.iter().map(|suffix| ("TESSERA_SERVICE", suffix.as_str()));
        let command: Vec<_> =
            service.entrypoint.iter().map(String::as_str).chain(words.iter().copied()).collect();
        let entrypoint = serde_json::to_string(&command).expect("strings are JSON");
        let mut podman = podman(&self.podman);
        podman.args(["run", "--pull=never", "--name", &self.name, "--entrypoint", &entrypoint]);
        for (name, value) in own.chain(tessera).chain(suffix).chain(variables.iter().copied()) {
            // Everybody on the machine may see the command line, where a secret has no place.
            match PODMANS.iter().any(|podmans| name.starts_with(podmans)) {
                true => podman.arg("--env").arg(format!("{name}={value}")),
                false => podman.arg("--env").arg(name).env(name, value),
            };
        }
        podman.arg("--volume").arg(format!("{}:{manifest}:ro,z", subject.manifest.display()));
        podman.arg("--volume").arg(format!("{}:{TELEMETRY_IN_CONTAINER}:z", hub.display()));
        for volume in &service.volumes {
            podman.arg("--volume").arg(volume.to_string());
        }
        podman.arg(image);
        podman
    }

    /// What the program has changed in it.
    pub(crate) fn changed(&self) -> io::Result<Vec<String>> {
        let output = output(&self.podman, &["diff", &self.name], self.patience)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let changes: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        // A folder is changed with what is in it, and with what was made and removed again there.
        let is_folder = |path: &str| {
            let below = |(_, other): &(&str, &str)| {
                other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
            };
            SCRATCH.contains(&path) || changes.iter().any(below)
        };
        let told = changes.iter().filter_map(|(how, path)| match *how {
            "A" => Some(format!("made {path} in its container")),
            "D" => Some(format!("removed {path} in its container")),
            _ if is_folder(path) => None,
            _ => Some(format!("changed {path} in its container")),
        });
        Ok(told.collect())
    }

    /// Ends the program, if it runs.
    pub(crate) fn kill(&self) {
        let _ = output(&self.podman, &["kill", "--signal=KILL", &self.name], CLEARING);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let words = ["rm", "--force", "--time=0", "--ignore", &self.name];
        let _ = output(&self.podman, &words, CLEARING);
    }
}

fn podman(line: &[String]) -> Command {
    let mut words = line.iter();
    let mut command = Command::new(words.next().map_or("podman", String::as_str));
    command.args(words);
    command
}

/// Runs podman to its end, within this time. It says little, and to files: a pipe might be held by
/// what it leaves behind.
fn output(line: &[String], words: &[&str], patience: Duration) -> io::Result<Output> {
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut command = podman(line);
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?);
    // Ctrl-C is not for what clears away.
    let mut child = command.process_group(0).spawn()?;
    let Some(status) = ended_within(&mut child, patience, || Ok(()))? else {
        child.kill()?;
        child.wait()?;
        let message = format!("`podman {}` does not end within {patience:?}", words.join(" "));
        return Err(io::Error::new(io::ErrorKind::TimedOut, message));
    };
    Ok(Output { status, stdout: read(stdout)?, stderr: read(stderr)? })
}

fn read(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
