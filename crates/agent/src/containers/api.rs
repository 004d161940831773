//! The calls that a run needs, in the words of the Docker API.
//!
//! Paths carry no version: the runtime then speaks its newest, in which these calls have been the
//! same for years, while any version that is old enough for one runtime is refused by another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::http::{ApiError, Body, Call, Result, call, encoded, no_answer, open};

/// The label that says which run a container is.
pub(super) const RUN_LABEL: &str = "tessera.run";

const ANSWER_TIME: Duration = Duration::from_secs(10);
/// To set up or take down a file system and a network, on a machine that is busy.
const WORK_TIME: Duration = Duration::from_secs(60);
/// Signals are about deadlines.
const SIGNAL_TIME: Duration = Duration::from_secs(5);
/// A wait has no limit of its own.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The API of the container runtime behind a socket.
#[derive(Debug, Clone)]
pub(crate) struct ContainerApi {
    socket: PathBuf,
}

/// What the runtime knows of a container.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    /// `created`, `running`, `exited` and so on.
    #[serde(default)]
    pub(crate) status: String,
    /// Its first process on the node; 0 if there is none.
    #[serde(default)]
    pub(crate) pid: u32,
    #[serde(default)]
    pub(crate) exit_code: i32,
    #[serde(default, rename = "OOMKilled")]
    pub(crate) oom_killed: bool,
}

impl State {
    /// Whether it ran and is over, so that its exit code means something.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "exited" | "stopped" | "dead")
    }
}

/// What the runtime knows of a command in a container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ExecState {
    pub(super) running: bool,
    #[serde(default)]
    pub(super) exit_code: Option<i32>,
    #[serde(default)]
    pub(super) pid: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Id {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: State,
}

/// What the runtime says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Version {
    pub(super) version: String,
    #[serde(default)]
    pub(super) components: Vec<Component>,
}

/// A program of which the runtime consists.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Component {
    pub(super) name: String,
}

impl ContainerApi {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) async fn version(&self) -> Result<Version> {
        self.read(Method::GET, "/version", None, ANSWER_TIME).await
    }

    /// Whether the node has an image.
    pub(super) async fn has_image(&self, image: &str) -> Result<bool> {
        let path = format!("/images/{}/json", encoded(image));
        match self.order(Method::GET, &path, ANSWER_TIME).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins to pull an image. How that goes is told in the answer, line by line.
    pub(super) async fn pull(&self, name: &str, tag: &str) -> Result<Body> {
        let path = format!("/images/create?fromImage={}&tag={}", encoded(name), encoded(tag));
        self.open(Method::POST, &path, None, WORK_TIME).await
    }

    /// Makes a container that does not run yet, and answers its id.
    pub(crate) async fn create(&self, name: &str, container: &Value) -> Result<String> {
        let path = format!("/containers/create?name={}", encoded(name));
        let made: Id = self.read(Method::POST, &path, Some(container), WORK_TIME).await?;
        Ok(made.id)
    }

    /// What a container prints from now on, as [`Frames`](super::Frames).
    pub(crate) async fn attach(&self, id: &str) -> Result<Body> {
        let path = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
        self.open(Method::POST, &path, None, WORK_TIME).await
    }

    pub(crate) async fn start(&self, id: &str) -> Result<()> {
        self.order(Method::POST, &format!("/containers/{id}/start"), WORK_TIME).await
    }

    pub(crate) async fn inspect(&self, id: &str) -> Result<State> {
        let path = format!("/containers/{id}/json");
        let inspected: Inspected = self.read(Method::GET, &path, None, ANSWER_TIME).await?;
        Ok(inspected.state)
    }

    /// Waits until a container does not run.
    pub(crate) async fn wait(&self, id: &str) -> Result<()> {
        self.order(Method::POST, &format!("/containers/{id}/wait"), FOREVER).await
    }

    /// Sends a signal to the first process of a container.
    pub(crate) async fn signal(&self, id: &str, signal: &str) -> Result<()> {
        let path = format!("/containers/{id}/kill?signal={}", encoded(signal));
        self.order(Method::POST, &path, SIGNAL_TIME).await
    }

    /// Kills and removes whatever there is of a run.
    pub(crate) async fn remove_run(&self, run_id: &str) -> Result<()> {
        let filters = json!({"label": [format!("{RUN_LABEL}={run_id}")]}).to_string();
        let path = format!("/containers/json?all=true&filters={}", encoded(&filters));
        let found: Vec<Id> = self.read(Method::GET, &path, None, ANSWER_TIME).await?;
        for Id { id } in found {
            let path = format!("/containers/{id}?force=true&v=true");
            match self.order(Method::DELETE, &path, WORK_TIME).await {
                Err(error) if !error.is_missing() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Prepares a command in a container, and answers the command's id.
    pub(super) async fn prepare_exec(&self, id: &str, command: &[String]) -> Result<String> {
        let path = format!("/containers/{id}/exec");
        let body = json!({"Cmd": command, "AttachStdout": true, "AttachStderr": true});
        let made: Id = self.read(Method::POST, &path, Some(&body), ANSWER_TIME).await?;
        Ok(made.id)
    }

    /// Starts a prepared command. The answer is what it prints, and ends when it does.
    pub(super) async fn start_exec(&self, exec_id: &str) -> Result<Body> {
        let body = json!({"Detach": false, "Tty": false});
        let path = format!("/exec/{exec_id}/start");
        self.open(Method::POST, &path, Some(&body), ANSWER_TIME).await
    }

    pub(super) async fn inspect_exec(&self, exec_id: &str) -> Result<ExecState> {
        self.read(Method::GET, &format!("/exec/{exec_id}/json"), None, ANSWER_TIME).await
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Body> {
        open(&self.socket, Call { method, path, body, limit }).await
    }

    async fn order(&self, method: Method, path: &str, limit: Duration) -> Result<()> {
        call(&self.socket, Call { method, path, body: None, limit }).await.map(drop)
    }

    async fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<T> {
        let answer = call(&self.socket, Call { method, path, body, limit }).await?;
        let unclear = |error| no_answer(&self.socket, format!("its answer is unclear: {error}"));
        serde_json::from_slice(&answer).map_err(|error: serde_json::Error| unclear(error))
    }
}

impl ApiError {
    /// Whether a container does not run (any more), so that a signal came too late.
    pub(crate) fn is_not_running(&self) -> bool {
        matches!(self, Self::Refused { status: 404 | 409, .. })
    }
}
