//! The pipeline of a phase, and what is wrong with those of a lifecycle.

use std::any::Any;

use tessera_types::catalogue::{HostDefinitionSpec, PartDefinitionSpec, PodDefinitionSpec};
use tessera_types::timed::{Engine, Lifecycle, OverridesPolicy, Phase, PipelineSpec};
use tessera_types::{Invalid, Kind, KindName, Manifest};

use crate::compile::Pipeline;
use crate::handlers::{CREATE_WORKLOADS, handlers_of};
use crate::names::refuse_unknown;
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

/// Everything that is wrong with the pipelines of a definition, at its path in the manifest. Other
/// kinds have none.
#[must_use]
pub fn refuse_pipelines<K: Kind>(manifest: &Manifest<K>) -> Vec<Invalid> {
    let spec: &dyn Any = &*manifest.spec;
    let Some(declared) = Declared::of(K::KIND, spec) else { return Vec::new() };
    let mut problems = declared.refuse();
    let pod = spec.downcast_ref::<PodDefinitionSpec>();
    if problems.is_empty() && pod.is_some_and(|pod| !pod.workloads.is_empty()) {
        problems.extend(declared.refuse_without_workloads());
    }
    problems
}

/// The scenarios of the jobs in the pipelines of a definition, each with its path in the manifest.
/// Other kinds have none, and pipelines that cannot be are left out.
#[must_use]
pub fn jobs_of<K: Kind>(manifest: &Manifest<K>) -> Vec<(String, String)> {
    let spec: &dyn Any = &*manifest.spec;
    let Some(declared) = Declared::of(K::KIND, spec) else { return Vec::new() };
    let mut jobs = Vec::new();
    for (path, phase) in declared.phases() {
        let Ok(pipeline) = declared.compile(phase) else { continue };
        jobs.extend(pipeline.steps().filter_map(|step| {
            let scenario = step.spec.job.clone()?;
            Some((format!("{path}.{}", step.path("job")), scenario))
        }));
    }
    jobs
}

/// What a definition says of its pipelines.
struct Declared<'a> {
    kind: KindName,
    lifecycle: &'a Lifecycle,
    policy: OverridesPolicy,
    /// The names of what they are given.
    inputs: Vec<&'a str>,
}

impl<'a> Declared<'a> {
    fn of(kind: KindName, spec: &'a dyn Any) -> Option<Self> {
        let of = |lifecycle, policy| Self { kind, lifecycle, policy, inputs: Vec::new() };
        if let Some(pod) = spec.downcast_ref::<PodDefinitionSpec>() {
            let inputs = pod.parameters.keys().map(String::as_str).collect();
            return Some(Self { inputs, ..of(&pod.lifecycle, pod.lifecycle_overrides_policy) });
        }
        if let Some(part) = spec.downcast_ref::<PartDefinitionSpec>() {
            return Some(of(&part.lifecycle, part.lifecycle_overrides_policy));
        }
        let host = spec.downcast_ref::<HostDefinitionSpec>()?;
        Some(of(&host.lifecycle, host.lifecycle_overrides_policy))
    }

    /// Its phases that are pipelines, with their paths.
    fn phases(&self) -> impl Iterator<Item = (String, &'a Phase)> {
        let phases = self.lifecycle.phases.iter().enumerate();
        phases
            .filter(|(_, phase)| phase.engine == Engine::Pipeline)
            .map(|(index, phase)| (format!("spec.lifecycle.phases[{index}]"), phase))
    }

    fn compile(&self, phase: &Phase) -> Result<Pipeline, Vec<Invalid>> {
        compile_phase(self.kind, phase.name.as_str(), phase.pipeline.as_ref(), self.policy)
    }

    fn refuse(&self) -> Vec<Invalid> {
        let mut problems = Vec::new();
        for (path, phase) in self.phases() {
            let found = match self.compile(phase) {
                Ok(pipeline) if pipeline.steps().next().is_none() && phase.pipeline.is_some() => {
                    vec![no_steps(phase)]
                }
                Ok(pipeline) => refuse_unknown(&pipeline, self.kind, &self.inputs),
                Err(found) => found,
            };
            problems.extend(
                found.into_iter().map(|problem| {
                    Invalid::new(&format!("{path}.{}", problem.path), problem.message)
                }),
            );
        }
        problems
    }

    /// What is wrong with a pod that has workloads, whose pipelines can be: none of the steps that
    /// provision it makes them, and so it would be broken as soon as it is ready.
    fn refuse_without_workloads(&self) -> Option<Invalid> {
        let (path, own) = self.phases().find(|(_, one)| one.name.as_str() == Phase::OWN)?;
        let pipeline = self.compile(own).ok()?;
        let makes = |step: &ResolvedStep| step.spec.handler.as_deref() == Some(CREATE_WORKLOADS);
        let message = "no step makes the workloads: add one with `handler: create_workloads`";
        let is_right = pipeline.steps().any(makes);
        (!is_right).then(|| Invalid::new(&format!("{path}.pipeline"), message))
    }
}

fn no_steps(phase: &Phase) -> Invalid {
    let known = standard_names().collect::<Vec<_>>().join(", ");
    let message = format!(
        "phase {} has no steps: give them in `steps`, or name a template in `extends`: there are {known}",
        phase.name
    );
    Invalid::new("pipeline", message)
}
