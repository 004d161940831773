//! One copy: what it does next, given what is wanted of it and what has happened to it.
//!
//! Inputs only change what is known; [`Copy::advance`] then looks at all of it and does what is due. It is
//! level-triggered: calling it twice does nothing the second time.

use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::sync::{Assignment, CopyState, Held, Report};
use tessera_types::workload::{Health, OnDisconnect, Stop, WorkloadSpec};
use tessera_types::{Duration, Timestamp};

use super::action::{Action, Launch};
use super::health::Probing;
use super::identity::{CopyId, RunId};
use super::progress::{Ending, Progress};

/// How long it may take until a start is told of which nothing has come yet.
const START_TOLD_AFTER: Duration = Duration::from_millis(100);

/// What keeps a copy from being started, beyond itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gates {
    /// A run of another copy of the same workload is still there.
    pub(super) blocked: bool,
    /// Stale copies of other workloads leave no room for it.
    pub(super) crowded: bool,
    /// The node's lease: a copy that must not outlive it starts only before this.
    pub(super) lease_until: Timestamp,
    /// Nothing starts before this.
    pub(super) hold_until: Timestamp,
    /// All runs are being stopped, and nothing starts.
    pub(super) halting: bool,
}

/// One copy.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) progress: Progress,
    pub(super) live: Option<Live>,
    /// Something is to be saved.
    pub(super) changed: bool,
    /// Something was reported since it was saved.
    pub(super) news: bool,
    /// The number of its last report when it was found on the disk, until the control plane has listed it.
    found_at: Option<u64>,
}

/// The run of a copy.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// The stop that was asked for last.
    stop_sent: Option<Stop>,
    pub(super) probing: Option<Probing>,
}

impl Copy {
    /// A copy that was just assigned.
    pub(super) fn assigned(assignment: &Assignment, spec: Arc<WorkloadSpec>) -> Self {
        Self { found_at: None, ..Self::resumed(Progress::new(assignment, spec)) }
    }

    /// A copy that an earlier agent knew. Its run is added by [`Copy::adopt`](super::restore).
    pub(super) fn resumed(progress: Progress) -> Self {
        let found_at = Some(progress.unlisted_from.unwrap_or(progress.seq));
        Self { progress, live: None, changed: true, news: false, found_at }
    }

    pub(super) fn id(&self) -> CopyId {
        self.progress.copy
    }

    /// The run that may be there.
    pub(super) fn run(&self) -> Option<RunId> {
        self.live.as_ref().map(|_| self.progress.run())
    }

    /// Whether it ended and nobody wants to know about it.
    pub(super) fn is_gone(&self) -> bool {
        self.live.is_none() && self.progress.ending == Some(Ending::Unassigned)
    }

    /// What is assigned of it, as far as it is.
    pub(super) fn held(&self) -> Option<Held<'_>> {
        let Progress { copy, namespace, name, generation, spec, ending, seq, .. } = &self.progress;
        (*ending != Some(Ending::Unassigned)).then(|| Held {
            id: copy.id,
            namespace,
            name,
            epoch: copy.epoch,
            generation: *generation,
            stop: *ending == Some(Ending::StopAsked),
            report_seq: *seq,
            spec,
        })
    }

    pub(super) fn needs_lease(&self) -> bool {
        self.progress.spec.on_disconnect == OnDisconnect::Stop
    }

    pub(super) fn report(&mut self, now: Timestamp, reason: &str) {
        self.progress.unlisted_from = self.found_at;
        self.progress.report(now, reason);
        self.changed = true;
        self.news = true;
    }

    pub(super) fn enter(&mut self, now: Timestamp, state: CopyState, reason: &str) {
        self.progress.state = state;
        self.report(now, reason);
    }

    /// Takes in what the control plane wants of it now.
    pub(super) fn update(&mut self, now: Timestamp, wanted: &Assignment, out: &mut Vec<Action>) {
        if let Some(spec) = &wanted.spec
            && wanted.generation >= self.progress.generation
        {
            self.respec(now, spec, out);
            self.progress.generation = wanted.generation;
        }
        let ending = self.progress.ending;
        if ending == Some(Ending::Unassigned) || (ending.is_none() && wanted.stop) {
            // A copy that was let go has been told to stop: it does not come back in this epoch.
            self.progress.ending = Some(Ending::StopAsked);
            self.changed = true;
        }
        self.reconcile_reports(now, wanted.report_seq);
    }

    /// A control plane that has more reports than were made here speaks of some that this agent has forgotten. Those
    /// that were made since it found the copy may then have the numbers of forgotten ones, and be taken for them.
    fn reconcile_reports(&mut self, now: Timestamp, applied: u64) {
        self.progress.acknowledged(applied);
        self.changed |= self.progress.unlisted_from.take().is_some();
        if applied > self.found_at.take().unwrap_or(self.progress.seq) {
            self.progress.seq = self.progress.seq.max(applied);
            // What it wrote before its end may have been taken for known, too.
            self.progress.exit_seq = 0;
            let reason = self.progress.reason.clone();
            self.report(now, &reason);
        }
    }

    fn respec(&mut self, now: Timestamp, spec: &Arc<WorkloadSpec>, out: &mut Vec<Action>) {
        // One that asks for another program, or for other resources, is not this copy's: the control plane stops it
        // and places the workload anew. Until then what was started, and takes room here, is what is remembered.
        if self.progress.spec == *spec || !spec.launches_like(&self.progress.spec) {
            return;
        }
        let before = std::mem::replace(&mut self.progress.spec, spec.clone());
        self.changed = true;
        if let Some(run) = self.run() {
            if before.not_after != spec.not_after && !planted(Bug::WindowNotPassedOn) {
                out.push(Action::SetNotAfter { run, at: spec.not_after });
            }
            if before.health != spec.health {
                self.recheck(now);
            }
        }
    }

    /// The health check is another one: what the old one said no longer counts.
    fn recheck(&mut self, now: Timestamp) {
        let Some(started_at) = self.progress.instance.as_ref().map(|i| i.started_at) else {
            return;
        };
        let Some(live) = &mut self.live else { return };
        let checked = self.progress.spec.health.is_some();
        live.probing = checked.then(|| Probing::new(now, started_at, false));
        self.progress.trouble = None;
        self.progress.health = checked.then_some(Health::Starting);
        if !checked && self.progress.state == CopyState::Provisioning {
            self.enter(now, CopyState::Running, "it has no health check any more");
        } else {
            self.report(now, "its health check was changed");
        }
    }

    /// The wall clock was set: pauses stay as long as they are.
    pub(super) fn clock_set(&mut self, now: Timestamp, by_ms: i64) {
        if let Some(probing) = self.live.as_mut().and_then(|live| live.probing.as_mut()) {
            probing.clock_set(by_ms);
        }
        if let Some(at) = self.progress.next_start_at {
            self.progress.next_start_at = Some(at.moved_by_ms(by_ms));
            let reason = self.progress.reason.clone();
            self.report(now, &reason);
        }
    }

    /// It is not the node's business any more.
    pub(super) fn unassign(&mut self) {
        if self.progress.ending != Some(Ending::Unassigned) {
            self.progress.ending = Some(Ending::Unassigned);
            self.progress.reason = "it is not assigned to this node any more".to_owned();
            self.progress.reports.clear();
            self.changed = true;
            self.news = true;
        }
    }

    /// Whether nothing is to be done for it before something happens to it, whatever the time is and whatever holds
    /// for others, as long as the agent does not end. Most copies rest, most of the time.
    pub(super) fn rests(&self) -> bool {
        let progress = &self.progress;
        let just_runs = |live: &Live| {
            live.probing.is_none()
                && progress.ending.is_none()
                && progress.unhealthy.is_none()
                && progress.spec.not_after.is_none()
        };
        progress.state.is_final() || self.live.as_ref().is_some_and(just_runs)
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Timestamp, gates: &Gates, out: &mut Vec<Action>) {
        if self.progress.state.is_final() {
            return;
        }
        if self.progress.ending.is_none()
            && self.progress.spec.not_after.is_some_and(|end| end <= now)
        {
            self.progress.ending = Some(Ending::WindowClosed);
            self.changed = true;
        }
        if self.live.is_some() {
            self.advance_live(now, gates, out);
        } else if let Some(ending) = self.progress.ending {
            self.end_without_run(now, ending);
        } else if !gates.halting {
            self.advance_idle(now, gates, out);
        }
    }

    fn advance_live(&mut self, now: Timestamp, gates: &Gates, out: &mut Vec<Action>) {
        let run = self.progress.run();
        let must_end = self.must_end(gates);
        let Some(live) = &mut self.live else { return };
        if must_end {
            let stop = &self.progress.spec.stop;
            if live.stop_sent.as_ref() != Some(stop) {
                live.stop_sent = Some(stop.clone());
                out.push(Action::Stop { run, stop: stop.clone() });
            }
            self.enter_stopping(now);
        } else if let (Some(probing), Some(check)) = (&mut live.probing, &self.progress.spec.health)
            && probing.begin(now)
        {
            out.push(Action::Probe { run, check: check.clone() });
        }
    }

    /// Whether it is not the node's business any more.
    pub(super) fn is_stale(&self) -> bool {
        self.progress.ending == Some(Ending::Unassigned)
    }

    /// Whether the present run is to be stopped.
    pub(super) fn must_end(&self, gates: &Gates) -> bool {
        self.progress.ending.is_some() || self.progress.unhealthy.is_some() || gates.halting
    }

    fn enter_stopping(&mut self, now: Timestamp) {
        let reason = match self.progress.ending {
            Some(Ending::StopAsked) => "asked to stop",
            Some(Ending::WindowClosed) => "its not_after has passed",
            Some(Ending::Unassigned) | None => return,
        };
        if self.progress.state != CopyState::Stopping {
            let stop = &self.progress.spec.stop;
            let reason = format!("{reason}: {}, and SIGKILL after {}", stop.signal, stop.grace);
            self.enter(now, CopyState::Stopping, &reason);
        }
    }

    fn end_without_run(&mut self, now: Timestamp, ending: Ending) {
        let reason = match (ending, self.progress.last_exit.is_some()) {
            (Ending::Unassigned, _) => return,
            (Ending::StopAsked, false) => "stopped before it was started",
            (Ending::StopAsked, true) => "stopped before it was started again",
            (Ending::WindowClosed, false) => "its not_after has passed before it was started",
            (Ending::WindowClosed, true) => "its not_after has passed",
        };
        self.progress.next_start_at = None;
        self.enter(now, CopyState::Stopped, reason);
    }

    fn advance_idle(&mut self, now: Timestamp, gates: &Gates, out: &mut Vec<Action>) {
        if self.earliest_start(now, gates).is_some_and(|at| at <= now) {
            self.start(now, out);
        } else if let Some(reason) = self.waits_for(now, gates)
            && self.progress.reason != reason
        {
            self.report(now, &reason);
        }
    }

    /// When it may start; none where that depends on something else than time.
    fn earliest_start(&self, now: Timestamp, gates: &Gates) -> Option<Timestamp> {
        if gates.halting
            || gates.blocked
            || gates.crowded
            || (self.needs_lease() && gates.lease_until <= now)
        {
            return None;
        }
        let not_before = self.progress.spec.not_before;
        let not_before = not_before.filter(|_| !planted(Bug::NotBeforeIgnored));
        let not_before = not_before.unwrap_or(gates.hold_until);
        let next = self.progress.next_start_at.unwrap_or(gates.hold_until);
        Some(gates.hold_until.max(not_before).max(next))
    }

    /// What it waits for, where that is not a pause which was reported already.
    fn waits_for(&self, now: Timestamp, gates: &Gates) -> Option<String> {
        if gates.blocked {
            return Some("waits until the copy of its earlier placement is gone".to_owned());
        }
        if gates.crowded {
            return Some("waits until stale copies have made room".to_owned());
        }
        if let Some(at) = self.progress.spec.not_before.filter(|at| *at > now) {
            return Some(format!("waits for its not_before, {at:.0}"));
        }
        let pausing = self.progress.state == CopyState::BackingOff;
        (!pausing && self.needs_lease() && gates.lease_until <= now)
            .then(|| "waits for the control plane: it is declared on_disconnect: stop".to_owned())
    }

    /// Whether its last run was stopped together with its agent: every other pause has an end.
    fn was_halted(&self) -> bool {
        self.progress.state == CopyState::BackingOff && self.progress.next_start_at.is_none()
    }

    fn start(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        let again = self.progress.last_exit.is_some();
        let with_agent = self.was_halted();
        let progress = &mut self.progress;
        progress.attempt += 1;
        progress.restarts += u32::from(again && !with_agent);
        progress.live = true;
        progress.next_start_at = None;
        progress.health = progress.spec.health.as_ref().map(|_| Health::Starting);
        self.live = Some(Live::default());
        out.push(Action::Start(Launch {
            run: self.progress.run(),
            namespace: self.progress.namespace.clone(),
            name: self.progress.name.clone(),
            spec: self.progress.spec.clone(),
        }));
        let reason = match (with_agent, again) {
            (true, _) => "starting again together with its agent",
            (false, true) => "starting again",
            (false, false) => "starting",
        };
        self.enter(now, CopyState::Provisioning, reason);
    }

    /// When [`Copy::advance`] has something to do, if nothing else happens before.
    pub(super) fn next_wakeup(&self, now: Timestamp, gates: &Gates) -> Option<Timestamp> {
        if self.progress.state.is_final() {
            return None;
        }
        let window = self.progress.spec.not_after.filter(|_| self.progress.ending.is_none());
        let due = match &self.live {
            Some(_) if self.must_end(gates) => None,
            Some(live) => live.probing.as_ref().and_then(Probing::next_at),
            None => self.earliest_start(now, gates),
        };
        [window, due].into_iter().flatten().min()
    }

    /// When a start that has only begun is told; none where there is more to tell. Most are told
    /// together with what comes of them: that is one report, and one write, less.
    pub(super) fn tells_start_at(&self, now: Timestamp) -> Option<Timestamp> {
        let last = self.progress.reports.back()?;
        let begins = last.state == CopyState::Provisioning
            && last.instance.is_none()
            && last.trouble.is_none();
        let at = last.at.plus(START_TOLD_AFTER);
        (begins && (last.at..at).contains(&now)).then_some(at)
    }

    /// Reports that were not acknowledged, oldest first.
    pub(super) fn reports(&self) -> impl Iterator<Item = &Report> {
        self.progress.reports.iter()
    }

    /// How long its present run has run at `at`.
    pub(super) fn ran_for(&self, at: Timestamp) -> Option<Duration> {
        self.progress.instance.as_ref().map(|instance| at.since(instance.started_at))
    }
}
