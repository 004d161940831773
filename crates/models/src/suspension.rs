//! Suspending and resuming a step (RFD 0020): one step of a pipeline, and a job of the
//! engine for each of its tries. A key is begun once, no two jobs of the step are at work
//! at the same time, and a step is completed by the job of its own try.
//!
//! What is stored survives its owner, so a restart is only the loss of what was not
//! stored. A message stays under way for ever, once it is sent: it may arrive late, out of
//! order, again, or never, and never is being lost. Deadlines have no clock: that of the
//! try under way may pass at any moment.

use std::collections::BTreeSet;

use stateright::{Model, Property};

/// The key of a job, by which the engine knows it; they are drawn one after the other.
pub type Key = u8;

/// A rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The key is stored before its job is submitted.
    StoreBeforeSubmit,
    /// Each try has a key of its own.
    KeyOfItsOwn,
    /// The engine takes a key once.
    TakeOnce,
    /// Only the end of the job of the try under way resumes the step.
    RefuseOldEnd,
    /// The next try waits until the job of the one before is known to be over.
    WaitUntilOver,
    /// A key that is cancelled before its job arrives is taken, and over from the beginning.
    CancelTakesKey,
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
pub struct Suspension {
    /// What is left out.
    pub without: Option<Rule>,
    /// Tries at most.
    pub tries_max: u8,
    /// Keys at most, of which a restart may waste some.
    pub keys_max: Key,
}

/// How the step stands, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stand {
    /// A try may begin.
    Ready,
    /// The job of this key is waited for.
    Suspended(Key),
    /// The try has failed; the job of this key is to be over before anything else.
    Leaving(Key),
    /// Over; the job of this key has completed it.
    Completed(Key),
    /// Over, without success.
    Failed,
}

/// A job as the engine has stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// The try that it was submitted for.
    of: u8,
    /// How often it began.
    begun: u8,
    stage: Stage,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// At work.
    Running,
    /// At work, and told to stop.
    Stopping,
    /// It ended, and whether it had success.
    Over(bool),
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Message {
    /// To the engine: run the job of this key, for this try.
    Submit(Key, u8),
    /// To the engine: the job of this key is not wanted any more.
    Cancel(Key),
    /// To the control plane: the job of this key is over, and whether it had success.
    Ended(Key, bool),
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    stand: Stand,
    /// Tries so far.
    tries: u8,
    /// Keys drawn so far.
    drawn: Key,
    /// A key that was drawn and is not stored.
    unstored: Option<Key>,
    /// By key, from 1.
    jobs: Vec<Option<Job>>,
    messages: BTreeSet<Message>,
}

/// A step of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The control plane draws a key.
    Draw,
    /// It stores that the step is suspended, with the key.
    Suspend,
    /// It submits the job.
    Submit,
    /// The deadline passes: the try has failed.
    TimeOut,
    /// It asks for the end of the job.
    Cancel,
    /// It does not care for the job any more.
    Leave,
    /// It dies and starts again.
    Restart,
    /// A job ends by itself.
    End(Key, bool),
    /// A message arrives.
    Arrive(Message),
}

impl Suspension {
    fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn control(&self, state: &State, acts: &mut Vec<Act>) {
        match state.stand {
            Stand::Ready if state.unstored.is_none() => {
                if state.drawn < self.keys_max {
                    acts.push(Act::Draw);
                }
            }
            Stand::Ready => {
                acts.extend([Act::Suspend, Act::Restart]);
                if !self.has(Rule::StoreBeforeSubmit) {
                    acts.push(Act::Submit);
                }
            }
            Stand::Suspended(_) => acts.extend([Act::Submit, Act::TimeOut]),
            Stand::Leaving(_) => {
                acts.push(Act::Cancel);
                if !self.has(Rule::WaitUntilOver) {
                    acts.push(Act::Leave);
                }
            }
            Stand::Completed(_) | Stand::Failed => {}
        }
    }

    /// What follows when the try is over and its job, too.
    fn next_try(&self, state: &mut State) {
        state.stand = if state.tries < self.tries_max { Stand::Ready } else { Stand::Failed };
    }

    fn draw(&self, state: &mut State) {
        if state.drawn == 0 || self.has(Rule::KeyOfItsOwn) {
            state.drawn += 1;
        }
        state.unstored = Some(state.drawn);
    }

    fn act(&self, state: &mut State, act: Act) {
        match (act, state.stand) {
            (Act::Draw, _) => self.draw(state),
            (Act::Suspend, _) => {
                state.tries += 1;
                let key = state.unstored.take().unwrap_or_default();
                state.stand = Stand::Suspended(key);
            }
            (Act::Submit, Stand::Suspended(key)) => {
                state.messages.insert(Message::Submit(key, state.tries));
            }
            (Act::Submit, _) => {
                let key = state.unstored.unwrap_or_default();
                state.messages.insert(Message::Submit(key, state.tries + 1));
            }
            (Act::TimeOut, Stand::Suspended(key)) => state.stand = Stand::Leaving(key),
            (Act::Cancel, Stand::Leaving(key)) => {
                state.messages.insert(Message::Cancel(key));
            }
            (Act::Leave, _) => self.next_try(state),
            (Act::Restart, _) => state.unstored = None,
            (Act::End(key, well), _) => over(state, key, well),
            (Act::Arrive(message), _) => self.arrive(state, message),
            _ => {}
        }
    }

    fn arrive(&self, state: &mut State, message: Message) {
        match message {
            Message::Submit(key, of) => self.submitted(state, key, of),
            Message::Cancel(key) => self.cancelled(state, key),
            Message::Ended(key, well) => self.ended(state, key, well),
        }
    }

    fn submitted(&self, state: &mut State, key: Key, of: u8) {
        let stage = Stage::Running;
        match &mut state.jobs[usize::from(key)] {
            none @ None => *none = Some(Job { of, begun: 1, stage }),
            Some(job) if !self.has(Rule::TakeOnce) && job.begun < 2 => {
                *job = Job { begun: job.begun + 1, stage, ..*job };
            }
            Some(job) => {
                // The answer says what is known.
                if let Stage::Over(well) = job.stage {
                    state.messages.insert(Message::Ended(key, well));
                }
            }
        }
    }

    fn cancelled(&self, state: &mut State, key: Key) {
        match &mut state.jobs[usize::from(key)] {
            Some(Job { stage: stage @ Stage::Running, .. }) => *stage = Stage::Stopping,
            Some(Job { stage: Stage::Stopping, .. }) => {}
            Some(Job { stage: Stage::Over(well), .. }) => {
                state.messages.insert(Message::Ended(key, *well));
            }
            none if self.has(Rule::CancelTakesKey) => {
                *none = Some(Job { of: 0, begun: 0, stage: Stage::Over(false) });
                state.messages.insert(Message::Ended(key, false));
            }
            None => {
                state.messages.insert(Message::Ended(key, false));
            }
        }
    }

    fn ended(&self, state: &mut State, key: Key, well: bool) {
        match state.stand {
            Stand::Suspended(own) if own == key || !self.has(Rule::RefuseOldEnd) => match well {
                true => state.stand = Stand::Completed(own),
                false => self.next_try(state),
            },
            Stand::Leaving(own) if own == key => self.next_try(state),
            _ => {}
        }
    }
}

fn over(state: &mut State, key: Key, well: bool) {
    if let Some(job) = &mut state.jobs[usize::from(key)] {
        job.stage = Stage::Over(well);
        state.messages.insert(Message::Ended(key, well));
    }
}

fn at_work(state: &State) -> impl Iterator<Item = Key> {
    let is_at_work = |job: &&Job| matches!(job.stage, Stage::Running | Stage::Stopping);
    (0..)
        .zip(&state.jobs)
        .filter_map(move |(key, job)| job.as_ref().filter(is_at_work).map(|_| key))
}

/// The job of the try that is said to have completed the step did.
fn is_true(state: &State) -> bool {
    let Stand::Completed(key) = state.stand else { return true };
    let job = state.jobs[usize::from(key)];
    job.is_some_and(|job| job.stage == Stage::Over(true) && job.of == state.tries)
}

impl Model for Suspension {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            stand: Stand::Ready,
            tries: 0,
            drawn: 0,
            unstored: None,
            jobs: vec![None; usize::from(self.keys_max) + 1],
            messages: BTreeSet::new(),
        }]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        self.control(state, acts);
        acts.extend(at_work(state).flat_map(|key| [Act::End(key, true), Act::End(key, false)]));
        acts.extend(state.messages.iter().map(|message| Act::Arrive(*message)));
    }

    fn next_state(&self, last: &State, act: Act) -> Option<State> {
        let mut state = last.clone();
        self.act(&mut state, act);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a key is begun once", |_, state: &State| {
                state.jobs.iter().flatten().all(|job| job.begun <= 1)
            }),
            Property::always("one job is at work", |_, state: &State| at_work(state).count() <= 1),
            Property::always("a step is completed by its own try", |_, state: &State| {
                is_true(state)
            }),
            Property::always("nothing is at work for a step that is over", |_, state: &State| {
                let is_over = matches!(state.stand, Stand::Completed(_) | Stand::Failed);
                !is_over || at_work(state).next().is_none()
            }),
            Property::sometimes("a later try completes it", |_, state: &State| {
                state.tries > 1 && matches!(state.stand, Stand::Completed(_))
            }),
            Property::sometimes("it fails after its last try", |model: &Self, state: &State| {
                state.tries == model.tries_max && state.stand == Stand::Failed
            }),
        ]
    }
}
