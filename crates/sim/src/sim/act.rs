//! How acts take place in a run: each with its own chance, and left out without a trace.

use crate::acts::{Act, Class};
use crate::rng::Rng;

use super::Sim;

impl Sim {
    /// The next act of its class takes place, unless it is left out. Returns what decides
    /// when the one after it comes.
    pub(super) fn act(&mut self, class: Class, happen: impl FnOnce(&mut Self)) -> Rng {
        let act = self.acts.next(class);
        if self.config.acts.takes(act) {
            self.take_place(act, act.rng(self.config.seed), happen);
        }
        act.pause(self.config.seed)
    }

    /// An occasion on which something may go wrong, and whether it does.
    pub(super) fn may<T>(
        &mut self,
        class: Class,
        is_taken: impl FnOnce(&mut Rng) -> bool,
        happen: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        if !self.config.faults || self.is_peace() {
            return None;
        }
        let act = self.acts.next(class);
        let mut rng = act.rng(self.config.seed);
        let is_taken = is_taken(&mut rng) && self.config.acts.takes(act);
        is_taken.then(|| self.take_place(act, rng, happen))
    }

    fn take_place<T>(&mut self, act: Act, rng: Rng, happen: impl FnOnce(&mut Self) -> T) -> T {
        self.acts.happened.push(act);
        let tenant_rng = Rng::of(self.config.seed ^ 0x7E4A, rng.clone().between(0, u64::MAX));
        let rng = std::mem::replace(&mut self.rng, rng);
        let tenant_rng = std::mem::replace(&mut self.tenant_rng, tenant_rng);
        let acting = self.acting.replace(act);
        let done = happen(self);
        (self.rng, self.tenant_rng, self.acting) = (rng, tenant_rng, acting);
        done
    }

    /// When a message arrives, in milliseconds from now: once for each time that it does.
    /// `disturb` says what becomes of it where something goes wrong with it.
    pub(super) fn arrivals(
        &mut self,
        whose: &str,
        disturb: impl FnOnce(&mut Rng) -> Option<Vec<u64>>,
    ) -> Vec<u64> {
        self.counts.messages += 1;
        if let Some(arrivals) = self.boundary_of_message(whose) {
            return arrivals;
        }
        if !self.config.faults || self.is_peace() {
            return vec![1];
        }
        let act = self.acts.next(Class::Network);
        let mut rng = act.rng(self.config.seed);
        let usual = rng.between(1, 20);
        let Some(arrivals) = disturb(&mut rng).filter(|_| self.config.acts.takes(act)) else {
            return vec![usual];
        };
        self.acts.happened.push(act);
        if self.config.tells_all {
            let acting = self.acting.replace(act);
            self.note(&format!("a message {whose} {}", fate(&arrivals)));
            self.acting = acting;
        }
        arrivals
    }
}

fn fate(arrivals: &[u64]) -> String {
    match arrivals {
        [] => "is lost".to_owned(),
        [ms] => format!("takes {ms} ms"),
        _ => format!("comes more than once, after {arrivals:?} ms"),
    }
}
