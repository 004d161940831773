//! The jobs that a resource has run for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_types::catalogue::{DefinitionSelector, JobDefinitionSpec, Pinned};
use tessera_types::job::{DesiredJobStatus, JobSpec};
use tessera_types::timed::Timed;
use tessera_types::{
    Actor, Job, Kind, KindName, Name, Object, OwnerRef, ResourceKey, SessionPart, Timestamp,
    Workload, limits,
};

use super::env;
use super::step::Step;
use crate::world::World;

/// The name of a phase's job: `<owner>-<phase>-<number>`.
fn job_name(owner: &Name, phase: &Name, number: u32) -> Option<Name> {
    // Admission refuses names of which this would be too long.
    Name::new(&format!("{owner}-{phase}-{number}")).ok()
}

/// How many jobs a phase has had.
pub(super) fn count<K: Timed>(step: &Step<'_, K>, phase: &Name) -> u32 {
    let jobs = step.owned::<Job>().filter(|job| job.spec.phase.as_ref() == Some(phase));
    u32::try_from(jobs.count()).unwrap_or(u32::MAX)
}

/// The name of the next job of a phase, which nobody has. A state can be entered
/// more than once, so the number goes on; none when it cannot go on any more.
pub(super) fn next_name<K: Timed>(step: &Step<'_, K>, phase: &Name) -> Option<Name> {
    let owner = step.object();
    // Jobs of what has no namespace are in the default one.
    let key = |name: &Name| ResourceKey::new(KindName::Job, owner.namespace.clone(), name.clone());
    let is_free = |name: &Name| step.world.find(&key(name)).is_none();
    let first = count(step, phase).saturating_add(1);
    let mut numbers = first..=limits::JOBS_OF_PHASE_MAX;
    numbers.find_map(|number| job_name(&owner.name, phase, number).filter(is_free))
}

/// A job that belongs to the resource of `step`.
pub(super) fn job_for<K: Timed>(
    step: &Step<'_, K>,
    name: Name,
    phase: &Name,
    attempt: u32,
    definition: Pinned<JobDefinitionSpec>,
    deadline: Timestamp,
) -> Object<Job> {
    let owner = step.object();
    let spec = JobSpec {
        definition: DefinitionSelector::of_type(&definition.type_key),
        phase: Some(phase.clone()),
        attempt,
        env: env_of(step.world, owner),
    };
    let key = ResourceKey::new(KindName::Job, owner.namespace.clone(), name);
    let mut job = Object::<Job>::new(&key, Arc::new(spec), Actor::RECONCILER, step.now);
    job.owner = Some(OwnerRef { kind: K::KIND, name: owner.name.clone(), id: owner.id });
    job.observed.definition = Some(definition);
    job.observed.deadline = Some(deadline);
    job
}

/// What the programs of a resource are told of where they are: of a part, of its
/// session, and what is declared of either.
pub(crate) fn env_of<K: Kind>(world: &World, object: &Object<K>) -> BTreeMap<String, String> {
    let mut vars = BTreeMap::new();
    let mut owner = Some(OwnerRef { kind: K::KIND, name: object.name.clone(), id: object.id });
    while let Some(at) = owner {
        match at.kind {
            KindName::Session => {
                vars.insert(env::SESSION.to_owned(), at.name.to_string());
            }
            KindName::SessionPart => {
                if let Some(part) = world.table::<SessionPart>().get(at.id) {
                    vars.insert(env::PART.to_owned(), part.spec.part.to_string());
                    vars.extend(part.spec.env.clone());
                }
            }
            KindName::Pod => {
                vars.insert(env::POD.to_owned(), at.name.to_string());
            }
            _ => {}
        }
        owner = world.get(at.kind, at.id).and_then(|resource| resource.owner().cloned());
    }
    vars
}

/// Cancels the jobs that are not over. True once nothing of any is left, nor of those of
/// the engine.
pub(crate) fn end_jobs<K: Timed>(step: &mut Step<'_, K>) -> bool {
    end_own_jobs(step) && step.timed().unwanted_jobs.is_empty()
}

/// The same without those of the engine.
pub(crate) fn end_own_jobs<K: Timed>(step: &mut Step<'_, K>) -> bool {
    let jobs: Vec<_> = step.owned::<Job>().collect();
    jobs.iter().filter(|job| !job.status.is_over()).for_each(|job| cancel(step, job));
    jobs.iter().all(|job| is_gone(step.world, job))
}

/// Whether a job is over and its program has ended. The one does not mean the
/// other: a job that is cancelled is over at once.
pub(crate) fn is_gone(world: &World, job: &Object<Job>) -> bool {
    job.status.is_over() && world.owned::<Workload>(job.id).next().is_none()
}

/// Has a job cancelled.
pub(super) fn cancel<K: Timed>(step: &mut Step<'_, K>, job: &Arc<Object<Job>>) {
    step.change(job, |edit| edit.desire(DesiredJobStatus::Cancelled));
}
