//! Names that are made of others: a pod's of its part's and its own.
//!
//! Workloads are made when a pod is provisioned, long after its admission. So
//! that none is found taken then, a name counts as taken from the admission on.

use std::collections::BTreeMap;

use tessera_types::timed::{Engine, TimedStatus};
use tessera_types::{Invalid, Name, Object, Pod, SessionPart, limits};

use crate::timed::in_the_way;
use crate::world::World;

/// The most characters of a name.
const NAME_MAX: usize = 63;

/// The name that is made of two, or what is wrong with it.
pub(super) fn join(owner: &Name, own: &str, what: &str) -> Result<Name, Invalid> {
    let name = format!("{owner}-{own}");
    Name::new(&name).map_err(|_| too_long(&name, what))
}

/// Checks that what is made of a name later has a legal name too: `suffix` is
/// the longest that is put after it.
pub(super) fn check_room(owner: &Name, suffix: &str, what: &str, problems: &mut Vec<Invalid>) {
    let name = format!("{owner}-{suffix}");
    if name.len() > NAME_MAX {
        problems.push(too_long(&name, what));
    }
}

/// The same for the jobs of a phase, and their workloads: `job-<owner>-<phase>-99`.
pub(super) fn check_room_of_jobs(owner: &Name, phase: &Name, problems: &mut Vec<Invalid>) {
    let name = format!("job-{owner}-{phase}-{}", limits::JOBS_OF_PHASE_MAX);
    if name.len() > NAME_MAX {
        problems.push(too_long(&name, "workload of a job"));
    }
}

fn too_long(name: &str, what: &str) -> Invalid {
    let message = format!(
        "the {what} would be called `{name}`, which has {} characters; names have at most {NAME_MAX}: \
         choose shorter ones",
        name.len()
    );
    Invalid::new("name", message)
}

/// Checks that the workloads of new pods, and of the jobs of these and of new parts,
/// will each have a name of its own: among themselves, beside the workloads that
/// there are, and beside those that other pods will have.
pub(super) fn check_workloads(
    world: &World,
    parts: &[Object<SessionPart>],
    pods: &[&Object<Pod>],
    problems: &mut Vec<Invalid>,
) {
    let Some(namespace) = pods.first().map(|pod| pod.namespace.clone()) else { return };
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for pod in pods {
        for name in workloads_of(pod) {
            let exists = Name::new(&name).ok().and_then(|it| {
                world.workloads.find(namespace.as_ref(), &it).map(|found| in_the_way(world, found))
            });
            let other = taken.insert(name.clone(), format!("pod/{}", pod.name));
            let holder = match (exists, other) {
                (Some(taken), _) => Some(taken),
                (_, Some(other)) => Some(format!("{other} of the same session would have it too")),
                _ => promised(world, namespace.as_ref(), pods, &name)
                    .map(|pod| format!("{pod} will have it")),
            };
            let job = job_with(parts, pods, &name);
            let holder = holder.or_else(|| Some(format!("the jobs of {} are called so", job?)));
            if let Some(holder) = holder {
                let message = format!(
                    "pod/{} would have the workload {name}, and {holder}: choose another name",
                    pod.name
                );
                problems.push(Invalid::new("name", message));
            }
        }
    }
}

fn workloads_of(pod: &Object<Pod>) -> impl Iterator<Item = String> + '_ {
    let definition = pod.observed.definition.iter();
    definition
        .flat_map(|pinned| &pinned.spec.workloads)
        .map(|workload| format!("{}-{}", pod.name, workload.name))
}

/// The pod that has a workload of this name, or will have it. Only pods are asked whose
/// names the name begins with, so that it costs the same however many there are. That a
/// pod of the same name exists is told elsewhere.
fn promised(
    world: &World,
    namespace: Option<&Name>,
    new: &[&Object<Pod>],
    name: &str,
) -> Option<String> {
    name.match_indices('-').find_map(|(at, _)| {
        let (pod, own) = (Name::new(&name[..at]).ok()?, &name[at + 1..]);
        let pod = world.pods.find(namespace, &pod)?;
        let definition = pod.observed.definition.as_ref()?;
        let has_it = pod.status != TimedStatus::Terminated
            && !new.iter().any(|new| new.name == pod.name)
            && definition.spec.workloads.iter().any(|workload| workload.name.as_str() == own);
        has_it.then(|| pod.key().to_string())
    })
}

/// The part or pod of which a job may have a workload with this name.
fn job_with(parts: &[Object<SessionPart>], pods: &[&Object<Pod>], name: &str) -> Option<String> {
    let of_part = |part: &Object<SessionPart>| {
        let definition = part.observed.definition.as_ref()?;
        let is_job = is_job(&part.name, &definition.spec.lifecycle, name);
        is_job.then(|| format!("sessionpart/{}", part.name))
    };
    let of_pod = |pod: &&Object<Pod>| {
        let definition = pod.observed.definition.as_ref()?;
        let is_job = is_job(&pod.name, &definition.spec.lifecycle, name);
        is_job.then(|| format!("pod/{}", pod.name))
    };
    parts.iter().find_map(of_part).or_else(|| pods.iter().find_map(of_pod))
}

/// Whether a name is `job-<owner>-<phase>-<number>` for a phase that runs jobs.
fn is_job(owner: &Name, lifecycle: &tessera_types::timed::Lifecycle, name: &str) -> bool {
    let jobs = lifecycle.phases.iter().filter(|phase| phase.engine == Engine::Workflow);
    jobs.filter_map(|phase| name.strip_prefix(&format!("job-{owner}-{}-", phase.name)))
        .any(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
