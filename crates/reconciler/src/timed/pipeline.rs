//! Pipelines as phases: the steps of a try, taken as far as they go.
//!
//! The steps that Tessera does itself are done here, in the commit that says that they
//! are. One with a job is only written down: that it is suspended, what its job is, and
//! until when. Whoever speaks with the engine finds it there.

use serde_json::{Value, json};
use tessera_pipeline::{Cancel, Decision, Look, Outcome, Pipeline, Start, Work, is_template};
use tessera_types::timed::{
    Phase, PhaseRun, PhaseState, PipelineProgress, PipelineSpec, Request, RetryPolicy, StepState,
    Timed, UnwantedJob,
};
use tessera_types::{Actor, Fingerprint, Kind, Name, Timestamp, WaitReason, limits};

use super::phases::{Phases, Try, advance};
use super::step::Step;
use crate::pipelines::{Acts, Handled};

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
    let Some(why) = step.world.engine().held() else { return false };
    let begins = step.timed().phase(name).is_none_or(|run| run.state == PhaseState::BackingOff);
    if !begins || !pipeline.has_jobs() {
        return false;
    }
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
            let asked_by = step.world.engine_asked_by();
            let unwanted_jobs = step.timed().unwanted_jobs.clone();
            let (inputs, instance, run) = (&inputs, &instance, run.as_str());
            let unwanted = unwanted_jobs.as_slice();
            let (is_engine_silent, now) = (step.world.is_engine_silent(), step.now);
            let look = Look { inputs, instance, run, asked_by, unwanted, is_engine_silent, now };
            let mut decision = pipeline.decide(&mut progress, &look);
            give_to_cancel(step, &self.name, std::mem::take(&mut decision.cancel));
            decision.start.iter().for_each(|start| note_suspension(step, &self.name, start));
            let acted = act(step, pipeline, &mut progress);
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

/// The way of a step with a job is in the history.
fn note_suspension<K: Timed>(step: &mut Step<'_, K>, phase: &Name, start: &Start) {
    let Work::Job { scenario, correlation_id } = &start.work else { return };
    let Start { step: name, attempt, .. } = start;
    let reason =
        format!("phase {phase}: step {name} is suspended until its job {scenario} is over");
    let (from, to) = (StepState::Running, StepState::Suspended);
    step.edit
        .note(Actor::RECONCILER, reason)
        .with("phase", phase)
        .with("step", name)
        .with("attempt", attempt)
        .with("step_state", format_args!("{from:?} → {to:?}"))
        .with("correlation_id", correlation_id);
}

/// Whether a resource that is over and to be removed waits for the engine to cancel its
/// jobs.
pub(crate) fn waits_for_engine<K: Timed>(step: &mut Step<'_, K>) -> bool {
    let Some(job) = step.timed().unwanted_jobs.first().map(ToString::to_string) else {
        return false;
    };
    let until = step.object().status_since.plus(limits::ENGINE_CANCELS_WITHIN);
    if step.has_come(until) {
        return false;
    }
    let message = with_trouble(step, format!("{job} to be cancelled"));
    step.wait(WaitReason::Children, &message, Some(until));
    true
}

/// Whether what an operator has asked for begins: all anew. So nothing of before may still
/// run, but an engine that does not answer is not waited for without an end.
pub(crate) fn begins_anew<K: Timed>(step: &mut Step<'_, K>, is_clean: bool) -> bool {
    if step.timed().requested(Request::Retry).is_none() {
        return false;
    }
    if !is_clean {
        let message = "what is left of it to be gone, to be tried again";
        step.wait(WaitReason::Children, message, None);
        return false;
    }
    !waits_for_engine(step) && step.serve_retry()
}

/// With why the engine does nothing, where that is known.
fn with_trouble<K: Timed>(step: &Step<'_, K>, waits: String) -> String {
    match step.world.engine_trouble() {
        Some(why) => format!("{waits}; {why}"),
        None => waits,
    }
}

/// What is waited for besides `others` of what is to go.
pub(crate) fn with_engine_jobs<K: Timed>(step: &Step<'_, K>, others: &str) -> String {
    match step.timed().unwanted_jobs.first() {
        Some(job) => with_trouble(step, format!("{others}; and {job} to be cancelled")),
        None => others.to_owned(),
    }
}

/// Ends what is under way of a phase's pipeline.
fn give_up<K: Acts>(step: &mut Step<'_, K>, name: &Name, why: &str) {
    let now = step.now;
    let Some(progress) = step.timed_mut().pipeline_progress.get_mut(name) else { return };
    let cancelled = Pipeline::cancel(progress, why, now);
    give_to_cancel(step, name, cancelled);
}

/// A status is left: nothing of its pipelines goes on.
pub(super) fn leave<K: Timed>(step: &mut Step<'_, K>) {
    let now = step.now;
    let all = step.timed_mut().pipeline_progress.iter_mut();
    let cancelled: Vec<_> = all
        .map(|(phase, progress)| {
            (phase.clone(), Pipeline::cancel(progress, "its phase is over", now))
        })
        .collect();
    for (phase, cancelled) in cancelled {
        give_to_cancel(step, &phase, cancelled);
    }
}

/// Writes down which jobs the engine is to cancel, and in the history why.
fn give_to_cancel<K: Timed>(step: &mut Step<'_, K>, phase: &Name, cancelled: Vec<Cancel>) {
    for one in cancelled {
        note_cancel(step, phase, &one);
        let Cancel { correlation_id, job_id, scenario, .. } = one;
        step.timed_mut().unwanted_jobs.push(UnwantedJob { correlation_id, job_id, scenario });
    }
}

/// The way of a step whose job did not end by itself.
fn note_cancel<K: Timed>(step: &mut Step<'_, K>, phase: &Name, cancelled: &Cancel) {
    let Cancel { step: name, correlation_id, job_id, attempt, state, message, .. } = cancelled;
    let job = job_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let reason =
        format!("phase {phase}: job{job} of step {name} is not wanted any more: {message}");
    step.edit
        .note(Actor::RECONCILER, reason)
        .with("phase", phase)
        .with("step", name)
        .with("attempt", attempt)
        .with("step_state", format_args!("{:?} → {state:?}", StepState::Suspended))
        .with("correlation_id", correlation_id);
}
