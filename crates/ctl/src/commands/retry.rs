//! `retry`: what has failed is tried again.

use std::sync::Arc;

use clap::Args;
use tessera_client::call;
use tessera_types::booking::PartRequest;
use tessera_types::{Host, Kind, KindName, Pod, Resource, ResourceKey, Session};

use super::{ACTION_FORMATS, done, ended};
use crate::context::{Context, tell};
use crate::failure::Failure;
use crate::kinds;
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
            Ok(resource) => {
                done(context, format, &resource.key(), "is tried again")?;
                if let Some(note) = is_of_before(context, &resource).await {
                    tell(&note);
                }
            }
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

/// A retry is of what it was made from. Says so where the catalogue has another version by now;
/// that it cannot be looked up is nobody's trouble.
async fn is_of_before(context: &Context, resource: &Resource) -> Option<String> {
    let (kind, name, version) = match resource {
        Resource::Pod(pod) => {
            let made_from = pod.observed.definition.as_ref()?;
            (KindName::PodDefinition, &made_from.name, &made_from.version)
        }
        Resource::Host(host) => {
            let made_from = host.observed.definition.as_ref()?;
            (KindName::HostDefinition, &made_from.name, &made_from.version)
        }
        _ => return None,
    };
    let definition = ResourceKey::new(kind, None, name.clone());
    let now = match kinds::get(&context.api, &definition).await.ok()? {
        Resource::PodDefinition(it) => it.spec.version.clone(),
        Resource::HostDefinition(it) => it.spec.version.clone(),
        _ => return None,
    };
    let key = resource.key();
    (now != *version).then(|| {
        format!(
            "note: {key} was made from {definition} {version}, and the catalogue has {now}: delete \
             it and declare it again to have that; tesseractl pipeline show {}/{} PHASE shows what \
             it has\n",
            key.kind.singular(),
            key.name
        )
    })
}

async fn retry(context: &Context, key: &ResourceKey) -> Result<Resource, Failure> {
    let (api, name, namespace) = (&context.api, &key.name, Some(context.namespace()));
    match key.kind {
        KindName::Pod => {
            let send = async |once: &str| call(api.pod_retry(name, namespace, Some(once))).await;
            Ok(Pod::wrap(Arc::new(once("pod_retry", send).await?)))
        }
        KindName::Host => {
            let send = async |once: &str| call(api.host_retry(name, Some(once))).await;
            Ok(Host::wrap(Arc::new(once("host_retry", send).await?)))
        }
        _ => {
            let body = PartRequest::default();
            let send = async |once: &str| {
                call(api.session_retry(name, namespace, Some(once), &body)).await
            };
            Ok(Session::wrap(Arc::new(once("session_retry", send).await?)))
        }
    }
}
