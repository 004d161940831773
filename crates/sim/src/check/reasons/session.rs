//! What sessions and parts say that they wait for.

use tessera_reconciler::World;
use tessera_types::catalogue::{Gate, PartOrder};
use tessera_types::report::ReportStatus;
use tessera_types::session::SessionStatus;
use tessera_types::timed::{DesiredTimedStatus, OnFailure, Outcome, TimedStatus};
use tessera_types::{Object, Pod, Report, Session, SessionPart, Uid, WaitReason, WaitingFor};

use super::timed::{is_anything_left, of_itself_is_left, own_time_is_to_come, phase_is_right};
use super::{Look, SLACK, is_of, named, numbers};

/// The parts of a session, in their order.
fn parts_of(world: &World, session: Uid) -> Vec<&Object<SessionPart>> {
    let parts = world.session_parts.iter().map(AsRef::as_ref);
    let mut parts: Vec<_> = parts.filter(|part| is_of(part, session)).collect();
    parts.sort_by_key(|part| part.spec.order);
    parts
}

fn pods_of(world: &World, part: Uid) -> Vec<&Object<Pod>> {
    world.pods.iter().map(AsRef::as_ref).filter(|pod| is_of(pod, part)).collect()
}

fn reports_of(world: &World, owner: Uid) -> impl Iterator<Item = &Object<Report>> {
    world.reports.iter().map(AsRef::as_ref).filter(move |report| is_of(report, owner))
}

/// The report that somebody makes of itself is there, and is made.
fn has_its_report(world: &World, owner: Uid) -> bool {
    let is_own =
        |it: &&Object<Report>| !it.observed.is_declared && it.deletion_requested_at.is_none();
    let own = reports_of(world, owner).find(is_own);
    own.is_some_and(|report| report.status != ReportStatus::Pending)
}

fn is_over(status: TimedStatus) -> bool {
    status == TimedStatus::Terminated
}

/// Whether a session may say nothing: it is over, or its present part is under way.
pub(super) fn may_be_silent(look: &Look<'_>, session: &Object<Session>) -> bool {
    match session.status {
        SessionStatus::Inactive | SessionStatus::Failed => session.deletion_requested_at.is_none(),
        SessionStatus::Active => {
            let parts = parts_of(look.world, session.id);
            let present = parts.into_iter().find(|part| !is_over(part.status));
            present.is_some_and(|part| part.status == TimedStatus::Active)
        }
        _ => false,
    }
}

pub(super) fn session_is_right(
    look: &Look<'_>,
    session: &Object<Session>,
    waiting: &WaitingFor,
) -> bool {
    let Some(slot) = session.observed.timed.timeslot else { return false };
    let parts = parts_of(look.world, session.id);
    match (session.status, waiting.reason) {
        (SessionStatus::Pending, WaitReason::Time) => {
            waiting.until == Some(slot.start) && look.wall <= slot.start.plus(SLACK)
        }
        (SessionStatus::Active, reason) => {
            let Some(part) = parts.iter().find(|part| !is_over(part.status)) else { return false };
            let says = |of_part: &WaitingFor| {
                reason == of_part.reason
                    && waiting.until == of_part.until
                    && waiting.message == format!("part {}: {}", part.spec.part, of_part.message)
            };
            part.status != TimedStatus::Active && part.waiting_for.as_ref().is_some_and(says)
        }
        (SessionStatus::Aggregating, WaitReason::Children) => {
            !has_its_report(look.world, session.id)
        }
        (SessionStatus::Finalizing, WaitReason::Children) => {
            let left = parts.iter().filter(|part| !is_over(part.status)).count();
            left > 0 && numbers(&waiting.message) == [left, parts.len()]
        }
        (SessionStatus::Inactive | SessionStatus::Failed, WaitReason::Children) => {
            let has_reports = reports_of(look.world, session.id).next().is_some();
            session.deletion_requested_at.is_some() && (!parts.is_empty() || has_reports)
        }
        _ => false,
    }
}

pub(super) fn part_is_right(
    look: &Look<'_>,
    part: &Object<SessionPart>,
    waiting: &WaitingFor,
) -> bool {
    let Some(slot) = part.observed.timed.timeslot else { return false };
    match waiting.reason {
        WaitReason::Time => own_time_is_to_come(look, part, &slot, waiting),
        WaitReason::Gate => {
            part.status == TimedStatus::Ready
                && part.desired_status < DesiredTimedStatus::Active
                && waiting.until == Some(slot.end)
                && is_kept_waiting(look, part)
        }
        WaitReason::Children => children_are_right(look, part, &waiting.message),
        _ => phase_is_right(look, part, waiting),
    }
}

fn children_are_right(look: &Look<'_>, part: &Object<SessionPart>, message: &str) -> bool {
    let world = look.world;
    let pods = pods_of(world, part.id);
    match part.status {
        TimedStatus::Provisioning => match named(message, "pod/") {
            Some(name) => pods.iter().any(|pod| pod.name.as_str() == name && is_awaited(pod)),
            None => of_itself_is_left(look, part),
        },
        TimedStatus::Grading => !has_its_report(world, part.id),
        TimedStatus::TearingDown => {
            let left = pods.iter().filter(|pod| !is_over(pod.status)).count();
            match left {
                0 => is_anything_left(world, part),
                left => numbers(message) == [left, pods.len()],
            }
        }
        TimedStatus::Terminated => {
            let has_records = !pods.is_empty() || reports_of(world, part.id).next().is_some();
            let is_deleted = part.deletion_requested_at.is_some();
            is_deleted && has_records || of_itself_is_left(look, part)
        }
        _ => of_itself_is_left(look, part),
    }
}

/// A pod that is still to become ready.
fn is_awaited(pod: &Object<Pod>) -> bool {
    use TimedStatus::{Failed, Provisioning, Scheduled};
    matches!(pod.status, Scheduled | Provisioning | Failed) && pod.observed.timed.failure.is_none()
}

/// Whether its session has not begun, or the gate of some part before it keeps it waiting.
fn is_kept_waiting(look: &Look<'_>, part: &Object<SessionPart>) -> bool {
    let owner = part.owner.as_ref().and_then(|owner| look.world.sessions.get(owner.id));
    let Some(session) = owner else { return false };
    let definition = session.observed.definition.as_ref();
    let in_turn = definition.is_none_or(|it| it.spec.part_execution.order == PartOrder::Sequential);
    let parts = parts_of(look.world, session.id);
    let mut before = parts.iter().filter(|other| other.spec.order < part.spec.order);
    match session.status {
        SessionStatus::Pending => true,
        SessionStatus::Active => in_turn && before.any(|it| is_shut(it)),
        _ => false,
    }
}

/// Whether the gate of a part is not open, and that matters.
fn is_shut(part: &Object<SessionPart>) -> bool {
    let (observed, timed) = (&part.observed, &part.observed.timed);
    let is_done = matches!(part.status, TimedStatus::TearingDown | TimedStatus::Terminated);
    let has_failed = timed.failure.is_some()
        || matches!(timed.outcome, Some(Outcome::Cancelled | Outcome::Skipped));
    let (is_open, may_open) = match part.spec.gate {
        Gate::None => return false,
        Gate::Completed => (is_done, !is_done),
        Gate::Passed { min_score } => (observed.score.is_some_and(|it| it >= min_score), !is_done),
        Gate::Approval => (observed.approved_by.is_some(), true),
    };
    let goes_on = part.spec.on_failure == OnFailure::Continue && (has_failed || !may_open);
    (has_failed || !is_open) && !goes_on
}
