//! Work: what can be done at once, and which part of a scope it concerns.

use std::sync::Arc;

use super::Error;
use super::run::Machine;
use super::scope::{Ended, Frame, Parent, ScopeId, Timer};
use crate::value::from_json;

/// What the result of an effect is for.
#[derive(Clone)]
pub(super) enum Purpose {
    /// It is what the task does.
    Body,
    /// It is the document of this URI, which the scope needs to go on.
    Text(Arc<str>),
}

/// Something that can be done at once.
pub(super) enum Work {
    Advance(ScopeId),
    Ended { parent: Parent, ended: Ended },
    Answer { scope: ScopeId, purpose: Purpose, result: Result<serde_json::Value, Error> },
    Fired { scope: ScopeId, timer: Timer },
}

impl Machine {
    /// Takes a scope on that can go on.
    pub(super) fn advance(&mut self, id: ScopeId) -> Result<(), Error> {
        match self.scope(id)?.frame {
            Frame::Run(_) => self.advance_run(id),
            Frame::List(_) => self.advance_list(id),
            Frame::Task(_) => self.advance_task(id),
        }
    }

    /// What was within a scope has ended.
    pub(super) fn child_ended(&mut self, parent: Parent, ended: Ended) -> Result<(), Error> {
        match self.scope(parent.id)?.frame {
            Frame::Run(_) => self.run_child_ended(parent.id, ended),
            Frame::List(_) => self.list_child_ended(parent.id, ended),
            Frame::Task(_) => self.task_child_ended(parent, ended),
        }
    }

    /// An effect has ended that a scope awaits.
    pub(super) fn answered(
        &mut self,
        id: ScopeId,
        purpose: Purpose,
        result: Result<serde_json::Value, Error>,
    ) -> Result<(), Error> {
        let result = result?;
        match purpose {
            Purpose::Body => self.effect_done(id, from_json(result)),
            Purpose::Text(uri) => {
                let serde_json::Value::String(text) = result else {
                    return Err(Error::runtime(format!("`{uri}` was fetched and is no text")));
                };
                self.library.texts.insert(uri, text.into());
                self.work.push(Work::Advance(id));
                Ok(())
            }
        }
    }

    /// A timer of a scope has come to its time.
    pub(super) fn fired(&mut self, id: ScopeId, timer: Timer) -> Result<(), Error> {
        match timer {
            Timer::Timeout => Err(self.timed_out(id)?),
            Timer::Attempt => self.attempt_timed_out(id),
            Timer::Retry => self.attempt(id),
            Timer::Wait => {
                let output = self.task(id)?.input().clone();
                self.produced(id, output)
            }
        }
    }
}
