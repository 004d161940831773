//! What people and fate do to tenants.

use std::collections::BTreeMap;

use tessera_reconciler::request_run;
use tessera_types::tenant::{TenantNode, TenantNodeState};
use tessera_types::{Duration, Edit, KindName, Manifest, Name, Node, Tenant, limits};

use super::faults::Mend;
use super::{Event, Sim};
use crate::acts::Class;
use crate::api::{declare, edit, of_fleet, run_on, taken};
use crate::machine::Machine;

/// Names of tenants in play.
const TENANTS: u64 = 4;

/// So long after everything else is at peace people go on with tenants: then nothing but
/// tenants is news to agents.
const GOES_ON: Duration = Duration::from_secs(300);

impl Sim {
    /// Something happens to a tenant, and the next thing later; or at once, so that one is
    /// in the middle of another.
    pub(super) fn operate_tenants(&mut self) {
        if self.now >= self.peace_at.plus(GOES_ON) {
            return;
        }
        let mut pause = self.act(Class::Tenant, Self::change_tenants);
        let is_burst = pause.percent(30);
        let ms = pause.between(1, if is_burst { 600 } else { 15_000 });
        self.after(ms, Event::Tenants);
    }

    fn change_tenants(&mut self) {
        let faults = if self.config.faults && !self.is_peace() { 8 } else { 0 };
        let line = match self.tenant_rng.between(0, 10 + faults) {
            0..=2 => self.declare_tenant(),
            3 => self.delete_tenant(),
            4 | 5 => self.label_node(),
            6..=8 => self.ask_for_run(),
            9 => self.fire(),
            10 | 11 => self.put_in_the_way(),
            12 | 13 => self.drift(),
            14 => self.fill_disk(),
            15 => self.take_manager_away(),
            16 => self.restart_manager(),
            _ => self.cut_power(),
        };
        if let Some(line) = line {
            self.note(&line);
        }
    }

    /// Nothing fails any more. Some of what is in the way stays there.
    pub(super) fn mend_tenants(&mut self) {
        for machine in &mut self.machines {
            let ground = &mut machine.tenants.ground;
            (ground.is_disk_full, ground.is_manager_away) = (false, false);
            ground.foreign.retain(|_| self.tenant_rng.percent(30));
        }
    }

    fn tenant_name(&mut self) -> Name {
        let number = self.tenant_rng.between(0, TENANTS);
        Name::new(&format!("t{number}")).expect("a DNS label")
    }

    fn declare_tenant(&mut self) -> Option<String> {
        let (name, rng) = (self.tenant_name(), &mut self.tenant_rng);
        let selector = match rng.between(0, 4) {
            0 => serde_json::json!({}),
            1 => serde_json::json!({"node": "n0"}),
            _ => serde_json::json!({"zone": *rng.pick(&["a", "b"])}),
        };
        let manifest: Manifest<Tenant> = serde_json::from_value(serde_json::json!({
            "name": name,
            "spec": {
                "node_selector": selector,
                "manifest": format!("version {}", rng.between(0, 3)),
            },
        }))
        .expect("a valid manifest");
        let control = self.control.as_mut()?;
        let taken = taken(declare(control, manifest, self.now));
        Some(format!("declare {name} for {selector}: {taken}"))
    }

    fn delete_tenant(&mut self) -> Option<String> {
        let name = self.tenant_name();
        self.edit_tenant(&name, Edit::request_deletion)?;
        Some(format!("delete {name}"))
    }

    fn label_node(&mut self) -> Option<String> {
        let number = self.tenant_rng.between(0, self.config.nodes);
        let zone = *self.tenant_rng.pick(&["a", "b"]);
        let (control, now) = (self.control.as_mut()?, self.now);
        let name = Name::new(&format!("n{number}")).expect("a DNS label");
        // A refused label is as if it was never set.
        edit::<Node>(control, &of_fleet(KindName::Node, &name), now, |edit| {
            edit.object.labels = BTreeMap::from([("zone".to_owned(), zone.to_owned())]).into();
        })?;
        Some(format!("{name} is in zone {zone}"))
    }

    fn ask_for_run(&mut self) -> Option<String> {
        let name = self.tenant_name();
        let tenant = self.control.as_ref()?.world.tenants.find(None, &name)?.clone();
        let is_there =
            |on: &&TenantNode| on.hash.is_some() && on.state != TenantNodeState::Removing;
        let nodes: Vec<_> = tenant.observed.nodes.iter().filter(is_there).collect();
        let open = tenant.observed.runs.iter().filter(|run| run.is_open()).count();
        if nodes.is_empty() || open >= limits::TENANT_RUNS_MAX {
            return None;
        }
        let on = (*self.tenant_rng.pick(&nodes)).clone();
        self.made += 1;
        let id = format!("r{}", self.made);
        let run = run_on(&on, &id, self.now);
        self.edit_tenant(&name, |edit| request_run(edit, run))?;
        Some(format!("run {name} on {} as {id}", on.node))
    }

    /// Or takes it away again.
    fn put_in_the_way(&mut self) -> Option<String> {
        let name = self.tenant_name();
        let machine = self.any_machine();
        let foreign = &mut machine.tenants.ground.foreign;
        if !foreign.remove(&name) {
            foreign.insert(name.clone());
        }
        let names: Vec<_> = foreign.iter().map(Name::as_str).collect();
        Some(format!("in the way on {}: {names:?}", machine.name))
    }

    fn drift(&mut self) -> Option<String> {
        let name = self.tenant_name();
        let machine = self.any_machine();
        machine.tenants.ground.installed.get_mut(&name)?.is_drifted = true;
        Some(format!("{name} is changed on {}", machine.name))
    }

    fn fire(&mut self) -> Option<String> {
        let (name, i) = (self.tenant_name(), self.any_machine_at());
        let (machine, now) = (&mut self.machines[i], self.now);
        machine.tenants.ground.fire(&name, now, &machine.clock, &mut self.tenant_rng);
        Some(format!("the timer of {name} fires on {}", machine.name))
    }

    fn fill_disk(&mut self) -> Option<String> {
        let machine = self.any_machine();
        let is_full = &mut machine.tenants.ground.is_disk_full;
        *is_full = !*is_full;
        Some(format!("the disk of {} is full: {is_full}", machine.name))
    }

    fn take_manager_away(&mut self) -> Option<String> {
        let machine = self.any_machine();
        let is_away = &mut machine.tenants.ground.is_manager_away;
        *is_away = !*is_away;
        Some(format!("the service manager of {} is away: {is_away}", machine.name))
    }

    fn restart_manager(&mut self) -> Option<String> {
        let now = self.now;
        let machine = self.any_machine();
        machine.tenants.ground.restart_manager(now);
        Some(format!("the service manager of {} is started anew", machine.name))
    }

    /// Of the agent and of what it would find again.
    fn cut_power(&mut self) -> Option<String> {
        let (i, now) = (self.any_machine_at(), self.now);
        self.machines[i].kill_agent(now);
        self.machines[i].tenants.ground.restart_manager(now);
        let ms = self.tenant_rng.between(10, 20_000);
        self.after(ms, Event::Mend(Mend::Agent(i)));
        Some(format!("{} loses its power for {ms} ms", self.machines[i].name))
    }

    fn any_machine_at(&mut self) -> usize {
        self.tenant_rng.between(0, self.machines.len() as u64) as usize
    }

    fn any_machine(&mut self) -> &mut Machine {
        let i = self.any_machine_at();
        &mut self.machines[i]
    }

    /// Changes a tenant; none where there is no such, or no control plane.
    fn edit_tenant(&mut self, name: &Name, change: impl FnOnce(&mut Edit<Tenant>)) -> Option<()> {
        let now = self.now;
        let control = self.control.as_mut()?;
        let tenant = control.world.tenants.find(None, name)?;
        let is_wanted = tenant.deletion_requested_at.is_none();
        let key = tenant.key();
        let is_written = is_wanted && edit(control, &key, now, change)?;
        is_written.then_some(())
    }
}
