//! In which order events are sent.
//!
//! The one idea: each job has a lane, of which the first event is sent and the others wait. Lanes
//! lead to receivers, and a receiver has only so many events under way. One that did not answer when
//! it was asked last has few, and all such receivers together no more than half of them, in turns:
//! however many are silent, the others are told at once, and one that answers again is soon found out.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tessera_store::journal::JobNumber;
use url::Url;

/// Events on their way at the same time.
pub(crate) const UNDER_WAY_MAX: usize = 512;
/// Those to one receiver.
const RECEIVER_MAX: usize = 32;
/// Those to one that did not answer last.
const SILENT_MAX: usize = 4;
/// Those to all that did not answer last.
const ALL_SILENT_MAX: usize = UNDER_WAY_MAX / 2;

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
    /// Whether it did not answer when it was asked last.
    is_silent: bool,
    /// When it was given a place last.
    taken_at: Option<Instant>,
    /// When the next may be sent, as `Lanes::next` or `Lanes::next_silent` has it.
    next: Option<Instant>,
}

/// The events that are to be sent.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: BTreeMap<JobNumber, Lane>,
    receivers: HashMap<Arc<str>, Receiver>,
    /// The receivers that have something to be sent and places for it, by when.
    next: BTreeSet<(Instant, Arc<str>)>,
    /// The same of those that did not answer last, which take turns.
    next_silent: BTreeSet<(Instant, Arc<str>)>,
    silent_under_way: usize,
    pending: u64,
}

impl Lanes {
    pub(crate) const fn pending(&self) -> u64 {
        self.pending
    }

    /// When the next event may be sent.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.next_receiver().map(|(at, _)| *at)
    }

    fn next_receiver(&self) -> Option<&(Instant, Arc<str>)> {
        let silent = self.next_silent.first().filter(|_| self.silent_under_way < ALL_SILENT_MAX);
        self.next.first().into_iter().chain(silent).min()
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
        let (_, name) = self.next_receiver().filter(|(at, _)| *at <= now)?;
        let name = Arc::clone(name);
        let receiver = self.receivers.get_mut(&name)?;
        let (_, job) = receiver.due.pop_first()?;
        receiver.under_way += 1;
        receiver.taken_at = Some(now);
        self.silent_under_way += usize::from(receiver.is_silent);
        self.turn(&name);
        let lane = self.lanes.get_mut(&job)?;
        lane.due = None;
        Some((job, lane.letters.front()?.clone()))
    }

    /// The receiver of the event that is under way has answered, or has not.
    pub(crate) fn heard(&mut self, job: JobNumber, has_answered: bool) {
        let Some(lane) = self.lanes.get(&job) else { return };
        let name = Arc::clone(&lane.receiver);
        let Some(receiver) = self.receivers.get_mut(&name) else { return };
        let was_silent = std::mem::replace(&mut receiver.is_silent, !has_answered);
        match (was_silent, has_answered) {
            (true, true) => self.silent_under_way -= receiver.under_way,
            (false, false) => self.silent_under_way += receiver.under_way,
            _ => return,
        }
        self.turn(&name);
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
            self.silent_under_way -= usize::from(receiver.is_silent);
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
        if let Some(was) = receiver.next.take() {
            let was = (was, Arc::clone(name));
            let _ = self.next.remove(&was) || self.next_silent.remove(&was);
        }
        let (list, places) = match receiver.is_silent {
            true => (&mut self.next_silent, SILENT_MAX),
            false => (&mut self.next, RECEIVER_MAX),
        };
        let has_place = receiver.under_way < places;
        let Some((at, _)) = receiver.due.first().filter(|_| has_place) else { return };
        // Whoever is silent and had a place goes behind those that did not.
        let at = (*at).max(receiver.taken_at.filter(|_| receiver.is_silent).unwrap_or(*at));
        list.insert((at, Arc::clone(name)));
        receiver.next = Some(at);
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

    /// Adds an event of each of these jobs.
    fn fill(lanes: &mut Lanes, url: &str, jobs: std::ops::Range<u64>, at: Instant) {
        jobs.for_each(|job| lanes.add(JobNumber(job), letter(1), url, at));
    }

    fn take_all(lanes: &mut Lanes, at: Instant) -> Vec<u64> {
        std::iter::from_fn(|| lanes.take(at)).map(|(job, _)| job.0).collect()
    }

    /// None of these has arrived, and they are sent again much later.
    fn fail(lanes: &mut Lanes, jobs: &[u64], at: Instant) {
        for job in jobs {
            lanes.heard(JobNumber(*job), false);
            lanes.again(JobNumber(*job), 1, at + Duration::from_secs(300));
        }
    }

    #[test]
    fn who_does_not_answer_delays_nobody_else() {
        let (mut lanes, t) = (Lanes::default(), Instant::now());
        fill(&mut lanes, "http://silent:80/events", 0..1000, t);
        fill(&mut lanes, "http://lively/", 1000..2000, t + Duration::from_secs(1));
        assert_eq!(take_all(&mut lanes, t).len(), RECEIVER_MAX);
        let lively = take_all(&mut lanes, t + Duration::from_secs(1));
        assert_eq!(lively.len(), RECEIVER_MAX);
        // It falls silent, and has fewer places from then on; the other has all of its own.
        fail(&mut lanes, &(0..RECEIVER_MAX as u64).collect::<Vec<_>>(), t);
        assert_eq!(take_all(&mut lanes, t).len(), SILENT_MAX);
        lively.iter().for_each(|job| lanes.done(JobNumber(*job), t));
        let lively = take_all(&mut lanes, t + Duration::from_secs(1));
        assert!(lively.len() == RECEIVER_MAX && lively.iter().all(|job| *job >= 1000));
    }

    #[test]
    fn however_many_are_silent_others_are_told_and_one_that_answers_again_has_its_turn() {
        let (mut lanes, t) = (Lanes::default(), Instant::now());
        let later = |ms| t + Duration::from_millis(ms);
        for silent in 0..200 {
            let first = silent * 300;
            fill(&mut lanes, &format!("http://{silent}/"), first..first + 300, t);
        }
        let first = take_all(&mut lanes, t);
        fail(&mut lanes, &first, t);
        let mut under_way = take_all(&mut lanes, later(1));
        assert_eq!(under_way.len(), ALL_SILENT_MAX);
        let a = 100_000..100_300;
        fill(&mut lanes, "http://a/", a.clone(), later(1));
        let its = take_all(&mut lanes, later(1));
        assert_eq!(its, a.clone().take(RECEIVER_MAX).collect::<Vec<_>>());
        // It falls silent, too. The others have waited for longer, and yet its turn comes.
        fail(&mut lanes, &its, later(2));
        for round in 2..10 {
            fail(&mut lanes, &under_way, later(round));
            under_way = take_all(&mut lanes, later(round));
            if let Some(its) = under_way.iter().find(|job| a.contains(job)) {
                lanes.heard(JobNumber(*its), true);
                let its = take_all(&mut lanes, later(round)).into_iter();
                return assert!(
                    its.filter(|job| a.contains(job)).count() >= RECEIVER_MAX - SILENT_MAX
                );
            }
        }
        panic!("its turn does not come");
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
                        lanes.heard(JobNumber(job), it.number % 2 == 0);
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
            prop_assert_eq!((lanes.next_silent.len(), lanes.silent_under_way), (0, 0));
        }
    }
}
