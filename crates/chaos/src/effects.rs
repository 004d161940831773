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
        happened_once(&calls, engine_starts, findings);
        tries_are_apart(&calls, findings);
    }
}

fn happened_once(calls: &BTreeMap<String, Calls>, engine_starts: &[Instant], findings: &Findings) {
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, calls) in calls {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// `(key, pod, act, seconds)` of calls, and when engines were started: how often it is wrong
    /// that something happened once.
    fn wrong(calls: &[(&str, &str, &str, u64)], engine_starts: &[u64]) -> u64 {
        let begin = Instant::now();
        let at = |seconds: &u64| begin + Duration::from_secs(*seconds);
        let mut all: BTreeMap<String, Calls> = BTreeMap::new();
        for (key, pod, act, seconds) in calls {
            let body = serde_json::json!({"pod": pod, "act": act}).to_string();
            let known = all.entry((*key).to_owned()).or_default();
            known.bodies.insert(body);
            known.times.push(at(seconds));
        }
        let (findings, starts): (_, Vec<_>) =
            (Findings::default(), engine_starts.iter().map(at).collect());
        happened_once(&all, &starts, &findings);
        tries_are_apart(&all, &findings);
        findings.wrong(Invariant::Once)
    }

    #[test]
    fn an_effect_that_happens_again_is_seen() {
        let once = [("7/1", "p", "begin", 0), ("7/2", "p", "confirm", 2)];
        assert_eq!(wrong(&once, &[]), 0);
        let again = [&once[..], &[("7/2", "p", "confirm", 4)]].concat();
        assert_eq!(wrong(&again, &[]), 1);
        // An engine that was started in between cannot know.
        assert_eq!(wrong(&again, &[3]), 0);
        assert_eq!(wrong(&again, &[1, 5]), 1);
        // The same under another key of the same run.
        assert_eq!(wrong(&[&once[..], &[("7/3", "p", "begin", 4)]].concat(), &[3]), 1);
        // One key for two effects.
        assert_eq!(wrong(&[("7/1", "p", "begin", 0), ("7/1", "p", "confirm", 2)], &[1]), 1);
    }

    #[test]
    fn two_tries_that_run_side_by_side_are_seen() {
        let first = [("7/1", "p", "begin", 0), ("7/2", "p", "confirm", 2)];
        assert_eq!(wrong(&[&first[..], &[("8/1", "p", "begin", 3)]].concat(), &[]), 0);
        assert_eq!(wrong(&[&first[..], &[("8/1", "p", "begin", 1)]].concat(), &[]), 1);
        assert_eq!(wrong(&[&first[..], &[("8/1", "q", "begin", 1)]].concat(), &[]), 0);
    }
}
