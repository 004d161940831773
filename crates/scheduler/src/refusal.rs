//! Why no node takes a workload, counted over all nodes.

use std::collections::BTreeMap;
use std::fmt;

use tessera_types::workload::{Constraint, Protocol};
use tessera_types::{Bytes, Millicores, Name};

use crate::demand::Demand;

/// Why no node takes a workload. Its text is complete: it accounts for every
/// node, and so changes with every change of room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    text: String,
    obstacles: Obstacles,
}

impl Refusal {
    /// The kinds of obstacles, without how many and how large.
    #[must_use]
    pub fn obstacles(&self) -> Obstacles {
        self.obstacles
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Which kinds of obstacles there are; none where there is no node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Obstacles {
    offline: bool,
    closed: bool,
    cannot_run: bool,
    unmet: bool,
    ports: bool,
    cpu: bool,
    memory: bool,
    full: bool,
    booked: bool,
}

/// Counts the first reason of each node. Every method returns `false`, which is
/// the answer to "does it fit".
#[derive(Debug, Default)]
pub(crate) struct Tally {
    offline: u32,
    closed: u32,
    cannot_run: u32,
    unmet: BTreeMap<String, u32>,
    ports: BTreeMap<(u16, Protocol), u32>,
    cpu: Shortage,
    memory: Shortage,
    full: u32,
    booked: u32,
    /// Why one of these is.
    booked_because: Option<String>,
}

/// How many nodes have too little, and the most that one of them has.
#[derive(Debug, Default)]
struct Shortage {
    nodes: u32,
    most: u64,
    on: Option<Name>,
}

impl Shortage {
    fn count(&mut self, free: u64, node: &Name) -> bool {
        self.nodes += 1;
        if self.on.is_none() || free > self.most {
            self.most = free;
            self.on = Some(node.clone());
        }
        false
    }
}

impl Tally {
    pub(crate) fn offline(&mut self) -> bool {
        self.offline += 1;
        false
    }

    pub(crate) fn closed(&mut self) -> bool {
        self.closed += 1;
        false
    }

    pub(crate) fn cannot_run(&mut self) -> bool {
        self.cannot_run += 1;
        false
    }

    pub(crate) fn unmet(&mut self, constraint: &Constraint) -> bool {
        *self.unmet.entry(constraint.to_string()).or_default() += 1;
        false
    }

    pub(crate) fn port_taken(&mut self, port: (u16, Protocol)) -> bool {
        *self.ports.entry(port).or_default() += 1;
        false
    }

    pub(crate) fn cpu_short(&mut self, free: u64, node: &Name) -> bool {
        self.cpu.count(free, node)
    }

    pub(crate) fn memory_short(&mut self, free: u64, node: &Name) -> bool {
        self.memory.count(free, node)
    }

    pub(crate) fn full(&mut self) -> bool {
        self.full += 1;
        false
    }

    pub(crate) fn booked(&mut self, why: &str) -> bool {
        self.booked += 1;
        self.booked_because.get_or_insert_with(|| why.to_owned());
        false
    }

    fn nodes(&self) -> u32 {
        self.offline
            + self.closed
            + self.cannot_run
            + self.unmet.values().sum::<u32>()
            + self.ports.values().sum::<u32>()
            + self.cpu.nodes
            + self.memory.nodes
            + self.full
            + self.booked
    }

    fn obstacles(&self) -> Obstacles {
        Obstacles {
            offline: self.offline > 0,
            closed: self.closed > 0,
            cannot_run: self.cannot_run > 0,
            unmet: !self.unmet.is_empty(),
            ports: !self.ports.is_empty(),
            cpu: self.cpu.nodes > 0,
            memory: self.memory.nodes > 0,
            full: self.full > 0,
            booked: self.booked > 0,
        }
    }

    pub(crate) fn refusal(&self, demand: &Demand) -> Refusal {
        Refusal { text: self.text(demand), obstacles: self.obstacles() }
    }

    fn text(&self, demand: &Demand) -> String {
        let reasons = self.reasons(demand).join(", ");
        match self.nodes() {
            0 => "there is no node: start an agent".to_owned(),
            1 => format!("the only node does not fit: {reasons}"),
            nodes => format!("none of {nodes} nodes fits: {reasons}"),
        }
    }

    fn reasons(&self, demand: &Demand) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut add = |count: u32, one: &str, many: &str, what: String| {
            if count > 0 {
                reasons.push(format!("{count} {} {what}", if count == 1 { one } else { many }));
            }
        };
        add(self.offline, "is", "are", "Offline".to_owned());
        add(self.closed, "is", "are", "cordoned or draining".to_owned());
        add(self.cannot_run, "has", "have", "no container runtime".to_owned());
        for (constraint, count) in &self.unmet {
            add(*count, "does", "do", format!("not have {constraint}"));
        }
        let cpu = Millicores(demand.cpu);
        add(self.cpu.nodes, "has", "have", self.cpu.text(&cpu, "cpu", &Millicores(self.cpu.most)));
        let memory = Bytes(demand.memory);
        add(
            self.memory.nodes,
            "has",
            "have",
            self.memory.text(&memory, "memory", &Bytes(self.memory.most)),
        );
        add(self.full, "has", "have", "as many workloads as allowed".to_owned());
        let why = self.booked_because.as_deref().unwrap_or_default();
        add(self.booked, "is", "are", format!("promised to sessions ({why})"));
        for ((port, protocol), count) in &self.ports {
            reasons.push(format!("port {port}/{protocol} is taken on {count}"));
        }
        reasons
    }
}

impl Shortage {
    fn text(&self, wanted: &dyn fmt::Display, what: &str, most: &dyn fmt::Display) -> String {
        match &self.on {
            Some(node) => {
                format!("less than {wanted} {what} free ({most} at most, on {node})")
            }
            None => String::new(),
        }
    }
}
