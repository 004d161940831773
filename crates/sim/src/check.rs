//! What must hold after every event, and what must have come to be in the end.
//! The counts here are independent of the product's own.

pub(crate) mod hosts;
pub(crate) mod jobs;
pub(crate) mod ledger;
#[cfg(test)]
pub(crate) mod made;
pub(crate) mod overdue;
mod promised;
pub(crate) mod quiet;
mod reasons;
pub(crate) mod rest;
pub(crate) mod rules;
pub(crate) mod tenants;
#[cfg(test)]
mod tests;
pub(crate) mod timed;
pub(crate) mod watchers;
pub(crate) mod workloads;

use std::collections::BTreeMap;

use tessera_agent::core::RunId;
use tessera_types::workload::{OnDisconnect, Port};
use tessera_types::{Duration, Epoch, Timestamp, Uid};

use crate::control::{Control, LEASE};
use crate::disk::LOG_COMMITS_MAX;
use crate::machine::{Machine, Run, capacity};

/// What was declared for each placement when it was made, whatever the spec
/// says by now and whatever the node makes of it.
#[derive(Debug, Default)]
pub(crate) struct Placed(BTreeMap<(Uid, Epoch), OnDisconnect>);

impl Placed {
    /// Takes in the placements that there are.
    pub(crate) fn take_in(&mut self, control: &Control) {
        for workload in control.world.workloads.iter() {
            if let Some(assigned) = &workload.observed.assigned {
                let placement = (workload.id, workload.observed.epoch);
                self.0.entry(placement).or_insert(assigned.on_disconnect);
            }
        }
    }
}

/// After every event.
pub(crate) fn always(machines: &[Machine], placed: &Placed, now: Timestamp) -> Result<(), String> {
    no_workload_twice(machines, placed)?;
    no_machine_over_capacity(machines)?;
    all_runs_are_written_down(machines)?;
    no_run_begins_early(machines)?;
    no_window_overrun(machines, now)
}

/// A node that is not heard of is Offline when its lease has lapsed, by the true
/// time and whatever the clocks show.
pub(crate) fn silent_nodes_are_offline(control: &Control, now: Timestamp) -> Result<(), String> {
    // What the clocks drift, and what a pass takes.
    let slack = Duration::from_millis(200);
    for node in control.world.nodes.iter().filter(|node| node.status.is_reachable()) {
        let silent = now.since(control.silent_since(node.id));
        if silent > LEASE.plus(slack) {
            return Err(format!("{} is {} and was silent for {silent}", node.name, node.status));
        }
    }
    Ok(())
}

/// One live copy on a machine, ever; and of a workload that was placed with
/// `on_disconnect: stop` one in the fleet.
fn no_workload_twice(machines: &[Machine], placed: &Placed) -> Result<(), String> {
    let mut live: BTreeMap<Uid, Vec<String>> = BTreeMap::new();
    for machine in machines {
        let mut here: BTreeMap<Uid, u32> = BTreeMap::new();
        for (id, run) in machine.runs.iter().filter(|(_, run)| run.is_alive()) {
            *here.entry(id.copy.id).or_default() += 1;
            let Some(declared) = placed.0.get(&(id.copy.id, id.copy.epoch)) else {
                return Err(format!("{id} on {} was never placed", machine.name));
            };
            if run.spec.on_disconnect != *declared {
                return Err(format!("{id} on {} is not what was placed", machine.name));
            }
            if *declared == OnDisconnect::Stop {
                live.entry(id.copy.id).or_default().push(format!("{id} on {}", machine.name));
            }
        }
        if let Some((id, count)) = here.iter().find(|(_, count)| **count > 1) {
            return Err(format!("{count} live copies of {id} on {}", machine.name));
        }
    }
    match live.values().find(|copies| copies.len() > 1) {
        Some(copies) => Err(format!("two live copies, and at most one is allowed: {copies:?}")),
        None => Ok(()),
    }
}

fn no_machine_over_capacity(machines: &[Machine]) -> Result<(), String> {
    for machine in machines {
        let (mut cpu, mut memory, mut places, mut ports) = (0, 0, 0, Vec::new());
        for run in machine.runs.values().filter(|run| run.is_alive()) {
            cpu += run.spec.resources.cpu.0;
            memory += run.spec.resources.memory.0;
            places += 1;
            ports.extend(run.spec.host_ports());
        }
        let count = ports.len();
        ports.sort_unstable();
        ports.dedup();
        let has = capacity(machine.cpu);
        let is_too_much = cpu > has.cpu.0 || memory > has.memory.0 || places > has.workloads;
        if is_too_much || ports.len() < count {
            let runs: Vec<_> = machine.runs.keys().map(ToString::to_string).collect();
            let taken = format!("{cpu}m, {memory}, {places} places, {ports:?}");
            return Err(format!("{} has {has:?}, and taken are {taken}: {runs:?}", machine.name));
        }
    }
    Ok(())
}

/// An agent that is killed finds what it has started on its disk: what is not there it would stop,
/// and start once more.
fn all_runs_are_written_down(machines: &[Machine]) -> Result<(), String> {
    for machine in machines {
        let is_saved = |id: &RunId| {
            machine.disk.get(&id.copy).is_some_and(|saved| saved.attempt >= id.attempt)
        };
        if let Some(id) = machine.runs.keys().find(|id| !is_saved(id)) {
            return Err(format!("{id} runs on {} and is not on its disk", machine.name));
        }
    }
    Ok(())
}

/// Its agent waits for its beginning, by its own clock, however early it was placed.
fn no_run_begins_early(machines: &[Machine]) -> Result<(), String> {
    for machine in machines {
        let is_early = |run: &Run| run.spec.not_before.is_some_and(|from| run.launched_at < from);
        if let Some((id, run)) = machine.runs.iter().find(|(_, run)| is_early(run)) {
            let (from, at) = (run.spec.not_before, run.launched_at);
            return Err(format!("{id} on {} begins at {at}, before {from:?}", machine.name));
        }
    }
    Ok(())
}

fn no_window_overrun(machines: &[Machine], now: Timestamp) -> Result<(), String> {
    for machine in machines {
        let wall = machine.clock.wall(now);
        for (id, run) in machine.runs.iter().filter(|(_, run)| run.is_alive()) {
            if run.not_after.is_some_and(|end| end < wall) {
                return Err(format!("{id} on {} outlives its window", machine.name));
            }
        }
    }
    Ok(())
}

/// What the control plane has placed fits, by an independent count.
pub(crate) fn placed_fits(control: &Control) -> Result<(), String> {
    for node in control.world.nodes.iter() {
        let on =
            control.world.workloads_on(node.id).filter_map(|one| one.observed.assigned.as_ref());
        let (mut cpu, mut memory, mut count) = (0, 0, 0);
        let mut ports = Vec::new();
        for assigned in on {
            cpu += assigned.resources.cpu.0;
            memory += assigned.resources.memory.0;
            count += 1;
            ports.extend(assigned.ports.iter().map(Port::on_host));
        }
        let capacity = node.allocatable();
        if cpu > capacity.cpu.0 || memory > capacity.memory.0 || count > capacity.workloads {
            return Err(format!("{} has {cpu}m, {memory} of {capacity:?} placed", node.name));
        }
        ports.sort_unstable();
        if ports.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(format!("a port of {} is taken twice: {ports:?}", node.name));
        }
    }
    Ok(())
}

/// The log was cut short whenever a checkpoint had what is in it.
pub(crate) fn log_is_bounded(commits: usize) -> Result<(), String> {
    match commits > LOG_COMMITS_MAX {
        true => Err(format!("the log has {commits} commits")),
        false => Ok(()),
    }
}

/// The live world is what a restart would load.
pub(crate) fn world_is_the_stores(control: &Control) -> Result<(), String> {
    let reloaded = control.reloaded();
    if control.world.all().eq(reloaded.all()) {
        Ok(())
    } else {
        Err("the world is not what the store has".to_owned())
    }
}
