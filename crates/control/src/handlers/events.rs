//! Events from outside: CloudEvents 1.0 over HTTP, in the structured, binary and
//! batched content modes (CloudEvents HTTP protocol binding 1.0.2, section 3).
//!
//! An event asks something of a part of a session: which events do what is in
//! the part's definition. What is asked for is written down with the event's
//! identity, in one commit; so an event that comes again changes nothing.

use std::sync::Arc;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use tessera_api::ApiError;
use tessera_types::booking::{EventAnswer, EventOutcome, EventsAnswer};
use tessera_types::catalogue::TriggerAction;
use tessera_types::event::{CloudEvent, NoEvent};
use tessera_types::problem::Code;
use tessera_types::timed::{Request, Requested, TimedStatus};
use tessera_types::{
    Actor, Fingerprint, KindName, Name, Object, Problem, ResourceKey, Session, SessionPart, limits,
};

use crate::clock;
use crate::plane::Plane;

/// Takes the events of one request.
pub(super) async fn take(
    plane: &Plane,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<EventsAnswer, ApiError> {
    let events = read(headers, body)?;
    for event in &events {
        check_source(plane, event)?;
    }
    let mut answers = Vec::with_capacity(events.len());
    for event in &events {
        let answer = take_one(plane, event).await?;
        plane.metrics.event(answer.outcome);
        tracing::info!(
            target: "tessera::events",
            id = event.id,
            source = event.source,
            kind = event.kind,
            subject = event.subject.as_deref().unwrap_or_default(),
            outcome = ?answer.outcome,
            resource = answer.resource.as_deref().unwrap_or_default(),
            "event"
        );
        answers.push(answer);
    }
    Ok(EventsAnswer { events: answers })
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<CloudEvent>, Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let events = match media_type.to_ascii_lowercase().as_str() {
        "application/cloudevents+json" => vec![CloudEvent::from_json(json(body)?)],
        "application/cloudevents-batch+json" => {
            let Value::Array(batch) = json(body)? else {
                return Err(no_event("a batch is a JSON array of events"));
            };
            if batch.len() > limits::EVENTS_MAX {
                let detail = format!(
                    "a batch has at most {} events, this one has {}",
                    limits::EVENTS_MAX,
                    batch.len()
                );
                return Err(Problem::new(Code::TooLarge, detail).remedy("send it in several"));
            }
            batch.into_iter().map(CloudEvent::from_json).collect()
        }
        _ => vec![binary(headers, body)],
    };
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(i, event)| event.map_err(|error| no_event(&format!("event {i}: {error}"))))
        .collect()
}

/// The binary content mode: attributes in headers, the data in the body.
fn binary(headers: &HeaderMap, body: &[u8]) -> Result<CloudEvent, NoEvent> {
    let attributes = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("ce-")?;
        Some((name.to_owned(), percent_decoded(value.to_str().ok()?)))
    });
    CloudEvent::from_attributes(attributes, serde_json::from_slice(body).ok())
}

/// Header values may be percent-encoded (section 3.1.3.2).
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn json(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body).map_err(|error| no_event(&format!("it is not JSON: {error}")))
}

fn no_event(detail: &str) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
        .remedy("send a CloudEvent 1.0 with specversion, id, source and type")
}

fn check_source(plane: &Plane, event: &CloudEvent) -> Result<(), Problem> {
    let allowed = &plane.options.event_sources;
    let is_allowed = allowed.iter().any(|source| match source.strip_suffix('*') {
        Some(prefix) => event.source.starts_with(prefix),
        None => *source == event.source,
    });
    if is_allowed {
        return Ok(());
    }
    let detail = format!("events of source `{}` are not let in", event.source);
    Err(Problem::new(Code::SourceNotAllowed, detail)
        .remedy(format!("start the control plane with --event-source {}", event.source)))
}

/// What is to be done about an event.
enum Match {
    /// This is asked of this part.
    Part(ResourceKey, Request),
    /// It was here before.
    Duplicate(ResourceKey),
    /// Nothing waits for it; in words, why.
    None(String),
}

async fn take_one(plane: &Plane, event: &CloudEvent) -> Result<EventAnswer, ApiError> {
    let answer = |outcome, resource: Option<ResourceKey>, message: Option<String>| EventAnswer {
        id: event.id.clone(),
        source: event.source.clone(),
        outcome,
        resource: resource.map(|key| key.to_string()),
        message,
    };
    let (key, request) = match find(plane, event) {
        Match::Part(key, request) => (key, request),
        Match::Duplicate(key) => return Ok(answer(EventOutcome::Duplicate, Some(key), None)),
        Match::None(why) => return Ok(answer(EventOutcome::Unmatched, None, Some(why))),
    };
    let identity = identity(event);
    let requested = Requested {
        request,
        by: Actor::event(&limits::clip(&event.source, 200)),
        event: Some(format!("{} {}", event.kind, event.id)),
        at: clock::now(),
    };
    let is_new = std::sync::atomic::AtomicBool::new(false);
    plane
        .edit::<SessionPart>(&key, |edit| {
            let observed = &mut edit.object.observed;
            let first = !observed.events.contains(&identity);
            is_new.store(first, std::sync::atomic::Ordering::Relaxed);
            if first {
                observed.events.push(identity.clone());
                let excess = observed.events.len().saturating_sub(limits::EVENTS_KNOWN_MAX);
                observed.events.drain(..excess);
                observed.timed.request(requested.clone());
                edit.note(requested.by.clone(), format!("{request} was asked for by an event"))
                    .with("event", &event.kind)
                    .with("event_id", limits::clip(&event.id, 200));
            }
            Ok(())
        })
        .await?;
    let outcome = match is_new.into_inner() {
        true => EventOutcome::Accepted,
        false => EventOutcome::Duplicate,
    };
    Ok(answer(outcome, Some(key), None))
}

/// What tells an event from others: its source and id.
fn identity(event: &CloudEvent) -> String {
    let both =
        |seed: &str| Fingerprint::default().text(seed).text(&event.source).text(&event.id).finish();
    format!("{:016x}{:016x}", both("source and id"), both("id and source"))
}

fn find(plane: &Plane, event: &CloudEvent) -> Match {
    let Some(subject) = &event.subject else {
        return Match::None("it has no subject: `session/NAMESPACE/NAME`".to_owned());
    };
    let world = plane.world.read();
    let parts: Vec<Arc<Object<SessionPart>>> = match subject_key(subject) {
        Some(key) if key.kind == KindName::SessionPart => world
            .session_parts
            .find(key.namespace.as_ref(), &key.name)
            .cloned()
            .into_iter()
            .collect(),
        Some(key) => match world.table::<Session>().find(key.namespace.as_ref(), &key.name) {
            Some(session) => {
                let mut parts: Vec<_> = world.owned::<SessionPart>(session.id).cloned().collect();
                parts.sort_by_key(|part| part.spec.order);
                parts
            }
            None => Vec::new(),
        },
        None => {
            return Match::None(format!(
                "its subject `{}` is not `session/NAMESPACE/NAME` or `sessionpart/NAMESPACE/NAME`",
                limits::clip(subject, 100)
            ));
        }
    };
    if parts.is_empty() {
        return Match::None(format!("there is no {}", limits::clip(subject, 200)));
    }
    let identity = identity(event);
    if let Some(part) = parts.iter().find(|part| part.observed.events.contains(&identity)) {
        return Match::Duplicate(part.key());
    }
    among(&parts, event)
}

fn among(parts: &[Arc<Object<SessionPart>>], event: &CloudEvent) -> Match {
    let wanted = event.attributes.get("part");
    let named = |part: &&Arc<Object<SessionPart>>| {
        wanted.is_none_or(|name| part.spec.part.as_str() == name)
    };
    let action = |part: &Object<SessionPart>| {
        let definition = part.observed.definition.as_ref()?;
        let mut triggers = definition.spec.triggers.iter();
        triggers.find(|trigger| trigger.event == event.kind).map(|trigger| trigger.action)
    };
    let listening: Vec<_> =
        parts.iter().filter(named).filter_map(|part| Some((part, action(part)?))).collect();
    let is_open = |part: &Object<SessionPart>| {
        matches!(part.status, TimedStatus::Active | TimedStatus::Grading)
    };
    match listening.iter().find(|(part, _)| is_open(part)) {
        Some((part, TriggerAction::Grade)) if part.observed.gradings >= limits::GRADINGS_MAX => {
            Match::None(format!(
                "part {} was graded {} times, which is the most",
                part.spec.part, part.observed.gradings
            ))
        }
        Some((part, TriggerAction::Grade)) => Match::Part(part.key(), Request::Grade),
        Some((part, TriggerAction::Finish)) => Match::Part(part.key(), Request::Finish),
        None => Match::None(match listening.first() {
            Some((part, _)) => {
                format!(
                    "part {} is {}: it takes the event while it is Active",
                    part.spec.part, part.status
                )
            }
            None => format!("no part of it has a trigger for `{}`", limits::clip(&event.kind, 100)),
        }),
    }
}

/// The resource that a subject names: `session/default/exam-1`, or without the
/// namespace, or a session's name alone.
fn subject_key(subject: &str) -> Option<ResourceKey> {
    let words: Vec<_> = subject.split('/').collect();
    let (kind, namespace, name) = match words.as_slice() {
        [name] => ("session", None, *name),
        [kind, name] => (*kind, None, *name),
        [kind, namespace, name] => (*kind, Some(*namespace), *name),
        _ => return None,
    };
    let kind = match kind {
        "session" => KindName::Session,
        "sessionpart" => KindName::SessionPart,
        _ => return None,
    };
    let namespace = namespace.map(Name::new).transpose().ok()?;
    Some(ResourceKey::new(kind, namespace, Name::new(name).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_a_session_or_a_part() {
        let shown = |subject: &str| subject_key(subject).map(|key| key.to_string());
        assert_eq!(shown("exam-1").unwrap(), "session/default/exam-1");
        assert_eq!(shown("session/exam-1").unwrap(), "session/default/exam-1");
        assert_eq!(shown("sessionpart/a/exam-1-lab").unwrap(), "sessionpart/a/exam-1-lab");
        for wrong in ["", "pod/a/b", "session/A/b", "session/a/b/c"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn header_values_are_decoded() {
        assert_eq!(percent_decoded("Euro%20%E2%82%AC %zz %"), "Euro € %zz %");
    }
}
