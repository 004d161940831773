//! What becomes of a session, or of its later parts, when nobody was there at
//! the time when their provisioning should have begun. It is decided once for
//! each part, and what was missed is not made up for in a burst: only what is
//! still to come takes place.

use std::sync::Arc;

use tessera_types::catalogue::SessionDefinitionSpec;
use tessera_types::timed::{DesiredTimedStatus, LateDecision, TimedStatus};
use tessera_types::{Actor, Edit, Object, Pod, Session, SessionPart};

use crate::admission::{self, Moved};
use crate::timed::{Step, in_words, is_late};

/// Decides about the parts that are late. Says why the whole session does not
/// take place, if that is so: no part of it is left, and none has begun.
pub(super) fn decide(
    step: &mut Step<'_, Session>,
    definition: &SessionDefinitionSpec,
    parts: &[&Arc<Object<SessionPart>>],
) -> Option<String> {
    let policy = step.object().spec.on_late.unwrap_or(definition.on_late);
    let mut any_left = parts.iter().any(|part| part.observed.timed.started_at.is_some());
    let mut skipped = None;
    for (i, part) in parts.iter().enumerate() {
        let timed = &part.observed.timed;
        let Some(slot) = timed.timeslot else { continue };
        let is_undecided = part.status == TimedStatus::Scheduled && timed.late.is_none();
        let late = is_late(&slot, step.now).filter(|_| is_undecided);
        let Some(late) = late else {
            any_left |= !part.status.is_ending() && timed.outcome.is_none();
            continue;
        };
        let mut decision = late.decide(policy);
        if decision == LateDecision::Shifted {
            let moved = admission::shift_parts(step.world, step.object(), parts, i, late.by());
            if let Some(moved) = moved {
                let record = late.record(decision, step.now);
                shift(step, moved, &record);
                return None;
            }
            decision = late.decide_without_shift();
        }
        let record = late.record(decision, step.now);
        let words = in_words(&record);
        step.change(part, |edit| {
            edit.note(Actor::RECONCILER, words.as_str());
            edit.object.observed.timed.late = Some(record.clone());
            if decision == LateDecision::Skipped {
                edit.object.observed.timed.outcome = Some(tessera_types::timed::Outcome::Skipped);
                edit.desire(DesiredTimedStatus::TornDown);
            }
        });
        step.timed_mut().late.get_or_insert(record);
        match decision {
            LateDecision::Skipped => skipped = Some(words),
            _ => any_left = true,
        }
    }
    skipped.filter(|_| !any_left)
}

/// Moves the parts, their pods and the session's end.
fn shift(step: &mut Step<'_, Session>, moved: Moved<'_>, record: &tessera_types::timed::Lateness) {
    let words = in_words(record);
    for (part, slot) in moved.parts {
        step.change(part, |edit: &mut Edit<SessionPart>| {
            edit.note(Actor::RECONCILER, words.as_str());
            edit.object.observed.timed.late = Some(record.clone());
            edit.object.observed.timed.timeslot = Some(slot);
        });
    }
    for (pod, slot, binding) in moved.pods {
        step.change(pod, |edit: &mut Edit<Pod>| {
            edit.object.observed.timed.timeslot = Some(slot);
            edit.object.observed.binding = Some(binding);
        });
    }
    step.timed_mut().timeslot = Some(moved.session);
    step.timed_mut().late.get_or_insert(record.clone());
    step.edit.note(Actor::RECONCILER, words);
}
