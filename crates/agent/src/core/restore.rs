//! Going on where an earlier agent was: what it wrote down, put together with the runs that are there.

use std::collections::BTreeMap;

use tessera_planted::{Bug, planted};
use tessera_types::sync::CopyState;
use tessera_types::workload::{ExitOutcome, Health, Stop};
use tessera_types::{Duration, Timestamp};

use super::AgentCore;
use super::action::{Action, Adopted, RunEnd, RunEvent};
use super::copy::{Copy, Live};
use super::health::Probing;
use super::identity::{CopyId, RunId};
use super::progress::Progress;

/// How long a new agent waits for the control plane before it starts anything by itself: what it remembers may be
/// long out of date.
const HOLD: Duration = Duration::from_secs(5);

impl AgentCore {
    /// A core that goes on from what was saved and from the runs that are there.
    #[must_use]
    pub fn restore(now: Timestamp, saved: Vec<Progress>, adopted: Vec<Adopted>) -> Self {
        let mut core = Self { hold_until: now.plus(HOLD), ..Self::default() };
        let mut runs: BTreeMap<RunId, Adopted> =
            adopted.into_iter().map(|adopted| (adopted.run, adopted)).collect();
        for progress in saved {
            let newest = newest_run(&runs, progress.copy);
            let run = newest.filter(|run| run.attempt >= progress.attempt);
            let adopted = run.and_then(|run| runs.remove(&run));
            let mut copy = Copy::resumed(progress);
            copy.progress.restarts *= u32::from(!planted(Bug::RestartsForgotten));
            copy.bound_pause(now);
            copy.adopt(now, adopted, &mut core.outbox);
            core.copies.insert(copy.id(), copy);
        }
        for adopted in runs.into_values() {
            core.adopt_orphan(&adopted);
        }
        core.advance_all(now);
        core
    }

    /// A run that nothing is known of: it is cleaned up, and stopped before if need be.
    fn adopt_orphan(&mut self, adopted: &Adopted) {
        let run = adopted.run;
        if adopted.end.is_some() {
            self.outbox.push(Action::Remove { run });
        } else {
            self.outbox.push(Action::Stop { run, stop: Stop::default() });
            self.orphans.insert(run);
        }
    }
}

fn newest_run(runs: &BTreeMap<RunId, Adopted>, copy: CopyId) -> Option<RunId> {
    let all = RunId { copy, attempt: 0 }..=RunId { copy, attempt: u32::MAX };
    runs.range(all).next_back().map(|(run, _)| *run)
}

impl Copy {
    /// Puts the copy together with the run that is there.
    fn adopt(&mut self, now: Timestamp, adopted: Option<Adopted>, out: &mut Vec<Action>) {
        let Some(adopted) = adopted else { return self.miss_run(now, out) };
        let run_is_news = adopted.run.attempt > self.progress.attempt;
        if !run_is_news && !self.progress.live && adopted.end.is_some() {
            // The earlier agent had dealt with its end, but not cleaned up yet.
            out.push(Action::Remove { run: adopted.run });
            return;
        }
        self.progress.attempt = adopted.run.attempt;
        self.progress.live = true;
        self.live = Some(Live::default());
        if adopted.end.is_none() {
            // The earlier agent may have written a new window down, and not come to tell of it.
            let at = self.progress.spec.not_after;
            out.push(Action::SetNotAfter { run: adopted.run, at });
        }
        match adopted.instance {
            Some(instance) if self.progress.instance.as_ref() == Some(&instance) => {
                self.resume_checks(now);
            }
            Some(instance) => {
                self.progress.instance = None;
                self.event(now, RunEvent::Started(instance), false, out);
            }
            None if run_is_news => self.progress.instance = None,
            None => {}
        }
        if let Some(end) = adopted.end {
            self.ended(now, end, false, out);
        }
    }

    /// The clock may have been set while there was no agent: the pause that is left is not longer than any is.
    fn bound_pause(&mut self, now: Timestamp) {
        let longest = now.plus(self.progress.spec.restart.backoff.max);
        self.progress.next_start_at = self.progress.next_start_at.map(|at| at.min(longest));
    }

    /// There is no run. If it was started, somebody removed it; else the earlier agent did not come to start it.
    fn miss_run(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        if !self.progress.live {
            return;
        }
        if self.progress.instance.is_some() {
            self.live = Some(Live::default());
            let outcome = ExitOutcome::SupervisorLost;
            let end = RunEnd {
                at: now,
                outcome,
                requested: false,
                permanent: false,
                last_lines: Vec::new(),
            };
            self.ended(now, end, false, out);
        } else {
            self.progress.live = false;
            self.changed = true;
            if self.progress.state != CopyState::Stopping {
                self.progress.state = CopyState::Provisioning;
            }
        }
    }

    pub(super) fn resume_checks(&mut self, now: Timestamp) {
        let started_at = self.progress.instance.as_ref().map(|instance| instance.started_at);
        let passed = self.progress.health != Some(Health::Starting);
        if let (Some(live), Some(at), Some(_)) =
            (&mut self.live, started_at, &self.progress.spec.health)
        {
            live.probing = Some(Probing::new(now, at, passed));
        }
    }
}
