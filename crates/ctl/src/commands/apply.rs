//! `apply`: declare what manifests say, and with `--wait` follow until it is so.

use clap::Args;
use tessera_types::api::ApplyResult;
use tessera_types::{Problem, ResourceKey};

use super::session::follow_to_end;
use super::{Timeout, ended, waited};
use crate::apply::apply;
use crate::cli::{Files, Format};
use crate::context::{Context, json, print, tell, yaml};
use crate::converge::{Board, Goal};
use crate::exit::Exit;
use crate::failure::{Failure, refused, warned};
use crate::follow::{Follow, Scope};
use crate::kinds;
use crate::manifests::{Declaration, warnings};
use crate::show::change::KEY_TONE;
use crate::show::diff::planned;
use crate::story;
use crate::style::printable;

/// Declare what manifests say
///
/// All are read and checked before anything is sent. Each is then declared by
/// itself: one that is refused does not keep the others out.
#[derive(Debug, Args)]
#[command(mut_arg("files", |files| files.required(true)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Only show what would change and where it would run
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Wait until all of it is so
    ///
    /// A workload is so when it runs (and is healthy, if it has a health check), when
    /// it has completed, or when it is stopped and should be; a host when it is Active;
    /// a session or a pod when it is admitted, which is to say that its hosts are booked.
    #[arg(long)]
    wait: bool,
    /// Show what happens to the sessions among them until they are over
    ///
    /// The exit code is 1 unless all have taken place. It waits first as --wait does.
    #[arg(long, conflicts_with = "dry_run")]
    follow: bool,
    #[command(flatten)]
    timeout: Timeout,
}

const FORMATS: [Format; 4] = [Format::Table, Format::Name, Format::Json, Format::Yaml];

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&FORMATS)?;
    let declarations = context.read_manifests(arguments.files.sources()).await?;
    tell(&warned(&warnings(&declarations), context.error_style));
    if arguments.dry_run {
        return dry_run(context, &declarations).await;
    }
    // Followed from before anything is declared, so that nothing is missed.
    let mut follow = match arguments.wait || arguments.follow {
        true => {
            let keys = || declarations.iter().map(|declaration| &declaration.key);
            Some(Follow::start(&context.api, Scope::around(keys())).await?)
        }
        false => None,
    };
    let mut tree = match arguments.follow {
        true => {
            let sessions = story::sessions(declarations.iter().map(|it| &it.key));
            Some(Follow::start(&context.api, story::scope(&sessions)).await?)
        }
        false => None,
    };
    let mut report = Report { context, format, results: Vec::new(), exits: Vec::new() };
    let applied = apply(&context.api, &declarations, |_, result| report.add(result)).await;
    report.print()?;
    applied?;
    let Report { results, mut exits, .. } = report;
    if let Some(follow) = &mut follow {
        exits.push(converge(context, format, follow, &results, arguments.timeout).await?);
    }
    if let Some(tree) = &mut tree {
        let applied = results.iter().filter(|result| result.outcome.is_some());
        let sessions = story::sessions(applied.filter_map(|result| result.key.as_ref()));
        let told = follow_to_end(context, tree, &sessions, format, None).await;
        if let Err(failure) = told {
            context.complain(&failure);
            exits.push(failure.exit());
        }
    }
    ended(exits)
}

/// What came of each declaration, told as it becomes known.
struct Report<'a> {
    context: &'a Context,
    format: Format,
    results: Vec<ApplyResult>,
    exits: Vec<Exit>,
}

impl Report<'_> {
    fn add(&mut self, result: &ApplyResult) -> Result<(), Failure> {
        if let Some(problem) = &result.problem {
            tell(&refused(&named(problem, result.key.as_ref()), self.context.error_style));
            self.exits.push(Exit::of_code(problem.code));
        } else if let (Some(key), Some(outcome)) = (&result.key, result.outcome) {
            let shown = self.context.style.paint(KEY_TONE, &key.to_string());
            match self.format {
                Format::Table => match &result.note {
                    Some(note) => print(&format!("{shown} {outcome}: {}\n", printable(note)))?,
                    None => print(&format!("{shown} {outcome}\n"))?,
                },
                Format::Name => print(&format!("{key}\n"))?,
                _ => {}
            }
        }
        self.results.push(result.clone());
        Ok(())
    }

    /// Prints all results at once, where they are one document.
    fn print(&self) -> Result<(), Failure> {
        match self.format {
            Format::Json => print(&json(&self.results)?),
            Format::Yaml => print(&yaml(&self.results)?),
            _ => Ok(()),
        }
    }
}

/// A problem that says which resource it is about.
fn named(problem: &Problem, key: Option<&ResourceKey>) -> Problem {
    let instance = problem.instance.clone().or(key.map(ToString::to_string));
    Problem { instance, ..problem.clone() }
}

/// Follows what was applied until it is so.
async fn converge(
    context: &Context,
    format: Format,
    follow: &mut Follow,
    results: &[ApplyResult],
    timeout: Timeout,
) -> Result<Exit, Failure> {
    let goal =
        |result: &ApplyResult| Some((result.key.clone()?, Goal::of(result, follow.known())?));
    let goals: Vec<_> = results.iter().filter_map(goal).collect();
    if goals.is_empty() {
        return Ok(Exit::Done);
    }
    let mut board = Board::new("converged", goals, follow.known());
    waited(context, format, follow, &mut board, timeout).await
}

async fn dry_run(context: &Context, declarations: &[Declaration]) -> Result<(), Failure> {
    context.format(&[Format::Table])?;
    let mut exits = Vec::new();
    for declaration in declarations {
        match kinds::dry_run(&context.api, declaration).await {
            Ok(plan) => print(&planned(&declaration.key, &plan, context.style))?,
            Err(error) => {
                let failure = Failure::from(error);
                context.complain(&failure);
                exits.push(failure.exit());
            }
        }
    }
    ended(exits)
}
