//! Runs of workflows: a document and what happens to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tessera_types::{Duration, Timestamp};
use tessera_workflow::definition::Workflow;
use tessera_workflow::machine::{
    Command, Entry, Error, Happening, Limits, Machine, Outcome, Runtime, Start, StepId,
};
use tessera_workflow::reading::{Documents, Source, read};
use tessera_workflow::value::{Value, from_json};

use super::{chosen, format};

/// Entries of one journal.
const ENTRIES_MAX: usize = 40;

const LIMITS: Limits = Limits {
    tasks_per_entry_max: 500,
    steps_per_entry_max: 20_000,
    entries_max: 100,
    journal_bytes_max: 1 << 20,
    memory_bytes_max: 4 << 20,
    scopes_max: 500,
    nesting_max: 4,
    events_max: 10,
};

/// The first byte is the format; the rest is the document up to a byte 0, and after that each byte
/// something that happens.
pub(super) fn run(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (document, happens) = bytes.split_at(end);
    let Some((first, text)) = chosen(document) else { return };
    let Ok(reading) = read(Source::new("f", text), format(first)) else { return };
    let mut world = World::begin(reading.workflow);
    for byte in happens.iter().skip(1).copied().chain(std::iter::repeat(b'd')).take(ENTRIES_MAX) {
        if world.machine.outcome().is_some() {
            break;
        }
        world.happen(byte);
    }
    world.is_replayed();
}

struct World {
    workflow: Arc<Workflow>,
    machine: Machine,
    now: Timestamp,
    journal: Vec<Entry>,
    /// Effects under way.
    open: Vec<StepId>,
    /// All that was ever wanted: its number and key.
    wanted: BTreeMap<StepId, Arc<str>>,
}

impl World {
    fn begin(workflow: Arc<Workflow>) -> Self {
        let mut world = Self {
            machine: machine(&workflow),
            workflow,
            now: start(),
            journal: Vec::new(),
            open: Vec::new(),
            wanted: BTreeMap::new(),
        };
        world.take();
        world
    }

    /// Each effect is wanted once, under a key that no other has.
    fn take(&mut self) {
        for command in self.machine.take_effects() {
            match command {
                Command::Cancel(step) => self.open.retain(|open| *open != step),
                Command::Do(effect) => {
                    assert!(!self.wanted.values().any(|key| *key == effect.idempotency_key));
                    let twice = self.wanted.insert(effect.id, effect.idempotency_key);
                    assert!(twice.is_none(), "{:?} is wanted twice", effect.id);
                    self.open.push(effect.id);
                }
            }
        }
        self.machine.take_observations();
    }

    fn happen(&mut self, byte: u8) {
        let step = match self.open.len() {
            0 => StepId(u64::from(byte)),
            count => self.open[usize::from(byte) % count],
        };
        let result = match byte % 5 {
            0 => json!({"code": 0, "stdout": "{\"a\": [1]}", "stderr": ""}),
            1 => json!({"status": 200, "body": {"items": [1, "two", null]}}),
            2 => json!([1, 2, {"a": "b"}]),
            3 => json!("text"),
            _ => serde_json::Value::Null,
        };
        let what = match byte {
            b'w' => Happening::Woken,
            b's' => Happening::Suspended,
            b'r' => Happening::Resumed,
            b'c' => Happening::Cancelled { reason: "enough".to_owned() },
            b'e' => event(&result),
            128.. => Happening::Failed {
                step,
                error: Error::new("communication", u16::from(byte) * 2, "it failed", "as told"),
            },
            _ => Happening::Done { step, result },
        };
        let wakeup = self.machine.next_wakeup().filter(|_| what == Happening::Woken);
        let later = self.now.plus(Duration::from_millis(u64::from(byte)));
        self.now = wakeup.map_or(later, |at| at.max(self.now));
        let entry = Entry { at: self.now, what };
        if let Happening::Done { step, .. } | Happening::Failed { step, .. } = &entry.what {
            self.open.retain(|open| open != step);
        }
        self.journal.push(entry.clone());
        self.machine.apply(&entry);
        self.take();
    }

    /// Who reads the journal from the beginning, as it is stored, comes to the same.
    fn is_replayed(&self) {
        let mut again = machine(&self.workflow);
        for entry in &self.journal {
            let stored = serde_json::to_string(entry).expect("an entry can be stored");
            again.apply(&serde_json::from_str(&stored).expect("it was stored just so"));
        }
        assert_eq!(told(again.outcome()), told(self.machine.outcome()));
        assert_eq!(again.status(), self.machine.status());
        assert_eq!(again.next_wakeup(), self.machine.next_wakeup());
        for command in again.take_effects() {
            if let Command::Do(effect) = command {
                assert_eq!(self.wanted.get(&effect.id), Some(&effect.idempotency_key));
                assert!(self.open.contains(&effect.id), "{:?} is not under way", effect.id);
            }
        }
    }
}

fn event(data: &serde_json::Value) -> Happening {
    let event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": data});
    Happening::Event(event.as_object().cloned().unwrap_or_default())
}

pub(super) fn told(outcome: Option<&Outcome>) -> String {
    match outcome {
        Some(Outcome::Completed(value)) => format!("completed with {value}"),
        other => format!("{other:?}"),
    }
}

fn start() -> Timestamp {
    Timestamp::from_micros(1_777_622_400_000_000)
}

pub(super) fn machine(workflow: &Arc<Workflow>) -> Machine {
    let start = Start {
        run_id: "run-1".into(),
        input: from_json(json!({"name": "web", "items": [1, 2, 3], "nested": {"a": {"b": null}}})),
        at: start(),
        secrets: [("token".into(), Value::utf8_str("s3cr3t".to_owned()))].into(),
        runtime: Runtime { name: "tessera".into(), version: "0".into(), metadata: Value::Null },
        limits: LIMITS,
        reader: Arc::new(Documents),
    };
    Machine::start(workflow.clone(), start)
}
