//! What is told of all timed resources: window, phases, lateness, failure, and what
//! could not be removed.

use tessera_types::timed::{
    Boundary, Engine, LateDecision, Lateness, Lifecycle, PhaseRun, PipelineProgress, RetryPolicy,
    StepProgress, StepState, Timed, TimedObserved,
};
use tessera_types::{Duration, Object, Timestamp};

use super::Page;
use crate::moment::{age, near, until};
use crate::show::timed::tone_of_outcome;
use crate::style::Tone;

/// The blocks that every timed resource has. `own` is how its own steps are tried.
pub(super) fn of_timed<K: Timed>(page: &mut Page, object: &Object<K>, own: Option<RetryPolicy>) {
    let timed = K::timed(object);
    window(page, timed);
    lifecycle(page, timed, K::lifecycle(object), own);
    steps(page, timed);
    if let Some(failure) = &timed.failure {
        page.heading("failure");
        page.toned("of", &failure.of, Tone::Bad);
        page.field("tries", failure.attempts);
        page.toned("because", &failure.message, Tone::Bad);
        let ago = format!("{} ({} ago)", failure.at.second_before(), age(failure.at, page.now));
        page.field("at", ago);
    }
    if !timed.leftovers.is_empty() {
        page.heading("left behind");
        page.quote(&timed.leftovers);
    }
}

/// What ends within it of its planned end has ended then.
const SECOND: Duration = Duration::from_secs(1);

fn window(page: &mut Page, timed: &TimedObserved) {
    page.heading("window");
    let Some(slot) = timed.timeslot else {
        page.field("start", "not known yet");
        return;
    };
    let is_for_ever = slot.end >= Timestamp::MAX;
    page.time("provisioned", slot.provision_at());
    page.time("start", slot.start);
    match timed.ended_at {
        // When it was to end says something only where it ended at another time.
        Some(ended_at) => {
            page.time("ended", ended_at);
            let is_at_end = ended_at.since(slot.end).max(slot.end.since(ended_at)) < SECOND;
            page.optional_time("planned end", (!is_at_end).then_some(slot.end));
        }
        None => page.time("end", slot.end),
    }
    if !is_for_ever {
        page.time("gone by", slot.cleanup_deadline());
        page.field("takes", slot.duration());
    }
    page.optional_time("started", timed.started_at);
    if let Some(outcome) = timed.outcome {
        page.toned("outcome", outcome, tone_of_outcome(outcome));
    }
    if let Some(late) = &timed.late {
        page.toned("was late", lateness(late), Tone::Busy);
    }
    for requested in &timed.requests {
        let event = requested.event.as_ref().map(|event| format!(", event {event}"));
        let by = format!("{} by {}{}", requested.request, requested.by, event.unwrap_or_default());
        page.toned("asked for", by, Tone::Busy);
    }
}

/// `for its start by 3m: shortened`.
fn lateness(late: &Lateness) -> String {
    let boundary = match late.boundary {
        Boundary::ProvisionAt => "its provisioning",
        Boundary::Start => "its start",
        Boundary::End => "its end",
    };
    let decision = match late.decision {
        LateDecision::Skipped => "it did not take place",
        LateDecision::Shortened => "it had less time",
        LateDecision::Shifted => "it took place later",
    };
    format!("for {boundary} by {}: {decision}", late.by)
}

/// The phases that it has, and how those of its present state stand.
fn lifecycle(
    page: &mut Page,
    timed: &TimedObserved,
    lifecycle: Option<&Lifecycle>,
    own: Option<RetryPolicy>,
) {
    let declared = lifecycle.map_or(&[][..], |lifecycle| &lifecycle.phases);
    if declared.is_empty() && timed.phases.is_empty() {
        return;
    }
    page.heading("phases");
    for run in &timed.phases {
        let phase = declared.iter().find(|phase| phase.name == run.name);
        let retry = phase.map(|phase| phase.retry).or(own);
        let words = in_words(run, retry.map(|retry| retry.attempts_max), page.now);
        page.toned(run.name.as_str(), words, tone_of_phase(run));
    }
    let has_run = |name| timed.phases.iter().any(|run| run.name == name);
    for phase in declared.iter().filter(|phase| !has_run(phase.name.clone())) {
        let job = timed.jobs.get(&phase.name).map(|pinned| format!(": job {pinned}"));
        let what = match phase.engine {
            Engine::Pipeline => came_to(timed.pipeline_progress.get(&phase.name)),
            Engine::Workflow => job.unwrap_or_default(),
        };
        let needed = if phase.is_required { "" } else { ", may fail" };
        page.field(phase.name.as_str(), format!("in {}{needed}{what}", phase.trigger_on_status));
    }
}

/// `: steps 5 Completed, 1 Failed`, of a pipeline whose phase is over; else that it is one.
fn came_to(progress: Option<&PipelineProgress>) -> String {
    let mut counts: Vec<(StepState, usize)> = Vec::new();
    for stands in progress.into_iter().flat_map(|progress| progress.values()) {
        match counts.iter_mut().find(|(state, _)| *state == stands.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((stands.state, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {state:?}")).collect();
    match counts.as_slice() {
        [] => ": a pipeline".to_owned(),
        counts => format!(": steps {}", counts.join(", ")),
    }
}

/// How the steps of its pipelines stand that somebody may wait for, or wonder about: of a
/// phase under way all, of one that is over those with jobs and those that were not done.
fn steps(page: &mut Page, timed: &TimedObserved) {
    for (phase, progress) in &timed.pipeline_progress {
        let is_under_way = progress.values().any(|stands| !stands.state.is_over());
        let is_shown = |stands: &StepProgress| {
            let is_done = stands.state == StepState::Completed;
            is_under_way || !is_done || stands.correlation_id.is_some()
        };
        let mut shown: Vec<_> = progress.iter().filter(|(_, stands)| is_shown(stands)).collect();
        if shown.is_empty() {
            continue;
        }
        shown.sort_by_key(|(_, stands)| stands.since);
        page.heading(&format!("steps of {phase}"));
        for (name, stands) in shown {
            page.toned(name.as_str(), step_in_words(stands, page.now), tone_of_step(stands.state));
        }
    }
    if !timed.unwanted_jobs.is_empty() {
        let jobs: Vec<_> = timed.unwanted_jobs.iter().map(ToString::to_string).collect();
        page.heading("jobs to be cancelled");
        page.quote(&jobs);
    }
}

fn tone_of_step(state: StepState) -> Tone {
    match state {
        StepState::Completed => Tone::Good,
        StepState::Failed => Tone::Bad,
        StepState::Skipped | StepState::Cancelled => Tone::Quiet,
        StepState::Running | StepState::Suspended | StepState::BackingOff => Tone::Busy,
    }
}

/// `Suspended since 4s ago, until 10:15 at the latest: job 019a… of lab_start@v1, try 2`.
fn step_in_words(stands: &StepProgress, now: Timestamp) -> String {
    let mut words = format!("{:?} since {}", stands.state, near(stands.since, now));
    match (stands.state, stands.deadline) {
        (StepState::BackingOff, Some(at)) => words += &format!(", again {}", until(at, now)),
        (StepState::Suspended, Some(at)) => words += &format!(", given up {}", near(at, now)),
        _ => {}
    }
    if stands.attempt > 1 {
        words += &format!(", try {}", stands.attempt);
    }
    match (&stands.job_id, &stands.scenario) {
        (Some(job), Some(scenario)) => words += &format!(": job {job} of {scenario}"),
        (None, Some(scenario)) => words += &format!(": the engine to take its job of {scenario}"),
        _ => {}
    }
    if let Some(message) = &stands.message {
        words += &format!(" ({message})");
    }
    words
}

fn tone_of_phase(run: &PhaseRun) -> Tone {
    use tessera_types::timed::PhaseState::{BackingOff, CleaningUp, Done, Failed, Running};
    match run.state {
        Done => Tone::Good,
        Failed => Tone::Bad,
        Running | CleaningUp | BackingOff => Tone::Busy,
    }
}

/// `try 2 of 3 backing off since 4s ago, again in 3s: it exited with code 1`.
fn in_words(run: &PhaseRun, max: Option<u32>, now: Timestamp) -> String {
    let of = max.map(|max| format!(" of {max}")).unwrap_or_default();
    let again = run.retry_at.map(|at| format!(", again {}", until(at, now)));
    let message = run.message.as_ref().map(|message| format!(": {message}"));
    format!(
        "try {}{of} {} since {}{}{}",
        run.attempt,
        run.state,
        near(run.since, now),
        again.unwrap_or_default(),
        message.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use tessera_types::timed::{PipelineProgress, StepProgress, StepState};
    use tessera_types::{Duration, Name, Timestamp};

    use super::came_to;

    #[test]
    fn a_pipeline_that_is_over_says_what_its_steps_came_to() {
        assert_eq!(came_to(None), ": a pipeline");
        let states = [StepState::Failed, StepState::Completed, StepState::Completed];
        let steps = states.iter().enumerate().map(|(number, state)| {
            let name = Name::new(&format!("step-{number}")).unwrap();
            (name, StepProgress::begin(*state, 1, Timestamp::EPOCH, Duration::ZERO))
        });
        let progress: PipelineProgress = steps.collect();
        assert_eq!(came_to(Some(&progress)), ": steps 2 Completed, 1 Failed");
    }
}
