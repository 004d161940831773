//! Documents, other workflows, adapters, events.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value as Json, json};
use tessera_effects::{Adapter, AdapterCall, Base, Collected, Events, Files, Folder, Resolve};
use tessera_workflow::machine::{Action, CloudEvent, Error, Fetch, StartRun, kind};
use tessera_workflow::value::{Value, from_json};

use crate::server::{Server, redirect, status, typed};
use crate::stage::{KEY, perform, performer};

fn fetch(uri: &str) -> Action {
    Action::Fetch(Fetch { uri: uri.into(), authorization: None })
}

#[tokio::test]
async fn documents_come_from_the_web_and_from_allowed_files() {
    let server = Server::start(|asked| match asked.path() {
        "/a/flow.yaml" => typed("text/yaml", "a: 1"),
        "/moved" => redirect(302, "/a/flow.yaml"),
        "/bytes" => typed("text/yaml", &b"\xff"[..]),
        _ => status(404, "gone"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/it.yaml"), "b: 2").unwrap();
    std::fs::write(folder.path().join("secret"), "c").unwrap();
    let within = folder.path().join("in");
    let local = performer(|it| {
        it.base = Base::Folder(within.clone());
        it.files = Files::Within(within.clone());
    });
    assert_eq!(perform(&local, fetch("it.yaml")).await, Ok(json!("b: 2")));
    assert_eq!(perform(&local, fetch(&server.uri("/moved"))).await, Ok(json!("a: 1")));
    let outside = format!("file://{}/secret", folder.path().display());
    for uri in ["../secret", "/etc/hostname", outside.as_str(), "file:///etc/hostname", "."] {
        let error = perform(&local, fetch(uri)).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::CONFIGURATION, 400), "{uri}");
    }
    assert_eq!(perform(&local, fetch(&server.uri("/none"))).await.unwrap_err().status, 404);
    assert_eq!(perform(&local, fetch(&server.uri("/bytes"))).await.unwrap_err().status, 502);
    let remote = performer(|it| it.base = Base::Uri(server.uri("/a/b.yaml").parse().unwrap()));
    assert_eq!(perform(&remote, fetch("flow.yaml")).await, Ok(json!("a: 1")));
    let lost = performer(|it| it.files = Files::Anywhere);
    assert!(perform(&lost, fetch("flow.yaml")).await.is_err());
    assert_eq!(perform(&lost, fetch(&outside)).await, Ok(json!("c")));
}

#[tokio::test]
async fn a_device_without_an_end_is_no_document() {
    let anywhere = performer(|it| it.files = Files::Anywhere);
    for path in ["file:///dev/zero", "file:///dev/stdin", "file:///proc"] {
        assert_eq!(&*perform(&anywhere, fetch(path)).await.unwrap_err().kind, kind::CONFIGURATION);
    }
}

fn find(name: &str, version: &str) -> Action {
    Action::FindWorkflow { namespace: "shop".into(), name: name.into(), version: version.into() }
}

#[tokio::test]
async fn workflows_are_found_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    for version in ["1.9.0", "1.10.0", "2.0.0-rc.1"] {
        let text =
            format!("document: {{namespace: shop, name: buy, version: '{version}'}}\ndo: []\n");
        std::fs::write(folder.path().join(format!("buy-{version}.yaml")), text).unwrap();
    }
    std::fs::write(folder.path().join("broken.yaml"), "a: [").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "hello").unwrap();
    let folders = Folder { folders: vec![folder.path().to_owned()], files: vec![] };
    let performer = performer(|it| it.definitions = Some(Arc::new(folders)));
    let found = perform(&performer, find("buy", "1.9.0")).await.unwrap();
    assert!(found["definition"].as_str().unwrap().contains("1.9.0"));
    let latest = perform(&performer, find("buy", "latest")).await.unwrap();
    assert!(latest["definition"].as_str().unwrap().contains("2.0.0-rc.1"));
    let error = perform(&performer, find("by", "latest")).await.unwrap_err();
    assert!(error.detail.unwrap().ends_with("did you mean `shop/buy`?"));
    let error = perform(&performer, find("buy", "3.0.0")).await.unwrap_err();
    assert!(error.detail.unwrap().contains("has no version 3.0.0"));
    let none = crate::stage::performer(|_| ());
    assert_eq!(perform(&none, find("buy", "1.9.0")).await.unwrap_err().status, 400);
    let run = StartRun {
        namespace: "shop".into(),
        name: "buy".into(),
        version: "latest".into(),
        input: Value::Null,
    };
    let start = perform(&none, Action::StartRun(run)).await.unwrap_err();
    assert_eq!(&*start.kind, kind::CONFIGURATION);
}

struct Calculator;

impl Adapter for Calculator {
    fn name(&self) -> &'static str {
        "calc"
    }

    fn functions(&self) -> &[&str] {
        &["add", "subtract"]
    }

    fn call<'a>(&'a self, call: AdapterCall<'a>) -> BoxFuture<'a, Result<Json, Error>> {
        Box::pin(async move {
            let arguments = call.arguments.as_array().unwrap().clone();
            let sum: i64 = arguments.iter().filter_map(Json::as_i64).sum();
            Ok(json!([call.function, sum, call.idempotency_key]))
        })
    }
}

#[tokio::test]
async fn adapters_are_found_by_name_and_the_nearest_is_proposed() {
    let performer = performer(|it| it.adapters.push(Arc::new(Calculator)));
    let call =
        |name: &str| Action::Adapter { name: name.into(), arguments: from_json(json!([1, 2])) };
    assert_eq!(perform(&performer, call("calc.add")).await, Ok(json!(["add", 3, KEY])));
    for name in ["calc.ad", "calc", "calcadd", "calc.add.x", "other.add"] {
        let error = perform(&performer, call(name)).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::CONFIGURATION, 400), "{name}");
    }
    let error = perform(&performer, call("calc.ad")).await.unwrap_err();
    assert!(error.detail.unwrap().ends_with("did you mean `calc.add`?"));
}

#[tokio::test]
async fn events_go_where_the_settings_say() {
    let event: CloudEvent = json!({"id": "e1", "source": "/a", "type": "b", "specversion": "1.0"})
        .as_object()
        .unwrap()
        .clone();
    let collected = Collected::default();
    let performer_ = performer(|it| it.events = Events::Given(Arc::new(collected.clone())));
    assert_eq!(perform(&performer_, Action::Emit(event.clone())).await, Ok(json!(null)));
    assert_eq!(collected.events(), std::slice::from_ref(&event));
    let server = Server::start(|_| status(202, "")).await;
    let sink = server.uri("/events").parse().unwrap();
    let over_http = performer(|it| it.events = Events::To(sink));
    perform(&over_http, Action::Emit(event.clone())).await.unwrap();
    let asked = &server.asked()[0];
    assert_eq!(asked.header("content-type"), "application/cloudevents+json");
    assert_eq!(serde_json::from_str::<CloudEvent>(&asked.body).unwrap(), event);
    let none = performer(|_| ());
    assert_eq!(perform(&none, Action::Emit(event)).await, Ok(json!(null)));
}

#[test]
fn certificates_that_are_none_are_refused_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path(), std::path::Path::new("/nowhere.pem")] {
        let settings = tessera_effects::Settings {
            ca: vec![path.to_owned()],
            resolve: Vec::<Resolve>::new(),
            ..Default::default()
        };
        let error = tessera_effects::Performer::new(settings).err().unwrap();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    }
}
