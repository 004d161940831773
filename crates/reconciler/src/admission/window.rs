//! When the parts of a session take place.

use std::sync::Arc;

use tessera_types::catalogue::{PartDefinitionSpec, PartOrder, Pinned, SessionDefinitionSpec};
use tessera_types::session::SessionSpec;
use tessera_types::timed::Timeslot;
use tessera_types::{Duration, Invalid, Name, Timestamp, limits};

/// The windows of a session and of its parts, in their order.
pub(super) struct Windows {
    pub(super) session: Timeslot,
    pub(super) parts: Vec<Timeslot>,
}

/// Lays the parts out. Adds what is wrong to `problems`; none if no start is
/// known.
pub(super) fn lay_out(
    spec: &SessionSpec,
    definition: &SessionDefinitionSpec,
    parts: &[Pinned<PartDefinitionSpec>],
    problems: &mut Vec<Invalid>,
) -> Option<Windows> {
    let start = spec.timeslot.start?;
    let mut windows: Vec<Timeslot> = Vec::new();
    for (requirement, part) in definition.parts.iter().zip(parts) {
        let part = Arc::clone(&part.spec);
        let duration = requirement.duration.unwrap_or(part.duration);
        let usual_start =
            match (requirement.offset, definition.part_execution.order, windows.last()) {
                (Some(offset), _, _) => start.plus(offset),
                (None, PartOrder::Sequential, Some(before)) => before.end,
                (None, _, _) => start,
            };
        let mut declared =
            spec.parts.get(&requirement.name).map(|one| one.timeslot).unwrap_or_default();
        declared.start.get_or_insert(usual_start);
        let lead_time = spec.timeslot.lead_time.unwrap_or(part.lead_time);
        let teardown_buffer = spec.timeslot.teardown_buffer.unwrap_or(part.teardown_buffer);
        windows.extend(declared.resolve(duration, lead_time, teardown_buffer));
    }
    for name in spec.parts.keys() {
        if !definition.parts.iter().any(|requirement| requirement.name == *name) {
            let known: Vec<_> = definition.parts.iter().map(|one| one.name.as_str()).collect();
            let message = format!("there is no part `{name}`: the parts are {}", known.join(", "));
            problems.push(Invalid::new(&format!("spec.parts.{name}"), message));
        }
    }
    let last = windows.iter().map(|slot| slot.end).max()?;
    let session = spec.timeslot.resolve(last.since(start), Duration::ZERO, Duration::ZERO)?;
    let session = Timeslot {
        lead_time: start.since(windows.iter().map(Timeslot::provision_at).min()?),
        teardown_buffer: windows.iter().map(Timeslot::cleanup_deadline).max()?.since(session.end),
        ..session
    };
    let windows = Windows { session, parts: windows };
    check(&windows, definition, problems);
    Some(windows)
}

fn check(windows: &Windows, definition: &SessionDefinitionSpec, problems: &mut Vec<Invalid>) {
    let session = windows.session;
    if session.end <= session.start {
        let message = not_after_start(&session);
        problems.push(Invalid::new("spec.timeslot.end", message));
    }
    let named = || definition.parts.iter().map(|requirement| &requirement.name).zip(&windows.parts);
    for (name, slot) in named() {
        let path = format!("spec.parts.{name}.timeslot");
        if slot.end <= slot.start {
            let message = not_after_start(slot);
            problems.push(Invalid::new(&format!("{path}.end"), message));
        }
        if slot.start < session.start || slot.end > session.end {
            let message =
                format!("part {name} ({slot}) is not inside the session's window ({session})");
            problems.push(Invalid::new(&path, message));
        }
    }
    if definition.part_execution.order == PartOrder::Parallel {
        return;
    }
    for ((first, one), (second, other)) in named().zip(named().skip(1)) {
        if other.start < one.end {
            let message = format!(
                "part {second} ({}) begins before part {first} ({}) is over, and the parts are \
                 sequential",
                in_seconds(other),
                in_seconds(one)
            );
            problems.push(Invalid::new(&format!("spec.parts.{second}.timeslot"), message));
        }
    }
}

fn not_after_start(slot: &Timeslot) -> String {
    format!("{} is not after the start, {}", slot.end.second_before(), slot.start.second_before())
}

/// A window as a text for people says it.
fn in_seconds(slot: &Timeslot) -> String {
    format!("{} to {}", slot.start.second_before(), slot.end.second_after())
}

/// Checks that the windows of the parts of a session are not longer than any may be,
/// and still to come. Of what follows from the start of the session one is told, with
/// the earliest start at which all of it would be in time; where a part that has a
/// start of its own is too late, those after it may follow from that.
pub(super) fn check_parts_are_ahead(
    spec: &SessionSpec,
    parts: &[(&Name, Timeslot)],
    now: Timestamp,
    problems: &mut Vec<Invalid>,
) {
    for (name, slot) in parts {
        check_length(slot, &format!("part {name}"), "spec.timeslot", problems);
    }
    let has_own_start =
        |name: &Name| spec.parts.get(name).is_some_and(|it| it.timeslot.start.is_some());
    let late = parts.iter().filter(|(_, slot)| slot.provision_at() < now);
    let (own, following): (Vec<_>, Vec<_>) = late.partition(|(name, _)| has_own_start(name));
    for (name, slot) in &own {
        let path = format!("spec.parts.{name}.timeslot.start");
        let message = passed(slot, &format!("part {name}"), now);
        let earliest = now.plus(slot.lead_time).second_after();
        problems.push(Invalid::new(&path, format!("{message}; its earliest start is {earliest}")));
    }
    let Some((name, slot)) = following.first().filter(|_| own.is_empty()) else { return };
    let mut message = passed(slot, &format!("part {name}"), now);
    let all_follow = !parts.iter().any(|(name, _)| has_own_start(name));
    let late_by = following.iter().map(|(_, slot)| now.since(slot.provision_at())).max();
    if let (Some(start), Some(by), true) = (spec.timeslot.start, late_by, all_follow) {
        let earliest = start.plus(by).second_after();
        message.push_str(&format!("; the earliest start of the session is {earliest}"));
    }
    problems.push(Invalid::new("spec.timeslot.start", message));
}

/// Checks that a window is not longer than any may be, and still to come, with the
/// time that its provisioning needs.
pub(super) fn check_is_ahead(slot: &Timeslot, now: Timestamp, problems: &mut Vec<Invalid>) {
    check_length(slot, "it", "spec.timeslot", problems);
    if slot.provision_at() < now {
        let earliest = now.plus(slot.lead_time).second_after();
        let message = format!("{}; the earliest start is {earliest}", passed(slot, "it", now));
        problems.push(Invalid::new("spec.timeslot.start", message));
    }
}

fn check_length(slot: &Timeslot, what: &str, path: &str, problems: &mut Vec<Invalid>) {
    if slot.duration() > limits::WINDOW_MAX {
        let message =
            format!("{what} takes {}: at most {} are allowed", slot.duration(), limits::WINDOW_MAX);
        problems.push(Invalid::new(&format!("{path}.end"), message));
    }
}

/// What of a window has passed.
fn passed(slot: &Timeslot, what: &str, now: Timestamp) -> String {
    let start = slot.start.second_before();
    if slot.start < now {
        return format!(
            "{what} starts at {start}, which has passed (it is {})",
            now.second_before()
        );
    }
    format!(
        "{what} starts at {start} with a lead time of {}, so its provisioning would have had to \
         begin at {}, which has passed",
        slot.lead_time,
        slot.provision_at().second_before()
    )
}
