//! Pipelines as phases: the steps of a try, taken as far as they go.
//!
//! The steps that Tessera does itself are done here, in the commit that says that they
//! are. One with a job is only written down: that it is suspended, what its job is, and
//! until when. Whoever speaks with the engine finds it there.

use serde_json::{Value, json};
use tessera_pipeline::{Cancel, Decision, Look, Outcome, Pipeline, is_template};
use tessera_planted::{Bug, planted};
use tessera_types::timed::{
    Phase, PhaseRun, PhaseState, PipelineProgress, PipelineSpec, Request, RetryPolicy,
    StepProgress, StepState, Timed, TimedStatus, UnwantedJob,
};
use tessera_types::{Fingerprint, Kind, Name, Timestamp, WaitReason, limits};

use super::phases::{Phases, Try, advance};
use super::step::Step;
use super::ways;
use crate::pipelines::{Acts, EngineUse, Handled};

/// A phase that is a pipeline.
pub(crate) struct OwnPhase<'a> {
    pub(crate) name: Name,
    pub(crate) spec: Option<&'a PipelineSpec>,
    pub(crate) retry: RetryPolicy,
}

impl<'a> OwnPhase<'a> {
    pub(crate) fn of(phase: &'a Phase) -> Self {
        Self { name: phase.name.clone(), spec: phase.pipeline.as_ref(), retry: phase.retry }
    }
}

/// Runs a phase that is a pipeline.
pub(crate) fn run_pipeline<K: Acts>(step: &mut Step<'_, K>, phase: &OwnPhase<'_>) -> Phases {
    let name = &phase.name;
    if phase.spec.is_none() && !is_template(name.as_str()) {
        return Phases::Done;
    }
    let policy = K::overrides_policy(step.object());
    let compiled = step.world.pipelines().of(<K as Kind>::KIND, name, phase.spec, policy);
    let Ok(pipeline) = compiled else {
        // Admission refuses these, so it was let in by another release.
        let message = format!("phase {name}: its pipeline is none; declare its definition anew");
        step.wait(WaitReason::Phase, &message, None);
        return Phases::UnderWay;
    };
    if is_held(step, name, &pipeline) {
        return Phases::UnderWay;
    }
    if step.timed().phase(name).is_none() {
        begin(step, name, &pipeline);
    }
    let is_declared = phase.spec.is_some();
    let at = |run: &PhaseRun| {
        let (name, attempt, since) = (run.name.clone(), run.attempt, run.since);
        Run { name, attempt, since, is_declared }
    };
    advance(
        step,
        name,
        phase.retry,
        |step, run| at(run).look(step, &pipeline),
        |step| {
            give_up(step, name, "its phase has failed");
            // Two tries never run side by side, and neither do their jobs.
            K::clean(step) && step.timed().unwanted_jobs.is_empty()
        },
        |step, attempt| {
            begin(step, name, &pipeline);
            let run = Run { name: name.clone(), attempt, since: step.now, is_declared };
            // How it stands is judged when it is looked at next.
            let _ = run.look(step, &pipeline);
        },
    )
}

/// A pipeline with jobs is not begun while the engine may not be used.
fn is_held<K: Acts>(step: &mut Step<'_, K>, name: &Name, pipeline: &Pipeline) -> bool {
    let begins = step.timed().phase(name).is_none_or(|run| run.state == PhaseState::BackingOff);
    if !begins || !pipeline.has_jobs() {
        return false;
    }
    let Some(why) = step.world.engine().held() else {
        // A retry began while there was no engine, and now there is one: it cancels first.
        let is_anew = step.object().status == TimedStatus::Provisioning;
        return is_anew && waits_for_cancellation(step, None);
    };
    step.wait(WaitReason::Engine, &format!("phase {name}: {why}"), None);
    true
}

fn begin<K: Acts>(step: &mut Step<'_, K>, name: &Name, pipeline: &Pipeline) {
    step.timed_mut().pipeline_progress.remove(name);
    step.world.pipelines().hit(pipeline.tier());
}

/// A try of a phase.
struct Run {
    name: Name,
    attempt: u32,
    since: Timestamp,
    /// Whether somebody has said which steps it has: the names of others tell nobody anything.
    is_declared: bool,
}

impl Run {
    /// What tells this try from all others of all instances.
    fn id(&self, uid: u64) -> String {
        let Self { name, attempt, since, .. } = self;
        let text = format!("{name} {attempt} {}", since.as_micros());
        format!("{uid}.{:016x}", Fingerprint::default().text(&text).finish())
    }

    fn look<K: Acts>(&self, step: &mut Step<'_, K>, pipeline: &Pipeline) -> Try {
        let mut progress =
            step.timed_mut().pipeline_progress.remove(&self.name).unwrap_or_default();
        let run = self.id(step.id().0);
        let inputs = K::inputs(step.object());
        let (decision, waits) = loop {
            let instance = instance(step);
            let asked_by = step.world.engine_asked_by(step.clocks);
            let unwanted_jobs = step.timed().unwanted_jobs.clone();
            let (inputs, instance, run) = (&inputs, &instance, run.as_str());
            let unwanted = unwanted_jobs.as_slice();
            let (is_engine_silent, now) = (step.world.is_engine_silent(), step.now);
            let look = Look { inputs, instance, run, asked_by, unwanted, is_engine_silent, now };
            let before = ways::stand(pipeline, &progress);
            let mut decision = pipeline.decide(&mut progress, &look);
            let acted = act(step, pipeline, &mut progress);
            let cancelled = std::mem::take(&mut decision.cancel).into_iter();
            let (under_way, just_begun): (Vec<_>, Vec<_>) =
                cancelled.partition(|one| ways::was_suspended(&before, &one.step));
            give_to_cancel(step, &self.name, under_way);
            if self.is_declared {
                ways::note_ends(step, &self.name, &before, &progress, &just_begun);
            }
            decision.start.iter().for_each(|start| ways::note_suspension(step, &self.name, start));
            give_to_cancel(step, &self.name, just_begun);
            if !acted.has_moved {
                break (decision, acted.waits);
            }
        };
        step.timed_mut().pipeline_progress.insert(self.name.clone(), progress);
        if let Some(at) = decision.look_again {
            step.look_again(at);
        }
        match self.judge(&decision, &waits) {
            Try::UnderWay(what) if waits_for_job(step, &self.name) => {
                let what = with_trouble(step, what);
                match decision.jobs_until {
                    Some(until) => Try::WaitsForJob { what, until },
                    None => Try::UnderWay(what),
                }
            }
            other => other,
        }
    }
}

/// Whether the engine has something to do of a phase.
fn waits_for_job<K: Timed>(step: &Step<'_, K>, phase: &Name) -> bool {
    let progress = step.timed().pipeline_progress.get(phase);
    let is_suspended =
        progress.is_some_and(|all| all.values().any(|stands| stands.state == StepState::Suspended));
    is_suspended || !step.timed().unwanted_jobs.is_empty()
}

impl Run {
    fn judge(&self, decision: &Decision, waits: &[(Name, String)]) -> Try {
        match &decision.outcome {
            Some(Outcome::Completed) => Try::Done,
            Some(Outcome::Failed { step, message, is_final, .. }) => {
                let message = match self.is_declared {
                    true => format!("step {step}: {message}"),
                    false => message.clone(),
                };
                if *is_final { Try::FailedForGood(message) } else { Try::Failed(message) }
            }
            None => Try::UnderWay(match waits {
                [(_, what)] if !self.is_declared => what.clone(),
                _ => in_words(&decision.waiting_for, waits),
            }),
        }
    }
}

/// What came of the steps that Tessera does itself.
#[derive(Default)]
struct Acted {
    has_moved: bool,
    waits: Vec<(Name, String)>,
}

fn act<K: Acts>(
    step: &mut Step<'_, K>,
    pipeline: &Pipeline,
    progress: &mut PipelineProgress,
) -> Acted {
    let mut acted = Acted::default();
    for spec in pipeline.steps().map(|resolved| &resolved.spec) {
        let stands = progress.get(&spec.name);
        let Some(stands) = stands.filter(|it| it.state == StepState::Running) else { continue };
        let attempt = stands.attempt;
        let handler = spec.handler.as_deref().unwrap_or_default();
        acted.has_moved |= match K::act(step, handler) {
            Handled::Done(result) => {
                pipeline.completed(progress, &spec.name, attempt, result, step.now)
            }
            Handled::Failed(message) => {
                pipeline.failed(progress, &spec.name, attempt, &message, step.now)
            }
            Handled::UnderWay(what) => {
                acted.waits.push((spec.name.clone(), what));
                false
            }
        };
    }
    acted
}

/// What it waits for: for each step, and more of those that Tessera does itself.
fn in_words(waiting_for: &[String], waits: &[(Name, String)]) -> String {
    let more = |text: &String| {
        let of_step = waits.iter().find(|(name, _)| {
            let rest = text.strip_prefix("step ").and_then(|it| it.strip_prefix(name.as_str()));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
        });
        of_step.map_or_else(|| text.clone(), |(_, what)| format!("{text}: {what}"))
    };
    waiting_for.iter().map(more).collect::<Vec<_>>().join("; ")
}

/// What expressions know of an instance. No environment is among it: that may hold secrets.
fn instance<K: Acts>(step: &Step<'_, K>) -> Value {
    let object = step.object();
    let mut known = json!({
        "kind": <K as Kind>::KIND.as_str(),
        "id": object.id.to_string(),
        "namespace": object.namespace,
        "name": object.name,
        "labels": object.labels,
        "timeslot": step.timed().timeslot,
    });
    if let (Value::Object(known), Value::Object(more)) = (&mut known, K::instance(object)) {
        known.extend(more);
    }
    known
}

/// Whether a resource that is over and to be removed waits for the engine to cancel its
/// jobs: as long as one answers, since nobody would cancel them afterwards. One that does not
/// is not waited for for ever.
pub(crate) fn waits_for_engine<K: Timed>(step: &mut Step<'_, K>) -> bool {
    if step.world.engine() == EngineUse::On && !step.world.is_engine_silent() {
        return waits_for_cancellation(step, None);
    }
    let until = step.object().status_since.plus(limits::ENGINE_CANCELS_WITHIN);
    if step.timed().unwanted_jobs.is_empty() || step.has_come(until) {
        return false;
    }
    waits_for_cancellation(step, Some(until))
}

fn waits_for_cancellation<K: Timed>(step: &mut Step<'_, K>, until: Option<Timestamp>) -> bool {
    let Some(job) = step.timed().unwanted_jobs.first().map(ToString::to_string) else {
        return false;
    };
    let message = with_trouble(step, format!("{job} to be cancelled"));
    step.wait(WaitReason::Children, &message, until);
    true
}

/// Whether what an operator has asked for begins: all anew. So nothing of before may still
/// run; where there is an engine, it has to say so, and the wait ends with the window.
pub(crate) fn begins_anew<K: Timed>(step: &mut Step<'_, K>, is_clean: bool) -> bool {
    if step.timed().requested(Request::Retry).is_none() {
        return false;
    }
    if !is_clean {
        let message = "what is left of it to be gone, to be tried again";
        step.wait(WaitReason::Children, message, None);
        return false;
    }
    let waits = match step.world.engine() {
        // Nobody can say it.
        EngineUse::Missing => waits_for_engine(step),
        EngineUse::On | EngineUse::Stopped => {
            let until = step.slot().map(|slot| slot.end);
            waits_for_cancellation(step, until)
        }
    };
    !waits && step.serve_retry()
}

/// With why the engine does nothing, where that is known.
fn with_trouble<K: Timed>(step: &Step<'_, K>, waits: String) -> String {
    let busy = || step.world.engine_busy().filter(|_| has_to_be_taken(step)).map(str::to_owned);
    match step.world.engine_trouble().or_else(busy) {
        Some(why) => format!("{waits}; {why}"),
        None => waits,
    }
}

/// Whether there is anything that the engine has to take yet.
fn has_to_be_taken<K: Timed>(step: &Step<'_, K>) -> bool {
    let timed = step.timed();
    let mut steps = timed.pipeline_progress.values().flat_map(|progress| progress.values());
    let is_new = |it: &StepProgress| it.state == StepState::Suspended && it.job_id.is_none();
    !timed.unwanted_jobs.is_empty() || steps.any(is_new)
}

/// What is waited for besides `others` of what is to go.
pub(crate) fn with_engine_jobs<K: Timed>(step: &Step<'_, K>, others: Option<&str>) -> String {
    let job = step.timed().unwanted_jobs.first().map(|job| format!("{job} to be cancelled"));
    match (others, job) {
        (Some(others), Some(job)) => with_trouble(step, format!("{others}; and {job}")),
        (None, Some(job)) => with_trouble(step, job),
        (others, None) => others.unwrap_or("what is left of it to be gone").to_owned(),
    }
}

/// A status is left: nothing of its pipelines goes on.
pub(super) fn leave<K: Timed>(step: &mut Step<'_, K>) {
    let phases: Vec<Name> = step.timed().pipeline_progress.keys().cloned().collect();
    phases.iter().for_each(|phase| give_up(step, phase, "its phase is over"));
}

/// Ends what is under way of a phase's pipeline.
fn give_up<K: Timed>(step: &mut Step<'_, K>, phase: &Name, why: &str) {
    let now = step.now;
    let progress = step.timed_mut().pipeline_progress.remove(phase);
    let Some(mut progress) = progress else { return };
    let before = ways::stand_now(&progress);
    let cancelled = Pipeline::cancel(&mut progress, why, now);
    if ways::is_declared(step.object(), phase) {
        ways::note_ends(step, phase, &before, &progress, &cancelled);
    }
    give_to_cancel(step, phase, cancelled);
    step.timed_mut().pipeline_progress.insert(phase.clone(), progress);
}

/// Writes down which jobs the engine is to cancel, and in the history why.
fn give_to_cancel<K: Timed>(step: &mut Step<'_, K>, phase: &Name, cancelled: Vec<Cancel>) {
    for one in cancelled.into_iter().filter(|_| !planted(Bug::CancelForgotten)) {
        ways::note_cancel(step, phase, &one);
        let Cancel { correlation_id, job_id, scenario, .. } = one;
        step.timed_mut().unwanted_jobs.push(UnwantedJob { correlation_id, job_id, scenario });
    }
}
