//! `diff`: what applying manifests would change. As with `kubectl`, the exit code
//! says whether there is a difference.

use clap::Args;
use tessera_types::api::ApplyOutcome;

use crate::cli::{Files, Format};
use crate::context::{Context, print};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::kinds;
use crate::show::diff::planned;

/// Show what applying manifests would change; nothing is changed
///
/// The exit code is 0 when nothing would change, 1 when something would, and 2
/// or more when it cannot be told.
#[derive(Debug, Args)]
#[command(mut_arg("files", |files| files.required(true)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    files: Files,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match compare(context, arguments).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(Failure::Told(Exit::Failed)),
        // 1 is taken: it says that there is a difference.
        Err(failure) if failure.exit() == Exit::Failed => {
            context.complain(&failure);
            Err(Failure::Told(Exit::Usage))
        }
        Err(failure) => Err(failure),
    }
}

/// Prints the differences, and says whether there are any.
async fn compare(context: &Context, arguments: &Arguments) -> Result<bool, Failure> {
    context.format(&[Format::Table])?;
    let declarations = context.read_manifests(arguments.files.sources()).await?;
    let (mut differs, mut exits) = (false, Vec::new());
    for declaration in &declarations {
        match kinds::dry_run(&context.api, declaration).await {
            Ok(plan) if plan.outcome == ApplyOutcome::Unchanged => {}
            Ok(plan) => {
                differs = true;
                print(&planned(&declaration.key, &plan, context.style))?;
            }
            Err(error) => {
                let failure = Failure::from(error);
                context.complain(&failure);
                exits.push(failure.exit());
            }
        }
    }
    super::ended(exits).map(|()| differs)
}
