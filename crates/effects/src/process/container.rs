//! Containers, by the command line of podman or docker.
//!
//! The one idea: a container carries the effect's key in a label, and its name comes from the key. A
//! second try after a crash looks for it first, and follows the one that is there instead of starting
//! another. So a container that is to be removed after its end stays until its result is stored
//! ([`Containers::settle`]).

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tessera_types::limits::clip;
use tessera_workflow::machine::{ContainerSpec, Error};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::script::find;
use super::{Finished, KEY_VARIABLE, Launch, Unattended, attend, check_variable};
use crate::fault;
use crate::settings::{ContainerEngine, Limits};

const KEY_LABEL: &str = "tessera.idempotency-key";
/// Seconds after its end at which a container may go.
const REMOVE_LABEL: &str = "tessera.remove-after-s";
/// A container whose run has ended long ago, and whose result nobody came for.
const UNSETTLED_MAX_S: u64 = 3600;
/// Bytes of an answer of the command line that an error quotes.
const QUOTED_MAX: usize = 1024;

/// Runs containers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Containers {
    given: Option<ContainerEngine>,
    limits: Arc<Limits>,
}

/// A container that is there.
struct Found {
    id: String,
    has_started: bool,
}

impl Containers {
    pub(super) fn new(given: Option<ContainerEngine>, limits: Arc<Limits>) -> Self {
        Self { given, limits }
    }

    /// Runs a container to its end, or follows the one that this key has already.
    pub(super) async fn run(
        &self,
        spec: &ContainerSpec,
        key: &str,
        cancelled: &CancellationToken,
    ) -> Result<Finished, Error> {
        let (this, spec, key) = (self.clone(), spec.clone(), key.to_owned());
        let stop = cancelled.child_token();
        let _stops_when_dropped = stop.clone().drop_guard();
        let running = tokio::spawn(async move {
            let engine = this.engine()?;
            let result = tokio::select! {
                result = this.follow(&engine, &spec, &key) => result,
                () = stop.cancelled() => Err(fault::cancelled()),
            };
            if result.is_err() {
                this.end(&engine, &spec, &key).await;
            }
            result
        });
        running.await.map_err(|error| fault::runtime(error.to_string()))?
    }

    /// Starts a container that nobody waits for, unless this key has one already.
    pub(super) async fn start(&self, spec: &ContainerSpec, key: &str) -> Result<(), Error> {
        let engine = self.engine()?;
        let found = self.prepare(&engine, spec, key).await?;
        if found.has_started {
            return Ok(());
        }
        if spec.stdin.is_none() {
            self.call(&engine, &["start", &found.id]).await?;
        }
        let (this, spec, key) = (self.clone(), spec.clone(), key.to_owned());
        tokio::spawn(async move {
            let ended = match &spec.stdin {
                Some(_) => this.attach(&engine, &found, &spec).await.map(drop),
                None => this.call(&engine, &["wait", &found.id]).await.map(drop),
            };
            match (ended, spec.cleanup_after) {
                (Ok(()), Some(_)) => this.settle(&spec, &key).await,
                (Ok(()), None) => {}
                (Err(error), _) => {
                    tracing::warn!(%error, "a container was not followed to its end");
                }
            }
        });
        Ok(())
    }

    /// Removes a container whose result is stored, now or when its time comes. What this process
    /// does not live to do is done when a container is next run here.
    pub(super) async fn settle(&self, spec: &ContainerSpec, key: &str) {
        let (Some(after), Ok(engine)) = (spec.cleanup_after, self.engine()) else { return };
        let Ok(Some(found)) = self.find(&engine, key).await else { return };
        let (this, wait) = (self.clone(), after.as_std());
        let remove = async move {
            tokio::time::sleep(wait).await;
            this.remove(&engine, &found.id).await;
        };
        match wait.is_zero() {
            true => remove.await,
            false => drop(tokio::spawn(remove)),
        }
    }

    fn engine(&self) -> Result<ContainerEngine, Error> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }
        let program = ["podman", "docker"].into_iter().find_map(find);
        program
            .map(|program| ContainerEngine { program, arguments: vec![], environment: vec![] })
            .ok_or_else(|| {
                fault::configuration(
                    "a container needs podman or docker, and neither is on the PATH",
                )
            })
    }

    async fn follow(
        &self,
        engine: &ContainerEngine,
        spec: &ContainerSpec,
        key: &str,
    ) -> Result<Finished, Error> {
        let found = self.prepare(engine, spec, key).await?;
        let output = match found.has_started {
            true => self.logs(engine, &found.id).await?,
            false => self.attach(engine, &found, spec).await?,
        };
        let format = "{{.State.ExitCode}} {{.State.Status}} {{.State.Error}}";
        let state = self.call(engine, &["inspect", "--format", format, &found.id]).await?;
        let mut state = state.trim().splitn(3, ' ');
        let code = state.next().and_then(|it| it.parse().ok()).unwrap_or(output.code);
        let (status, error) = (state.next().unwrap_or_default(), state.next().unwrap_or_default());
        if matches!(status, "created" | "initialized" | "configured") {
            // It never ran; what the command line said is why.
            let why = if error.is_empty() { output.stderr.trim() } else { error };
            return Err(fault::runtime(format!(
                "the container cannot be started: {}",
                clip(why, QUOTED_MAX)
            )));
        }
        Ok(Finished { code, ..output })
    }

    /// The container of this key, made if there is none yet.
    async fn prepare(
        &self,
        engine: &ContainerEngine,
        spec: &ContainerSpec,
        key: &str,
    ) -> Result<Found, Error> {
        self.sweep(engine).await;
        if let Some(found) = self.find(engine, key).await? {
            return Ok(found);
        }
        let mut command = self.command(engine);
        create(&mut command, engine, spec, key)?;
        let id = self.output(command, engine).await?;
        let id = id.lines().last().unwrap_or_default().trim().to_owned();
        Ok(Found { id, has_started: false })
    }

    async fn find(&self, engine: &ContainerEngine, key: &str) -> Result<Option<Found>, Error> {
        let label = format!("label={KEY_LABEL}={key}");
        let format = "{{.ID}} {{.State}}";
        let arguments = ["ps", "--all", "--no-trunc", "--filter", &label, "--format", format];
        let listed = self.call(engine, &arguments).await?;
        let line = listed.lines().find_map(|line| line.trim().split_once(' '));
        Ok(line.map(|(id, state)| {
            let state = state.trim().to_ascii_lowercase();
            let has_started = !matches!(state.as_str(), "created" | "configured" | "initialized");
            Found { id: id.to_owned(), has_started }
        }))
    }

    /// Starts a container and reads what it writes.
    async fn attach(
        &self,
        engine: &ContainerEngine,
        found: &Found,
        spec: &ContainerSpec,
    ) -> Result<Finished, Error> {
        let mut command = self.command(engine);
        command.args(["start", "--attach"]);
        if spec.stdin.is_some() {
            command.arg("--interactive");
        }
        command.arg(&found.id);
        self.read(command, spec.stdin.clone()).await
    }

    /// All that a container has written, and writes until its end.
    async fn logs(&self, engine: &ContainerEngine, id: &str) -> Result<Finished, Error> {
        let mut command = self.command(engine);
        command.args(["logs", "--follow", id]);
        let output = self.read(command, None).await?;
        self.call(engine, &["wait", id]).await?;
        Ok(output)
    }

    async fn read(&self, mut command: Command, stdin: Option<Arc<str>>) -> Result<Finished, Error> {
        command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let launch = Launch { command, stdin, file: None, unattended: Unattended::GoesOn };
        // Who wants this is dropped when it is cancelled.
        attend::run(launch, &self.limits, &CancellationToken::new()).await
    }

    /// Ends a container that nobody wants any more.
    async fn end(&self, engine: &ContainerEngine, spec: &ContainerSpec, key: &str) {
        let Ok(Some(found)) = self.find(engine, key).await else { return };
        let grace = self.limits.grace.as_secs().max(1).to_string();
        let stopped = self.call(engine, &["stop", "--time", &grace, &found.id]).await;
        if let Err(error) = stopped {
            tracing::warn!(%error, "a container cannot be stopped");
        }
        // One that never ran is of no use to anybody.
        if spec.cleanup_after.is_some() || !found.has_started {
            self.settle_or_remove(engine, spec, key, &found).await;
        }
    }

    async fn settle_or_remove(
        &self,
        engine: &ContainerEngine,
        spec: &ContainerSpec,
        key: &str,
        found: &Found,
    ) {
        match found.has_started {
            true => self.settle(spec, key).await,
            false => self.remove(engine, &found.id).await,
        }
    }

    async fn remove(&self, engine: &ContainerEngine, id: &str) {
        if let Err(error) = self.call(engine, &["rm", "--force", id]).await {
            tracing::warn!(%error, "a container cannot be removed");
        }
    }

    /// Removes containers whose time has come, of processes that did not live to see it.
    async fn sweep(&self, engine: &ContainerEngine) {
        let label = format!("label={REMOVE_LABEL}");
        let filter = ["ps", "--all", "--quiet", "--no-trunc", "--filter", &label];
        let arguments = [&filter[..], &["--filter", "status=exited"]].concat();
        let Ok(listed) = self.call(engine, &arguments).await else { return };
        for id in listed.lines() {
            let format = format!(
                "{{{{index .Config.Labels \"{REMOVE_LABEL}\"}}}} {{{{.State.FinishedAt}}}}"
            );
            let Ok(said) = self.call(engine, &["inspect", "--format", &format, id]).await else {
                continue;
            };
            if is_due(&said) {
                self.remove(engine, id).await;
            }
        }
    }

    /// Calls the command line, and says what it says.
    async fn call(&self, engine: &ContainerEngine, arguments: &[&str]) -> Result<String, Error> {
        let mut command = self.command(engine);
        command.args(arguments);
        self.output(command, engine).await
    }

    async fn output(
        &self,
        mut command: Command,
        engine: &ContainerEngine,
    ) -> Result<String, Error> {
        command.stdin(Stdio::null());
        let output = self.read(command, None).await?;
        if output.code == 0 {
            return Ok(output.stdout);
        }
        let program = engine.program.display();
        Err(fault::runtime(format!("{program} failed: {}", clip(output.stderr.trim(), QUOTED_MAX))))
    }

    fn command(&self, engine: &ContainerEngine) -> Command {
        let mut command = Command::new(&engine.program);
        command.args(&engine.arguments);
        command.envs(engine.environment.iter().map(|(name, value)| (name, value)));
        // A group of its own: Ctrl-C at a terminal is not for it.
        command.process_group(0);
        command
    }
}

/// The arguments that make a container.
fn create(
    command: &mut Command,
    engine: &ContainerEngine,
    spec: &ContainerSpec,
    key: &str,
) -> Result<(), Error> {
    let pull = match &*spec.pull {
        "always" => "always",
        "never" => "never",
        _ => "missing",
    };
    let name = match &spec.name {
        Some(name) => name.to_string(),
        None => name_of(key),
    };
    command.args(["create", "--pull", pull, "--name", &name]);
    command.args(["--label", &format!("{KEY_LABEL}={key}")]);
    if let Some(after) = spec.cleanup_after {
        command.args(["--label", &format!("{REMOVE_LABEL}={}", after.as_millis().div_ceil(1000))]);
    }
    if engine.program.ends_with("podman") {
        // What it wrote must be readable later, which depends on the machine otherwise.
        command.args(["--log-driver", "k8s-file"]);
    }
    for (name, value) in &spec.environment {
        variable(command, name, value)?;
    }
    command.args(["--env", &format!("{KEY_VARIABLE}={key}")]);
    for (outside, inside) in &spec.ports {
        command.args(["--publish", &format!("127.0.0.1:{outside}:{inside}")]);
    }
    for (outside, inside) in &spec.volumes {
        command.args(["--volume", &format!("{outside}:{inside}")]);
    }
    if spec.stdin.is_some() {
        command.arg("--interactive");
    }
    if spec.image.starts_with('-') || name.starts_with('-') {
        return Err(fault::configuration(
            "the image and the name of a container begin with no dash",
        ));
    }
    match &spec.command {
        Some(shell) => {
            command.args(["--entrypoint", "/bin/sh", &spec.image, "-c", shell, "sh"]);
        }
        None => drop(command.arg(&*spec.image)),
    }
    command.args(spec.arguments.iter().map(|it| &**it));
    Ok(())
}

/// A variable of the container. Its value goes by way of the command line's own environment, since
/// arguments can be read by everybody on the machine, unless the command line itself would heed it.
fn variable(command: &mut Command, name: &str, value: &str) -> Result<(), Error> {
    check_variable(name, value)?;
    let heeded = ["PATH", "HOME", "USER", "TMPDIR", "SHELL", "LANG", "TERM"];
    let prefixes = [
        "LD_",
        "XDG_",
        "DBUS_",
        "CONTAINER",
        "DOCKER_",
        "PODMAN_",
        "BUILDAH_",
        "STORAGE_",
        "REGISTRY_",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SSL_",
        "GO",
        "TESSERA_",
        "_",
        "NOTIFY_",
        "LISTEN_",
        "LC_",
    ];
    let is_heeded = heeded.contains(&name) || prefixes.iter().any(|it| name.starts_with(it));
    match is_heeded {
        true => command.args(["--env", &format!("{name}={value}")]),
        false => command.env(name, value).args(["--env", name]),
    };
    Ok(())
}

/// A name that only this key gives.
fn name_of(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    let hash: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("tessera-{hash}")
}

/// Whether a container's time has come, by its label and the time of its end.
fn is_due(said: &str) -> bool {
    let Some((after, finished)) = said.trim().split_once(' ') else { return false };
    let Some(finished) = moment(finished) else { return false };
    let Ok(after) = after.parse::<u64>() else { return false };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default();
    // Its result may not be stored yet.
    let after = Duration::from_secs(after.max(UNSETTLED_MAX_S));
    now.checked_sub(finished).is_some_and(|since| since > after)
}

/// Seconds since the epoch of a time as podman (`2026-01-02 03:04:05.6 +0000 UTC`) and docker
/// (`2026-01-02T03:04:05.6Z`) write it.
fn moment(text: &str) -> Option<Duration> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    let time = rest.get(..8)?;
    let zone = rest.split_whitespace().nth(1).unwrap_or("+0000");
    let zone = format!("{}:{}", zone.get(..3)?, zone.get(3..5)?);
    let moment: jiff::Timestamp = format!("{date}T{time}{zone}").parse().ok()?;
    u64::try_from(moment.as_second()).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_both_write_them() {
        let docker = moment("2026-01-02T03:04:05.678Z").unwrap();
        assert_eq!(moment("2026-01-02 03:04:05.678 +0000 UTC"), Some(docker));
        assert_eq!(moment("2026-01-02 04:04:05.678 +0100 CET"), Some(docker));
        assert_eq!(moment("0001-01-01 00:00:00 +0000 UTC"), None);
        assert_eq!(moment("never"), None);
    }

    #[test]
    fn only_what_ended_long_ago_is_due() {
        assert!(is_due("0 2020-01-02T03:04:05Z"));
        assert!(!is_due("0 2999-01-02T03:04:05Z"));
        assert!(!is_due("<no value> 2020-01-02T03:04:05Z") && !is_due(""));
        assert!(!is_due("4000000000 2020-01-02T03:04:05Z"));
    }
}
