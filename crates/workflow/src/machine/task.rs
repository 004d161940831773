//! A task, from its raw input to what comes next: the specification's data flow, step by step.
//!
//! The order is: `if`; the timeout begins; the tasks of extensions before it; `input.schema`,
//! `input.from`; the task; `output.as`, `output.schema`; `export.as`, `export.schema`; the tasks of
//! extensions after it; `then`. A task that is skipped gives no direction: the next one follows.

use super::run::Machine;
use super::scope::{Ended, Parent, ScopeId, Stage, Timer};
use super::work::Work;
use super::{Error, Observed};
use crate::definition::{Case, Flow, Kind, Shape, Task};
use crate::expression::Variables;
use crate::value::Value;

impl Machine {
    pub(super) fn advance_task(&mut self, id: ScopeId) -> Result<(), Error> {
        let frame = self.task(id)?;
        let (task, stage) = (frame.task.clone(), frame.stage);
        match stage {
            Stage::Begin => self.begin_task(id, &task),
            Stage::Before(index) => self.before_task(id, index),
            Stage::Input => self.task_input(id, &task),
            Stage::Body => self.body(id, &task),
            Stage::Output => self.task_output(id, &task),
            Stage::After(left) => self.after_task(id, left),
        }
    }

    /// Goes on with another stage.
    pub(super) fn enter(&mut self, id: ScopeId, stage: Stage) -> Result<(), Error> {
        self.task_mut(id)?.stage = stage;
        self.work.push(Work::Advance(id));
        Ok(())
    }

    fn begin_task(&mut self, id: ScopeId, task: &Task) -> Result<(), Error> {
        if !self.count_task(id) {
            return Ok(());
        }
        let now = self.now;
        let frame = self.task_mut(id)?;
        frame.started_at = now;
        let raw = frame.raw.clone();
        if let Some(condition) = &task.condition
            && !self.holds(id, condition, &raw, "if")?
        {
            self.observe(id, Observed::Skipped);
            self.end(id, Ended::Completed { output: raw, flow: Flow::Continue });
            return Ok(());
        }
        self.observe(id, Observed::Started);
        if let Some(period) = &task.timeout {
            let period = self.period(id, period, &raw, "timeout")?;
            self.add_timer(id, Timer::Timeout, now.plus(period))?;
        }
        self.choose_extensions(id, task)?;
        self.enter(id, Stage::Before(0))
    }

    fn task_input(&mut self, id: ScopeId, task: &Task) -> Result<(), Error> {
        let raw = self.task(id)?.raw.clone();
        if !self.conforms(id, task.input.schema.as_ref(), &raw)? {
            return Ok(());
        }
        let input = self.shaped(id, &task.input, &raw, "input/from")?;
        self.task_mut(id)?.input = Some(input);
        self.enter(id, Stage::Body)
    }

    /// Does what the task does, or goes on with it.
    fn body(&mut self, id: ScopeId, task: &Task) -> Result<(), Error> {
        let input = self.task(id)?.input().clone();
        match &task.kind {
            Kind::Call(call) => self.call(id, call, &input),
            Kind::Do(tasks) => {
                let env = self.scope(id)?.env.clone();
                self.add_list(Parent { id, slot: 0 }, env, tasks.clone(), input);
                Ok(())
            }
            Kind::Emit(emit) => self.emit(id, emit, &input),
            Kind::For(each) => self.for_each(id, each, &input),
            Kind::Fork(fork) => self.fork(id, fork, &input),
            Kind::Listen(listen) => self.listen(id, listen),
            Kind::Raise(raise) => Err(self.raised(id, &raise.error, &input)?),
            Kind::Run(run) => self.run_process(id, run, &input),
            Kind::Set(template) => {
                let output = self.evaluate(id, template, &input, "set")?;
                self.produced(id, output)
            }
            Kind::Switch(cases) => self.switch(id, cases, input),
            Kind::Try(_) => self.attempt(id),
            Kind::Wait(period) => {
                let period = self.period(id, period, &input, "wait")?;
                self.add_timer(id, Timer::Wait, self.now.plus(period))
            }
        }
    }

    fn switch(&mut self, id: ScopeId, cases: &[Case], input: Value) -> Result<(), Error> {
        for case in cases {
            let applies = match &case.when {
                Some(when) => self.holds(id, when, &input, &format!("switch/{}", case.name))?,
                None => true,
            };
            if applies {
                self.task_mut(id)?.then = Some(case.then.clone());
                break;
            }
        }
        self.produced(id, input)
    }

    /// Takes the raw output of a task.
    pub(super) fn produced(&mut self, id: ScopeId, output: Value) -> Result<(), Error> {
        self.task_mut(id)?.output = Some(output);
        self.enter(id, Stage::Output)
    }

    fn task_output(&mut self, id: ScopeId, task: &Task) -> Result<(), Error> {
        let raw = self.task(id)?.output.clone().unwrap_or_default();
        self.task_mut(id)?.result = None;
        let result = self.shaped(id, &task.output, &raw, "output/as")?;
        if !self.conforms(id, task.output.schema.as_ref(), &result)? {
            return Ok(());
        }
        self.task_mut(id)?.result = Some(result.clone());
        let variables = self.variables(id)?;
        if !self.export(id, &task.export, &result, &variables, "export/as")? {
            return Ok(());
        }
        let extensions = self.task(id)?.extensions.len();
        self.enter(id, Stage::After(extensions))
    }

    /// Makes the context what `export` says. False when its schema is still to be fetched.
    pub(super) fn export(
        &mut self,
        id: ScopeId,
        export: &Shape,
        output: &Value,
        variables: &Variables,
        field: &str,
    ) -> Result<bool, Error> {
        let context = match &export.shape {
            None if export.schema.is_none() => return Ok(true),
            None => self.run_of(id)?.context.clone(),
            Some(template) => self.evaluate_with(template, output, variables, field)?,
        };
        if !self.conforms(id, export.schema.as_ref(), &context)? {
            return Ok(false);
        }
        self.run_of_mut(id)?.context = context;
        Ok(true)
    }

    /// Ends a task that is done.
    pub(super) fn complete(&mut self, id: ScopeId) -> Result<(), Error> {
        let frame = self.task(id)?;
        let output = frame.result.clone().unwrap_or_default();
        let flow = frame.then.clone().unwrap_or_else(|| frame.task.then.clone());
        self.observe(id, Observed::Completed(output.clone()));
        if flow == Flow::End {
            return self.end_run(id, output);
        }
        self.end(id, Ended::Completed { output, flow });
        Ok(())
    }

    pub(super) fn task_child_ended(&mut self, child: Parent, ended: Ended) -> Result<(), Error> {
        let Parent { id, slot } = child;
        let frame = self.task(id)?;
        let (task, stage) = (frame.task.clone(), frame.stage);
        match stage {
            Stage::Before(index) => return self.before_ended(id, index, ended),
            Stage::After(left) => return self.after_ended(id, left, ended),
            _ => {}
        }
        match &task.kind {
            Kind::For(_) => self.round_ended(id, ended),
            Kind::Fork(fork) => self.branch_ended(id, fork, slot, ended),
            Kind::Listen(_) => self.item_ended(id, ended),
            Kind::Try(it) => self.attempt_ended(id, it, ended),
            _ => match ended {
                Ended::Completed { output, .. } => self.nested_ended(id, &task.kind, output),
                Ended::Faulted(error) => Err(error),
            },
        }
    }

    /// The error of a scope whose time is over.
    pub(super) fn timed_out(&self, id: ScopeId) -> Result<Error, Error> {
        let (what, at) = match self.task(id) {
            Ok(frame) => (format!("task `{}`", frame.task.name), frame.task.reference.clone()),
            Err(_) => (self.run_of(id)?.workflow.reference(), "/timeout".into()),
        };
        Ok(Error::timeout(format!("{what} took longer than its timeout")).at(&at))
    }
}
