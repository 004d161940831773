//! Servers that mean harm.

use std::time::Duration;

use tessera_workflow::machine::{HttpRequest, kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Server, redirect, typed};
use crate::stage::{call, get, performer};

/// A server that answers each connection with bytes of its own.
async fn raw<F: Future<Output = ()> + Send + 'static>(
    answer: impl Fn(TcpStream) -> F + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let _read = stream.read(&mut head).await;
            tokio::spawn(answer(stream));
        }
    });
    uri
}

async fn endless(mut stream: TcpStream, head: &'static str) {
    let _sent = stream.write_all(head.as_bytes()).await;
    while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let heads =
        ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n"];
    for head in heads {
        let uri = raw(move |stream| endless(stream, head)).await;
        let bounded = performer(|it| it.limits.answer_bytes_max = 100_000);
        let error = call(&bounded, get(&uri)).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::COMMUNICATION, 502));
        assert!(error.detail.unwrap().ends_with("answered with more than 100000 bytes"));
    }
}

#[tokio::test]
async fn of_an_endless_error_only_the_beginning_is_read() {
    let uri = raw(|stream| endless(stream, "HTTP/1.1 404 Gone Fishing\r\n\r\n")).await;
    let error = call(&performer(|_| ()), get(&uri)).await.unwrap_err();
    assert_eq!((error.status, error.title.as_deref()), (404, Some("Gone Fishing")));
    assert!(error.detail.unwrap().len() < 10_000);
}

#[tokio::test]
async fn who_never_ends_a_head_or_a_body_runs_into_the_limit() {
    for head in ["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "HTTP/1.1 200 O", ""] {
        let uri = raw(move |mut stream| async move {
            let _sent = stream.write_all(head.as_bytes()).await;
            std::future::pending::<()>().await;
        })
        .await;
        let quick = performer(|it| it.limits.request_time_max = Duration::from_millis(100));
        let error = call(&quick, get(&uri)).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::TIMEOUT, 408), "{error}");
    }
}

#[tokio::test]
async fn a_huge_head_is_refused() {
    let uri = raw(|stream| endless(stream, "HTTP/1.1 200 OK\r\nx: ")).await;
    let error = call(&performer(|_| ()), get(&uri)).await.unwrap_err();
    assert_eq!((&*error.kind, error.status), (kind::COMMUNICATION, 502), "{error}");
    assert!(error.detail.unwrap().contains("head of more than"), "it says why");
}

#[tokio::test]
async fn what_is_no_http_is_an_error_of_communication() {
    for bytes in ["SSH-2.0-x\r\n", "HTTP/1.1 999999 X\r\n\r\n", "\0\0\0"] {
        let uri = raw(move |mut stream| async move {
            let _sent = stream.write_all(bytes.as_bytes()).await;
        })
        .await;
        let error = call(&performer(|_| ()), get(&uri)).await.unwrap_err();
        assert_eq!(&*error.kind, kind::COMMUNICATION, "{error}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_answer() {
    let uri = raw(|mut stream| async move {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
        let _sent = stream.write_all(head).await;
    })
    .await;
    let error = call(&performer(|_| ()), get(&uri)).await.unwrap_err();
    assert_eq!((&*error.kind, error.status), (kind::COMMUNICATION, 502));
}

#[tokio::test]
async fn redirects_lead_to_no_files_and_not_in_circles() {
    let server = Server::start(|asked| match asked.path() {
        "/circle" => redirect(302, "/circle"),
        "/file" => redirect(302, "file:///etc/passwd"),
        "/data" => redirect(302, "data:text/plain,hello"),
        _ => redirect(302, "http://[::bad"),
    })
    .await;
    let performer = performer(|_| ());
    for path in ["/circle", "/file", "/data", "/wrong"] {
        let request = HttpRequest { redirect: true, ..get(&server.uri(path)) };
        let error = call(&performer, request).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::COMMUNICATION, 502), "{path}: {error}");
    }
    assert_eq!(server.asked().iter().filter(|it| it.path() == "/circle").count(), 11);
}

#[tokio::test]
async fn bytes_that_are_no_text_do_no_harm() {
    let server = Server::start(|asked| match asked.path() {
        "/text" => typed("text/plain", &b"a\xff\xfeb"[..]),
        "/json" => typed("application/json", &b"{\"a\": \"\xff\"}"[..]),
        "/deep" => typed("application/json", "[".repeat(1_000_000)),
        _ => typed("application/json", &b"\xef\xbb\xbf"[..]),
    })
    .await;
    let performer = performer(|_| ());
    assert_eq!(call(&performer, get(&server.uri("/text"))).await.unwrap(), "a\u{fffd}\u{fffd}b");
    for path in ["/json", "/deep", "/bom"] {
        assert_eq!(call(&performer, get(&server.uri(path))).await.unwrap_err().status, 502);
    }
}
