//! What must hold of steps with jobs of the engine.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use tessera_reconciler::{Tabled, World};
use tessera_types::timed::{StepState, Timed};
use tessera_types::{Duration, Host, Name, Object, Pod, SessionPart, Timestamp, Uid};

use crate::engine::{Engine, Job};
use crate::link::suspended;

/// A try of a step: whose it is, the phase, the step, and which try.
type Try = (Uid, Name, Name, u32);

/// The tries that keys were seen with.
#[derive(Debug, Default)]
pub(crate) struct Tries(BTreeMap<String, Try>);

impl Tries {
    /// After every event.
    pub(crate) fn check(&mut self, world: &World, engine: &Engine) -> Result<(), String> {
        if let Some(job) = engine.jobs.values().find(|job| job.runs > 1) {
            return Err(format!("{:?} ran {} times under one key", job.of, job.runs));
        }
        self.check_kind::<Pod>(world, engine)?;
        self.check_kind::<SessionPart>(world, engine)?;
        self.check_kind::<Host>(world, engine)
    }

    fn check_kind<K: Tabled + Timed>(
        &mut self,
        world: &World,
        engine: &Engine,
    ) -> Result<(), String> {
        for object in world.table::<K>().iter() {
            self.has_a_key_of_its_own::<K>(object)?;
            is_what_its_jobs_came_to::<K>(object, engine)?;
            has_no_two_tries::<K>(object, engine)?;
        }
        Ok(())
    }

    /// What the engine does once for a key, it must not be asked for by two tries.
    fn has_a_key_of_its_own<K: Timed>(&mut self, object: &Object<K>) -> Result<(), String> {
        for (phase, progress) in &K::timed(object).pipeline_progress {
            for (step, stands) in progress {
                let Some(key) = &stands.correlation_id else { continue };
                let one = (object.id, phase.clone(), step.clone(), stands.attempt);
                let known = self.0.entry(key.clone()).or_insert_with(|| one.clone());
                if *known != one {
                    return Err(format!("{key} is the key of {known:?} and of {one:?}"));
                }
            }
        }
        Ok(())
    }
}

/// What a step says that its job came to, its job came to.
fn is_what_its_jobs_came_to<K: Timed>(object: &Object<K>, engine: &Engine) -> Result<(), String> {
    for (step, stands) in K::timed(object).pipeline_progress.values().flatten() {
        let Some(key) = stands.correlation_id.as_ref().filter(|_| stands.job_id.is_some()) else {
            continue;
        };
        let job = engine.jobs.get(key);
        let same = |job: &&Job| Some(&job.id) == stands.job_id.as_ref();
        let Some(job) = job.filter(same) else {
            return Err(format!("step {step} of {} has the job of another", object.key()));
        };
        let has_succeeded = job.is_over() && job.ending.is_ok();
        if stands.state == StepState::Completed && !has_succeeded {
            return Err(format!("step {step} of {} is completed, and not {job:?}", object.key()));
        }
    }
    Ok(())
}

/// A job does not begin while that of an earlier try, which is to be cancelled, still runs.
fn has_no_two_tries<K: Timed>(object: &Object<K>, engine: &Engine) -> Result<(), String> {
    let live = |key: &String| engine.jobs.get(key).filter(|job| !job.is_over());
    let unwanted = K::timed(object).unwanted_jobs.iter();
    let unwanted: Vec<_> = unwanted.filter_map(|job| live(&job.correlation_id)).collect();
    for (of, ..) in suspended::<K>(object) {
        let beside =
            unwanted.iter().find(|job| (&job.of.phase, &job.of.step) == (&of.phase, &of.step));
        if let Some(beside) = beside {
            return Err(format!("{of:?} runs beside {beside:?}"));
        }
    }
    Ok(())
}

/// What may still be on its way in the end.
const SLACK: Duration = Duration::from_secs(30);

/// Once the faults have stopped, and time enough has passed.
pub(crate) fn converged(world: &World, engine: &Engine, wall: Timestamp) -> Result<(), String> {
    let mut wanted = Vec::new();
    converged_kind::<Pod>(world, engine, wall, &mut wanted)?;
    converged_kind::<SessionPart>(world, engine, wall, &mut wanted)?;
    converged_kind::<Host>(world, engine, wall, &mut wanted)?;
    // One of which all was lost that it told is not found.
    let stray =
        |(key, job): &(&String, &Job)| !job.is_over() && !job.is_unheard && !wanted.contains(*key);
    match engine.jobs.iter().find(stray) {
        Some((_, job)) => Err(format!("it runs for nobody: {job:?}")),
        None => Ok(()),
    }
}

fn converged_kind<K: Tabled + Timed>(
    world: &World,
    engine: &Engine,
    wall: Timestamp,
    wanted: &mut Vec<String>,
) -> Result<(), String> {
    for object in world.table::<K>().iter() {
        if let Some(job) = K::timed(object).unwanted_jobs.first() {
            return Err(format!("{} still has {job} to be cancelled", object.key()));
        }
        for (step, stands) in K::timed(object).pipeline_progress.values().flatten() {
            let is_suspended = stands.state == StepState::Suspended;
            if is_suspended && stands.deadline.is_some_and(|at| at.plus(SLACK) < wall) {
                return Err(format!("step {step} of {} waits for ever: {stands:?}", object.key()));
            }
        }
        for (of, _, job_id) in suspended::<K>(object) {
            let job = engine.jobs.get(&of.correlation_id);
            if job.is_none_or(|job| job.is_over() && job_id.is_some()) {
                return Err(format!("the engine has nothing to do for {of:?}: {job:?}"));
            }
            wanted.push(of.correlation_id);
        }
    }
    Ok(())
}
