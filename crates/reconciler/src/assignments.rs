//! What the agent of a node has to know.

use std::sync::Arc;

use tessera_types::sync::{Assignment, Held, TenantAssignment};
use tessera_types::{Name, Revision, Uid};

use crate::world::{World, is_to_stop};

/// What an agent says that it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The revision of the assignments that it has; zero where it has none, or has to be
    /// told anew.
    pub since: Revision,
    /// Whether it takes a list that leaves out what it has.
    pub partial: bool,
    /// What it has nevertheless: [`Held::digest`].
    pub held: Option<u64>,
}

/// The answer to an agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    /// The revision of the answer.
    pub revision: Revision,
    /// Those assignments are left out that have not changed after this revision, of which
    /// none has gone. Zero where all are there.
    pub since: Revision,
    /// Whether what it has is all that is assigned: nothing is listed.
    pub unchanged: bool,
    /// All assignments of the node but these, if anything is new.
    pub assignments: Option<Vec<Assignment>>,
    /// All tenants of the node, if anything is new.
    pub tenants: Option<Vec<TenantAssignment>>,
}

/// What the agent of `node` has to know; none while the node is Offline. Where it is only
/// more, or other than it was, and the agent takes that, it is told only that.
///
/// An agent that is heard of again gets no answer, and so no lease, before its
/// node counts as reachable. Whatever was decided while it did not is committed
/// by then, since one loop decides both; so no copy that was given up is started
/// again by the node that lost it.
#[must_use]
pub fn news_for(world: &World, node: Uid, known: Known) -> Option<News> {
    if !world.nodes.get(node)?.status.is_reachable() {
        return None;
    }
    let revision = world.revision();
    let load = world.load_of(node);
    let changed_at = load.map_or(Revision::ZERO, |load| load.changed_at);
    // What went from the node before the world was loaded is not known.
    let changed_at = changed_at.max(world.tenant_loads().changed_at(node)).max(world.loaded_at());
    // A revision from the future is one of another store: everything is news.
    let since = if known.since > revision { Revision::ZERO } else { known.since };
    let has_news = since == Revision::ZERO || changed_at > since;
    // Both lists or none: an agent knows one revision of what it was told.
    let tenants =
        has_news.then(|| world.tenant_loads().list(node, since, |id| world.tenants.get(id)));
    let gone_at = load.map_or(Revision::ZERO, |load| load.gone_at).max(world.loaded_at());
    let left_out = if known.partial && since >= gone_at { since } else { Revision::ZERO };
    let unchanged = since == Revision::ZERO && known.held.is_some_and(|it| it == held(world, node));
    let is_listed = has_news && !unchanged;
    let assignments = is_listed.then(|| assignments(world, node, since, left_out));
    Some(News { revision, since: left_out, unchanged, assignments, tenants })
}

/// What is assigned to a node, in short.
fn held(world: &World, node: Uid) -> u64 {
    let default = Name::default_namespace();
    Held::digest(world.workloads_on(node).map(|workload| Held {
        id: workload.id,
        namespace: workload.namespace.as_ref().unwrap_or(&default),
        name: &workload.name,
        epoch: workload.observed.epoch,
        generation: workload.generation,
        stop: is_to_stop(workload),
        report_seq: workload.observed.report_seq,
        spec: &workload.spec,
    }))
}

fn assignments(world: &World, node: Uid, since: Revision, left_out: Revision) -> Vec<Assignment> {
    let Some(load) = world.load_of(node) else { return Vec::new() };
    let one = |(id, changed_at): (&Uid, &Revision)| {
        let workload = world.workloads.get(*id)?;
        Some(Assignment {
            id: *id,
            namespace: workload.namespace.clone().unwrap_or_else(Name::default_namespace),
            name: workload.name.clone(),
            epoch: workload.observed.epoch,
            generation: workload.generation,
            stop: is_to_stop(workload),
            report_seq: workload.observed.report_seq,
            spec: (*changed_at > since).then(|| Arc::clone(&workload.spec)),
        })
    };
    let told = load.workloads.iter().filter(|(_, changed_at)| **changed_at > left_out);
    told.filter_map(one).collect()
}
