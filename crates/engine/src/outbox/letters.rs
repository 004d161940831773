//! Which event is sent next.
//!
//! The one idea: events are lined up by job, and jobs by receiver. One that did not answer when it
//! was asked last is given few places, and all of these together no more than half of them, in
//! turns. So however many are silent, those that answer are told at once, and one that answers
//! again is found out soon.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tessera_store::journal::JobNumber;
use tessera_types::Timestamp;

use super::UNDER_WAY_MAX;

/// Events on their way to one receiver that answers.
const ANSWERING_MAX: usize = 32;
/// Those to one that did not answer last, or was not asked yet.
const OTHER_MAX: usize = 4;
/// Those to all that did not answer last.
const ALL_SILENT_MAX: usize = UNDER_WAY_MAX / 2;

/// An event that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) number: u64,
    pub(super) attempts: u32,
}

/// The events of one job, in order. The first is the one that is sent.
#[derive(Debug)]
struct Lane {
    receiver: Arc<str>,
    letters: VecDeque<Letter>,
    /// When the first may be sent; none while it is under way.
    due: Option<Timestamp>,
}

/// What is known of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// It was not asked yet.
    #[default]
    New,
    /// It answered when it was asked last.
    Answers,
    /// It did not.
    Silent,
}

/// Whom events are sent to.
#[derive(Debug, Default)]
struct Receiver {
    /// The lanes that have something to send, by when.
    due: BTreeSet<(Timestamp, JobNumber)>,
    under_way: usize,
    standing: Standing,
    /// When it was given a place last.
    taken_at: Option<Timestamp>,
    /// As what it is among those that have something to send and a place for it.
    listed: Option<Timestamp>,
}

/// The events that have not arrived.
#[derive(Debug, Default)]
pub(super) struct Letters {
    lanes: BTreeMap<JobNumber, Lane>,
    receivers: HashMap<Arc<str>, Receiver>,
    /// Those that have something to send and a place for it, by when.
    open: BTreeSet<(Timestamp, Arc<str>)>,
    /// Those of them that do not answer, which take turns.
    silent: BTreeSet<(Timestamp, Arc<str>)>,
    /// Events on their way to these.
    silent_under_way: usize,
    pending: u64,
    pub(super) dead: BTreeSet<(JobNumber, u64)>,
}

impl Letters {
    /// Events that are to be sent.
    pub(super) const fn pending(&self) -> u64 {
        self.pending
    }

    pub(super) fn add(
        &mut self,
        job: JobNumber,
        receiver: &Arc<str>,
        letter: Letter,
        at: Timestamp,
    ) {
        let lane = self.lanes.entry(job).or_insert_with(|| Lane {
            receiver: Arc::clone(receiver),
            letters: VecDeque::new(),
            due: None,
        });
        let is_first = lane.letters.is_empty();
        // One that is sent again is older than what waits, but not than what is under way.
        let is_under_way = !is_first && lane.due.is_none();
        let place = lane.letters.iter().skip(usize::from(is_under_way));
        let place = place.take_while(|it| it.number < letter.number).count();
        lane.letters.insert(place + usize::from(is_under_way), letter);
        self.pending += 1;
        if is_first {
            self.receivers.entry(Arc::clone(receiver)).or_default();
            self.is_due(job, at);
        }
    }

    /// When there is something to send next, to one who has a place.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.next().map(|(at, _)| *at)
    }

    fn next(&self) -> Option<&(Timestamp, Arc<str>)> {
        let silent = self.silent.first().filter(|_| self.silent_under_way < ALL_SILENT_MAX);
        self.open.first().into_iter().chain(silent).min()
    }

    /// Takes the first letter of a lane that is due.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<(JobNumber, Letter)> {
        let (_, name) = self.next().filter(|(at, _)| *at <= now)?.clone();
        let receiver = self.receivers.get_mut(&name)?;
        let (_, job) = receiver.due.pop_first()?;
        receiver.under_way += 1;
        receiver.taken_at = Some(now);
        self.silent_under_way += usize::from(receiver.standing == Standing::Silent);
        self.list(&name);
        let lane = self.lanes.get_mut(&job)?;
        lane.due = None;
        Some((job, lane.letters.front()?.clone()))
    }

    /// The receiver of the letter that is under way has answered, or has not.
    pub(super) fn heard(&mut self, job: JobNumber, answered: bool) {
        let Some(name) = self.lanes.get(&job).map(|lane| Arc::clone(&lane.receiver)) else {
            return;
        };
        let Some(receiver) = self.receivers.get_mut(&name) else { return };
        let standing = if answered { Standing::Answers } else { Standing::Silent };
        let was = std::mem::replace(&mut receiver.standing, standing);
        if was == standing {
            return;
        }
        match (was, standing) {
            (Standing::Silent, _) => self.silent_under_way -= receiver.under_way,
            (_, Standing::Silent) => self.silent_under_way += receiver.under_way,
            _ => {}
        }
        self.list(&name);
    }

    /// The letter that was under way has arrived or is given up.
    pub(super) fn done(&mut self, job: JobNumber, now: Timestamp) {
        self.is_back(job);
        let Some(lane) = self.lanes.get_mut(&job) else { return };
        self.pending -= u64::from(lane.letters.pop_front().is_some());
        if !lane.letters.is_empty() {
            return self.is_due(job, now);
        }
        let name = Arc::clone(&lane.receiver);
        self.lanes.remove(&job);
        let is_idle = |it: &Receiver| it.due.is_empty() && it.under_way == 0;
        if self.receivers.get(&name).is_some_and(is_idle) {
            self.receivers.remove(&name);
        }
    }

    /// The letter that was under way is to be sent again.
    pub(super) fn again(&mut self, job: JobNumber, attempts: u32, at: Timestamp) {
        self.is_back(job);
        let Some(lane) = self.lanes.get_mut(&job) else { return };
        if let Some(first) = lane.letters.front_mut() {
            first.attempts = attempts;
        }
        self.is_due(job, at);
    }

    /// The letter of a lane is not under way any more.
    fn is_back(&mut self, job: JobNumber) {
        let Some(name) = self.lanes.get(&job).map(|lane| Arc::clone(&lane.receiver)) else {
            return;
        };
        let Some(receiver) = self.receivers.get_mut(&name) else { return };
        receiver.under_way -= 1;
        self.silent_under_way -= usize::from(receiver.standing == Standing::Silent);
        self.list(&name);
    }

    /// The first letter of a lane may be sent at this time.
    fn is_due(&mut self, job: JobNumber, at: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&job) else { return };
        lane.due = Some(at);
        let name = Arc::clone(&lane.receiver);
        if let Some(receiver) = self.receivers.get_mut(&name) {
            receiver.due.insert((at, job));
            self.list(&name);
        }
    }

    /// Lists a receiver by what it has to send first, if it has a place for it.
    fn list(&mut self, name: &Arc<str>) {
        let Some(receiver) = self.receivers.get_mut(name) else { return };
        if let Some(at) = receiver.listed.take() {
            let listed = (at, Arc::clone(name));
            self.open.remove(&listed);
            self.silent.remove(&listed);
        }
        let is_silent = receiver.standing == Standing::Silent;
        let places = match receiver.standing {
            Standing::Answers => ANSWERING_MAX,
            Standing::New | Standing::Silent => OTHER_MAX,
        };
        let due = receiver.due.first().filter(|_| receiver.under_way < places);
        let Some((at, _)) = due else { return };
        let at = (*at).max(receiver.taken_at.filter(|_| is_silent).unwrap_or(*at));
        let list = if is_silent { &mut self.silent } else { &mut self.open };
        list.insert((at, Arc::clone(name)));
        receiver.listed = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn letter(number: u64) -> Letter {
        Letter { number, attempts: 0 }
    }

    fn later(ms: u64) -> Timestamp {
        T.plus(tessera_types::Duration::from_millis(ms))
    }

    #[test]
    fn of_each_job_one_event_is_under_way_in_order() {
        let mut letters = Letters::default();
        let (a, b, to) = (JobNumber(1), JobNumber(2), Arc::from("http://a"));
        (1..=2).for_each(|number| letters.add(a, &to, letter(number), T));
        letters.add(b, &to, letter(1), T);
        assert_eq!(letters.take(T), Some((a, letter(1))));
        assert_eq!(letters.take(T), Some((b, letter(1))));
        assert_eq!(letters.take(T), None);
        letters.again(a, 1, later(5));
        assert_eq!(letters.take(later(4)), None);
        assert_eq!(letters.take(later(5)), Some((a, Letter { number: 1, attempts: 1 })));
        letters.done(a, later(5));
        assert_eq!(letters.take(later(5)), Some((a, letter(2))));
        // One that is sent again waits for the one that is under way.
        letters.add(a, &to, letter(1), T);
        assert_eq!(letters.take(later(5)), None);
        letters.done(a, later(6));
        assert_eq!(letters.take(later(6)), Some((a, letter(1))));
        letters.done(a, later(6));
        letters.done(b, later(6));
        assert_eq!((letters.pending, letters.lanes.len(), letters.receivers.len()), (0, 0, 0));
        assert_eq!((letters.silent.len(), letters.open.len()), (0, 0));
    }

    /// Adds an event of each of these jobs.
    fn fill(letters: &mut Letters, name: &str, jobs: std::ops::Range<u64>) {
        let to = Arc::from(name);
        jobs.for_each(|job| letters.add(JobNumber(job), &to, letter(1), T));
    }

    fn take_all(letters: &mut Letters, at: Timestamp) -> Vec<u64> {
        std::iter::from_fn(|| letters.take(at)).map(|(job, _)| job.0).collect()
    }

    /// None of these has arrived.
    fn fail(letters: &mut Letters, jobs: &[u64], at: Timestamp) {
        for job in jobs {
            letters.heard(JobNumber(*job), false);
            letters.again(JobNumber(*job), 1, at);
        }
    }

    #[test]
    fn however_many_are_silent_the_others_are_told_at_once() {
        let mut letters = Letters::default();
        for silent in 0..100 {
            let first = silent * 300;
            fill(&mut letters, &format!("http://{silent}"), first..first + 300);
        }
        let first = take_all(&mut letters, T);
        assert_eq!(first.len(), 100 * OTHER_MAX);
        fail(&mut letters, &first, later(200));
        let under_way = take_all(&mut letters, later(1));
        assert_eq!(under_way.len(), ALL_SILENT_MAX);
        let a = 100_000..100_300;
        fill(&mut letters, "http://a", a.clone());
        assert_eq!(take_all(&mut letters, later(1)).len(), OTHER_MAX);
        letters.heard(JobNumber(a.start), true);
        assert_eq!(take_all(&mut letters, later(1)).len(), ANSWERING_MAX - OTHER_MAX);
        // It falls silent, and answers again: its turn comes although others have waited for long.
        fail(&mut letters, &(a.start..a.start + 32).collect::<Vec<_>>(), later(2));
        let mut under_way = under_way;
        for round in 2..10 {
            fail(&mut letters, &under_way, later(200));
            under_way = take_all(&mut letters, later(round));
            if let Some(its) = under_way.iter().find(|job| a.contains(job)) {
                letters.heard(JobNumber(*its), true);
                let taken = take_all(&mut letters, later(round));
                let its = taken.iter().filter(|job| a.contains(job)).count();
                return assert!(its >= ANSWERING_MAX - OTHER_MAX);
            }
        }
        panic!("its turn does not come");
    }

    #[test]
    fn one_that_falls_silent_takes_few_places_from_then_on() {
        let mut letters = Letters::default();
        fill(&mut letters, "http://a", 0..300);
        fill(&mut letters, "http://b", 300..600);
        assert_eq!(take_all(&mut letters, T).len(), 2 * OTHER_MAX);
        letters.heard(JobNumber(0), true);
        letters.heard(JobNumber(300), true);
        let taken = take_all(&mut letters, T);
        assert_eq!(taken.len(), 2 * (ANSWERING_MAX - OTHER_MAX));
        fail(&mut letters, &(0..ANSWERING_MAX as u64).collect::<Vec<_>>(), later(200));
        assert_eq!(take_all(&mut letters, T).len(), OTHER_MAX);
        (300..332).for_each(|job| letters.done(JobNumber(job), T));
        let next = take_all(&mut letters, T);
        assert!(next.len() == ANSWERING_MAX && next.iter().all(|job| *job >= 332));
    }
}
