//! `pipeline`: the steps that a phase has in the end, and where each comes from.

use clap::{Args, Subcommand};
use tessera_pipeline::{Resolved, ResolvedStep, Sources, compile_phase, resolve};
use tessera_types::timed::{Lifecycle, OverridesPolicy};
use tessera_types::{KindName, Name, Resource};

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
    /// The definition: KIND/NAME, or the name of a pod definition
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
    let key = target::one(&words, context.namespace())?;
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
        other => {
            let message =
                format!("a {} has no pipelines: name one of a pod, part or host", other.kind());
            return Err(Failure::usage(message));
        }
    };
    let declared = lifecycle.phases.iter().find(|one| one.name == *phase);
    let spec = declared.and_then(|one| one.pipeline.as_ref());
    let phase = phase.as_str();
    let sources = Sources { content: None, definition: spec, policy, phase };
    // What was let in by another release may be wrong by now.
    let found =
        compile_phase(definition.kind(), phase, spec, policy).and_then(|_| resolve(&sources));
    match found {
        Ok(resolved) if resolved.steps.is_empty() => {
            Err(Failure::usage(format!("{} has no pipeline for phase {phase}", definition.key())))
        }
        Ok(resolved) => Ok(resolved),
        Err(problems) => {
            let first = problems.into_iter().next();
            let why = first.map(|it| format!("{}: {}", it.path, it.message)).unwrap_or_default();
            Err(Failure::usage(format!("the pipeline cannot be: {why}")))
        }
    }
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
