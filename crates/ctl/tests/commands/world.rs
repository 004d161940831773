//! The hosts that the specification's examples name, as one server on loopback: HTTP and HTTPS on
//! one port, told apart by the first byte.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// The hosts that it stands for.
pub(crate) const HOSTS: [&str; 15] = [
    "example.com",
    "external-service.example.com",
    "fake-chat-api.com",
    "fake-hospital.com",
    "fake.com",
    "hospital.example.com",
    "keycloak",
    "mocked.service.com",
    "my.home.com",
    "myorg.io",
    "petstore.swagger.io",
    "raw.githubusercontent.com",
    "superbet-casinos.com",
    "swapi.dev",
    "virtual-wf-powered-race.com",
];

/// What is asked of it.
struct Asked {
    method: String,
    host: String,
    target: String,
    authorization: String,
    body: String,
}

/// The server, and the authority that its certificates are from.
pub(crate) struct World {
    pub(crate) port: u16,
    /// The authority's certificate.
    pub(crate) ca: tempfile::NamedTempFile,
}

impl World {
    pub(crate) fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), params.self_signed(&key).unwrap().pem()).unwrap();
        let config = config(&Issuer::new(params, key));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let config = Arc::clone(&config);
                std::thread::spawn(move || attend(stream, config));
            }
        });
        Self { port, ca }
    }

    /// The options that send every host here.
    pub(crate) fn options(&self) -> Vec<String> {
        let resolve = |host: &&str| [String::from("--resolve"), self.sent(host)];
        let mut options: Vec<_> = HOSTS.iter().flat_map(resolve).collect();
        options.extend(["--ca".to_owned(), self.ca.path().display().to_string()]);
        options
    }

    fn sent(&self, host: &str) -> String {
        format!("{host}=127.0.0.1:{}", self.port)
    }
}

fn config(issuer: &Issuer<'static, KeyPair>) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let names = HOSTS.map(str::to_owned).to_vec();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(config.unwrap())
}

fn attend(stream: TcpStream, config: Arc<ServerConfig>) {
    let mut first = [0];
    match stream.peek(&mut first) {
        Ok(1) if first == [0x16] => {
            let connection = ServerConnection::new(config).unwrap();
            serve(StreamOwned::new(connection, stream));
        }
        Ok(1) => serve(stream),
        _ => {}
    }
}

fn serve(mut stream: impl Read + Write) {
    let Some(asked) = asked(&mut stream) else { return };
    let (status, body) = answer(&asked);
    let (kind, body) = match body {
        Value::String(text) => ("text/plain", text),
        other => ("application/json", other.to_string()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    let _closed = stream.write_all(format!("{head}{body}").as_bytes());
    let _closed = stream.flush();
}

fn asked(stream: &mut impl Read) -> Option<Asked> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
        let mut part = [0; 4096];
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&part[..count]);
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let length: usize = header("content-length").parse().unwrap_or(0);
    let mut body = read.split_off(end);
    let missing = length.saturating_sub(body.len());
    stream.take(missing as u64).read_to_end(&mut body).ok()?;
    let mut line = head.split(' ');
    Some(Asked {
        method: line.next()?.to_owned(),
        target: line.next()?.to_owned(),
        host: header("host"),
        authorization: header("authorization"),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// What the hosts of the examples would say; those that are not known say what they were asked.
fn answer(asked: &Asked) -> (&'static str, Value) {
    const OK: &str = "200 OK";
    let said = match (asked.host.as_str(), asked.method.as_str(), asked.target.as_str()) {
        ("petstore.swagger.io", "GET", "/v2/swagger.json") => petstore(),
        ("petstore.swagger.io", "GET", "/v2/pet/404") => return ("404 Not Found", json!("no pet")),
        ("petstore.swagger.io", "GET", target) if target.starts_with("/v2/pet/findByStatus?") => {
            json!([{"id": 1, "status": target.split('=').nth(1)}])
        }
        ("petstore.swagger.io", "GET", target) => {
            let id = target.rsplit('/').next().unwrap_or_default();
            let scheme = asked.authorization.split(' ').next().unwrap_or_default();
            json!({"id": id, "name": "milou", "authorized": scheme})
        }
        ("swapi.dev", _, "/api/people/1") => {
            json!({"name": "Luke Skywalker", "homeworld": "https://swapi.dev/api/planets/1/"})
        }
        ("swapi.dev", _, "/api/planets/1/") => json!({"name": "Tatooine"}),
        ("raw.githubusercontent.com", ..) => json!("set: '${ {logged: .message} }'"),
        ("keycloak", _, "/realms/fake-authority/.well-known/openid-configuration") => {
            json!({"issuer": "http://keycloak/realms/fake-authority",
                "token_endpoint": "http://keycloak/realms/fake-authority/auth/token"})
        }
        ("keycloak", ..) => json!({"access_token": "t0ken", "token_type": "Bearer"}),
        ("external-service.example.com", ..) => {
            return ("503 Service Unavailable", json!("come back later"));
        }
        (host, method, target) => {
            let body: Value = serde_json::from_str(&asked.body).unwrap_or(Value::Null);
            json!({"asked": format!("{method} {host}{target}"), "body": body})
        }
    };
    (OK, said)
}

fn petstore() -> Value {
    let status = json!({"name": "status", "in": "query", "required": true, "type": "array",
            "items": {"type": "string"}, "collectionFormat": "multi"});
    json!({"swagger": "2.0", "info": {"title": "Petstore", "version": "1.0.0"},
        "host": "petstore.swagger.io", "basePath": "/v2", "schemes": ["https"],
        "paths": {"/pet/findByStatus": {"get": {"operationId": "findPetsByStatus",
            "parameters": [status], "responses": {"200": {"description": "pets"}}}}}})
}
