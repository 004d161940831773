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
        let group = demand.spread.as_deref();
        let domains =
            group.map(|group| domains(&self.nodes, &self.spread, group)).unwrap_or_default();
        let crowd_of = crowd_of(group, &domains);
        let mut best: Option<(Score, Uid, &Name)> = None;
        for (id, account) in &self.nodes {
            if !account.takes(*id, demand, &mut tally) {
                continue;
            }
            let domain = group.and_then(|group| account.labels.get(&group.by));
            let crowd = crowd_of(domain.map(String::as_str));
            let score = Score::new(crowd, account.fit_of(demand));
            if best.as_ref().is_none_or(|(highest, _, _)| score > *highest) {
                best = Some((score, *id, &account.name));
            }
        }
        best.map(|(_, id, name)| (id, name.clone())).ok_or_else(|| tally.refusal(demand))
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tessera_types::node::{Capacity, Executors, NodeSpec};
    use tessera_types::{Actor, Bytes, KindName, Millicores, ResourceKey, Timestamp, Workload};

    fn node(id: u64, cpu: u64, memory: u64, labels: &[(&str, &str)]) -> Object<Node> {
        let name = Name::new(&format!("node-{id}")).unwrap();
        let key = ResourceKey::new(KindName::Node, None, name);
        let spec = Arc::new(NodeSpec::default());
        let mut node = Object::<Node>::new(&key, spec, Actor::API, Timestamp::EPOCH);
        node.id = Uid(id);
        node.observed.capacity =
            Capacity { cpu: Millicores(cpu), memory: Bytes(memory), workloads: 10 };
        node.observed.executors = Executors { process: true, ..Executors::default() };
        node.observed.agent_labels =
            labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        node
    }

    fn demand(spec: serde_json::Value) -> Demand {
        let mut spec = spec;
        spec["command"] = "x".into();
        let key = ResourceKey::new(KindName::Workload, None, Name::new("w").unwrap());
        let spec = Arc::new(serde_json::from_value(spec).unwrap());
        Demand::of(&Object::<Workload>::new(&key, spec, Actor::API, Timestamp::EPOCH))
    }

    fn fleet(nodes: &[Object<Node>]) -> Fleet {
        let mut fleet = Fleet::default();
        for node in nodes {
            fleet.set_node(node, NodeState::Open);
        }
        fleet
    }

    #[test]
    fn the_reason_for_a_refusal_is_precise() {
        let mut fleet = fleet(&[
            node(1, 1000, 1 << 30, &[("zone", "a")]),
            node(2, 4000, 1 << 20, &[("zone", "a")]),
            node(3, 8000, 1 << 40, &[("zone", "b")]),
        ]);
        fleet.set_node(&node(4, 8000, 1 << 40, &[("zone", "a")]), NodeState::Offline);
        let spec = serde_json::json!({
            "resources": {"cpu": 2000, "memory": "64MiB"},
            "constraints": [{"label": "zone", "equal": "a"}],
        });
        assert_eq!(
            fleet.choose(&demand(spec)).unwrap_err().to_string(),
            "none of 4 nodes fits: 1 is Offline, 1 does not have zone=a, 1 has less than 2 cpu free \
             (1 at most, on node-1), 1 has less than 64MiB memory free (1MiB at most, on node-2)"
        );
        assert_eq!(
            Fleet::default().choose(&demand(serde_json::json!({}))).unwrap_err().to_string(),
            "there is no node: start an agent"
        );
    }

    #[test]
    fn everything_that_is_short_is_named_and_the_only_node_by_its_name() {
        let only = node(1, 1900, 1 << 30, &[]);
        let big = demand(serde_json::json!({"resources": {"cpu": "16", "memory": "2GiB"}}));
        assert_eq!(
            fleet(std::slice::from_ref(&only)).choose(&big).unwrap_err().to_string(),
            "the only node, node-1, has less than 16 cpu free (1.9) and less than 2GiB memory free (1GiB)"
        );
        let mut many = fleet(&[only, node(2, 1000, 1 << 40, &[])]);
        assert_eq!(
            many.choose(&big).unwrap_err().to_string(),
            "none of 2 nodes fits: 2 have less than 16 cpu free (1.9 at most, on node-1), \
             1 has less than 2GiB memory free (1GiB at most, on node-1)"
        );
    }

    #[test]
    fn spread_takes_the_emptiest_and_pack_the_fullest() {
        let nodes = [node(1, 4000, 1 << 30, &[]), node(2, 4000, 1 << 30, &[])];
        let mut fleet = fleet(&nodes);
        fleet.reserve(Uid(100), Uid(1), &demand(serde_json::json!({"resources": {"cpu": 1000}})));
        let spread = demand(serde_json::json!({"resources": {"cpu": 1000}}));
        let pack = demand(serde_json::json!({"resources": {"cpu": 1000}, "placement": "pack"}));
        assert_eq!(fleet.choose(&spread).unwrap().0, Uid(2));
        assert_eq!(fleet.choose(&pack).unwrap().0, Uid(1));
    }

    #[test]
    fn workloads_are_spread_evenly_over_the_values_of_a_label() {
        let nodes: Vec<_> = (1..=6)
            .map(|id| node(id, 100_000, 1 << 40, &[("zone", if id <= 4 { "a" } else { "b" })]))
            .collect();
        let mut fleet = fleet(&nodes);
        let demand = demand(serde_json::json!({"spread_by": "zone"}));
        for id in 0..10 {
            let (node, _) = fleet.choose(&demand).unwrap();
            fleet.reserve(Uid(100 + id), node, &demand);
        }
        let in_a: u64 = (1..=4).map(|id| fleet.taken(Uid(id)).2).sum();
        assert_eq!(in_a, 5);
    }

    proptest! {
        /// However nodes fill up, empty, come and go, the choice is that of a scan.
        #[test]
        fn a_ranking_chooses_what_a_scan_does(
            steps in prop::collection::vec((0u64..60, 0usize..8, 0u8..10), 1..300)
        ) {
            let zones = ["a", "b", "c"];
            let labels = |id: u64| {
                let zone = zones.get(id as usize % 4).map(|zone| ("zone", *zone));
                zone.into_iter().collect::<Vec<_>>()
            };
            let nodes: Vec<_> =
                (1..=150).map(|id| node(id, id % 7 * 300, id % 5 * 400, &labels(id))).collect();
            let mut fleet = fleet(&nodes);
            let demands: Vec<_> = [
                serde_json::json!({"resources": {"cpu": 100, "memory": 50}}),
                serde_json::json!({"resources": {"cpu": 50, "memory": 300}, "placement": "pack"}),
                serde_json::json!({"spread_by": "zone"}),
                serde_json::json!({"spread_by": "zone", "resources": {"cpu": 200}}),
                serde_json::json!({"constraints": [{"label": "zone", "equal": "a"}]}),
                serde_json::json!({"constraints": [{"label": "zone", "not_equal": "a"}]}),
                serde_json::json!({"ports": [{"port": 80}]}),
                serde_json::json!({"resources": {"cpu": 2000}}),
            ].into_iter().map(demand).collect();
            for (workload, which, what) in steps {
                match what {
                    0 => { fleet.release(Uid(1000 + workload)); }
                    1 => fleet.set_node(&nodes[workload as usize], NodeState::Closed),
                    2 => fleet.set_node(&nodes[workload as usize], NodeState::Open),
                    3 => fleet.remove_node(Uid(workload)),
                    _ => {
                        let demand = &demands[which];
                        fleet.release(Uid(1000 + workload));
                        let chosen = fleet.choose(demand);
                        prop_assert_eq!(&chosen, &fleet.scan(demand));
                        if let Ok((node, _)) = chosen {
                            fleet.reserve(Uid(1000 + workload), node, demand);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_two_workloads_of_a_node_have_the_same_port() {
        let mut fleet = fleet(&[node(1, 1000, 1 << 30, &[])]);
        let web = demand(serde_json::json!({"ports": [{"port": 80}]}));
        fleet.reserve(Uid(100), Uid(1), &web);
        let refusal = fleet.choose(&web).unwrap_err().to_string();
        assert_eq!(refusal, "the only node, node-1, has port 80/tcp taken");
        fleet.release(Uid(100));
        assert!(fleet.choose(&web).is_ok());
    }

    proptest! {
        /// Whatever is placed and released in whatever order, no node is ever
        /// over its capacity, by an independent count, and in the end all of it
        /// is given back.
        #[test]
        fn no_node_is_ever_over_capacity(
            steps in prop::collection::vec((0u64..40, 0u64..1500, 0u64..1500, any::<bool>(), any::<bool>()), 1..200)
        ) {
            let nodes: Vec<_> = (1..=5).map(|id| node(id, id * 1000, id * 800, &[])).collect();
            let mut fleet = fleet(&nodes);
            let mut placed: HashMap<u64, (Uid, u64, u64)> = HashMap::new();
            for (workload, cpu, memory, release, pack) in steps {
                if release {
                    prop_assert_eq!(fleet.release(Uid(workload)), placed.remove(&workload).is_some());
                    continue;
                }
                fleet.release(Uid(workload));
                placed.remove(&workload);
                let placement = if pack { "pack" } else { "spread" };
                let wanted = demand(serde_json::json!({
                    "resources": {"cpu": cpu, "memory": memory}, "placement": placement,
                }));
                let fits = nodes.iter().any(|node| {
                    let on: Vec<_> = placed.values().filter(|(at, _, _)| *at == node.id).collect();
                    on.iter().map(|(_, cpu, _)| cpu).sum::<u64>() + cpu <= node.observed.capacity.cpu.0
                        && on.iter().map(|(_, _, memory)| memory).sum::<u64>() + memory
                            <= node.observed.capacity.memory.0
                        && on.len() < 10
                });
                let choice = fleet.choose(&wanted);
                prop_assert_eq!(choice.is_ok(), fits);
                if let Ok((node, _)) = choice {
                    fleet.reserve(Uid(workload), node, &wanted);
                    placed.insert(workload, (node, cpu, memory));
                }
            }
            for node in &nodes {
                let on = placed.values().filter(|(at, _, _)| *at == node.id);
                let (cpu, memory) = on.fold((0, 0), |sum, (_, cpu, memory)| (sum.0 + cpu, sum.1 + memory));
                prop_assert!(cpu <= node.observed.capacity.cpu.0 && memory <= node.observed.capacity.memory.0);
            }
            for workload in 0..40 {
                fleet.release(Uid(workload));
            }
            for node in &nodes {
                prop_assert_eq!(fleet.taken(node.id), (0, 0, 0));
            }
        }
    }
}
