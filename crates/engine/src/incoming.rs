//! Events for jobs that listen: CloudEvents 1.0 over HTTP, in the structured, binary and
//! batched content modes (CloudEvents HTTP protocol binding 1.0.2, section 3).

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use tessera_store::journal::JobNumber;
use tessera_types::engine::{EventTaken, EventsTaken};
use tessera_types::event::CloudEvent as Checked;
use tessera_types::problem::Code;
use tessera_types::{Problem, limits};
use tessera_workflow::machine::CloudEvent;
use tokio::sync::oneshot;

use crate::book::{RunHandle, Tell};
use crate::plane::Plane;
use crate::state::JobState;

/// How long jobs may take to store an event.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Takes the events of one request: all of them, or none.
pub(crate) async fn take(
    plane: &Plane,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<EventsTaken, Problem> {
    let events = read(headers, body)?;
    let mut checked = Vec::with_capacity(events.len());
    for (i, event) in events.into_iter().enumerate() {
        let known = Checked::from_json(Value::Object(event.clone()))
            .map_err(|error| no_event(&format!("event {i}: {error}")))?;
        check_source(plane, &known)?;
        checked.push((known, Arc::new(event)));
    }
    let mut taken = Vec::with_capacity(checked.len());
    for (known, event) in checked {
        let jobs = give(plane, &event).await?;
        taken.push(EventTaken { id: known.id, source: known.source, jobs });
    }
    Ok(EventsTaken { events: taken })
}

/// Gives an event to every job that may listen, whether it runs or waits for its turn; says to how
/// many it was news. It is in their journals when this returns.
///
/// # Errors
/// When that could not be stored for each of them. It can be given again: who has it knows it.
pub(crate) async fn give(plane: &Plane, event: &Arc<CloudEvent>) -> Result<u64, Problem> {
    let (mut running, waiting) = plane.book.lock().listening(event);
    let mut jobs = 0;
    if !waiting.is_empty() {
        let mut door = plane.door.lock().await;
        // Some may have begun to run meanwhile; now none does.
        let (now_running, waiting) = plane.book.lock().listening(event);
        running = now_running;
        jobs += door.give(plane, &waiting, event).await?;
    }
    let asked = running.into_iter().map(|(job, run)| tell(plane, job, run, event));
    let told = futures::future::try_join_all(asked);
    let news = tokio::time::timeout(TOLD_WITHIN, told).await.map_err(|_| busy())??;
    Ok(jobs + news.into_iter().filter(|is_news| *is_news).count() as u64)
}

/// Tells a run of an event; true when it was news.
async fn tell(
    plane: &Plane,
    job: JobNumber,
    run: RunHandle,
    event: &Arc<CloudEvent>,
) -> Result<bool, Problem> {
    let (told, durable) = oneshot::channel();
    // A run that does not answer has ended meanwhile, or could not store what it was told.
    let _ = run.tell.send(Tell::Event { event: Arc::clone(event), told }).await;
    if let Ok(is_news) = durable.await {
        return Ok(is_news);
    }
    let is_over = |state: &Arc<JobState>| state.head.status.is_over();
    match plane.book.lock().get(job).is_none_or(is_over) {
        true => Ok(false),
        false => Err(busy()),
    }
}

fn busy() -> Problem {
    let detail = "not every job that listens has stored the event yet";
    Problem::new(Code::Unavailable, detail)
        .remedy("send it again in a moment: a job that has it knows it again")
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<CloudEvent>, Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match media_type.to_ascii_lowercase().as_str() {
        "application/cloudevents+json" => Ok(vec![object(json(body)?)?]),
        "application/cloudevents-batch+json" => {
            let Value::Array(batch) = json(body)? else {
                return Err(no_event("a batch is a JSON array of events"));
            };
            if batch.len() > limits::EVENTS_MAX {
                let detail = format!("a batch has at most {} events", limits::EVENTS_MAX);
                return Err(Problem::new(Code::TooLarge, detail).remedy("send it in several"));
            }
            batch.into_iter().map(object).collect()
        }
        _ => Ok(vec![binary(headers, body)]),
    }
}

/// The binary content mode: attributes in headers, the data in the body.
fn binary(headers: &HeaderMap, body: &[u8]) -> CloudEvent {
    let mut event = Map::new();
    for (name, value) in headers {
        let (Some(name), Ok(value)) = (name.as_str().strip_prefix("ce-"), value.to_str()) else {
            continue;
        };
        event.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    if !body.is_empty() {
        let data = serde_json::from_slice(body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
        event.insert("data".to_owned(), data);
    }
    event
}

fn json(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body).map_err(|error| no_event(&format!("it is not JSON: {error}")))
}

fn object(json: Value) -> Result<CloudEvent, Problem> {
    match json {
        Value::Object(event) => Ok(event),
        _ => Err(no_event("a CloudEvent is a JSON object")),
    }
}

fn no_event(detail: &str) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
        .remedy("send a CloudEvent 1.0 with specversion, id, source and type")
}

fn check_source(plane: &Plane, event: &Checked) -> Result<(), Problem> {
    let allowed = &plane.options.event_sources;
    let is_allowed = allowed.iter().any(|source| match source.strip_suffix('*') {
        Some(prefix) => event.source.starts_with(prefix),
        None => *source == event.source,
    });
    if is_allowed || allowed.is_empty() {
        return Ok(());
    }
    let detail = format!("events of source `{}` are not let in", event.source);
    Err(Problem::new(Code::SourceNotAllowed, detail)
        .remedy(format!("start the engine with --event-source {}", event.source)))
}
