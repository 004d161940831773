//! `plan`: what sessions and pods would come to: what would be made, where and when.

use clap::Args;
use tessera_client::call;
use tessera_types::api::ApplyRequest;
use tessera_types::booking::Plan;

use super::ended;
use crate::cli::{Files, Format};
use crate::context::{Context, json, print, tell, yaml};
use crate::exit::Exit;
use crate::failure::{Failure, refused};
use crate::kinds::bounded;
use crate::moment::now;
use crate::show::plan::{fits, table};

/// Show what sessions and pods would come to; nothing is changed
///
/// The definitions and hosts among the manifests count as if they were declared. What
/// exists is judged as it is, with the definitions that it was made from. The
/// exit code is 4 when a session or pod does not fit, and 1 when one is not valid.
#[derive(Debug, Args)]
#[command(mut_arg("files", |files| files.required(true)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    files: Files,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Wide, Format::Json, Format::Yaml])?;
    let declarations = context.read_manifests(arguments.files.sources()).await?;
    let manifests = declarations.iter().map(|declaration| (&declaration.manifest).into()).collect();
    let request = ApplyRequest { manifests };
    let plans = bounded("plan", call(context.api.plan(&request))).await?.plans;
    match format {
        Format::Json => print(&json(&plans)?)?,
        Format::Yaml => print(&yaml(&plans)?)?,
        _ if plans.is_empty() => tell("no session and no pod is declared: nothing to plan\n"),
        _ => show(context, &plans, format == Format::Wide)?,
    }
    let problems = plans.iter().filter_map(|plan| plan.problem.as_ref());
    ended(problems.map(|problem| Exit::of_code(problem.code)).collect())
}

fn show(context: &Context, plans: &[Plan], wide: bool) -> Result<(), Failure> {
    for (at, plan) in plans.iter().enumerate() {
        let separator = if at == 0 { "" } else { "\n" };
        print(&format!("{separator}{}", fits(plan, context.style, now())))?;
        match &plan.problem {
            Some(problem) => tell(&refused(problem, context.error_style)),
            None if plan.exists && plan.resources.is_empty() => {}
            None => print(&table(plan, wide, now()).render(context.style, context.width()))?,
        }
    }
    Ok(())
}
