//! What is promised of hosts, and of the nodes of a group together, by a count of its own.
//!
//! The one idea: a promise is made of what there is, and of times that are not past by the clock
//! that the control plane has at that moment, however wrong that is. So what is too much was wrong
//! to promise if the last of those who take part was promised after the last node had left (or its group:
//! one that is Offline counts in none, and may be taken out), and
//! when that clock showed no later time. All else is an accident, and is not held against anybody.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use tessera_reconciler::World;
use tessera_types::host::HostCapacity;
use tessera_types::node::{DesiredNodeStatus, NodeStatus};
use tessera_types::timed::Window;
use tessera_types::{Duration, Host, Node, Object, Timestamp, Uid, Workload};

/// What was planned by a clock that is set back is committed within this.
const COMMITTED_WITHIN: Duration = Duration::from_secs(10);

/// When something was promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Made {
    /// At which look it was new.
    look: u64,
    /// What the control plane's clock showed then.
    wall: Timestamp,
}

/// What somebody has been promised, or has.
#[derive(Clone, Debug, PartialEq)]
struct Held {
    /// Of which host; none where it is a service on a node.
    host: Option<Uid>,
    /// On which node, where it is a service.
    node: Option<Uid>,
    window: Window,
    cpu: u64,
    memory: u64,
    licences: u64,
    ports: Vec<u16>,
}

/// Since when something is promised, by the window that it had from then on.
#[derive(Clone, Debug)]
struct Parts(Vec<(Window, Made)>);

impl Parts {
    /// What is outside of this is not promised any more.
    fn give_back(&mut self, kept: Window) {
        for (window, _) in &mut self.0 {
            window.from = window.from.max(kept.from);
            window.until = window.until.min(kept.until);
        }
    }

    /// When it was promised for this time.
    fn made(&self, at: Timestamp) -> Made {
        let first = self.0.iter().find(|(window, _)| window.contains(at));
        first.or(self.0.last()).map(|(_, made)| *made).unwrap_or_default()
    }
}

impl Held {
    /// Whether it is more than it was, at some time that it had before.
    fn exceeds(&self, before: &Self) -> bool {
        let is_placed_anew = self.host.is_none() && self.window.from != before.window.from;
        is_placed_anew
            || self.host != before.host
            || self.cpu > before.cpu
            || self.memory > before.memory
            || self.licences > before.licences
            || self.ports.iter().any(|port| !before.ports.contains(port))
    }
}

/// What was seen of promises so far.
#[derive(Debug, Default)]
pub(crate) struct Promised {
    look: u64,
    held: BTreeMap<Uid, (Held, Parts)>,
    /// What each host has, and since when.
    hosts: BTreeMap<Uid, (HostCapacity, Made)>,
    /// Each with the group that it belongs to.
    nodes: BTreeSet<(Uid, Option<Uid>)>,
    /// When a node last left, or left its group.
    has_left: u64,
    wall: Timestamp,
    /// What the clock showed before it was set back, and for how long that may count.
    was_ahead: (Timestamp, Timestamp),
}

impl Promised {
    /// With each commit, at the time that the control plane's clock shows, and the true one.
    pub(crate) fn check(
        &mut self,
        world: &World,
        wall: Timestamp,
        now: Timestamp,
    ) -> Result<(), String> {
        self.take_in(world, wall, now);
        for host in world.hosts.iter() {
            self.no_more_than_a_host_has(host, wall)?;
            if host.observed.nodes.is_some() {
                self.no_more_than_a_group_has(world, host.id, wall)?;
            }
        }
        Ok(())
    }

    fn take_in(&mut self, world: &World, wall: Timestamp, now: Timestamp) {
        self.look += 1;
        if wall.plus(Duration::from_secs(1)) < self.wall {
            self.was_ahead = (self.wall, now.plus(COMMITTED_WITHIN));
        }
        self.wall = wall;
        let (ahead, until) = self.was_ahead;
        let shown = if now <= until { wall.max(ahead) } else { wall };
        let made = Made { look: self.look, wall: shown };
        let mut before = std::mem::take(&mut self.held);
        self.held = held(world)
            .map(|(id, held)| match before.remove(&id) {
                Some((known, mut parts)) if !held.exceeds(&known) => {
                    parts.give_back(held.window);
                    if !known.window.covers(&held.window) {
                        parts.0.push((held.window, made));
                    }
                    (id, (held, parts))
                }
                _ => {
                    let parts = Parts(vec![(held.window, made)]);
                    (id, (held, parts))
                }
            })
            .collect();
        let mut before = std::mem::take(&mut self.hosts);
        let hosts = world.hosts.iter().filter_map(|host| Some((host.id, declared(host)?)));
        self.hosts = hosts
            .map(|(id, capacity)| match before.remove(&id) {
                Some((known, made)) if known == capacity => (id, (capacity, made)),
                _ => (id, (capacity, made)),
            })
            .collect();
        let with_group = |id| (id, world.group_of(id).map(|group| group.id));
        let nodes = world.nodes.iter().map(|node| with_group(node.id)).collect();
        let before = std::mem::replace(&mut self.nodes, nodes);
        if !self.nodes.is_superset(&before) {
            self.has_left = self.look;
        }
    }

    /// What is counted, and ports; and of a server what it has besides.
    fn no_more_than_a_host_has(&self, host: &Object<Host>, wall: Timestamp) -> Result<(), String> {
        let Some((has, since)) = self.hosts.get(&host.id) else { return Ok(()) };
        let on: Vec<_> = self.held.values().filter(|(it, _)| it.host == Some(host.id)).collect();
        let is_server = host.observed.nodes.is_none();
        let licences = has.counted.get("licences").copied().unwrap_or(0);
        for at in instants(&on, wall) {
            let over = |what, has: u64, takes: fn(&Held) -> u64| {
                let (used, made) = taken(&on, at, takes)?;
                let is_wrong = used > has && made.max(*since).wall <= at;
                is_wrong.then(|| {
                    format!("{} is over capacity at {at}: {used} of {has} {what}", host.name)
                })
            };
            let wrong = over("licences", licences, |it| it.licences)
                .or_else(|| over("cpu", has.cpu.0, |it| it.cpu).filter(|_| is_server))
                .or_else(|| over("memory", has.memory.0, |it| it.memory).filter(|_| is_server))
                .or_else(|| no_port_twice(host, has, &on, at));
            if let Some(wrong) = wrong {
                return Err(wrong);
            }
        }
        Ok(())
    }

    /// From now on, pods of a group and services on its nodes together never have more than all
    /// of its nodes. A node that is Offline or drained counts here: it comes back to what was
    /// promised, and what is promised meanwhile is promised of fewer.
    fn no_more_than_a_group_has(
        &self,
        world: &World,
        group: Uid,
        wall: Timestamp,
    ) -> Result<(), String> {
        let is_of_it = |held: &Held| {
            held.host == Some(group) || held.node.is_some_and(|node| self.is_in(node, group))
        };
        let on: Vec<_> = self.held.values().filter(|(held, _)| is_of_it(held)).collect();
        let nodes = world.nodes.iter().filter(|node| self.is_in(node.id, group));
        let nodes = nodes.map(|node| node.allocatable());
        let has = nodes.fold((0, 0), |sum, node| (sum.0 + node.cpu.0, sum.1 + node.memory.0));
        for at in instants(&on, wall) {
            let over = |has: u64, takes: fn(&Held) -> u64| {
                let (used, made) = taken(&on, at, takes)?;
                Some(used > has && made.wall <= at && made.look > self.has_left)
            };
            let is_wrong =
                over(has.0, |it| it.cpu) == Some(true) || over(has.1, |it| it.memory) == Some(true);
            if is_wrong {
                let sum =
                    |takes: fn(&Held) -> u64| taken(&on, at, takes).map_or(0, |(used, _)| used);
                let used = (sum(|it| it.cpu), sum(|it| it.memory));
                return Err(format!("at {at}, {used:?} of {has:?} is promised: {on:?}"));
            }
        }
        Ok(())
    }

    fn is_in(&self, node: Uid, group: Uid) -> bool {
        self.nodes.contains(&(node, Some(group)))
    }
}

/// Who has what.
fn held(world: &World) -> impl Iterator<Item = (Uid, Held)> {
    let of_pods = world.pods.iter().filter_map(|pod| {
        let binding = pod.observed.binding.as_ref()?;
        let held = Held {
            host: Some(binding.host_id),
            node: None,
            window: binding.window,
            cpu: binding.demand.cpu.0,
            memory: binding.demand.memory.0,
            licences: binding.demand.counted.get("licences").copied().unwrap_or(0),
            ports: binding.ports.clone(),
        };
        Some((pod.id, held))
    });
    let services = world.workloads.iter().filter(|workload| workload.owner.is_none());
    let of_services = services.filter_map(|workload| {
        let assigned = workload.observed.assigned.as_ref()?;
        let until = workload.spec.not_after.unwrap_or(Timestamp::MAX);
        let held = Held {
            host: None,
            node: Some(assigned.node_id),
            window: Window::new(assigned.since, until),
            cpu: assigned.resources.cpu.0,
            memory: assigned.resources.memory.0,
            licences: 0,
            ports: Vec::new(),
        };
        Some((workload.id, held))
    });
    of_pods.chain(of_services)
}

/// Whether a workload would be too much on this node, at some time until it ends, for what its
/// group has promised to others: by what the group has for sure, so that who says so is believed
/// where it can be true. Which ports of a node are promised is not counted here.
pub(super) fn is_promised(
    world: &World,
    workload: &Object<Workload>,
    node: Uid,
    wall: Timestamp,
) -> bool {
    let Some(group) = world.group_of(node).map(|group| group.id) else { return false };
    if !workload.spec.ports.is_empty() {
        return true;
    }
    let in_group = |node: Uid| world.group_of(node).is_some_and(|other| other.id == group);
    let is_of_it = |held: &Held| held.host == Some(group) || held.node.is_some_and(in_group);
    let others = held(world).filter(|(id, held)| *id != workload.id && is_of_it(held));
    let others: Vec<_> = others.map(|(_, held)| held).collect();
    let counts = |node: &&std::sync::Arc<Object<Node>>| {
        let is_wanted = node.desired_status == DesiredNodeStatus::Ready;
        in_group(node.id) && node.status == NodeStatus::Ready && is_wanted
    };
    let nodes = world.nodes.iter().filter(counts).map(|node| node.allocatable());
    let has = nodes.fold((0, 0), |sum, node| (sum.0 + node.cpu.0, sum.1 + node.memory.0));
    let until = workload.spec.not_after.unwrap_or(Timestamp::MAX);
    let begins = others.iter().map(|held| held.window.from).filter(|at| *at > wall && *at < until);
    let wants = &workload.spec.resources;
    begins.chain([wall]).any(|at| {
        let then = || others.iter().filter(|held| held.window.contains(at));
        let cpu: u64 = then().map(|held| held.cpu).sum();
        let memory: u64 = then().map(|held| held.memory).sum();
        cpu + wants.cpu.0 > has.0 || memory + wants.memory.0 > has.1
    })
}

/// What a host was declared with, or its definition says.
fn declared(host: &Object<Host>) -> Option<HostCapacity> {
    let of_definition = || Some(host.observed.definition.as_ref()?.spec.capacity.clone());
    host.spec.capacity.clone().or_else(of_definition)
}

/// Now, and each time later at which something begins.
fn instants(on: &[&(Held, Parts)], wall: Timestamp) -> Vec<Timestamp> {
    let begins = on.iter().map(|(held, _)| held.window.from).filter(|from| *from > wall);
    begins.chain([wall]).collect()
}

/// How much is taken then, and when the last of it was promised.
fn taken(
    on: &[&(Held, Parts)],
    at: Timestamp,
    takes: impl Fn(&Held) -> u64,
) -> Option<(u64, Made)> {
    let then = on.iter().filter(|(held, _)| held.window.contains(at) && takes(held) > 0);
    let last = then.clone().map(|(_, parts)| parts.made(at)).max()?;
    Some((then.map(|(held, _)| takes(held)).sum(), last))
}

/// No port is given twice, nor one that the host has not.
fn no_port_twice(
    host: &Object<Host>,
    has: &HostCapacity,
    on: &[&(Held, Parts)],
    at: Timestamp,
) -> Option<String> {
    let mut given: BTreeMap<u16, (u32, Made)> = BTreeMap::new();
    for (held, parts) in on.iter().filter(|(held, _)| held.window.contains(at)) {
        let made = parts.made(at);
        for port in &held.ports {
            let (count, last) = given.entry(*port).or_default();
            (*count, *last) = (*count + 1, (*last).max(made));
        }
    }
    let is_wrong = |(port, (count, last)): &(&u16, &(u32, Made))| {
        let is_foreign = !has.all_ports().any(|known| known == **port);
        (*count > 1 || is_foreign) && last.wall <= at
    };
    let (port, (count, _)) = given.iter().find(is_wrong)?;
    Some(format!("{} gives port {port} to {count} at {at}, and has {has:?}", host.name))
}
