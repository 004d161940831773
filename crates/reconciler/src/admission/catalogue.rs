//! Whether the definitions of a catalogue fit together, so that nothing is seeded
//! that can never be booked.
//!
//! The one idea: every selector is resolved as an admission would, in the catalogue
//! as it would be afterwards. So files may come in any order, as long as they come
//! together.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tessera_types::catalogue::{
    Definition, DefinitionSelector, PartDefinitionSpec, PartOrder, SessionDefinitionSpec,
};
use tessera_types::timed::Lifecycle;
use tessera_types::{
    DeliveryEnvironment, Duration, HostingSiteLocation, Invalid, JobDefinition, KindName,
    LabLocation, Object, PartDefinition, PodDefinition, ReportDefinition, Resource, ResourceKey,
    Uid, Write, with_definition,
};

use super::resolve::resolve;
use crate::tables::Tabled;
use crate::world::World;

/// What is wrong with a definition.
type Found = (ResourceKey, Invalid);

/// All that is wrong with the catalogue once `writes` are written: with the
/// definitions in `declared`, and with others that were right before.
#[must_use]
pub fn check_catalogue(
    world: &World,
    writes: &[Write],
    declared: &HashSet<ResourceKey>,
) -> Vec<Found> {
    let before = of_catalogue(world, declared);
    let mut found = of_catalogue(&supposed(world, writes), declared);
    found.retain(|one| declared.contains(&one.0) || !before.contains(one));
    found
}

/// The definitions alone, with `writes` written.
fn supposed(world: &World, writes: &[Write]) -> World {
    let kinds = KindName::ALL.into_iter().filter(|kind| kind.is_definition());
    let written: HashSet<_> = writes.iter().map(Write::key).collect();
    let kept = kinds.flat_map(|kind| world.iter_after(kind, None));
    let kept = kept.filter(|resource| !written.contains(&resource.key()));
    let revision = world.revision().next();
    let after = writes.iter().zip(1..).filter_map(|(write, number)| match write {
        // Any identity will do that nothing else has.
        Write::Create { resource, .. } => {
            Some(resource.clone().stamped(Uid(u64::MAX - number), revision))
        }
        Write::Update { resource, .. } => Some(resource.clone()),
        Write::Delete { .. } => None,
    });
    World::load(revision, kept.chain(after))
}

fn of_catalogue(world: &World, declared: &HashSet<ResourceKey>) -> Vec<Found> {
    let mut found = Vec::new();
    let kinds = || KindName::ALL.into_iter().filter(|kind| kind.is_definition());
    for kind in kinds() {
        with_definition!(kind, K => twins::<K>(world, declared, &mut found));
    }
    for kind in kinds() {
        for resource in world
            .iter_after(kind, None)
            .filter(|resource| resource.deletion_requested_at().is_none())
        {
            let mut problems = Vec::new();
            check(world, &resource, &mut problems);
            found.extend(problems.into_iter().map(|invalid| (resource.key(), invalid)));
        }
    }
    found
}

/// Two definitions of one type with one version: which of them a selector means
/// would be a coin toss. It is said once of two that are declared together.
fn twins<K>(world: &World, declared: &HashSet<ResourceKey>, found: &mut Vec<Found>)
where
    K: Tabled,
    K::Spec: Definition,
{
    let mut seen: BTreeMap<_, &Arc<Object<K>>> = BTreeMap::new();
    let all = world.table::<K>().iter().filter(|one| one.deletion_requested_at.is_none());
    for other in all {
        let head = other.spec.head();
        let Some(one) = seen.insert((head.type_key, head.version), other) else { continue };
        let (at, earlier) = match declared.contains(&other.key()) {
            true => (other, one),
            false => (one, other),
        };
        let message = format!(
            "{} is {} {} too: give one of them another version or type_key",
            earlier.key(),
            head.type_key,
            head.version
        );
        found.push((at.key(), Invalid::new("spec.version", message)));
    }
}

fn check(world: &World, definition: &Resource, problems: &mut Vec<Invalid>) {
    match definition {
        Resource::SessionDefinition(it) => check_session(world, &it.spec, problems),
        Resource::PartDefinition(it) => check_part(world, &it.spec, problems),
        Resource::PodDefinition(it) => {
            check_phases(world, &it.spec.lifecycle, problems);
            let host = &it.spec.host;
            check_key::<LabLocation>(world, &host.location, "spec.host.location", problems);
            let path = "spec.host.delivery_environment";
            check_key::<DeliveryEnvironment>(world, &host.delivery_environment, path, problems);
        }
        Resource::HostDefinition(it) => check_phases(world, &it.spec.lifecycle, problems),
        Resource::DeliveryEnvironment(it) => {
            for (i, location) in it.spec.locations.iter().enumerate() {
                let path = format!("spec.locations[{i}]");
                check_key::<LabLocation>(world, &Some(location.clone()), &path, problems);
            }
        }
        Resource::LabLocation(it) => {
            let path = "spec.hosting_site";
            check_key::<HostingSiteLocation>(world, &it.spec.hosting_site, path, problems);
        }
        _ => {}
    }
}

fn check_session(world: &World, spec: &SessionDefinitionSpec, problems: &mut Vec<Invalid>) {
    let mut durations = Vec::new();
    for (i, part) in spec.parts.iter().enumerate() {
        match resolve::<PartDefinition>(world, &part.selector, &format!("spec.parts[{i}].selector"))
        {
            Ok(pinned) => durations.push(part.duration.unwrap_or(pinned.spec.duration)),
            Err(invalid) => problems.push(invalid),
        }
    }
    check_selector::<ReportDefinition>(world, spec.report.as_ref(), "spec.report", problems);
    if spec.part_execution.order == PartOrder::Sequential && durations.len() == spec.parts.len() {
        check_offsets(spec, &durations, problems);
    }
}

/// Checks that no part of a sequence begins before the one before it is over.
fn check_offsets(
    spec: &SessionDefinitionSpec,
    durations: &[Duration],
    problems: &mut Vec<Invalid>,
) {
    let mut end = Duration::ZERO;
    for (i, (part, duration)) in spec.parts.iter().zip(durations).enumerate() {
        let start = part.offset.unwrap_or(end);
        if start < end {
            let message = format!(
                "part {} begins {start} after the session, and part {}, before it in the sequence, \
                 is over {end} after: give it an offset of {end} or more, or none",
                part.name,
                spec.parts[i - 1].name
            );
            problems.push(Invalid::new(&format!("spec.parts[{i}].offset"), message));
        }
        end = start.plus(*duration);
    }
}

fn check_part(world: &World, spec: &PartDefinitionSpec, problems: &mut Vec<Invalid>) {
    for (i, pod) in spec.pods.iter().enumerate() {
        let path = format!("spec.pods[{i}].selector");
        check_selector::<PodDefinition>(world, Some(&pod.selector), &path, problems);
    }
    check_selector::<ReportDefinition>(world, spec.report.as_ref(), "spec.report", problems);
    check_phases(world, &spec.lifecycle, problems);
}

fn check_phases(world: &World, lifecycle: &Lifecycle, problems: &mut Vec<Invalid>) {
    for (i, phase) in lifecycle.phases.iter().enumerate() {
        let path = format!("spec.lifecycle.phases[{i}].definition");
        check_selector::<JobDefinition>(world, phase.definition.as_ref(), &path, problems);
    }
}

fn check_selector<K>(
    world: &World,
    selector: Option<&DefinitionSelector>,
    path: &str,
    problems: &mut Vec<Invalid>,
) where
    K: Tabled,
    K::Spec: Definition,
{
    problems.extend(selector.and_then(|selector| resolve::<K>(world, selector, path).err()));
}

fn check_key<K>(world: &World, type_key: &Option<String>, path: &str, problems: &mut Vec<Invalid>)
where
    K: Tabled,
    K::Spec: Definition,
{
    let selector = type_key.as_deref().map(DefinitionSelector::of_type);
    check_selector::<K>(world, selector.as_ref(), path, problems);
}
