//! What is booked of a host stays possible when a host is declared anew: less
//! room than somebody was promised is refused, and so is deleting what is booked.
//!
//! The one idea: the host as it is declared is supposed to be there, and every
//! booking is asked whether it could still be made. What was broken before, by
//! a node that was lost, is not held against the declaration.

use std::sync::Arc;

use tessera_types::{
    Change, Committed, Host, Kind, Object, Pod, Resource, Timestamp, Uid, limits::clip,
};

use super::AdmissionError;
use super::book::why_not;
use super::session::seeker;
use crate::host::take_nodes;
use crate::world::World;

/// How many holders are named.
const NAMED_MAX: usize = 3;
const REASON_BYTES_MAX: usize = 300;

/// Checks that nobody loses what is booked when `after` is what a host is
/// declared as. A group takes nodes from the groups after it, so all are looked at.
///
/// # Errors
/// Who holds what, and when.
pub(super) fn check_bookings(
    world: &World,
    after: &Object<Host>,
    now: Timestamp,
) -> Result<(), AdmissionError> {
    let is_group = |host: &Object<Host>| host.observed.nodes.is_some();
    if world.hosts.get(after.id).is_none() && !is_group(after) {
        return Ok(());
    }
    let trial = supposed(world, after, now);
    let concerned = trial
        .hosts
        .iter()
        .filter(|host| host.key() == after.key() || is_group(after) && is_group(host));
    for host in concerned {
        let Some(before) = world.hosts.get(host.id) else { continue };
        let mut host = Object::clone(host);
        if let Some(definition) = host.observed.definition.clone().filter(|_| is_group(after)) {
            take_nodes(&mut host, &definition.spec, trial.nodes_of(before.id));
        }
        check_calendar(world, &trial, &host)?;
        world.pods_on(host.id).try_for_each(|pod| check_pod(world, &trial, before, &host, pod))?;
    }
    Ok(())
}

/// The world with this host in it.
fn supposed(world: &World, host: &Object<Host>, now: Timestamp) -> World {
    let mut trial = world.clone();
    let known = trial.hosts.find(None, &host.name).map(|known| known.id);
    let id = known.unwrap_or(Uid(u64::MAX));
    let revision = world.revision().next();
    let after = Host::wrap(Arc::new(host.clone())).stamped(id, revision);
    let change = Change { key: host.key(), id, after: Some(after) };
    trial.apply(&Committed { revision, at: now, changes: vec![change] });
    trial
}

fn check_calendar(world: &World, trial: &World, host: &Object<Host>) -> Result<(), AdmissionError> {
    let (Some(before), Some(after)) = (world.calendar(host.id), trial.calendar(host.id)) else {
        return Ok(());
    };
    let mut after = after.clone();
    after.set_capacity(&host.observed.capacity);
    after.set_nodes(host.observed.nodes);
    match after.is_over_since(before) {
        None => Ok(()),
        Some(excess) => Err(AdmissionError::Booked(format!("{}: {excess}", host.key()))),
    }
}

fn check_pod(
    world: &World,
    trial: &World,
    before: &Object<Host>,
    after: &Object<Host>,
    pod: &Object<Pod>,
) -> Result<(), AdmissionError> {
    let seeker = seeker(pod);
    let Some(reason) = why_not(trial, after, &seeker) else { return Ok(()) };
    if why_not(world, before, &seeker).is_some() {
        return Ok(());
    }
    let reason = clip(&reason, REASON_BYTES_MAX);
    let message = format!(
        "{}: hosts that are declared like this {reason}, and {} is booked on it",
        after.key(),
        holder(pod)
    );
    Err(AdmissionError::Booked(message))
}

fn holder(pod: &Object<Pod>) -> String {
    let window = pod.observed.binding.as_ref().map(|binding| binding.window);
    window.map_or_else(|| pod.key().to_string(), |window| format!("{} {window}", pod.key()))
}

/// Checks that a host may be deleted: that no pod is booked on it.
///
/// # Errors
/// Who holds something of it, and when.
pub fn check_deletion(world: &World, resource: &Resource) -> Result<(), AdmissionError> {
    let Resource::Host(host) = resource else { return Ok(()) };
    let mut pods: Vec<_> = world.pods_on(host.id).collect();
    if pods.is_empty() {
        return Ok(());
    }
    pods.sort_by_key(|pod| pod.observed.binding.as_ref().map(|binding| binding.window));
    let named: Vec<_> = pods.iter().take(NAMED_MAX).map(|pod| holder(pod)).collect();
    let more = match pods.len() - named.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let message = format!("{} is booked: by {}{more}", host.key(), named.join(", by "));
    Err(AdmissionError::Booked(message))
}
