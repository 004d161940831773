//! `listen`: which events a task consumes, and when it has enough.
//!
//! An event that a filter cannot be evaluated on does not pass it: what others send must not fault
//! a run. With `foreach` events wait in line while one is worked on; `until` is then asked after
//! each one's tasks, and those still in line when it holds are as if they had not been consumed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::emit::read;
use super::run::Machine;
use super::scope::{Body, Ended, Parent, ScopeId};
use super::work::Work;
use super::{Error, Observed};
use crate::definition::{Consumption, ForEach, Kind, Listen, Until};
use crate::expression::{Variables, charge_walk};
use crate::value::{Value, object};

/// How far a `listen` is.
#[derive(Default)]
pub(super) struct ListenState {
    /// The number of the last event that it was offered.
    seen: u64,
    progress: Progress,
    /// The values that events must have in common, by name.
    pub(super) correlated: BTreeMap<Arc<str>, Value>,
    /// What was read of the events that count.
    consumed: Vec<Value>,
    output: Vec<Value>,
    /// Events that wait for their tasks.
    line: VecDeque<(u64, Value)>,
    /// What came of the event that is worked on, before it is shaped.
    item: Option<Item>,
    index: u64,
    /// No more events are needed.
    enough: bool,
}

enum Item {
    Running(Value),
    Done(Value, Value),
}

/// How far a consumption is.
#[derive(Default)]
pub(super) struct Progress {
    /// For `all`: which filters were passed.
    met: Vec<bool>,
    /// For an inner `any`: what was consumed.
    consumed: Vec<Value>,
    until: Option<Box<Progress>>,
}

/// What became of an event that was offered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offered {
    Unwanted,
    Consumed {
        /// Whether it is part of the output.
        counts: bool,
        /// Whether no more are needed.
        last: bool,
    },
}

impl ListenState {
    /// All that it keeps.
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        let worked_on = match &self.item {
            None => [None, None],
            Some(Item::Running(event)) => [Some(event), None],
            Some(Item::Done(event, output)) => [Some(event), Some(output)],
        };
        let line = self.line.iter().map(|(_, event)| event);
        let kept = self.consumed.iter().chain(&self.output).chain(self.correlated.values());
        kept.chain(line).chain(worked_on.into_iter().flatten())
    }
}

impl Machine {
    /// Begins to listen, or goes on with an event whose tasks are done.
    pub(super) fn listen(&mut self, id: ScopeId, listen: &Listen) -> Result<(), Error> {
        if matches!(self.task(id)?.body, Body::Listen(_)) {
            return self.item_done(id, listen);
        }
        self.task_mut(id)?.body = Body::Listen(Box::default());
        self.listeners.insert(id);
        if correlates(&listen.to) {
            self.observe_run(id, Observed::CorrelationStarted);
        }
        Ok(())
    }

    /// The last event that a listener was offered; none when it wants no more.
    pub(super) fn seen(&self, id: ScopeId) -> Option<u64> {
        match &self.task(id).ok()?.body {
            Body::Listen(state) if !state.enough => Some(state.seen),
            _ => None,
        }
    }

    /// Offers an event to a listener. Whether it was consumed.
    pub(super) fn offer(&mut self, id: ScopeId, number: u64, event: &Value) -> bool {
        match self.offered(id, number, event) {
            Ok(consumed) => consumed,
            Err(error) => {
                self.fault(id, error);
                true
            }
        }
    }

    fn offered(&mut self, id: ScopeId, number: u64, event: &Value) -> Result<bool, Error> {
        let task = self.task(id)?.task.clone();
        let Kind::Listen(listen) = &task.kind else { return Ok(false) };
        let variables = self.variables(id)?;
        let input = self.task(id)?.input().clone();
        let Body::Listen(mut state) = self.take_body(id)? else { return Ok(false) };
        state.seen = number;
        let reading = Reading { listen, input: &input, variables: &variables };
        let mut progress = std::mem::take(&mut state.progress);
        let correlated = &mut state.correlated;
        let offered = self.consume(&reading, &listen.to, &mut progress, correlated, event);
        state.progress = progress;
        let offered = offered?;
        if let Offered::Consumed { counts, last } = offered {
            state.enough = last;
            if counts {
                self.count(&reading, &mut state, number, event)?;
            }
        }
        self.task_mut(id)?.body = Body::Listen(state);
        if offered == Offered::Unwanted {
            return Ok(false);
        }
        self.work.push(Work::Advance(id));
        Ok(true)
    }

    /// Takes an event that counts.
    fn count(
        &self,
        reading: &Reading<'_>,
        state: &mut ListenState,
        number: u64,
        event: &Value,
    ) -> Result<(), Error> {
        if reading.listen.each.is_some() {
            state.line.push_back((number, event.clone()));
            return Ok(());
        }
        let value = read(event, reading.listen.read);
        state.consumed.push(value.clone());
        state.output.push(value);
        if self.until_holds(reading.listen, &state.consumed, reading)? {
            state.enough = true;
        }
        Ok(())
    }

    fn until_holds(
        &self,
        listen: &Listen,
        consumed: &[Value],
        reading: &Reading<'_>,
    ) -> Result<bool, Error> {
        let Consumption::Any { until: Some(Until::Condition(condition)), .. } = &listen.to else {
            return Ok(false);
        };
        charge_walk(size_of_val(consumed));
        let consumed = Value::Arr(consumed.to_vec().into());
        self.holds_with(condition, &consumed, reading.variables, "listen/to/until")
    }

    /// Whether an event is one of those that a consumption is of. Consumptions are within each
    /// other as deep as the document says.
    fn consume(
        &self,
        reading: &Reading<'_>,
        to: &Consumption,
        progress: &mut Progress,
        correlated: &mut BTreeMap<Arc<str>, Value>,
        event: &Value,
    ) -> Result<Offered, Error> {
        let mut passes = |filter| self.passes(reading, filter, correlated, event);
        let consumed = |last| Offered::Consumed { counts: true, last };
        match to {
            Consumption::One(filter) if passes(filter) => Ok(consumed(true)),
            Consumption::One(_) => Ok(Offered::Unwanted),
            Consumption::All(filters) => {
                progress.met.resize(filters.len(), false);
                let open = (0..filters.len()).filter(|index| !progress.met[*index]);
                let Some(index) = open.into_iter().find(|index| passes(&filters[*index])) else {
                    return Ok(Offered::Unwanted);
                };
                progress.met[index] = true;
                Ok(consumed(progress.met.iter().all(|met| *met)))
            }
            Consumption::Any { filters, until } => {
                if let Some(Until::Consumed(end)) = until {
                    let inner = progress.until.get_or_insert_default();
                    match self.consume(reading, end, inner, correlated, event)? {
                        Offered::Unwanted => {}
                        Offered::Consumed { last, .. } => {
                            return Ok(Offered::Consumed { counts: false, last });
                        }
                    }
                }
                let mut passes = |filter| self.passes(reading, filter, correlated, event);
                if !filters.is_empty() && !filters.iter().any(&mut passes) {
                    return Ok(Offered::Unwanted);
                }
                self.any_consumed(reading, to, progress, event)
            }
        }
    }

    fn any_consumed(
        &self,
        reading: &Reading<'_>,
        to: &Consumption,
        progress: &mut Progress,
        event: &Value,
    ) -> Result<Offered, Error> {
        let last = match to {
            Consumption::Any { until: None, .. } => true,
            // That of the task itself is asked when the event was counted, or worked on.
            Consumption::Any { until: Some(Until::Condition(condition)), .. }
                if !std::ptr::eq(to, &reading.listen.to) =>
            {
                progress.consumed.push(read(event, reading.listen.read));
                charge_walk(size_of_val(progress.consumed.as_slice()));
                let all = Value::Arr(progress.consumed.clone().into());
                self.holds_with(condition, &all, reading.variables, "listen/to/until")?
            }
            _ => false,
        };
        Ok(Offered::Consumed { counts: true, last })
    }

    /// Shapes what came of an event, and goes on with the next, or ends.
    fn item_done(&mut self, id: ScopeId, listen: &Listen) -> Result<(), Error> {
        let Body::Listen(state) = &mut self.task_mut(id)?.body else { return Ok(()) };
        match &state.item {
            None => return self.next_item(id, listen),
            Some(Item::Running(_)) => return Ok(()),
            Some(Item::Done(event, output)) => {
                let (event, output) = (event.clone(), output.clone());
                if !self.shape_item(id, listen, &event, &output)? {
                    return Ok(());
                }
                let variables = self.variables(id)?;
                let input = self.task(id)?.input().clone();
                let reading = Reading { listen, input: &input, variables: &variables };
                let Body::Listen(mut state) = self.take_body(id)? else { return Ok(()) };
                state.item = None;
                state.consumed.push(event);
                if self.until_holds(listen, &state.consumed, &reading)? {
                    state.enough = true;
                    let unused = std::mem::take(&mut state.line);
                    self.mailbox.put_back(unused);
                }
                self.task_mut(id)?.body = Body::Listen(state);
            }
        }
        self.next_item(id, listen)
    }

    /// `foreach.output` and `foreach.export`. False when a schema is still to be fetched.
    fn shape_item(
        &mut self,
        id: ScopeId,
        listen: &Listen,
        event: &Value,
        raw: &Value,
    ) -> Result<bool, Error> {
        let Some(each) = &listen.each else { return Ok(true) };
        let Body::Listen(state) = &self.task(id)?.body else { return Ok(true) };
        let mut variables = item_variables(each, event, state.index.saturating_sub(1));
        let all = self.variables_with(id, &variables)?;
        let output = match &each.output.shape {
            Some(template) => self.evaluate_with(template, raw, &all, "foreach/output/as")?,
            None => raw.clone(),
        };
        variables.insert("output".into(), output.clone());
        let all = self.variables_with(id, &variables)?;
        if !self.conforms(id, each.output.schema.as_ref(), &output)?
            || !self.export(id, &each.export, &output, &all, "foreach/export/as")?
        {
            return Ok(false);
        }
        if let Body::Listen(state) = &mut self.task_mut(id)?.body {
            state.output.push(output);
        }
        Ok(true)
    }

    fn next_item(&mut self, id: ScopeId, listen: &Listen) -> Result<(), Error> {
        let Body::Listen(state) = &mut self.task_mut(id)?.body else { return Ok(()) };
        let next = state.line.pop_front();
        let (Some((_, event)), Some(each)) = (next, &listen.each) else {
            return if state.enough { self.heard(id, listen) } else { Ok(()) };
        };
        let event = read(&event, listen.read);
        let index = state.index;
        state.index += 1;
        let Some(tasks) = each.tasks.clone() else {
            state.item = Some(Item::Done(event.clone(), event));
            self.work.push(Work::Advance(id));
            return Ok(());
        };
        state.item = Some(Item::Running(event.clone()));
        let variables = item_variables(each, &event, index);
        let env = self.scope(id)?.env.with(variables, Some(index));
        self.add_list(Parent { id, slot: 0 }, env, tasks, event);
        Ok(())
    }

    pub(super) fn item_ended(&mut self, id: ScopeId, ended: Ended) -> Result<(), Error> {
        let output = match ended {
            Ended::Completed { output, .. } => output,
            Ended::Faulted(error) => return Err(error),
        };
        if let Body::Listen(state) = &mut self.task_mut(id)?.body
            && let Some(Item::Running(event)) = state.item.take()
        {
            state.item = Some(Item::Done(event, output));
        }
        self.work.push(Work::Advance(id));
        Ok(())
    }

    fn heard(&mut self, id: ScopeId, listen: &Listen) -> Result<(), Error> {
        self.listeners.remove(&id);
        let Body::Listen(state) = self.take_body(id)? else { return Ok(()) };
        if correlates(&listen.to) {
            let keys = state.correlated.iter().map(|(name, it)| (name.to_string(), it.clone()));
            self.observe_run(id, Observed::CorrelationCompleted(object(keys)));
        }
        self.produced(id, Value::Arr(state.output.into()))
    }
}

/// What filters are evaluated with.
pub(super) struct Reading<'a> {
    listen: &'a Listen,
    pub(super) input: &'a Value,
    pub(super) variables: &'a Variables,
}

fn item_variables(each: &ForEach, event: &Value, index: u64) -> Variables {
    let index = Value::Num(jaq_json::Num::from_integral(index));
    Variables::from([(each.item.clone(), event.clone()), (each.at.clone(), index)])
}

fn correlates(to: &Consumption) -> bool {
    match to {
        Consumption::One(filter) => !filter.correlate.is_empty(),
        Consumption::All(filters) | Consumption::Any { filters, .. } => {
            filters.iter().any(|filter| !filter.correlate.is_empty())
        }
    }
}
