//! `retry`: what has failed is tried again.

use clap::Args;
use tessera_client::call;
use tessera_types::booking::PartRequest;
use tessera_types::{KindName, ResourceKey};

use super::{ACTION_FORMATS, done, ended};
use crate::context::Context;
use crate::failure::Failure;
use crate::once::once;
use crate::target;

/// Have what has failed tried again: sessions, pods and hosts
///
/// Of a session it is the first part that is Failed; `session retry --part` names
/// another. A pod that belongs to a part which is Failed is tried again with it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// KIND NAME… or KIND/NAME…
    #[arg(value_name = "RESOURCE", required = true)]
    resources: Vec<String>,
}

/// What can be tried again.
pub(super) const KINDS: [KindName; 3] = [KindName::Session, KindName::Pod, KindName::Host];

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let targets = target::parse(&arguments.resources, &context.namespace)?;
    for target in &targets {
        check_kind(target.kind)?;
        if target.names.is_empty() {
            let message = format!("which {} to try again is not said", target.kind.plural());
            return Err(Failure::usage_with(message, "name them"));
        }
    }
    let mut exits = Vec::new();
    for key in targets.iter().flat_map(|target| target.keys(context.namespace())) {
        match retry(context, &key).await {
            Ok(key) => done(context, format, &key, "is tried again")?,
            Err(failure) => {
                context.complain(&failure);
                exits.push(failure.exit());
            }
        }
    }
    ended(exits)
}

fn check_kind(kind: KindName) -> Result<(), Failure> {
    if KINDS.contains(&kind) {
        return Ok(());
    }
    let remedy = match kind {
        KindName::SessionPart => "write tesseractl session retry SESSION --part PART",
        _ => "sessions, pods and hosts can be tried again",
    };
    Err(Failure::usage_with(format!("no {} is tried again by itself", kind.singular()), remedy))
}

async fn retry(context: &Context, key: &ResourceKey) -> Result<ResourceKey, Failure> {
    let (api, name, namespace) = (&context.api, &key.name, Some(context.namespace()));
    match key.kind {
        KindName::Pod => {
            let send = async |once: &str| call(api.pod_retry(name, namespace, Some(once))).await;
            Ok(once("pod_retry", send).await?.key())
        }
        KindName::Host => {
            let send = async |once: &str| call(api.host_retry(name, Some(once))).await;
            Ok(once("host_retry", send).await?.key())
        }
        _ => {
            let body = PartRequest::default();
            let send = async |once: &str| {
                call(api.session_retry(name, namespace, Some(once), &body)).await
            };
            Ok(once("session_retry", send).await?.key())
        }
    }
}
