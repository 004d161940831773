//! Phases: what runs in one state of a resource, one after the other, each tried
//! a bounded number of times.
//!
//! A try goes Running → Done, or Running → CleaningUp → BackingOff → Running
//! with the next number, or to Failed when it was the last. What a try is, and
//! what is cleaned up after it, is the caller's.

use tessera_planted::{Bug, planted};
use tessera_types::job::JobStatus;
use tessera_types::timed::{
    Engine, Failure, Phase, PhaseRun, PhaseState, RetryPolicy, StepState, Timed, TimedStatus,
};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Actor, Job, KindName, Name, Timestamp, WaitReason, Workload, Write, limits};

use super::jobs::{cancel, count, is_gone, job_for, next_name};
use super::pipeline::{OwnPhase, run_pipeline, with_engine_jobs};
use super::step::Step;
use crate::news::Unknown;
use crate::pipelines::Acts;

/// How the phases of a state stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phases {
    /// One is under way; the step says what it waits for.
    UnderWay,
    /// All are done, or failed and are not required.
    Done,
    /// A required one has failed as often as it may.
    Failed(Failure),
}

/// How one try stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Try {
    /// It goes on; in words, what it waits for.
    UnderWay(String),
    /// The same of one that waits for a job of the engine, and for how long it does.
    WaitsForJob {
        /// In words, what it waits for.
        what: String,
        /// Until when, unless something else ends before.
        until: Timestamp,
    },
    /// It has succeeded.
    Done,
    /// It has failed.
    Failed(String),
    /// It has failed, and another try would only come to the same.
    FailedForGood(String),
}

/// Runs the phases of the present state: each as a job or as a pipeline, but for a
/// pod's own provisioning, which its manager runs first. `deadline` is when its jobs
/// are over at the latest.
pub(crate) fn run_phases<K: Acts>(step: &mut Step<'_, K>, deadline: Timestamp) -> Phases {
    let status = step.object().status;
    let phases: Vec<Phase> = K::lifecycle(step.object())
        .map(|lifecycle| lifecycle.phases_in(status).cloned().collect())
        .unwrap_or_default();
    let is_own = |phase: &Phase| K::KIND == KindName::Pod && phase.name.as_str() == Phase::OWN;
    for phase in phases.iter().filter(|phase| !is_own(phase)) {
        let stands = match phase.engine {
            Engine::Workflow => run_job_phase(step, phase, deadline),
            Engine::Pipeline => run_pipeline(step, &OwnPhase::of(phase)),
        };
        match stands {
            Phases::Done => {}
            Phases::Failed(_) if !phase.is_required => {}
            other => return other,
        }
    }
    Phases::Done
}

fn run_job_phase<K: Timed<Status = TimedStatus>>(
    step: &mut Step<'_, K>,
    phase: &Phase,
    deadline: Timestamp,
) -> Phases {
    if step.timed().phase(&phase.name).is_none() {
        begin(step, &phase.name);
        make_job(step, phase, 1, deadline);
    }
    follow(step, &phase.name, deadline);
    advance(
        step,
        &phase.name,
        phase.retry,
        |step, run| look(step, run, &phase.name),
        |step| clear_job(step, &phase.name),
        |step, attempt| make_job(step, phase, attempt, deadline),
    )
}

/// How the job of a try stands. A state can be entered more than once, and jobs
/// of earlier times are still there: the try's own is the one that it names.
fn look<K: Timed>(step: &Step<'_, K>, run: &PhaseRun, phase: &Name) -> Try {
    let Some(name) = &run.job else {
        return Try::Failed(why_there_is_none(step, phase));
    };
    let Some(job) = step.owned::<Job>().find(|job| job.name == *name) else {
        if step.makes::<Job>(name) {
            return Try::UnderWay(format!("job/{name} to be made"));
        }
        return Try::Failed(format!("job/{name} was deleted"));
    };
    match job.status {
        JobStatus::Succeeded => Try::Done,
        JobStatus::Pending | JobStatus::Running => {
            Try::UnderWay(format!("job/{} ({})", job.name, job.status))
        }
        JobStatus::Failed | JobStatus::Cancelled => {
            let message = job.observed.message.clone();
            Try::Failed(message.unwrap_or_else(|| format!("it is {}", job.status)))
        }
    }
}

/// Why no job was made for a try.
fn why_there_is_none<K: Timed>(step: &Step<'_, K>, phase: &Name) -> String {
    if !step.timed().jobs.contains_key(phase) {
        return format!("there is no definition of a job for phase {phase}");
    }
    let (had, max) = (count(step, phase), limits::JOBS_OF_PHASE_MAX);
    format!("no name is free for another job of phase {phase}: it has had {had} of at most {max}")
}

/// Keeps the deadline of the job of a phase at that of its owner's window: an
/// extension reaches it.
fn follow<K: Timed>(step: &mut Step<'_, K>, phase: &Name, deadline: Timestamp) {
    let name = step.timed().phase(phase).and_then(|run| run.job.clone());
    let job = step.owned::<Job>().find(|job| Some(&job.name) == name.as_ref());
    let Some(job) = job.filter(|job| !job.status.is_over()) else { return };
    let Some(definition) = &job.observed.definition else { return };
    let deadline = deadline.min(job.created_at.plus(definition.spec.timeout));
    step.change(job, |edit| edit.object.observed.deadline = Some(deadline));
}

/// Has the job of a failed try cancelled, if it still runs; it removes its own
/// workload. True once that is gone, too: two tries never run side by side.
fn clear_job<K: Timed>(step: &mut Step<'_, K>, phase: &Name) -> bool {
    let name = step.timed().phase(phase).and_then(|run| run.job.clone());
    let job = step.owned::<Job>().find(|job| Some(&job.name) == name.as_ref());
    let Some(job) = job else { return true };
    if !job.status.is_over() {
        cancel(step, job);
    }
    is_gone(step.world, job)
}

/// Makes the job of a try, and notes it in the run of its phase: both are written
/// at once.
fn make_job<K: Timed>(step: &mut Step<'_, K>, phase: &Phase, attempt: u32, deadline: Timestamp) {
    let Some(pinned) = step.timed().jobs.get(&phase.name).cloned() else { return };
    let Some(name) = next_name(step, &phase.name) else { return };
    let deadline = deadline.min(step.now.plus(pinned.spec.timeout));
    let job = job_for(step, name.clone(), &phase.name, attempt, pinned, deadline);
    step.write(Write::create(job));
    let runs = &mut step.timed_mut().phases;
    if let Some(run) = runs.iter_mut().find(|run| run.name == phase.name) {
        run.job = Some(name);
    }
}

/// The run of a phase in the present state; it begins if it has not.
fn begin<K: Timed>(step: &mut Step<'_, K>, name: &Name) -> PhaseRun {
    if let Some(run) = step.timed().phase(name) {
        return run.clone();
    }
    let run = PhaseRun {
        name: name.clone(),
        state: PhaseState::Running,
        attempt: 1,
        since: step.now,
        job: None,
        retry_at: None,
        message: None,
    };
    step.timed_mut().phases.push(run.clone());
    run
}

/// Takes a phase as far as it goes now.
///
/// `look` says how the present try stands, `is_clean` whether nothing of a
/// failed try is left (and removes it if something is), `start` begins a try.
pub(super) fn advance<K: Timed<Status = TimedStatus>>(
    step: &mut Step<'_, K>,
    name: &Name,
    retry: RetryPolicy,
    look: impl FnOnce(&mut Step<'_, K>, &PhaseRun) -> Try,
    is_clean: impl FnOnce(&mut Step<'_, K>) -> bool,
    start: impl FnOnce(&mut Step<'_, K>, u32),
) -> Phases {
    let mut run = begin(step, name);
    if run.state == PhaseState::Running {
        judge(step, &mut run, retry, look);
    }
    let has_failed = matches!(run.state, PhaseState::CleaningUp | PhaseState::Failed);
    if has_failed && is_clean(step) && run.state == PhaseState::CleaningUp {
        run.state = PhaseState::BackingOff;
        let failed_at = run.since.min(step.now);
        run.retry_at = Some(failed_at.plus(retry.backoff.pause(run.attempt)).max(step.now));
        run.since = step.now;
    }
    if run.state == PhaseState::BackingOff && step.now < run.since {
        // The clock was set back: the pause begins again, and is not longer by as much.
        run.retry_at = Some(step.now.plus(retry.backoff.pause(run.attempt)));
        run.since = step.now;
    }
    if run.state == PhaseState::BackingOff && run.retry_at.is_none_or(|at| step.has_come(at)) {
        run = PhaseRun {
            state: PhaseState::Running,
            attempt: run.attempt + 1,
            since: step.now,
            job: None,
            retry_at: None,
            ..run
        };
        start(step, run.attempt);
        run.job = step.timed().phase(name).and_then(|run| run.job.clone());
        step.look_again(step.now.plus(retry.timeout));
    }
    say(step, &run, retry);
    let outcome = match run.state {
        PhaseState::Done => Phases::Done,
        PhaseState::Failed => Phases::Failed(Failure {
            of: format!("phase {name}"),
            attempts: run.attempt,
            message: run.message.clone().unwrap_or_default(),
            at: run.since,
        }),
        _ => Phases::UnderWay,
    };
    if let Some(kept) = step.timed_mut().phases.iter_mut().find(|one| one.name == *name) {
        *kept = run;
    }
    outcome
}

fn judge<K: Timed<Status = TimedStatus>>(
    step: &mut Step<'_, K>,
    run: &mut PhaseRun,
    retry: RetryPolicy,
    look: impl FnOnce(&mut Step<'_, K>, &PhaseRun) -> Try,
) {
    let mut is_last = run.attempt >= retry.attempts_max && !planted(Bug::RetryUnbounded);
    let failed = match look(step, run) {
        Try::Done => {
            run.state = PhaseState::Done;
            run.since = step.now;
            return;
        }
        Try::Failed(message) => message,
        Try::FailedForGood(message) => {
            is_last = true;
            message
        }
        Try::UnderWay(what) => match goes_on(step, run, retry, what, None) {
            Some(message) => message,
            None => return,
        },
        Try::WaitsForJob { what, until } => match goes_on(step, run, retry, what, Some(until)) {
            Some(message) => message,
            None => return,
        },
    };
    run.message = Some(limits::clip(&failed, limits::REASON_BYTES_MAX));
    run.since = step.now;
    run.state = if is_last { PhaseState::Failed } else { PhaseState::CleaningUp };
    note(step, run, retry, &failed);
}

/// A try goes on, and says what it waits for; or its time is over, and it says why.
fn goes_on<K: Timed<Status = TimedStatus>>(
    step: &mut Step<'_, K>,
    run: &PhaseRun,
    retry: RetryPolicy,
    what: String,
    job_until: Option<Timestamp>,
) -> Option<String> {
    let limit = run.since.plus(retry.timeout);
    if !step.has_come(limit) {
        let (what, until) = match job_until {
            Some(at) => ends_first(step, limit, what, at),
            None => (what, None),
        };
        step.wait(WaitReason::Phase, &attempt_text(run, retry, &what), until);
        return None;
    }
    if let Some(unknown) = unknown(step, run, limit) {
        let until = unknown.shown(step.edit.before().waiting_for.as_ref(), step.clocks);
        step.wait(WaitReason::Agent, &attempt_text(run, retry, &unknown.what), until);
        step.look_again(Unknown::look_again_at(step.clocks));
        return None;
    }
    Some(format!("{what}; the try took longer than {}", retry.timeout))
}

/// Until when a job is waited for: its step's deadline, unless the window or the try of the
/// phase (`limit`) ends before that, which is then said.
fn ends_first<K: Timed<Status = TimedStatus>>(
    step: &Step<'_, K>,
    limit: Timestamp,
    what: String,
    deadline: Timestamp,
) -> (String, Option<Timestamp>) {
    let of_phase = (limit, "the time for this try of the phase ends");
    let first = end_of_status(step).into_iter().chain([of_phase]).min_by_key(|(at, _)| *at);
    match first.filter(|(at, _)| *at < deadline) {
        Some((at, words)) => (format!("{what}; {words} first, at {}", at.second_after()), Some(at)),
        None => (what, Some(deadline)),
    }
}

/// When the present status is left at the latest, whatever is under way in it; and what that
/// is in words.
fn end_of_status<K: Timed<Status = TimedStatus>>(
    step: &Step<'_, K>,
) -> Option<(Timestamp, &'static str)> {
    let slot = step.slot()?;
    let is_of_part = K::KIND == KindName::Pod && step.object().owner.is_some();
    Some(match step.object().status {
        TimedStatus::TearingDown => (slot.cleanup_deadline(), "the time for its teardown ends"),
        TimedStatus::Grading => (slot.teardown_at(), "its teardown begins"),
        TimedStatus::Active if is_of_part => (slot.teardown_at(), "its teardown begins"),
        _ => (slot.end, "its window ends"),
    })
}

/// What has to be known before a try whose time is over has failed: that of its job, or
/// of the workloads that it consists of.
fn unknown<K: Timed>(step: &Step<'_, K>, run: &PhaseRun, limit: Timestamp) -> Option<Unknown> {
    let Some(name) = &run.job else {
        if let Some(unknown) = unknown_job(step, run) {
            return Some(unknown);
        }
        return Unknown::of(step.owned::<Workload>(), limit, step.world, step.clocks);
    };
    let job = step.owned::<Job>().find(|job| job.name == *name)?;
    let workloads = || step.world.owned::<Workload>(job.id);
    // It is known how it ended, and the job is about to say what that means.
    let has_ended =
        |status: WorkloadStatus| !status.holds_node() && status != WorkloadStatus::Pending;
    if workloads().any(|workload| has_ended(workload.status)) {
        return Some(Unknown { what: format!("job/{name} to be over"), until: None });
    }
    Unknown::of(workloads(), limit, step.world, step.clocks)
}

/// A job of the engine of which is not known yet whether it ended while nobody listened.
fn unknown_job<K: Timed>(step: &Step<'_, K>, run: &PhaseRun) -> Option<Unknown> {
    let asked_by = step.world.engine_asked_by(step.clocks);
    let mut steps = step.timed().pipeline_progress.get(&run.name)?.values();
    let suspended = steps.find(|stands| stands.state == StepState::Suspended)?;
    let job = suspended.job_id.as_ref().or(suspended.correlation_id.as_ref());
    let job = job.filter(|_| step.now < asked_by)?;
    let what = format!("the engine to say what became of job {job}");
    Some(Unknown { what, until: Some(asked_by) })
}

/// A try that has failed is an entry of the history of its own.
fn note<K: Timed>(step: &mut Step<'_, K>, run: &PhaseRun, retry: RetryPolicy, failed: &str) {
    let next = match run.state {
        PhaseState::Failed if run.attempt < retry.attempts_max => {
            "another would come to the same".to_owned()
        }
        PhaseState::Failed => "it was the last".to_owned(),
        _ => {
            let at = run.since.plus(retry.backoff.pause(run.attempt));
            format!("the next at {} at the earliest", at.second_before())
        }
    };
    let failed = limits::clip(failed, limits::REASON_BYTES_MAX / 2);
    let (phase, attempt, max) = (&run.name, run.attempt, retry.attempts_max);
    let reason = format!("phase {phase}: try {attempt} of {max} failed: {failed}; {next}");
    step.edit.note(Actor::RECONCILER, reason).with("phase", phase).with("attempt", attempt);
}

fn attempt_text(run: &PhaseRun, retry: RetryPolicy, what: &str) -> String {
    match run.attempt {
        1 => format!("phase {}: {what}", run.name),
        attempt => {
            format!("phase {}, try {attempt} of {}: {what}", run.name, retry.attempts_max)
        }
    }
}

fn say<K: Timed>(step: &mut Step<'_, K>, run: &PhaseRun, retry: RetryPolicy) {
    let failed = run.message.as_deref().unwrap_or("it failed");
    let tries = format!("try {} of {}", run.attempt, retry.attempts_max);
    match run.state {
        PhaseState::CleaningUp => {
            let left = with_engine_jobs(step, Some(&format!("what is left of {tries} to go")));
            let message = format!("phase {}: {left} ({failed})", run.name);
            step.wait(WaitReason::Phase, &message, None);
        }
        PhaseState::BackingOff => {
            let message = format!("phase {}: the pause after {tries} ({failed})", run.name);
            step.wait(WaitReason::Backoff, &message, run.retry_at);
        }
        PhaseState::Running | PhaseState::Done | PhaseState::Failed => {}
    }
}
