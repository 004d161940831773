//! Events on their way to listeners.
//!
//! The rule is a broker's: an event is offered to all tasks that listen, and each that wants it
//! gets it. One that nobody wanted is kept until a task begins to listen that does; so it does not
//! matter whether an event or the task is first. Events are offered only when everything else that
//! can be done was done: tasks that begin to listen together are offered the same events.

use std::collections::VecDeque;

use super::run::Machine;
use crate::value::Value;

/// Events that nobody has consumed, in the order in which they came.
#[derive(Default)]
pub(super) struct Mailbox {
    kept: VecDeque<(u64, Value)>,
    received: u64,
}

impl Mailbox {
    /// Keeps an event. True when the oldest had to go for it.
    pub(super) fn push(&mut self, event: Value, max: usize) -> bool {
        self.received += 1;
        self.kept.push_back((self.received, event));
        let full = self.kept.len() > max;
        while self.kept.len() > max {
            self.kept.pop_front();
        }
        full
    }

    /// Keeps events again that were taken and not used, in the order in which they came.
    pub(super) fn put_back(&mut self, events: impl IntoIterator<Item = (u64, Value)>) {
        self.kept.extend(events);
        self.kept.make_contiguous().sort_by_key(|(number, _)| *number);
    }

    /// Those that are kept.
    pub(super) fn events(&self) -> impl Iterator<Item = &Value> {
        self.kept.iter().map(|(_, event)| event)
    }

    fn after(&self, seen: u64) -> Option<(u64, Value)> {
        let next = self.kept.partition_point(|(number, _)| *number <= seen);
        self.kept.get(next).cloned()
    }

    fn remove(&mut self, number: u64) {
        if let Ok(index) = self.kept.binary_search_by_key(&number, |(number, _)| *number) {
            self.kept.remove(index);
        }
    }
}

impl Machine {
    /// Offers the events that are kept to those that listen, until one is consumed. False when
    /// none is.
    pub(super) fn deliver(&mut self) -> bool {
        let listeners: Vec<_> = self.listeners.iter().copied().collect();
        let Some(mut seen) = listeners.iter().filter_map(|id| self.seen(*id)).min() else {
            return false;
        };
        while let Some((number, event)) = self.mailbox.after(seen) {
            let mut wanted = false;
            for id in &listeners {
                if self.seen(*id).is_some_and(|seen| seen < number) {
                    wanted |= self.offer(*id, number, &event);
                }
            }
            if wanted {
                self.mailbox.remove(number);
                return true;
            }
            seen = number;
        }
        false
    }
}
