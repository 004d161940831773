//! The engine of a plane, and the link to it at its worst: the first answer to each
//! submission is lost, each event comes twice, and whoever asks is answered late. With a
//! [`Post`], events are what that makes of them.

use std::collections::BTreeMap;

use serde_json::Value;
use tessera_reconciler::{Answer, JobNews, Tabled, Told, Whose, tell_step};
use tessera_types::timed::{StepState, Timed};
use tessera_types::{Duration, Edit, Host, Name, Object, Pod, SessionPart, Timestamp, Write};

use super::Plane;
use super::post::{Mail, Post};

/// How a job ends.
pub(crate) type Ending = Result<Value, &'static str>;

/// Says how long the n-th job (from 1) of the steps of one name takes, and what it comes to.
type Script = Box<dyn Fn(&str, usize) -> (Duration, Ending)>;

/// Something that runs jobs, once for each key.
pub(crate) struct Engine {
    pub(crate) script: Script,
    /// It cannot be reached.
    pub(crate) is_away: bool,
    /// What it does goes on for so long after it was told to cancel it.
    pub(crate) stops_after: Duration,
    pub(crate) jobs: BTreeMap<String, Job>,
    /// What becomes of answers and events; unless given, each comes twice.
    pub(crate) post: Option<Post>,
    /// Events that are on their way.
    pub(super) mail: Vec<Mail>,
}

/// A job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The instance and the step that it is for.
    pub(crate) of: String,
    pub(crate) submitted: usize,
    pub(crate) is_cancelled: bool,
    /// What it was given.
    pub(crate) input: Value,
    /// Its end was news so often.
    pub(super) ended: usize,
    /// It is asked for then.
    pub(super) ask_at: Timestamp,
    /// Which job of its step it is; 1 is the first.
    pub(super) of_step: usize,
    pub(super) number: usize,
    pub(super) ends: Timestamp,
    pub(super) ending: Ending,
}

impl Job {
    /// What is said of its end.
    pub(super) fn news(&self) -> JobNews {
        match &self.ending {
            Ok(output) => JobNews::Completed(output.clone()),
            Err(why) if why.starts_with("for good") => JobNews::FailedForGood((*why).to_owned()),
            Err(why) => JobNews::Failed((*why).to_owned()),
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        let script: Script = Box::new(|_, _| (Duration::from_secs(5), Ok(Value::Null)));
        let (stops_after, jobs) = (Duration::ZERO, BTreeMap::new());
        Self { script, is_away: false, stops_after, jobs, post: None, mail: Vec::new() }
    }
}

impl Engine {
    pub(super) fn times(&self, now: Timestamp) -> Vec<Timestamp> {
        let ends = self.jobs.values().map(|job| job.ends);
        let asked = self.jobs.values().filter(|job| self.post.is_some() && job.ended == 0);
        let asked = asked.map(|job| job.ask_at);
        let mail = self.mail.iter().map(|mail| mail.at);
        ends.chain(asked).chain(mail).filter(|at| *at > now).collect()
    }

    fn submit(&mut self, of: &str, wanted: &Wanted, now: Timestamp) -> &Job {
        let (step, key) = (&wanted.step, wanted.key.as_str());
        let number = self.jobs.len() + 1;
        let before = self.jobs.values().filter(|job| job.of == of).count();
        if !self.jobs.contains_key(key) {
            let lives = |job: &&Job| job.of == of && job.ends > now;
            let beside = self.jobs.values().find(lives);
            assert!(beside.is_none(), "{key} runs beside another try: {beside:?}");
        }
        let script = &self.script;
        let job = self.jobs.entry(key.to_owned()).or_insert_with(|| {
            let (time, ending) = script(step.as_str(), before + 1);
            let (of, ends) = (of.to_owned(), now.plus(time));
            let input = wanted.input.clone();
            let (ask_at, of_step, ended) = (now, before + 1, 0);
            let (submitted, is_cancelled) = (0, false);
            Job { of, submitted, is_cancelled, input, ended, ask_at, of_step, number, ends, ending }
        });
        assert_eq!(job.input, wanted.input, "{key} is submitted with something else");
        job.submitted += 1;
        job
    }
}

/// What is to be done for a step.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) phase: Name,
    pub(super) step: Name,
    pub(super) key: String,
    pub(super) input: Value,
    pub(super) is_taken: bool,
}

impl Plane {
    /// All that the link to the engine has to do. True if there was anything.
    pub(super) fn step_engine(&mut self) -> bool {
        !self.engine.is_away
            && (self.step_engine_of::<Pod>()
                | self.step_engine_of::<SessionPart>()
                | self.step_engine_of::<Host>())
    }

    fn step_engine_of<K: Tabled + Timed>(&mut self) -> bool {
        let objects: Vec<_> = self.world.table::<K>().iter().cloned().collect();
        let mut is_news = self.deliver::<K>();
        for object in objects {
            is_news |= self.cancel_unwanted(&object);
            for wanted in wanted(&object) {
                is_news |= self.step_job(&object, &wanted);
            }
        }
        is_news
    }

    fn cancel_unwanted<K: Tabled + Timed>(&mut self, object: &Object<K>) -> bool {
        let unwanted = &K::timed(object).unwanted_jobs;
        let (now, stops_after) = (self.now.wall, self.engine.stops_after);
        let mut gone = Vec::new();
        for job in unwanted {
            let known = self.engine.jobs.get_mut(&job.correlation_id);
            if let Some(known) = known.filter(|known| !known.is_cancelled) {
                known.is_cancelled = true;
                known.ends = known.ends.min(now.plus(stops_after));
            }
            let known = self.engine.jobs.get(&job.correlation_id);
            if known.is_none_or(|known| known.ends <= now) {
                gone.push(job.clone());
            }
        }
        if !gone.is_empty() {
            self.edit_now::<K>(object, |edit| {
                let unwanted = &mut K::timed_mut(&mut edit.object).unwanted_jobs;
                unwanted.retain(|job| !gone.contains(job));
            });
        }
        !gone.is_empty()
    }

    fn step_job<K: Tabled + Timed>(&mut self, object: &Object<K>, wanted: &Wanted) -> bool {
        let now = self.now.wall;
        let of = format!("{} {}", object.key(), wanted.step);
        if !wanted.is_taken {
            let job = self.engine.submit(&of, wanted, now).clone();
            let number = job.number;
            if job.submitted == 1 {
                self.engine.send(&object.key(), wanted, &job);
            }
            let lost = self.engine.post.as_ref().map_or(1, |post| post.lost_answers(&job));
            if job.submitted > lost {
                self.tell::<K>(object, wanted, number, None, &JobNews::Taken);
            }
            return true;
        }
        let job = self.engine.jobs[&wanted.key].clone();
        assert!(!job.is_cancelled, "{} is cancelled and wanted", wanted.key);
        if self.engine.post.is_some() {
            return self.ask_engine::<K>(object, wanted, &job);
        }
        if job.ends > now {
            return false;
        }
        let news = job.news();
        // The last event overtakes the first, and comes twice.
        assert_eq!(self.tell::<K>(object, wanted, job.number, Some(2), &news), Told::Taken);
        assert_ne!(self.tell::<K>(object, wanted, job.number, Some(2), &news), Told::Taken);
        let late = JobNews::Progress { message: "1 of 2".to_owned(), waiting_for: None };
        assert_ne!(self.tell::<K>(object, wanted, job.number, Some(1), &late), Told::Taken);
        true
    }

    pub(super) fn tell<K: Tabled + Timed>(
        &mut self,
        object: &Object<K>,
        wanted: &Wanted,
        number: usize,
        sequence: Option<u64>,
        news: &JobNews,
    ) -> Told {
        let (pipelines, now) = (self.world.pipelines().clone(), self.now.wall);
        let (phase, step, correlation_id) = (&wanted.phase, &wanted.step, wanted.key.as_str());
        let id = format!("{number:032x}");
        let whose = Whose { phase, step, correlation_id, job_id: Some(&id), sequence };
        let mut told = Told::Stale;
        self.edit_now::<K>(object, |edit| told = tell_step(&pipelines, edit, whose, news, now));
        told
    }

    /// Changes it as it is now.
    fn edit_now<K: Tabled>(&mut self, object: &Object<K>, change: impl FnOnce(&mut Edit<K>)) {
        let Some(object) = self.world.table::<K>().get(object.id).cloned() else { return };
        let mut edit = Edit::of(&object, self.now.wall);
        change(&mut edit);
        if let Some(edited) = edit.finish() {
            assert_eq!(self.commit(vec![Write::update(edited)]), Answer::Written);
            self.is_crashed = false;
        }
    }
}

fn wanted<K: Timed>(object: &Object<K>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (phase, progress) in &K::timed(object).pipeline_progress {
        for (step, stands) in progress.iter().filter(|(_, it)| it.state == StepState::Suspended) {
            let (phase, step) = (phase.clone(), step.clone());
            let key = stands.correlation_id.clone().expect("a job is known by something");
            let (input, is_taken) = (stands.input.clone(), stands.job_id.is_some());
            wanted.push(Wanted { phase, step, key, input, is_taken });
        }
    }
    wanted
}
