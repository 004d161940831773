//! What the jobs of the simulated engine are: small documents, read by the real reader.

use std::sync::{Arc, LazyLock};

use serde_json::Value;
use tessera_workflow::definition::Workflow;
use tessera_workflow::reading::{Source, format_of, read};

use super::OfStep;
use crate::rng::Rng;

/// One of the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scenario(usize);

const HEAD: &str = "document: { dsl: 1.0.3, namespace: sim, name: work, version: 1.0.0 }\n";

/// Effects one after the other, a time to wait, an effect that is tried again, events, branches of
/// which one is enough.
const TEXTS: [&str; 6] = [
    "do:
  - one: { call: lab.one, with: { n: 1 } }
  - two: { call: lab.two, with: { after: '${ . }' } }
  - done: { set: { job: '${ $workflow.input.job }' } }",
    "do:
  - begin: { call: lab.begin, with: { n: 1 } }
  - rest: { wait: PT2S }
  - end: { call: lab.end, with: { n: 2 } }
  - done: { set: { job: '${ $workflow.input.job }' } }",
    "do:
  - mind:
      try: [ { hard: { call: lab.hard, with: { n: 1 } } } ]
      catch:
        retry: { delay: PT0.2S, jitter: { from: PT0S, to: PT1S }, limit: { attempt: { count: 2 } } }
  - done: { set: { job: '${ $workflow.input.job }' } }",
    "do:
  - each:
      for: { in: '[1, 2]' }
      do: [ { tell: { emit: { event: { with: { source: 'https://sim', type: told, data: '${ $item }' } } } } } ]
  - race:
      fork:
        compete: true
        branches:
          - quick: { call: lab.quick, with: { n: 1 } }
          - nap: { wait: PT1.5S }
  - done: { set: { job: '${ $workflow.input.job }' } }",
    "do:
  - hear: { listen: { to: { any: [ { with: { type: said } } ], until: '(. | length) == 2' } } }
  - done: { set: { job: '${ $workflow.input.job }', heard: '${ . }' } }",
    "do:
  - for_ever: { listen: { to: { one: { with: { type: never } } } } }",
];

const HEARS: usize = 4;
const ENDLESS: usize = 5;

impl Scenario {
    /// The document of a job: one in ten never ends by itself.
    pub(super) fn any(rng: &mut Rng) -> Self {
        match rng.percent(10) {
            true => Self(ENDLESS),
            false => Self(rng.between(0, ENDLESS as u64) as usize),
        }
    }

    /// The same in every run, whatever else happens.
    pub(super) fn of(step: &OfStep) -> Self {
        let letters = step.step.as_str().bytes().map(usize::from);
        Self(letters.sum::<usize>() % ENDLESS)
    }

    /// Whether somebody is to say something to it, twice.
    pub(super) fn hears(self) -> bool {
        self.0 == HEARS
    }

    /// Whether a job may have come to this: what it was told it has heard once.
    ///
    /// # Errors
    /// What it has heard instead.
    pub(super) fn allows(self, output: &Value) -> Result<(), String> {
        let mut heard = output["heard"].as_array().cloned().unwrap_or_default();
        heard.sort_by_key(Value::as_u64);
        match !self.hears() || heard == [1, 2] {
            true => Ok(()),
            false => Err(format!("a job was told 1 and 2, and has heard {output}")),
        }
    }

    pub(super) fn workflow(self) -> Arc<Workflow> {
        static ALL: LazyLock<Vec<Arc<Workflow>>> = LazyLock::new(|| TEXTS.map(parse).into());
        Arc::clone(&ALL[self.0])
    }
}

fn parse(text: &str) -> Arc<Workflow> {
    let text = format!("{HEAD}{text}\n");
    let read = read(Source::new("work", text.as_str()), format_of("work", &text));
    read.expect("a document of the simulation").workflow
}
