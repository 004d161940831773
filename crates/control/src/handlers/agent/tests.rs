//! A heartbeat that waits: its head comes at once, and then a whole answer or none.

use tessera_types::{BootTime, Name};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plane::Passed;
use crate::server::tests::{ask, options};
use crate::{Control, clock};

async fn register(control: &Control, session: &str) {
    let body = format!(
        r#"{{"agent_id": "a", "session": "{session}", "version": "1",
            "capacity": {{"cpu": "1", "memory": "1GiB", "workloads": 10}},
            "executors": {{"process": true, "simulated": false, "limits": true}}}}"#
    );
    let answer = ask(control, "POST /v1/nodes/a/register", &body).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn heartbeat(session: &str, since: u64, wait: &str) -> String {
    format!(r#"{{"session": "{session}", "since": {since}, "wait": "{wait}"}}"#)
}

const SYNC: &str = "POST /v1/nodes/a/sync";

/// The revision of the first answer, which has news.
async fn first(control: &Control, session: &str) -> u64 {
    loop {
        let answer = ask(control, SYNC, &heartbeat(session, 0, "1s")).await;
        let revision = answer.split_once(r#""revision":"#).map(|(_, rest)| rest);
        let digits = revision.map(|it| it.chars().take_while(char::is_ascii_digit).collect());
        // Until the node counts as reachable there is none.
        if let Some(revision) = digits.and_then(|it: String| it.parse().ok()) {
            return revision;
        }
    }
}

/// A heartbeat that waits, of which the head has come.
async fn waiting(control: &Control, session: &str, wait: &str) -> TcpStream {
    let since = first(control, session).await;
    waiting_since(control, session, since, wait).await
}

async fn waiting_since(control: &Control, session: &str, since: u64, wait: &str) -> TcpStream {
    let body = heartbeat(session, since, wait);
    let mut stream = TcpStream::connect(control.local_addr()).await.unwrap();
    let head = format!(
        "{SYNC} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut begin = Vec::new();
    while !begin.ends_with(b"\r\n\r\n") {
        begin.push(stream.read_u8().await.unwrap());
    }
    assert!(begin.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&begin));
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut rest = String::new();
    // A connection that is reset has said all that it says.
    let _ = stream.read_to_string(&mut rest).await;
    rest
}

/// How the last piece of a body ends that is whole.
const WHOLE: &str = "0\r\n\r\n";

#[tokio::test]
async fn a_heartbeat_with_nothing_new_is_answered_when_its_wait_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::start(options(folder.path())).await.unwrap();
    register(&control, "s").await;
    let answer = rest(waiting(&control, "s", "50ms").await).await;
    assert!(answer.contains(r#""lease":"15s""#) && answer.ends_with(WHOLE), "{answer}");
    control.stop().await;
}

#[tokio::test]
async fn a_heartbeat_that_waits_is_answered_with_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::start(options(folder.path())).await.unwrap();
    register(&control, "s").await;
    let stream = waiting(&control, "s", "15s").await;
    let workload = r#"{"spec": {"command": "x"}}"#;
    ask(&control, "PUT /v1/workloads/web", workload).await;
    let answer = rest(stream).await;
    assert!(answer.contains(r#""name":"web""#) && answer.ends_with(WHOLE), "{answer}");
    control.stop().await;
}

/// One that began a moment ago.
fn rush_for_a_minute(control: &Control) {
    let now = clock::boot();
    for tenths in 0..600 {
        let at = now.plus(tessera_types::Duration::from_millis(100 * tenths));
        control.plane.rush.passed(Passed { written: 1000, ..Passed::default() }, at);
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_end_of_a_rush() {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::start(options(folder.path())).await.unwrap();
    register(&control, "s").await;
    ask(&control, "PUT /v1/workloads/web", r#"{"spec": {"command": "x"}}"#).await;
    let stream = loop {
        let since = first(&control, "s").await;
        let load = control.plane.world.read().nodes.iter().map(|it| it.id).next().unwrap();
        if control.plane.world.read().load_of(load).is_some_and(|it| it.changed_at.0 <= since) {
            rush_for_a_minute(&control);
            break waiting(&control, "s", "60s").await;
        }
    };
    let began = clock::boot();
    ask(&control, "DELETE /v1/workloads/web", "").await;
    let answer = rest(stream).await;
    assert!(answer.contains(r#""stop":true"#) && answer.ends_with(WHOLE), "{answer}");
    let rushes = control.plane.rush.goes_on(clock::boot());
    assert!(rushes.is_some(), "told after {}", clock::boot().since(began));
    control.stop().await;
}

/// What has come before it is gathered for the end of the call.
#[tokio::test]
async fn a_stop_does_not_wait_for_what_is_gathered() {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::start(options(folder.path())).await.unwrap();
    register(&control, "s").await;
    let web = r#"{"spec": {"command": "x"}}"#;
    ask(&control, "PUT /v1/workloads/web", web).await;
    let (since, node) = loop {
        let since = first(&control, "s").await;
        let world = control.plane.world.read();
        let node = world.nodes.iter().map(|it| it.id).next().unwrap();
        if world.load_of(node).is_some_and(|it| it.changed_at.0 <= since) {
            break (since, node);
        }
    };
    rush_for_a_minute(&control);
    ask(&control, "PUT /v1/workloads/more", web).await;
    let is_gathered =
        || control.plane.world.read().load_of(node).is_some_and(|it| it.changed_at.0 > since);
    while !is_gathered() {
        tokio::task::yield_now().await;
    }
    let stream = waiting_since(&control, "s", since, "60s").await;
    let began = clock::boot();
    ask(&control, "DELETE /v1/workloads/web", "").await;
    let answer = rest(stream).await;
    assert!(answer.contains(r#""stop":true"#) && answer.ends_with(WHOLE), "{answer}");
    let took = clock::boot().since(began);
    // The call lasts for the lease, which is a quarter of a minute.
    assert!(took < tessera_types::Duration::from_secs(10), "told after {took}");
    control.stop().await;
}

#[tokio::test]
async fn in_a_rush_news_are_gathered_beyond_a_heartbeat() {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::start(options(folder.path())).await.unwrap();
    register(&control, "s").await;
    let since = first(&control, "s").await;
    let (plane, node) = (&control.plane, Name::new("a").unwrap());
    let (now, seconds) = (clock::boot(), tessera_types::Duration::from_secs);
    rush_for_a_minute(&control);
    ask(&control, "PUT /v1/workloads/web", r#"{"spec": {"command": "x"}}"#).await;
    let told = || async { ask(&control, SYNC, &heartbeat("s", since, "1ms")).await };
    // Told half a minute after it had begun, as it seems: the next time is later.
    plane.agents.told(&node, now.plus(seconds(30)));
    let answer = told().await;
    assert!(
        answer.contains(&format!(r#""revision":{since}"#)) && !answer.contains("web"),
        "{answer}"
    );
    // Not told yet in this rush: at the end of the call.
    plane.agents.told(&node, BootTime::from_millis(0));
    let answer = told().await;
    assert!(answer.contains(r#""name":"web""#), "{answer}");
    control.stop().await;
}

#[tokio::test]
async fn a_heartbeat_of_an_agent_that_is_superseded_is_broken_off_and_the_next_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::start(options(folder.path())).await.unwrap();
    register(&control, "old").await;
    let stream = waiting(&control, "old", "15s").await;
    register(&control, "new").await;
    let answer = rest(stream).await;
    assert!(!answer.contains("lease") && !answer.ends_with(WHOLE), "{answer}");
    let refused = ask(&control, SYNC, &heartbeat("old", 0, "1s")).await;
    assert!(refused.contains(r#""code":"superseded""#), "{refused}");
    control.stop().await;
}
