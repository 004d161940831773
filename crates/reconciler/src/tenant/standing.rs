//! How a tenant stands on all of its nodes: the status that follows, and what is waited for.

use tessera_types::tenant::{TenantNode, TenantNodeState, TenantStatus};
use tessera_types::{Labels, Name, Object, Tenant, WaitReason, limits};

use crate::world::World;

/// So many nodes or troubles are named, and the others are counted.
const NAMED_MAX: usize = 3;

/// How a tenant stands on all of its nodes.
pub(super) struct Standing {
    is_deleted: bool,
    node_selector: Labels,
    /// How many nodes it is to be on.
    wanted: usize,
    /// What is wrong on some of them, the worst first.
    troubles: Vec<Trouble>,
    /// Those whose agents have something to do.
    behind: Vec<Name>,
    /// Those that it is to leave.
    leaving: Vec<Name>,
    /// Of these, the ones that cannot be reached.
    leaving_away: Vec<Name>,
    /// What the others wait for.
    held: Vec<Trouble>,
}

/// The same thing, on one node or more.
struct Trouble {
    reason: WaitReason,
    nodes: Vec<Name>,
    what: String,
}

impl Trouble {
    fn on(node: &Name, reason: WaitReason, what: String) -> Self {
        Self { reason, nodes: vec![node.clone()], what }
    }

    fn message(&self) -> String {
        match self.nodes.as_slice() {
            [] => self.what.clone(),
            nodes => format!("on {}: {}", listed(nodes), self.what),
        }
    }

    /// One of each.
    fn grouped(all: Vec<Self>) -> Vec<Self> {
        let mut grouped: Vec<Self> = Vec::new();
        for one in all {
            let is_same = |it: &&mut Self| it.reason == one.reason && it.what == one.what;
            match grouped.iter_mut().find(is_same) {
                Some(known) => known.nodes.extend(one.nodes),
                None => grouped.push(one),
            }
        }
        grouped
    }
}

impl Standing {
    pub(super) fn of(tenant: &Object<Tenant>, world: &World) -> Self {
        let mut standing = Self {
            is_deleted: tenant.deletion_requested_at.is_some(),
            node_selector: tenant.spec.node_selector.clone(),
            wanted: 0,
            troubles: Vec::new(),
            behind: Vec::new(),
            leaving: Vec::new(),
            leaving_away: Vec::new(),
            held: Vec::new(),
        };
        for on in &tenant.observed.nodes {
            let node = world.nodes.get(on.node_id);
            standing.add(on, node.is_none_or(|node| !node.status.is_reachable()));
        }
        if !tenant.observed.no_room_on.is_empty() {
            let message = format!(
                "no room on {}: a node has at most {} tenants, and a tenant {} nodes",
                listed(&tenant.observed.no_room_on),
                limits::NODE_TENANTS_MAX,
                limits::TENANT_NODES_MAX
            );
            let (reason, nodes) = (WaitReason::NoNodeFits, Vec::new());
            standing.troubles.push(Trouble { reason, nodes, what: message });
        }
        standing.troubles = Trouble::grouped(standing.troubles);
        standing.troubles.sort_by_key(|trouble| weight(trouble.reason));
        standing.held = Trouble::grouped(standing.held);
        standing
    }

    fn add(&mut self, on: &TenantNode, is_away: bool) {
        let name = || on.node.clone();
        if on.state == TenantNodeState::Removing {
            self.leaving.push(name());
            self.leaving_away.extend(is_away.then(name));
            let reason = on.reason.clone().filter(|_| !is_away);
            let held = reason.map(|what| Trouble::on(&on.node, WaitReason::Agent, what));
            self.held.extend(held);
            return;
        }
        self.wanted += 1;
        match on.state {
            _ if is_away => {
                let (reason, what) = (WaitReason::NodeOffline, format!("{} is Offline", on.node));
                self.troubles.push(Trouble { reason, nodes: Vec::new(), what });
            }
            TenantNodeState::Conflict => {
                self.troubles.push(Trouble::on(&on.node, WaitReason::Conflict, in_the_way(on)));
            }
            TenantNodeState::Failed => {
                let what = on.reason.as_deref().unwrap_or("its agent cannot install it");
                self.troubles.push(Trouble::on(&on.node, WaitReason::Agent, what.to_owned()));
            }
            TenantNodeState::Waiting | TenantNodeState::Installing => self.behind.push(name()),
            TenantNodeState::Installed | TenantNodeState::Removing => {}
        }
    }

    /// How many nodes it is to be on, and listed for.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// The status that follows.
    pub(super) fn goal(&self) -> TenantStatus {
        if self.is_deleted {
            return match self.leaving.is_empty() {
                true => TenantStatus::Terminated,
                false => TenantStatus::Terminating,
            };
        }
        if self.wanted == 0 {
            return TenantStatus::Pending;
        }
        match (self.troubles.is_empty(), self.behind.is_empty()) {
            (false, _) => TenantStatus::Degraded,
            (true, false) => TenantStatus::Installing,
            (true, true) => TenantStatus::Installed,
        }
    }

    /// What is wrong, if anything is.
    pub(super) fn trouble(&self) -> Option<String> {
        let (named, rest) = self.troubles.split_at(self.troubles.len().min(NAMED_MAX));
        let named: Vec<_> = named.iter().map(Trouble::message).collect();
        let more = match rest.len() {
            0 => String::new(),
            count => format!("; and {count} more"),
        };
        (!named.is_empty()).then(|| format!("{}{more}", named.join("; ")))
    }

    /// What it waits for, if it does.
    pub(super) fn waits_for(&self, world: &World) -> Option<(WaitReason, String)> {
        let mut parts = Vec::new();
        if !self.is_deleted {
            let first = self.troubles.first().map(|trouble| trouble.reason);
            parts.extend(first.zip(self.trouble()));
            if self.wanted == 0 && parts.is_empty() {
                parts.push((WaitReason::NoNodeFits, self.no_node(world)));
            }
            if !self.behind.is_empty() {
                parts.push((WaitReason::Agent, format!("{} to install it", listed(&self.behind))));
            }
        }
        parts.extend(self.waits_for_leaving());
        let (reason, _) = parts.first()?;
        let messages: Vec<_> = parts.iter().map(|(_, message)| message.as_str()).collect();
        Some((*reason, messages.join("; ")))
    }

    fn waits_for_leaving(&self) -> Option<(WaitReason, String)> {
        if self.leaving.is_empty() {
            return None;
        }
        let mut message = format!("{} to remove it", listed(&self.leaving));
        let held: Vec<_> = self.held.iter().take(NAMED_MAX).map(Trouble::message).collect();
        if !held.is_empty() {
            message += &format!(" ({})", held.join("; "));
        }
        Some(match self.leaving_away.as_slice() {
            [] => (WaitReason::Agent, message),
            away => {
                let is = if away.len() == 1 { "is" } else { "are" };
                let message = format!("{message}, of which {} {is} Offline", listed(away));
                (WaitReason::NodeOffline, message)
            }
        })
    }

    fn no_node(&self, world: &World) -> String {
        let wanted: Vec<_> =
            self.node_selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        match (world.nodes.len(), wanted.as_slice()) {
            (0, _) => "a node: there is none".to_owned(),
            (_, []) => "a node".to_owned(),
            (1, _) => format!("a node with {}: the only one has not", wanted.join(",")),
            (count, _) => format!("a node with {}: none of {count} has", wanted.join(",")),
        }
    }
}

/// What somebody has to decide comes before what may pass by itself.
fn weight(reason: WaitReason) -> u8 {
    match reason {
        WaitReason::Conflict => 0,
        WaitReason::Agent => 1,
        WaitReason::NodeOffline => 2,
        _ => 3,
    }
}

fn in_the_way(on: &TenantNode) -> String {
    let more = match on.conflicts.len() {
        0 | 1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    match on.conflicts.first() {
        Some(first) => format!("{} is in the way ({}){more}", first.path, first.found),
        None => on.reason.clone().unwrap_or_else(|| "something is in the way".to_owned()),
    }
}

/// The first names, and how many more there are.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n Name>) -> String {
    let names: Vec<_> = names.into_iter().map(Name::as_str).collect();
    let (named, rest) = names.split_at(names.len().min(NAMED_MAX));
    match rest.len() {
        0 => named.join(", "),
        count => format!("{} and {count} more", named.join(", ")),
    }
}
