//! In which order events are sent.
//!
//! The one idea: each job has a lane, of which the first event is sent and the others wait. Lanes
//! lead to receivers, and a receiver has only so many events under way: ten thousand jobs that tell
//! one which does not answer leave room for all others.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tessera_store::journal::JobNumber;
use url::Url;

/// Events on their way to one receiver at the same time.
const UNDER_WAY_MAX: usize = 32;

/// An event that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) number: u64,
    pub(crate) attempts: u32,
}

/// The events of one job, in order. The first is the one that is sent.
#[derive(Debug)]
struct Lane {
    receiver: Arc<str>,
    letters: VecDeque<Letter>,
    /// When the first may be sent; none while it is under way.
    due: Option<Instant>,
}

/// Where lanes lead to.
#[derive(Debug, Default)]
struct Receiver {
    /// The lanes that have something to send, by when.
    due: BTreeSet<(Instant, JobNumber)>,
    under_way: usize,
    /// When the next may be sent, as `Lanes::next` has it.
    next: Option<Instant>,
}

/// The events that are to be sent.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: BTreeMap<JobNumber, Lane>,
    receivers: HashMap<Arc<str>, Receiver>,
    /// The receivers that have something to be sent and places for it, by when.
    next: BTreeSet<(Instant, Arc<str>)>,
    pending: u64,
}

impl Lanes {
    pub(crate) const fn pending(&self) -> u64 {
        self.pending
    }

    /// When the next event may be sent.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.next.first().map(|(at, _)| *at)
    }

    /// Adds an event of a job, which goes to `url` from `at` on.
    pub(crate) fn add(&mut self, job: JobNumber, letter: Letter, url: &str, at: Instant) {
        self.pending += 1;
        if let Some(lane) = self.lanes.get_mut(&job) {
            return lane.insert(letter);
        }
        let receiver = self.receiver(url);
        let letters = VecDeque::from([letter]);
        self.lanes.insert(job, Lane { receiver, letters, due: None });
        self.wait(job, at);
    }

    /// Whether an event of a job is to be sent or under way.
    pub(crate) fn has(&self, job: JobNumber, number: u64) -> bool {
        let lane = self.lanes.get(&job);
        lane.is_some_and(|lane| lane.letters.iter().any(|it| it.number == number))
    }

    /// Takes the first event of a lane that is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(JobNumber, Letter)> {
        let (_, name) = self.next.first().filter(|(at, _)| *at <= now)?;
        let name = Arc::clone(name);
        let receiver = self.receivers.get_mut(&name)?;
        let (_, job) = receiver.due.pop_first()?;
        receiver.under_way += 1;
        self.turn(&name);
        let lane = self.lanes.get_mut(&job)?;
        lane.due = None;
        Some((job, lane.letters.front()?.clone()))
    }

    /// The event that was under way has arrived or is given up.
    pub(crate) fn done(&mut self, job: JobNumber, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&job) else { return };
        self.pending -= u64::from(lane.letters.pop_front().is_some());
        self.back(job);
        match self.lanes.get(&job).is_some_and(|lane| lane.letters.is_empty()) {
            true => self.close(job),
            false => self.wait(job, now),
        }
    }

    /// The event that was under way is to be sent again.
    pub(crate) fn again(&mut self, job: JobNumber, attempts: u32, at: Instant) {
        let Some(lane) = self.lanes.get_mut(&job) else { return };
        if let Some(first) = lane.letters.front_mut() {
            first.attempts = attempts;
        }
        self.back(job);
        self.wait(job, at);
    }

    /// Who is behind an address: those of one origin share their places.
    fn receiver(&mut self, url: &str) -> Arc<str> {
        let origin = Url::parse(url).map(|url| url.origin().ascii_serialization());
        let origin = origin.unwrap_or_default();
        if let Some((name, _)) = self.receivers.get_key_value(origin.as_str()) {
            return Arc::clone(name);
        }
        let name: Arc<str> = origin.into();
        self.receivers.insert(Arc::clone(&name), Receiver::default());
        name
    }

    /// A lane's first event waits until `at`.
    fn wait(&mut self, job: JobNumber, at: Instant) {
        let Some(lane) = self.lanes.get_mut(&job) else { return };
        lane.due = Some(at);
        let name = Arc::clone(&lane.receiver);
        if let Some(receiver) = self.receivers.get_mut(&name) {
            receiver.due.insert((at, job));
        }
        self.turn(&name);
    }

    /// A lane's event is not under way any more.
    fn back(&mut self, job: JobNumber) {
        let Some(lane) = self.lanes.get(&job) else { return };
        let name = Arc::clone(&lane.receiver);
        if let Some(receiver) = self.receivers.get_mut(&name) {
            receiver.under_way -= 1;
        }
        self.turn(&name);
    }

    /// A lane has nothing to send any more.
    fn close(&mut self, job: JobNumber) {
        let Some(lane) = self.lanes.remove(&job) else { return };
        let name = lane.receiver;
        if self.receivers.get(&name).is_some_and(|it| it.under_way == 0 && it.due.is_empty()) {
            self.receivers.remove(&name);
        }
    }

    /// Says anew when a receiver may be sent something.
    fn turn(&mut self, name: &Arc<str>) {
        let Some(receiver) = self.receivers.get_mut(name) else { return };
        let has_place = receiver.under_way < UNDER_WAY_MAX;
        let next = receiver.due.first().map(|(at, _)| *at).filter(|_| has_place);
        if let Some(was) = std::mem::replace(&mut receiver.next, next) {
            self.next.remove(&(was, Arc::clone(name)));
        }
        if let Some(next) = next {
            self.next.insert((next, Arc::clone(name)));
        }
    }
}

impl Lane {
    /// Puts an event where its number belongs: one that is sent again is older than what waits, but
    /// comes after what is under way.
    fn insert(&mut self, letter: Letter) {
        let first = usize::from(self.due.is_none());
        let older = self.letters.iter().skip(first).take_while(|it| it.number < letter.number);
        let place = first + older.count();
        self.letters.insert(place.min(self.letters.len()), letter);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn letter(number: u64) -> Letter {
        Letter { number, attempts: 0 }
    }

    #[test]
    fn of_each_job_one_event_is_under_way_in_order() {
        let (mut lanes, t) = (Lanes::default(), Instant::now());
        let later = |ms| t + Duration::from_millis(ms);
        let (a, b) = (JobNumber(1), JobNumber(2));
        (1..=2).for_each(|number| lanes.add(a, letter(number), "http://a/x", t));
        lanes.add(b, letter(1), "http://b/", t);
        assert!(lanes.has(a, 2) && !lanes.has(b, 2));
        let mut first = [lanes.take(t), lanes.take(t)];
        first.sort_by_key(|it| it.as_ref().map(|(job, _)| *job));
        assert_eq!(first, [Some((a, letter(1))), Some((b, letter(1)))]);
        assert_eq!(lanes.take(t), None);
        lanes.again(a, 1, later(5));
        assert_eq!((lanes.take(later(4)), lanes.next_due()), (None, Some(later(5))));
        assert_eq!(lanes.take(later(5)), Some((a, Letter { number: 1, attempts: 1 })));
        lanes.done(a, later(5));
        assert_eq!(lanes.take(later(5)), Some((a, letter(2))));
        // One that is sent again waits for the one that is under way.
        lanes.add(a, letter(1), "http://a/x", t);
        assert_eq!(lanes.take(later(5)), None);
        lanes.done(a, later(6));
        assert_eq!(lanes.take(later(6)), Some((a, letter(1))));
        lanes.done(a, later(6));
        lanes.done(b, later(6));
        assert_eq!((lanes.pending, lanes.lanes.len(), lanes.receivers.len()), (0, 0, 0));
    }

    #[test]
    fn who_does_not_answer_delays_nobody_else() {
        let (mut lanes, t) = (Lanes::default(), Instant::now());
        for job in 0..1000 {
            lanes.add(JobNumber(job), letter(1), "http://silent:80/events", t);
        }
        lanes.add(JobNumber(1000), letter(1), "http://lively/", t + Duration::from_secs(1));
        let taken = std::iter::from_fn(|| lanes.take(t)).count();
        assert_eq!(taken, UNDER_WAY_MAX);
        let next = lanes.take(t + Duration::from_secs(1));
        assert_eq!(next, Some((JobNumber(1000), letter(1))));
    }

    proptest! {
        #[test]
        fn every_event_of_a_job_is_taken_in_order_and_one_at_a_time(
            ops in prop::collection::vec((0..4u8, 0..6u64), 0..300),
        ) {
            let (mut lanes, t) = (Lanes::default(), Instant::now());
            let mut added: BTreeMap<u64, u64> = BTreeMap::new();
            let mut arrived: BTreeMap<u64, u64> = BTreeMap::new();
            let mut under_way: BTreeMap<u64, Letter> = BTreeMap::new();
            let urls = ["http://a/", "http://b/", "http://a/other"];
            let take = |lanes: &mut Lanes, under_way: &mut BTreeMap<u64, Letter>, arrived: &BTreeMap<u64, u64>| {
                let Some((job, taken)) = lanes.take(t) else { return false };
                assert_eq!(taken.number, arrived.get(&job.0).copied().unwrap_or(0) + 1);
                assert!(under_way.insert(job.0, taken).is_none());
                true
            };
            for (op, job) in ops {
                match op {
                    0 => {
                        let number = added.entry(job).or_default();
                        *number += 1;
                        lanes.add(JobNumber(job), letter(*number), urls[job as usize % 3], t);
                    }
                    1 => drop(take(&mut lanes, &mut under_way, &arrived)),
                    2 => if let Some(it) = under_way.remove(&job) {
                        lanes.again(JobNumber(job), it.attempts + 1, t);
                    },
                    _ => if under_way.remove(&job).is_some() {
                        *arrived.entry(job).or_default() += 1;
                        lanes.done(JobNumber(job), t);
                    },
                }
            }
            loop {
                while take(&mut lanes, &mut under_way, &arrived) {}
                let Some((job, _)) = under_way.pop_first() else { break };
                *arrived.entry(job).or_default() += 1;
                lanes.done(JobNumber(job), t);
            }
            prop_assert_eq!(added, arrived);
            prop_assert_eq!((lanes.pending, lanes.lanes.len(), lanes.next.len()), (0, 0, 0));
        }
    }
}
