//! `for`: the output of one round is the input of the next, and that of the last one is the task's.

use super::Error;
use super::run::Machine;
use super::scope::{Body, Ended, ForState, Parent, ScopeId};
use crate::definition::{For, Kind};
use crate::expression::Variables;
use crate::value::Value;
use tessera_types::limits::clip;

impl Machine {
    pub(super) fn for_each(&mut self, id: ScopeId, each: &For, input: &Value) -> Result<(), Error> {
        let items = match self.evaluate(id, &each.collection, input, "for/in")? {
            Value::Arr(items) => items.iter().cloned().collect(),
            other => {
                let shown = clip(&other.to_string(), 80);
                return Err(Error::expression(format!("for/in: {shown} is no list")));
            }
        };
        let data = input.clone();
        self.task_mut(id)?.body = Body::For(ForState { items, index: 0, data });
        self.round(id, each)
    }

    fn round(&mut self, id: ScopeId, each: &For) -> Result<(), Error> {
        let Body::For(state) = &mut self.task_mut(id)?.body else { return Ok(()) };
        let (index, data) = (state.index, state.data.clone());
        let Some(item) = state.items.pop_front() else { return self.produced(id, data) };
        state.index += 1;
        let at = Value::Num(jaq_json::Num::from_integral(index));
        let variables = Variables::from([(each.each.clone(), item), (each.at.clone(), at)]);
        if let Some(condition) = &each.condition {
            let all = self.variables_with(id, &variables)?;
            if !self.holds_with(condition, &data, &all, "while")? {
                return self.produced(id, data);
            }
        }
        let env = self.scope(id)?.env.with(variables, Some(index));
        self.add_list(Parent { id, slot: 0 }, env, each.tasks.clone(), data);
        Ok(())
    }

    pub(super) fn round_ended(&mut self, id: ScopeId, ended: Ended) -> Result<(), Error> {
        let output = match ended {
            Ended::Completed { output, .. } => output,
            Ended::Faulted(error) => return Err(error),
        };
        if let Body::For(state) = &mut self.task_mut(id)?.body {
            state.data = output;
        }
        let task = self.task(id)?.task.clone();
        match &task.kind {
            Kind::For(each) => self.round(id, each),
            _ => Ok(()),
        }
    }
}
