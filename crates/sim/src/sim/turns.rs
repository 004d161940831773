//! The turns of the control plane's loop: what was held gets to the disk, and a control plane
//! whose machine lost its power in a commit is gone.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tessera_agent::core::AgentCore;
use tessera_reconciler::World;
use tessera_store::{HistoryPage, Store};
use tessera_types::workload::{DesiredWorkloadStatus, RestartPolicy, WorkloadStatus};
use tessera_types::{Duration, Name, Object, Timestamp, Workload, limits};

use super::Sim;
use crate::check;
use crate::check::rest::nothing_is_written;
use crate::control::{Control, at_once};
use crate::life;
use crate::machine::Machine;
use crate::rng::Rng;

/// For so long before the end nothing is written any more.
const REST: Duration = Duration::from_secs(60);

/// Until when the next commit is held, where the disk is slow.
pub(super) fn pause(slow_until: Timestamp, now: Timestamp, rng: &mut Rng) -> Option<Timestamp> {
    let is_slow = now < slow_until && rng.percent(70);
    is_slow.then(|| now.plus(Duration::from_millis(rng.between(1, 3000))))
}

impl Sim {
    /// What was held and is due gets to the disk.
    pub(super) fn begin_turn(&mut self) {
        self.bury();
        let (now, is_peace) = (self.now, self.is_peace());
        let Some(control) = self.control.as_mut().filter(|it| !it.is_frozen(now)) else { return };
        control.begin_turn(now);
        if let Some(pass) = control.held.due_pass(now) {
            control.commit_pass(pass, now);
        }
        if let Some((writes, once)) = control.held.due_asked(now) {
            let answer = control.commit_once(writes, once, now).map(|done| done.revision);
            // What was declared before the peace, and comes in it, is mended as all else was.
            if is_peace {
                self.mended.extend(life::mend_specs(control, now));
            }
            self.note(&format!("what was held comes to {answer:?}"));
        }
        self.bury();
    }

    /// A control plane whose machine lost its power does nothing any more.
    pub(super) fn bury(&mut self) {
        if self.disk.has_died() && self.control.is_some() {
            self.crash_control("in a commit");
        }
    }

    /// What was acknowledged is there, and who watches sees it.
    pub(super) fn check_history(&mut self) -> Result<(), String> {
        let ledger = self.disk.ledger.borrow();
        if let Some(wrong) = &ledger.wrong {
            return Err(wrong.clone());
        }
        match &self.control {
            Some(control) => self.watchers.advance(control, &ledger, self.now),
            None => Ok(()),
        }
    }

    /// In the end: the history is exact, and the log was cut short.
    pub(super) fn judge_history(&mut self) -> Result<(), String> {
        let Some(control) = &self.control else { return Ok(()) };
        let ledger = self.disk.ledger.borrow();
        self.watchers.converged(control, &ledger)?;
        has_all_of_the_history(control, &ledger.noted)?;
        let now = control.clock.wall(self.now);
        nothing_is_written(ledger.commits(), REST, now, self.quiet.clock_was_set())?;
        those_mended_have_recovered(&control.world, &self.mended)?;
        for machine in &self.machines {
            is_forgotten_what_is_over(control, machine)?;
        }
        let commits = self.disk.memory.log_commits();
        let line = format!(
            "{} commits, {commits} of them in the log; who watches listed {} times again",
            ledger.revision(),
            self.watchers.listed()
        );
        drop(ledger);
        self.note(&line);
        check::log_is_bounded(commits)
    }
}

/// What was bad and is declared anew has not failed for good.
fn those_mended_have_recovered(world: &World, mended: &[Name]) -> Result<(), String> {
    for name in mended {
        let found = world.workloads.find(Some(&Name::default_namespace()), name);
        // One that never restarts may have been stopped with its agent.
        let has_failed = |it: &&Arc<Object<Workload>>| {
            let is_wanted = it.desired_status == DesiredWorkloadStatus::Running;
            let may_run = is_wanted && it.spec.not_after.is_none();
            let goes_on = it.spec.restart.policy != RestartPolicy::Never;
            it.status == WorkloadStatus::Failed && may_run && goes_on
        };
        if let Some(bad) = found.filter(has_failed) {
            return Err(format!("{name} was mended, and has not recovered: {bad:?}"));
        }
    }
    Ok(())
}

/// A node keeps nothing of copies that are not on it any more.
fn is_forgotten_what_is_over(control: &Control, machine: &Machine) -> Result<(), String> {
    let node = control.world.nodes.find(None, &machine.name);
    let placed = node.map_or(0, |node| control.world.count_on(node.id));
    let copies = machine.agent.iter().flat_map(AgentCore::copies).count();
    let (saved, runs) = (machine.disk.len(), machine.runs.len());
    match copies <= placed && saved <= placed && runs <= placed {
        true => Ok(()),
        false => Err(format!(
            "{} has {placed} workloads, and knows {copies} copies, {saved} on disk, {runs} runs",
            machine.name
        )),
    }
}

fn has_all_of_the_history(control: &Control, noted: &[check::ledger::Noted]) -> Result<(), String> {
    let mut expected = noted.iter().rev();
    let mut page = HistoryPage { before_seq: None, limit: limits::PAGE_MAX };
    loop {
        let found =
            at_once(control.store().history_all(page)).map_err(|error| error.to_string())?;
        let Some(last) = found.last() else { break };
        page.before_seq = Some(last.entry.seq);
        for audit in found {
            let entry = audit.entry;
            let entry = (audit.key, entry.id, entry.revision, entry.record);
            if expected.next() != Some(&entry) {
                return Err(format!("the history has {entry:?}, which was not noted there"));
            }
        }
    }
    match expected.next() {
        Some(lost) => Err(format!("the history has not {lost:?}")),
        None => Ok(()),
    }
}
