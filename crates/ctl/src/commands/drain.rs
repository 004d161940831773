//! `drain`: everything moves off a node, and it takes nothing new.

use clap::Args;
use tessera_client::call;
use tessera_types::{KindName, ResourceKey};

use super::{ACTION_FORMATS, Timeout, done, ended, waited};
use crate::context::Context;
use crate::converge::{Board, Goal};
use crate::failure::Failure;
use crate::follow::{Follow, Scope};
use crate::kinds::bounded;
use crate::target;

/// Move everything off a node and let it take nothing new
///
/// Waits until nothing is left on it. `uncordon` lets it take workloads again.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The node
    node: String,
    /// Wait until nothing is left on it; the default
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Only ask for it
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    timeout: Timeout,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let name = target::name_of(KindName::Node, &arguments.node)?;
    let scope = Scope { kind: Some(KindName::Node), name: Some(name.clone()), ..Scope::default() };
    let mut follow = match arguments.no_wait {
        true => None,
        false => Some(Follow::start(&context.api, scope).await?),
    };
    bounded("node_drain", call(context.api.node_drain(&name))).await?;
    let key = ResourceKey::new(KindName::Node, None, name);
    done(context, format, &key, "drain requested")?;
    let Some(follow) = &mut follow else { return Ok(()) };
    let mut board = Board::new("drained", [(key, Goal::Drained)], follow.known());
    ended(vec![waited(context, format, follow, &mut board, arguments.timeout).await?])
}
