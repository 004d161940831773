//! Making, finding and removing scopes, and observing them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_types::Timestamp;

use super::run::Machine;
use super::scope::{
    Body, Ended, Env, Frame, ListFrame, Parent, RunFrame, Scope, ScopeId, TaskFrame, Timer,
};
use super::work::Work;
use super::{Error, Observation, Observed, Outcome, TaskPoint};
use crate::definition::{Task, TaskList};
use crate::value::Value;

fn gone() -> Error {
    Error::runtime("this part of the run has ended already")
}

impl Machine {
    /// The scope of the whole run.
    pub(super) const fn root(&self) -> ScopeId {
        ScopeId(0)
    }

    pub(super) fn scope(&self, id: ScopeId) -> Result<&Scope, Error> {
        self.scopes.get(&id).ok_or_else(gone)
    }

    pub(super) fn scope_mut(&mut self, id: ScopeId) -> Result<&mut Scope, Error> {
        self.scopes.get_mut(&id).ok_or_else(gone)
    }

    pub(super) fn task(&self, id: ScopeId) -> Result<&TaskFrame, Error> {
        match &self.scope(id)?.frame {
            Frame::Task(frame) => Ok(frame),
            _ => Err(gone()),
        }
    }

    pub(super) fn task_mut(&mut self, id: ScopeId) -> Result<&mut TaskFrame, Error> {
        match &mut self.scope_mut(id)?.frame {
            Frame::Task(frame) => Ok(frame),
            _ => Err(gone()),
        }
    }

    pub(super) fn list_mut(&mut self, id: ScopeId) -> Result<&mut ListFrame, Error> {
        match &mut self.scope_mut(id)?.frame {
            Frame::List(frame) => Ok(frame),
            _ => Err(gone()),
        }
    }

    /// The run that a scope belongs to.
    pub(super) fn run_of(&self, id: ScopeId) -> Result<&RunFrame, Error> {
        match &self.scope(self.scope(id)?.env.run)?.frame {
            Frame::Run(frame) => Ok(frame),
            _ => Err(gone()),
        }
    }

    pub(super) fn run_of_mut(&mut self, id: ScopeId) -> Result<&mut RunFrame, Error> {
        let run = self.scope(id)?.env.run;
        match &mut self.scope_mut(run)?.frame {
            Frame::Run(frame) => Ok(frame),
            _ => Err(gone()),
        }
    }

    /// Where a scope stands in its document.
    pub(super) fn reference(&self, id: ScopeId) -> Arc<str> {
        let mut at = Some(id);
        while let Some(scope) = at.and_then(|id| self.scopes.get(&id)) {
            match &scope.frame {
                Frame::Task(frame) => return frame.task.reference.clone(),
                Frame::Run(_) => break,
                Frame::List(_) => at = scope.parent.map(|parent| parent.id),
            }
        }
        "/".into()
    }

    /// Adds a scope. Its work is up to the caller.
    pub(super) fn add(&mut self, parent: Option<Parent>, env: Env, frame: Frame) -> ScopeId {
        let id = ScopeId(self.scopes_made);
        self.scopes_made += 1;
        if self.outcome.is_some() {
            return id;
        }
        let (children, timers) = (BTreeSet::new(), Vec::new());
        self.scopes.insert(id, Scope { parent, children, timers, step: None, env, frame });
        if let Some(parent) = parent.and_then(|parent| self.scopes.get_mut(&parent.id)) {
            parent.children.insert(id);
        }
        let max = self.limits.scopes_max;
        if self.scopes.len() > max {
            self.stop(Error::runtime(format!("more than {max} tasks are active at once")));
        }
        id
    }

    /// Adds a task, which then begins.
    pub(super) fn add_task(&mut self, parent: Parent, env: Env, task: Arc<Task>, input: Value) {
        let id = self.add_waiting_task(parent, env, task, input);
        self.work.push(Work::Advance(id));
    }

    /// Adds a task that does not begin yet.
    pub(super) fn add_waiting_task(
        &mut self,
        parent: Parent,
        env: Env,
        task: Arc<Task>,
        input: Value,
    ) -> ScopeId {
        let frame = TaskFrame::new(task, input, self.now);
        let id = self.add(Some(parent), env, Frame::Task(Box::new(frame)));
        self.observe(id, Observed::Created);
        id
    }

    /// Adds a list of tasks, which then begins.
    pub(super) fn add_list(&mut self, parent: Parent, env: Env, tasks: TaskList, data: Value) {
        let id = self.add(Some(parent), env, Frame::List(ListFrame { tasks, index: 0, data }));
        self.work.push(Work::Advance(id));
    }

    pub(super) fn add_timer(
        &mut self,
        id: ScopeId,
        timer: Timer,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.scope_mut(id)?.timers.push((at, timer));
        self.timers.insert((at, id, timer));
        Ok(())
    }

    pub(super) fn drop_timer(&mut self, id: ScopeId, timer: Timer) {
        let Some(scope) = self.scopes.get_mut(&id) else { return };
        let Some(index) = scope.timers.iter().position(|(_, it)| *it == timer) else { return };
        let (at, timer) = scope.timers.swap_remove(index);
        self.timers.remove(&(at, id, timer));
    }

    /// Removes a scope and all in it, and tells its parent how it ended.
    pub(super) fn end(&mut self, id: ScopeId, ended: Ended) {
        let parent = self.scopes.get(&id).and_then(|scope| scope.parent);
        self.close(id);
        if let Some(parent) = parent {
            return self.work.push(Work::Ended { parent, ended });
        }
        self.conclude(match ended {
            Ended::Completed { output, .. } => Outcome::Completed(self.mask.value(output)),
            Ended::Faulted(error) => Outcome::Faulted(error),
        });
    }

    /// Ends a scope with an error.
    pub(super) fn fault(&mut self, id: ScopeId, error: Error) {
        let error = self.mask.error(error.at(&self.reference(id)));
        self.clear_children(id, &BTreeMap::new());
        match self.scopes.get(&id).map(|scope| &scope.frame) {
            Some(Frame::Task(_)) => self.observe(id, Observed::Faulted(error.clone())),
            Some(Frame::Run(_)) => self.observe_run(id, Observed::Faulted(error.clone())),
            Some(Frame::List(_)) | None => {}
        }
        self.end(id, Ended::Faulted(error));
    }

    /// Removes a scope and all in it.
    pub(super) fn close(&mut self, id: ScopeId) {
        self.clear_children(id, &BTreeMap::new());
        let parent = self.scopes.get(&id).and_then(|scope| scope.parent);
        if let Some(parent) = parent.and_then(|parent| self.scopes.get_mut(&parent.id)) {
            parent.children.remove(&id);
        }
        self.forget(id);
    }

    /// Removes all within a scope, the innermost first: tasks are cancelled, apart from those that
    /// count as completed, with their outputs.
    pub(super) fn clear_children(&mut self, id: ScopeId, completed: &BTreeMap<ScopeId, Value>) {
        let mut all = Vec::new();
        let mut open: Vec<ScopeId> = self.children(id);
        while let Some(next) = open.pop() {
            open.extend(self.children(next));
            all.push(next);
        }
        for id in all.into_iter().rev() {
            match (self.scopes.get(&id).map(|scope| &scope.frame), completed.get(&id)) {
                (Some(Frame::Task(_)), Some(output)) => {
                    self.observe(id, Observed::Completed(output.clone()));
                }
                (Some(Frame::Task(_)), None) => self.observe(id, Observed::Cancelled),
                (Some(Frame::Run(_)), _) => self.observe_run(id, Observed::Cancelled),
                (Some(Frame::List(_)) | None, _) => {}
            }
            self.forget(id);
        }
        if let Some(scope) = self.scopes.get_mut(&id) {
            scope.children.clear();
        }
    }

    fn children(&self, id: ScopeId) -> Vec<ScopeId> {
        self.scopes.get(&id).map(|it| it.children.iter().copied().collect()).unwrap_or_default()
    }

    fn forget(&mut self, id: ScopeId) {
        let Some(scope) = self.scopes.remove(&id) else { return };
        for (at, timer) in scope.timers {
            self.timers.remove(&(at, id, timer));
        }
        if let Some(step) = scope.step {
            self.unwant(step);
        }
        self.listeners.remove(&id);
    }

    /// Observes a task.
    pub(super) fn observe(&mut self, id: ScopeId, what: Observed) {
        let Ok(frame) = self.task(id) else { return };
        let (name, reference) = (frame.task.name.clone(), frame.task.reference.clone());
        let iteration = self.scope(id).ok().and_then(|scope| scope.env.iteration);
        self.note(id, Some(TaskPoint { name, reference, iteration }), what);
    }

    /// Observes the run that a scope belongs to.
    pub(super) fn observe_run(&mut self, id: ScopeId, what: Observed) {
        self.note(id, None, what);
    }

    /// Observes the run and each task in it.
    pub(super) fn observe_all(&mut self, what: &Observed) {
        let all: Vec<ScopeId> = self.scopes.keys().copied().collect();
        for id in all {
            match self.scopes.get(&id).map(|scope| &scope.frame) {
                Some(Frame::Run(_)) => self.observe_run(id, what.clone()),
                Some(Frame::Task(_)) => self.observe(id, what.clone()),
                _ => {}
            }
        }
    }

    fn note(&mut self, id: ScopeId, task: Option<TaskPoint>, what: Observed) {
        let (run, within) = match self.run_of(id) {
            Ok(run) => (run.id.clone(), run.within.clone()),
            Err(_) => (self.run_id.clone(), Arc::default()),
        };
        let what = match what {
            Observed::Completed(output) => Observed::Completed(self.mask.value(output)),
            Observed::CorrelationCompleted(keys) => {
                Observed::CorrelationCompleted(self.mask.value(keys))
            }
            what => what,
        };
        self.observations.push(Observation {
            number: self.observed,
            at: self.now,
            run,
            within,
            task,
            what,
        });
        self.observed += 1;
    }

    /// What a task that is under way knows; it is left idle.
    pub(super) fn take_body(&mut self, id: ScopeId) -> Result<Body, Error> {
        Ok(std::mem::replace(&mut self.task_mut(id)?.body, Body::Idle))
    }
}
