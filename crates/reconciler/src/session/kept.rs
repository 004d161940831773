//! How long a session is kept when it is over: its tree, its jobs and its reports
//! are there to be read for a time, and then it is asked to go, as if a person had
//! deleted it. The history stays.

use tessera_types::timed::{TimedObserved, TimedStatus};
use tessera_types::{Actor, Job, Object, Pod, Session, SessionPart, Uid, Workload};

use super::part::is_over;
use crate::manager::Plan;
use crate::timed::{Step, clear_gone, is_gone};
use crate::world::World;

/// Asks for the deletion of a session that has been over for long enough. One of
/// which anything is left, or was not removed in time, is for a person to look at
/// until that has gone.
pub(super) fn look(mut step: Step<'_, Session>) -> Plan {
    let parts: Vec<_> = step.world.owned::<SessionPart>(step.id()).collect();
    clear_gone(&mut step, |entry| {
        parts.iter().any(|part| part.observed.timed.leftovers.contains(entry))
    });
    let Some(keep) = step.world.keep_finished() else { return step.finish() };
    if !step.has_come(step.object().status_since.plus(keep)) {
        return step.finish();
    }
    if !is_cleared(step.world, step.id()) || has_leftovers(step.timed()) {
        return step.finish();
    }
    step.edit.request_deletion();
    step.edit.note(Actor::RECONCILER, format!("it is removed: it has been over for {keep}"));
    step.finish()
}

fn has_leftovers(timed: &TimedObserved) -> bool {
    !timed.leftovers.is_empty()
}

/// Whether all that belongs to a session is over, and nothing of it was left.
fn is_cleared(world: &World, session: Uid) -> bool {
    world.owned::<SessionPart>(session).all(|part| {
        let is_cleared = |pod: &Object<Pod>| {
            pod.status == TimedStatus::Terminated
                && !has_leftovers(&pod.observed.timed)
                && world.owned::<Workload>(pod.id).next().is_none()
                && jobs_are_gone(world, pod.id)
        };
        is_over(part)
            && !has_leftovers(&part.observed.timed)
            && jobs_are_gone(world, part.id)
            && world.owned::<Pod>(part.id).all(|pod| is_cleared(pod))
    })
}

fn jobs_are_gone(world: &World, owner: Uid) -> bool {
    world.owned::<Job>(owner).all(|job| is_gone(world, job))
}
