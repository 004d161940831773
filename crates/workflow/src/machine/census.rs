//! How much memory a run holds, and how much it has been told.
//!
//! Values are shared: a hundred branches hold the same input once. So what is held is counted by a
//! walk that visits each part once. The walk is made only when enough was made since the last one
//! to matter, so that it costs no more than making the values did.

use std::collections::HashSet;
use std::sync::Arc;

use super::run::Machine;
use super::scope::{Body, Frame, Scope};
use super::{Action, Error, Happening, Observed, ProcessSpec};
use crate::value::Value;

/// Texts that are shorter are counted as often as they occur.
const SHARED_TEXT_BYTES_MIN: usize = 64;
/// What a scalar costs, a JSON tree's node included.
const NODE_BYTES: usize = 32;

/// What a run holds is counted anew once it has made so much, or a quarter of what it held.
pub(super) const UNCOUNTED_BYTES_MAX: usize = 4 << 10;

/// The bytes of values, each counted once.
#[derive(Default)]
pub(super) struct Census {
    seen: HashSet<usize>,
    pub(super) bytes: usize,
}

impl Census {
    pub(super) fn add(&mut self, value: &Value) {
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            self.bytes += size_of::<Value>();
            match value {
                Value::TStr(text) | Value::BStr(text) => {
                    let is_new = text.len() < SHARED_TEXT_BYTES_MIN
                        || self.seen.insert(text.as_ptr() as usize);
                    self.bytes += if is_new { NODE_BYTES + text.len() } else { 0 };
                }
                Value::Arr(all) if self.seen.insert(Arc::as_ptr(all) as usize) => {
                    open.extend(all.iter());
                }
                Value::Obj(fields) if self.seen.insert(Arc::as_ptr(fields) as usize) => {
                    open.extend(fields.keys().chain(fields.values()));
                }
                _ => {}
            }
        }
    }

    fn add_scope(&mut self, scope: &Scope) {
        scope.env.locals.values().for_each(|it| self.add(it));
        match &scope.frame {
            Frame::Run(run) => {
                [&run.raw, &run.context, &run.descriptor].into_iter().for_each(|it| self.add(it));
            }
            Frame::List(list) => self.add(&list.data),
            Frame::Task(task) => {
                self.add(&task.raw);
                let known = [&task.input, &task.output, &task.result, &task.authorization];
                known.into_iter().flatten().for_each(|it| self.add(it));
                self.add_body(&task.body);
            }
        }
    }

    fn add_body(&mut self, body: &Body) {
        match body {
            Body::Idle | Body::Try(_) => {}
            Body::For(state) => {
                self.add(&state.data);
                state.items.iter().for_each(|it| self.add(it));
            }
            Body::Fork(state) => state.outputs.iter().for_each(|it| self.add(it)),
            Body::Listen(state) => state.values().for_each(|it| self.add(it)),
            Body::Emitted(event) => self.add(event),
        }
    }
}

impl Machine {
    /// The bytes of all that this run holds.
    pub(super) fn held_bytes(&self) -> usize {
        let mut census = Census::default();
        self.scopes.values().for_each(|scope| census.add_scope(scope));
        self.mailbox.events().for_each(|it| census.add(it));
        for observation in &self.observations {
            if let Observed::Completed(it) | Observed::CorrelationCompleted(it) = &observation.what
            {
                census.add(it);
            }
        }
        let texts: usize = self.library.texts.values().map(|text| text.len()).sum();
        let effects: usize = self.steps.values().map(|step| step.bytes).sum();
        census.bytes + texts + effects
    }

    /// About how many bytes of data this run holds. Mostly that is known from before.
    pub fn memory_bytes(&mut self) -> usize {
        if self.bytes_uncounted >= UNCOUNTED_BYTES_MAX.max(self.bytes_counted / 4) {
            self.bytes_counted = self.held_bytes();
            self.bytes_uncounted = 0;
        }
        self.bytes_counted.saturating_add(self.bytes_uncounted)
    }

    /// Counts bytes that were made; faults the run when it holds too much.
    pub(super) fn hold(&mut self, bytes: usize) {
        let max = self.limits.memory_bytes_max;
        self.bytes_made = self.bytes_made.saturating_add(bytes);
        self.bytes_uncounted = self.bytes_uncounted.saturating_add(bytes);
        if self.bytes_made < max / 4 || self.outcome.is_some() {
            return;
        }
        self.bytes_made = 0;
        if self.held_bytes() > max {
            let max = max >> 20;
            self.stop(Error::runtime(format!(
                "the data of the run needs more than {max} MiB: let tasks export and pass on only \
                 what later ones need"
            )));
        }
    }
}

/// About how many bytes an entry has in the journal, and its values in memory.
pub(super) fn happening_bytes(what: &Happening) -> usize {
    match what {
        Happening::Done { result, .. } => json_bytes([result]),
        Happening::Event(event) => json_bytes(event.values()),
        Happening::Failed { error, .. } => error.detail.as_deref().map_or(0, str::len),
        Happening::Cancelled { reason } => reason.len(),
        Happening::Woken | Happening::Suspended | Happening::Resumed => 0,
    }
}

fn json_bytes<'j>(values: impl IntoIterator<Item = &'j serde_json::Value>) -> usize {
    let mut bytes = 0;
    let mut open: Vec<_> = values.into_iter().collect();
    while let Some(value) = open.pop() {
        bytes += NODE_BYTES;
        match value {
            serde_json::Value::String(text) => bytes += text.len(),
            serde_json::Value::Array(all) => open.extend(all),
            serde_json::Value::Object(fields) => {
                bytes += fields.keys().map(|key| NODE_BYTES + key.len()).sum::<usize>();
                open.extend(fields.values());
            }
            _ => {}
        }
    }
    bytes
}

/// About how many bytes an effect holds while it is under way.
pub(super) fn action_bytes(action: &Action) -> usize {
    let mut census = Census::default();
    let texts = match action {
        Action::Http(request) => {
            request.body.iter().for_each(|it| census.add(it));
            pairs(&request.headers) + pairs(&request.query)
        }
        Action::OpenApi(request) => {
            census.add(&request.parameters);
            0
        }
        Action::Adapter { arguments, .. } => {
            census.add(arguments);
            0
        }
        Action::Process { spec, .. } => process_bytes(spec),
        Action::StartRun(run) => {
            census.add(&run.input);
            0
        }
        Action::Emit(event) => json_bytes(event.values()),
        Action::Fetch(_) | Action::FindWorkflow { .. } => 0,
    };
    census.bytes + texts
}

fn process_bytes(spec: &ProcessSpec) -> usize {
    let (code, arguments, environment, stdin) = match spec {
        ProcessSpec::Shell(it) => (Some(&it.command), &it.arguments, &it.environment, &it.stdin),
        ProcessSpec::Script(it) => (Some(&it.code), &it.arguments, &it.environment, &it.stdin),
        ProcessSpec::Container(it) => {
            (it.command.as_ref(), &it.arguments, &it.environment, &it.stdin)
        }
    };
    let texts = code.into_iter().chain(arguments).chain(stdin);
    texts.map(|it| it.len()).sum::<usize>() + pairs(environment)
}

fn pairs(pairs: &[(Arc<str>, Arc<str>)]) -> usize {
    pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
}
