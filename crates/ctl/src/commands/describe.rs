//! `describe`: all that a person wants to know of a resource.

use clap::Args;
use tessera_types::{KindName, Resource};

use super::ended;
use crate::cli::Format;
use crate::context::{Context, print};
use crate::failure::Failure;
use crate::kinds;
use crate::moment;
use crate::show::describe::describe;
use crate::target;
use crate::tree::Tree;

/// Explain a resource: what it waits for, where it runs, its last transitions
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// KIND NAME…, or KIND/NAME…
    #[arg(required = true, value_name = "RESOURCE")]
    resources: Vec<String>,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    // For programs, `get` prints all of a resource.
    context.format(&[Format::Table])?;
    let targets = target::parse(&arguments.resources, &context.namespace)?;
    let keys: Vec<_> = targets.iter().flat_map(|target| target.keys(context.namespace())).collect();
    if keys.is_empty() {
        return Err(Failure::usage("the name is missing: write KIND NAME"));
    }
    let mut exits = Vec::new();
    for key in keys {
        match kinds::get(&context.api, &key).await {
            Ok(resource) => {
                let separator = if exits.is_empty() { "" } else { "\n" };
                print(&format!("{separator}{}", text(context, &resource).await))?;
                exits.push(crate::Exit::Done);
            }
            Err(error) => {
                let failure = Failure::from(error);
                context.complain(&failure);
                exits.push(failure.exit());
            }
        }
    }
    ended(exits)
}

async fn text(context: &Context, resource: &Resource) -> String {
    let beside = context.beside(resource.kind(), resource.namespace()).await;
    // What belongs to it adorns, so being without is no error.
    let tree = match has_children(resource.kind()) {
        true => Tree::fetch(&context.api, resource.namespace()).await.unwrap_or_default(),
        false => Tree::default(),
    };
    describe(resource, &beside, &tree, context.style, moment::now())
}

/// Whether resources of a kind can own others.
fn has_children(kind: KindName) -> bool {
    KindName::ALL.into_iter().any(|child| kind.may_own(child))
}
