//! What is to be looked at, and when: a queue without duplicates, timers, and
//! bounded backoff for what fails.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use tessera_types::{BootTime, Duration, Now, Timestamp, Uid, limits};

/// The first pause after a failure, and the longest.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// What is to be looked at, and when.
#[derive(Debug, Default)]
pub struct Queue {
    /// What does not wait for all the rest.
    first: Line,
    /// In the order in which they were woken, with some that were looked at meanwhile.
    due: VecDeque<Uid>,
    is_due: HashSet<Uid>,
    /// By the wall clock: windows.
    at: Timers<Timestamp>,
    /// By the clock that nobody sets: leases.
    first_after: Timers<BootTime>,
    /// By the same: everything else.
    after: Timers<BootTime>,
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

    /// As [`Queue::push`], and before all that is only pushed.
    pub fn push_first(&mut self, id: Uid) {
        if self.failures.get(&id).is_none_or(|failures| !failures.is_paused) {
            self.is_due.insert(id);
            self.first.push(id);
        }
    }

    /// Looks at `id` when the wall clock shows `at`. A resource has one timer on
    /// each clock: the earliest wins until it is looked at.
    pub fn push_at(&mut self, id: Uid, at: Timestamp) {
        self.at.set(id, at);
    }

    /// Looks at `id` when `after` has come, in the same way.
    pub fn push_after(&mut self, id: Uid, after: BootTime) {
        self.after.set(id, after);
    }

    /// Looks at `id` when `after` has come, and before all that is only pushed.
    pub fn push_first_after(&mut self, id: Uid, after: BootTime) {
        self.first_after.set(id, after);
    }

    /// Looks at `id` again after a failure of the store: each further one waits
    /// twice as long, up to half a minute, with a jitter that depends on the
    /// resource.
    pub fn push_failed(&mut self, id: Uid, now: BootTime) {
        let after = now.plus(self.next_pause(id));
        self.push_after(id, after);
    }

    /// As [`Queue::push_failed`], when the store refused what is to be written
    /// of this resource alone: nothing but the end of the pause wakes it.
    pub fn push_refused(&mut self, id: Uid, now: BootTime) {
        let after = now.plus(self.next_pause(id));
        let failures = self.failures.entry(id).or_default();
        failures.refused += 1;
        failures.is_paused = true;
        self.stop_timers(id);
        self.push_after(id, after);
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
        self.stop_timers(id);
    }

    fn stop_timers(&mut self, id: Uid) {
        self.at.stop(id);
        self.first_after.stop(id);
        self.after.stop(id);
    }

    /// The next resource to look at, if any is due. Its timers are off. A time of the wall
    /// clock that has come goes before all that has only news, and so does a lease: a window opens
    /// and closes on time, and a node is marked as what it is, whatever else there is to do.
    pub fn pop(&mut self, now: Now) -> Option<Uid> {
        while let Some(id) = self.after.pop(now.boot) {
            self.push_now(id);
        }
        let id = self
            .at
            .pop(now.wall)
            .or_else(|| self.first_after.pop(now.boot))
            .or_else(|| self.next_due())?;
        self.is_due.remove(&id);
        self.stop_timers(id);
        if let Some(failures) = self.failures.get_mut(&id) {
            failures.is_paused = false;
        }
        Some(id)
    }

    fn next_due(&mut self) -> Option<Uid> {
        let Self { first, due, is_due, .. } = self;
        std::iter::from_fn(|| first.pop().or_else(|| due.pop_front()))
            .find(|id| is_due.contains(id))
    }

    /// How long nothing is due; zero if something is.
    #[must_use]
    pub fn next_in(&self, now: Now) -> Option<Duration> {
        if !self.is_due.is_empty() {
            return Some(Duration::ZERO);
        }
        let at = self.at.first().map(|at| now.until(at));
        let after = [self.first_after.first(), self.after.first()];
        let after = after.into_iter().flatten().map(|after| after.since(now.boot));
        at.into_iter().chain(after).min()
    }

    /// How many are due, and how many timers there are.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.is_due.len(), self.at.of.len() + self.first_after.of.len() + self.after.of.len())
    }

    /// How long the order of what is due is, with what was looked at meanwhile.
    #[must_use]
    pub fn in_order(&self) -> usize {
        self.first.order.len() + self.due.len()
    }
}

/// In the order in which they were woken, each once, with some that were looked at meanwhile.
#[derive(Debug, Default)]
struct Line {
    order: VecDeque<Uid>,
    members: HashSet<Uid>,
}

impl Line {
    fn push(&mut self, id: Uid) {
        if self.members.insert(id) {
            self.order.push_back(id);
        }
    }

    fn pop(&mut self) -> Option<Uid> {
        let id = self.order.pop_front()?;
        self.members.remove(&id);
        Some(id)
    }
}

/// Timers on one clock, at most one for each resource.
#[derive(Debug)]
struct Timers<T> {
    in_order: BTreeSet<(T, Uid)>,
    of: HashMap<Uid, T>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { in_order: BTreeSet::new(), of: HashMap::new() }
    }
}

impl<T: Copy + Ord> Timers<T> {
    fn set(&mut self, id: Uid, at: T) {
        if self.of.get(&id).is_some_and(|current| *current <= at) {
            return;
        }
        self.stop(id);
        self.in_order.insert((at, id));
        self.of.insert(id, at);
    }

    fn stop(&mut self, id: Uid) {
        if let Some(at) = self.of.remove(&id) {
            self.in_order.remove(&(at, id));
        }
    }

    fn first(&self) -> Option<T> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// Takes the first one that is due.
    fn pop(&mut self, now: T) -> Option<Uid> {
        let (_, id) = self.in_order.first().copied().filter(|(at, _)| *at <= now)?;
        self.stop(id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(ms: u64) -> BootTime {
        BootTime::from_millis(ms)
    }

    fn wall(ms: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_millis(ms))
    }

    /// Both clocks show the same.
    fn at(ms: u64) -> Now {
        Now { wall: wall(ms), boot: boot(ms) }
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
    fn a_time_that_has_come_goes_before_news_and_is_looked_at_once() {
        let mut queue = Queue::default();
        for id in [1, 2, 3] {
            queue.push(Uid(id));
        }
        queue.push_at(Uid(3), wall(20));
        queue.push_at(Uid(9), wall(10));
        queue.push_after(Uid(8), boot(10));
        assert_eq!(queue.pop(at(0)), Some(Uid(1)));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(at(20))).map(|id| id.0).collect();
        assert_eq!(order, [9, 3, 2, 8]);
        assert_eq!((queue.next_in(at(20)), queue.len()), (None, (0, 0)));
        queue.push(Uid(3));
        assert_eq!(queue.pop(at(20)), Some(Uid(3)), "it is woken again");
        assert_eq!(queue.in_order(), 0);
    }

    #[test]
    fn what_is_first_goes_before_news_even_where_it_was_pushed_before() {
        let mut queue = Queue::default();
        for id in [1, 2, 3] {
            queue.push(Uid(id));
        }
        queue.push_first(Uid(3));
        queue.push_first(Uid(3));
        queue.push_first_after(Uid(9), boot(10));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(at(10))).map(|id| id.0).collect();
        assert_eq!(order, [9, 3, 1, 2]);
        queue.push_refused(Uid(4), boot(10));
        queue.push_first(Uid(4));
        assert_eq!(queue.pop(at(10)), None, "its pause is not over");
        assert_eq!((queue.in_order(), queue.len()), (0, (0, 1)));
    }

    #[test]
    fn the_earliest_timer_wins_and_a_look_turns_it_off() {
        let mut queue = Queue::default();
        queue.push_after(Uid(1), boot(50));
        queue.push_after(Uid(1), boot(20));
        queue.push_after(Uid(1), boot(30));
        queue.push_at(Uid(1), wall(40));
        assert_eq!(queue.pop(at(19)), None);
        assert_eq!(queue.next_in(at(19)), Some(Duration::from_millis(1)));
        assert_eq!(queue.pop(at(20)), Some(Uid(1)));
        assert_eq!(queue.next_in(at(20)), None);
    }

    #[test]
    fn each_timer_follows_its_own_clock_however_the_other_is_set() {
        let mut queue = Queue::default();
        queue.push_after(Uid(1), boot(1000));
        queue.push_at(Uid(2), wall(1000));
        assert_eq!(queue.pop(Now { wall: wall(0), boot: boot(1000) }), Some(Uid(1)));
        assert_eq!(queue.pop(Now { wall: wall(0), boot: boot(9000) }), None);
        assert_eq!(queue.pop(Now { wall: wall(1000), boot: boot(1001) }), Some(Uid(2)));
    }

    #[test]
    fn failures_back_off_to_a_ceiling_and_success_starts_over() {
        let mut queue = Queue::default();
        let mut pauses = Vec::new();
        for _ in 0..20 {
            queue.push_failed(Uid(7), boot(0));
            let pause = queue.next_in(at(0)).unwrap();
            pauses.push(pause);
            assert_eq!(queue.pop(at(pause.as_millis())), Some(Uid(7)));
        }
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(pauses[0] < Duration::from_millis(13));
        assert!(pauses[19] >= BACKOFF_MAX && pauses[19] <= BACKOFF_MAX.times(5));
        queue.succeeded(Uid(7));
        queue.push_failed(Uid(7), boot(0));
        assert!(queue.next_in(at(0)).unwrap() < Duration::from_millis(13));
    }
}
