//! `fork`: tasks beside each other.
//!
//! Branches that do not compete must all complete: an error in one cancels the others. Of those
//! that compete the first to complete wins, and the others are cancelled; a branch that faults only
//! leaves the race, and when all have, the first error is the fork's. What a branch says with
//! `then` has no meaning, apart from `end`.

use std::collections::BTreeMap;

use super::Error;
use super::bounds::bounded;
use super::run::Machine;
use super::scope::{Body, Ended, ForkState, Parent, ScopeId};
use super::work::Work;
use crate::definition::Fork;
use crate::value::Value;

impl Machine {
    pub(super) fn fork(&mut self, id: ScopeId, fork: &Fork, input: &Value) -> Result<(), Error> {
        let open = fork.branches.len();
        if open == 0 {
            let output = if fork.compete { input.clone() } else { Value::Arr(Vec::new().into()) };
            return self.produced(id, output);
        }
        let outputs = vec![Value::Null; open];
        self.task_mut(id)?.body = Body::Fork(ForkState { outputs, open, error: None });
        let env = self.scope(id)?.env.clone();
        let mut begun = Vec::with_capacity(open);
        for (slot, task) in fork.branches.iter().enumerate() {
            let parent = Parent { id, slot };
            let branch = self.add_waiting_task(parent, env.clone(), task.clone(), input.clone());
            begun.push(Work::Advance(branch));
        }
        // The work is a stack: the first branch is to be on top.
        self.work.extend(begun.into_iter().rev());
        Ok(())
    }

    pub(super) fn branch_ended(
        &mut self,
        id: ScopeId,
        fork: &Fork,
        slot: usize,
        ended: Ended,
    ) -> Result<(), Error> {
        let Body::Fork(state) = &mut self.task_mut(id)?.body else { return Ok(()) };
        state.open -= 1;
        let output = match ended {
            Ended::Faulted(error) if fork.compete => {
                let first = state.error.take().unwrap_or(error);
                if state.open == 0 {
                    return Err(first);
                }
                state.error = Some(first);
                return Ok(());
            }
            Ended::Faulted(error) => return Err(error),
            Ended::Completed { output, .. } if fork.compete => output,
            Ended::Completed { output, .. } => {
                state.outputs[slot] = output;
                if state.open > 0 {
                    return Ok(());
                }
                bounded(Value::Arr(std::mem::take(&mut state.outputs).into()))?
            }
        };
        self.clear_children(id, &BTreeMap::new());
        self.produced(id, output)
    }
}
