//! The adapter `fleet`: workloads of Tessera itself, through the control plane's API.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tessera_client::{DeleteOptions, Error as ClientError, PutOptions};
use tessera_effects::{Adapter, AdapterCall, configuration};
use tessera_types::problem::Code;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Manifest, Name, Object, Uid, Workload};
use tessera_workflow::machine::{Error, kind};

use crate::control_address::ControlAddress;

/// What documents can call.
const FUNCTIONS: &[&str] = &["delete", "deploy", "find", "wait"];

/// How often it is looked whether a workload is as it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The workloads of one control plane.
pub(crate) struct Fleet {
    control: ControlAddress,
}

/// The same where no control plane is given: it says what is missing.
pub(crate) struct NoFleet;

/// How long the control plane may be out of reach in one call.
const UNREACHABLE_MAX: Duration = Duration::from_secs(120);

/// Which workload.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    name: Name,
    #[serde(default)]
    namespace: Option<Name>,
    /// Its identity, for `delete`, which needs it: another of the same name stays.
    #[serde(default)]
    id: Option<Uid>,
    /// How it is to be, for `wait`; `Running` unless given.
    #[serde(default)]
    status: Option<WorkloadStatus>,
}

impl Fleet {
    /// The workloads of the control plane at `control`.
    pub(crate) fn new(control: ControlAddress) -> Self {
        Self { control }
    }

    async fn deploy(&self, arguments: Json, key: &str) -> Result<Json, Error> {
        let manifest: Manifest<Workload> = read(arguments)?;
        let options = PutOptions { idempotency_key: Some(key), ..PutOptions::default() };
        let (api, patience) = (self.control.api().await, Patience::new());
        loop {
            match api.put(&manifest, &options).await {
                Ok(applied) => return Ok(summary(&applied.resource)),
                Err(error) if patience.allows(&error).await => {}
                Err(error) => return Err(of(&error)),
            }
        }
    }

    async fn wait(&self, arguments: Json) -> Result<Json, Error> {
        let Which { name, namespace, status, .. } = read(arguments)?;
        let wanted = status.unwrap_or(WorkloadStatus::Running);
        loop {
            let found = self.get(&name, namespace.as_ref()).await.map_err(|error| of(&error))?;
            if found.status == wanted {
                return Ok(summary(&found));
            }
            if found.status == WorkloadStatus::Failed {
                return Err(communication(409, failed(&found)));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The workload of a name, or null. What a run is told of it stays so over a crash, unlike what
    /// the name stands for.
    async fn find(&self, arguments: Json) -> Result<Json, Error> {
        let Which { name, namespace, .. } = read(arguments)?;
        match self.get(&name, namespace.as_ref()).await {
            Ok(found) => Ok(summary(&found)),
            Err(error) if is_gone(&error) => Ok(Json::Null),
            Err(error) => Err(of(&error)),
        }
    }

    async fn delete(&self, arguments: Json) -> Result<Json, Error> {
        let Which { name, namespace, id, .. } = read(arguments)?;
        let id = id.ok_or_else(|| {
            invalid(
                "missing field `id`: take it from what fleet.deploy or fleet.find answered, so that \
                 no other workload of that name is deleted",
            )
        })?;
        let namespace = namespace.as_ref();
        let options = DeleteOptions { id: Some(id), revision: None };
        let (api, patience) = (self.control.api().await, Patience::new());
        let asked = loop {
            match api.delete::<Workload>(&name, namespace, options).await {
                Err(error) if patience.allows(&error).await => {}
                done => break done,
            }
        };
        match asked {
            Ok(_) => {}
            Err(error) if is_gone(&error) || is_other(&error) => {
                return Ok(json!({ "name": name }));
            }
            Err(error) => return Err(of(&error)),
        }
        // One of the same name that was made meanwhile is another.
        loop {
            match self.get(&name, namespace).await {
                Ok(found) if found.id == id => tokio::time::sleep(LOOK_EVERY).await,
                Ok(_) => return Ok(json!({ "name": name })),
                Err(error) if is_gone(&error) => return Ok(json!({ "name": name })),
                Err(error) => return Err(of(&error)),
            }
        }
    }

    async fn get(
        &self,
        name: &Name,
        namespace: Option<&Name>,
    ) -> Result<Object<Workload>, ClientError> {
        let (api, patience) = (self.control.api().await, Patience::new());
        loop {
            match api.get(name, namespace).await {
                Err(error) if patience.allows(&error).await => {}
                done => return done,
            }
        }
    }
}

impl Adapter for Fleet {
    fn name(&self) -> &str {
        "fleet"
    }

    fn functions(&self) -> &[&str] {
        FUNCTIONS
    }

    fn call<'a>(&'a self, call: AdapterCall<'a>) -> BoxFuture<'a, Result<Json, Error>> {
        Box::pin(async move {
            match call.function {
                "deploy" => self.deploy(call.arguments, call.idempotency_key).await,
                "find" => self.find(call.arguments).await,
                "wait" => self.wait(call.arguments).await,
                "delete" => self.delete(call.arguments).await,
                other => Err(configuration(format!("fleet has no function {other}"))),
            }
        })
    }
}

impl Adapter for NoFleet {
    fn name(&self) -> &str {
        "fleet"
    }

    fn functions(&self) -> &[&str] {
        FUNCTIONS
    }

    fn can_be_called(&self) -> bool {
        false
    }

    fn call<'a>(&'a self, call: AdapterCall<'a>) -> BoxFuture<'a, Result<Json, Error>> {
        let detail = format!(
            "fleet.{} is a call of the control plane, and the engine knows none: start it with \
             --control URL",
            call.function
        );
        Box::pin(std::future::ready(Err(configuration(detail))))
    }
}

/// How long a call has waited for a control plane that is out of reach: its restart is no
/// failure of a job's. Whoever cannot wait has a timeout.
struct Patience(Instant);

impl Patience {
    fn new() -> Self {
        Self(Instant::now())
    }

    /// Whether to call again after this error, which is so after a pause.
    async fn allows(&self, error: &ClientError) -> bool {
        let is_passing = match error {
            ClientError::Unreachable(_) => true,
            other => other.problem().is_some_and(|problem| problem.code == Code::Unavailable),
        };
        let again = is_passing && self.0.elapsed() < UNREACHABLE_MAX;
        if again {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        again
    }
}

/// What is said of a workload that has failed, and that it is still there.
fn failed(workload: &Object<Workload>) -> String {
    let reason = workload.state_history.last().map_or("", |last| last.reason.as_str());
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    format!("workload {} has failed{why}, and stays until it is deleted", workload.name)
}

fn summary(workload: &Object<Workload>) -> Json {
    json!({
        "name": workload.name,
        "namespace": workload.namespace,
        "id": workload.id,
        "status": workload.status,
    })
}

fn read<T: for<'de> Deserialize<'de>>(arguments: Json) -> Result<T, Error> {
    serde_json::from_value(arguments).map_err(|error| invalid(error.to_string()))
}

fn invalid(detail: impl Into<std::sync::Arc<str>>) -> Error {
    Error::new(kind::VALIDATION, 400, "Invalid arguments", detail)
}

fn is_gone(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| problem.code == Code::NotFound)
}

/// Whether what has the name is not what was meant.
fn is_other(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| problem.code == Code::Conflict)
}

fn of(error: &ClientError) -> Error {
    let status = error.problem().map_or(503, |problem| problem.status);
    communication(status, error.to_string())
}

fn communication(status: u16, detail: String) -> Error {
    Error::new(kind::COMMUNICATION, status, "The control plane says no", detail)
}
