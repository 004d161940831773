//! People who follow a script: each step until it is acknowledged.

use tessera_store::IdempotencyKey;
use tessera_types::Duration;

use super::faults::Mend;
use super::{Event, Sim};
use crate::script::{Step, follow};

/// What got no answer is done again after this, and what comes next is done after it.
const AGAIN_MS: u64 = 500;
const NEXT_MS: u64 = 50;

impl Sim {
    /// Somebody does what comes next in the script, or tries to.
    pub(super) fn follow_script(&mut self) {
        let Some(step) = self.config.script.as_ref().and_then(|it| it.steps.get(self.steps)) else {
            return;
        };
        let step = step.clone();
        let is_done = self.do_step(&step);
        // Who died with the answer has not answered.
        let is_done = is_done && !self.disk.chronicle.is_dead();
        if is_done {
            self.note(&step.to_string());
            self.steps += 1;
        }
        let pause = match step {
            Step::Pause(time) => time,
            _ if is_done => Duration::from_millis(NEXT_MS),
            _ => Duration::from_millis(AGAIN_MS),
        };
        self.after(pause.as_millis(), Event::Script);
    }

    fn do_step(&mut self, step: &Step) -> bool {
        let now = self.now;
        match step {
            Step::CutOff(i, is_cut_off) => self.machines[*i].is_cut_off = *is_cut_off,
            Step::Reboot(i) => {
                self.machines[*i].lose_power(now);
                self.after(AGAIN_MS, Event::Mend(Mend::Agent(*i)));
            }
            _ => {}
        }
        let number = self.steps as u64;
        let Some(control) = &mut self.control else { return false };
        // Whoever does it again does it under the same key, and it is done once.
        control.once = Some(IdempotencyKey { key: format!("step-{number}"), fingerprint: number });
        let is_done = follow(control, step, now);
        control.once = None;
        is_done
    }

    /// The script came to its end, or did not.
    pub(super) fn script_is_over(&self) -> Result<(), String> {
        let Some(script) = &self.config.script else { return Ok(()) };
        match script.steps.get(self.steps) {
            None => Ok(()),
            Some(step) => Err(format!("'{step}' is not acknowledged in the end")),
        }
    }
}
