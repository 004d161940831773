//! What is between a plane and its engine, when it is not to be relied upon: answers and
//! events are lost, doubled, late, and out of order. What is lost is found by asking.

use tessera_reconciler::{JobNews, Tabled, Told};
use tessera_types::timed::Timed;
use tessera_types::{Duration, Object, ResourceKey, Timestamp};

use super::Plane;
use super::engine::{Engine, Job, Wanted};

/// The number of the event that says how a job ended: the others are its start and its
/// progress.
const LAST: u64 = 3;

/// What becomes of what the engine says.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    /// How late each copy of an event comes, for one event after the other; none for one
    /// that is lost.
    pub(crate) fates: Vec<Vec<Duration>>,
    /// How often the engine is asked for each job.
    pub(crate) asks_every: Duration,
}

impl Post {
    /// What becomes of an event; the same each time that it is asked.
    fn fate(&self, job: &Job, sequence: u64) -> &[Duration] {
        let text = job.of.bytes().map(usize::from).sum::<usize>();
        &self.fates[(text + 7 * job.of_step + sequence as usize) % self.fates.len()]
    }

    /// How many answers to the submission of a job are lost.
    pub(super) fn lost_answers(&self, job: &Job) -> usize {
        self.fate(job, 0).len()
    }
}

/// An event on its way.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    pub(super) at: Timestamp,
    key: ResourceKey,
    wanted: Wanted,
    number: usize,
    sequence: u64,
    news: JobNews,
}

impl Engine {
    /// Sends all events about a job that has begun.
    pub(super) fn send(&mut self, key: &ResourceKey, wanted: &Wanted, job: &Job) {
        let Some(post) = &self.post else { return };
        let begun = job.ends.minus(Duration::from_secs(1));
        let all = [
            (begun, JobNews::Taken),
            (begun, JobNews::Progress { message: "1 of 2".to_owned(), waiting_for: None }),
            (job.ends, job.news()),
        ];
        let mut mail = Vec::new();
        for ((at, news), sequence) in all.into_iter().zip(1..=LAST) {
            for late in post.fate(job, sequence) {
                let (key, wanted, news) = (key.clone(), wanted.clone(), news.clone());
                let (at, number) = (at.plus(*late), job.number);
                mail.push(Mail { at, key, wanted, number, sequence, news });
            }
        }
        let every = post.asks_every;
        self.mail.append(&mut mail);
        if let Some(job) = self.jobs.get_mut(&wanted.key) {
            job.ask_at = job.ask_at.plus(every);
        }
    }

    /// A control plane that starts asks for all jobs at once.
    pub(super) fn ask_for_all(&mut self, now: Timestamp) {
        self.jobs.values_mut().for_each(|job| job.ask_at = now);
    }
}

impl Plane {
    /// Brings what is due, the newest of what comes at the same time first. True if there
    /// was any.
    pub(super) fn deliver<K: Tabled + Timed>(&mut self) -> bool {
        let now = self.now.wall;
        let is_due = |mail: &mut Mail| mail.at <= now && mail.key.kind == K::KIND;
        let mut due: Vec<Mail> = self.engine.mail.extract_if(.., is_due).collect();
        due.sort_by_key(|mail| (mail.at, std::cmp::Reverse(mail.sequence)));
        for mail in &due {
            let found = self.world.find(&mail.key).as_ref().and_then(K::unwrap).cloned();
            let Some(object) = found else { continue };
            let Mail { wanted, number, sequence, news, .. } = mail;
            let told = self.tell::<K>(&object, wanted, *number, Some(*sequence), news);
            self.count_end(wanted, *sequence == LAST && told == Told::Taken);
        }
        !due.is_empty()
    }

    /// Asks for a job when that is due. True if its end was news.
    pub(super) fn ask_engine<K: Tabled + Timed>(
        &mut self,
        object: &Object<K>,
        wanted: &Wanted,
        job: &Job,
    ) -> bool {
        let now = self.now.wall;
        let every = self.engine.post.as_ref().map_or(Duration::ZERO, |post| post.asks_every);
        if job.ask_at > now {
            return false;
        }
        if let Some(known) = self.engine.jobs.get_mut(&wanted.key) {
            known.ask_at = now.plus(every);
        }
        if job.ends > now {
            return false;
        }
        let told = self.tell::<K>(object, wanted, job.number, None, &job.news());
        self.count_end(wanted, told == Told::Taken);
        told == Told::Taken
    }

    /// The end of a job is news once, however often it is told.
    fn count_end(&mut self, wanted: &Wanted, is_end: bool) {
        let Some(job) = self.engine.jobs.get_mut(&wanted.key).filter(|_| is_end) else { return };
        job.ended += 1;
        assert_eq!(job.ended, 1, "{wanted:?} has ended twice");
    }
}
