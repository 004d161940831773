//! The workloads that a resource answers for: its own, and those of its jobs.
//!
//! A job is over as soon as that is decided, and its program may take its time to
//! stop. So a resource is gone only when these are, and what its deadline finds is
//! named here.

use std::sync::Arc;

use tessera_types::timed::Timed;
use tessera_types::workload::{Signal, Stop, WorkloadSpec};
use tessera_types::{Actor, Duration, Job, Kind, Name, Object, Workload, limits};

use super::jobs::is_gone;
use super::pipeline;
use super::step::Step;
use super::undone::is_phase;
use crate::world::World;

fn all<'a, K: Timed>(step: &Step<'a, K>) -> Vec<&'a Arc<Object<Workload>>> {
    let of_jobs = step.owned::<Job>().flat_map(|job| step.world.owned::<Workload>(job.id));
    step.owned::<Workload>().chain(of_jobs).collect()
}

/// Has all that is left killed at once, and names it: the deadline has passed.
pub(crate) fn force<K: Timed>(step: &mut Step<'_, K>) -> Vec<String> {
    let left = all(step);
    for workload in &left {
        let at_once = Stop { signal: Signal::Kill, grace: Duration::ZERO };
        change_spec(step, workload, |spec| spec.stop = at_once);
    }
    pipeline::leave(step);
    let of_engine = step.timed().unwanted_jobs.iter().map(ToString::to_string);
    let left = left.into_iter().map(|one| described(one)).chain(of_engine);
    left.take(limits::LEFTOVERS_MAX).collect()
}

/// Takes out of what was left behind all that is gone by now, and says so: what of
/// it is no workload here any more, is not wanted from the engine, and is `elsewhere` not
/// either.
pub(crate) fn clear_gone<K: Timed>(step: &mut Step<'_, K>, elsewhere: impl Fn(&String) -> bool) {
    if step.timed().leftovers.is_empty() {
        return;
    }
    let left = all(step);
    let unwanted: Vec<_> = step.timed().unwanted_jobs.iter().map(ToString::to_string).collect();
    let is_left = |entry: &String| {
        let mut words = entry.strip_prefix(PREFIX).unwrap_or_default().split(' ');
        let name = words.next().unwrap_or_default();
        is_phase(entry)
            || left.iter().any(|workload| workload.name.as_str() == name)
            || unwanted.contains(entry)
            || elsewhere(entry)
    };
    let leftovers = std::mem::take(&mut step.timed_mut().leftovers);
    let (still, gone): (Vec<_>, Vec<_>) = leftovers.into_iter().partition(is_left);
    step.timed_mut().leftovers = still;
    if !gone.is_empty() {
        let names: Vec<_> = gone.iter().filter_map(|entry| entry.split(' ').next()).collect();
        let reason = format!("what could not be removed in time is gone: {}", names.join(", "));
        step.edit.note(Actor::RECONCILER, reason);
    }
}

/// What stands in the way of a workload of this name: another one, which is not of
/// the resource that wants it.
pub(crate) fn in_the_way(world: &World, other: &Object<Workload>) -> String {
    let owner = other.owner.as_ref();
    let whose = match owner {
        None => "belongs to nothing".to_owned(),
        Some(owner) if world.get(owner.kind, owner.id).is_some() => format!("belongs to {owner}"),
        Some(owner) => format!("is left of a {owner} that is gone"),
    };
    format!("the name is taken by {}, which {whose}", described(other))
}

/// Where a person reads what a program wrote. That may have secrets in it, so none
/// of it is ever said in a message.
pub(crate) fn log_of(workload: &Object<Workload>) -> String {
    let default = Name::default_namespace();
    let namespace = workload.namespace.as_ref().filter(|namespace| **namespace != default);
    let option = namespace.map_or_else(String::new, |namespace| format!(" -n {namespace}"));
    format!("see tesseractl logs {}{option}", workload.name)
}

/// What of a resource is waited for to be gone.
pub(crate) fn left_in_words<K: Timed>(step: &Step<'_, K>) -> String {
    let has_own = step.owned::<Workload>().next().is_some();
    let has_jobs = step.owned::<Job>().any(|job| !is_gone(step.world, job));
    let left = match (has_own, has_jobs) {
        (true, true) => Some("its workloads and those of its jobs to be gone"),
        (true, false) => Some("its workloads to be gone"),
        (false, true) => Some("its jobs and their workloads to be gone"),
        (false, false) => None,
    };
    pipeline::with_engine_jobs(step, left)
}

/// What the text of a workload that is left begins with.
const PREFIX: &str = "workload/";

/// In words: what it is, where it is, and what it waits for.
pub(crate) fn described(workload: &Object<Workload>) -> String {
    let node = workload.observed.assigned.as_ref();
    let on = node.map_or_else(String::new, |at| format!(" on {}", at.node));
    let why = workload.waiting_for.as_ref();
    let why = why.map_or_else(String::new, |waiting| format!(": waits for {}", waiting.message));
    format!("{PREFIX}{}{on} ({}{why})", workload.name, workload.status)
}

/// Why a resource is over, with what of it is left.
pub(crate) fn reason_with(leftovers: &[String]) -> String {
    let (undone, left): (Vec<_>, Vec<_>) =
        leftovers.iter().map(String::as_str).partition(|entry| is_phase(entry));
    let left = match left.is_empty() {
        true => "nothing of it is left".to_owned(),
        false => format!("its deadline has passed; not removed yet: {}", left.join("; ")),
    };
    match undone.is_empty() {
        true => left,
        false => format!("not done: {}; {left}", undone.join("; ")),
    }
}

/// Changes the spec of a workload, if `change` changes anything.
pub(crate) fn change_spec<K: Timed>(
    step: &mut Step<'_, K>,
    workload: &Arc<Object<Workload>>,
    change: impl FnOnce(&mut WorkloadSpec),
) {
    step.change(workload, |edit| {
        let mut spec = (*edit.object.spec).clone();
        change(&mut spec);
        if spec != *edit.object.spec {
            let before = std::mem::replace(&mut edit.object.spec, Arc::new(spec));
            edit.object.generation += 1;
            Workload::declared(&mut edit.object, &before);
        }
    });
}
