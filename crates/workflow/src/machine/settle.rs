//! What a task makes of the result of its effect, and of the end of what it called.

use super::Error;
use super::run::Machine;
use super::scope::{Body, ScopeId};
use crate::definition::{Kind, Process, Return};
use crate::value::Value;

impl Machine {
    /// The effect that is what the task does succeeded.
    pub(super) fn effect_done(&mut self, id: ScopeId, result: Value) -> Result<(), Error> {
        let task = self.task(id)?.task.clone();
        match &task.kind {
            Kind::Run(run) => self.process_done(id, run, &result),
            Kind::Emit(_) => match self.take_body(id)? {
                Body::Emitted(event) => self.produced(id, event),
                _ => self.produced(id, Value::Null),
            },
            _ => self.produced(id, result),
        }
    }

    /// The tasks, the function or the workflow that is what the task does completed.
    pub(super) fn nested_ended(
        &mut self,
        id: ScopeId,
        kind: &Kind,
        output: Value,
    ) -> Result<(), Error> {
        let nothing = match kind {
            Kind::Run(run) => {
                matches!(run.process, Process::Workflow(_)) && run.output == Return::None
            }
            _ => false,
        };
        self.produced(id, if nothing { Value::Null } else { output })
    }
}
