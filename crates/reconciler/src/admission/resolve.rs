//! Which definition a selector means.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_types::catalogue::{
    Definition, DefinitionSelector, JobDefinitionSpec, Pinned, ReportDefinitionSpec,
};
use tessera_types::timed::{Engine, Lifecycle};
use tessera_types::{
    DeliveryEnvironment, Invalid, JobDefinition, LabLocation, Name, Object, ReportDefinition,
    nearest,
};

use crate::tables::Tabled;
use crate::world::World;

/// The definition that `selector`, which stands at `path`, means: of all that it
/// matches, the one with the highest version.
pub(super) fn resolve<K>(
    world: &World,
    selector: &DefinitionSelector,
    path: &str,
) -> Result<Pinned<K::Spec>, Invalid>
where
    K: Tabled,
    K::Spec: Definition,
{
    let is_match = |one: &&Arc<Object<K>>| {
        one.deletion_requested_at.is_none() && selector.matches(one.spec.head(), &one.labels)
    };
    let version = |one: &&Arc<Object<K>>| one.spec.head().version.clone();
    let matching: Vec<_> = world.table::<K>().iter().filter(is_match).collect();
    let Some(best) = matching.iter().max_by_key(|one| version(one)) else {
        return Err(Invalid::new(path, nothing_matches::<K>(world, selector)));
    };
    let mut as_good = matching.iter().filter(|one| version(one) == version(best));
    if let (Some(first), Some(second)) = (as_good.next(), as_good.next()) {
        let message = format!(
            "{} and {} both match {selector} with version {}: select more narrowly",
            first.key(),
            second.key(),
            version(best)
        );
        return Err(Invalid::new(path, message));
    }
    Ok(Pinned::of(&best.name, &best.spec))
}

fn nothing_matches<K>(world: &World, selector: &DefinitionSelector) -> String
where
    K: Tabled,
    K::Spec: Definition,
{
    let kind = K::KIND.singular();
    let table = world.table::<K>();
    let keys: Vec<_> = table.iter().map(|one| one.spec.head().type_key.to_owned()).collect();
    let versions: Vec<_> = table
        .iter()
        .filter(|one| Some(one.spec.head().type_key) == selector.type_key.as_deref())
        .map(|one| one.spec.head().version.to_string())
        .collect();
    let hint = match &selector.type_key {
        _ if table.is_empty() => "there is none at all: seed some (tesseractl seed)".to_owned(),
        Some(_) if !versions.is_empty() => format!("there is version {}", versions.join(", ")),
        Some(key) => match nearest(key, keys.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known types are {}", clipped(&keys)),
        },
        None => format!("known types are {}", clipped(&keys)),
    };
    format!("no {kind} matches {selector}; {hint}")
}

fn clipped(keys: &[String]) -> String {
    const SHOWN_MAX: usize = 8;
    let mut shown: Vec<_> = keys.iter().take(SHOWN_MAX).cloned().collect();
    if keys.len() > SHOWN_MAX {
        shown.push(format!("and {} more", keys.len() - SHOWN_MAX));
    }
    shown.join(", ")
}

/// The jobs of the workflow phases of a lifecycle, by the phase's name.
pub(super) fn jobs_of(
    world: &World,
    lifecycle: &Lifecycle,
    path: &str,
    problems: &mut Vec<Invalid>,
) -> BTreeMap<Name, Pinned<JobDefinitionSpec>> {
    let mut jobs = BTreeMap::new();
    for phase in lifecycle.phases.iter().filter(|phase| phase.engine == Engine::Workflow) {
        let Some(selector) = &phase.definition else { continue };
        match resolve::<JobDefinition>(world, selector, &format!("{path} (phase {})", phase.name)) {
            Ok(pinned) => {
                jobs.insert(phase.name.clone(), pinned);
            }
            Err(invalid) => problems.push(invalid),
        }
    }
    jobs
}

/// The definition of a report, if there is to be one.
pub(super) fn report_of(
    world: &World,
    selector: Option<&DefinitionSelector>,
    path: &str,
    problems: &mut Vec<Invalid>,
) -> Option<Pinned<ReportDefinitionSpec>> {
    match resolve::<ReportDefinition>(world, selector?, path) {
        Ok(pinned) => Some(pinned),
        Err(invalid) => {
            problems.push(invalid);
            None
        }
    }
}

/// Checks that a delivery environment, if one is named, is in the catalogue.
pub(super) fn check_environment(
    world: &World,
    environment: Option<&String>,
    path: &str,
    problems: &mut Vec<Invalid>,
) {
    let Some(environment) = environment else { return };
    let selector = DefinitionSelector::of_type(environment);
    if let Err(invalid) = resolve::<DeliveryEnvironment>(world, &selector, path) {
        problems.push(invalid);
    }
}

/// Checks that a location, if one is named, is in the catalogue.
pub(super) fn check_location(
    world: &World,
    location: Option<&String>,
    path: &str,
    problems: &mut Vec<Invalid>,
) {
    let Some(location) = location else { return };
    let selector = DefinitionSelector::of_type(location);
    if let Err(invalid) = resolve::<LabLocation>(world, &selector, path) {
        problems.push(invalid);
    }
}
