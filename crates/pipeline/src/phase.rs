//! The pipeline of a phase, and what is wrong with those of a lifecycle.

use tessera_types::timed::{Engine, Lifecycle, OverridesPolicy, Phase, PipelineSpec};
use tessera_types::{Invalid, KindName};

use crate::compile::Pipeline;
use crate::handlers::{CREATE_WORKLOADS, handlers_of};
use crate::resolve::{ResolvedStep, Sources, resolve};
use crate::templates::standard_names;

/// Makes the pipeline of the phase `name` of resources of `kind`.
///
/// # Errors
/// Everything that is wrong with it, at its path below `pipeline`.
pub fn compile_phase(
    kind: KindName,
    name: &str,
    definition: Option<&PipelineSpec>,
    policy: OverridesPolicy,
) -> Result<Pipeline, Vec<Invalid>> {
    let resolved = resolve(&Sources { content: None, definition, policy, phase: name })?;
    Pipeline::compile(resolved, handlers_of(kind))
}

/// Whether there is a built-in template for phases of this name.
#[must_use]
pub fn is_template(phase: &str) -> bool {
    standard_names().any(|name| name.strip_prefix("standard-") == Some(phase))
}

/// Everything that is wrong with the pipelines of a lifecycle, at its path below the spec.
#[must_use]
pub fn refuse_lifecycle(
    kind: KindName,
    lifecycle: &Lifecycle,
    policy: OverridesPolicy,
) -> Vec<Invalid> {
    let mut problems = Vec::new();
    let phases = lifecycle.phases.iter().enumerate();
    for (index, phase) in phases.filter(|(_, phase)| phase.engine == Engine::Pipeline) {
        let path = format!("spec.lifecycle.phases[{index}]");
        let found = compile_phase(kind, phase.name.as_str(), phase.pipeline.as_ref(), policy);
        match found {
            Ok(pipeline) if pipeline.steps().next().is_none() && phase.pipeline.is_some() => {
                problems.push(no_steps(&path, phase));
            }
            Ok(_) => {}
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| {
                    Invalid::new(&format!("{path}.{}", problem.path), problem.message)
                }));
            }
        }
    }
    problems
}

/// What is wrong with the lifecycle of a pod that has workloads, whose pipelines can be: none
/// of the steps that provision it makes them, and so it would be broken as soon as it is ready.
#[must_use]
pub fn refuse_without_workloads(lifecycle: &Lifecycle, policy: OverridesPolicy) -> Option<Invalid> {
    let mut phases = lifecycle.phases.iter().enumerate();
    let (index, own) = phases
        .find(|(_, one)| one.engine == Engine::Pipeline && one.name.as_str() == Phase::OWN)?;
    let pipeline =
        compile_phase(KindName::PodDefinition, Phase::OWN, own.pipeline.as_ref(), policy).ok()?;
    let makes = |step: &ResolvedStep| step.spec.handler.as_deref() == Some(CREATE_WORKLOADS);
    let message = "no step makes the workloads: add one with `handler: create_workloads`";
    let is_right = pipeline.steps().any(makes);
    (!is_right).then(|| Invalid::new(&format!("spec.lifecycle.phases[{index}].pipeline"), message))
}

fn no_steps(path: &str, phase: &Phase) -> Invalid {
    let known = standard_names().collect::<Vec<_>>().join(", ");
    let message = format!(
        "phase {} has no steps: give them in `steps`, or name a template in `extends`: there are {known}",
        phase.name
    );
    Invalid::new(&format!("{path}.pipeline"), message)
}
