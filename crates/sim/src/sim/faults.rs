//! What breaks, and how it is mended.

use tessera_store::DiskFault;
use tessera_types::Duration;
use tessera_types::node::DesiredNodeStatus;

use super::{Event, Sim};
use crate::control::Control;
use crate::life;
use crate::message::ToControl;
use crate::rng::Rng;

/// Something that broke and is mended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mend {
    Control,
    Agent(usize),
    Frozen(usize),
    CutOff(usize),
    Clock(usize),
    ControlClock,
    Disk,
}

impl Sim {
    pub(super) fn break_something(&mut self) {
        let i = self.rng.between(0, self.machines.len() as u64) as usize;
        let ms = self.rng.between(100, 60_000);
        let name = self.machines[i].name.clone();
        let (line, mend) = match self.rng.between(0, 10) {
            0 => {
                self.control = None;
                ("the control plane crashes".to_owned(), Mend::Control)
            }
            1 => {
                self.machines[i].kill_agent(self.now);
                (format!("the agent of {name} is killed"), Mend::Agent(i))
            }
            2 => {
                self.machines[i].is_frozen = true;
                (format!("the agent of {name} freezes"), Mend::Frozen(i))
            }
            3 | 4 => {
                self.machines[i].is_cut_off = true;
                (format!("{name} is cut off"), Mend::CutOff(i))
            }
            5 => {
                self.disk.set_fault(Some(DiskFault::Full));
                // Until it is mended, and that moves this.
                self.disk_failed_at = self.now.plus(Duration::from_secs(3600));
                ("the disk is full".to_owned(), Mend::Disk)
            }
            // Half of the seeds leave it alone: what is promised by a clock that is set
            // cannot be checked.
            6 if self.config.seed.is_multiple_of(2) => {
                let set_ms = any_ms(&mut self.rng);
                self.set_control_clock(set_ms);
                (format!("the control plane's clock is set by {set_ms} ms"), Mend::ControlClock)
            }
            7 => {
                // An agent with a copy of the state folder registers, and is gone.
                let session = 1_000_000 + self.made;
                self.send_up(i, session, &ToControl::Register);
                return self.note(&format!("a twin of {name}'s agent registers"));
            }
            _ => {
                let set_ms = any_ms(&mut self.rng);
                self.machines[i].set_clock(set_ms);
                (format!("the clock of {name} is set by {set_ms} ms"), Mend::Clock(i))
            }
        };
        self.note(&format!("{line}, for {ms} ms"));
        self.after(ms, Event::Mend(mend));
    }

    pub(super) fn mend(&mut self, mend: Mend) {
        self.note(&format!("mended: {mend:?}"));
        let now = self.now;
        match mend {
            Mend::Control => {
                let clock = &self.control_clock;
                let start = || Control::start(&self.disk, &self.chronicle, clock.clone(), now);
                self.control.get_or_insert_with(start);
            }
            Mend::Agent(i) => {
                if self.machines[i].agent.is_none() {
                    self.machines[i].start_agent(now, &mut self.rng);
                }
            }
            Mend::Frozen(i) => self.machines[i].wake_up(now, &mut self.rng),
            Mend::CutOff(i) => self.machines[i].is_cut_off = false,
            Mend::Clock(i) => self.machines[i].set_clock(0),
            Mend::ControlClock => self.set_control_clock(0),
            Mend::Disk => {
                self.disk.set_fault(None);
                self.disk_failed_at = now;
            }
        }
    }

    fn set_control_clock(&mut self, ms: i64) {
        self.control_clock.set(ms);
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
            self.mend(Mend::Clock(i));
            // What a clock that was just set has made due, happens now.
            self.machines[i].advance(self.now, false, &mut self.rng);
        }
        self.mend(Mend::ControlClock);
        self.mend(Mend::Disk);
        self.mend(Mend::Control);
        self.engine.is_down = false;
        let names: Vec<_> = self.machines.iter().map(|machine| machine.name.clone()).collect();
        let now = self.now;
        // Their clocks were put right, which may have ended windows.
        for machine in &mut self.machines {
            machine.advance(now, false, &mut self.rng);
        }
        if let Some(control) = &mut self.control {
            for name in names {
                life::set_desired(control, &name, DesiredNodeStatus::Ready, now);
            }
        }
    }
}

/// By how much a clock is set: mostly a lot, and in either direction.
fn any_ms(rng: &mut Rng) -> i64 {
    let most = *rng.pick(&[1000, 20_000, 600_000, 7_200_000]);
    rng.between(0, 2 * most + 1) as i64 - most as i64
}
