//! What is told of all timed resources: window, phases, lateness, failure, and what
//! could not be removed.

use tessera_types::timed::{
    Boundary, Engine, LateDecision, Lateness, Lifecycle, PhaseRun, RetryPolicy, Timed,
    TimedObserved,
};
use tessera_types::{Object, Timestamp};

use super::Page;
use crate::moment::{age, near, until};
use crate::show::timed::tone_of_outcome;
use crate::style::Tone;

/// The blocks that every timed resource has. `own` is how its own steps are tried.
pub(super) fn of_timed<K: Timed>(page: &mut Page, object: &Object<K>, own: Option<RetryPolicy>) {
    let timed = K::timed(object);
    window(page, timed);
    lifecycle(page, timed, K::lifecycle(object), own);
    if let Some(failure) = &timed.failure {
        page.heading("failure");
        page.toned("of", &failure.of, Tone::Bad);
        page.field("tries", failure.attempts);
        page.toned("because", &failure.message, Tone::Bad);
        let ago = format!("{} ({} ago)", failure.at.second_before(), age(failure.at, page.now));
        page.field("at", ago);
    }
    if !timed.leftovers.is_empty() {
        page.heading("not removed in time");
        page.quote(&timed.leftovers);
    }
}

fn window(page: &mut Page, timed: &TimedObserved) {
    page.heading("window");
    let Some(slot) = timed.timeslot else {
        page.field("start", "not known yet");
        return;
    };
    let is_for_ever = slot.end >= Timestamp::MAX;
    page.time("provisioned", slot.provision_at());
    page.time("start", slot.start);
    page.time("end", slot.end);
    if !is_for_ever {
        page.time("gone by", slot.cleanup_deadline());
        page.field("takes", slot.duration());
    }
    page.optional_time("started", timed.started_at);
    page.optional_time("ended", timed.ended_at);
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
            Engine::Pipeline => ": its steps".to_owned(),
            Engine::Workflow => job.unwrap_or_default(),
        };
        let needed = if phase.is_required { "" } else { ", may fail" };
        page.field(phase.name.as_str(), format!("in {}{needed}{what}", phase.trigger_on_status));
    }
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
