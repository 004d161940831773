//! Admitting what can also be declared alone: pods, jobs, reports.

use tessera_types::{
    Duration, Invalid, Job, JobDefinition, Object, Pod, PodDefinition, Report, ReportDefinition,
    Timestamp,
};

use super::book::book;
use super::names::check_workloads;
use super::resolve::{check_environment, check_location, resolve};
use super::session::{pin_pod, seeker};
use super::window::check_is_ahead;
use super::{AdmissionError, Effort};
use crate::world::World;

/// Admits a pod that stands alone and does not exist yet. Where it does not fit,
/// an earliest start that does is looked for with `effort`.
///
/// # Errors
/// All that is wrong with it, or that no host has room.
pub fn admit_pod(
    world: &World,
    mut pod: Object<Pod>,
    now: Timestamp,
    effort: &mut Effort,
) -> Result<Object<Pod>, AdmissionError> {
    let mut problems = Vec::new();
    let definition = resolve::<PodDefinition>(world, &pod.spec.definition, "spec.definition")
        .map_err(|invalid| AdmissionError::Invalid(vec![invalid]))?;
    let lead_time = definition.spec.lead_time.unwrap_or_default();
    let teardown_buffer = definition.spec.teardown_buffer.unwrap_or_default();
    let declared = pod.spec.timeslot;
    let Some(slot) = declared.resolve(Duration::ZERO, lead_time, teardown_buffer) else {
        return Err(AdmissionError::invalid("spec.timeslot.start", "it has no start"));
    };
    check_is_ahead(&slot, now, &mut problems);
    check_location(world, pod.spec.host.location.as_ref(), "spec.host.location", &mut problems);
    let environment = pod.spec.host.delivery_environment.as_ref();
    check_environment(world, environment, "spec.host.delivery_environment", &mut problems);
    pin_pod(world, &mut pod, definition, slot, "spec.definition", &mut problems);
    check_workloads(world, &[], &[&pod], &mut problems);
    if !problems.is_empty() {
        return Err(AdmissionError::Invalid(problems));
    }
    let bindings = book(world, &[seeker(&pod)], slot.start, effort)?;
    pod.observed.binding = bindings.into_iter().next();
    Ok(pod)
}

/// Admits a job that somebody declares. It stands alone: the results of the jobs
/// of a phase are scores, so only Tessera makes those.
///
/// # Errors
/// What is wrong with it.
pub fn admit_job(
    world: &World,
    mut job: Object<Job>,
    now: Timestamp,
) -> Result<Object<Job>, AdmissionError> {
    let mut problems = Vec::new();
    let of_phase = [("phase", job.spec.phase.is_some()), ("attempt", job.spec.attempt != 1)];
    for (field, _) in of_phase.iter().filter(|(_, is_said)| *is_said) {
        let message = format!(
            "the jobs of phases are made by Tessera, and their results are its scores: remove `{field}`"
        );
        problems.push(Invalid::new(&format!("spec.{field}"), message));
    }
    if !problems.is_empty() {
        return Err(AdmissionError::Invalid(problems));
    }
    let definition = resolve::<JobDefinition>(world, &job.spec.definition, "spec.definition")
        .map_err(|invalid| AdmissionError::Invalid(vec![invalid]))?;
    job.observed.deadline = Some(now.plus(definition.spec.timeout));
    job.observed.definition = Some(definition);
    Ok(job)
}

/// Admits a report that somebody declares for a session or a part.
///
/// # Errors
/// What is wrong with it.
pub fn admit_report(
    world: &World,
    mut report: Object<Report>,
) -> Result<Object<Report>, AdmissionError> {
    let definition = resolve::<ReportDefinition>(world, &report.spec.definition, "spec.definition")
        .map_err(|invalid| AdmissionError::Invalid(vec![invalid]))?;
    report.observed.definition = Some(definition);
    report.observed.is_declared = true;
    Ok(report)
}
