//! What must hold of hosts, and of what was made from definitions that change.
//!
//! The one idea: a definition is read once, when something is made of it. Whatever becomes of it
//! later, that stays what it was.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_reconciler::World;
use tessera_types::catalogue::{Pinned, PodDefinitionSpec};
use tessera_types::timed::{DesiredTimedStatus, TimedStatus};
use tessera_types::{Host, Object, Revision, Timestamp, Uid};

/// What pods were made from.
#[derive(Debug, Default)]
pub(crate) struct MadeFrom {
    revision: Revision,
    pods: BTreeMap<Uid, Pinned<PodDefinitionSpec>>,
}

impl MadeFrom {
    /// With each commit.
    pub(crate) fn check(&mut self, world: &World) -> Result<(), String> {
        let before = std::mem::replace(&mut self.revision, world.revision());
        for pod in world.pods.iter().filter(|pod| pod.revision > before) {
            let Some(is) = &pod.observed.definition else { continue };
            let was = self.pods.entry(pod.id).or_insert_with(|| is.clone());
            if was != is {
                return Err(format!("{} was made from {was:?}, and says {is:?}", pod.key()));
            }
        }
        Ok(())
    }
}

/// Once the faults have stopped, and time enough has passed.
///
/// The time limit of a try of a phase that began by a clock that was ahead, which only its being
/// set can make, ends by the same: what waits for that is put off.
pub(crate) fn converged(
    world: &World,
    wall: Timestamp,
    may_be_put_off: bool,
) -> Result<(), String> {
    let until = |host: &Object<Host>| host.waiting_for.as_ref().and_then(|it| it.until);
    let is_put_off =
        |host: &Object<Host>| may_be_put_off && until(host).is_some_and(|until| until > wall);
    let mut others = world.hosts.iter().filter(|host| !is_put_off(host));
    others.try_for_each(|host| has_come_to_be(world, host))
}

fn has_come_to_be(world: &World, host: &Arc<Object<Host>>) -> Result<(), String> {
    let (key, status, waits) = (host.key(), host.status, &host.waiting_for);
    if host.deletion_requested_at.is_some() {
        return Err(format!("{key} is still being deleted: {waits:?}"));
    }
    let is_over = status == TimedStatus::Terminated;
    let is_held = world.pods_on(host.id).next().is_some();
    if host.desired_status == DesiredTimedStatus::TornDown && !is_over && !is_held {
        return Err(format!("{key} is drained, and is {status}: {waits:?}"));
    }
    let is_at_rest = is_over || status == TimedStatus::Active;
    match is_at_rest || waits.is_some() {
        true => Ok(()),
        false => Err(format!("{key} is {status}, and waits for nothing")),
    }
}
