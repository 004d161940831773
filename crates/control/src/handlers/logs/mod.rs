//! `GET /v1/workloads/{name}/logs` and `GET /v1/tenants/{name}/logs`: ask the agent that has
//! the log, and pass on what it posts.
//!
//! An answer that ends before the log does says so in a last line of its own
//! ([`LogEnd`]): the agent fell silent, or the workload runs elsewhere now. Going on
//! from there is the reader's affair, who knows what it has seen.

mod tenant;
mod workload;

pub(super) use tenant::read as read_tenant;
pub(super) use workload::read as read_workload;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dropshot::Body as HttpBody;
use http::{HeaderName, HeaderValue, Response};
use tessera_api::ApiError;
use tessera_types::problem::Code;
use tessera_types::sync::{LogChunk, LogEnd, LogEnding, LogItem};
use tessera_types::{KindName, Name, Node, Problem, ResourceKey, limits};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::agents::WantedLog;
use crate::body;
use crate::log_broker::LogReader;
use crate::plane::Plane;

/// How long an agent may take to begin.
const FIRST_CHUNK_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked whether the agent still sends, and the workload is still there.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A copy that was replaced has written its last line; so long, at least, and until so
/// long nothing came, that line may still be on its way.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);
/// How long a reader may take to hear why nothing follows.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);
/// Names the node whose log the answer is.
const NODE_HEADER: HeaderName = HeaderName::from_static("tessera-node");

/// A log on a node.
struct Log {
    /// What wrote it.
    key: ResourceKey,
    node: Name,
    follow: bool,
    /// Where that is now; asked while the log is followed.
    place: fn(&Plane, &ResourceKey, &Name) -> Place,
}

/// Where is now what wrote the log of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Still where the log is.
    Here,
    /// On this node now.
    Elsewhere(Name),
    /// Gone: nothing will be written any more.
    Nowhere,
}

/// Begins to read a log. `wanted` is what the agent is asked with, under this name.
async fn read(
    plane: &Arc<Plane>,
    log: Log,
    wanted: impl FnOnce(String) -> WantedLog,
) -> Result<Response<HttpBody>, ApiError> {
    if !is_reachable(plane, &log.node) {
        return Err(silent(&log).into());
    }
    let Some(reader) = plane.logs.open(&log.node) else {
        let detail = format!("{} logs are being read already", limits::LOG_READERS_MAX);
        return body::busy(&detail);
    };
    if !plane.agents.ask_for_log(&log.node, wanted(reader.request.clone())) {
        return Err(silent(&log).into());
    }
    let mut reading = Reading { plane: Arc::clone(plane), log, reader };
    let first = reading.first().await?;
    let (sender, stream) = body::stream();
    let header = HeaderValue::from_str(reading.log.node.as_str());
    tokio::spawn(reading.pass_on(first, sender));
    let mut response = body::respond("application/x-ndjson", HttpBody::wrap(stream))?;
    if let Ok(header) = header {
        response.headers_mut().insert(NODE_HEADER, header);
    }
    Ok(response)
}

/// Whether it makes sense to ask the node's agent for anything.
fn is_reachable(plane: &Plane, node: &Name) -> bool {
    let key = ResourceKey::new(KindName::Node, None, node.clone());
    plane.find::<Node>(&key).is_some_and(|node| node.status.is_reachable())
}

/// A log being read. Dropping it takes the request back.
struct Reading {
    plane: Arc<Plane>,
    log: Log,
    reader: LogReader,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.plane.agents.settle_log_request(&self.log.node, &self.reader.request);
    }
}

impl Reading {
    /// Waits for the agent to begin.
    async fn first(&mut self) -> Result<LogChunk, Problem> {
        let within = FIRST_CHUNK_WITHIN.min(self.plane.options.log_silence.as_std());
        let first = timeout(within, self.reader.next()).await.ok().flatten();
        let first = first.ok_or_else(|| silent(&self.log))?;
        let Log { key, node, .. } = &self.log;
        match &first.error {
            Some(error) => {
                let detail = format!("{node} cannot read the log of {key}: {error}");
                Err(Problem::new(Code::NodeUnavailable, detail).instance(key))
            }
            None => Ok(first),
        }
    }

    async fn pass_on(mut self, first: LogChunk, sender: mpsc::Sender<Bytes>) {
        let silence_max = self.plane.options.log_silence.as_std();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Departure::default();
        let (mut chunk, mut heard_at) = (Some(first), Instant::now());
        loop {
            if let Some(current) = chunk.take() {
                if !current.lines.is_empty() {
                    watch.wrote(Instant::now());
                }
                if self.write(current, &sender).await.is_none() {
                    return;
                }
                // A reader that takes its time is not the agent's silence.
                heard_at = Instant::now();
            }
            tokio::select! {
                () = self.plane.stopping.cancelled() => {
                    self.end(&sender, LogEnding::Stopping, "the control plane is stopping").await;
                    return;
                }
                () = sender.closed() => return,
                next = self.reader.next() => chunk = next,
                _ = looks.tick() => {
                    if heard_at.elapsed() >= silence_max {
                        let text = format!("{} does not answer", self.log.node);
                        self.end(&sender, LogEnding::Silent, &text).await;
                        return;
                    }
                    match watch.look(self.place(), Instant::now()) {
                        Place::Here => {}
                        Place::Nowhere => return,
                        Place::Elsewhere(node) => {
                            let text = format!("{} runs on {node} now", self.log.key);
                            self.end(&sender, LogEnding::Moved, &text).await;
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Writes the lines of a chunk; none when nothing is to follow.
    async fn write(&self, chunk: LogChunk, sender: &mpsc::Sender<Bytes>) -> Option<()> {
        let mut text = Vec::new();
        for line in chunk.lines {
            text.extend(line_of(&LogItem::Line(line)));
        }
        if !text.is_empty() {
            body::write(sender, &self.plane.stopping, text.into()).await?;
        }
        if let Some(error) = chunk.error {
            let text = format!("{} cannot read the log any further: {error}", self.log.node);
            self.end(sender, LogEnding::Unreadable, &text).await;
        }
        (!chunk.end).then_some(())
    }

    async fn end(&self, sender: &mpsc::Sender<Bytes>, ended: LogEnding, message: &str) {
        let end = LogEnd { ended, node: self.log.node.clone(), message: message.to_owned() };
        // The reader may be gone as well, or not read any more.
        let last = line_of(&LogItem::End(end)).into();
        let _ = sender.send_timeout(last, LAST_WORD_WITHIN).await;
    }

    fn place(&self) -> Place {
        let Log { key, node, follow, place } = &self.log;
        if *follow { place(&self.plane, key, node) } else { Place::Here }
    }
}

/// One item of the answer, with its line feed.
fn line_of(item: &LogItem) -> Vec<u8> {
    let mut text = serde_json::to_vec(item).unwrap_or_default();
    text.push(b'\n');
    text
}

/// When to stop reading the log of what has left the node: not before its last lines have
/// come.
#[derive(Default)]
struct Departure {
    left_at: Option<Instant>,
    wrote_at: Option<Instant>,
}

impl Departure {
    fn wrote(&mut self, now: Instant) {
        self.wrote_at = Some(now);
    }

    /// Where the reader is to go on.
    fn look(&mut self, place: Place, now: Instant) -> Place {
        if place == Place::Here {
            self.left_at = None;
            return place;
        }
        let left_at = *self.left_at.get_or_insert(now);
        let quiet_since = self.wrote_at.map_or(left_at, |wrote_at| wrote_at.max(left_at));
        if now.duration_since(quiet_since) < LAST_LINES_WITHIN {
            return Place::Here;
        }
        place
    }
}

fn silent(log: &Log) -> Problem {
    let Log { key, node, .. } = log;
    let remedy = format!("see `tesseractl describe node {node}`");
    let remedy = match key.kind {
        KindName::Tenant => {
            format!("{remedy}; an agent of an earlier release does not know logs of tenants")
        }
        _ => remedy,
    };
    Problem::new(
        Code::NodeUnavailable,
        format!("the log of {key} is on {node}, whose agent does not answer"),
    )
    .instance(key)
    .remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_left_when_its_last_lines_have_come() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let gone = || Place::Elsewhere(Name::new("b").unwrap());
        let mut watch = Departure::default();
        watch.wrote(at(0));
        assert_eq!(watch.look(Place::Here, at(5000)), Place::Here);
        assert_eq!(watch.look(gone(), at(5500)), Place::Here, "its last lines are on their way");
        watch.wrote(at(6000));
        assert_eq!(watch.look(gone(), at(6600)), Place::Here, "there may be more of them");
        assert_eq!(watch.look(gone(), at(7000)), gone());
        assert_eq!(watch.look(Place::Here, at(7500)), Place::Here, "it came back");
        assert_eq!(watch.look(Place::Nowhere, at(8000)), Place::Here);
        assert_eq!(watch.look(Place::Nowhere, at(9000)), Place::Nowhere);
    }
}
