//! Extensions: tasks before and after tasks.
//!
//! They are around each other as layers: what the first one does before a task comes first, and
//! what it does after the task comes last. They see the task that they are around as `$task`, and
//! what they give is not used, unless a task before says `exit`: then what it gives takes the place
//! of the task's raw output, and only the layers around that one still run afterwards.

use std::sync::Arc;

use super::run::Machine;
use super::scope::{Ended, Env, Parent, ScopeId, Stage};
use super::{Error, Observed};
use crate::definition::{Extends, Extension, Flow, Kind, Task, Workflow};
use crate::expression::Variables;
use crate::value::Value;

impl Machine {
    pub(super) fn choose_extensions(&mut self, id: ScopeId, task: &Task) -> Result<(), Error> {
        let workflow = self.run_of(id)?.workflow.clone();
        if workflow.extensions.is_empty() || self.scope(id)?.env.extension {
            return Ok(());
        }
        let mut chosen = Vec::new();
        for (index, extension) in workflow.extensions.iter().enumerate() {
            if extends(extension.extends, &task.kind) && self.applies(id, extension)? {
                chosen.push(index);
            }
        }
        self.task_mut(id)?.extensions = chosen;
        Ok(())
    }

    /// Whether an extension's condition holds. One that fails does not: what it looks for need not
    /// be there in every task.
    fn applies(&mut self, id: ScopeId, extension: &Extension) -> Result<bool, Error> {
        let Some(when) = &extension.when else { return Ok(true) };
        let raw = self.task(id)?.raw.clone();
        let variables = self.variables_with(id, &self.extended(id)?)?;
        match self.holds_with(when, &raw, &variables, "when") {
            Ok(holds) => Ok(holds),
            Err(error) => {
                let why = error.detail.as_deref().unwrap_or_default();
                let note = format!("extension `{}` does not apply: {why}", extension.name);
                let note = self.mask.text(&note).into_owned();
                self.observe(id, Observed::Note(note));
                Ok(false)
            }
        }
    }

    /// `$task` as extensions see it: what describes the task they are around, and the fields of its
    /// definition.
    fn extended(&self, id: ScopeId) -> Result<Variables, Error> {
        let frame = self.task(id)?;
        let mut fields = match &frame.task.definition {
            Value::Obj(fields) => (**fields).clone(),
            _ => Default::default(),
        };
        if let Value::Obj(described) = frame.descriptor() {
            fields.extend(described.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Ok(Variables::from([("task".into(), Value::obj(fields))]))
    }

    fn extension_env(&self, id: ScopeId) -> Result<Env, Error> {
        let env = self.scope(id)?.env.with(self.extended(id)?, None);
        Ok(Env { extension: true, ..env })
    }

    fn layer(&self, id: ScopeId, index: usize) -> Result<Option<(Arc<Workflow>, usize)>, Error> {
        let layer = self.task(id)?.extensions.get(index).copied();
        layer.map(|layer| Ok((self.run_of(id)?.workflow.clone(), layer))).transpose()
    }

    pub(super) fn before_task(&mut self, id: ScopeId, index: usize) -> Result<(), Error> {
        let Some((workflow, layer)) = self.layer(id, index)? else {
            return self.enter(id, Stage::Input);
        };
        let raw = self.task(id)?.raw.clone();
        let tasks = workflow.extensions[layer].before.clone();
        let env = self.extension_env(id)?;
        self.add_list(Parent { id, slot: index }, env, tasks, raw);
        Ok(())
    }

    pub(super) fn before_ended(
        &mut self,
        id: ScopeId,
        index: usize,
        ended: Ended,
    ) -> Result<(), Error> {
        match ended {
            Ended::Faulted(error) => Err(error),
            Ended::Completed { output, flow: Flow::Exit } => {
                let frame = self.task_mut(id)?;
                frame.extensions.truncate(index);
                frame.input = Some(frame.raw.clone());
                self.produced(id, output)
            }
            Ended::Completed { .. } => self.enter(id, Stage::Before(index + 1)),
        }
    }

    pub(super) fn after_task(&mut self, id: ScopeId, left: usize) -> Result<(), Error> {
        let Some(index) = left.checked_sub(1) else { return self.complete(id) };
        let Some((workflow, layer)) = self.layer(id, index)? else { return self.complete(id) };
        let output = self.task(id)?.result.clone().unwrap_or_default();
        let tasks = workflow.extensions[layer].after.clone();
        let env = self.extension_env(id)?;
        self.add_list(Parent { id, slot: index }, env, tasks, output);
        Ok(())
    }

    pub(super) fn after_ended(
        &mut self,
        id: ScopeId,
        left: usize,
        ended: Ended,
    ) -> Result<(), Error> {
        match ended {
            Ended::Faulted(error) => Err(error),
            Ended::Completed { .. } => self.enter(id, Stage::After(left.saturating_sub(1))),
        }
    }
}

fn extends(extends: Extends, kind: &Kind) -> bool {
    let sort = match kind {
        Kind::Call(_) => Extends::Call,
        Kind::Do(_) | Kind::Fork(_) => Extends::Composite,
        Kind::Emit(_) => Extends::Emit,
        Kind::For(_) => Extends::For,
        Kind::Listen(_) => Extends::Listen,
        Kind::Raise(_) => Extends::Raise,
        Kind::Run(_) => Extends::Run,
        Kind::Set(_) => Extends::Set,
        Kind::Switch(_) => Extends::Switch,
        Kind::Try(_) => Extends::Try,
        Kind::Wait(_) => Extends::Wait,
    };
    extends == Extends::All || extends == sort
}
