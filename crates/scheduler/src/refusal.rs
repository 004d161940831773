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

/// Counts the reasons of each node: the first, or all things that it has too
/// little of. Every method returns `false`, which is the answer to "does it fit".
#[derive(Debug, Default)]
pub(crate) struct Tally {
    nodes: u32,
    /// The node that was looked at first; the only one where there is one.
    first: Option<Name>,
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
    /// What follows is about this node.
    pub(crate) fn begin(&mut self, node: &Name) {
        self.nodes += 1;
        if self.first.is_none() {
            self.first = Some(node.clone());
        }
    }

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
        let reasons = self.reasons(demand);
        match (&self.first, self.nodes) {
            (Some(only), 1) => format!("the only node, {only}, {}", of_one(&reasons)),
            (Some(_), nodes) => {
                let reasons: Vec<_> = reasons.into_iter().map(|reason| reason.of_many).collect();
                format!("none of {nodes} nodes fits: {}", reasons.join(", "))
            }
            (None, _) => "there is no node: start an agent".to_owned(),
        }
    }

    fn reasons(&self, demand: &Demand) -> Vec<Reason> {
        let mut reasons = vec![
            Reason::new(self.offline, "is", "are", "Offline"),
            Reason::new(self.closed, "is", "are", "cordoned or draining"),
            Reason::new(self.cannot_run, "has", "have", "no container runtime"),
        ];
        for (constraint, count) in &self.unmet {
            reasons.push(Reason::new(*count, "does", "do", &format!("not have {constraint}")));
        }
        let cpu = |millicores| Millicores(millicores).in_cores().to_string();
        reasons.push(self.cpu.reason("cpu", demand.cpu, cpu));
        reasons.push(self.memory.reason("memory", demand.memory, |bytes| Bytes(bytes).to_string()));
        reasons.push(Reason::new(self.full, "has", "have", "as many workloads as allowed"));
        let why = self.booked_because.as_deref().unwrap_or_default();
        let promised = format!("promised to sessions ({why})");
        reasons.push(Reason::new(self.booked, "is", "are", &promised));
        for ((port, protocol), count) in &self.ports {
            let of_one = format!("port {port}/{protocol} taken");
            let of_many = format!("port {port}/{protocol} is taken on {count}");
            reasons.push(Reason { count: *count, verb: "has", of_one, of_many });
        }
        reasons.retain(|reason| reason.count > 0);
        reasons
    }
}

/// One reason, as it is told of a single node and of several.
struct Reason {
    count: u32,
    verb: &'static str,
    /// What follows the verb where there is one node.
    of_one: String,
    of_many: String,
}

impl Reason {
    fn new(count: u32, one: &'static str, many: &'static str, what: &str) -> Self {
        let verb = if count == 1 { one } else { many };
        let of_many = format!("{count} {verb} {what}");
        Self { count, verb: one, of_one: what.to_owned(), of_many }
    }
}

/// The reasons of the only node. A verb is not repeated.
fn of_one(reasons: &[Reason]) -> String {
    let mut text = String::new();
    let mut verb = "";
    for reason in reasons {
        text.push_str(if text.is_empty() { "" } else { " and " });
        if reason.verb != verb {
            verb = reason.verb;
            text.push_str(verb);
            text.push(' ');
        }
        text.push_str(&reason.of_one);
    }
    text
}

impl Shortage {
    fn reason(&self, what: &str, wanted: u64, shown: impl Fn(u64) -> String) -> Reason {
        let (wanted, most) = (shown(wanted), shown(self.most));
        let less = format!("less than {wanted} {what} free");
        let reason = Reason::new(self.nodes, "has", "have", &less);
        let on = self.on.as_ref().map_or("", Name::as_str);
        Reason {
            of_one: format!("{less} ({most})"),
            of_many: format!("{} ({most} at most, on {on})", reason.of_many),
            ..reason
        }
    }
}
