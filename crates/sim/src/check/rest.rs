//! That nothing is written any more in the end.
//!
//! The one idea: a clock that was ahead puts off what is booked by it, at most until after the end
//! of a run. That alone may still be on its way, within its window and the time for cleanup, and
//! so may what belongs to it. All else is at rest, whatever was done to the clock.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_types::timed::{Timed, Timeslot};
use tessera_types::{Committed, Duration, Resource, Timestamp, Uid, WaitReason};

/// What ends a window is written within this.
const SLACK: Duration = Duration::from_secs(60);

/// Nothing was written for so long until now, but for what was put off, if anything can have been.
pub(crate) fn nothing_is_written(
    commits: &[Arc<Committed>],
    rest: Duration,
    now: Timestamp,
    may_be_put_off: bool,
) -> Result<(), String> {
    // What was written before the clock was set right may say that it was later than now.
    let is_late = |commit: &&Arc<Committed>| commit.at <= now && now.since(commit.at) < rest;
    let late: Vec<_> = commits.iter().rev().take_while(is_late).collect();
    let Some(last) = late.first() else { return Ok(()) };
    if !may_be_put_off {
        return Err(format!("it is not at rest: {last:?}"));
    }
    let known = Known::of(commits);
    late.iter().try_for_each(|commit| {
        let stray = commit.changes.iter().find(|change| !known.is_under_way(change.id, commit.at));
        match stray {
            None => Ok(()),
            Some(stray) => Err(format!("it is not at rest: {} in {commit:?}", stray.key)),
        }
    })
}

/// Everything that ever was, as it was last.
struct Known<'a>(BTreeMap<Uid, &'a Resource>);

impl<'a> Known<'a> {
    fn of(commits: &'a [Arc<Committed>]) -> Self {
        let changes = commits.iter().flat_map(|commit| &commit.changes);
        Self(changes.filter_map(|change| Some((change.id, change.after.as_ref()?))).collect())
    }

    /// Whether it has something to do then, or belongs to what has.
    fn is_under_way(&self, id: Uid, at: Timestamp) -> bool {
        let Some(resource) = self.0.get(&id) else { return false };
        has_come(resource, at)
            || resource.owner().is_some_and(|owner| self.is_under_way(owner.id, at))
            || self.holds_what_is_under_way(resource, at)
            || (waits_for_room(resource) && self.0.values().any(|other| has_come(other, at)))
    }

    /// A host has something to do as long as what is booked on it.
    fn holds_what_is_under_way(&self, resource: &Resource, at: Timestamp) -> bool {
        let Resource::Host(host) = resource else { return false };
        let is_on_it = |resource: &&Resource| match resource {
            Resource::Pod(pod) => {
                // A pod that is over has given its host back.
                let pinned = pod.observed.binding.as_ref().map(|binding| binding.host_id);
                pinned.is_none_or(|id| id == host.id)
                    && pod.observed.timed.timeslot.is_some_and(|slot| is_open(slot, at))
            }
            _ => false,
        };
        self.0.values().copied().any(|resource| is_on_it(&resource))
    }
}

/// Whether it is its time to do something.
fn has_come(resource: &Resource, at: Timestamp) -> bool {
    slot_of(resource).is_some_and(|slot| is_open(slot, at)) || is_at_its_end(resource, at)
}

/// Whether it says how much room there is, which others take and give back.
fn waits_for_room(resource: &Resource) -> bool {
    let Resource::Workload(workload) = resource else { return false };
    let waiting = workload.waiting_for.as_ref();
    waiting.is_some_and(|waiting| waiting.reason == WaitReason::NoNodeFits)
}

/// When something that was booked is to be done; none for what is always there.
fn slot_of(resource: &Resource) -> Option<Timeslot> {
    let slot = match resource {
        Resource::Session(it) => tessera_types::Session::timed(it).timeslot,
        Resource::SessionPart(it) => tessera_types::SessionPart::timed(it).timeslot,
        Resource::Pod(it) => tessera_types::Pod::timed(it).timeslot,
        Resource::Host(it) => tessera_types::Host::timed(it).timeslot,
        _ => None,
    };
    slot.filter(|slot| slot.end < Timestamp::MAX)
}

/// Whether it is a workload that begins or ends about then, as it was declared to.
fn is_at_its_end(resource: &Resource, at: Timestamp) -> bool {
    let Resource::Workload(workload) = resource else { return false };
    let spec = &workload.spec;
    let ends = spec.not_before.into_iter().chain(spec.not_after);
    ends.into_iter().any(|end| end <= at.plus(SLACK) && at <= end.plus(SLACK))
}

fn is_open(slot: Timeslot, at: Timestamp) -> bool {
    slot.provision_at() <= at && at <= slot.cleanup_deadline().plus(SLACK)
}
