//! `pipeline`: the steps that a phase has in the end, and where each comes from.

use clap::{Args, Subcommand};
use tessera_pipeline::{Resolved, ResolvedStep, Sources, compile_phase, resolve};
use tessera_types::timed::{Engine, Lifecycle, OverridesPolicy, Phase, Timed};
use tessera_types::{Host, KindName, Name, Pod, Resource, SessionPart};

use crate::cli::Format;
use crate::context::{Context, json, print, yaml};
use crate::failure::Failure;
use crate::kinds;
use crate::table::{Column, Table};
use crate::target;

/// See the pipelines of definitions
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the steps of a phase in the end, and where each comes from
    Show(Show),
}

#[derive(Debug, Args)]
struct Show {
    /// The definition: KIND/NAME, or the name of a pod definition. Of a pod, part or host, such
    /// as pod/NAME, it is what that was made from
    #[arg(value_name = "DEFINITION")]
    definition: String,
    /// The phase, such as provision
    #[arg(value_name = "PHASE")]
    phase: Name,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let Action::Show(show) = &arguments.action;
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let words = match show.definition.contains('/') {
        true => vec![show.definition.clone()],
        false => vec![KindName::PodDefinition.singular().to_owned(), show.definition.clone()],
    };
    let key = target::one(&words, &context.namespace)?;
    let definition = kinds::get(&context.api, &key).await?;
    let resolved = resolved(&definition, &show.phase)?;
    match format {
        Format::Json => print(&json(&resolved)?),
        Format::Yaml => print(&yaml(&resolved)?),
        _ => print(&table(&resolved).render(context.style, context.width())),
    }
}

fn resolved(definition: &Resource, phase: &Name) -> Result<Resolved, Failure> {
    let (lifecycle, policy): (&Lifecycle, OverridesPolicy) = match definition {
        Resource::PodDefinition(it) => (&it.spec.lifecycle, it.spec.lifecycle_overrides_policy),
        Resource::PartDefinition(it) => (&it.spec.lifecycle, it.spec.lifecycle_overrides_policy),
        Resource::HostDefinition(it) => (&it.spec.lifecycle, it.spec.lifecycle_overrides_policy),
        made => of_made(made)?,
    };
    let mut pipelines = lifecycle.phases.iter().filter(|one| one.engine == Engine::Pipeline);
    let declared = pipelines.find(|one| one.name == *phase);
    // Pods are made by one, declared or not.
    let is_own = is_of_pod(definition) && phase.as_str() == Phase::OWN;
    if declared.is_none() && !is_own {
        return Err(no_pipeline(definition, phase, lifecycle));
    }
    let spec = declared.and_then(|one| one.pipeline.as_ref());
    let sources = Sources { content: None, definition: spec, policy, phase: phase.as_str() };
    // What was let in by another release may be wrong by now.
    let found = compile_phase(definition.kind(), phase.as_str(), spec, policy)
        .and_then(|_| resolve(&sources));
    match found {
        Ok(resolved) if resolved.steps.is_empty() => Err(no_pipeline(definition, phase, lifecycle)),
        Ok(resolved) => Ok(resolved),
        Err(problems) => {
            let first = problems.into_iter().next();
            let why = first.map(|it| format!("{}: {}", it.path, it.message)).unwrap_or_default();
            Err(Failure::usage(format!("the pipeline cannot be: {why}")))
        }
    }
}

fn is_of_pod(definition: &Resource) -> bool {
    matches!(definition.kind(), KindName::PodDefinition | KindName::Pod)
}

/// What a pod, part or host was made from, which may be older than what the catalogue has.
fn of_made(made: &Resource) -> Result<(&Lifecycle, OverridesPolicy), Failure> {
    let found = match made {
        Resource::Pod(it) => Pod::lifecycle(it).map(|found| (found, Pod::overrides_policy(it))),
        Resource::SessionPart(it) => {
            SessionPart::lifecycle(it).map(|found| (found, SessionPart::overrides_policy(it)))
        }
        Resource::Host(it) => Host::lifecycle(it).map(|found| (found, Host::overrides_policy(it))),
        other => {
            let message = format!("a {} has no pipelines", other.kind());
            let remedy = "name a pod, a part or a host, or the definition of one";
            return Err(Failure::usage_with(message, remedy));
        }
    };
    found.ok_or_else(|| Failure::usage(format!("{} is not made yet", made.key())))
}

fn no_pipeline(definition: &Resource, phase: &Name, lifecycle: &Lifecycle) -> Failure {
    let pipelines = lifecycle.phases.iter().filter(|one| one.engine == Engine::Pipeline);
    let mut phases: Vec<_> = pipelines.map(|one| one.name.as_str()).collect();
    if is_of_pod(definition) && !phases.contains(&Phase::OWN) {
        phases.push(Phase::OWN);
    }
    let others = match phases.as_slice() {
        [] => "nor for any other".to_owned(),
        some => format!("only for {}", some.join(", ")),
    };
    let key = definition.key();
    Failure::usage(format!("{key} has no pipeline for phase {phase}, {others}"))
}

fn table(resolved: &Resolved) -> Table {
    let mut columns = ["STEP", "FROM", "DOES"].map(Column::new).to_vec();
    columns.push(Column::flexible("NEEDS"));
    let mut table = Table::new(columns);
    for step in &resolved.steps {
        let needs: Vec<_> = step.spec.needs.iter().map(ToString::to_string).collect();
        let needs = if needs.is_empty() { "-".to_owned() } else { needs.join(", ") };
        let row = [step.spec.name.to_string(), from(step), does(step), needs];
        table.row(row.map(Into::into).to_vec());
    }
    table
}

/// `extends, overridden`, or `inline, inserted`.
fn from(step: &ResolvedStep) -> String {
    let mut words = vec![step.origin.tier.to_string()];
    words.extend(step.origin.inserted.then(|| "inserted".to_owned()));
    words.extend(step.origin.overridden.then(|| "overridden".to_owned()));
    words.join(", ")
}

fn does(step: &ResolvedStep) -> String {
    match (&step.spec.job, &step.spec.handler) {
        (Some(job), _) => format!("job {job}"),
        (None, Some(handler)) => handler.clone(),
        (None, None) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use tessera_types::catalogue::{HostDefinition, PodDefinition};
    use tessera_types::{Actor, Object, ResourceKey, Timestamp};

    use super::*;

    fn definition(kind: KindName, spec: &Value) -> Resource {
        let key = ResourceKey::new(kind, None, Name::new("lab").unwrap());
        let (actor, at) = (Actor::API, Timestamp::EPOCH);
        let spec = spec.clone();
        match kind {
            KindName::HostDefinition => {
                let spec = Arc::new(serde_json::from_value(spec).unwrap());
                Resource::HostDefinition(Arc::new(Object::<HostDefinition>::new(
                    &key, spec, actor, at,
                )))
            }
            _ => {
                let spec = Arc::new(serde_json::from_value(spec).unwrap());
                Resource::PodDefinition(Arc::new(Object::<PodDefinition>::new(
                    &key, spec, actor, at,
                )))
            }
        }
    }

    #[test]
    fn only_the_pipelines_that_run_are_shown() {
        let teardown = json!({"name": "teardown", "engine": "pipeline",
            "trigger_on_status": "TearingDown"});
        let pod = |phases: Value| {
            definition(
                KindName::PodDefinition,
                &json!({"type_key": "lab", "version": "1.0.0", "pod_type": "fleet",
                    "lifecycle": {"phases": phases}}),
            )
        };
        let host = definition(
            KindName::HostDefinition,
            &json!({"type_key": "room", "version": "1.0.0", "host_type": "node_group",
                "pod_types": ["fleet"]}),
        );
        let shown = |definition: &Resource, phase: &str| {
            let resolved = resolved(definition, &Name::new(phase).unwrap());
            resolved.map(|it| it.steps.len()).map_err(|failure| match failure {
                Failure::Usage { message, .. } => message,
                other => panic!("{other:?}"),
            })
        };
        let plain = pod(json!([]));
        assert!(shown(&plain, "provision").unwrap() > 0);
        let none = |key: &str, phase: &str, others: &str| {
            Err(format!("{key} has no pipeline for phase {phase}, {others}"))
        };
        let (lab, room) = ("poddefinition/lab", "hostdefinition/lab");
        assert_eq!(shown(&plain, "teardown"), none(lab, "teardown", "only for provision"));
        assert!(shown(&pod(json!([teardown])), "teardown").unwrap() > 0);
        assert_eq!(shown(&host, "provision"), none(room, "provision", "nor for any other"));
    }
}
