//! Calls over HTTP.

use std::time::Duration;

use serde_json::json;
use tessera_workflow::definition::OutputFormat;
use tessera_workflow::machine::{HttpRequest, kind};
use tessera_workflow::value::from_json;
use tokio_util::sync::CancellationToken;

use crate::server::{Authority, Server, json as answer, redirect, status, typed};
use crate::stage::{KEY, call, effect, get, pair, performer, until};

#[tokio::test]
async fn a_request_arrives_as_the_document_says_it() {
    let server = Server::start(|_| answer(&json!({"id": 1}))).await;
    let request = HttpRequest {
        method: "POST".into(),
        headers: vec![pair("X-One", "1"), pair("X-One", "2")],
        query: vec![pair("tag", "a b"), pair("tag", "c&d")],
        body: Some(from_json(json!({"name": "Rex"}))),
        ..get(&server.uri("/pets?limit=1"))
    };
    assert_eq!(call(&performer(|_| ()), request).await, Ok(json!({"id": 1})));
    let asked = &server.asked()[0];
    assert_eq!(asked.target, "/pets?limit=1&tag=a+b&tag=c%26d");
    assert_eq!(asked.headers.get_all("x-one").iter().count(), 2);
    assert_eq!(asked.header("content-type"), "application/json");
    assert_eq!(asked.body, r#"{"name":"Rex"}"#);
    assert_eq!(asked.header("idempotency-key"), KEY);
}

#[tokio::test]
async fn the_key_goes_where_a_second_request_could_harm_unless_the_document_has_one() {
    let server = Server::start(|_| status(200, "")).await;
    let performer = performer(|_| ());
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"] {
        let request = HttpRequest { method: method.into(), ..get(&server.uri("/")) };
        call(&performer, request).await.unwrap();
    }
    let own = vec![pair("Idempotency-Key", "mine")];
    let request = HttpRequest { method: "POST".into(), headers: own, ..get(&server.uri("/")) };
    call(&performer, request).await.unwrap();
    let keys: Vec<_> =
        server.asked().iter().map(|it| it.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys, ["", "", "", KEY, KEY, KEY, "mine"]);
}

#[tokio::test]
async fn the_output_is_content_raw_or_response() {
    let server = Server::start(|_| typed("application/json", "{\"a\": 1}")).await;
    let performer = performer(|_| ());
    let by = |output| HttpRequest {
        output,
        headers: vec![pair("Authorization", "Bearer abcdefgh"), pair("X-A", "b")],
        ..get(&server.uri("/x?y=1"))
    };
    assert_eq!(call(&performer, by(OutputFormat::Content)).await, Ok(json!({"a": 1})));
    assert_eq!(call(&performer, by(OutputFormat::Raw)).await, Ok(json!("eyJhIjogMX0=")));
    let response = call(&performer, by(OutputFormat::Response)).await.unwrap();
    assert_eq!(response["statusCode"], 200);
    assert_eq!(response["content"], json!({"a": 1}));
    assert_eq!(response["headers"]["content-type"], "application/json");
    assert_eq!(response["request"]["method"], "get");
    assert_eq!(response["request"]["uri"], server.uri("/x?y=1"));
    assert_eq!(response["request"]["headers"]["x-a"], "b");
    assert_eq!(response["request"]["headers"]["authorization"], "***");
    assert_eq!(server.asked()[0].header("authorization"), "Bearer abcdefgh");
}

#[tokio::test]
async fn only_a_status_is_an_answer() {
    let server = Server::start(|asked| status(asked.path()[1..].parse().unwrap(), "")).await;
    for code in [404, 500, 502, 503] {
        let error = call(&performer(|_| ()), get(&server.uri(&format!("/{code}")))).await;
        assert!(tessera_effects::is_answered(&error.unwrap_err()), "{code}");
    }
    // Nobody listens there any more; and one that takes the connection, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let performer = performer(|it| it.limits.request_time_max = Duration::from_millis(100));
    for address in [free, silent.local_addr().unwrap()] {
        let error = call(&performer, get(&format!("http://{address}/"))).await.unwrap_err();
        assert!(!tessera_effects::is_answered(&error), "{error}");
    }
}

#[tokio::test]
async fn statuses_other_than_success_are_errors_of_that_status() {
    let server = Server::start(|asked| {
        let code = asked.path().trim_start_matches('/').parse().unwrap();
        let mut reply = status(code, "there is no such pet");
        if code < 400 {
            reply.headers_mut().insert("location", "/200".parse().unwrap());
        }
        reply
    })
    .await;
    let performer = performer(|_| ());
    for (code, title) in [
        (300, "Multiple Choices"),
        (302, "Found"),
        (404, "Not Found"),
        (503, "Service Unavailable"),
    ] {
        let error = call(&performer, get(&server.uri(&format!("/{code}")))).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::COMMUNICATION, code));
        assert_eq!(error.title.as_deref(), Some(title));
        assert_eq!(error.detail.as_deref(), Some("there is no such pet"));
    }
    let follow =
        |code: u16| HttpRequest { redirect: true, ..get(&server.uri(&format!("/{code}"))) };
    assert_eq!(call(&performer, follow(302)).await, Ok(json!("there is no such pet")));
    // None that can be followed, and no error.
    assert_eq!(call(&performer, follow(304)).await, Ok(json!(null)));
    assert_eq!(call(&performer, follow(404)).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn who_does_not_answer_is_named() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let uri = format!("http://me:secret@{closed}/a?token=secret");
    let error = call(&performer(|_| ()), get(&uri)).await.unwrap_err();
    assert_eq!((&*error.kind, error.status), (kind::COMMUNICATION, 503));
    let detail = error.detail.unwrap();
    assert!(detail.contains(&closed.to_string()) && detail.contains("refused"), "{detail}");
    assert!(!detail.contains("secret"), "{detail}");
}

#[tokio::test]
async fn hosts_are_sent_to_addresses_and_certificates_trusted() {
    let authority = Authority::new();
    let server =
        Server::start_tls(&authority, &["api.example.com"], |_| answer(&json!("fine"))).await;
    let at = format!("api.example.com={}", server.address);
    let trusting = performer(|settings| {
        settings.resolve.push(at.parse().unwrap());
        settings.ca.push(authority.file.path().to_owned());
    });
    let uri = "https://API.example.com/pets";
    assert_eq!(call(&trusting, get(uri)).await, Ok(json!("fine")));
    assert_eq!(server.asked()[0].header("host"), "api.example.com");
    let wary = performer(|settings| settings.resolve.push(at.parse().unwrap()));
    let error = call(&wary, get(uri)).await.unwrap_err();
    assert_eq!((&*error.kind, error.status), (kind::COMMUNICATION, 503));
    assert!(error.detail.unwrap().contains("certificate"), "it says why");
    let at = format!("other.example.com={}", server.address);
    let misled = performer(|settings| {
        settings.resolve.push(at.parse().unwrap());
        settings.ca.push(authority.file.path().to_owned());
    });
    assert!(call(&misled, get("https://other.example.com/")).await.is_err());
}

#[tokio::test]
async fn a_certificate_that_signs_itself_is_trusted_where_it_is_named() {
    let (server, file) = Server::start_self_signed(&["api.example.com"]).await;
    let (other, _) = Server::start_self_signed(&["api.example.com"]).await;
    let performer = |host: &str, address: std::net::SocketAddr, ca: bool| {
        performer(|settings| {
            settings.resolve.push(format!("{host}={address}").parse().unwrap());
            settings.ca.extend(ca.then(|| file.path().to_owned()));
        })
    };
    let (here, there) = (server.address, other.address);
    let uri = "https://api.example.com/";
    let trusting = performer("api.example.com", here, true);
    assert_eq!(call(&trusting, get(uri)).await, Ok(json!("fine")));
    // Not for another name, not another certificate, and not unless it is named.
    let misled = performer("other.example.com", here, true);
    assert!(call(&misled, get("https://other.example.com/")).await.is_err());
    assert!(call(&performer("api.example.com", there, true), get(uri)).await.is_err());
    assert!(call(&performer("api.example.com", here, false), get(uri)).await.is_err());
}

#[tokio::test]
async fn nothing_secret_goes_along_to_another_host() {
    let other = Server::start(|_| answer(&json!("other"))).await;
    let to = other.uri("/there");
    let server = Server::start(move |_| redirect(307, &to)).await;
    let request = HttpRequest {
        redirect: true,
        method: "POST".into(),
        headers: vec![pair("Authorization", "Bearer t"), pair("Cookie", "a=b"), pair("X-Key", "k")],
        body: Some(from_json(json!([1]))),
        ..get(&server.uri("/"))
    };
    assert_eq!(call(&performer(|_| ()), request).await, Ok(json!("other")));
    let asked = &other.asked()[0];
    for name in ["authorization", "cookie", "x-key"] {
        assert_eq!(asked.header(name), "", "{name}");
    }
    assert_eq!((asked.method.as_str(), asked.body.as_str()), ("POST", "[1]"));
}

#[tokio::test]
async fn cancelling_and_dropping_close_the_connection() {
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let performer = performer(|_| ());
    for is_dropped in [false, true] {
        let cancelled = CancellationToken::new();
        let effect = effect(tessera_workflow::machine::Action::Http(get(&uri)));
        let (performer, token) = (performer.clone(), cancelled.clone());
        let calling = tokio::spawn(async move { performer.perform(&effect, token).await });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.unwrap();
        match is_dropped {
            true => calling.abort(),
            false => {
                cancelled.cancel();
                assert!(calling.await.unwrap().is_err());
            }
        }
        let mut rest = Vec::new();
        let reading = stream.read_to_end(&mut rest);
        assert!(tokio::time::timeout(crate::stage::PATIENCE, reading).await.is_ok());
    }
    until("the end", || true).await;
}

#[tokio::test]
async fn what_is_no_request_is_an_error_of_configuration() {
    let performer = performer(|_| ());
    for request in [
        get("/pets"),
        get("file:///etc/passwd"),
        HttpRequest { method: "GE T".into(), ..get("http://127.0.0.1/") },
        HttpRequest { headers: vec![pair("a b", "c")], ..get("http://127.0.0.1/") },
        HttpRequest { headers: vec![pair("a", "b\nc: d")], ..get("http://127.0.0.1/") },
    ] {
        let error = call(&performer, request).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::CONFIGURATION, 400), "{error}");
    }
}
