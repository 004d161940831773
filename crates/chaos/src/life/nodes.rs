//! The one who drains nodes, one at a time, and lets them work again.

use std::sync::Arc;

use tessera_client::call;
use tessera_types::node::DesiredNodeStatus;
use tessera_types::{Name, Node};

use super::catalogue::nodes;
use super::{Life, name_of};
use crate::findings::Invariant;

pub(super) async fn work(life: Arc<Life>) {
    let mut dice = life.dice("nodes");
    let names: Vec<Name> = nodes().iter().map(|name| name_of(name)).collect();
    loop {
        life.think(&mut dice, 2_000..15_000).await;
        if life.is_over() {
            break;
        }
        let at = usize::try_from(dice.within(0..names.len() as u64)).unwrap_or_default();
        let name = &names[at];
        let drained = life.ask(async || call(life.api.node_drain(name)).await).await;
        told(&life, name, DesiredNodeStatus::Drained, drained.is_ok()).await;
        life.did("drain");
        life.think(&mut dice, 500..10_000).await;
        let released = life.ask(async || call(life.api.node_uncordon(name)).await).await;
        told(&life, name, DesiredNodeStatus::Ready, released.is_ok()).await;
        life.did("uncordon");
    }
}

async fn told(life: &Life, name: &Name, desired: DesiredNodeStatus, is_taken: bool) {
    let found = life.get::<Node>(name).await;
    let is_so = is_taken && found.as_ref().is_some_and(|node| node.desired_status == desired);
    life.findings.judge(Invariant::Acknowledged, is_so, || {
        format!("{name} was told to be {desired}, and there is {found:?}")
    });
}
