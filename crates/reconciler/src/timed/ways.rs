//! The ways of steps, in the history of their instance.
//!
//! The one idea: each way is told once. That of a job is told by whoever says what became of
//! it: here when it begins and when it is not wanted any more, and where the engine's news are
//! taken in when it ends by itself. All others are told here.

use tessera_pipeline::{Cancel, Pipeline, Start, Work};
use tessera_types::timed::{PipelineProgress, StepProgress, StepState, Timed};
use tessera_types::{Actor, Name, Object, limits};

use super::step::Step;

/// How a step stood: its state and which try it was; none before it began.
type Stood = Option<(StepState, u32)>;

/// How the steps of a pipeline stand, in its order.
pub(super) fn stand(pipeline: &Pipeline, progress: &PipelineProgress) -> Vec<(Name, Stood)> {
    let names = pipeline.steps().map(|step| &step.spec.name);
    names.map(|name| (name.clone(), progress.get(name).map(stood))).collect()
}

/// How the steps that have begun stand.
pub(super) fn stand_now(progress: &PipelineProgress) -> Vec<(Name, Stood)> {
    progress.iter().map(|(name, stands)| (name.clone(), Some(stood(stands)))).collect()
}

fn stood(stands: &StepProgress) -> (StepState, u32) {
    (stands.state, stands.attempt)
}

/// Whether somebody has said which steps a phase has: the names of others tell nobody
/// anything.
pub(super) fn is_declared<K: Timed>(object: &Object<K>, phase: &Name) -> bool {
    let phases = K::lifecycle(object).into_iter().flat_map(|lifecycle| &lifecycle.phases);
    phases.filter(|one| one.name == *phase).any(|one| one.pipeline.is_some())
}

/// Whether a step had a job when the steps stood as `before`.
pub(super) fn was_suspended(before: &[(Name, Stood)], step: &Name) -> bool {
    let is_it = |(name, stood): &(Name, Stood)| {
        name == step && matches!(stood, Some((StepState::Suspended, _)))
    };
    before.iter().any(is_it)
}

/// Notes what has ended since the steps stood as `before`, but for the jobs among it.
pub(super) fn note_ends<K: Timed>(
    step: &mut Step<'_, K>,
    phase: &Name,
    before: &[(Name, Stood)],
    progress: &PipelineProgress,
    cancelled: &[Cancel],
) {
    for (name, stood_before) in before {
        let Some(stands) = progress.get(name) else { continue };
        let is_of_job = matches!(stood_before, Some((StepState::Suspended, _)))
            || cancelled.iter().any(|one| one.step == *name);
        if !is_of_job && *stood_before != Some(stood(stands)) {
            note_end(step, phase, name, *stood_before, stands);
        }
    }
}

fn note_end<K: Timed>(
    step: &mut Step<'_, K>,
    phase: &Name,
    name: &Name,
    before: Stood,
    stands: &StepProgress,
) {
    let why = stands.message.as_deref().unwrap_or("nobody said why");
    let why = limits::one_line(why, limits::REASON_BYTES_MAX / 2);
    let ended = match stands.state {
        StepState::Completed => "is completed".to_owned(),
        StepState::Skipped => format!("is skipped: {why}"),
        StepState::Failed | StepState::BackingOff => format!("has failed: {why}"),
        StepState::Cancelled => format!("is cancelled: {why}"),
        StepState::Running | StepState::Suspended => return,
    };
    // What begins and ends in one look was never seen to run.
    let from = before.map_or(StepState::Running, |(state, _)| state);
    let way = match stands.state {
        StepState::Skipped => "Skipped".to_owned(),
        to => format!("{from:?} → {to:?}"),
    };
    step.edit
        .note(Actor::RECONCILER, format!("phase {phase}: step {name} {ended}"))
        .with("phase", phase)
        .with("step", name)
        .with("attempt", stands.attempt)
        .with("step_state", way);
}

/// Notes that a step waits for its job from now on.
pub(super) fn note_suspension<K: Timed>(step: &mut Step<'_, K>, phase: &Name, start: &Start) {
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

/// Notes the end of a step whose job did not end by itself.
pub(super) fn note_cancel<K: Timed>(step: &mut Step<'_, K>, phase: &Name, cancelled: &Cancel) {
    let Cancel { step: name, correlation_id, job_id, attempt, state, message, .. } = cancelled;
    let job = job_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let message = limits::one_line(message, limits::QUOTE_BYTES_MAX);
    let reason =
        format!("phase {phase}: job{job} of step {name} is not wanted any more: {message}");
    step.edit
        .note(Actor::RECONCILER, reason)
        .with("phase", phase)
        .with("step", name)
        .with("attempt", attempt)
        .with("step_state", format_args!("{:?} → {state:?}", StepState::Suspended))
        .with("correlation_id", correlation_id);
    if let Some(id) = job_id {
        step.edit.with("job_id", id);
    }
}
