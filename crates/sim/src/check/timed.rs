//! What must hold of timed resources.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use tessera_reconciler::{Tabled, World};
use tessera_types::timed::{Timed, TimedStatus};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{
    Duration, Epoch, Host, Job, KindName, Object, Pod, Report, Resource, Revision, Session,
    SessionPart, Timestamp, Uid,
};

use super::promised::Promised;
use crate::control::Control;

/// What was seen of timed resources so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    revision: Revision,
    /// That of which the provisioning has begun.
    begun: BTreeSet<Uid>,
    promised: Promised,
}

impl Seen {
    /// Whether something was committed since the last look.
    pub(crate) fn is_behind(&self, control: &Control) -> bool {
        self.revision != control.world.revision()
    }

    /// After every event.
    pub(crate) fn check(&mut self, control: &Control, now: Timestamp) -> Result<(), String> {
        if self.revision == control.world.revision() {
            return Ok(());
        }
        self.revision = control.world.revision();
        self.promised.check(&control.world, control.clock.wall(now), now)?;
        self.nothing_is_early(&control.world)?;
        no_job_runs_twice(&control.world)
    }

    /// The clock may be set back while something is being provisioned, so what counts
    /// is the moment at which that began.
    fn nothing_is_early(&mut self, world: &World) -> Result<(), String> {
        for pod in world.pods.iter().filter(|pod| pod.observed.timed.provisioned_at.is_none()) {
            if let Some(workload) = world.owned::<tessera_types::Workload>(pod.id).next() {
                return Err(format!("{} is made before its pod begins", workload.key()));
            }
        }
        self.begins_in_time::<Pod>(world)?;
        self.begins_in_time::<SessionPart>(world)?;
        self.begins_in_time::<Host>(world)
    }

    fn begins_in_time<K: Timed + Tabled>(&mut self, world: &World) -> Result<(), String> {
        for object in world.table::<K>().iter() {
            let timed = K::timed(object);
            let Some((slot, begun)) = timed.timeslot.zip(timed.provisioned_at) else { continue };
            if self.begun.insert(object.id) && begun < slot.provision_at() {
                return Err(format!("{} begins at {begun}, too early", object.key()));
            }
        }
        Ok(())
    }
}

/// The workload of a job is placed once, and what it came to stays so. What an agent
/// does that finds a run of before its own restart is another matter.
fn no_job_runs_twice(world: &World) -> Result<(), String> {
    for workload in world.workloads.iter() {
        if workload.owner.as_ref().is_none_or(|owner| owner.kind != KindName::Job) {
            continue;
        }
        let has_ended = |from| {
            use WorkloadStatus::{Completed, Failed, Stopped};
            matches!(from, Completed | Failed | Stopped)
        };
        let mut arrows = workload.state_history.iter().filter(|one| one.from != Some(one.to));
        let again = arrows.find(|one| one.from.is_some_and(has_ended));
        if again.is_some() || workload.observed.epoch > Epoch(1) {
            let epoch = workload.observed.epoch;
            return Err(format!("{} runs twice, epoch {epoch}: {again:?}", workload.key()));
        }
    }
    Ok(())
}

/// Nothing outlives its deadline, as far as the control plane can tell: what its
/// node does not let go is named.
pub(crate) fn nothing_outlives_its_deadline(
    control: &Control,
    now: Timestamp,
) -> Result<(), String> {
    let (world, wall) = (&control.world, control.clock.wall(now));
    is_over_in_time::<Session>(world, wall, |session| session.status.is_over())?;
    is_over_in_time::<SessionPart>(world, wall, |part| part.status == TimedStatus::Terminated)?;
    is_over_in_time::<Host>(world, wall, |host| host.status == TimedStatus::Terminated)?;
    is_over_in_time::<Pod>(world, wall, |pod| pod.status == TimedStatus::Terminated)?;
    for pod in world.pods.iter().filter(|pod| pod.status == TimedStatus::Terminated) {
        let left: Vec<_> = world.owned::<tessera_types::Workload>(pod.id).collect();
        if left.iter().any(|workload| workload.deletion_requested_at.is_none()) {
            return Err(format!("pod {} is over, and has left {left:?}", pod.name));
        }
    }
    Ok(())
}

fn is_over_in_time<K: Timed + Tabled>(
    world: &World,
    wall: Timestamp,
    is_over: impl Fn(&Object<K>) -> bool,
) -> Result<(), String> {
    for object in world.table::<K>().iter().filter(|object| !is_over(object)) {
        let deadline = K::timed(object).timeslot.map(|slot| slot.cleanup_deadline());
        if deadline.is_some_and(|deadline| deadline < wall) {
            let (kind, name, status) = (K::KIND, &object.name, object.status);
            return Err(format!(
                "{kind} {name} is {status} after its deadline: {:?}",
                object.waiting_for
            ));
        }
    }
    Ok(())
}

/// What may still be on its way in the end.
const SLACK: Duration = Duration::from_secs(60);

/// Once the faults have stopped, and time enough has passed.
///
/// A job that began by a clock that was ahead has as much more time for its teardown, so what
/// is deleted may have to wait for it, until its own deadline.
pub(crate) fn converged(
    control: &Control,
    wall: Timestamp,
    may_be_put_off: bool,
) -> Result<(), String> {
    for session in control.world.table::<Session>().iter() {
        explained(session, session.status.is_over(), wall, may_be_put_off)?;
    }
    for part in control.world.table::<SessionPart>().iter() {
        explained(part, part.status == TimedStatus::Terminated, wall, may_be_put_off)?;
    }
    for pod in control.world.table::<Pod>().iter() {
        explained(pod, pod.status == TimedStatus::Terminated, wall, may_be_put_off)?;
    }
    for job in control.world.table::<Job>().iter() {
        let is_late = job.observed.deadline.is_some_and(|at| at.plus(SLACK) < wall);
        if !job.status.is_over() && is_late || job.deletion_requested_at.is_some() {
            return Err(format!("{} is {}: {:?}", job.key(), job.status, job.waiting_for));
        }
    }
    nothing_is_orphaned(&control.world)
}

fn explained<K: Timed + Tabled>(
    object: &Object<K>,
    is_over: bool,
    wall: Timestamp,
    may_be_put_off: bool,
) -> Result<(), String> {
    let slot =
        K::timed(object).timeslot.ok_or_else(|| format!("{} has no window", object.key()))?;
    let may_wait = may_be_put_off && !is_over && wall < slot.cleanup_deadline().plus(SLACK);
    if object.deletion_requested_at.is_some() && !may_wait {
        return Err(format!("{} is still being deleted: {:?}", object.key(), object.waiting_for));
    }
    let must_be_over = slot.cleanup_deadline().plus(SLACK) < wall;
    if must_be_over && !is_over {
        return Err(format!("{} is {} and its window is over", object.key(), object.status));
    }
    // One whose window was open when the clock was ahead stays Active.
    let is_at_rest = is_over || object.status.to_string() == "Active";
    if !is_at_rest && object.waiting_for.is_none() {
        return Err(format!("{} is {} and waits for nothing", object.key(), object.status));
    }
    Ok(())
}

fn nothing_is_orphaned(world: &World) -> Result<(), String> {
    for resource in world.all() {
        let Some(owner) = resource.owner() else { continue };
        if world.get(owner.kind, owner.id).is_none() {
            return Err(format!("{} belongs to {owner}, which is gone", resource.key()));
        }
    }
    let of_parts = |report: &&std::sync::Arc<Object<Report>>| {
        report.status == tessera_types::report::ReportStatus::Pending
    };
    let hosts = world.table::<Host>().len();
    match world.table::<Report>().iter().find(of_parts) {
        Some(report) if hosts > 0 => {
            let owner = report.owner.as_ref().and_then(|owner| world.get(owner.kind, owner.id));
            let is_over = match owner {
                Some(Resource::SessionPart(part)) => part.status == TimedStatus::Terminated,
                Some(Resource::Session(session)) => session.status.is_over(),
                _ => false,
            };
            match is_over {
                true => Err(format!("{} is never made", report.key())),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
