//! What is outside of the engine and does not die with it: what effects reach, and who gives
//! events to jobs.
//!
//! The one idea: a ledger of effects by their idempotency keys. Each takes place when its key is
//! first seen, and whoever asks again under that key is told what came of it. So what an engine
//! that dies at bad moments could do wrong is said of the keys: two effects that share one, one
//! effect that has two, one that is asked for although its end is in the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tessera_types::{Duration, Timestamp};
use tessera_workflow::machine::{Action, CloudEvent, Effect, Error, kind};

use crate::rng::Rng;

/// An event is given again after this, until whoever gives it is told that it was taken.
const AGAIN_AFTER: Duration = Duration::from_millis(900);

/// What came of an effect.
pub(super) type Result = std::result::Result<Value, Error>;

/// An effect as the ledger has it.
#[derive(Debug)]
struct Done {
    what: String,
    result: Result,
    /// Its end is in the journal, or it is not wanted any more.
    is_settled: bool,
}

/// An event for a job.
#[derive(Debug)]
struct Letter {
    job: String,
    number: u64,
    at: Timestamp,
    /// Whether it is given once more although it was taken: the answer is lost.
    is_doubled: bool,
}

/// All that is outside.
#[derive(Debug, Default)]
pub(super) struct Outside {
    effects: BTreeMap<Arc<str>, Done>,
    letters: Vec<Letter>,
}

/// An effect and all that it is given.
pub(super) fn shown(effect: &Effect) -> String {
    let what = match &effect.action {
        Action::Adapter { name, arguments } => format!("{name} {arguments}"),
        Action::Emit(event) => format!("emit {}", Value::Object(event.clone())),
        other => format!("{other:?}"),
    };
    format!("{} {what}", effect.task)
}

impl Outside {
    /// An effect is asked for: what comes of it.
    ///
    /// # Errors
    /// When it is not to be asked for under this key.
    pub(super) fn asks(
        &mut self,
        job: &str,
        effect: &Effect,
        fails: bool,
    ) -> std::result::Result<Result, String> {
        let (key, what) = (&effect.idempotency_key, format!("{job}{}", shown(effect)));
        if let Some(done) = self.effects.get(key) {
            return match (done.what == what, done.is_settled) {
                (true, false) => Ok(done.result.clone()),
                (true, true) => Err(format!("{what} is asked for again: its end is known, {key}")),
                (false, _) => Err(format!("{key} is the key of {} and of {what}", done.what)),
            };
        }
        let mut open = self.effects.iter().filter(|(_, done)| !done.is_settled);
        if let Some((other, _)) = open.find(|(_, done)| done.what == what) {
            return Err(format!("{what} has the key {other}, and {key}"));
        }
        let result = match fails {
            true => Err(Error::new(kind::COMMUNICATION, 503, "Unavailable", "no licence is free")),
            false => Ok(json!({"did": key})),
        };
        let done = Done { what, result: result.clone(), is_settled: false };
        self.effects.insert(Arc::clone(key), done);
        Ok(result)
    }

    /// The end of an effect is in the journal, or it is not wanted any more.
    pub(super) fn settles(&mut self, key: &str) {
        if let Some(done) = self.effects.get_mut(key) {
            done.is_settled = true;
        }
    }

    /// How many effects there were.
    pub(super) fn count(&self) -> usize {
        self.effects.len()
    }

    /// Two events for a job that is to begin then.
    pub(super) fn writes(&mut self, job: &str, begins: Timestamp, rng: &mut Rng, is_steady: bool) {
        for number in 1..=2 {
            let ms = if is_steady { 300 * number } else { rng.between(0, 4000) };
            let (job, at) = (job.to_owned(), begins.plus(Duration::from_millis(ms)));
            self.letters.push(Letter { job, number, at, is_doubled: rng.percent(40) });
        }
    }

    /// The events that are given to a job by now.
    pub(super) fn given(&self, job: &str, now: Timestamp) -> Vec<(u64, CloudEvent)> {
        let due = self.letters.iter().filter(|it| it.job == job && it.at <= now);
        due.map(|it| (it.number, said(it.number))).collect()
    }

    /// When a job is given its next event.
    pub(super) fn gives_at(&self, job: &str) -> Option<Timestamp> {
        self.letters.iter().filter(|it| it.job == job).map(|it| it.at).min()
    }

    /// An event was taken.
    pub(super) fn taken(&mut self, job: &str, number: u64, now: Timestamp) {
        self.letters.retain_mut(|it| {
            if it.job != job || it.number != number {
                return true;
            }
            it.at = now.plus(AGAIN_AFTER);
            std::mem::take(&mut it.is_doubled)
        });
    }

    /// A job is over: nobody says anything to it any more.
    pub(super) fn is_over(&mut self, job: &str) {
        self.letters.retain(|it| it.job != job);
    }
}

fn said(number: u64) -> CloudEvent {
    let event = json!({"specversion": "1.0", "source": "https://sim", "id": number.to_string(),
        "type": "said", "data": number});
    match event {
        Value::Object(event) => event,
        _ => unreachable!("it is an object"),
    }
}
