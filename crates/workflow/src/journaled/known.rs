//! The events that a run was given lately, to know them again.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::machine::CloudEvent;

/// Events that are remembered. One that comes again after so many others is taken for a new one.
const EVENTS_MAX: usize = 10_000;

/// What tells an event from others: its source and id.
pub type Identity = Arc<(String, String)>;

/// What tells an event from others.
#[must_use]
pub fn identity(event: &CloudEvent) -> Identity {
    let text = |name: &str| event.get(name).and_then(|it| it.as_str()).unwrap_or_default();
    Arc::new((text("source").to_owned(), text("id").to_owned()))
}

/// The events that a run was given lately.
#[derive(Default)]
pub(super) struct Known {
    all: HashSet<Identity>,
    in_order: VecDeque<Identity>,
}

impl Known {
    /// Remembers an event; true when it is news.
    pub(super) fn insert(&mut self, event: &CloudEvent) -> bool {
        let identity = identity(event);
        if !self.all.insert(Arc::clone(&identity)) {
            return false;
        }
        self.in_order.push_back(identity);
        if self.in_order.len() > EVENTS_MAX
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.all.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_came_lately_is_known_and_what_is_old_makes_room() {
        let mut known = Known::default();
        let mut insert = |source: &str, id: usize| {
            known.insert(json!({ "source": source, "id": id.to_string() }).as_object().unwrap())
        };
        assert!(insert("a", 0) && insert("b", 0) && !insert("a", 0));
        assert!((1..EVENTS_MAX).all(|id| insert("b", id)));
        assert!(!insert("b", 0), "the oldest but one");
        assert!(insert("a", 0), "the oldest");
    }
}
