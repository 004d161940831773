//! The workloads that a resource answers for: its own, and those of its jobs.
//!
//! A job is over as soon as that is decided, and its program may take its time to
//! stop. So a resource is gone only when these are, and what its deadline finds is
//! named here.

use std::sync::Arc;

use tessera_types::timed::Timed;
use tessera_types::workload::{Signal, Stop, WorkloadSpec};
use tessera_types::{Duration, Job, Kind, Object, Workload, limits};

use super::step::Step;

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
    left.into_iter().take(limits::LEFTOVERS_MAX).map(|one| described(one)).collect()
}

/// In words: what it is, where it is, and what it waits for.
pub(crate) fn described(workload: &Object<Workload>) -> String {
    let node = workload.observed.assigned.as_ref();
    let on = node.map_or_else(String::new, |at| format!(" on {}", at.node));
    let why = workload.waiting_for.as_ref();
    let why = why.map_or_else(String::new, |waiting| format!(": waits for {}", waiting.message));
    format!("workload/{}{on} ({}{why})", workload.name, workload.status)
}

/// Why a resource is over, with what of it is left.
pub(crate) fn reason_with(leftovers: &[String]) -> String {
    match leftovers {
        [] => "nothing of it is left".to_owned(),
        some => format!("its deadline has passed; not removed yet: {}", some.join("; ")),
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
