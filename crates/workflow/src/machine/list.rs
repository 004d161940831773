//! Tasks one after the other, and what decides which is next.

use super::Error;
use super::run::Machine;
use super::scope::{Ended, Parent, ScopeId};
use super::work::Work;
use crate::definition::Flow;

impl Machine {
    /// Begins the next task of a list, or ends the list.
    pub(super) fn advance_list(&mut self, id: ScopeId) -> Result<(), Error> {
        let list = self.list_mut(id)?;
        let data = list.data.clone();
        let Some(task) = list.tasks.get(list.index).cloned() else {
            self.end(id, Ended::Completed { output: data, flow: Flow::Continue });
            return Ok(());
        };
        let env = self.scope(id)?.env.clone();
        self.add_task(Parent { id, slot: 0 }, env, task, data);
        Ok(())
    }

    pub(super) fn list_child_ended(&mut self, id: ScopeId, ended: Ended) -> Result<(), Error> {
        let (output, flow) = match ended {
            Ended::Completed { output, flow } => (output, flow),
            Ended::Faulted(error) => return Err(error),
        };
        let list = self.list_mut(id)?;
        list.data = output.clone();
        list.index = match &flow {
            Flow::Continue | Flow::End => list.index + 1,
            Flow::Exit => {
                self.end(id, Ended::Completed { output, flow });
                return Ok(());
            }
            Flow::Task(name) => {
                let found = list.tasks.iter().position(|task| task.name == *name);
                found.ok_or_else(|| {
                    Error::configuration(format!("`then: {name}` names no task of this list"))
                })?
            }
        };
        self.work.push(Work::Advance(id));
        Ok(())
    }
}
