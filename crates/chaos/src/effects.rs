//! What is outside: a server that does something for whoever asks, and counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::findings::{Findings, Invariant};

/// A request is larger than any that the scenario sends.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// All that came under one idempotency key.
#[derive(Debug, Default)]
struct Calls {
    bodies: BTreeSet<String>,
    times: Vec<Instant>,
}

/// The server, and what it was asked.
#[derive(Debug)]
pub(crate) struct Effects {
    pub(crate) url: String,
    calls: Arc<Mutex<BTreeMap<String, Calls>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Effects {
    /// Begins to serve.
    pub(crate) async fn serve() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let calls = Arc::new(Mutex::new(BTreeMap::new()));
        let counted = Arc::clone(&calls);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&counted)));
            }
        });
        Ok(Self { url, calls, task })
    }

    /// How many calls came, and under how many keys.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        (calls.values().map(|it| it.times.len()).sum(), calls.len())
    }

    /// One effect has one key, and one key one effect. It is asked for again only by an engine
    /// that was started in between and cannot know whether it was done.
    pub(crate) fn check(&self, engine_starts: &[Instant], findings: &Findings) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, calls) in &*calls {
            findings.judge(Invariant::Once, calls.bodies.len() == 1, || {
                format!("key {key} was used for several effects: {:?}", calls.bodies)
            });
            for pair in calls.times.windows(2) {
                let between = engine_starts.iter().any(|at| pair[0] <= *at && *at <= pair[1]);
                findings.judge(Invariant::Once, between, || {
                    format!("effect {key} ({:?}) was done again by the same engine", calls.bodies)
                });
            }
            for body in &calls.bodies {
                keys.entry(body).or_default().push(key);
            }
        }
        // A try that was given up may be followed by another, whose effects have other keys.
        for (body, keys) in keys {
            let runs: BTreeSet<_> = keys.iter().map(|key| run_of(key)).collect();
            findings.judge(Invariant::Once, runs.len() == keys.len(), || {
                format!("one run did effect {body} under several keys: {keys:?}")
            });
        }
        tries_are_apart(&calls, findings);
    }
}

/// Keys are the number of a run, a slash, and the number of the effect.
fn run_of(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(run, _)| run)
}

/// Two tries of one pod's step never run side by side.
fn tries_are_apart(calls: &BTreeMap<String, Calls>, findings: &Findings) {
    let mut tries: BTreeMap<String, BTreeMap<&str, (Instant, Instant)>> = BTreeMap::new();
    for (key, calls) in calls {
        let pod = calls.bodies.iter().find_map(|body| {
            let body: serde_json::Value = serde_json::from_str(body).ok()?;
            Some(body["pod"].as_str()?.to_owned())
        });
        let (Some(pod), Some(first), Some(last)) = (pod, calls.times.first(), calls.times.last())
        else {
            continue;
        };
        let span = tries.entry(pod).or_default().entry(run_of(key)).or_insert((*first, *last));
        *span = (span.0.min(*first), span.1.max(*last));
    }
    for (pod, runs) in tries {
        let mut spans: Vec<_> = runs.values().copied().collect();
        spans.sort();
        let are_apart = spans.windows(2).all(|pair| pair[0].1 < pair[1].0);
        findings.judge(Invariant::Once, are_apart, || {
            format!("tries of pod {pod} ran side by side: {runs:?}")
        });
    }
}

impl Drop for Effects {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, calls: Arc<Mutex<BTreeMap<String, Calls>>>) {
    let Some((head, body)) = read(&mut stream).await else { return };
    if let Some(key) = header(&head, "idempotency-key") {
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        let known = calls.entry(key).or_default();
        known.bodies.insert(body);
        known.times.push(Instant::now());
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    let answer = format!("{head}\r\ncontent-length: 2\r\n\r\n{{}}");
    // Who asked may have been killed.
    let _gone = stream.write_all(answer.as_bytes()).await;
}

/// A request in its two halves; none if it breaks off.
async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    while bytes.len() < REQUEST_BYTES_MAX {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(Ok(0), |it| it.parse::<usize>());
            if body.len() >= length.ok()? {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
    None
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned())
}
