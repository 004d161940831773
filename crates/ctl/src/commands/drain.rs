//! `drain`: everything moves off a node, and it takes nothing new.

use std::time::Duration;

use clap::Args;
use tessera_client::call;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{KindName, Name, Resource, ResourceKey};

use super::overbooked::warn_of_overbooked;
use super::{ACTION_FORMATS, Timeout, done, ended, waited};
use crate::cli::Format;
use crate::context::{Context, print};
use crate::converge::{Board, Goal};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Follow, Scope};
use crate::kinds::{ListOptions, bounded, list_all};
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
    let name = target::name_of(KindName::Node, &arguments.node, &context.namespace)?;
    let scope = Scope { kind: Some(KindName::Node), name: Some(name.clone()), ..Scope::default() };
    let mut follow = match arguments.no_wait {
        true => None,
        false => Some(Follow::start(&context.api, scope).await?),
    };
    bounded("node_drain", call(context.api.node_drain(&name))).await?;
    let key = ResourceKey::new(KindName::Node, None, name.clone());
    done(context, format, &key, "drain requested")?;
    let Some(follow) = &mut follow else { return Ok(()) };
    let mut board = Board::new("drained", [(key, Goal::Drained)], follow.known());
    let exit = waited(context, format, follow, &mut board, arguments.timeout).await?;
    if exit == Exit::Done && format == Format::Table {
        tell_displaced(context, &name).await?;
    }
    warn_of_overbooked(context).await?;
    ended(vec![exit])
}

/// How often, and with which pause, it is looked whether all have a new place.
const LOOKS_MAX: u32 = 20;
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Says how many workloads of the node have no place now.
async fn tell_displaced(context: &Context, node: &Name) -> Result<(), Failure> {
    for look in 1..=LOOKS_MAX {
        let (all, _) = list_all(&context.api, KindName::Workload, ListOptions::default()).await?;
        let waiting = || all.iter().filter_map(|resource| waits_since_on(resource, node));
        if look == LOOKS_MAX || waiting().all(|is_told| is_told) {
            let text = match waiting().count() {
                0 => return Ok(()),
                1 => "1 workload has".to_owned(),
                count => format!("{count} workloads have"),
            };
            return print(&format!("{text} no place now; `get workloads` says why\n"));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    Ok(())
}

/// Of a workload that was on the node last and has no place: whether the reason is
/// known, so that it does not get one at the next moment.
fn waits_since_on(resource: &Resource, node: &Name) -> Option<bool> {
    let Resource::Workload(workload) = resource else { return None };
    let observed = &workload.observed;
    let is_homeless = workload.status == WorkloadStatus::Pending
        && observed.assigned.is_none()
        && observed.last_node.as_ref() == Some(node);
    is_homeless.then_some(workload.waiting_for.is_some())
}
