//! Schemes of authentication against stand-ins for those who check them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::Md5;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tessera_workflow::definition::{OutputFormat, Scheme};
use tessera_workflow::machine::{Effect, Error, HttpRequest, kind};

use crate::server::{Asked, Reply, Server, json as answer, status};
use crate::stage::{authorization, call, get, performer};

const PASSWORD: &str = "open sesame/42";

fn with(uri: &str, scheme: Scheme, properties: Json) -> HttpRequest {
    HttpRequest { authorization: authorization(scheme, properties), ..get(uri) }
}

#[tokio::test]
async fn basic_and_bearer_say_who_asks() {
    let server = Server::start(|_| status(200, "fine")).await;
    let performer = performer(|_| ());
    let user = json!({"username": "ali", "password": PASSWORD});
    call(&performer, with(&server.uri("/"), Scheme::Basic, user)).await.unwrap();
    let token = json!({"token": "tok-1"});
    call(&performer, with(&server.uri("/"), Scheme::Bearer, token)).await.unwrap();
    let asked = server.asked();
    let expected = format!("Basic {}", STANDARD.encode(format!("ali:{PASSWORD}")));
    assert_eq!(asked[0].header("authorization"), expected);
    assert_eq!(asked[1].header("authorization"), "Bearer tok-1");
    let error = call(&performer, with(&server.uri("/"), Scheme::Basic, json!({}))).await;
    assert_eq!(&*error.unwrap_err().kind, kind::CONFIGURATION);
}

#[tokio::test]
async fn nothing_secret_is_in_an_error_or_in_debug() {
    // A server that repeats all it is told.
    let server = Server::start(|asked| status(401, &format!("{asked:?}"))).await;
    let performer = performer(|_| ());
    for (scheme, properties, secret) in [
        (Scheme::Basic, json!({"username": "ali", "password": PASSWORD}), PASSWORD),
        (Scheme::Bearer, json!({"token": "tok-123456"}), "tok-123456"),
        (Scheme::OAuth2, client(&server, &json!({"secret": "client-sec"})), "client-sec"),
        (Scheme::Oidc, client(&server, &json!({"secret": "client-sec"})), "client-sec"),
    ] {
        let request = with(&server.uri("/"), scheme, properties);
        let effect: Effect =
            crate::stage::effect(tessera_workflow::machine::Action::Http(request.clone()));
        let error = call(&performer, request).await.unwrap_err();
        for said in [format!("{error:?}"), error.to_string(), format!("{effect:?}")] {
            assert!(!said.contains(secret), "{scheme:?}: {said}");
            let encoded = STANDARD.encode(format!("ali:{PASSWORD}"));
            assert!(!said.contains(&encoded), "{scheme:?}: {said}");
        }
    }
}

/// Checks a digest as a server does (RFC 7616, 3.4.1).
fn digest_server(algorithm: &'static str) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    move |asked| {
        let hash = |text: String| -> String {
            let bytes: Vec<u8> = match algorithm {
                "MD5" => Md5::digest(text).to_vec(),
                _ => Sha256::digest(text).to_vec(),
            };
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let header = asked.header("authorization");
        let field = |name: &str| {
            let after = header.split(&format!("{name}=")).nth(1).unwrap_or_default();
            let quoted = after.strip_prefix('"').and_then(|it| it.split('"').next());
            quoted.unwrap_or_else(|| after.split(',').next().unwrap_or_default()).to_owned()
        };
        let a1 = hash(format!("ali:here:{PASSWORD}"));
        let a2 = hash(format!("{}:{}", asked.method, asked.target));
        let expected = hash(format!("{a1}:n0nce:{}:{}:auth:{a2}", field("nc"), field("cnonce")));
        if header.starts_with("Digest ") && field(" response") == expected {
            return status(200, "welcome");
        }
        let mut reply = status(401, "who are you");
        let challenge = format!(
            "Digest realm=\"here\", nonce=\"n0nce\", qop=\"auth\", algorithm={algorithm}, opaque=\"o\""
        );
        reply.headers_mut().append("www-authenticate", "Basic realm=\"here\"".parse().unwrap());
        reply.headers_mut().append("www-authenticate", challenge.parse().unwrap());
        reply
    }
}

#[tokio::test]
async fn digest_answers_the_challenge() {
    for algorithm in ["MD5", "SHA-256"] {
        let server = Server::start(digest_server(algorithm)).await;
        let request = |password: &str| HttpRequest {
            method: "PUT".into(),
            query: vec![crate::stage::pair("a", "b c")],
            body: Some(tessera_workflow::value::from_json(json!({"x": 1}))),
            ..with(
                &server.uri("/dir"),
                Scheme::Digest,
                json!({"username": "ali", "password": password}),
            )
        };
        let performer = performer(|_| ());
        assert_eq!(call(&performer, request(PASSWORD)).await, Ok(json!("welcome")));
        let asked = server.asked();
        assert_eq!((asked.len(), asked[1].body.as_str()), (2, r#"{"x":1}"#));
        let error = call(&performer, request("wrong password")).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::COMMUNICATION, 401));
    }
    let server = Server::start(|_| status(401, "")).await;
    let user = json!({"username": "ali", "password": PASSWORD});
    let error = call(&performer(|_| ()), with(&server.uri("/"), Scheme::Digest, user)).await;
    assert_eq!(&*error.unwrap_err().kind, kind::AUTHENTICATION);
}

fn client(server: &Server, more: &Json) -> Json {
    let mut client = json!({"id": "me"});
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"authority": server.uri("/realm/"), "grant": "client_credentials", "client": client})
}

/// An authority that gives numbered tokens, and a service that takes the newest.
async fn authority(expires_in: u64) -> Server {
    let given = Arc::new(AtomicU32::new(0));
    Server::start(move |asked| match asked.path() {
        "/realm/oauth2/token" | "/token" => {
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            answer(&json!({
                "access_token": format!("token-{number}"), "token_type": "Bearer",
                "expires_in": expires_in, "refresh_token": format!("refresh-{number}"),
            }))
        }
        "/realm/.well-known/openid-configuration" => {
            let host = asked.header("host");
            answer(&json!({"issuer": "https://issuer", "token_endpoint": format!("http://{host}/token")}))
        }
        _ => {
            let newest = format!("Bearer token-{}", given.load(Ordering::SeqCst));
            match asked.header("authorization") == newest {
                true => status(200, "fine"),
                false => status(401, "stale"),
            }
        }
    })
    .await
}

fn tokens(server: &Server) -> Vec<Asked> {
    server.asked().into_iter().filter(|it| it.path().ends_with("/token")).collect()
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_is_refused() {
    let server = authority(3600).await;
    let performer = performer(|_| ());
    let mut properties = client(&server, &json!({"secret": "s3cret"}));
    properties["scopes"] = json!(["read", "write"]);
    properties["audiences"] = json!(["pets", "dogs"]);
    let request = || with(&server.uri("/pets"), Scheme::OAuth2, properties.clone());
    let calls = (0..8).map(|_| call(&performer, request()));
    for result in futures::future::join_all(calls).await {
        assert_eq!(result, Ok(json!("fine")));
    }
    assert_eq!(tokens(&server).len(), 1, "all wait for the one that asks");
    let asked = &tokens(&server)[0];
    assert_eq!(asked.form("grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(asked.form("client_id").as_deref(), Some("me"));
    assert_eq!(asked.form("client_secret").as_deref(), Some("s3cret"));
    assert_eq!(asked.form("scope").as_deref(), Some("read write"));
    assert_eq!(asked.body.matches("audience=").count(), 2);
    // Another client's token makes the first one stale.
    let other =
        with(&server.uri("/pets"), Scheme::OAuth2, client(&server, &json!({"secret": "2"})));
    call(&performer, other).await.unwrap();
    assert_eq!(call(&performer, request()).await, Ok(json!("fine")));
    assert_eq!(tokens(&server).len(), 3);
}

#[tokio::test]
async fn a_token_that_ends_at_once_is_not_kept() {
    let server = authority(0).await;
    let performer = performer(|_| ());
    for _ in 0..2 {
        let properties = client(&server, &json!({"secret": "s3cret"}));
        call(&performer, with(&server.uri("/"), Scheme::OAuth2, properties)).await.unwrap();
    }
    assert_eq!(tokens(&server).len(), 2);
}

#[tokio::test]
async fn oidc_finds_the_endpoint_by_discovery() {
    let server = authority(3600).await;
    let performer = performer(|_| ());
    for ending in ["", "/.well-known/openid-configuration"] {
        let mut properties = client(&server, &json!({"secret": format!("s3cret{ending}")}));
        properties["authority"] = json!(server.uri(&format!("/realm{ending}")));
        properties["issuers"] = json!(["https://issuer"]);
        let request = with(&server.uri("/"), Scheme::Oidc, properties.clone());
        assert_eq!(call(&performer, request).await, Ok(json!("fine")));
        properties["issuers"] = json!(["https://somebody"]);
        let request = with(&server.uri("/"), Scheme::Oidc, properties);
        let error = call(&performer, request).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::AUTHENTICATION, 401));
    }
    assert!(tokens(&server).iter().all(|it| it.path() == "/token"));
}

#[tokio::test]
async fn clients_show_who_they_are_in_each_way() {
    for (method, more) in [
        ("client_secret_basic", json!({"secret": "s&cret"})),
        ("client_secret_jwt", json!({"secret": "s&cret"})),
        ("private_key_jwt", json!({"assertion": "a.signed.assertion"})),
        ("none", json!({})),
    ] {
        let server = authority(3600).await;
        let mut properties = client(&server, &more);
        properties["client"]["authentication"] = json!(method);
        let request = with(&server.uri("/"), Scheme::OAuth2, properties);
        call(&performer(|_| ()), request).await.unwrap();
        let asked = &tokens(&server)[0];
        assert_eq!(asked.form("client_secret"), None);
        let assertion = asked.form("client_assertion");
        match method {
            "client_secret_basic" => {
                let expected = format!("Basic {}", STANDARD.encode("me:s%26cret"));
                assert_eq!(asked.header("authorization"), expected);
            }
            "client_secret_jwt" => {
                let claims = assertion.unwrap().split('.').nth(1).map(str::to_owned).unwrap();
                let claims: Json =
                    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
                assert_eq!(claims["sub"], "me");
                assert_eq!(claims["aud"], server.uri("/realm/oauth2/token"));
            }
            "private_key_jwt" => assert_eq!(assertion.as_deref(), Some("a.signed.assertion")),
            _ => assert_eq!((assertion, asked.form("client_id").as_deref()), (None, Some("me"))),
        }
    }
}

#[tokio::test]
async fn the_other_grants_send_what_they_need() {
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    for (grant, more, fields) in [
        (
            "password",
            json!({"username": "ali", "password": PASSWORD}),
            vec![("password", PASSWORD)],
        ),
        (
            "refresh_token",
            json!({"subject": {"token": "r-0", "type": "refresh"}}),
            vec![("refresh_token", "r-0")],
        ),
        (
            exchange,
            json!({"subject": {"token": "sub", "type": "urn:s"}, "actor": {"token": "act", "type": "urn:a"}}),
            vec![("subject_token", "sub"), ("subject_token_type", "urn:s"), ("actor_token", "act")],
        ),
    ] {
        let server = authority(0).await;
        let mut properties = client(&server, &json!({"secret": "x"}));
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        properties["grant"] = json!(grant);
        properties["request"] = json!({"encoding": "application/json"});
        let performer = performer(|_| ());
        let request = with(&server.uri("/"), Scheme::OAuth2, properties.clone());
        call(&performer, request).await.unwrap();
        let body: Json = serde_json::from_str(&tokens(&server)[0].body).unwrap();
        for (name, value) in fields {
            assert_eq!(body[name], value);
        }
        // What the authority gave to go on with is used.
        call(&performer, with(&server.uri("/"), Scheme::OAuth2, properties)).await.unwrap();
        if grant == "refresh_token" {
            assert!(tokens(&server)[1].body.contains("refresh-1"));
        }
    }
}

#[tokio::test]
async fn a_refusal_says_whether_nobody_knows_or_nobody_may() {
    async fn refused(code: u16, body: Json) -> Error {
        let server = Server::start(move |_| {
            let mut reply = answer(&body);
            *reply.status_mut() = http::StatusCode::from_u16(code).unwrap();
            reply
        })
        .await;
        let properties = client(&server, &json!({"secret": "s3cret"}));
        let request = HttpRequest {
            output: OutputFormat::Raw,
            ..with(&server.uri("/"), Scheme::OAuth2, properties)
        };
        call(&performer(|_| ()), request).await.unwrap_err()
    }
    for (code, body, expected) in [
        (401, json!({"error": "invalid_client"}), (kind::AUTHENTICATION, 401)),
        (400, json!({"error": "invalid_grant"}), (kind::AUTHENTICATION, 401)),
        (400, json!({"error": "unauthorized_client"}), (kind::AUTHORIZATION, 403)),
        (403, json!({"error": "access_denied"}), (kind::AUTHORIZATION, 403)),
        (503, json!({}), (kind::COMMUNICATION, 503)),
        (200, json!({"token": "x"}), (kind::COMMUNICATION, 502)),
    ] {
        let error = refused(code, body).await;
        assert_eq!((&*error.kind, error.status), expected, "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let performer = performer(|_| ());
    for (change, said) in [
        (json!({"grant": "authorization_code"}), "needs a person"),
        (json!({"grant": "pasword"}), "did you mean `password`"),
        (json!({"client": {"id": "a", "authentication": "private_key_jwt"}}), "client.assertion"),
        (json!({"client": {"id": "a", "authentication": "mtls"}}), "cannot authenticate by `mtls`"),
        (json!({"request": {"encoding": "text/plain"}}), "application/json"),
        (json!({"authority": "nowhere"}), "URI"),
    ] {
        let mut properties = json!({
            "authority": "http://127.0.0.1:9", "grant": "client_credentials",
            "client": {"id": "a", "secret": "b"}
        });
        properties.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let request = with("http://127.0.0.1:9/", Scheme::OAuth2, properties);
        let error = call(&performer, request).await.unwrap_err();
        assert_eq!(&*error.kind, kind::CONFIGURATION, "{error}");
        assert!(error.detail.as_deref().unwrap().contains(said), "{error}");
    }
}
