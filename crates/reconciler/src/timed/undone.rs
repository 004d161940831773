//! What a teardown was to do, besides removing things, and did not: phases that are required
//! and have failed for good, or were cut off by the deadline.
//!
//! Nobody comes back to it, so it stands among the leftovers for as long as its resource is
//! there: what such a phase was to end may still be there, where Tessera cannot see it.

use tessera_pipeline::is_template;
use tessera_types::timed::{Engine, Phase, PhaseRun, PhaseState, StepState, TimedStatus};
use tessera_types::{Kind, limits};

use super::step::Step;
use crate::pipelines::Acts;

/// What the text of a phase that was not done begins with.
const PREFIX: &str = "phase/";

/// The required phases of its teardown that are not done, in words. Of what was never
/// provisioned there is nothing to tear down.
pub(crate) fn undone<K: Acts>(step: &Step<'_, K>) -> Vec<String> {
    if step.object().status != TimedStatus::TearingDown || !step.has_begun() {
        return Vec::new();
    }
    let lifecycle = K::lifecycle(step.object());
    let phases = lifecycle.into_iter().flat_map(|it| it.phases_in(TimedStatus::TearingDown));
    let required = phases.filter(|phase| phase.is_required && has_steps(phase));
    let missed =
        required.filter_map(|phase| why(step, phase).map(|why| described(step, phase, &why)));
    missed.collect()
}

/// Whether an entry of leftovers is such a phase: it does not go.
pub(super) fn is_phase(entry: &str) -> bool {
    entry.starts_with(PREFIX)
}

/// Whether there is anything to do in a phase.
fn has_steps(phase: &Phase) -> bool {
    phase.engine == Engine::Workflow || phase.pipeline.is_some() || is_template(phase.name.as_str())
}

fn described<K: Acts>(step: &Step<'_, K>, phase: &Phase, why: &str) -> String {
    let (kind, name) = (<K as Kind>::KIND.singular(), &step.object().name);
    format!("{PREFIX}{} of {kind}/{name} ({why})", phase.name)
}

/// Why a phase is not done; none where it is.
fn why<K: Acts>(step: &Step<'_, K>, phase: &Phase) -> Option<String> {
    let Some(run) = step.timed().phase(&phase.name) else {
        return Some("it was not begun".to_owned());
    };
    match run.state {
        PhaseState::Done => None,
        PhaseState::Failed => {
            let message = run.message.as_deref().unwrap_or("it failed");
            Some(format!("failed: {}", limits::one_line(message, limits::QUOTE_BYTES_MAX)))
        }
        _ => Some(format!("cut off by its deadline{}", place(step, run))),
    }
}

/// How far a phase was.
fn place<K: Acts>(step: &Step<'_, K>, run: &PhaseRun) -> String {
    if let Some(job) = &run.job {
        return format!(", at job/{job}");
    }
    let steps = step.timed().pipeline_progress.get(&run.name).into_iter().flatten();
    let is_open =
        |state| matches!(state, StepState::Running | StepState::Suspended | StepState::BackingOff);
    let open = steps.filter(|(_, stands)| is_open(stands.state)).map(|(name, _)| name.as_str());
    let open: Vec<_> = open.collect();
    match open.is_empty() {
        true => String::new(),
        false => format!(", at step {}", open.join(", ")),
    }
}
