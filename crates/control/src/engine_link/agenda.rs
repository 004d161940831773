//! What there is to do with the engine, and when.
//!
//! One entry for each correlation id, which says only whose it is and when it is due: what
//! is to be done is read from the world when its time has come. So a change costs as much
//! as it changes, however much else waits.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use tessera_types::ResourceKey;

/// The pauses before something is tried again.
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What is to be done about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Submit,
    Ask,
    Cancel,
}

#[derive(Debug)]
struct Entry {
    of: ResourceKey,
    what: What,
    /// None while it is being done.
    due: Option<Instant>,
    /// The last pause after a failure.
    pause: Option<Duration>,
}

/// All that there is to do, by correlation id.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: HashMap<String, Entry>,
    due: BTreeSet<(Instant, String)>,
}

impl Agenda {
    /// There is this to do. What is known already keeps its time, and what is being done is
    /// not begun again.
    pub(super) fn note(&mut self, id: &str, of: &ResourceKey, what: What, due: Instant) {
        if let Some(entry) = self.entries.get_mut(id) {
            let Some(before) = entry.due.filter(|_| entry.what != what) else { return };
            self.due.remove(&(before, id.to_owned()));
        }
        let entry = Entry { of: of.clone(), what, due: Some(due), pause: None };
        self.entries.insert(id.to_owned(), entry);
        self.due.insert((due, id.to_owned()));
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Begins what has been due for longest, if anything is.
    pub(super) fn take(&mut self, now: Instant) -> Option<(String, ResourceKey)> {
        if self.next()? > now {
            return None;
        }
        let (_, id) = self.due.pop_first()?;
        let entry = self.entries.get_mut(&id)?;
        entry.due = None;
        Some((id, entry.of.clone()))
    }

    /// It is done, or not to be done any more. Says whose it was.
    pub(super) fn done(&mut self, id: &str) -> Option<ResourceKey> {
        let entry = self.entries.remove(id)?;
        if let Some(due) = entry.due {
            self.due.remove(&(due, id.to_owned()));
        }
        Some(entry.of)
    }

    /// It was begun and could not be done: it is tried again after a pause.
    pub(super) fn failed(&mut self, id: &str, now: Instant) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let pause = entry.pause.map_or(PAUSE_MIN, |pause| (pause * 2).min(PAUSE_MAX));
        let due = now + pause;
        (entry.pause, entry.due) = (Some(pause), Some(due));
        self.due.insert((due, id.to_owned()));
    }

    /// Whose jobs these are.
    pub(super) fn owners(&self) -> BTreeSet<&ResourceKey> {
        self.entries.values().map(|entry| &entry.of).collect()
    }
}

#[cfg(test)]
mod tests {
    use tessera_types::{KindName, Name};

    use super::*;

    fn key(name: &str) -> ResourceKey {
        ResourceKey::new(KindName::Pod, None, Name::new(name).unwrap())
    }

    #[test]
    fn what_is_due_is_begun_once_in_the_order_of_its_time() {
        let (now, mut agenda) = (Instant::now(), Agenda::default());
        let later = now + Duration::from_secs(1);
        agenda.note("b", &key("p"), What::Submit, now);
        agenda.note("a", &key("p"), What::Ask, later);
        agenda.note("b", &key("p"), What::Submit, later);
        assert_eq!(agenda.next(), Some(now), "what is known keeps its time");
        assert_eq!(agenda.take(now), Some(("b".to_owned(), key("p"))));
        agenda.note("b", &key("p"), What::Cancel, now);
        assert_eq!(agenda.take(now), None, "one thing at a time for each");
        assert_eq!(agenda.take(later), Some(("a".to_owned(), key("p"))));
        assert_eq!(agenda.next(), None);
        assert_eq!(agenda.done("b"), Some(key("p")));
        agenda.note("b", &key("p"), What::Cancel, later);
        assert_eq!(agenda.take(later).unwrap().0, "b");
    }

    #[test]
    fn what_is_not_wanted_any_more_does_not_wait_for_its_turn_to_be_asked_for() {
        let (now, mut agenda) = (Instant::now(), Agenda::default());
        agenda.note("a", &key("p"), What::Ask, now + Duration::from_secs(600));
        agenda.note("a", &key("p"), What::Cancel, now);
        assert_eq!(agenda.take(now).unwrap().0, "a");
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn what_fails_is_tried_again_after_pauses_that_grow_to_a_bound() {
        let (mut now, mut agenda) = (Instant::now(), Agenda::default());
        agenda.note("a", &key("p"), What::Submit, now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            agenda.take(now).unwrap();
            agenda.failed("a", now);
            pauses.push((agenda.next().unwrap() - now).as_millis());
            now = agenda.next().unwrap();
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }
}
