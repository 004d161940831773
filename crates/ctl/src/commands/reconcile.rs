//! `reconcile`: the control plane looks at a resource now.

use clap::Args;

use super::{ACTION_FORMATS, done, ended};
use crate::context::Context;
use crate::failure::Failure;
use crate::{kinds, target};

/// Have resources looked at now, whatever failed before
///
/// The control plane looks at every resource by itself when something changes. This
/// ends a pause after a write that failed, and brings up to date why a workload waits.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// KIND NAME… or KIND/NAME…
    #[arg(value_name = "RESOURCE", required = true)]
    resources: Vec<String>,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let mut exits = Vec::new();
    for target in target::parse(&arguments.resources, &context.namespace)? {
        if target.names.is_empty() {
            let message = format!("which {} to look at is not said", target.kind.plural());
            return Err(Failure::usage_with(message, "name them"));
        }
        for key in target.keys(context.namespace()) {
            match kinds::reconcile(&context.api, &key).await {
                Ok(_) => done(context, format, &key, "is looked at")?,
                Err(error) => {
                    let failure = Failure::from(error);
                    context.complain(&failure);
                    exits.push(failure.exit());
                }
            }
        }
    }
    ended(exits)
}
