//! Changing the windows of what is admitted: extending, shrinking, shifting. A
//! pod stays on its host, with its ports; either all pods fit, or nothing
//! changes.

use std::collections::HashMap;
use std::sync::Arc;

use tessera_scheduler::calendar::{Booking, Calendar, Hold};
use tessera_types::pod::Binding;
use tessera_types::timed::{TimedStatus, Timeslot};
use tessera_types::{
    Actor, Duration, Edit, Name, Object, Pod, Session, SessionPart, Timestamp, Uid, Write, limits,
};

use super::AdmissionError;
use super::book::{DoesNotFit, Earliest};
use super::session::{around_pods, slot_of_pod};
use super::window::{check_parts_are_ahead, lay_out};
use crate::world::World;

/// How a session's window changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// Its end is so much later.
    Extend(Duration),
    /// Its end is so much earlier.
    Shrink(Duration),
}

/// A session with another window, ready to be written.
#[derive(Clone, Debug)]
pub struct Extended {
    /// The part whose end moves.
    pub part: Name,
    /// The session's window afterwards.
    pub slot: Timeslot,
    /// The writes of the one commit that changes it; the session's is the first.
    pub writes: Vec<Write>,
}

/// New windows of parts, with those of their pods.
pub(crate) struct Moved<'a> {
    /// The session's window afterwards.
    pub(crate) session: Timeslot,
    pub(crate) parts: Vec<(&'a Arc<Object<SessionPart>>, Timeslot)>,
    pub(crate) pods: Vec<MovedPod<'a>>,
}

/// A pod with its window and binding afterwards.
pub(crate) type MovedPod<'a> = (&'a Arc<Object<Pod>>, Timeslot, Binding);

/// Extends or shrinks a session: the end of `part`, or of the part that takes
/// place now, or of the last one. Later parts that would overlap move.
///
/// # Errors
/// When it is over, when nothing would be left of the part, or when a host has
/// no room.
pub fn extend_session(
    world: &World,
    session: &Arc<Object<Session>>,
    part: Option<&Name>,
    stretch: Stretch,
    now: Timestamp,
) -> Result<Extended, AdmissionError> {
    let not_now = |message: String| Err(AdmissionError::NotNow(message));
    let Some(slot) = session.observed.timed.timeslot else {
        return not_now("it is not admitted".to_owned());
    };
    if session.status.is_over() || session.observed.timed.ended_at.is_some() {
        return not_now(format!(
            "it is over ({}); a session that is over is declared anew under another name",
            session.status
        ));
    }
    let mut parts: Vec<_> = world.owned::<SessionPart>(session.id).collect();
    parts.sort_by_key(|part| part.spec.order);
    let at = target(&parts, part)?;
    let target = parts[at];
    let old = slot_of(target);
    let (Stretch::Extend(by) | Stretch::Shrink(by)) = stretch;
    if by == Duration::ZERO || by > limits::WINDOW_MAX {
        let message =
            format!("an end moves by more than nothing and at most {}", limits::WINDOW_MAX);
        return Err(AdmissionError::invalid("by", message));
    }
    let new = match stretch {
        Stretch::Extend(by) => Some(old.extend(by)),
        Stretch::Shrink(by) => old.shrink(by).filter(|slot| slot.end > now),
    };
    if let Some(longer) = new.filter(|new| new.duration() > limits::WINDOW_MAX) {
        let message = format!(
            "part {} would take {}: at most {} are allowed",
            target.spec.part,
            longer.duration(),
            limits::WINDOW_MAX
        );
        return Err(AdmissionError::invalid("by", message));
    }
    let Some(new) = new else {
        let message = format!(
            "part {} ends at {}; it cannot end before it starts ({}) or before now ({}): shorten it by \
             less, or cancel the session",
            target.spec.part,
            old.end.second_before(),
            old.start.second_before(),
            now.second_before()
        );
        return not_now(message);
    };
    let changes = with_later_parts(&parts, at, new).map_err(|begun| {
        AdmissionError::NotNow(format!(
            "part {} would end at {}, and part {} after it has begun (at {}): extend that instead",
            target.spec.part,
            new.end.second_after(),
            begun.spec.part,
            slot_of(begun).start.second_before()
        ))
    })?;
    let moved = rebook(world, slot, &parts, &changes).map_err(AdmissionError::DoesNotFit)?;
    let words = in_words(stretch, &moved);
    let slot = moved.session;
    let writes = writes(session, moved, &words, now);
    Ok(Extended { part: target.spec.part.clone(), slot, writes })
}

/// What a stretch has changed: the part whose end moved, when the session ends now, and
/// the parts that moved with it. They come last, for there may be many.
fn in_words(stretch: Stretch, moved: &Moved<'_>) -> String {
    let what = match stretch {
        Stretch::Extend(by) => format!("extended by {by}"),
        Stretch::Shrink(by) => format!("shortened by {by}"),
    };
    let time = |at: Timestamp| at.second_after();
    let mut words = String::new();
    for (at, (part, slot)) in moved.parts.iter().enumerate() {
        let (name, old) = (&part.spec.part, slot_of(part));
        let text = match at {
            0 => format!(
                "part {name} {what}: it ends at {} instead of {}; the session ends at {}",
                time(slot.end),
                time(old.end),
                time(moved.session.end)
            ),
            _ => format!(
                "; part {name} moves by {}, to {} to {}",
                slot.start.since(old.start),
                time(slot.start),
                time(slot.end)
            ),
        };
        words.push_str(&text);
    }
    words
}

fn slot_of(part: &Object<SessionPart>) -> Timeslot {
    part.observed.timed.timeslot.expect("a part is made with its window")
}

/// The part whose end moves.
fn target(
    parts: &[&Arc<Object<SessionPart>>],
    named: Option<&Name>,
) -> Result<usize, AdmissionError> {
    let is_over = |part: &Object<SessionPart>| {
        part.status.is_ending() || part.observed.timed.ended_at.is_some()
    };
    if let Some(name) = named {
        let found = parts.iter().position(|part| part.spec.part == *name);
        let Some(at) = found else {
            let known: Vec<_> = parts.iter().map(|part| part.spec.part.as_str()).collect();
            let message = format!("there is no part `{name}`: the parts are {}", known.join(", "));
            return Err(AdmissionError::invalid("part", message));
        };
        if is_over(parts[at]) {
            return Err(AdmissionError::NotNow(format!("part {name} is over")));
        }
        return Ok(at);
    }
    let is_current = |part: &&Arc<Object<SessionPart>>| {
        matches!(part.status, TimedStatus::Active | TimedStatus::Grading)
    };
    let current = parts.iter().rposition(|part| is_current(part) && !is_over(part));
    let last = || parts.iter().rposition(|part| !is_over(part));
    current.or_else(last).ok_or_else(|| AdmissionError::NotNow("all its parts are over".to_owned()))
}

/// The new window of one part, and those of the later ones that would overlap. Fails
/// with one that was to be after it, would overlap and has begun: that cannot move.
fn with_later_parts<'a>(
    parts: &[&'a Arc<Object<SessionPart>>],
    at: usize,
    new: Timeslot,
) -> Result<Vec<(usize, Timeslot)>, &'a Object<SessionPart>> {
    let mut changes = vec![(at, new)];
    let mut before = (slot_of(parts[at]), new);
    for (i, part) in parts.iter().enumerate().skip(at + 1) {
        let slot = slot_of(part);
        let was_after = slot.start >= before.0.end;
        let overlap = before.1.end.since(slot.start);
        if !was_after || overlap == Duration::ZERO {
            break;
        }
        if part.observed.timed.started_at.is_some() {
            return Err(part);
        }
        let moved = later(slot, overlap, part.status != TimedStatus::Scheduled);
        changes.push((i, moved));
        before = (slot, moved);
    }
    Ok(changes)
}

/// The same window, later. What is provisioned already keeps the beginning of
/// its provisioning.
fn later(slot: Timeslot, by: Duration, is_provisioned: bool) -> Timeslot {
    let moved = slot.shift(by);
    if !is_provisioned {
        return moved;
    }
    Timeslot { lead_time: moved.start.since(slot.provision_at()), ..moved }
}

/// Finds room for the new windows, each pod on its host and with its ports.
fn rebook<'a>(
    world: &'a World,
    session: Timeslot,
    parts: &[&'a Arc<Object<SessionPart>>],
    changes: &[(usize, Timeslot)],
) -> Result<Moved<'a>, Box<DoesNotFit>> {
    let mut pods = Vec::new();
    for (at, slot) in changes {
        let before = slot_of(parts[*at]);
        for pod in world.owned::<Pod>(parts[*at].id) {
            let Some(old) = pod.observed.timed.timeslot.filter(|_| !pod.status.is_ending()) else {
                continue;
            };
            pods.push((pod, follow(old, before, *slot)));
        }
    }
    moved_to(world, session, parts, changes, pods)
}

/// The new windows with new bindings, if all of them fit.
fn moved_to<'a>(
    world: &'a World,
    session: Timeslot,
    parts: &[&'a Arc<Object<SessionPart>>],
    changes: &[(usize, Timeslot)],
    pods: Vec<(&'a Arc<Object<Pod>>, Timeslot)>,
) -> Result<Moved<'a>, Box<DoesNotFit>> {
    let bound = fit(world, pods)?;
    let parts_moved: Vec<_> = changes.iter().map(|(at, slot)| (parts[*at], *slot)).collect();
    let ends = parts.iter().enumerate().map(|(i, part)| {
        changes.iter().find(|(at, _)| *at == i).map_or_else(|| slot_of(part), |(_, slot)| *slot)
    });
    let slots: Vec<_> = ends.collect();
    let before: Vec<_> = parts.iter().map(|part| slot_of(part)).collect();
    let session = around(session, &before, &slots);
    Ok(Moved { session, parts: parts_moved, pods: bound })
}

/// A pod's window moves as that of its part does.
fn follow(pod: Timeslot, before: Timeslot, after: Timeslot) -> Timeslot {
    let moved_by = after.start.since(before.start);
    let pod_moved = Timeslot { start: after.start, end: after.end, ..pod };
    if moved_by > Duration::ZERO && after.provision_at() == before.provision_at() {
        return Timeslot { lead_time: after.start.since(pod.provision_at()), ..pod_moved };
    }
    pod_moved
}

/// The session's window around those of its parts: its end moves with theirs. One
/// that was declared to end after all of them still does, unless they pass it.
fn around(session: Timeslot, before: &[Timeslot], after: &[Timeslot]) -> Timeslot {
    let last = |slots: &[Timeslot]| slots.iter().map(|slot| slot.end).max().unwrap_or(session.end);
    let own = if session.end > last(before) { session.end } else { Timestamp::EPOCH };
    with_buffers_of(Timeslot { end: last(after).max(own), ..session }, after)
}

/// The session's window with the buffers that its parts need: its provisioning
/// begins with the first of theirs, and its teardown may take as long as the last.
pub(super) fn with_buffers_of(session: Timeslot, parts: &[Timeslot]) -> Timeslot {
    let begin = parts.iter().map(Timeslot::provision_at).min().unwrap_or(session.start);
    let cleanup = parts.iter().map(Timeslot::cleanup_deadline).max().unwrap_or(session.end);
    Timeslot {
        lead_time: session.start.since(begin),
        teardown_buffer: cleanup.since(session.end),
        ..session
    }
}

/// New bindings for pods that stay where they are.
fn fit<'a>(
    world: &World,
    pods: Vec<(&'a Arc<Object<Pod>>, Timeslot)>,
) -> Result<Vec<MovedPod<'a>>, Box<DoesNotFit>> {
    let mut trial: HashMap<Uid, Calendar> = HashMap::new();
    for (pod, _) in &pods {
        let Some(binding) = &pod.observed.binding else { continue };
        let Some(calendar) = world.calendar(binding.host_id) else { continue };
        trial.entry(binding.host_id).or_insert_with(|| calendar.clone()).release(pod.id);
    }
    let mut bound = Vec::new();
    for (pod, slot) in pods {
        let Some(binding) = pod.observed.binding.clone() else { continue };
        // Who only gives back is never refused, even where the host has too little.
        let only_gives_back = binding.window.covers(&slot.held());
        let binding = Binding { window: slot.held(), ..binding };
        if let Some(calendar) = trial.get_mut(&binding.host_id) {
            let booking = Booking {
                window: binding.window,
                demand: binding.demand.clone(),
                instead_of: None,
            };
            if !only_gives_back && let Err(clash) = calendar.fits_with(&booking, &binding.ports) {
                let ports = &binding.ports;
                let refusal = own_next_part(world, pod, &booking, ports, calendar)
                    .unwrap_or_else(|| format!("{}: {clash}", binding.host));
                let pod = pod.name.clone();
                return Err(Box::new(DoesNotFit { pod, refusal, earliest: Earliest::NotSought }));
            }
            calendar.hold(pod.id, hold_of(pod, &binding));
        }
        bound.push((pod, slot, binding));
    }
    Ok(bound)
}

/// In words that what is in the way of a pod is a later part of its own session, if it
/// would fit without that: nobody else has to give way.
fn own_next_part(
    world: &World,
    pod: &Object<Pod>,
    booking: &Booking,
    ports: &[u16],
    calendar: &Calendar,
) -> Option<String> {
    let part_of = |pod: &Object<Pod>| world.session_parts.get(pod.owner.as_ref()?.id);
    let session_of = |part: &Object<SessionPart>| part.owner.as_ref().map(|owner| owner.id);
    let own = part_of(pod)?;
    let binding = pod.observed.binding.as_ref()?;
    let mut without = calendar.clone();
    let mut next: Option<(Timestamp, &Name)> = None;
    for other in world.pods_on(binding.host_id) {
        let Some(part) = part_of(other) else { continue };
        let Some(begins_at) = calendar.hold_of(other.id).map(|hold| hold.window.from) else {
            continue;
        };
        let is_later = session_of(part) == session_of(own) && begins_at >= binding.window.until;
        if is_later && begins_at < booking.window.until {
            without.release(other.id);
            let this = (begins_at, &part.spec.part);
            next = Some(next.map_or(this, |before| before.min(this)));
        }
    }
    let (begins_at, next) = next?;
    without.fits_with(booking, ports).ok()?;
    let what_to_do = match begins_at.since(binding.window.until) {
        Duration::ZERO => "there is no time between the two: leave some when the session is \
                           declared (the `offset` of the part, or its `timeslot`)"
            .to_owned(),
        left => format!("there are {left} between the two, so its end can move by no more"),
    };
    Some(format!(
        "part {} would need {} until {}, with its teardown, and part {next} of the same session \
         needs it from {} on, with its lead time; {what_to_do}",
        own.spec.part,
        binding.host,
        booking.window.until.second_after(),
        begins_at.second_before(),
    ))
}

/// What a pod holds of its host.
pub(crate) fn hold_of(pod: &Object<Pod>, binding: &Binding) -> Hold {
    Hold {
        window: binding.window,
        amounts: binding.demand.amounts(),
        ports: binding.ports.clone(),
        label: pod.key().to_string(),
    }
}

fn writes(
    session: &Arc<Object<Session>>,
    moved: Moved<'_>,
    words: &str,
    now: Timestamp,
) -> Vec<Write> {
    let mut edit = Edit::of(session, now);
    edit.object.observed.timed.timeslot = Some(moved.session);
    edit.note(Actor::API, words);
    let mut writes: Vec<_> = edit.finish().map(Write::update).into_iter().collect();
    for (part, slot) in moved.parts {
        let mut edit = Edit::of(part, now);
        edit.object.observed.timed.timeslot = Some(slot);
        edit.note(Actor::API, words);
        writes.extend(edit.finish().map(Write::update));
    }
    for (pod, slot, binding) in moved.pods {
        let mut edit = Edit::of(pod, now);
        edit.object.observed.timed.timeslot = Some(slot);
        edit.object.observed.binding = Some(binding);
        writes.extend(edit.finish().map(Write::update));
    }
    writes
}

/// Moves a part that is late, and those after it that have not begun, by `by`, if
/// their hosts have room.
pub(crate) fn shift_parts<'a>(
    world: &'a World,
    session: &Object<Session>,
    parts: &[&'a Arc<Object<SessionPart>>],
    late: usize,
    by: Duration,
) -> Option<Moved<'a>> {
    let slot = session.observed.timed.timeslot?;
    let has_begun = |part: &Object<SessionPart>| {
        part.observed.timed.started_at.is_some() || part.status.is_ending()
    };
    let later_ones = parts.iter().enumerate().skip(late).filter(|(_, part)| !has_begun(part));
    let changes: Vec<_> = later_ones
        .map(|(i, part)| (i, later(slot_of(part), by, part.status != TimedStatus::Scheduled)))
        .collect();
    let is_open = session.observed.timed.started_at.is_some();
    let start = if is_open || late > 0 { slot.start } else { slot.start.plus(by) };
    rebook(world, Timeslot { start, ..slot }, parts, &changes).ok()
}

/// A pod that stands alone, moved by `by`, if its host has room.
pub(crate) fn shift_pod(world: &World, pod: &Object<Pod>, by: Duration) -> Option<Binding> {
    let pod = Arc::new(pod.clone());
    let slot = pod.observed.timed.timeslot?.shift(by);
    let bound = fit(world, vec![(&pod, slot)]).ok()?;
    bound.into_iter().next().map(|(_, _, binding)| binding)
}

/// A session whose declaration has changed: `after` as it is declared now. Its
/// definition stays; its window may change as long as its parts have not begun.
///
/// # Errors
/// When something else changes, when it has begun, or when a host has no room.
pub fn readmit_session(
    world: &World,
    before: &Arc<Object<Session>>,
    after: &Object<Session>,
    now: Timestamp,
) -> Result<Vec<Write>, AdmissionError> {
    let (old, new) = (&before.spec, &after.spec);
    for (path, differs) in [
        ("spec.definition", old.definition != new.definition),
        ("spec.host", old.host != new.host),
        ("spec.env", old.env != new.env),
    ] {
        if differs {
            let message = "it does not change once a session is admitted: delete the session and declare it again";
            return Err(AdmissionError::invalid(path, message));
        }
    }
    let own = |object: Object<Session>| {
        vec![Write::update(tessera_types::Edited { object, transitions: Vec::new() })]
    };
    if old.timeslot == new.timeslot && old.parts == new.parts {
        return Ok(own(after.clone()));
    }
    let mut parts: Vec<_> = world.owned::<SessionPart>(before.id).collect();
    parts.sort_by_key(|part| part.spec.order);
    if parts.iter().any(|part| part.status != TimedStatus::Scheduled) {
        let message = format!(
            "session {} has begun: its window changes by `tesseractl session extend` and `shrink`",
            before.name
        );
        return Err(AdmissionError::NotNow(message));
    }
    let Some(definition) = &before.observed.definition else { return Ok(own(after.clone())) };
    let pinned: Vec<_> = parts.iter().filter_map(|part| part.observed.definition.clone()).collect();
    let mut problems = Vec::new();
    let windows = lay_out(new, &definition.spec, &pinned, &mut problems);
    let Some(windows) = windows.filter(|windows| windows.parts.len() == parts.len()) else {
        return Err(AdmissionError::invalid("spec.timeslot.start", "it has no start"));
    };
    let (mut changes, mut pods) = (Vec::new(), Vec::new());
    for (i, slot) in windows.parts.iter().enumerate() {
        let of_part: Vec<_> = world
            .owned::<Pod>(parts[i].id)
            .filter(|pod| !pod.status.is_ending())
            .filter_map(|pod| {
                let definition = pod.observed.definition.as_ref()?;
                Some((pod, slot_of_pod(*slot, &definition.spec)))
            })
            .collect();
        let slot = around_pods(*slot, of_part.iter().map(|(_, slot)| *slot));
        pods.extend(of_part);
        changes.push((i, slot));
    }
    let slots: Vec<_> = changes.iter().map(|(i, slot)| (&parts[*i].spec.part, *slot)).collect();
    check_parts_are_ahead(new, &slots, now, &mut problems);
    if !problems.is_empty() {
        return Err(AdmissionError::Invalid(problems));
    }
    let mut moved = moved_to(world, windows.session, &parts, &changes, pods)
        .map_err(AdmissionError::DoesNotFit)?;
    // What is declared now says when it ends, not what was declared before.
    let slots: Vec<_> = changes.iter().map(|(_, slot)| *slot).collect();
    moved.session = with_buffers_of(windows.session, &slots);
    let session = moved.session;
    let mut writes = writes(before, moved, "its window was declared anew", now);
    let mut edit = Edit::of(before, now);
    edit.object.clone_from(after);
    edit.object.observed.timed.timeslot = Some(session);
    edit.note(Actor::API, "its window was declared anew");
    if let (Some(first), Some(edited)) = (writes.first_mut(), edit.finish()) {
        *first = Write::update(edited);
    }
    Ok(writes)
}
