//! Effects and performers for tests.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tessera_effects::{Performer, Settings};
use tessera_workflow::definition::{OutputFormat, Scheme};
use tessera_workflow::machine::{
    Action, Authorization, Effect, Error, HttpRequest, ProcessSpec, ShellSpec, StepId,
};
use tessera_workflow::value::from_json;
use tokio_util::sync::CancellationToken;

pub(crate) const KEY: &str = "run-1/7";
/// For what must come about at some time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn effect(action: Action) -> Effect {
    keyed(action, KEY)
}

pub(crate) fn keyed(action: Action, key: &str) -> Effect {
    Effect { id: StepId(7), task: "/do/0/a".into(), idempotency_key: key.into(), action }
}

pub(crate) fn performer(change: impl FnOnce(&mut Settings)) -> Performer {
    let mut settings = Settings::default();
    change(&mut settings);
    Performer::new(settings).unwrap()
}

pub(crate) async fn perform(performer: &Performer, action: Action) -> Result<Json, Error> {
    performer.perform(&effect(action), CancellationToken::new()).await
}

/// A plain request.
pub(crate) fn get(uri: &str) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        uri: uri.into(),
        headers: vec![],
        query: vec![],
        body: None,
        authorization: None,
        output: OutputFormat::Content,
        redirect: false,
    }
}

pub(crate) async fn call(performer: &Performer, request: HttpRequest) -> Result<Json, Error> {
    perform(performer, Action::Http(request)).await
}

pub(crate) fn authorization(scheme: Scheme, properties: Json) -> Option<Authorization> {
    Some(Authorization { scheme, properties: from_json(properties) })
}

pub(crate) fn shell(command: &str) -> ShellSpec {
    ShellSpec { command: command.into(), arguments: vec![], environment: vec![], stdin: None }
}

pub(crate) fn process(spec: ShellSpec) -> Action {
    Action::Process { spec: ProcessSpec::Shell(spec), awaits: true }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what} does not come about");
}

pub(crate) fn pair(name: &str, value: &str) -> (Arc<str>, Arc<str>) {
    (name.into(), value.into())
}
