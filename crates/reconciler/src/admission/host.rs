//! Admitting a host.

use std::sync::Arc;

use tessera_types::catalogue::{DefinitionSelector, HostType};
use tessera_types::timed::Timeslot;
use tessera_types::{
    DeliveryEnvironment, Duration, Host, HostDefinition, Invalid, Node, Object, Timestamp,
};

use super::AdmissionError;
use super::booked::check_bookings;
use super::resolve::{check_location, jobs_of, resolve};
use super::session::check_teardown;
use crate::host::take_nodes;
use crate::world::World;

/// Admits a host, new or changed: `host` as it is declared, over `before`. What it
/// is pinned to already stays, with the definitions of its jobs, unless another
/// definition is selected than before.
///
/// # Errors
/// All that is wrong with it; or who has booked what it would not have any more.
pub fn admit_host(
    world: &World,
    before: Option<&Arc<Object<Host>>>,
    mut host: Object<Host>,
    now: Timestamp,
) -> Result<Object<Host>, AdmissionError> {
    let mut problems = Vec::new();
    let path = "spec.definition";
    let selects_the_same =
        before.is_some_and(|before| before.spec.definition == host.spec.definition);
    let pinned = host.observed.definition.clone().filter(|_| selects_the_same);
    let is_pinned = pinned.is_some();
    let definition = match pinned {
        Some(pinned) => pinned,
        None => resolve::<HostDefinition>(world, &host.spec.definition, path)
            .map_err(|invalid| AdmissionError::Invalid(vec![invalid]))?,
    };
    check_location(world, host.spec.location.as_ref(), "spec.location", &mut problems);
    for (i, environment) in host.spec.delivery_environments.iter().enumerate() {
        let path = format!("spec.delivery_environments[{i}]");
        let selector = DefinitionSelector::of_type(environment);
        let found = resolve::<DeliveryEnvironment>(world, &selector, &path);
        problems.extend(found.err());
    }
    let is_group = definition.spec.host_type == HostType::NodeGroup;
    if !is_group && !host.spec.nodes.is_empty() {
        let message = format!("a {} has no nodes: remove it", definition.spec.host_type);
        problems.push(Invalid::new("spec.nodes", message));
    }
    let capacity = host.spec.capacity.clone().unwrap_or_else(|| definition.spec.capacity.clone());
    if is_group && (capacity.cpu.0 > 0 || capacity.memory.0 > 0) {
        let message = "a node group has the cpu and memory of its nodes: remove them here";
        problems.push(Invalid::new("spec.capacity", message));
    }
    if !is_pinned {
        let lifecycle = &definition.spec.lifecycle;
        host.observed.timed.jobs = jobs_of(world, lifecycle, path, &mut problems);
    }
    if !problems.is_empty() {
        return Err(AdmissionError::Invalid(problems));
    }
    let slot = window_of(before.map(|before| &**before), &host, now)?;
    // One without an end goes when it is deleted, and takes its time.
    let is_as_before = is_pinned && host.observed.timed.timeslot == Some(slot);
    if slot.end < Timestamp::MAX && !is_as_before {
        check_teardown(&definition.spec.lifecycle, slot, path, &mut problems);
    }
    if !problems.is_empty() {
        return Err(AdmissionError::Invalid(problems));
    }
    host.observed.timed.timeslot = Some(slot);
    if is_group {
        // At once, so that what is admitted next finds room.
        let nodes: Vec<_> = nodes_of(world, &host).collect();
        take_nodes(&mut host, &definition.spec, nodes.into_iter());
    } else {
        host.observed.capacity = capacity;
        (host.observed.largest_node, host.observed.nodes) = (None, None);
    }
    host.observed.definition = Some(definition);
    check_bookings(world, &host, now)?;
    Ok(host)
}

/// The window of a host: what it was, if none is declared as before. One that is new
/// or changes must not be over; it may have begun, and is open for what is left of it.
fn window_of(
    before: Option<&Object<Host>>,
    host: &Object<Host>,
    now: Timestamp,
) -> Result<Timeslot, AdmissionError> {
    let is_unchanged = before.is_some_and(|before| before.spec.timeslot == host.spec.timeslot);
    let known = host.observed.timed.timeslot.filter(|_| host.spec.timeslot.is_none());
    let slot = known.filter(|_| is_unchanged).unwrap_or_else(|| slot_of(&host.spec, now));
    if !is_unchanged && slot.end <= now {
        let message = format!(
            "its window ends at {}, which has passed (it is {})",
            slot.end.second_before(),
            now.second_before()
        );
        return Err(AdmissionError::invalid("spec.timeslot.end", message));
    }
    Ok(slot)
}

/// The nodes that belong to a group once it is declared so: those that it selects
/// and no group before it, by name, has.
fn nodes_of<'a>(
    world: &'a World,
    host: &Object<Host>,
) -> impl Iterator<Item = &'a Arc<Object<Node>>> {
    world.nodes.iter().filter(move |node| {
        let labels = node.effective_labels();
        let is_selected = host.spec.nodes.iter().all(|one| one.is_met_by(&labels));
        is_selected && world.group_of(node.id).is_none_or(|group| group.name >= host.name)
    })
}

/// The window of a host; one that is declared without is there from now on.
fn slot_of(spec: &tessera_types::host::HostSpec, now: Timestamp) -> Timeslot {
    let always = Timeslot {
        start: now,
        end: Timestamp::MAX,
        lead_time: Duration::ZERO,
        teardown_buffer: Duration::ZERO,
    };
    let Some(declared) = &spec.timeslot else { return always };
    let slot = declared.resolve(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    slot.map_or(always, |slot| match declared.end.or(declared.duration.map(|_| slot.end)) {
        Some(end) => Timeslot { end, ..slot },
        None => Timeslot { end: Timestamp::MAX, ..slot },
    })
}
