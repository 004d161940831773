//! `delete`: deletion is asked for; a resource disappears once all it has is gone.

use clap::Args;
use tessera_client::Error;
use tessera_types::problem::Code;
use tessera_types::{KindName, ResourceKey, Uid};

use super::overbooked::warn_of_overbooked;
use super::{ACTION_FORMATS, Timeout, done, ended, waited};
use crate::cli::{Files, Selection};
use crate::context::{Context, tell};
use crate::converge::{Board, Goal};
use crate::failure::Failure;
use crate::follow::{Follow, Scope};
use crate::kinds::{self, ListOptions};
use crate::style::printable;
use crate::target::{self, Target};

/// Ask for the deletion of resources
///
/// A workload is stopped as it declares, and disappears once it is. What a node
/// has is moved away first.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// KIND NAME…, KIND/NAME…, or KIND with -l
    #[arg(value_name = "RESOURCE", conflicts_with = "files")]
    resources: Vec<String>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    selection: Selection,
    /// A resource that is not there is no error
    #[arg(long)]
    ignore_not_found: bool,
    /// Wait until they are gone
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    timeout: Timeout,
}

/// What to delete; with an identity only if it still has it.
type Doomed = (ResourceKey, Option<Uid>);

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let doomed = doomed(context, arguments).await?;
    if doomed.is_empty() {
        tell("nothing matches: there is nothing to delete\n");
        return Ok(());
    }
    let mut follow = match arguments.wait {
        true => Some(Follow::start(&context.api, scope_of(&doomed)).await?),
        false => None,
    };
    let (mut exits, mut goals) = (Vec::new(), Vec::new());
    for (key, id) in &doomed {
        match kinds::delete(&context.api, key, id.as_ref()).await {
            Ok(resource) => {
                done(context, format, key, "deletion requested")?;
                goals.push((key.clone(), Goal::Gone { id: resource.id() }));
            }
            Err(error) if arguments.ignore_not_found && is_missing(&error) => {}
            Err(error) => {
                let failure = Failure::from(error);
                context.complain(&failure);
                exits.push(failure.exit());
            }
        }
    }
    if let Some(follow) = follow.as_mut().filter(|_| !goals.is_empty()) {
        let mut board = Board::new("deleted", goals, follow.known());
        exits.push(waited(context, format, follow, &mut board, arguments.timeout).await?);
        for (key, left) in board.left_behind() {
            let left = left.iter().map(|entry| printable(entry)).collect::<Vec<_>>().join("; ");
            tell(&format!("warning: {key} is gone, and what it leaves behind is: {left}\n"));
        }
        if doomed.iter().any(|(key, _)| key.kind == KindName::Node) {
            warn_of_overbooked(context).await?;
        }
    }
    ended(exits)
}

fn is_missing(error: &Error) -> bool {
    error.problem().is_some_and(|problem| problem.code == Code::NotFound)
}

async fn doomed(context: &Context, arguments: &Arguments) -> Result<Vec<Doomed>, Failure> {
    if !arguments.files.files.is_empty() {
        let mut declarations = context.read_manifests(arguments.files.sources()).await?;
        // What others are made from or placed on goes after them.
        declarations.sort_by_key(|declaration| std::cmp::Reverse(declaration.key.kind.rank()));
        return Ok(declarations.into_iter().map(|declaration| (declaration.key, None)).collect());
    }
    let targets = target::parse(&arguments.resources, &context.namespace)?;
    if targets.is_empty() {
        return Err(Failure::usage("nothing to delete is named: write KIND NAME, or give -f"));
    }
    let mut doomed = Vec::new();
    for target in &targets {
        doomed.extend(match &arguments.selection.selector {
            Some(selector) => selected(context, target, selector).await?,
            None => named(context, target)?,
        });
    }
    Ok(doomed)
}

fn named(context: &Context, target: &Target) -> Result<Vec<Doomed>, Failure> {
    if target.names.is_empty() {
        let message = format!("which {} to delete is not said", target.kind.plural());
        return Err(Failure::usage_with(message, "name them, or select them with -l"));
    }
    Ok(target.keys(context.namespace()).into_iter().map(|key| (key, None)).collect())
}

/// What a selector matches now. One that is made again meanwhile is another, and
/// is not deleted.
async fn selected(
    context: &Context,
    target: &Target,
    selector: &str,
) -> Result<Vec<Doomed>, Failure> {
    if !target.names.is_empty() {
        return Err(Failure::usage("give names or -l, not both"));
    }
    let options = ListOptions {
        namespace: Some(context.namespace().clone()),
        selector: Some(selector.to_owned()),
        ..ListOptions::default()
    };
    let (resources, _) = kinds::list_all(&context.api, target.kind, options).await?;
    Ok(resources.into_iter().map(|it| (it.key(), Some(it.id()))).collect())
}

/// The smallest scope that has all of these.
fn scope_of(doomed: &[Doomed]) -> Scope {
    Scope::around(doomed.iter().map(|(key, _)| key))
}
