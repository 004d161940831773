//! What is to be done next in a pipeline, as far as it stands.

use serde_json::Value as Json;
use tessera_planted::{Bug, planted};
use tessera_types::timed::{OnFailure, PipelineProgress, StepProgress, StepState, UnwantedJob};
use tessera_types::{Name, Timestamp, limits};
use tessera_workflow::expression::{Budget, EvaluationError, Variables};
use tessera_workflow::value::{Value, from_json, object, to_json};

use crate::compile::{Pipeline, Step};
use crate::stands::Stands;

/// What is known when a pipeline is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// What the phase was given.
    pub inputs: &'a Json,
    /// The instance that the phase is of.
    pub instance: &'a Json,
    /// Names this run of the pipeline, and no other.
    pub run: &'a str,
    /// By then the engine has been asked about all jobs that it had before: what ended while
    /// nobody listened is known. No try with a job is given up before.
    pub asked_by: Timestamp,
    /// The jobs that are not wanted any more and may still run: a step with one of them is
    /// not tried again before that is over.
    pub unwanted: &'a [UnwantedJob],
    /// Nobody can be asked how far a job is: what is known of it may be old.
    pub is_engine_silent: bool,
    /// The time.
    pub now: Timestamp,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The steps that begin a try now. Their progress says so already; it is stored before
    /// anything is done.
    pub start: Vec<Start>,
    /// Jobs that are not wanted any more.
    pub cancel: Vec<Cancel>,
    /// When to look again at the latest.
    pub look_again: Option<Timestamp>,
    /// When the first of the jobs that are waited for is given up; none where there is none.
    pub jobs_until: Option<Timestamp>,
    /// In words, what it waits for.
    pub waiting_for: Vec<String>,
    /// What came of it, once all is over.
    pub outcome: Option<Outcome>,
}

/// A try that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The step.
    pub step: Name,
    /// Which try it is; 1 is the first.
    pub attempt: u32,
    /// What is to be done.
    pub work: Work,
    /// Its arguments: an object.
    pub with: Json,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Tessera does it.
    Handler(String),
    /// The engine does it: this scenario, `name@version`. The idempotency key of its submission
    /// is the id.
    Job {
        /// The scenario.
        scenario: String,
        /// What events and the engine know this try by.
        correlation_id: String,
    },
}

/// A job that is not wanted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Its step.
    pub step: Name,
    /// What events and the engine know the try by.
    pub correlation_id: String,
    /// The engine's id, if it has taken it.
    pub job_id: Option<String>,
    /// Its scenario.
    pub scenario: String,
    /// Which try of its step it is.
    pub attempt: u32,
    /// What has become of its step.
    pub state: StepState,
    /// Why it is not wanted any more.
    pub message: String,
}

/// What came of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of its steps are over, and none that mattered failed.
    Completed,
    /// A step failed as often as it may, and its failure is the pipeline's.
    Failed {
        /// The step.
        step: Name,
        /// Why.
        message: String,
        /// How often it was tried.
        attempts: u32,
        /// Whether another try would only come to the same.
        is_final: bool,
    },
}

impl Pipeline {
    /// Takes the pipeline as far as it goes without anything being done: `progress` becomes what
    /// it is then. Looking again at the same time starts nothing more.
    #[must_use]
    pub fn decide(&self, progress: &mut PipelineProgress, look: &Look<'_>) -> Decision {
        let mut decision = Decision::default();
        for step in &self.steps {
            self.pass_deadline(step, progress, look, &mut decision);
            step.begin_pause_again(progress, look.now);
        }
        loop {
            if self.failure(progress).is_some() {
                self.give_up(progress, look.now, &mut decision);
                break;
            }
            let is_ready = |step: &&Step| self.is_ready(step, progress, look, &decision.cancel);
            let ready: Vec<&Step> = self.steps.iter().filter(is_ready).collect();
            if ready.is_empty() {
                break;
            }
            let known = Known::new(look, progress);
            for step in ready {
                self.begin(step, progress, &known, look, &mut decision);
            }
        }
        self.say(progress, look, &mut decision);
        decision
    }

    /// A step's work is done: `result` is what it gave. False when the step was not under way in
    /// this try, so that nothing changes.
    pub fn completed(
        &self,
        progress: &mut PipelineProgress,
        name: &Name,
        attempt: u32,
        result: Json,
        now: Timestamp,
    ) -> bool {
        let Some(step) = self.under_way(progress, name, attempt) else { return false };
        // What was done is done: a result that cannot be used is no reason to do it again.
        match Budget::SMALL.bounds(|| step.outputs(result)) {
            Ok(output) if output.to_string().len() > limits::STEP_BYTES_MAX => {
                let message = too_large("its result has", output.to_string().len());
                step.fail_for_good(progress, &message, now);
            }
            Ok(output) => end(progress, name, StepState::Completed, output, None, now),
            Err(error) => {
                let message = format!("its result does not have what `outputs` asks for: {error}");
                step.fail_for_good(progress, &message, now);
            }
        }
        true
    }

    /// A step's work failed. False when the step was not under way in this try, so that nothing
    /// changes.
    pub fn failed(
        &self,
        progress: &mut PipelineProgress,
        name: &Name,
        attempt: u32,
        message: &str,
        now: Timestamp,
    ) -> bool {
        let Some(step) = self.under_way(progress, name, attempt) else { return false };
        step.fail(progress, message, now);
        true
    }

    /// A step's work cannot be done, however often it is tried. False when the step was not
    /// under way in this try, so that nothing changes.
    pub fn refused(
        &self,
        progress: &mut PipelineProgress,
        name: &Name,
        attempt: u32,
        message: &str,
        now: Timestamp,
    ) -> bool {
        let Some(step) = self.under_way(progress, name, attempt) else { return false };
        step.fail_for_good(progress, message, now);
        true
    }

    /// Nothing of it is wanted any more: what is not over ends here. Gives back the jobs that
    /// the engine is to cancel.
    pub fn cancel(progress: &mut PipelineProgress, message: &str, now: Timestamp) -> Vec<Cancel> {
        let mut cancelled = Vec::new();
        let left = progress.iter().filter(|(_, stands)| !stands.state.is_over());
        let left: Vec<Name> = left.map(|(name, _)| name.clone()).collect();
        for name in left {
            cancelled.extend(cancel(progress, &name, message, now));
        }
        cancelled
    }

    fn under_way(&self, progress: &PipelineProgress, name: &Name, attempt: u32) -> Option<&Step> {
        let stands = progress.get(name)?;
        let is_under_way = matches!(stands.state, StepState::Running | StepState::Suspended);
        (is_under_way && stands.attempt == attempt).then(|| self.find(name)).flatten()
    }

    /// The first step whose failure is the pipeline's.
    fn failure(&self, progress: &PipelineProgress) -> Option<(&Step, StepProgress)> {
        self.steps.iter().find_map(|step| {
            let stands = progress.get(&step.resolved.spec.name)?;
            let fails = stands.state == StepState::Failed
                && step.resolved.spec.on_failure == OnFailure::Abort;
            fails.then(|| (step, stands.clone()))
        })
    }

    /// A try that took too long has failed. The job of one is not wanted any more.
    fn pass_deadline(
        &self,
        step: &Step,
        progress: &mut PipelineProgress,
        look: &Look<'_>,
        decision: &mut Decision,
    ) {
        let spec = &step.resolved.spec;
        let Some(stands) = progress.get(&spec.name).cloned() else { return };
        let is_under_way = matches!(stands.state, StepState::Running | StepState::Suspended);
        let given_up_at = stands.given_up_at(look).filter(|_| !planted(Bug::StepDeadlineIgnored));
        if is_under_way && given_up_at.is_some_and(|at| at <= look.now) {
            let message = format!("it took longer than {}", spec.retry.timeout);
            step.fail(progress, &message, look.now);
            decision.cancel.extend(stands.job_is_over(&spec.name, progress));
        }
    }

    fn is_ready(
        &self,
        step: &Step,
        progress: &PipelineProgress,
        look: &Look<'_>,
        cancelled: &[Cancel],
    ) -> bool {
        match progress.get(&step.resolved.spec.name) {
            Some(stands) => {
                let id = stands.correlation_id.as_ref();
                let is_cancelled = |one: &Cancel| Some(&one.correlation_id) == id;
                stands.state == StepState::BackingOff
                    && stands.deadline.is_none_or(|at| at <= look.now)
                    && stands.unwanted(look).is_none()
                    && !cancelled.iter().any(is_cancelled)
            }
            None => step.needs.iter().all(|need| {
                let stands = progress.get(&self.steps[*need].resolved.spec.name);
                stands.is_some_and(|stands| stands.state.is_over())
            }),
        }
    }

    fn begin(
        &self,
        step: &Step,
        progress: &mut PipelineProgress,
        known: &Known,
        look: &Look<'_>,
        decision: &mut Decision,
    ) {
        let spec = &step.resolved.spec;
        let attempt = progress.get(&spec.name).map_or(1, |stands| stands.attempt + 1);
        let state = if spec.job.is_some() { StepState::Suspended } else { StepState::Running };
        let mut stands = StepProgress::begin(state, attempt, look.now, spec.retry.timeout);
        // What went wrong before is still worth telling.
        stands.message = progress.get(&spec.name).and_then(|before| before.message.clone());
        // Everything that is reconciled waits for this.
        match Budget::SMALL.bounds(|| step.arguments(known, attempt)) {
            Ok(None) => {
                stands.state = StepState::Skipped;
                stands.deadline = None;
                stands.message = Some("`skip_when` holds".to_owned());
                progress.insert(spec.name.clone(), stands);
            }
            Ok(Some(with)) => {
                let work = match (&spec.job, &spec.handler) {
                    (Some(scenario), _) => {
                        let key_of = if planted(Bug::KeyOfFirstTry) { 1 } else { attempt };
                        let correlation_id = format!("{}/{}/{key_of}", look.run, spec.name);
                        stands.correlation_id = Some(correlation_id.clone());
                        stands.scenario = Some(scenario.clone());
                        stands.input = with.clone();
                        Work::Job { scenario: scenario.clone(), correlation_id }
                    }
                    (None, handler) => Work::Handler(handler.clone().unwrap_or_default()),
                };
                let bytes = with.to_string().len();
                progress.insert(spec.name.clone(), stands);
                if bytes > limits::STEP_BYTES_MAX {
                    let message = too_large("`with` has", bytes);
                    step.fail_for_good(progress, &message, look.now);
                    return;
                }
                decision.start.push(Start { step: spec.name.clone(), attempt, work, with });
            }
            // The same again would come of the same outputs.
            Err(message) => {
                progress.insert(spec.name.clone(), stands);
                step.fail_for_good(progress, &message, look.now);
            }
        }
    }

    /// A step has failed for good: what is still done, here or by the engine, is not wanted any
    /// more, and nothing new begins.
    fn give_up(&self, progress: &mut PipelineProgress, now: Timestamp, decision: &mut Decision) {
        for step in &self.steps {
            let name = &step.resolved.spec.name;
            if progress.get(name).is_some_and(|stands| !stands.state.is_over()) {
                decision.cancel.extend(cancel(progress, name, "another step failed", now));
            }
        }
    }

    fn say(&self, progress: &PipelineProgress, look: &Look<'_>, decision: &mut Decision) {
        let mut is_over = true;
        for step in &self.steps {
            let spec = &step.resolved.spec;
            let Some(stands) = progress.get(&spec.name) else {
                is_over &= self.failure(progress).is_some();
                continue;
            };
            if stands.state.is_over() {
                continue;
            }
            is_over = false;
            let given_up_at = stands.given_up_at(look);
            let earliest = |at: Option<Timestamp>| at.into_iter().chain(given_up_at).min();
            decision.look_again = earliest(decision.look_again);
            if stands.state == StepState::Suspended {
                decision.jobs_until = earliest(decision.jobs_until);
            }
            decision.waiting_for.push(stands.said_of(&spec.name, spec.retry.attempts_max, look));
        }
        decision.outcome = is_over.then(|| match self.failure(progress) {
            None => Outcome::Completed,
            Some((step, stands)) => Outcome::Failed {
                step: step.resolved.spec.name.clone(),
                message: stands.quoted_message().unwrap_or_default(),
                attempts: stands.attempt,
                is_final: stands.is_final,
            },
        });
    }
}

impl Step {
    /// Its arguments, or none when it is to be skipped. One that was tried before was needed.
    fn arguments(&self, known: &Known, attempt: u32) -> Result<Option<Json>, String> {
        if let Some(skip_when) = self.skip_when.as_ref().filter(|_| attempt == 1) {
            let holds = skip_when.holds(&known.0, &Variables::new());
            if holds.map_err(|error| format!("`skip_when` has no value: {error}"))? {
                return Ok(None);
            }
        }
        let with = self.with.evaluate(&known.0, &Variables::new());
        let with = with.map_err(|error| format!("`with` has no value: {error}"))?;
        to_json(&with).map(Some).map_err(|error| format!("`with` is no JSON: {error}"))
    }

    fn outputs(&self, result: Json) -> Result<Json, EvaluationError> {
        if self.outputs.is_empty() {
            return Ok(result);
        }
        let result = from_json(result);
        let mut outputs = serde_json::Map::new();
        for (name, expression) in &self.outputs {
            let value = expression.evaluate(&result, &Variables::new())?;
            let value = to_json(&value).map_err(|error| EvaluationError(error.to_string()))?;
            outputs.insert(name.to_string(), value);
        }
        Ok(Json::Object(outputs))
    }

    /// A try has failed, and another would only come to the same.
    fn fail_for_good(&self, progress: &mut PipelineProgress, message: &str, now: Timestamp) {
        if let Some(stands) = progress.get_mut(&self.resolved.spec.name) {
            stands.is_final = true;
        }
        self.fail(progress, message, now);
    }

    /// A try has failed: there is another, after a pause, or that was the last.
    fn fail(&self, progress: &mut PipelineProgress, message: &str, now: Timestamp) {
        let spec = &self.resolved.spec;
        let Some(stands) = progress.get_mut(&spec.name) else { return };
        let is_last = stands.is_final || stands.attempt >= spec.retry.attempts_max;
        let pause = spec.retry.backoff.pause(stands.attempt);
        stands.state = if is_last { StepState::Failed } else { StepState::BackingOff };
        stands.deadline = (!is_last).then(|| now.plus(pause));
        stands.since = now;
        stands.input = Json::Null;
        (stands.waiting_for, stands.told_at) = (None, None);
        stands.message = Some(limits::clip(message, limits::REASON_BYTES_MAX));
    }

    /// Where the clock was set back in a pause, that begins again, and is not longer by as much.
    fn begin_pause_again(&self, progress: &mut PipelineProgress, now: Timestamp) {
        let spec = &self.resolved.spec;
        let paused = progress.get_mut(&spec.name);
        if let Some(stands) =
            paused.filter(|it| it.state == StepState::BackingOff && now < it.since)
        {
            stands.deadline = Some(now.plus(spec.retry.backoff.pause(stands.attempt)));
            stands.since = now;
        }
    }
}

/// What is kept in an instance is small: it is copied with every change of it.
fn too_large(what: &str, bytes: usize) -> String {
    let max = limits::STEP_BYTES_MAX;
    format!(
        "{what} {bytes} bytes as JSON, of at most {max}: say with `outputs` what of a result is needed"
    )
}

/// Ends a step that is not wanted any more. Gives back the job that does it, if one does.
fn cancel(
    progress: &mut PipelineProgress,
    name: &Name,
    message: &str,
    now: Timestamp,
) -> Option<Cancel> {
    let before = progress.get(name)?.clone();
    end(progress, name, StepState::Cancelled, Json::Null, Some(message.to_owned()), now);
    before.job_is_over(name, progress)
}

fn end(
    progress: &mut PipelineProgress,
    name: &Name,
    state: StepState,
    output: Json,
    message: Option<String>,
    now: Timestamp,
) {
    if let Some(stands) = progress.get_mut(name) {
        *stands = StepProgress {
            state,
            since: now,
            deadline: None,
            output,
            message,
            input: Json::Null,
            waiting_for: None,
            told_at: None,
            ..stands.clone()
        };
    }
}

/// What expressions look at: `{inputs, outputs, instance}`.
struct Known(Value);

impl Known {
    fn new(look: &Look<'_>, progress: &PipelineProgress) -> Self {
        let outputs = progress.iter().filter(|(_, stands)| stands.state == StepState::Completed);
        let outputs = outputs.map(|(name, it)| (name.as_str(), from_json(it.output.clone())));
        Self(object([
            ("inputs", from_json(look.inputs.clone())),
            ("outputs", object(outputs)),
            ("instance", from_json(look.instance.clone())),
        ]))
    }
}
