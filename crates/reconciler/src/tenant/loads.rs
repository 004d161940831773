//! Which tenants a node has, and since when anything is new of them: what an agent is told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tessera_types::sync::{RunRequest, TenantAssignment};
use tessera_types::tenant::{RunRequestId, TenantNode, TenantNodeState, TenantRun};
use tessera_types::{Object, Revision, Tenant, Uid};

/// The tenants of all nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct TenantLoads(HashMap<Uid, Load>);

/// The tenants of one node, as its agent has to know them.
#[derive(Clone, Debug, Default)]
struct Load {
    /// When anything that the agent has to know last changed.
    changed_at: Revision,
    tenants: BTreeMap<Uid, Known>,
}

/// When the agent has to be told again of one tenant.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// The last change of its spec, or since when it is on the node.
    spec_at: Revision,
}

/// What an agent is told of a tenant besides its spec.
struct Told<'a> {
    generation: u64,
    turn: u64,
    remove: bool,
    report: bool,
    runs: Vec<&'a RunRequestId>,
}

impl<'a> Told<'a> {
    fn of(tenant: &'a Object<Tenant>, node: Uid) -> Option<Self> {
        let on = tenant.on(node)?;
        Some(Self {
            generation: tenant.generation,
            turn: on.turn,
            remove: on.state == TenantNodeState::Removing,
            report: has_to_be_told(on),
            runs: tenant.open_runs_on(node).map(|run| &run.id).collect(),
        })
    }

    /// Whether the agent has to be told of the difference. That it need not report any more
    /// is none.
    fn is_news_after(&self, old: &Self) -> bool {
        self.generation != old.generation
            || self.turn != old.turn
            || self.remove != old.remove
            || self.runs != old.runs
            || (self.report && !old.report)
    }

    /// Whether the agent has to be given the spec. One that was told to remove the tenant
    /// may have forgotten it.
    fn needs_spec_after(&self, old: &Self) -> bool {
        self.generation != old.generation || (old.remove && !self.remove)
    }
}

impl TenantLoads {
    /// A tenant came, changed or went. Says which nodes' agents have to be told.
    pub(crate) fn changed(
        &mut self,
        before: Option<&Object<Tenant>>,
        after: Option<&Object<Tenant>>,
        at: Revision,
    ) -> Vec<Uid> {
        let Some(id) = after.or(before).map(|tenant| tenant.id) else { return Vec::new() };
        let nodes = [before, after].into_iter().flatten().flat_map(|it| &it.observed.nodes);
        let mut nodes: Vec<_> = nodes.map(|node| node.node_id).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.retain(|node| {
            let old = before.and_then(|tenant| Told::of(tenant, *node));
            let new = after.and_then(|tenant| Told::of(tenant, *node));
            match (&old, &new) {
                (old, Some(told)) if old.as_ref().is_none_or(|old| told.is_news_after(old)) => {
                    let is_spec_news = old.as_ref().is_none_or(|old| told.needs_spec_after(old));
                    self.set(*node, id, is_spec_news, at);
                }
                (Some(_), None) => self.unset(*node, id, at),
                _ => return false,
            }
            true
        });
        nodes
    }

    fn set(&mut self, node: Uid, tenant: Uid, has_new_spec: bool, at: Revision) {
        let load = self.0.entry(node).or_default();
        load.changed_at = at;
        let known = load.tenants.entry(tenant).or_insert(Known { spec_at: at });
        if has_new_spec {
            known.spec_at = at;
        }
    }

    fn unset(&mut self, node: Uid, tenant: Uid, at: Revision) {
        if let Some(load) = self.0.get_mut(&node) {
            load.tenants.remove(&tenant);
            load.changed_at = at;
        }
    }

    /// A node is gone. What names it still is told that by its manager.
    pub(crate) fn node_removed(&mut self, node: Uid) {
        if self.0.get(&node).is_some_and(|load| load.tenants.is_empty()) {
            self.0.remove(&node);
        }
    }

    /// How many tenants a node has.
    pub(crate) fn count_on(&self, node: Uid) -> usize {
        self.0.get(&node).map_or(0, |load| load.tenants.len())
    }

    /// When anything that the agent of a node has to know last changed.
    pub(crate) fn changed_at(&self, node: Uid) -> Revision {
        self.0.get(&node).map_or(Revision::ZERO, |load| load.changed_at)
    }

    /// All tenants of a node, for an agent that knows those of revision `since`.
    pub(crate) fn list<'w>(
        &self,
        node: Uid,
        since: Revision,
        tenant: impl Fn(Uid) -> Option<&'w Arc<Object<Tenant>>>,
    ) -> Vec<TenantAssignment> {
        let load = self.0.get(&node).into_iter().flat_map(|load| &load.tenants);
        let assigned =
            load.filter_map(|(id, known)| assignment(tenant(*id)?, node, known.spec_at > since));
        assigned.collect()
    }
}

/// Whether nothing that is known of a node is about what is wanted there now.
fn has_to_be_told(on: &TenantNode) -> bool {
    matches!(on.state, TenantNodeState::Waiting | TenantNodeState::Removing)
}

fn assignment(tenant: &Object<Tenant>, node: Uid, is_spec_news: bool) -> Option<TenantAssignment> {
    let on = tenant.on(node)?;
    let run = |run: &TenantRun| RunRequest { id: run.id.clone(), service: run.service.clone() };
    Some(TenantAssignment {
        id: tenant.id,
        name: tenant.name.clone(),
        generation: tenant.generation,
        hash: tenant.observed.hash.unwrap_or_else(|| tenant.spec.hash()),
        turn: on.turn,
        remove: on.state == TenantNodeState::Removing,
        report: has_to_be_told(on),
        spec: is_spec_news.then(|| Arc::clone(&tenant.spec)),
        runs: tenant.open_runs_on(node).map(run).collect(),
    })
}
