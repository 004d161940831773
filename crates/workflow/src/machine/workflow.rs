//! A run of a workflow, from its input to its output: the whole, or one within another.
//!
//! The context is the transformed input until a task exports another, as the specification's figure
//! of the data flow has it. All branches of a run share it: the last export counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::run::Machine;
use super::scope::{Ended, Env, Frame, Parent, RunFrame, RunStage, ScopeId, Timer};
use super::variables::date_time;
use super::work::Work;
use super::{Error, Observed};
use crate::definition::{Flow, Workflow};
use crate::value::{Value, object};

impl Machine {
    /// Begins a run, which is the child of a task or the whole.
    pub(super) fn begin_run(
        &mut self,
        parent: Option<Parent>,
        workflow: Arc<Workflow>,
        input: Value,
        depth: u32,
    ) {
        let run = ScopeId(self.scopes_made);
        let id = match parent {
            None => self.run_id.clone(),
            Some(_) => format!("{}.{}", self.run_id, run.0).into(),
        };
        let frame = RunFrame {
            descriptor: self.descriptor(&workflow, &id, &input),
            secrets: self.secrets_of(&workflow),
            workflow,
            id,
            within: self.around(parent),
            raw: input,
            context: Value::Null,
            stage: RunStage::Input,
        };
        let locals = Arc::default();
        let env = Env { run, locals, iteration: None, extension: false, depth };
        let scope = self.add(parent, env, Frame::Run(Box::new(frame)));
        self.observe_run(scope, Observed::Started);
        if let Err(error) = self.begin_timeout(scope) {
            return self.fault(scope, error.at("/timeout"));
        }
        self.work.push(Work::Advance(scope));
    }

    /// The tasks around a run that is the child of a task.
    fn around(&self, parent: Option<Parent>) -> Arc<[Arc<str>]> {
        let Some(Parent { id, .. }) = parent else { return Arc::default() };
        let outer = self.run_of(id).map(|run| run.within.clone()).unwrap_or_default();
        let task = self.task(id).ok().map(|frame| frame.task.reference.clone());
        outer.iter().cloned().chain(task).collect()
    }

    fn descriptor(&self, workflow: &Workflow, id: &str, input: &Value) -> Value {
        object([
            ("id", Value::utf8_str(id.to_owned())),
            ("definition", workflow.definition.clone()),
            ("input", input.clone()),
            ("startedAt", date_time(self.now)),
        ])
    }

    fn secrets_of(&self, workflow: &Workflow) -> Value {
        let known = workflow.secrets.iter();
        object(known.filter_map(|name| Some((name.to_string(), self.secrets.get(name)?.clone()))))
    }

    fn begin_timeout(&mut self, id: ScopeId) -> Result<(), Error> {
        let run = self.run_of(id)?;
        let (workflow, raw) = (run.workflow.clone(), run.raw.clone());
        let Some(period) = &workflow.timeout else { return Ok(()) };
        let period = self.period(id, period, &raw, "timeout")?;
        self.add_timer(id, Timer::Timeout, self.now.plus(period))
    }

    pub(super) fn advance_run(&mut self, id: ScopeId) -> Result<(), Error> {
        let run = self.run_of(id)?;
        let (workflow, raw) = (run.workflow.clone(), run.raw.clone());
        match run.stage.clone() {
            RunStage::Input => self.run_input(id, &workflow, &raw).map_err(|it| it.at("/input")),
            RunStage::Body => Ok(()),
            RunStage::Output(output) => {
                self.run_output(id, &workflow, &output).map_err(|it| it.at("/output"))
            }
        }
    }

    fn run_input(&mut self, id: ScopeId, workflow: &Workflow, raw: &Value) -> Result<(), Error> {
        if !self.conforms(id, workflow.input.schema.as_ref(), raw)? {
            return Ok(());
        }
        let input = self.shaped(id, &workflow.input, raw, "input/from")?;
        let run = self.run_of_mut(id)?;
        run.context = input.clone();
        run.stage = RunStage::Body;
        let env = self.scope(id)?.env.clone();
        self.add_list(Parent { id, slot: 0 }, env, workflow.tasks.clone(), input);
        Ok(())
    }

    fn run_output(&mut self, id: ScopeId, workflow: &Workflow, raw: &Value) -> Result<(), Error> {
        let output = self.shaped(id, &workflow.output, raw, "output/as")?;
        if !self.conforms(id, workflow.output.schema.as_ref(), &output)? {
            return Ok(());
        }
        self.observe_run(id, Observed::Completed(output.clone()));
        self.end(id, Ended::Completed { output, flow: Flow::Continue });
        Ok(())
    }

    pub(super) fn run_child_ended(&mut self, id: ScopeId, ended: Ended) -> Result<(), Error> {
        match ended {
            Ended::Faulted(error) => Err(error),
            Ended::Completed { output, .. } => self.run_done(id, output),
        }
    }

    fn run_done(&mut self, id: ScopeId, output: Value) -> Result<(), Error> {
        self.run_of_mut(id)?.stage = RunStage::Output(output);
        self.work.push(Work::Advance(id));
        Ok(())
    }

    /// Ends the run that a task, which has completed, belongs to: the tasks around it are completed
    /// as well, those beside it are cancelled.
    pub(super) fn end_run(&mut self, task: ScopeId, output: Value) -> Result<(), Error> {
        let run = self.scope(task)?.env.run;
        let parent = self.scope(task)?.parent;
        self.close(task);
        let mut around = BTreeMap::new();
        let mut at = parent.map(|parent| parent.id);
        while let Some(id) = at.filter(|id| *id != run) {
            around.insert(id, output.clone());
            at = self.scope(id)?.parent.map(|parent| parent.id);
        }
        self.clear_children(run, &around);
        self.run_done(run, output)
    }
}
