//! Containers, in a podman of the test's own.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tessera_effects::local::Local;
use tessera_effects::{ContainerEngine, Performer};
use tessera_testkit::{Podman, podman};
use tessera_workflow::machine::{Action, ContainerSpec, Effect, Outcome, ProcessSpec, kind};
use tessera_workflow::reading::{self, Format, Source};
use tokio_util::sync::CancellationToken;

use crate::stage::{PATIENCE, keyed, pair, performer, until};

fn with(podman: &Podman) -> Performer {
    let (arguments, environment) = podman.command_line();
    let engine = ContainerEngine { program: "podman".into(), arguments, environment };
    performer(|it| {
        it.container_engine = Some(engine);
        it.limits.grace = Duration::from_secs(1);
    })
}

fn container(podman: &Podman, command: &str) -> ContainerSpec {
    ContainerSpec {
        image: podman.image().into(),
        name: None,
        command: Some(command.into()),
        arguments: vec![],
        environment: vec![],
        ports: vec![],
        volumes: vec![],
        stdin: None,
        pull: "never".into(),
        cleanup_after: None,
    }
}

fn effect(spec: ContainerSpec, key: &str) -> Effect {
    keyed(Action::Process { spec: ProcessSpec::Container(spec), awaits: true }, key)
}

/// The containers that there are, by name.
fn names(podman: &Podman) -> Vec<String> {
    let listed = podman.run(&["ps", "--all", "--format", "{{.Names}}"]);
    listed.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_runs_with_all_that_is_declared() {
    let Some(podman) = podman() else { return };
    let performer = with(&podman);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "from outside").unwrap();
    let spec = ContainerSpec {
        name: Some("by-name".into()),
        arguments: vec!["Foo".into(), "Bar baz".into()],
        environment: vec![pair("SECRET", "line 1\nline 2"), pair("PATH", "/bin")],
        volumes: vec![(folder.path().to_str().unwrap().into(), "/data".into())],
        stdin: Some("the input".into()),
        ..container(
            &podman,
            "echo \"$(cat) $1 $2 $SECRET $(cat /data/file)\"; echo $TESSERA_IDEMPOTENCY_KEY >&2; exit 7",
        )
    };
    let result = performer.perform(&effect(spec, "run-1/1"), CancellationToken::new()).await;
    let stdout = "the input Foo Bar baz line 1\nline 2 from outside\n";
    assert_eq!(result, Ok(json!({"code": 7, "stdout": stdout, "stderr": "run-1/1\n"})));
    assert_eq!(names(&podman), ["by-name"], "without a lifetime it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_try_finds_the_first_one() {
    let Some(podman) = podman() else { return };
    let performer = with(&podman);
    let folder = tempfile::tempdir().unwrap();
    let spec = ContainerSpec {
        volumes: vec![(folder.path().to_str().unwrap().into(), "/data".into())],
        cleanup_after: Some(tessera_types::Duration::from_secs(0)),
        ..container(&podman, "echo once >> /data/runs; while ! cat /data/go; do sleep 0.02; done")
    };
    let effect = effect(spec, "run-1/2");
    // A crash: what follows the container is gone, and could end nothing properly.
    let first = tokio::runtime::Runtime::new().unwrap();
    let (effect, performer) = (std::sync::Arc::new(effect), performer.clone());
    let of_first = std::sync::Arc::clone(&effect);
    first.spawn(async move { performer.perform(&of_first, CancellationToken::new()).await });
    let runs = folder.path().join("runs");
    until("the start", || runs.exists()).await;
    first.shutdown_background();
    let second = with(&podman);
    let again = {
        let (second, effect) = (second.clone(), std::sync::Arc::clone(&effect));
        tokio::spawn(async move { second.perform(&effect, CancellationToken::new()).await })
    };
    std::fs::write(folder.path().join("go"), "went").unwrap();
    assert_eq!(again.await.unwrap().unwrap()["stdout"], "went");
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "once\n");
    second.settle(&effect).await;
    assert!(names(&podman).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_can_be_had_again_until_it_is_settled() {
    let Some(podman) = podman() else { return };
    let performer = with(&podman);
    let spec = ContainerSpec {
        cleanup_after: Some(tessera_types::Duration::from_secs(0)),
        ..container(&podman, "date +%s%N; exit 2")
    };
    let effect = effect(spec, "run-1/3");
    let first = performer.perform(&effect, CancellationToken::new()).await.unwrap();
    let again = with(&podman).perform(&effect, CancellationToken::new()).await.unwrap();
    assert_eq!(first, again);
    performer.settle(&effect).await;
    assert!(names(&podman).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_stops_the_container() {
    let Some(podman) = podman() else { return };
    let performer = with(&podman);
    let spec = ContainerSpec {
        cleanup_after: Some(tessera_types::Duration::from_secs(0)),
        ..container(&podman, "sleep 600")
    };
    let cancelled = CancellationToken::new();
    let (effect, token) = (effect(spec, "run-1/4"), cancelled.clone());
    let running = tokio::spawn(async move { performer.perform(&effect, token).await });
    until("the start", || podman.run(&["ps", "--format", "{{.Names}}"]).lines().count() == 1).await;
    cancelled.cancel();
    assert!(running.await.unwrap().is_err());
    assert!(names(&podman).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_says_why() {
    let Some(podman) = podman() else { return };
    let performer = with(&podman);
    let missing = ContainerSpec { image: "localhost/none:1".into(), ..container(&podman, "true") };
    let error = performer.perform(&effect(missing, "run-1/5"), CancellationToken::new()).await;
    let error = error.unwrap_err();
    assert_eq!(&*error.kind, kind::RUNTIME);
    assert!(error.detail.unwrap().contains("localhost/none:1"));
    let no_program = ContainerSpec {
        command: None,
        arguments: vec!["/no/such/program".into()],
        ..container(&podman, "")
    };
    let result = performer.perform(&effect(no_program, "run-1/6"), CancellationToken::new()).await;
    assert!(result.unwrap_err().detail.unwrap().contains("cannot be started"));
    let nowhere = crate::stage::performer(|it| {
        it.container_engine = Some(ContainerEngine {
            program: "/nowhere/podman".into(),
            arguments: vec![],
            environment: vec![],
        });
    });
    let effect = effect(container(&podman, ""), "run-1/7");
    let result = nowhere.perform(&effect, CancellationToken::new()).await;
    assert_eq!(&*result.unwrap_err().kind, kind::CONFIGURATION);
}

/// Runs a document.
async fn run(performer: &Performer, document: &str, input: Json) -> Outcome {
    let read = reading::read(Source::new("document.yaml", document), Format::Yaml);
    let workflow = read.unwrap_or_else(|it| panic!("{}\n{document}", it[0])).workflow;
    let local = Local::new(performer.clone(), BTreeMap::new());
    local.run(workflow, input, Vec::new(), &CancellationToken::new()).await.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn the_specifications_examples_run() {
    let Some(podman) = podman() else { return };
    let performer = with(&podman);
    // The images that they name, without any registry.
    podman.run(&["tag", podman.image(), "localhost/alpine:latest"]);
    podman.run(&["create", "--name", "base", podman.image(), "true"]);
    let change = "CMD [\"echo\", \"Hello\"]";
    podman.run(&["commit", "--quiet", "--change", change, "base", "localhost/hello-world:latest"]);
    podman.run(&["rm", "base"]);
    let hello = "Hello\n";
    let said = "STDIN was: Hello World\nARGS are Foo Bar\n";
    for (name, output, stays) in [
        ("", hello, 1),
        ("-cleanup-always", hello, 0),
        ("-cleanup-eventually", hello, 1),
        ("-stdin-and-arguments", said, 1),
        ("-with-name", hello, 1),
    ] {
        let file = format!("../workflow/tests/specification/examples/run-container{name}.yaml");
        let document = std::fs::read_to_string(file).unwrap();
        match run(&performer, &document, Json::Null).await {
            Outcome::Completed(it) => {
                assert_eq!(it.to_string(), json!(output).to_string(), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(names(&podman).len(), stays, "{name}: {:?}", names(&podman));
        podman.run(&["rm", "--all", "--force", "--time=0"]);
    }
}

/// A document that writes a page in one container, and serves it from another until it was asked for.
const SERVE: &str = r#"
document: { dsl: '1.0.3', namespace: test, name: serve, version: '1.0.0' }
do:
  - write:
      run:
        container:
          image: ${ .image }
          name: ${ "write-" + $workflow.definition.document.name }
          command: 'echo "$GREETING $1 $(cat)" > /data/index.html'
          stdin: ${ .name }
          arguments: [ dear ]
          environment: { GREETING: 'Hello, my' }
          volumes: { FOLDER: /data }
          pullPolicy: never
          lifetime: { cleanup: always }
      output: { as: $input }
  - race:
      fork:
        compete: true
        branches:
          - serve:
              run:
                container:
                  image: ${ .image }
                  command: httpd -f -p 8000 -h /data
                  volumes: { FOLDER: /data }
                  ports: { 8000: PORT }
                  pullPolicy: never
                  lifetime: { cleanup: always }
          - ask:
              try:
                - get: { call: http, with: { method: get, endpoint: 'http://127.0.0.1:PORT/' } }
              catch: { retry: { delay: { milliseconds: 50 }, limit: { duration: PT1M } } }
"#;

/// A port that nobody has, and that the system gives nobody who asks for any.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..first + 5_000).find(is_free).expect("a port is free")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_serves_from_a_container_until_it_has_its_answer() {
    let Some(podman) = podman() else { return };
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let document = SERVE.replace("FOLDER", folder.path().to_str().unwrap()).replace("PORT", &port);
    let read = reading::read(Source::new("serve.yaml", document), Format::Yaml);
    let workflow = read.unwrap_or_else(|it| panic!("{}", it[0])).workflow;
    let local = Local::new(with(&podman), BTreeMap::new());
    let input = json!({"image": podman.image(), "name": "Ada"});
    let stop = CancellationToken::new();
    let running = local.run(workflow, input, Vec::new(), &stop);
    // Where the port leads nowhere the branch that serves would go on for ever.
    let ended = tokio::time::timeout(4 * PATIENCE, running).await.expect("the run ends");
    let Outcome::Completed(output) = ended.outcome else { panic!("{:?}", ended.outcome) };
    let output: Json = tessera_effects::to_json(&output).unwrap();
    assert_eq!(output, "Hello, my dear Ada\n");
    assert!(names(&podman).is_empty(), "the branch that lost is stopped when the run has ended");
}
