//! Operators, who do things through the API, and whose answers get lost.
//!
//! The one idea: whoever gets no answer asks the same again, under the same idempotency key, and
//! it is done once. To ask the same again is to do the same with the same luck.

use tessera_store::IdempotencyKey;
use tessera_types::Timestamp;

use crate::catalogue;
use crate::control::Control;
use crate::life;
use crate::rng::Rng;

/// The operators.
#[derive(Debug, Default)]
pub(crate) struct People {
    asked: u64,
    /// Whether the catalogue was made.
    has_begun: bool,
    /// What was asked without an answer: the luck that it was asked with, and its key.
    unanswered: Option<(Rng, IdempotencyKey)>,
}

impl People {
    /// Somebody asks for something; says for what. It is held until then by a slow disk.
    pub(crate) fn operate(
        &mut self,
        control: &mut Control,
        nodes: u64,
        held_until: Option<Timestamp>,
        now: Timestamp,
        rng: &mut Rng,
    ) -> String {
        self.has_begun = self.has_begun || catalogue::seed(control, now);
        let (mut luck, key, again) = match self.unanswered.take() {
            Some((luck, key)) => (luck, key, "again, "),
            None => (rng.clone(), self.new_key(), ""),
        };
        let before = luck.clone();
        if !again.is_empty() && is_done(control, &key, now) {
            return format!("{} was done before", key.key);
        }
        control.once = Some(key.clone());
        control.held.hold_next(held_until);
        let line = life::operate(control, nodes, now, &mut luck);
        control.held.hold_next(None);
        control.once = None;
        if again.is_empty() {
            *rng = luck;
        }
        if rng.percent(20) {
            self.unanswered = Some((before, key));
            return format!("{again}{line}; the answer is lost");
        }
        format!("{again}{line}")
    }

    fn new_key(&mut self) -> IdempotencyKey {
        self.asked += 1;
        IdempotencyKey { key: format!("operator-{}", self.asked), fingerprint: self.asked }
    }
}

/// Whether this was done; as the handlers ask the store, with nothing to write.
fn is_done(control: &mut Control, key: &IdempotencyKey, now: Timestamp) -> bool {
    control.commit_once(Vec::new(), Some(key.clone()), now).is_ok()
}
