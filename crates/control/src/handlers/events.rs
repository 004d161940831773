//! Events from outside: CloudEvents 1.0 over HTTP.
//!
//! An event asks something of a part of a session: which events do what is in
//! the part's definition. What is asked for is written down with the event's
//! identity, in one commit; so an event that comes again changes nothing.

use std::sync::Arc;

use http::HeaderMap;
use parking_lot::Mutex;
use tessera_api::ApiError;
use tessera_serving::events;
use tessera_types::booking::{EventAnswer, EventOutcome, EventsAnswer};
use tessera_types::catalogue::TriggerAction;
use tessera_types::engine::JobEventKind;
use tessera_types::event::CloudEvent;
use tessera_types::problem::Code;
use tessera_types::timed::{DesiredTimedStatus, Request, Requested, TimedStatus};
use tessera_types::{
    Actor, Edit, Fingerprint, KindName, Name, Object, Problem, ResourceKey, Session, SessionPart,
    Timestamp, limits,
};

use crate::clock;
use crate::engine_news;
use crate::plane::Plane;

/// Takes the events of one request.
pub(super) async fn take(
    plane: &Plane,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<EventsAnswer, ApiError> {
    let events: Vec<_> = events::read(headers, body)?.into_iter().map(|it| it.event).collect();
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

/// Who may say what: the engine says what becomes of jobs and nothing else, unless an
/// operator lets it in for more; what becomes of jobs is said by nobody else.
fn check_source(plane: &Plane, event: &CloudEvent) -> Result<(), Problem> {
    let engine_source = &plane.options.engine_source;
    let is_of_job = JobEventKind::of_type(&event.kind).is_some();
    let is_engines = event.source == *engine_source;
    if is_of_job && !is_engines {
        let detail =
            format!("events about jobs come from `{engine_source}`, not `{}`", event.source);
        return Err(Problem::new(Code::SourceNotAllowed, detail)
            .remedy("start the control plane with --engine-source, if that is the engine's"));
    }
    let has_engine = plane.options.engine.is_some();
    if events::is_allowed(&event.source, &plane.options.event_sources) || has_engine && is_engines {
        return Ok(());
    }
    let remedy = if is_of_job {
        "start the control plane with --engine URL, where the engine is that sends this".to_owned()
    } else {
        format!("start the control plane with --event-source {}", event.source)
    };
    Err(events::not_let_in(&event.source, remedy))
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
    if let Some(kind) = JobEventKind::of_type(&event.kind) {
        let (outcome, key, message) = engine_news::take_event(plane, kind, event).await?;
        return Ok(answer(outcome, key, message));
    }
    if !events::is_allowed(&event.source, &plane.options.event_sources) {
        let why = "it is of the engine, and of no type that is known of jobs".to_owned();
        return Ok(answer(EventOutcome::Unmatched, None, Some(why)));
    }
    let (key, request) = match find(plane, event) {
        Match::Part(key, request) => (key, request),
        Match::Duplicate(key) => return Ok(answer(EventOutcome::Duplicate, Some(key), None)),
        Match::None(why) => return Ok(answer(EventOutcome::Unmatched, None, Some(why))),
    };
    let requested = Requested {
        request,
        by: Actor::event(&limits::clip(&event.source, 200)),
        event: Some(format!("{} {}", event.kind, event.id)),
        at: clock::now(),
    };
    let taken = Mutex::new(EventOutcome::Unmatched);
    let edited = plane
        .edit::<SessionPart>(&key, |edit| {
            *taken.lock() = write_down(edit, event, &requested);
            Ok(())
        })
        .await;
    let outcome = taken.into_inner();
    match edited {
        Ok(part) if outcome == EventOutcome::Unmatched => {
            Ok(answer(outcome, None, Some(not_taken(&part))))
        }
        Ok(_) => Ok(answer(outcome, Some(key), None)),
        Err(error) if error.problem().code == Code::NotFound => {
            let message = format!("{key} has been deleted meanwhile");
            Ok(answer(EventOutcome::Unmatched, None, Some(message)))
        }
        Err(error) => Err(error),
    }
}

/// Writes down in a part what an event asks of it, unless it was here before. The
/// part may have ended, or been given up, since it was found.
fn write_down(
    edit: &mut Edit<SessionPart>,
    event: &CloudEvent,
    requested: &Requested,
) -> EventOutcome {
    let identity = identity(event);
    if edit.before().observed.events.contains(&identity) {
        return EventOutcome::Duplicate;
    }
    let part = edit.before();
    let is_in_vain = requested.request == Request::Grade && is_too_late(part, requested.at);
    if !is_open(part) || is_in_vain {
        return EventOutcome::Unmatched;
    }
    let observed = &mut edit.object.observed;
    observed.events.push(identity);
    let excess = observed.events.len().saturating_sub(limits::EVENTS_KNOWN_MAX);
    observed.events.drain(..excess);
    observed.timed.request(requested.clone());
    edit.note(requested.by.clone(), format!("{} was asked for by an event", requested.request))
        .with("event", &event.kind)
        .with("event_id", limits::clip(&event.id, 200));
    EventOutcome::Accepted
}

/// Whether a part takes events now.
fn is_open(part: &Object<SessionPart>) -> bool {
    matches!(part.status, TimedStatus::Active | TimedStatus::Grading)
}

/// Whether it is certain that a part is not graded again, although it is open: it is
/// given up, or its teardown has to begin.
fn is_too_late(part: &Object<SessionPart>, now: Timestamp) -> bool {
    let slot = part.observed.timed.timeslot;
    part.desired_status == DesiredTimedStatus::TornDown
        || part.deletion_requested_at.is_some()
        || slot.is_some_and(|slot| slot.teardown_at() <= now)
}

/// Why a part takes no event now.
fn not_taken(part: &Object<SessionPart>) -> String {
    let name = &part.spec.part;
    match is_open(part) {
        true => format!("part {name} ends, and is not graded any more"),
        false => format!("part {name} is {}: it takes the event while it is Active", part.status),
    }
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
        let key = subject_key(subject).map_or_else(|| subject.clone(), |key| key.to_string());
        return Match::None(format!("there is no {}", limits::clip(&key, 200)));
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
    match listening.iter().find(|(part, _)| is_open(part)) {
        Some((part, TriggerAction::Grade)) if part.observed.gradings >= limits::GRADINGS_MAX => {
            Match::None(format!(
                "part {} was graded {} times, which is the most",
                part.spec.part, part.observed.gradings
            ))
        }
        Some((part, TriggerAction::Grade)) if is_too_late(part, clock::now()) => {
            Match::None(not_taken(part))
        }
        Some((part, TriggerAction::Grade)) => Match::Part(part.key(), Request::Grade),
        Some((part, TriggerAction::Finish)) => Match::Part(part.key(), Request::Finish),
        None => Match::None(match listening.first() {
            Some((part, _)) => not_taken(part),
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
    use tessera_types::Duration;
    use tessera_types::timed::Timeslot;

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

    fn submitted() -> CloudEvent {
        let event = serde_json::json!({
            "specversion": "1.0", "id": "1", "source": "https://lms", "type": "submitted",
        });
        CloudEvent::from_json(event).unwrap()
    }

    fn grading() -> Requested {
        let by = Actor::event("https://lms");
        Requested { request: Request::Grade, by, event: None, at: clock::now() }
    }

    /// A part that is graded when something is submitted, and its window is open.
    fn part() -> Object<SessionPart> {
        let spec = serde_json::json!({
            "definition": {"type_key": "x"}, "timeslot": {}, "part": "lab", "order": 0,
        });
        let key = ResourceKey::new(KindName::SessionPart, None, Name::new("s-lab").unwrap());
        let spec = Arc::new(serde_json::from_value(spec).unwrap());
        let mut part = Object::<SessionPart>::new(&key, spec, Actor::API, clock::now());
        let definition = serde_json::json!({"name": "x", "type_key": "x", "version": "1.0.0",
            "spec": {"type_key": "x", "version": "1.0.0", "duration": "1h",
                "triggers": [{"event": "submitted", "action": "grade"}]}});
        part.observed.definition = serde_json::from_value(definition).unwrap();
        part.observed.timed.timeslot = Some(slot(Duration::from_secs(3600)));
        part.status = TimedStatus::Active;
        part
    }

    /// A window that ends after so much time, and is cleaned up at once.
    fn slot(rest: Duration) -> Timeslot {
        let (start, lead_time) = (Timestamp::EPOCH, Duration::ZERO);
        Timeslot { start, end: clock::now().plus(rest), lead_time, teardown_buffer: lead_time }
    }

    /// Whether a part is chosen for the event, and whether it then takes it.
    fn takes(part: Object<SessionPart>) -> (bool, bool) {
        let part = Arc::new(part);
        let chosen = match among(&[Arc::clone(&part)], &submitted()) {
            Match::Part(..) => true,
            Match::None(why) => {
                assert_eq!(why, "part lab ends, and is not graded any more");
                false
            }
            Match::Duplicate(key) => panic!("{key} has seen nothing yet"),
        };
        let mut edit = Edit::of(&part, clock::now());
        let outcome = write_down(&mut edit, &submitted(), &grading());
        let taken = outcome == EventOutcome::Accepted;
        assert_eq!(edit.finish().is_some(), taken, "what is not taken leaves no trace");
        (chosen, taken)
    }

    /// What is handed in is graded, or whoever hands it in is told that it is not.
    #[test]
    fn a_part_that_is_given_up_takes_nothing_to_be_graded() {
        assert_eq!(takes(part()), (true, true));
        let with = |change: fn(&mut Object<SessionPart>)| {
            let mut given_up = part();
            change(&mut given_up);
            takes(given_up)
        };
        let refused = (false, false);
        assert_eq!(with(|part| part.desired_status = DesiredTimedStatus::TornDown), refused);
        assert_eq!(with(|part| part.deletion_requested_at = Some(clock::now())), refused);
        let over = with(|part| part.observed.timed.timeslot = Some(slot(Duration::ZERO)));
        assert_eq!(over, refused);
    }

    #[test]
    fn a_part_that_has_ended_since_it_was_found_takes_nothing() {
        let (event, requested, mut part) = (submitted(), grading(), part());
        for (status, outcome) in [
            (TimedStatus::Scheduled, EventOutcome::Unmatched),
            (TimedStatus::TearingDown, EventOutcome::Unmatched),
            (TimedStatus::Failed, EventOutcome::Unmatched),
            (TimedStatus::Grading, EventOutcome::Accepted),
            (TimedStatus::Active, EventOutcome::Accepted),
        ] {
            part.status = status;
            let mut edit = Edit::of(&Arc::new(part.clone()), clock::now());
            assert_eq!(write_down(&mut edit, &event, &requested), outcome, "{status}");
            let edited = edit.finish().map(|edited| edited.object);
            assert_eq!(edited.is_some(), outcome == EventOutcome::Accepted, "{status}");
            let Some(taken) = edited else { continue };
            assert_eq!(taken.observed.timed.requests.as_slice(), std::slice::from_ref(&requested));
            let mut again = Edit::of(&Arc::new(taken), clock::now());
            let duplicate = write_down(&mut again, &event, &requested);
            assert_eq!(duplicate, EventOutcome::Duplicate, "{status}");
        }
    }
}
