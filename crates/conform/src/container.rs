//! A program in a container, started as its unit would start it: with the manifest and the telemetry
//! hub mounted, and all of the command as the entry point.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tessera_tenant::manifest::FILE_NAME;
use tessera_tenant::units::{MANIFEST_IN_CONTAINER, TELEMETRY_IN_CONTAINER};

use crate::Subject;

/// How many changes are told one by one.
const TOLD_MAX: usize = 4;

/// Folders in which programs make files for a while.
const SCRATCH: [&str; 4] = ["/run", "/tmp", "/var", "/var/tmp"];

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// One container, which goes when this does.
#[derive(Debug)]
pub(crate) struct Container {
    podman: Vec<String>,
    name: String,
}

/// Whether the image is there; else no call would say anything of the program.
pub(crate) fn is_there(subject: &Subject, image: &str) -> io::Result<()> {
    let output = output(&subject.podman, &["image", "exists", image]).map_err(|error| {
        let message = format!("it runs in a container, and podman cannot be started: {error}");
        io::Error::new(error.kind(), message)
    })?;
    match output.status.code() {
        Some(0) => Ok(()),
        Some(1) => Err(io::Error::other(format!("the image {image} is not here: make or pull it"))),
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
    pub(crate) fn new(podman: &[String], area: &Path) -> Self {
        let area = area.file_name().unwrap_or_default().to_string_lossy().replace('.', "");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { podman: podman.to_vec(), name: format!("{area}-{}-{number}", std::process::id()) }
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
            podman.arg("--env").arg(format!("{name}={value}"));
        }
        podman.arg("--volume").arg(format!("{}:{manifest}:ro,z", subject.manifest.display()));
        podman.arg("--volume").arg(format!("{}:{TELEMETRY_IN_CONTAINER}:z", hub.display()));
        podman.arg(image);
        podman
    }

    /// What the program has changed in it.
    pub(crate) fn changed(&self) -> io::Result<Vec<String>> {
        let output = output(&self.podman, &["diff", &self.name])?;
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
        let _ = output(&self.podman, &["kill", "--signal=KILL", &self.name]);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = output(&self.podman, &["rm", "--force", "--time=0", "--ignore", &self.name]);
    }
}

fn podman(line: &[String]) -> Command {
    let mut words = line.iter();
    let mut command = Command::new(words.next().map_or("podman", String::as_str));
    command.args(words);
    command
}

fn output(line: &[String], words: &[&str]) -> io::Result<Output> {
    // Ctrl-C is not for what clears away.
    podman(line).args(words).stdin(Stdio::null()).process_group(0).output()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
