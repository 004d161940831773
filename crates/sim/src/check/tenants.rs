//! What must hold of tenants.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use tessera_reconciler::World;
use tessera_types::tenant::{
    RunRequestId, RunSource, RunState, TenantNodeState, TenantRun, TenantStatus,
};
use tessera_types::{Duration, Node, Object, Tenant, Timestamp};

use crate::control::Control;
use crate::machine::Machine;

/// A settled node has said nothing for so long.
const SILENCE: Duration = Duration::from_secs(120);

/// After every event.
pub(crate) fn always(control: Option<&Control>, machines: &[Machine]) -> Result<(), String> {
    for machine in machines {
        let tenants = &machine.tenants;
        if let Some(wrong) = tenants.wrong.as_ref().or(tenants.ground.wrong.as_ref()) {
            return Err(format!("{}: {wrong}", machine.name));
        }
    }
    no_run_is_started_twice(machines)?;
    let Some(control) = control else { return Ok(()) };
    for machine in machines {
        if let Some(node) = control.world.nodes.find(None, &machine.name) {
            nothing_is_forgotten(control, machine, node)?;
            nothing_is_made_up(&control.world, machine, node)?;
        }
    }
    Ok(())
}

/// A run that was asked for is started once, wherever and however often it was seen.
fn no_run_is_started_twice(machines: &[Machine]) -> Result<(), String> {
    let mut started: BTreeMap<&RunRequestId, u32> = BTreeMap::new();
    for (run, count) in machines.iter().flat_map(|machine| &machine.tenants.ground.started) {
        *started.entry(run).or_default() += count;
    }
    match started.iter().find(|(_, count)| **count > 1) {
        Some((run, count)) => Err(format!("{run} was started {count} times")),
        None => Ok(()),
    }
}

/// Where a tenant is installed it is known to be: so it is not gone before it is removed.
fn nothing_is_forgotten(
    control: &Control,
    machine: &Machine,
    node: &Object<Node>,
) -> Result<(), String> {
    // What is installed on a node that is deleted stays there until the next one is told.
    if machine.was_deleted {
        return Ok(());
    }
    for (name, installed) in &machine.tenants.ground.installed {
        let tenant = control.world.tenants.get(installed.id);
        if tenant.and_then(|tenant| tenant.on(node.id)).is_none() {
            return Err(format!("{name} is installed on {}, and nobody knows", machine.name));
        }
    }
    Ok(())
}

/// What is said to be installed was installed.
fn nothing_is_made_up(world: &World, machine: &Machine, node: &Object<Node>) -> Result<(), String> {
    for tenant in world.tenants.iter() {
        let on = tenant.on(node.id).filter(|on| on.state == TenantNodeState::Installed);
        let Some(hash) = on.and_then(|on| on.hash) else { continue };
        if !machine.tenants.ground.was_installed.contains(&(tenant.id, hash)) {
            return Err(format!("{} was never installed on {}", tenant.name, machine.name));
        }
    }
    Ok(())
}

/// In the end: each tenant is on the nodes that it is to be on, as it is declared, and
/// nowhere else; that is what its status says; runs are over; and nobody says any more.
pub(crate) fn converged(
    control: &Control,
    machines: &[Machine],
    now: Timestamp,
) -> Result<(), String> {
    for tenant in control.world.tenants.iter() {
        status_is_true(control, machines, tenant)?;
        tenant.observed.runs.iter().try_for_each(|run| is_told(tenant, run, machines))?;
    }
    for machine in machines {
        as_declared(control, machine)?;
        let silent = now.since(machine.tenants.reported_at);
        if silent < SILENCE || !machine.tenants.reports().is_empty() {
            return Err(format!("{} has said something of tenants {silent} ago", machine.name));
        }
    }
    Ok(())
}

fn is_in_the_way(machine: &Machine, tenant: &Object<Tenant>) -> bool {
    machine.tenants.ground.foreign.contains(&tenant.name)
}

/// Whether a tenant is to be on a machine.
fn is_wanted(control: &Control, machine: &Machine, tenant: &Object<Tenant>) -> bool {
    let node = control.world.nodes.find(None, &machine.name);
    node.is_some_and(|node| tenant.selects(node))
}

fn status_is_true(
    control: &Control,
    machines: &[Machine],
    tenant: &Object<Tenant>,
) -> Result<(), String> {
    let state = |machine: &Machine| match is_in_the_way(machine, tenant) {
        true => TenantNodeState::Conflict,
        false => TenantNodeState::Installed,
    };
    let wanted = machines.iter().filter(|machine| is_wanted(control, machine, tenant));
    let wanted: BTreeMap<_, _> =
        wanted.map(|machine| (machine.name.clone(), state(machine))).collect();
    let nodes = tenant.observed.nodes.iter().map(|on| (on.node.clone(), on.state));
    let status = match wanted.values().any(|state| *state == TenantNodeState::Conflict) {
        _ if wanted.is_empty() => TenantStatus::Pending,
        true => TenantStatus::Degraded,
        false => TenantStatus::Installed,
    };
    if tenant.status == status && nodes.collect::<BTreeMap<_, _>>() == wanted {
        return Ok(());
    }
    let (name, is, on) = (&tenant.name, tenant.status, &tenant.observed.nodes);
    let waiting = &tenant.waiting_for;
    Err(format!("{name} is {is}, not {status} on {wanted:?}; it waits for {waiting:?}: {on:?}"))
}

/// How a run ended is told, and as it was.
fn is_told(tenant: &Object<Tenant>, run: &TenantRun, machines: &[Machine]) -> Result<(), String> {
    let Some(machine) = machines.iter().find(|machine| machine.name == run.node) else {
        return Ok(());
    };
    let ground = &machine.tenants.ground;
    let was_started = ground.started.contains_key(&run.id);
    let is_known = run.source == Some(RunSource::Tenant) && run.invocation_id.is_some();
    let end = run.invocation_id.as_ref().and_then(|id| ground.ends.get(id));
    let is_true = match run.state {
        RunState::Requested | RunState::Running => false,
        // Or it is one that its timer began just then.
        RunState::Done if is_known => end == run.exit_code.as_ref(),
        // It says that it did not begin, or why its end is not known.
        RunState::Done => run.exit_code != Some(0) && (run.message.is_some() || !was_started),
    };
    match is_true {
        true => Ok(()),
        false => Err(format!("a run of {} was started: {was_started}; {run:?}", tenant.name)),
    }
}

fn as_declared(control: &Control, machine: &Machine) -> Result<(), String> {
    let installed = &machine.tenants.ground.installed;
    for tenant in control.world.tenants.iter().filter(|tenant| is_wanted(control, machine, tenant))
    {
        let is_as_declared = installed.get(&tenant.name).is_some_and(|there| {
            there.id == tenant.id && there.hash == tenant.spec.hash() && !there.is_drifted
        });
        if !is_as_declared && !is_in_the_way(machine, tenant) {
            return Err(format!("{} on {} is not as declared", tenant.name, machine.name));
        }
    }
    for (name, there) in installed {
        let tenant = control.world.tenants.get(there.id);
        if !tenant.is_some_and(|tenant| is_wanted(control, machine, tenant)) {
            return Err(format!("{name} is installed on {}, and not to be there", machine.name));
        }
    }
    Ok(())
}
