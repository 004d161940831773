//! Which events may matter to a job, as far as its document says so.
//!
//! The one idea: an event that no task of a document can want is none of its jobs' business. It
//! takes no place in their journals, so a job that listens for a rare event can wait among
//! millions of others.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_workflow::definition::{
    Call, Consumption, EventFilter, Kind, Listen, Process, Task, Until, Workflow,
};
use tessera_workflow::machine::CloudEvent;
use tessera_workflow::value::Value;

/// The types of events that a job may listen to; none for any event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Interest(Option<BTreeSet<String>>);

impl Interest {
    /// What the tasks of a document listen to.
    pub(crate) fn of(workflow: &Workflow) -> Self {
        let around =
            |it: &tessera_workflow::definition::Extension| [it.before.clone(), it.after.clone()];
        let lists = workflow.extensions.iter().flat_map(around);
        let mut open: Vec<Arc<Task>> = lists.flat_map(|list| list.to_vec()).collect();
        open.extend(workflow.tasks.iter().cloned());
        let mut seen = HashSet::new();
        let mut types = BTreeSet::new();
        while let Some(task) = open.pop() {
            // Many tasks may call one function.
            if !seen.insert(Arc::as_ptr(&task)) {
                continue;
            }
            if !look(&task, &mut types, &mut open) {
                return Self(None);
            }
        }
        Self(Some(types))
    }

    /// Whether no event matters.
    pub(crate) fn is_none(&self) -> bool {
        self.0.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Whether this event may matter.
    pub(crate) fn includes(&self, event: &CloudEvent) -> bool {
        let Some(types) = &self.0 else { return true };
        let kind = event.get("type").and_then(|it| it.as_str()).unwrap_or_default();
        types.iter().any(|wanted| may_match(wanted, kind))
    }
}

/// Adds what a task listens to, and the tasks in it. False when that cannot be known beforehand.
fn look(task: &Task, types: &mut BTreeSet<String>, open: &mut Vec<Arc<Task>>) -> bool {
    match &task.kind {
        Kind::Call(Call::Function { task, .. }) => open.push(Arc::clone(task)),
        Kind::Call(Call::Cataloged { .. }) => return false,
        Kind::Run(run) => return !(run.awaits && matches!(run.process, Process::Workflow(_))),
        Kind::Do(tasks) => open.extend_from_slice(tasks),
        Kind::For(it) => open.extend_from_slice(&it.tasks),
        Kind::Fork(it) => open.extend_from_slice(&it.branches),
        Kind::Try(it) => {
            open.extend_from_slice(&it.tasks);
            it.catch.tasks.iter().for_each(|tasks| open.extend_from_slice(tasks));
        }
        Kind::Listen(Listen { to, each, .. }) => {
            let tasks = each.as_ref().and_then(|each| each.tasks.as_ref());
            tasks.into_iter().for_each(|tasks| open.extend_from_slice(tasks));
            return consumption(to, types);
        }
        Kind::Call(_)
        | Kind::Emit(_)
        | Kind::Raise(_)
        | Kind::Set(_)
        | Kind::Switch(_)
        | Kind::Wait(_) => {}
    }
    true
}

fn consumption(to: &Consumption, types: &mut BTreeSet<String>) -> bool {
    let filters = match to {
        Consumption::One(filter) => std::slice::from_ref(filter),
        Consumption::All(filters) => filters,
        Consumption::Any { filters, until } => {
            let end = match until {
                Some(Until::Consumed(end)) => consumption(end, types),
                _ => true,
            };
            if filters.is_empty() || !end {
                return false;
            }
            filters
        }
    };
    filters.iter().all(|filter| constant_type(filter).map(|it| types.insert(it)).is_some())
}

/// The type that a filter wants, where it is a text in which at most the dots are signs of a
/// regular expression.
fn constant_type(filter: &EventFilter) -> Option<String> {
    let (_, wanted) = filter.with.iter().find(|(name, _)| &**name == "type")?;
    let text = match wanted.constant()? {
        Value::TStr(text) => std::str::from_utf8(text).ok()?,
        _ => return None,
    };
    let plain = |it: char| it.is_alphanumeric() || matches!(it, '.' | '-' | '_' | '/' | ':');
    text.chars().all(plain).then(|| text.to_owned())
}

/// Whether a type may be the wanted one, in which a dot may stand for anything.
fn may_match(wanted: &str, kind: &str) -> bool {
    let (mut wanted, mut kind) = (wanted.chars(), kind.chars());
    loop {
        match (wanted.next(), kind.next()) {
            (None, None) => return true,
            (Some('.'), Some(_)) => {}
            (Some(wanted), Some(is)) if wanted == is => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document;

    fn interest(tasks: &str) -> Interest {
        let head = "document: { dsl: 1.0.3, namespace: test, name: it, version: 1.0.0 }\n";
        Interest::of(&document::read("it.yaml", &format!("{head}{tasks}")).unwrap())
    }

    fn wants(interest: &Interest, kind: &str) -> bool {
        interest.includes(json!({ "type": kind }).as_object().unwrap())
    }

    #[test]
    fn what_no_task_listens_to_does_not_matter() {
        let none = interest("do: [{ a: { set: { listen: workflow } } }]\n");
        assert!(none.is_none() && !wants(&none, "a"));
        let some = interest(
            r"
use:
  functions: { hear: { listen: { to: { one: { with: { type: com.b } } } } } }
do:
  - f: { fork: { branches: [{ a: { listen: { to: { one: { with: { type: a } } } } } }] } }
  - t: { try: [{ b: { call: hear } }], catch: { do: [{ c: { call: hear } }] } }
  - l:
      listen: { to: { any: [{ with: { type: d } }], until: { one: { with: { type: e } } } } }
      foreach: { item: it, do: [{ x: { listen: { to: { one: { with: { type: f } } } } } }] }
",
        );
        let wanted = ["a", "com.b", "comXb", "d", "e", "f", "g", "com.bb"];
        let found = wanted.map(|kind| wants(&some, kind));
        assert_eq!(found, [true, true, true, true, true, true, false, false]);
    }

    #[test]
    fn where_it_cannot_be_known_any_event_may_matter() {
        for tasks in [
            "do: [{ a: { listen: { to: { any: [] } } } }]\n",
            "do: [{ a: { listen: { to: { one: { with: { source: b } } } } } }]\n",
            "do: [{ a: { listen: { to: { one: { with: { type: 'a|b' } } } } } }]\n",
            "do: [{ a: { listen: { to: { one: { with: { type: '${ .t }' } } } } } }]\n",
            "do: [{ a: { run: { workflow: { namespace: n, name: w, version: latest } } } }]\n",
            "do: [{ a: { call: 'log:1.0.0@default' } }]\n",
        ] {
            assert!(wants(&interest(tasks), "anything"), "{tasks}");
        }
    }
}
