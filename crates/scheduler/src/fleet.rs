//! The account of all nodes: what each has, and what is set aside on it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::workload::Protocol;
use tessera_types::{Labels, Name, Node, Object, Uid};

use crate::demand::{Demand, Executor, SpreadGroup};
use crate::ranking::{Rankings, crowd_of};
use crate::refusal::{Refusal, Tally};
use crate::score::{Load, Score, fit};

/// Whether a node takes workloads, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It does.
    Open,
    /// It is cordoned, draining or being removed.
    Closed,
    /// It is not reachable.
    Offline,
}

#[derive(Debug)]
pub(crate) struct NodeAccount {
    name: Name,
    state: NodeState,
    pub(crate) labels: Labels,
    processes: bool,
    containers: bool,
    capacity: Load,
    taken: Load,
    ports: HashSet<(u16, Protocol)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Reservation {
    node: Uid,
    load: Load,
    ports: Vec<(u16, Protocol)>,
    spread: Option<Arc<SpreadGroup>>,
}

/// The account of all nodes and of what is set aside on them.
#[derive(Debug, Default)]
pub struct Fleet {
    // Sorted by id, so that equal inputs give equal choices.
    nodes: BTreeMap<Uid, NodeAccount>,
    reservations: HashMap<Uid, Reservation>,
    spread: HashMap<Arc<SpreadGroup>, HashMap<Uid, u32>>,
    rankings: Rankings,
}

impl Fleet {
    /// Adds a node, or brings it up to date. What is set aside on it stays.
    pub fn set_node(&mut self, node: &Object<Node>, state: NodeState) {
        let allocatable = node.allocatable();
        let executors = &node.observed.executors;
        self.rankings.forget();
        let (taken, ports) = match self.nodes.remove(&node.id) {
            Some(account) => (account.taken, account.ports),
            None => self.taken_on(node.id),
        };
        self.nodes.insert(
            node.id,
            NodeAccount {
                name: node.name.clone(),
                state,
                labels: node.effective_labels(),
                processes: executors.runs_processes(),
                containers: executors.runs_containers(),
                capacity: Load {
                    cpu: allocatable.cpu.0,
                    memory: allocatable.memory.0,
                    workloads: u64::from(allocatable.workloads),
                },
                taken,
                ports,
            },
        );
    }

    /// Forgets a node. Reservations on it stay until they are released.
    pub fn remove_node(&mut self, node: Uid) {
        self.rankings.forget();
        self.nodes.remove(&node);
    }

    /// Sets aside on `node` what `workload` demands. What was set aside for the
    /// workload before, here or elsewhere, is released first.
    pub fn reserve(&mut self, workload: Uid, node: Uid, demand: &Demand) {
        let reservation = Reservation {
            node,
            load: Load::of(demand),
            ports: demand.ports.clone(),
            spread: demand.spread.clone(),
        };
        if self.reservations.get(&workload) == Some(&reservation) {
            return;
        }
        self.release(workload);
        self.set_aside(workload, reservation);
    }

    fn set_aside(&mut self, workload: Uid, reservation: Reservation) {
        let node = reservation.node;
        self.rankings.touch(node);
        if let Some(account) = self.nodes.get_mut(&node) {
            account.taken = account.taken.plus(reservation.load);
            account.ports.extend(reservation.ports.iter().copied());
        }
        if let Some(group) = &reservation.spread {
            *self.spread.entry(Arc::clone(group)).or_default().entry(node).or_default() += 1;
        }
        self.reservations.insert(workload, reservation);
    }

    /// Releases what is set aside for `workload`; says whether anything was.
    pub fn release(&mut self, workload: Uid) -> bool {
        let Some(reservation) = self.reservations.remove(&workload) else { return false };
        self.rankings.touch(reservation.node);
        if let Some(account) = self.nodes.get_mut(&reservation.node) {
            account.taken = account.taken.minus(reservation.load);
            for port in reservation.ports.iter().filter(|_| !planted(Bug::PortsNotReleased)) {
                account.ports.remove(port);
            }
        }
        if let Some(group) = &reservation.spread
            && let Some(counts) = self.spread.get_mut(group)
        {
            if let Some(count) = counts.get_mut(&reservation.node) {
                *count = count.saturating_sub(1);
            }
            counts.retain(|_, count| *count > 0);
            if counts.is_empty() {
                self.spread.remove(group);
            }
        }
        true
    }

    /// The node on which something is set aside for `workload`.
    #[must_use]
    pub fn node_of(&self, workload: Uid) -> Option<Uid> {
        self.reservations.get(&workload).map(|reservation| reservation.node)
    }

    /// The best node for `demand`, and its name.
    ///
    /// # Errors
    /// [`Refusal`] says for each node why it cannot take it.
    pub fn choose(&mut self, demand: &Demand) -> Result<(Uid, Name), Refusal> {
        if !demand.booked.is_empty() {
            return self.scan(demand);
        }
        let Self { nodes, spread, rankings, .. } = self;
        let ranking = rankings.of(demand, nodes);
        let group = demand.spread.as_deref();
        let domains = group.map(|group| domains(nodes, spread, group)).unwrap_or_default();
        let best = ranking.best(crowd_of(group, &domains));
        match best.and_then(|id| Some((id, nodes.get(&id)?.name.clone()))) {
            Some(best) => Ok(best),
            // Every node is looked at once more, to say why it cannot take it.
            None => self.scan(demand),
        }
    }

    /// The best node, found by looking at each.
    fn scan(&self, demand: &Demand) -> Result<(Uid, Name), Refusal> {
        let mut tally = Tally::default();
        let all = self.nodes.iter().map(|(id, account)| (*id, account));
        self.best_of(all, demand, &mut tally).ok_or_else(|| tally.refusal(demand))
    }

    /// The best of these nodes for `demand`, if one takes it: what [`Fleet::choose`] finds
    /// where all others are booked, without a look at them. They come sorted.
    #[must_use]
    pub fn choose_among(
        &self,
        demand: &Demand,
        nodes: impl Iterator<Item = Uid>,
    ) -> Option<(Uid, Name)> {
        let known = nodes.filter_map(|id| Some((id, self.nodes.get(&id)?)));
        self.best_of(known, demand, &mut Tally::default())
    }

    /// The best of these nodes; of those that are as good as each other the first. It is
    /// counted why the others cannot take it.
    fn best_of<'a>(
        &'a self,
        nodes: impl Iterator<Item = (Uid, &'a NodeAccount)>,
        demand: &Demand,
        tally: &mut Tally,
    ) -> Option<(Uid, Name)> {
        let mut nodes = nodes.peekable();
        nodes.peek()?;
        let group = demand.spread.as_deref();
        let domains =
            group.map(|group| domains(&self.nodes, &self.spread, group)).unwrap_or_default();
        let crowd_of = crowd_of(group, &domains);
        let mut best: Option<(Score, Uid, &Name)> = None;
        for (id, account) in nodes {
            if !account.takes(id, demand, tally) {
                continue;
            }
            let domain = group.and_then(|group| account.labels.get(&group.by));
            let crowd = crowd_of(domain.map(String::as_str));
            let score = Score::new(crowd, account.fit_of(demand));
            if best.as_ref().is_none_or(|(highest, _, _)| score > *highest) {
                best = Some((score, id, &account.name));
            }
        }
        best.map(|(_, id, name)| (id, name.clone()))
    }

    /// As [`Fleet::choose`], as if nothing were set aside for `workload` itself.
    ///
    /// # Errors
    /// [`Refusal`] as there.
    pub fn choose_instead(
        &mut self,
        workload: Uid,
        demand: &Demand,
    ) -> Result<(Uid, Name), Refusal> {
        let current = self.reservations.get(&workload).cloned();
        self.release(workload);
        let choice = self.choose(demand);
        if let Some(reservation) = current {
            self.set_aside(workload, reservation);
        }
        choice
    }

    fn taken_on(&self, node: Uid) -> (Load, HashSet<(u16, Protocol)>) {
        self.reservations.values().filter(|reservation| reservation.node == node).fold(
            (Load::default(), HashSet::new()),
            |(load, mut ports), reservation| {
                ports.extend(reservation.ports.iter().copied());
                (load.plus(reservation.load), ports)
            },
        )
    }

    /// What is set aside on `node`: millicores, bytes, workloads.
    #[must_use]
    pub fn taken(&self, node: Uid) -> (u64, u64, u64) {
        self.nodes.get(&node).map_or((0, 0, 0), |account| {
            (account.taken.cpu, account.taken.memory, account.taken.workloads)
        })
    }
}

/// How many workloads of `group` there are for each value of its label.
fn domains<'a>(
    nodes: &'a BTreeMap<Uid, NodeAccount>,
    spread: &HashMap<Arc<SpreadGroup>, HashMap<Uid, u32>>,
    group: &SpreadGroup,
) -> HashMap<&'a str, u32> {
    let mut domains = HashMap::new();
    for (node, count) in spread.get(group).into_iter().flatten() {
        if let Some(value) = nodes.get(node).and_then(|account| account.labels.get(&group.by)) {
            *domains.entry(value.as_str()).or_default() += count;
        }
    }
    domains
}

impl NodeAccount {
    /// Whether it is one for `demand`, whatever is on it now.
    pub(crate) fn may_take(&self, demand: &Demand) -> bool {
        self.state == NodeState::Open
            && self.runs(demand.executor)
            && demand.spec.constraints.iter().all(|one| one.is_met_by(&self.labels))
    }

    fn runs(&self, executor: Executor) -> bool {
        match executor {
            Executor::Process => self.processes,
            Executor::Container => self.containers,
        }
    }

    /// How well `demand` fits; none where there is no room for it.
    pub(crate) fn fit(&self, demand: &Demand) -> Option<i64> {
        let free = self.capacity.minus(self.taken);
        let has_room = demand.cpu <= free.cpu
            && demand.memory <= free.memory
            && free.workloads > 0
            && !demand.ports.iter().any(|port| self.ports.contains(port));
        has_room.then(|| self.fit_of(demand))
    }

    fn fit_of(&self, demand: &Demand) -> i64 {
        fit(self.taken.plus(Load::of(demand)), self.capacity, demand.placement)
    }

    /// Whether it can take `demand`; if not, it is counted why: the first
    /// reason, or everything that there is too little of.
    fn takes(&self, id: Uid, demand: &Demand, tally: &mut Tally) -> bool {
        tally.begin(&self.name);
        match self.state {
            NodeState::Open => {}
            NodeState::Closed => return tally.closed(),
            NodeState::Offline => return tally.offline(),
        }
        if !self.runs(demand.executor) {
            return tally.cannot_run();
        }
        if let Some(unmet) =
            demand.spec.constraints.iter().find(|constraint| !constraint.is_met_by(&self.labels))
        {
            return tally.unmet(unmet);
        }
        self.has_room(id, demand, tally)
    }

    /// Whether there is enough of everything; each thing that is short is counted.
    fn has_room(&self, id: Uid, demand: &Demand, tally: &mut Tally) -> bool {
        let mut fits = true;
        let mut ports = demand.ports.iter().filter(|_| !planted(Bug::PortsNotCounted));
        if let Some(port) = ports.find(|port| self.ports.contains(port)) {
            fits = tally.port_taken(*port);
        }
        let free = self.capacity.minus(self.taken);
        if demand.cpu > free.cpu {
            fits = tally.cpu_short(free.cpu, &self.name);
        }
        if demand.memory > free.memory {
            fits = tally.memory_short(free.memory, &self.name);
        }
        if free.workloads == 0 {
            fits = tally.full();
        }
        if let Some(why) = demand.booked.get(&id).filter(|_| fits) {
            fits = tally.booked(why);
        }
        fits
    }
}

#[cfg(test)]
mod tests;
