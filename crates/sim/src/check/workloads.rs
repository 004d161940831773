//! What workloads must have come to in the end.
//!
//! The one idea: a status is only an end where what is declared allows it. A service that is
//! `Completed`, or that waits for a start which never comes, has not come to be.

#[cfg(test)]
mod tests;

use tessera_reconciler::World;
use tessera_types::workload::{DesiredWorkloadStatus, RestartPolicy, WorkloadStatus};
use tessera_types::{Duration, Object, Timestamp, Uid, Workload};

use super::reasons::workload::is_closed_early;
use crate::control::Control;
use crate::life;
use crate::machine::Machine;

/// The longest pause that [`crate::life`] declares, and what clocks may differ.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Where nothing goes wrong a start, with its health checks, takes no longer.
const START_MAX: Duration = Duration::from_secs(30);

/// Once the faults have stopped, and time enough has passed.
pub(crate) fn converged(
    control: &Control,
    machines: &[Machine],
    now: Timestamp,
) -> Result<(), String> {
    for workload in control.world.workloads.iter() {
        has_come_to_be(workload, now)?;
        reality_agrees(workload.id, workload.status, workload.observed.epoch.0, machines)?;
    }
    nothing_is_left_over(&control.world, machines)
}

fn has_come_to_be(workload: &Object<Workload>, now: Timestamp) -> Result<(), String> {
    let name = &workload.name;
    if workload.deletion_requested_at.is_some() {
        return Err(format!("{name} is still being deleted: {:?}", workload.waiting_for));
    }
    let wanted = workload.desired_status == DesiredWorkloadStatus::Running;
    let window_is_over = workload.spec.not_after.is_some_and(|end| end <= now);
    let fine = match workload.status {
        WorkloadStatus::Running => wanted && !window_is_over,
        // A pause is short; only clocks could make it long.
        WorkloadStatus::BackingOff => {
            let until = workload.waiting_for.as_ref().and_then(|waiting| waiting.until);
            wanted && until.is_some_and(|until| until <= now.plus(PAUSE_MAX))
        }
        // What is not wanted any more may have ended before it was declared as it is.
        WorkloadStatus::Completed => !wanted || window_is_over || may_complete(workload),
        WorkloadStatus::Failed => !wanted || window_is_over || may_fail(workload),
        // What its node has closed long before the end is placed again after a while.
        WorkloadStatus::Stopped if is_closed_early(workload) && workload.waiting_for.is_none() => {
            workload.spec.not_after.is_some_and(|end| end <= now.plus(CLOSED_EARLY_MAX))
        }
        WorkloadStatus::Stopped => !wanted || window_is_over || is_closed_early(workload),
        WorkloadStatus::Pending => wanted && workload.waiting_for.is_some(),
        WorkloadStatus::Provisioning => {
            let since = entered_at(workload).unwrap_or(Timestamp::EPOCH);
            wanted && workload.waiting_for.is_some() && now.since(since) <= START_MAX
        }
        _ => false,
    };
    if fine {
        return Ok(());
    }
    let (status, exit) = (workload.status, &workload.observed.last_exit);
    Err(format!(
        "{name} is {status} and wants {} ({:?}, {exit:?})",
        workload.desired_status, workload.waiting_for
    ))
}

/// So early may a node close a window, and that is its end.
const CLOSED_EARLY_MAX: Duration = Duration::from_secs(120);

/// What is always started again is never done.
fn may_complete(workload: &Object<Workload>) -> bool {
    let exit = workload.observed.last_exit.as_ref();
    workload.spec.restart.policy != RestartPolicy::Always
        && exit.is_some_and(|exit| exit.outcome.is_success())
}

/// Only what is not started again, or not as often, or cannot be started, fails for good; and only
/// by an end that was no success.
fn may_fail(workload: &Object<Workload>) -> bool {
    let restart = &workload.spec.restart;
    let is_bounded = restart.policy == RestartPolicy::Never || restart.attempts_max.is_some();
    let is_impossible = workload.spec.command.as_deref() == Some(life::IMPOSSIBLE);
    let exit = workload.observed.last_exit.as_ref();
    (is_bounded || is_impossible) && exit.is_some_and(|exit| !exit.outcome.is_success())
}

/// Since when it has its status.
fn entered_at(workload: &Object<Workload>) -> Option<Timestamp> {
    let entered = workload.state_history.iter().rev().find(|entry| entry.from != Some(entry.to));
    entered.map(|entry| entry.at)
}

/// Where it is said to run, it runs, and nowhere else.
fn reality_agrees(
    id: Uid,
    status: WorkloadStatus,
    epoch: u64,
    machines: &[Machine],
) -> Result<(), String> {
    let copies: Vec<_> =
        machines.iter().flat_map(|machine| machine.alive(id)).map(|(run, _)| run.copy).collect();
    let expected = usize::from(status == WorkloadStatus::Running);
    let may_be_one = matches!(status, WorkloadStatus::Provisioning | WorkloadStatus::BackingOff);
    if copies.len() == expected || (may_be_one && copies.len() <= 1) {
        if copies.iter().all(|copy| copy.epoch.0 == epoch) {
            return Ok(());
        }
        return Err(format!("{id} runs as {copies:?}, and epoch {epoch} is placed"));
    }
    Err(format!("{id} is {status}, and its live copies are {copies:?}"))
}

fn nothing_is_left_over(world: &World, machines: &[Machine]) -> Result<(), String> {
    for machine in machines {
        for id in machine.runs.iter().filter(|(_, run)| run.is_alive()).map(|(id, _)| id) {
            if world.workloads.get(id.copy.id).is_none() {
                return Err(format!("{id} lives on {}, and its workload is gone", machine.name));
            }
        }
    }
    Ok(())
}
