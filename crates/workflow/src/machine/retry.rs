//! `try`: which errors are caught, when the tasks are tried again, and what happens when not.
//!
//! A caught error is retried while the policy says so. Then `catch.do` runs, and `catch.then` says
//! what is next. A `catch` that has neither of them but a policy only retries: the last error is
//! the task's own. One that has nothing at all swallows the error, and the task's output is its
//! input.
//!
//! Jitter is not random: it is a hash of the run, the task and the number of the retry. So it
//! differs between runs, and is the same whenever one is replayed.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tessera_types::{Duration, Timestamp};

use super::run::Machine;
use super::scope::{Body, Ended, Parent, ScopeId, Timer, TryState};
use super::{Error, Observed, kind};
use crate::definition::{Backoff, Catch, ErrorFilter, Kind, Period, Retry, Task, Try};
use crate::expression::{Expression, Template, Variables};
use crate::value::Value;

impl Machine {
    /// Begins the tasks, for the first time or again.
    pub(super) fn attempt(&mut self, id: ScopeId) -> Result<(), Error> {
        let now = self.now;
        let frame = self.task_mut(id)?;
        let (task, input) = (frame.task.clone(), frame.input().clone());
        let Kind::Try(it) = &task.kind else { return Ok(()) };
        if matches!(frame.body, Body::Idle) {
            frame.body = Body::Try(TryState { attempt: 0, since: now, catching: false });
        }
        let limit = it.catch.retry.as_deref().and_then(|retry| retry.attempt_duration.as_ref());
        if let Some(period) = limit {
            let period = self.period(id, period, &input, "catch/retry/limit/attempt/duration")?;
            self.add_timer(id, Timer::Attempt, now.plus(period))?;
        }
        let env = self.scope(id)?.env.clone();
        self.add_list(Parent { id, slot: 0 }, env, it.tasks.clone(), input);
        Ok(())
    }

    pub(super) fn attempt_timed_out(&mut self, id: ScopeId) -> Result<(), Error> {
        self.clear_children(id, &BTreeMap::new());
        let task = self.task(id)?.task.clone();
        let Kind::Try(it) = &task.kind else { return Ok(()) };
        let detail = format!("an attempt of task `{}` took too long", task.name);
        let error = Error::timeout(detail).at(&task.reference);
        self.attempt_ended(id, it, Ended::Faulted(error))
    }

    pub(super) fn attempt_ended(
        &mut self,
        id: ScopeId,
        it: &Try,
        ended: Ended,
    ) -> Result<(), Error> {
        self.drop_timer(id, Timer::Attempt);
        let Body::Try(state) = &self.task(id)?.body else { return Ok(()) };
        match ended {
            Ended::Completed { output, .. } => self.produced(id, output),
            Ended::Faulted(error) if state.catching => Err(error),
            Ended::Faulted(error) => self.catch(id, &it.catch, error),
        }
    }

    fn catch(&mut self, id: ScopeId, catch: &Catch, error: Error) -> Result<(), Error> {
        let variable = Variables::from([(catch.variable.clone(), error.to_value())]);
        let variables = self.variables_with(id, &variable)?;
        let input = self.task(id)?.input().clone();
        if !self.catches(catch, &error, &input, &variables)? {
            return Err(error);
        }
        if let Some(retry) = &catch.retry {
            if let Some(at) = self.retry_at(id, retry, &input, &variables)? {
                return self.retry(id, at, error);
            }
            if catch.tasks.is_none() && catch.then.is_none() {
                return Err(error);
            }
        }
        let frame = self.task_mut(id)?;
        frame.then.clone_from(&catch.then);
        if let Body::Try(state) = &mut frame.body {
            state.catching = true;
        }
        let Some(tasks) = &catch.tasks else { return self.produced(id, input) };
        let env = self.scope(id)?.env.with(variable, None);
        self.add_list(Parent { id, slot: 1 }, env, tasks.clone(), input);
        Ok(())
    }

    fn catches(
        &self,
        catch: &Catch,
        error: &Error,
        input: &Value,
        variables: &Variables,
    ) -> Result<bool, Error> {
        if !self.filtered(&catch.filter, error, input, variables)? {
            return Ok(false);
        }
        self.wanted(
            (catch.when.as_ref(), "catch/when"),
            (catch.except_when.as_ref(), "catch/exceptWhen"),
            input,
            variables,
        )
    }

    fn filtered(
        &self,
        filter: &ErrorFilter,
        error: &Error,
        input: &Value,
        variables: &Variables,
    ) -> Result<bool, Error> {
        let wanted = |template: &Template| {
            self.evaluate_with(template, input, variables, "catch/errors/with")
        };
        let is = |template: &Option<Template>, value: Value| -> Result<bool, Error> {
            template.as_ref().map_or(Ok(true), |it| Ok(wanted(it)? == value))
        };
        let text = |it: &Arc<str>| Value::utf8_str(it.to_string());
        let some = |it: &Option<Arc<str>>| it.as_ref().map(text).unwrap_or_default();
        let kind = match &filter.kind {
            None => true,
            Some(template) => match wanted(template)? {
                Value::TStr(it) => kind::same(&String::from_utf8_lossy(&it), &error.kind),
                _ => false,
            },
        };
        Ok(kind
            && is(&filter.status, Value::from(usize::from(error.status)))?
            && is(&filter.instance, text(&error.instance))?
            && is(&filter.title, some(&error.title))?
            && is(&filter.detail, some(&error.detail))?)
    }

    /// Whether `when` holds, if there is one, and `exceptWhen` does not.
    fn wanted(
        &self,
        (when, when_field): (Option<&Expression>, &str),
        (except, except_field): (Option<&Expression>, &str),
        input: &Value,
        variables: &Variables,
    ) -> Result<bool, Error> {
        if let Some(when) = when
            && !self.holds_with(when, input, variables, when_field)?
        {
            return Ok(false);
        }
        match except {
            Some(except) => Ok(!self.holds_with(except, input, variables, except_field)?),
            None => Ok(true),
        }
    }

    /// When the next attempt begins, if there is to be one.
    fn retry_at(
        &self,
        id: ScopeId,
        retry: &Retry,
        input: &Value,
        variables: &Variables,
    ) -> Result<Option<Timestamp>, Error> {
        let Body::Try(state) = &self.task(id)?.body else { return Ok(None) };
        let number = state.attempt + 1;
        let exhausted = retry.attempts_max.is_some_and(|max| number > max);
        let when = (retry.when.as_ref(), "catch/retry/when");
        let except = (retry.except_when.as_ref(), "catch/retry/exceptWhen");
        if exhausted || !self.wanted(when, except, input, variables)? {
            return Ok(None);
        }
        let at = self.now.plus(self.delay(id, retry, number, input)?);
        let Some(limit) = &retry.duration else { return Ok(Some(at)) };
        let limit = self.period(id, limit, input, "catch/retry/limit/duration")?;
        Ok(Some(at).filter(|at| *at <= state.since.plus(limit)))
    }

    fn delay(
        &self,
        id: ScopeId,
        retry: &Retry,
        number: u32,
        input: &Value,
    ) -> Result<Duration, Error> {
        let length = |period: &Period, field| self.period(id, period, input, field);
        let base = match &retry.delay {
            Some(delay) => length(delay, "catch/retry/delay")?,
            None => Duration::ZERO,
        };
        let delay = base.times(match retry.backoff {
            Backoff::Constant => 1,
            Backoff::Linear => u64::from(number),
            Backoff::Exponential => 1_u64.checked_shl(number - 1).unwrap_or(u64::MAX),
        });
        let Some((from, to)) = &retry.jitter else { return Ok(delay) };
        let from = length(from, "catch/retry/jitter/from")?;
        let to = length(to, "catch/retry/jitter/to")?;
        let width = to.as_millis().saturating_sub(from.as_millis()) + 1;
        let chance = self.chance(id, &self.task(id)?.task, number);
        Ok(delay.plus(from).plus(Duration::from_millis(chance % width)))
    }

    fn chance(&self, id: ScopeId, task: &Task, number: u32) -> u64 {
        let what = format!("{}\n{}\n{}\n{number}", self.run_id, task.reference, id.0);
        let hash: [u8; 32] = Sha256::digest(what).into();
        u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
    }

    fn retry(&mut self, id: ScopeId, at: Timestamp, error: Error) -> Result<(), Error> {
        let Body::Try(state) = &mut self.task_mut(id)?.body else { return Ok(()) };
        state.attempt += 1;
        let attempt = state.attempt;
        self.observe(id, Observed::Retried { attempt, at, error });
        if at > self.now {
            return self.add_timer(id, Timer::Retry, at);
        }
        self.attempt(id)
    }
}
