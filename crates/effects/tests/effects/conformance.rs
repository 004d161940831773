//! Runs features in the form of the specification's conformance kit that need a world: hosts that
//! answer, processes, events, secrets, other workflows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value as Json, json};
use tessera_effects::local::Local;
use tessera_effects::{Base, Folder, Performer, Resolve, Settings};
use tessera_workflow::reading::{self, Format, Source};
use tessera_workflow::value::from_json;
use tokio_util::sync::CancellationToken;

use crate::gherkin::{Ran, feature};
use crate::server::{Asked, Authority, Reply, Server, json as answer, redirect, status, typed};

/// The hosts that features name.
const HOSTS: [&str; 2] = ["pets.example.com", "auth.example.com"];

fn pets(asked: &Asked, flaky: &AtomicUsize) -> Reply {
    let authorization = asked.header("authorization");
    match asked.path() {
        "/pets/1" | "/pets/2" => {
            let id = asked.path().rsplit('/').next().unwrap().parse::<u64>().unwrap();
            answer(&json!({"id": id, "name": "milou", "status": "available"}))
        }
        "/pets/moved" => redirect(302, "/pets/1"),
        "/flaky" if flaky.fetch_add(1, Ordering::Relaxed) < 2 => status(503, "later"),
        "/flaky" => answer(&json!({"tries": flaky.load(Ordering::Relaxed)})),
        "/text" => typed("text/plain", "so it is"),
        "/secured" if authorization.is_empty() => status(401, "who is it?"),
        "/openapi.json" => answer(&openapi()),
        "/swagger.json" => answer(&swagger()),
        "/schema.json" => answer(&json!({"type": "object", "required": ["id"]})),
        "/functions/greet/1.0.0/function.yaml" => typed(
            "text/yaml",
            "input: { schema: { document: { required: [name] } } }\nset: { text: 'Hi ${ .name }' }\n",
        ),
        "/oauth2/token" => answer(&json!({
            "access_token": format!("token-of-{}", asked.form("client_id").unwrap_or_default()),
            "token_type": "Bearer", "expires_in": 60,
        })),
        "/.well-known/openid-configuration" => answer(&json!({
            "issuer": "https://auth.example.com",
            "token_endpoint": "https://auth.example.com/oauth2/token",
        })),
        path if path.starts_with("/echo") || path.starts_with("/api") || path == "/secured" => {
            answer(&json!({
                "method": asked.method.as_str(), "target": asked.target, "body": asked.body,
                "authorization": authorization, "type": asked.header("content-type"),
                "tag": asked.header("x-tag"), "cookie": asked.header("cookie"),
            }))
        }
        _ => status(404, "there is none"),
    }
}

fn openapi() -> Json {
    json!({
        "openapi": "3.0.3", "info": {"title": "pets", "version": "1"},
        "servers": [{"url": "/api"}],
        "paths": {
            "/pets/{id}": {
                "get": {"operationId": "getPet", "parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
                    {"name": "fields", "in": "query", "explode": false,
                     "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "X-Tag", "in": "header", "schema": {"type": "string"}},
                    {"name": "sid", "in": "cookie", "schema": {"type": "string"}}]},
                "put": {"operationId": "putPet", "parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
                    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}},
            },
        },
    })
}

fn swagger() -> Json {
    json!({
        "swagger": "2.0", "info": {"title": "pets", "version": "1"},
        "host": "pets.example.com", "basePath": "/echo", "schemes": ["https"],
        "paths": {
            "/findByStatus": {"get": {"operationId": "findPetsByStatus", "parameters": [
                {"name": "status", "in": "query", "required": true, "type": "array",
                 "items": {"type": "string"}, "collectionFormat": "multi"}]}},
            "/pets": {"post": {"operationId": "addPet", "consumes": ["application/json"],
                "parameters": [{"name": "body", "in": "body", "required": true,
                                "schema": {"type": "object"}}]}},
        },
    })
}

/// Another workflow, for those that run it.
const INNER: &str = "document: { dsl: '1.0.3', namespace: other, name: inner, version: '1.0.0' }
input: { schema: { document: { type: object, required: [n] } } }
do:
  - check: { if: '${ .n < 0 }', raise: { error: { type: https://example.com/errors/negative, status: 400 } } }
  - add: { set: { sum: '${ .n + 1 }' } }
";

struct World {
    performer: Performer,
    _server: Server,
    _authority: Authority,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let authority = Authority::new();
        let flaky = AtomicUsize::new(0);
        let server = Server::start_tls(&authority, &HOSTS, move |asked| pets(asked, &flaky)).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("inner.yaml"), INNER).unwrap();
        let at = |host: &&str| Resolve {
            host: (*host).to_owned(),
            address: server.address.ip(),
            port: Some(server.address.port()),
        };
        let settings = Settings {
            resolve: HOSTS.iter().map(at).collect(),
            ca: vec![authority.file.path().to_owned()],
            definitions: Some(Arc::new(Folder {
                folders: vec![folder.path().to_owned()],
                files: vec![],
            })),
            base: Base::Folder(folder.path().to_owned()),
            ..Settings::default()
        };
        let performer = Performer::new(settings).unwrap();
        Self { performer, _server: server, _authority: authority, _folder: folder }
    }

    async fn run(&self, document: &str, input: Json) -> Ran {
        let read = reading::read(Source::new("feature.yaml", document), Format::Yaml);
        let workflow = read.unwrap_or_else(|it| panic!("{}\n{document}", it[0])).workflow;
        let secret = |name: &str, value: Json| (Arc::from(name), from_json(value));
        let secrets = BTreeMap::from([
            secret("petStore", json!({"username": "me", "password": "pass word"})),
            secret("apiKey", json!("k3y-k3y-k3y")),
            secret("token", json!({"token": "t0ken-t0ken"})),
            secret(
                "client",
                json!({
                    "authority": "https://auth.example.com", "grant": "client_credentials",
                    "client": {"id": "robot", "secret": "secret-1"},
                }),
            ),
        ]);
        let local = Local::new(self.performer.clone(), secrets);
        let ended = local.run(workflow, input, Vec::new(), &CancellationToken::new()).await;
        Ran { outcome: Some(ended.outcome), observations: ended.observations }
    }
}

/// Each feature has a world of its own, and its scenarios run one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_features_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/features");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut failed = String::new();
    for file in &files {
        let world = World::start().await;
        let text = std::fs::read_to_string(file).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let execute = |document: &str, input: Json| {
            tokio::task::block_in_place(|| runtime.block_on(world.run(document, input)))
        };
        match feature(&text, &execute) {
            Ok(count) => assert!(count > 0, "{file:?}"),
            Err(why) => failed.push_str(&format!("{}\n{why}", file.display())),
        }
    }
    assert!(!files.is_empty() && failed.is_empty(), "{failed}");
}
