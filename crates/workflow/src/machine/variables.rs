//! The variables that expressions see.
//!
//! Which of them exist is a matter of how far the task is; reading a document sees to it that an
//! expression names none that cannot exist where it stands. The variables of loops and catches hide
//! the specification's own of the same name.

use std::sync::{Arc, LazyLock};

use tessera_types::Timestamp;

use super::Error;
use super::run::Machine;
use super::scope::{Frame, RunStage, ScopeId, TaskFrame};
use crate::expression::{NOW, Variables};
use crate::value::{Value, object};

/// The names of the specification's variables, made once. They are the same in every run.
static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    authorization: "authorization".into(),
    context: "context".into(),
    input: "input".into(),
    now: NOW.into(),
    output: "output".into(),
    runtime: "runtime".into(),
    secrets: "secrets".into(),
    task: "task".into(),
    workflow: "workflow".into(),
});

struct Names {
    authorization: Arc<str>,
    context: Arc<str>,
    input: Arc<str>,
    now: Arc<str>,
    output: Arc<str>,
    runtime: Arc<str>,
    secrets: Arc<str>,
    task: Arc<str>,
    workflow: Arc<str>,
}

impl Machine {
    /// The variables at a scope.
    pub(super) fn variables(&self, id: ScopeId) -> Result<Variables, Error> {
        self.variables_with(id, &Variables::new())
    }

    /// The variables at a scope and some more.
    pub(super) fn variables_with(&self, id: ScopeId, more: &Variables) -> Result<Variables, Error> {
        let (scope, run) = (self.scope(id)?, self.run_of(id)?);
        let mut all = (*scope.env.locals).clone();
        all.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut add = |name: &Arc<str>, value: Option<&Value>| {
            if let Some(value) = value {
                all.entry(name.clone()).or_insert_with(|| value.clone());
            }
        };
        add(&NAMES.now, Some(&seconds(self.now)));
        add(&NAMES.runtime, Some(&self.runtime));
        add(&NAMES.secrets, Some(&run.secrets));
        add(&NAMES.workflow, Some(&run.descriptor));
        if !matches!((&scope.frame, &run.stage), (Frame::Run(_), RunStage::Input)) {
            add(&NAMES.context, Some(&run.context));
        }
        if let Frame::Task(task) = &scope.frame {
            add(&NAMES.input, task.input.as_ref());
            add(&NAMES.output, task.result.as_ref());
            add(&NAMES.authorization, task.authorization.as_ref());
            add(&NAMES.task, Some(&task.descriptor()));
        }
        Ok(all)
    }
}

impl TaskFrame {
    /// The task as `$task`.
    pub(super) fn descriptor(&self) -> Value {
        let text = |it: &Arc<str>| Value::utf8_str(it.to_string());
        let mut fields = vec![
            ("name", text(&self.task.name)),
            ("reference", text(&self.task.reference)),
            ("definition", self.task.definition.clone()),
            ("input", self.raw.clone()),
            ("startedAt", date_time(self.started_at)),
        ];
        fields.extend(self.output.clone().map(|output| ("output", output)));
        object(fields)
    }
}

/// A time as jq's `now` gives it. It is that of the journal's newest entry, so it is the same when
/// the run is replayed.
fn seconds(at: Timestamp) -> Value {
    Value::Num(jaq_json::Num::Float(at.as_micros() as f64 / 1e6))
}

/// A time as the specification describes it.
pub(super) fn date_time(at: Timestamp) -> Value {
    let milliseconds = at.as_micros().div_euclid(1000);
    let number = |it: i64| Value::Num(jaq_json::Num::from_integral(it));
    let epoch = object([
        ("seconds", number(milliseconds.div_euclid(1000))),
        ("milliseconds", number(milliseconds)),
    ]);
    object([("iso8601", Value::utf8_str(at.to_string())), ("epoch", epoch)])
}
