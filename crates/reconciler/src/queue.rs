//! What is to be looked at, and when: a queue without duplicates, timers, and
//! bounded backoff for what fails.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use tessera_types::{Duration, Timestamp, Uid, limits};

/// The first pause after a failure, and the longest.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// What is to be looked at, and when.
#[derive(Debug, Default)]
pub struct Queue {
    due: VecDeque<Uid>,
    is_due: HashSet<Uid>,
    timers: BTreeSet<(Timestamp, Uid)>,
    timer_of: HashMap<Uid, Timestamp>,
    failures: HashMap<Uid, Failures>,
}

/// How often in a row the writes of one resource have failed.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    /// Of these, each made the pause longer.
    pauses: u32,
    /// Of these, the store refused so many for the resource's own sake.
    refused: u32,
    /// It is not looked at before its pause is over, whoever asks.
    is_paused: bool,
}

impl Queue {
    /// Looks at `id` as soon as possible. It is looked at once, however often
    /// this is called before; and not before the end of its pause, if the store
    /// refuses what is to be written of it.
    pub fn push(&mut self, id: Uid) {
        if self.failures.get(&id).is_none_or(|failures| !failures.is_paused) {
            self.push_now(id);
        }
    }

    fn push_now(&mut self, id: Uid) {
        if self.is_due.insert(id) {
            self.due.push_back(id);
        }
    }

    /// Looks at `id` at `at`. A resource has one timer: the earliest wins until
    /// it is looked at.
    pub fn push_at(&mut self, id: Uid, at: Timestamp) {
        if let Some(current) = self.timer_of.get(&id) {
            if *current <= at {
                return;
            }
            self.timers.remove(&(*current, id));
        }
        self.timers.insert((at, id));
        self.timer_of.insert(id, at);
    }

    /// Looks at `id` again after a failure of the store: each further one waits
    /// twice as long, up to half a minute, with a jitter that depends on the
    /// resource.
    pub fn push_failed(&mut self, id: Uid, now: Timestamp) {
        let at = now.plus(self.next_pause(id));
        self.push_at(id, at);
    }

    /// As [`Queue::push_failed`], when the store refused what is to be written
    /// of this resource alone: nothing but the end of the pause wakes it.
    pub fn push_refused(&mut self, id: Uid, now: Timestamp) {
        let at = now.plus(self.next_pause(id));
        let failures = self.failures.entry(id).or_default();
        failures.refused += 1;
        failures.is_paused = true;
        self.stop_timer(id);
        self.push_at(id, at);
    }

    fn next_pause(&mut self, id: Uid) -> Duration {
        let failures = self.failures.entry(id).or_default();
        failures.pauses += 1;
        let pause = BACKOFF_MIN.times(1 << (failures.pauses - 1).min(12)).min(BACKOFF_MAX);
        // Up to a quarter more, spread by Fibonacci hashing of the identity.
        let spread = id.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
        Duration::from_millis(pause.as_millis() + pause.as_millis() / 4 * spread / 256)
    }

    /// What failed before has succeeded, or there is another reason to begin
    /// anew: the resource is looked at as if nothing had failed.
    pub fn succeeded(&mut self, id: Uid) {
        self.failures.remove(&id);
    }

    /// Whether the store has refused this resource's writes as often as is
    /// tried.
    #[must_use]
    pub fn is_given_up(&self, id: Uid) -> bool {
        self.failures.get(&id).is_some_and(|failures| failures.refused >= limits::WRITE_TRIES_MAX)
    }

    /// How many resources have writes that the store refuses, and for how many
    /// of them it has done so as often as is tried.
    #[must_use]
    pub fn refused(&self) -> (usize, usize) {
        let count = |min| self.failures.values().filter(|one| one.refused >= min).count();
        (count(1), count(limits::WRITE_TRIES_MAX))
    }

    /// Forgets a resource that is gone.
    pub fn forget(&mut self, id: Uid) {
        self.failures.remove(&id);
        self.stop_timer(id);
    }

    fn stop_timer(&mut self, id: Uid) {
        if let Some(at) = self.timer_of.remove(&id) {
            self.timers.remove(&(at, id));
        }
    }

    /// The next resource to look at, if any is due at `now`. Its timer is off.
    pub fn pop(&mut self, now: Timestamp) -> Option<Uid> {
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, id));
            self.timer_of.remove(&id);
            self.push_now(id);
        }
        let id = self.due.pop_front()?;
        self.is_due.remove(&id);
        self.stop_timer(id);
        if let Some(failures) = self.failures.get_mut(&id) {
            failures.is_paused = false;
        }
        Some(id)
    }

    /// When the next one is due: `now` or earlier if one is already.
    #[must_use]
    pub fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.due.is_empty() { self.timers.first().map(|(at, _)| *at) } else { Some(now) }
    }

    /// How many are due, and how many wait for their time.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.due.len(), self.timers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_millis(ms))
    }

    #[test]
    fn a_resource_is_looked_at_once_per_wake_up_and_in_order() {
        let mut queue = Queue::default();
        for id in [1, 2, 1, 3, 2] {
            queue.push(Uid(id));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(at(0))).map(|id| id.0).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn the_earliest_timer_wins_and_a_look_turns_it_off() {
        let mut queue = Queue::default();
        queue.push_at(Uid(1), at(50));
        queue.push_at(Uid(1), at(20));
        queue.push_at(Uid(1), at(30));
        assert_eq!(queue.pop(at(19)), None);
        assert_eq!(queue.next_at(at(19)), Some(at(20)));
        assert_eq!(queue.pop(at(20)), Some(Uid(1)));
        assert_eq!(queue.next_at(at(20)), None);
    }

    #[test]
    fn failures_back_off_to_a_ceiling_and_success_starts_over() {
        let mut queue = Queue::default();
        let mut pauses = Vec::new();
        for _ in 0..20 {
            queue.push_failed(Uid(7), at(0));
            let next = queue.next_at(at(0)).unwrap();
            pauses.push(next.since(at(0)));
            assert_eq!(queue.pop(next), Some(Uid(7)));
        }
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(pauses[0] < Duration::from_millis(13));
        assert!(pauses[19] >= BACKOFF_MAX && pauses[19] <= BACKOFF_MAX.times(5));
        queue.succeeded(Uid(7));
        queue.push_failed(Uid(7), at(0));
        assert!(queue.next_at(at(0)).unwrap() < at(13));
    }
}
