//! What an operator breaks who takes a node away: its group has less then than is
//! booked of it. That is not refused, so it is told with who holds what.

use tessera_types::{KindName, Resource, WaitReason};

use crate::context::{Context, tell};
use crate::failure::Failure;
use crate::kinds::{ListOptions, list_all};

/// Warns of each host of which more is booked than it has.
pub(crate) async fn warn_of_overbooked(context: &Context) -> Result<(), Failure> {
    let (hosts, _) = list_all(&context.api, KindName::Host, ListOptions::default()).await?;
    hosts.iter().filter_map(overbooked).for_each(|warning| tell(&warning));
    Ok(())
}

fn overbooked(resource: &Resource) -> Option<String> {
    let Resource::Host(host) = resource else { return None };
    let waiting = host.waiting_for.as_ref().filter(|it| it.reason == WaitReason::Overbooked)?;
    Some(format!("warning: {} waits for {}\n", host.key(), waiting.message))
}
