//! What must hold whenever nothing is to be done, at any time and not only in the end: whoever
//! waits says for what, and that is true; one more look at everything writes nothing; and a
//! start from the disk finds the same world.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use tessera_reconciler::{Backlog, Reconciler, World};
use tessera_store::{Store, no_observer};
use tessera_types::{
    Duration, Kind, Object, Resource, ResourceKey, Revision, Timestamp, Uid, WaitReason,
    WaitingFor, Workload, Write, with_object,
};

use super::reasons::{self, Look, SLACK};
use crate::control::Control;
use crate::disk::{self, Disk};
use crate::rng::Rng;

/// What is told of why no node fits has been wrong for so long at most: another kind of obstacle is
/// told some seconds later.
const TOLD_WITHIN: Duration = Duration::from_secs(6);

/// A node that was heard of so lately has a lease: that is longer by more than clocks drift.
const LATELY: Duration = Duration::from_secs(13);

/// Looks now and then.
pub(crate) struct Quiet {
    looks_at: Timestamp,
    clock_was_set: bool,
    /// What somebody would write, since when, and in which revision it was then.
    suspect: Option<(Timestamp, ResourceKey, Option<Revision>)>,
    /// What each workload says that is wrong, and since when.
    wrong: HashMap<Uid, (String, Timestamp)>,
    rng: Rng,
}

impl Quiet {
    pub(crate) fn new(rng: Rng, now: Timestamp) -> Self {
        Self { looks_at: now, clock_was_set: false, suspect: None, wrong: HashMap::new(), rng }
    }

    /// Looks, where it is quiet and the time has come.
    pub(crate) fn check(
        &mut self,
        control: &Control,
        disk: &Disk,
        now: Timestamp,
    ) -> Result<(), String> {
        if now < self.looks_at || !control.is_quiet(now) {
            return Ok(());
        }
        self.looks_at = now.plus(Duration::from_millis(self.rng.between(1000, 40_000)));
        let (all, workloads) = (control.world.all().count(), control.world.workloads.len());
        everything_is_bounded(control.reconciler.backlog(), all, workloads)?;
        who_waits_tells_the_truth(control, now)?;
        let (world, wall) = (&control.world, control.clock.wall(now));
        let look = Look { world, wall, heard: control.heard_within(LATELY, now) };
        self.all_tell_the_truth(&look, control.started_at, now)?;
        nothing_lives_on_without_its_owner(&control.world)?;
        self.a_start_writes_nothing(control, now)?;
        a_start_finds_the_same(control, disk)
    }

    /// The control plane's clock is set.
    pub(crate) fn clock_is_set(&mut self) {
        self.clock_was_set = true;
    }

    /// Whether it ever was.
    pub(crate) fn clock_was_set(&self) -> bool {
        self.clock_was_set
    }

    /// What is waited for is so, but for why no node takes a workload, which may be old; and who
    /// says nothing is at rest.
    fn all_tell_the_truth(
        &mut self,
        look: &Look<'_>,
        started_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), String> {
        let mut wrong = HashMap::new();
        for resource in look.world.all() {
            let Err(what) = reasons::tells_the_truth(look, &resource) else { continue };
            let Some(old) = self.old_news(&resource, started_at, now) else {
                let (key, status) = (resource.key(), resource.status());
                let waits = with_object!(&resource, object => object.waiting_for.as_ref());
                return Err(format!("{key} is {status}, {what}: {waits:?}"));
            };
            wrong.insert(resource.id(), old);
            self.looks_at = now.plus(TOLD_WITHIN).plus(SLACK);
        }
        self.wrong = wrong;
        Ok(())
    }

    /// What a workload says that is not so any more, and since when that is known; none where that
    /// is too long, or where it may not be. It counts from the first time, whatever else of the
    /// workload is written meanwhile; a loop that has just started knows nothing of what was told.
    fn old_news(
        &self,
        resource: &Resource,
        started_at: Timestamp,
        now: Timestamp,
    ) -> Option<(String, Timestamp)> {
        let workload = Workload::unwrap(resource)?;
        let waiting = workload.waiting_for.as_ref();
        let said = &waiting.filter(|it| it.reason == WaitReason::NoNodeFits)?.message;
        let known = self.wrong.get(&workload.id).filter(|(before, _)| before == said);
        let since = known.map_or(now, |(_, since)| *since).max(started_at);
        (now.since(since) <= TOLD_WITHIN).then(|| (said.clone(), since))
    }

    /// A reconciler that knows nothing looks at everything, and finds nothing to write. What a
    /// node has told wakes nobody, and is looked for once a second: so whatever is found is
    /// looked at again after that, and must have been written by then.
    fn a_start_writes_nothing(&mut self, control: &Control, now: Timestamp) -> Result<(), String> {
        let suspect = self.suspect.take();
        let Some(write) = wanted(control, now) else { return Ok(()) };
        let is = control.world.find(&write.key()).map(|found| found.revision());
        match suspect {
            Some((at, key, of)) if (&key, of) == (&write.key(), is) => {
                if now.since(at) > SLACK {
                    return Err(format!("nothing is due, and a look finds {write:?}"));
                }
                self.suspect = Some((at, key, of));
            }
            _ => self.suspect = Some((now, write.key(), is)),
        }
        self.looks_at = now.plus(SLACK);
        Ok(())
    }
}

/// The world of a start from the disk, which is a checkpoint and the log after it.
fn a_start_finds_the_same(control: &Control, disk: &Disk) -> Result<(), String> {
    let listed = disk.memory.copy().open(disk::options(), no_observer()).snapshot();
    let reloaded = World::load(listed.revision, listed.resources);
    match control.world.all().eq(reloaded.all()) {
        true => Ok(()),
        false => Err("the world is not what a start from the disk finds".to_owned()),
    }
}

/// The loop has no more to do than there are resources, whatever it did with them before: each is
/// due once, is listed once more where it was looked at out of turn, and has a timer on each clock.
pub(crate) fn everything_is_bounded(
    backlog: Backlog,
    resources: usize,
    workloads: usize,
) -> Result<(), String> {
    let is_bounded = backlog.due <= resources
        && backlog.in_order <= 2 * resources
        && backlog.timers <= 2 * resources
        && backlog.unplaced <= workloads;
    match is_bounded {
        true => Ok(()),
        false => Err(format!("there are {resources} resources, and the loop has {backlog:?}")),
    }
}

/// So many resources may be gone of which the loop has not heard yet.
const GONE_MAX: usize = 100;

/// The same while the loop has something to do.
pub(crate) fn backlog_is_bounded(control: &Control) -> Result<(), String> {
    let (all, workloads) = (control.world.all().count(), control.world.workloads.len());
    let backlog = control.reconciler.backlog();
    everything_is_bounded(backlog, all + GONE_MAX, workloads + GONE_MAX)
}

/// What a reconciler that knows nothing would write.
fn wanted(control: &Control, now: Timestamp) -> Option<Write> {
    let now = control.clock.now(now);
    let pass = Reconciler::new(&control.world).pass(&control.world, now, usize::MAX);
    let mut writes = pass.writes.into_iter().flat_map(|(_, writes)| writes);
    writes.find(|write| !tells_numbers(&control.world, write))
}

/// Whether only what is told of why it waits is brought up to date: numbers wait a minute, and
/// a time that is shown for the next look.
fn tells_numbers(world: &World, write: &Write) -> bool {
    fn same<K: Kind>(before: &Resource, after: &Object<K>) -> bool {
        let Some(before) = K::unwrap(before) else { return false };
        let reason = |one: &Object<K>| one.waiting_for.as_ref().map(|it| it.reason);
        let (waiting_for, updated_at) = (before.waiting_for.clone(), before.updated_at);
        let same = Object { waiting_for, updated_at, ..after.clone() };
        reason(after).is_some() && reason(before) == reason(after) && same == **before
    }
    let Write::Update { resource, records } = write else { return false };
    let Some(before) = world.find(&resource.key()) else { return false };
    records.is_empty() && with_object!(resource, object => same(&before, object))
}

/// What belongs to something that is gone is on its way out.
fn nothing_lives_on_without_its_owner(world: &World) -> Result<(), String> {
    let is_orphan = |resource: &Resource| {
        let owner = resource.owner();
        owner.is_some_and(|owner| world.get(owner.kind, owner.id).is_none())
            && resource.deletion_requested_at().is_none()
    };
    match world.all().find(is_orphan) {
        Some(orphan) => Err(format!("{} has no owner any more, and lives on", orphan.key())),
        None => Ok(()),
    }
}

fn who_waits_tells_the_truth(control: &Control, now: Timestamp) -> Result<(), String> {
    let wall = control.clock.wall(now);
    for resource in control.world.all() {
        let waiting = with_object!(&resource, object => object.waiting_for.as_ref());
        let claim = waiting.map_or(Ok(()), |waiting| is_in_the_future(waiting, wall));
        claim.map_err(|what| format!("{} {what}", resource.key()))?;
    }
    for node in control.world.nodes.iter() {
        let left = control.world.count_on(node.id).to_string();
        let waiting = node.waiting_for.as_ref().filter(|it| it.reason == WaitReason::Children);
        let is_left = |it: &WaitingFor| it.message.split(' ').next() == Some(&left);
        if waiting.is_some_and(|waiting| left == "0" || !is_left(waiting)) {
            return Err(format!("{} has {left} workloads: {waiting:?}", node.name));
        }
    }
    Ok(())
}

/// What decides at a time has decided when it has come. A pause is its node's to end, whose
/// clock may be another.
fn is_in_the_future(waiting: &WaitingFor, wall: Timestamp) -> Result<(), String> {
    let is_ours = !matches!(waiting.reason, WaitReason::Backoff | WaitReason::Engine);
    match waiting.until {
        Some(until) if is_ours && until.plus(SLACK) < wall => {
            Err(format!("waits until {until}, and it is {wall}: {waiting:?}"))
        }
        _ => Ok(()),
    }
}
