//! What becomes of a copy when something happens to its run.

use tessera_types::sync::CopyState;
use tessera_types::workload::{
    Exit, ExitOutcome, Health, Instance, RestartPolicy, STOPPED_WITH_AGENT,
};
use tessera_types::{Duration, Timestamp, limits};

use super::action::{Action, RunEnd, RunEvent};
use super::copy::Copy;
use super::health::{Probing, Verdict};
use super::progress::Ending;
use super::restart::{self, Next};

impl Copy {
    /// Takes in what happened to its present run.
    pub(super) fn event(
        &mut self,
        now: Timestamp,
        event: RunEvent,
        halting: bool,
        out: &mut Vec<Action>,
    ) {
        match event {
            RunEvent::Started(instance) => self.started(now, instance),
            RunEvent::Ended(end) => self.ended(now, end, halting, out),
            RunEvent::Trouble(trouble) => self.trouble(now, trouble),
            RunEvent::Probed(result) => self.probed(now, result),
        }
    }

    fn started(&mut self, now: Timestamp, instance: Instance) {
        let Some(live) = &mut self.live else { return };
        if let Some(known) = &self.progress.instance {
            // A run that could be taken over only now.
            if *known == instance && live.probing.is_none() {
                self.resume_checks(now);
            }
            return;
        }
        let what = describe(&instance);
        let started_at = instance.started_at;
        self.progress.instance = Some(instance);
        self.changed = true;
        if self.progress.ending.is_some() {
            return;
        }
        // The check may have been declared, or taken back, only while it started.
        self.progress.health = self.progress.spec.health.as_ref().map(|_| Health::Starting);
        if self.progress.health.is_some() {
            live.probing = Some(Probing::new(now, started_at, false));
            let reason = format!("started as {what}; waits for its health check to pass");
            self.enter(now, CopyState::Provisioning, &reason);
        } else {
            self.enter(now, CopyState::Running, &format!("started as {what}"));
        }
    }

    fn trouble(&mut self, now: Timestamp, trouble: Option<String>) {
        let trouble = trouble.map(|trouble| bounded(&trouble));
        if self.live.is_some() && self.progress.trouble != trouble {
            self.progress.trouble = trouble;
            let reason = self.progress.reason.clone();
            self.report(now, &reason);
        }
    }

    fn probed(&mut self, now: Timestamp, result: Result<(), String>) {
        let check = self.progress.spec.health.clone();
        let stopping = self.progress.ending.is_some() || self.progress.unhealthy.is_some();
        let probing = self.live.as_mut().and_then(|live| live.probing.as_mut());
        let (Some(probing), Some(check), false) = (probing, check, stopping) else { return };
        let verdict = probing.result(now, &check, result.map_err(|message| bounded(&message)));
        let passed = probing.passed();
        match verdict {
            Verdict::Same => {}
            Verdict::Healthy => {
                self.progress.health = Some(Health::Healthy);
                self.progress.trouble = None;
                self.enter(now, CopyState::Running, "its health check passes");
            }
            Verdict::Failing(message) => {
                self.progress.health =
                    Some(if passed { Health::Unhealthy } else { Health::Starting });
                self.progress.trouble = Some(message.clone());
                self.report(now, &message);
            }
            Verdict::Dead(message) => {
                self.progress.health = Some(Health::Unhealthy);
                self.progress.unhealthy = Some(message.clone());
                let reason = format!("is stopped: its health check failed too often: {message}");
                self.report(now, &reason);
            }
        }
    }

    /// Its run is over, and nothing of it is left.
    pub(super) fn ended(
        &mut self,
        now: Timestamp,
        end: RunEnd,
        halting: bool,
        out: &mut Vec<Action>,
    ) {
        if self.live.take().is_none() {
            return;
        }
        out.push(Action::Remove { run: self.progress.run() });
        let ran_for = self.ran_for(end.at);
        let end = RunEnd {
            outcome: self.outcome_of(end.outcome),
            // A run that was stopped for its health has ended as any other that went wrong.
            requested: end.requested && self.progress.unhealthy.is_none(),
            ..end
        };
        self.clear_run();
        self.progress.has_ended(Exit {
            at: end.at,
            outcome: end.outcome.clone(),
            last_lines: clipped(&end.last_lines),
        });
        if end.outcome == ExitOutcome::WindowClosed && self.progress.ending.is_none() {
            self.progress.ending = Some(Ending::WindowClosed);
        }
        match self.progress.ending {
            Some(Ending::Unassigned) => {}
            Some(_) => self.enter(now, CopyState::Stopped, &stopped(&end.outcome)),
            None => self.after_end(now, &end, ran_for, halting),
        }
    }

    fn clear_run(&mut self) {
        let progress = &mut self.progress;
        progress.live = false;
        progress.instance = None;
        progress.trouble = None;
        progress.health = None;
        progress.unhealthy = None;
        self.changed = true;
    }

    /// How a run ended, where it ended because it was stopped by us.
    fn outcome_of(&self, outcome: ExitOutcome) -> ExitOutcome {
        match (self.progress.ending, &self.progress.unhealthy, outcome) {
            (Some(Ending::WindowClosed), ..) => ExitOutcome::WindowClosed,
            (None, Some(message), _) => ExitOutcome::Unhealthy { message: message.clone() },
            (.., ExitOutcome::StartFailed { message }) => {
                ExitOutcome::StartFailed { message: bounded(&message) }
            }
            (.., outcome) => outcome,
        }
    }

    fn pause_for_control_plane(&mut self, now: Timestamp, outcome: &ExitOutcome) {
        let pause = self.progress.spec.restart.backoff.pause(1);
        self.progress.next_start_at = Some(now.plus(pause));
        let reason = format!("{outcome}; it starts again when the control plane is back");
        self.enter(now, CopyState::BackingOff, &reason);
    }

    /// The run was stopped without the copy having been: by an agent that was told to stop all its runs. What is
    /// never to be started again has failed by that. Anything else waits for no time, but for an agent.
    fn end_with_agent(&mut self, now: Timestamp, end: &RunEnd, halting: bool) {
        let is_never = self.progress.spec.restart.policy == RestartPolicy::Never;
        if is_never && restart::was_started(&end.outcome) {
            return self.enter(now, CopyState::Failed, STOPPED_WITH_AGENT);
        }
        self.progress.next_start_at = None;
        let when = if halting { "; it starts again with it" } else { "" };
        self.enter(now, CopyState::BackingOff, &format!("{STOPPED_WITH_AGENT}{when}"));
    }

    /// What follows the end of a run where the copy itself is to go on.
    fn after_end(
        &mut self,
        now: Timestamp,
        end: &RunEnd,
        ran_for: Option<Duration>,
        halting: bool,
    ) {
        if end.outcome == ExitOutcome::Disconnected {
            self.pause_for_control_plane(now, &end.outcome);
        } else if end.requested {
            self.end_with_agent(now, end, halting);
        } else {
            let before = self.progress.failures;
            let restart = &self.progress.spec.restart;
            self.progress.failures = restart::ends_in_a_row(restart, before, ran_for);
            self.decide(now, &end.outcome, end.permanent);
        }
    }

    fn decide(&mut self, now: Timestamp, outcome: &ExitOutcome, permanent: bool) {
        let in_a_row = self.progress.failures;
        match restart::next(&self.progress.spec.restart, outcome, permanent, in_a_row) {
            Next::Again(pause) => {
                self.progress.next_start_at = Some(now.plus(pause));
                let row =
                    if in_a_row > 1 { format!(" ({in_a_row} in a row)") } else { String::new() };
                let reason = format!("{outcome}; next start in {pause}{row}");
                self.enter(now, CopyState::BackingOff, &reason);
            }
            Next::Completed => self.enter(now, CopyState::Completed, &outcome.to_string()),
            Next::Failed(None) => self.enter(now, CopyState::Failed, &outcome.to_string()),
            Next::Failed(Some(why)) => {
                self.enter(now, CopyState::Failed, &format!("{outcome}; {why}"));
            }
        }
    }
}

fn describe(instance: &Instance) -> String {
    match (instance.pid, &instance.container_id) {
        (_, Some(id)) => format!("container {}", limits::clip(id, 15)),
        (Some(pid), None) => format!("process {pid}"),
        (None, None) => "a simulated run".to_owned(),
    }
}

fn stopped(outcome: &ExitOutcome) -> String {
    match outcome {
        ExitOutcome::WindowClosed => outcome.to_string(),
        _ => format!("stopped: {outcome}"),
    }
}

/// What others said, no longer than a reason may be.
fn bounded(message: &str) -> String {
    limits::clip(message, limits::REASON_BYTES_MAX)
}

fn clipped(lines: &[String]) -> Vec<String> {
    let first = lines.len().saturating_sub(limits::EXIT_LINES_MAX);
    lines[first..].iter().map(|line| limits::clip(line, limits::EXIT_LINE_BYTES_MAX)).collect()
}
