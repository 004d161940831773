//! `uncordon`: a node takes workloads again.

use clap::Args;
use tessera_client::call;
use tessera_types::KindName;

use super::{ACTION_FORMATS, done};
use crate::context::Context;
use crate::failure::Failure;
use crate::kinds::bounded;
use crate::target;

/// Let a node take workloads again
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The node
    node: String,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let name = target::name_of(KindName::Node, &arguments.node, &context.namespace)?;
    let node = bounded("node_uncordon", call(context.api.node_uncordon(&name))).await?;
    done(context, format, &node.key(), "uncordoned")
}
