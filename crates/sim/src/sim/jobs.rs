//! The way between the control plane and the engine: calls and their answers, and events,
//! all of which can be lost, doubled and late.

use tessera_reconciler::{JobNews, Tabled, Told, Whose, tell_step};
use tessera_types::timed::Timed;
use tessera_types::{Duration, Edit, ResourceKey, Timestamp, with_pipelined};

use super::faults::any_ms;
use super::{Event, Sim};
use crate::acts::Class;
use crate::api;
use crate::control::Control;
use crate::engine::{News, OfStep};
use crate::link::Task;
use crate::rng::Rng;

/// How often an event is sent before it is given up.
const ATTEMPTS_MAX: u32 = 20;

/// What cannot be written now is tried again after this.
const PAUSE: Duration = Duration::from_millis(500);

/// What the engine answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// How the job of a try stands.
    Stands { of: OfStep, job_id: String, news: JobNews },
    /// It is over, or there is none.
    Cancelled { key: ResourceKey, correlation_id: String },
    /// A stray is over.
    Ended { job_id: String },
}

/// What goes between the two.
#[derive(Clone, Debug)]
pub(super) enum EngineEvent {
    /// A call reaches the engine, from the control plane that started then.
    Call(Timestamp, Task),
    /// An answer reaches the control plane that called, if that is still there.
    Answer(Timestamp, Answer),
    /// An event reaches the control plane, sent for so many times.
    News(News, u32),
    /// The engine dies.
    Dies,
    /// It is started again.
    Starts,
    /// It stands still for a while, or is cut off.
    Stalls,
}

impl Sim {
    /// When the engine or the way to it has something to do.
    pub(super) fn next_of_engine(&mut self) -> Option<Timestamp> {
        let now = self.now;
        let link = self.control.as_mut().filter(|it| !it.is_frozen(now)).and_then(|control| {
            let Control { link, world, .. } = control;
            link.next_at(world, now)
        });
        [link, self.engine.next_at(now)].into_iter().flatten().min()
    }

    /// Lets jobs go on, and has called what is to be called.
    pub(super) fn drive_engine(&mut self) {
        self.engine.advance(self.now);
        for news in self.engine.tells(self.now) {
            self.tell(&news);
        }
        let now = self.now;
        let Some(control) = self.control.as_mut().filter(|it| !it.is_frozen(now)) else { return };
        let from = control.started_at;
        for task in control.link.due(&control.world, self.now) {
            for ms in self.ways() {
                self.after(ms, Event::Engine(EngineEvent::Call(from, task.clone())));
            }
        }
    }

    fn ways(&mut self) -> Vec<u64> {
        self.arrivals("between the control plane and the engine", |rng| {
            let late = if rng.percent(10) { 8000 } else { 30 };
            match rng.between(0, 100) {
                0..=4 => Some(Vec::new()),
                5..=9 => Some(vec![rng.between(1, late), rng.between(1, late)]),
                _ => Some(vec![rng.between(1, late)]),
            }
        })
    }

    /// Sends an event: some are lost for good, and some come more than once.
    fn tell(&mut self, news: &News) {
        let ways = self.ways();
        if ways.is_empty() {
            return self.lose(news);
        }
        for ms in ways {
            self.after(ms, Event::Engine(EngineEvent::News(news.clone(), 1)));
        }
    }

    fn lose(&mut self, news: &News) {
        if let Some(job) = self.engine.jobs.get_mut(&news.of.correlation_id) {
            job.is_unheard = true;
        }
    }

    pub(super) fn happen_to_engine(&mut self, event: EngineEvent) -> Result<(), String> {
        match event {
            EngineEvent::Call(from, task) => self.called(from, task)?,
            EngineEvent::Answer(to, answer) => self.answered(to, answer),
            EngineEvent::News(news, attempt) => self.heard(news, attempt),
            EngineEvent::Dies if !self.is_peace() => {
                let mut pause = self.act(Class::Engine, Self::break_engine);
                self.after(pause.between(5000, 120_000), Event::Engine(EngineEvent::Dies));
            }
            EngineEvent::Stalls if !self.is_peace() => {
                let mut pause = self.act(Class::Stall, Self::stall_engine);
                self.after(pause.between(20_000, 200_000), Event::Engine(EngineEvent::Stalls));
            }
            EngineEvent::Dies | EngineEvent::Stalls => {}
            EngineEvent::Starts => {
                self.engine.start(self.now);
                self.note("the engine is started");
            }
        }
        Ok(())
    }

    /// The engine dies at once, or right before or after one of its next commits, or its clock is
    /// set.
    fn break_engine(&mut self) {
        let ms = self.rng.between(100, 30_000);
        if self.rng.percent(25) {
            let set_ms = any_ms(&mut self.rng);
            self.engine.sets_clock(set_ms);
            return self.note(&format!("the engine's clock is to be set by {set_ms} ms"));
        }
        if self.rng.percent(50) {
            let step = self.engine.steps + self.rng.between(1, 7);
            self.engine.dies_after = Some(step);
            return self.note(&format!("the engine is to die after its step {step}"));
        }
        self.engine.dies();
        self.note("the engine dies");
        self.after(ms, Event::Engine(EngineEvent::Starts));
    }

    /// The engine stands still, or nothing goes between it and the control plane.
    fn stall_engine(&mut self) {
        let ms = self.rng.between(1000, 90_000);
        let until = self.now.plus(Duration::from_millis(ms));
        if self.rng.percent(50) {
            self.engine.freezes(until);
            return self.note(&format!("the engine freezes, for {ms} ms"));
        }
        self.engine_is_cut_off_until = until;
        self.note(&format!("the engine is cut off, for {ms} ms"));
    }

    fn is_engine_cut_off(&self) -> bool {
        self.now < self.engine_is_cut_off_until
    }

    /// A call reaches the engine. One that is down answers nothing, and one that stands still takes
    /// it later.
    fn called(&mut self, from: Timestamp, task: Task) -> Result<(), String> {
        if self.engine.is_down() || self.is_engine_cut_off() {
            return Ok(());
        }
        if let Some(at) = self.engine.runs_again_at(self.now) {
            let ms = at.since(self.now).as_millis() + 1;
            self.after(ms, Event::Engine(EngineEvent::Call(from, task)));
            return Ok(());
        }
        let answer = match task {
            Task::Submit { of, input } => {
                let rng = &mut Rng::of_text(self.config.seed, &of.correlation_id);
                self.engine.submit(&of, &input, self.now, rng)?;
                let Some(job) = self.engine.jobs.get(&of.correlation_id) else { return Ok(()) };
                let (job_id, news) = (job.id.clone(), job.news());
                Answer::Stands { of, job_id, news }
            }
            Task::Ask { of, job_id } => match self.engine.job(&job_id) {
                Some(job) => Answer::Stands { of, news: job.news(), job_id },
                None => return Err(format!("{of:?} has the job {job_id}, which nobody submitted")),
            },
            Task::Cancel { key, correlation_id, job_id } => {
                let known = self.engine.jobs.get(&correlation_id).map(|job| job.id.clone());
                match job_id.or(known) {
                    Some(id) => self.engine.cancel(&id, self.now),
                    None => self.engine.cancels_key(&correlation_id),
                }
                Answer::Cancelled { key, correlation_id }
            }
            Task::End { job_id } => {
                self.engine.cancel(&job_id, self.now);
                Answer::Ended { job_id }
            }
        };
        if self.engine.has_died {
            return Ok(());
        }
        for ms in self.ways() {
            self.after(ms, Event::Engine(EngineEvent::Answer(from, answer.clone())));
        }
        Ok(())
    }

    fn answered(&mut self, to: Timestamp, answer: Answer) {
        let now = self.now;
        if self.is_engine_cut_off() {
            return;
        }
        let Some(control) = self.control.as_mut().filter(|it| it.started_at == to) else { return };
        if let Some(at) = control.runs_again_at(now) {
            let ms = at.since(now).as_millis() + 1;
            return self.after(ms, Event::Engine(EngineEvent::Answer(to, answer)));
        }
        match answer {
            Answer::Stands { of, job_id, news } => {
                let told = tell_one(control, &of, &job_id, None, &news, now);
                let is_over = news != JobNews::Taken;
                if told == Some(Told::Stale) && !is_over {
                    control.link.stray(&job_id);
                }
                let pause = if told.is_some() { Duration::ZERO } else { PAUSE };
                control.link.answered(&of.correlation_id, now.plus(pause));
            }
            Answer::Cancelled { key, correlation_id } => {
                forget(control, &key, &correlation_id, now);
                control.link.answered(&correlation_id, now.plus(PAUSE));
            }
            Answer::Ended { job_id } => control.link.ended(&job_id),
        }
    }

    fn tell_again(&mut self, news: News, attempt: u32) {
        if attempt >= ATTEMPTS_MAX {
            return self.lose(&news);
        }
        let ms = self.any_time().between(500, 5000);
        self.after(ms, Event::Engine(EngineEvent::News(news, attempt + 1)));
    }

    /// An event reaches the control plane; who is not there, or cannot write, gets it again.
    fn heard(&mut self, news: News, attempt: u32) {
        let now = self.now;
        let reached = self.control.as_mut().filter(|_| now >= self.engine_is_cut_off_until);
        let told = reached.filter(|it| !it.is_frozen(now)).and_then(|control| {
            tell_one(control, &news.of, &news.job_id, Some(news.sequence), &news.news, now)
        });
        // Who died with the answer has not answered.
        let told = told.filter(|_| !self.disk.chronicle.is_dead());
        match told {
            None => self.tell_again(news, attempt),
            // Its job is cancelled before it is answered: where that fails it comes again.
            Some(Told::Stale) if !news.is_last => {
                if let Some(control) = &mut self.control {
                    control.link.stray(&news.job_id);
                }
                if self.engine.job(&news.job_id).is_some_and(|job| !job.is_over()) {
                    self.tell_again(news, attempt);
                }
            }
            Some(_) => {
                // What was heard is written down, and nobody has followed it yet.
                let dies = |rng: &mut Rng| rng.percent(5);
                let when = "after an event of the engine";
                self.may(Class::Crash, dies, |sim| sim.crash_control(when));
            }
        }
    }
}

/// Writes into the instance what the engine says; none where it cannot be written.
fn tell_one(
    control: &mut Control,
    of: &OfStep,
    job_id: &str,
    sequence: Option<u64>,
    news: &JobNews,
    now: Timestamp,
) -> Option<Told> {
    let pipelines = control.world.pipelines().clone();
    let OfStep { key, phase, step, correlation_id } = of;
    let whose = Whose { phase, step, correlation_id, job_id: Some(job_id), sequence };
    let wall = control.clock.wall(now);
    let mut told = Told::Stale;
    let is_written = with_pipelined!(key.kind, K => {
        edit::<K>(control, key, now, |edit| {
            told = tell_step(&pipelines, edit, whose, news, wall);
        })
    });
    is_written?.then_some(told)
}

/// A job that was not wanted is over.
fn forget(control: &mut Control, key: &ResourceKey, id: &str, now: Timestamp) {
    with_pipelined!(key.kind, K => {
        edit::<K>(control, key, now, |edit| {
            let unwanted = &mut K::timed_mut(&mut edit.object).unwanted_jobs;
            unwanted.retain(|job| job.correlation_id != id);
        })
    });
}

/// Changes an instance as it is now. False where that cannot be written; one that is gone
/// has nothing to be written.
fn edit<K: Tabled>(
    control: &mut Control,
    key: &ResourceKey,
    now: Timestamp,
    change: impl FnOnce(&mut Edit<K>),
) -> bool {
    api::edit(control, key, now, change).unwrap_or(true)
}
