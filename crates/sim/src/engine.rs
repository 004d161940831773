//! The engine in the simulation: it runs the jobs of pipelines, once for each key, and
//! tells of them by events. It dies and comes back; what it has taken it goes on with.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tessera_reconciler::JobNews;
use tessera_types::{Duration, Name, ResourceKey, Timestamp};

use crate::rng::Rng;

/// A try of a step with a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OfStep {
    pub(crate) key: ResourceKey,
    pub(crate) phase: Name,
    pub(crate) step: Name,
    pub(crate) correlation_id: String,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Waiting,
    Begun,
    Half,
    Over,
}

/// A job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) of: OfStep,
    pub(crate) input: Value,
    pub(crate) stage: Stage,
    pub(crate) ending: Result<Value, &'static str>,
    /// How often it was begun.
    pub(crate) runs: u32,
    /// Whether something that it told was lost for good.
    pub(crate) is_unheard: bool,
    /// When what happens next to it happens; none for one that never ends.
    next: Option<Timestamp>,
    half: Duration,
    sequence: u64,
}

impl Job {
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// What it is known to have come to.
    pub(crate) fn news(&self) -> JobNews {
        match (&self.ending, self.is_over()) {
            (_, false) => JobNews::Taken,
            (Ok(output), true) => JobNews::Completed(output.clone()),
            (Err(why), true) => JobNews::Failed((*why).to_owned()),
        }
    }

    /// What comes next with it.
    fn go_on(&mut self, now: Timestamp) -> News {
        self.next = (self.half > Duration::ZERO).then(|| now.plus(self.half));
        let said = match self.stage {
            Stage::Waiting => {
                self.runs += 1;
                self.stage = Stage::Begun;
                JobNews::Taken
            }
            Stage::Begun => {
                self.stage = Stage::Half;
                let message = "1 of 2 tasks are done".to_owned();
                JobNews::Progress { message, waiting_for: None }
            }
            Stage::Half | Stage::Over => {
                self.next = None;
                self.stage = Stage::Over;
                self.news()
            }
        };
        self.event(said)
    }

    fn event(&mut self, news: JobNews) -> News {
        self.sequence += 1;
        let is_last = self.is_over();
        let (of, job_id, sequence) = (self.of.clone(), self.id.clone(), self.sequence);
        News { of, job_id, sequence, news, is_last }
    }
}

/// An event about a job.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) of: OfStep,
    pub(crate) job_id: String,
    pub(crate) sequence: u64,
    pub(crate) news: JobNews,
    pub(crate) is_last: bool,
}

/// The engine; its jobs are its disk.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(crate) is_down: bool,
    /// Whether every job goes well, and as long as any other.
    pub(crate) is_steady: bool,
    /// Steps so far: a job that was taken, cancelled, or went on.
    pub(crate) steps: u64,
    /// It dies right after this one.
    pub(crate) dies_after: Option<u64>,
    /// It has, and nobody has noticed.
    pub(crate) has_died: bool,
    /// By the correlation id, which is the key.
    pub(crate) jobs: BTreeMap<String, Job>,
}

impl Engine {
    /// Takes a job, or finds the one that has its key.
    ///
    /// # Errors
    /// When the key is that of something else.
    pub(crate) fn submit(
        &mut self,
        of: &OfStep,
        input: &Value,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<&Job, String> {
        let id = format!("{:032x}", self.jobs.len() + 1);
        let is_new = !self.jobs.contains_key(&of.correlation_id);
        let is_steady = self.is_steady;
        let job = self.jobs.entry(of.correlation_id.clone()).or_insert_with(|| {
            let waits = Duration::from_millis(rng.between(0, 2000));
            let half = Duration::from_millis(rng.between(50, 6000));
            let ending =
                if rng.percent(75) { Ok(json!({"job": id})) } else { Err("no licence is free") };
            // One in ten never ends by itself.
            let half = if rng.percent(10) { Duration::ZERO } else { half };
            let steady = (Duration::from_millis(200), Duration::from_millis(500));
            let (waits, half) = if is_steady { steady } else { (waits, half) };
            let ending = if is_steady { Ok(json!({"job": "well"})) } else { ending };
            Job {
                id,
                of: of.clone(),
                input: input.clone(),
                stage: Stage::Waiting,
                ending,
                runs: 0,
                is_unheard: false,
                next: Some(now.plus(waits)),
                half,
                sequence: 0,
            }
        });
        if job.of != *of || job.input != *input {
            return Err(format!("{of:?} with {input} has the key of {:?}", job.of));
        }
        if is_new {
            self.has_stepped();
        }
        Ok(&self.jobs[&of.correlation_id])
    }

    fn has_stepped(&mut self) {
        self.steps += 1;
        if self.dies_after == Some(self.steps) {
            (self.is_down, self.has_died) = (true, true);
        }
    }

    pub(crate) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.values().find(|job| job.id == id)
    }

    /// Ends a job that is not over.
    pub(crate) fn cancel(&mut self, id: &str) -> Option<News> {
        let job = self.jobs.values_mut().find(|job| job.id == id && !job.is_over())?;
        job.stage = Stage::Over;
        job.next = None;
        job.ending = Err("it was cancelled");
        let news = job.news();
        let event = job.event(news);
        self.has_stepped();
        Some(event)
    }

    /// What it has done, for the trace.
    pub(crate) fn summary(&self) -> String {
        let count = |is_it: fn(&Job) -> bool| self.jobs.values().filter(|job| is_it(job)).count();
        format!(
            "the engine had {} jobs: {} completed, {} failed or were cancelled, of {} something was lost",
            self.jobs.len(),
            count(|job| job.is_over() && job.ending.is_ok()),
            count(|job| job.is_over() && job.ending.is_err()),
            count(|job| job.is_unheard),
        )
    }

    /// When something happens to a job.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        let up = self.jobs.values().filter(|_| !self.is_down);
        up.filter_map(|job| job.next).min()
    }

    /// Lets happen what happens by `now`.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Vec<News> {
        let mut news = Vec::new();
        while let Some(key) = self.due(now) {
            news.extend(self.jobs.get_mut(&key).map(|job| job.go_on(now)));
            self.has_stepped();
        }
        news
    }

    /// A job with which something happens by `now`.
    fn due(&self, now: Timestamp) -> Option<String> {
        let is_due = |job: &Job| !self.is_down && job.next.is_some_and(|at| at <= now);
        self.jobs.iter().find(|(_, job)| is_due(job)).map(|(key, _)| key.clone())
    }
}
