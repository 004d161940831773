//! What breaks, and how it is mended.
//!
//! Whatever breaks does so between two steps, or in the middle of one: a pass, a commit, a
//! handler, the actions of an agent.

use tessera_store::DiskFault;
use tessera_types::node::DesiredNodeStatus;
use tessera_types::{Duration, Edit, Node, Write};

use super::{Event, Sim, turns};
use crate::control::Control;
use crate::hosts;
use crate::life;
use crate::message::{TWINS_FROM, ToControl};
use crate::rng::Rng;

/// Something that broke and is mended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mend {
    Control,
    Agent(usize),
    Frozen(usize),
    CutOff(usize),
    OneWay(usize),
    AgentsDisk(usize),
    Clock(usize),
    ControlClock,
    Disk,
}

/// What happened, and what mends it after a while; whatever is over by itself says for how long.
type Broken = (String, Option<Mend>);

impl Sim {
    /// An operator gives up a node. Its machine is gone for a while, and comes back under its
    /// name; or it is there all the time, and registers anew.
    fn remove_node(&mut self, i: usize, ms: u64) -> String {
        let name = self.machines[i].name.clone();
        let now = self.now;
        let node = self.control.as_ref().and_then(|it| it.world.nodes.find(None, &name).cloned());
        let (Some(control), Some(node)) = (&mut self.control, node) else {
            return format!("{name} is not known");
        };
        let mut edit = Edit::<Node>::of(&node, control.clock.wall(now));
        edit.request_deletion();
        // Also where nobody is told, as the power goes in this commit, it may be.
        self.machines[i].was_deleted = true;
        let asked = edit.finish().map(|edited| control.commit(vec![Write::update(edited)], now));
        let Some(Ok(_)) = asked else { return format!("{name} is not removed") };
        let machine = &mut self.machines[i];
        if !self.rng.percent(50) {
            return format!("{name} is removed");
        }
        match machine.tenants.ground.is_bare() {
            true => machine.set_up_anew(now),
            false => machine.lose_power(now),
        }
        machine.is_cut_off = true;
        self.after(ms, Event::Mend(Mend::Agent(i)));
        self.after(ms, Event::Mend(Mend::CutOff(i)));
        format!("{name} is gone for {ms} ms, and removed")
    }

    /// Somebody does something. Nobody is answered by a control plane that is not there or
    /// does not run, and who books waits for whoever is booking.
    pub(super) fn operate(&mut self) {
        let (nodes, now) = (self.config.nodes, self.now);
        let held_until = turns::pause(self.slow_until, now, &mut self.rng);
        let Some(control) = &mut self.control else { return };
        if control.is_frozen(now) || control.held.is_booking() {
            return;
        }
        let line = self.people.operate(control, nodes, held_until, now, &mut self.rng);
        self.note(&line);
    }

    /// Somebody does something about hosts and definitions, and waits for whoever is booking.
    pub(super) fn operate_hosts(&mut self) {
        let now = self.now;
        let Some(control) = &mut self.control else { return };
        if control.is_frozen(now) || control.held.is_booking() {
            return;
        }
        let line = hosts::operate(control, now, &mut self.rng);
        self.note(&line);
    }

    /// Something breaks: what is hurt says how.
    pub(super) fn break_something(&mut self) {
        let i = self.rng.between(0, self.machines.len() as u64) as usize;
        let ms = self.rng.between(100, 60_000);
        let (line, mend) = match self.rng.between(0, 20) {
            which @ (0 | 17 | 18) => self.hurt_control(which, ms),
            which @ (1 | 2 | 7..=9) => self.hurt_agent(which, i),
            which @ (3 | 4 | 11 | 12) => self.hurt_network(which, i),
            which @ (5 | 13..=16) => self.hurt_disk(which, ms),
            // Half of the seeds leave it alone: what is put off by a clock that is set may not be
            // over in the end.
            6 if self.config.seed.is_multiple_of(2) => {
                let set_ms = any_ms(&mut self.rng);
                self.set_control_clock(set_ms);
                let line = format!("the control plane's clock is set by {set_ms} ms");
                (line, Some(Mend::ControlClock))
            }
            // In some seeds only, as where nodes leave more may be promised than there is.
            19 if self.config.seed % 3 == 1 => (self.remove_node(i, ms), None),
            which => self.hurt_machine(which, i),
        };
        match mend {
            Some(mend) => {
                self.note(&format!("{line}, for {ms} ms"));
                self.after(ms, Event::Mend(mend));
            }
            None => self.note(&line),
        }
    }

    /// The control plane dies, stands still, or is slow to tell.
    fn hurt_control(&mut self, which: u64, ms: u64) -> Broken {
        let (now, until) = (self.now, self.now.plus(Duration::from_millis(ms)));
        match which {
            0 => {
                self.control = None;
                ("the control plane crashes".to_owned(), Some(Mend::Control))
            }
            17 => {
                let control = self.control.as_mut();
                control.into_iter().for_each(|control| control.freeze(now, until));
                (format!("the control plane freezes, for {ms} ms"), None)
            }
            _ => {
                let control = self.control.as_mut();
                control.into_iter().for_each(|control| control.tells_late_until = until);
                (format!("agents are told late, for {ms} ms"), None)
            }
        }
    }

    /// The agent of a machine dies, stands still, or has a twin.
    fn hurt_agent(&mut self, which: u64, i: usize) -> Broken {
        let name = self.machines[i].name.clone();
        match which {
            1 => {
                self.machines[i].kill_agent(self.now);
                (format!("the agent of {name} is killed"), Some(Mend::Agent(i)))
            }
            2 => {
                self.machines[i].is_frozen = true;
                (format!("the agent of {name} freezes"), Some(Mend::Frozen(i)))
            }
            7 => {
                // An agent with a copy of the state folder registers, and is gone.
                let session = TWINS_FROM + self.made;
                let installation = self.machines[i].installation;
                self.send_up(i, session, &ToControl::Register { installation });
                (format!("a twin of {name}'s agent registers"), None)
            }
            _ => {
                let actions = self.rng.between(0, 8) as u32;
                self.machines[i].dies_after = Some(actions);
                let line =
                    format!("the agent of {name} is killed in its work, after {actions} actions");
                (line, Some(Mend::Agent(i)))
            }
        }
    }

    /// A machine is cut off, or in one direction.
    fn hurt_network(&mut self, which: u64, i: usize) -> Broken {
        let machine = &mut self.machines[i];
        if matches!(which, 3 | 4) {
            machine.is_cut_off = true;
            return (format!("{} is cut off", machine.name), Some(Mend::CutOff(i)));
        }
        machine.is_mute = self.rng.percent(50);
        machine.is_deaf = !machine.is_mute;
        let what = if machine.is_mute { "is not heard" } else { "hears nothing" };
        (format!("{} {what}", machine.name), Some(Mend::OneWay(i)))
    }

    /// The disk of the control plane refuses, is slow, or loses its power.
    fn hurt_disk(&mut self, which: u64, ms: u64) -> Broken {
        match which {
            5 => {
                let fault = *self.rng.pick(&[DiskFault::Full, DiskFault::Broken]);
                self.disk.set_fault(Some(fault));
                // Until it is mended, and that moves this.
                self.disk_failed_at = self.now.plus(Duration::from_secs(3600));
                (format!("the disk is {fault:?}"), Some(Mend::Disk))
            }
            13 | 14 => {
                self.slow_until = self.now.plus(Duration::from_millis(ms));
                (format!("the disk is slow, for {ms} ms"), None)
            }
            _ => {
                let is_kept = self.rng.percent(50);
                if self.disk.memory.fault().is_none() {
                    self.disk.die_in_commit(is_kept);
                }
                let what = if is_kept { "after" } else { "before" };
                (format!("the power goes in the next commit, {what} it is there"), None)
            }
        }
    }

    /// A machine loses its power, or its clock is set.
    fn hurt_machine(&mut self, which: u64, i: usize) -> Broken {
        let (machine, now) = (&mut self.machines[i], self.now);
        if which == 10 {
            machine.lose_power(now);
            return (format!("{} loses its power", machine.name), Some(Mend::Agent(i)));
        }
        let set_ms = any_ms(&mut self.rng);
        machine.set_clock(set_ms);
        (format!("the clock of {} is set by {set_ms} ms", machine.name), Some(Mend::Clock(i)))
    }

    pub(super) fn mend(&mut self, mend: Mend) {
        self.note(&format!("mended: {mend:?}"));
        let now = self.now;
        match mend {
            Mend::Control => {
                if self.disk.revive() {
                    self.disk_failed_at = now;
                }
                let clock = &self.control_clock;
                let start = || Control::start(&self.disk, clock.clone(), now);
                self.control.get_or_insert_with(start);
            }
            Mend::Agent(i) => {
                self.machines[i].dies_after = None;
                if self.machines[i].agent.is_none() {
                    let unsaved = self.machines[i].unsaved.iter().map(|it| (it.id, it.epoch));
                    self.disk.ledger.borrow_mut().has_forgotten(unsaved);
                    self.machines[i].start_agent(now);
                }
            }
            Mend::Frozen(i) => self.machines[i].wake_up(now),
            Mend::CutOff(i) => self.machines[i].is_cut_off = false,
            Mend::OneWay(i) => {
                (self.machines[i].is_mute, self.machines[i].is_deaf) = (false, false);
            }
            Mend::AgentsDisk(i) => self.machines[i].is_disk_full = false,
            Mend::Clock(i) => self.machines[i].set_clock(0),
            Mend::ControlClock => self.set_control_clock(0),
            Mend::Disk => {
                if !self.disk.has_died() {
                    self.disk.set_fault(None);
                }
                self.disk_failed_at = now;
            }
        }
    }

    fn set_control_clock(&mut self, ms: i64) {
        self.control_clock.set(ms);
        if ms != 0 {
            self.quiet.clock_is_set();
        }
        if let Some(control) = &mut self.control {
            control.clock.set(ms);
        }
    }

    /// Faults are over: everything is mended, and every node is wanted.
    pub(super) fn make_peace(&mut self) {
        self.note("peace");
        self.mend_tenants();
        for i in 0..self.machines.len() {
            self.mend(Mend::Agent(i));
            self.mend(Mend::Frozen(i));
            self.mend(Mend::CutOff(i));
            self.mend(Mend::OneWay(i));
            self.mend(Mend::AgentsDisk(i));
            self.machines[i].is_at_peace = true;
            self.mend(Mend::Clock(i));
            // What a clock that was just set has made due, happens now.
            self.machines[i].advance(self.now, false);
        }
        self.mend(Mend::ControlClock);
        self.disk.revive();
        self.mend(Mend::Disk);
        self.slow_until = self.now;
        if let Some(control) = &mut self.control {
            let now = self.now;
            control.thaw(now);
        }
        self.mend(Mend::Control);
        self.engine.is_mended(self.now);
        self.engine_is_cut_off_until = self.now;
        let names: Vec<_> = self.machines.iter().map(|machine| machine.name.clone()).collect();
        let now = self.now;
        // Their clocks were put right, which may have ended windows.
        for machine in &mut self.machines {
            machine.advance(now, false);
        }
        if let Some(control) = &mut self.control {
            for name in names {
                life::set_desired(control, &name, DesiredNodeStatus::Ready, now);
            }
            self.mended.extend(life::mend_specs(control, now));
        }
    }
}

/// By how much a clock is set: mostly a lot, and in either direction.
pub(super) fn any_ms(rng: &mut Rng) -> i64 {
    let most = *rng.pick(&[1000, 20_000, 600_000, 7_200_000]);
    rng.between(0, 2 * most + 1) as i64 - most as i64
}
