//! The pod type `fleet`: a pod is made of workloads on Tessera's own nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_types::catalogue::{PodDefinitionSpec, PodWorkload};
use tessera_types::timed::Timeslot;
use tessera_types::workload::{ExitOutcome, STOPPED_WITH_AGENT, WorkloadStatus};
use tessera_types::{
    Actor, Duration, Kind, KindName, Name, Object, OwnerRef, Pod, ResourceKey, Workload, Write,
};

use crate::timed::{Step, Try, change_spec, env, env_of, in_the_way, log_of};

/// A workload without a health check is up when it has run for so long.
const STEADY: Duration = Duration::from_secs(1);

/// The name of a pod's workload: `<pod>-<workload>`.
pub(super) fn name_of(pod: &Name, workload: &Name) -> Name {
    // Admission refuses names of which this would be too long.
    Name::new(&format!("{pod}-{workload}")).unwrap_or_else(|_| workload.clone())
}

/// Makes the workloads that are not there.
pub(super) fn make_missing(step: &mut Step<'_, Pod>, definition: &PodDefinitionSpec) {
    let there: Vec<_> = step.owned::<Workload>().map(|workload| workload.name.clone()).collect();
    for workload in &definition.workloads {
        let name = name_of(&step.object().name, &workload.name);
        if !there.contains(&name) && taken_by(step, &name).is_none() {
            let made = make(step, workload, name);
            step.write(Write::create(made));
        }
    }
}

/// The workload of this name that somebody else has.
fn taken_by<'a>(step: &Step<'a, Pod>, name: &Name) -> Option<&'a Arc<Object<Workload>>> {
    let namespace = step.object().namespace.as_ref();
    let found = step.world.workloads.find(namespace, name);
    found.filter(|it| it.owner.as_ref().map(|owner| owner.id) != Some(step.id()))
}

fn make(step: &Step<'_, Pod>, workload: &PodWorkload, name: Name) -> Object<Workload> {
    let pod = step.object();
    let mut spec = workload.spec.clone();
    let ports = pod.observed.binding.as_ref().map_or(&[][..], |binding| &binding.ports);
    spec.args.iter_mut().for_each(|arg| *arg = with_ports(arg, ports));
    spec.env.values_mut().for_each(|value| *value = with_ports(value, ports));
    let checked = spec.health.as_mut().and_then(|health| health.exec.as_mut());
    checked.into_iter().flatten().for_each(|arg| *arg = with_ports(arg, ports));
    spec.env.extend(vars(step));
    spec.not_after = step.slot().map(|slot| slot.teardown_at());
    if let Some(binding) = &pod.observed.binding
        && let Some(host) = step.world.hosts.get(binding.host_id)
    {
        spec.constraints.extend(host.spec.nodes.iter().cloned());
    }
    let key = ResourceKey::new(KindName::Workload, pod.namespace.clone(), name);
    let mut made = Object::<Workload>::new(&key, Arc::new(spec), Actor::RECONCILER, step.now);
    made.labels = pod.labels.clone();
    made.owner = Some(OwnerRef { kind: Pod::KIND, name: pod.name.clone(), id: pod.id });
    made
}

/// A text with the ports that the pod was given in place of `{port.1}` and so on.
fn with_ports(text: &str, ports: &[u16]) -> String {
    let numbered = ports.iter().zip(1u32..);
    numbered.fold(text.to_owned(), |text, (port, number)| {
        text.replace(&format!("{{port.{number}}}"), &port.to_string())
    })
}

fn vars(step: &Step<'_, Pod>) -> BTreeMap<String, String> {
    let pod = step.object();
    let mut vars = env_of(step.world, pod);
    vars.extend(pod.spec.env.clone());
    if let Some(binding) = &pod.observed.binding
        && !binding.ports.is_empty()
    {
        let ports: Vec<_> = binding.ports.iter().map(ToString::to_string).collect();
        vars.insert(env::PORTS.to_owned(), ports.join(","));
    }
    vars
}

/// How a try of provisioning stands: all workloads run and stay up, or have done
/// their work.
pub(super) fn look(step: &mut Step<'_, Pod>, definition: &PodDefinitionSpec) -> Try {
    let workloads: Vec<_> = step.owned::<Workload>().collect();
    if let Some(failed) = failed(&workloads) {
        return Try::Failed(failed);
    }
    if let Some(missing) = missing(step, definition) {
        return missing_in_try(step, &missing);
    }
    let waited_for = workloads.iter().find(|workload| !is_up(workload.status));
    match waited_for {
        Some(workload) => {
            let message = match (&workload.waiting_for, again(workload)) {
                (_, Some(cause)) => return Try::UnderWay(cause),
                (Some(waiting), _) => waiting.message.clone(),
                (None, _) => workload.status.to_string(),
            };
            Try::UnderWay(format!("workload/{}: {message}", workload.name))
        }
        None => steady(step, &workloads),
    }
}

/// How a workload ended that is started again and again in one try, and how often.
fn again(workload: &Object<Workload>) -> Option<String> {
    let observed = &workload.observed;
    let exit = observed.last_exit.as_ref()?;
    let waits = u32::from(workload.status == WorkloadStatus::BackingOff);
    let times = match observed.restarts + waits {
        0 => return None,
        1 => String::new(),
        times => format!(" ({times} times)"),
    };
    Some(format!("workload/{} {}", workload.name, said(workload, &exit.outcome, &times)))
}

/// How a workload ended, how often, and where to read more: one that could not be
/// started has written nothing.
fn said(workload: &Object<Workload>, outcome: &ExitOutcome, times: &str) -> String {
    match outcome {
        ExitOutcome::StartFailed { .. } => format!("{outcome}{times}"),
        _ => format!("{outcome}{times}, {}", log_of(workload)),
    }
}

/// The first workload that is not there.
fn missing(step: &Step<'_, Pod>, definition: &PodDefinitionSpec) -> Option<Name> {
    let there: Vec<_> = step.owned::<Workload>().map(|workload| &workload.name).collect();
    let mut names = definition.workloads.iter().map(|one| name_of(&step.object().name, &one.name));
    names.find(|name| !there.contains(&name))
}

/// All workloads of a try are made at its beginning, so one that is missing later
/// has been deleted. To make it again beside what is left could make two of it.
fn missing_in_try(step: &Step<'_, Pod>, name: &Name) -> Try {
    if step.makes::<Workload>(name) {
        return Try::UnderWay("its workloads to be made".to_owned());
    }
    Try::Failed(match taken_by(step, name) {
        Some(other) => in_the_way(step.world, other),
        None => format!("workload/{name} is gone"),
    })
}

/// Whether all that run have done so for long enough. A program that cannot do its
/// work mostly ends at once: that is a try that failed, not a pod that broke.
fn steady(step: &mut Step<'_, Pod>, workloads: &[&Arc<Object<Workload>>]) -> Try {
    let is_unproven = |workload: &&&Arc<Object<Workload>>| {
        workload.status == WorkloadStatus::Running && workload.spec.health.is_none()
    };
    let unproven = workloads.iter().filter(is_unproven);
    let Some(last) = unproven.max_by_key(|workload| workload.status_since) else {
        return Try::Done;
    };
    match step.has_come(last.status_since.plus(STEADY)) {
        true => Try::Done,
        false => Try::UnderWay(format!("workload/{} to stay up for {STEADY}", last.name)),
    }
}

/// What is wrong with the workloads of a pod that was ready, if anything is. A pipeline
/// that does not wait for its workloads may be over in the pass that makes them.
pub(super) fn broken(step: &Step<'_, Pod>, definition: &PodDefinitionSpec) -> Option<String> {
    let workloads: Vec<_> = step.owned::<Workload>().collect();
    let missing = missing(step, definition).filter(|name| !step.makes::<Workload>(name));
    failed(&workloads).or_else(|| Some(format!("workload/{} is gone", missing?)))
}

/// What is wrong with a workload that has failed for good.
fn failed(workloads: &[&Arc<Object<Workload>>]) -> Option<String> {
    let failed = workloads.iter().find(|workload| workload.status == WorkloadStatus::Failed)?;
    let why = match failed.observed.last_exit.as_ref().map(|exit| &exit.outcome) {
        _ if was_stopped_with_agent(failed) => STOPPED_WITH_AGENT.to_owned(),
        Some(outcome) => said(failed, outcome, ""),
        None => "failed".to_owned(),
    };
    Some(format!("workload/{} {why}", failed.name))
}

/// Whether it failed because its agent was stopped in order, however its program took that.
fn was_stopped_with_agent(workload: &Object<Workload>) -> bool {
    workload.state_history.last().is_some_and(|last| last.reason.contains(STOPPED_WITH_AGENT))
}

fn is_up(status: WorkloadStatus) -> bool {
    matches!(status, WorkloadStatus::Running | WorkloadStatus::Completed)
}

/// Has all workloads deleted. True once none is left.
pub(super) fn clean(step: &mut Step<'_, Pod>) -> bool {
    let workloads: Vec<_> = step.owned::<Workload>().collect();
    for workload in &workloads {
        step.ask_to_delete(workload);
    }
    workloads.is_empty()
}

/// Keeps the windows of the workloads at the pod's: an extension reaches the
/// agents, and nothing is restarted.
pub(super) fn follow(step: &mut Step<'_, Pod>, slot: &Timeslot) {
    let not_after = Some(slot.teardown_at());
    let workloads: Vec<_> = step.owned::<Workload>().collect();
    for workload in workloads {
        change_spec(step, workload, |spec| spec.not_after = not_after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_types::workload::{Exit, WorkloadSpec};
    use tessera_types::{Actor, KindName, ResourceKey, Timestamp};

    fn workload() -> Object<Workload> {
        let key = ResourceKey::new(KindName::Workload, None, Name::new("desk-paper").unwrap());
        let spec = Arc::new(WorkloadSpec::default());
        Object::<Workload>::new(&key, spec, Actor::API, Timestamp::EPOCH)
    }

    /// A workload that has failed, for this reason and with this exit.
    fn said_of(reason: &str, exit: ExitOutcome) -> String {
        let mut workload = workload();
        workload.status = WorkloadStatus::Failed;
        let history = Arc::make_mut(&mut workload.state_history);
        reason.clone_into(&mut history.last_mut().unwrap().reason);
        workload.observed.last_exit =
            Some(Exit { at: Timestamp::EPOCH, outcome: exit, last_lines: Vec::new() });
        failed(&[&Arc::new(workload)]).unwrap()
    }

    #[test]
    fn a_stop_together_with_the_agent_is_told_as_such_however_the_program_took_it() {
        let said = said_of(STOPPED_WITH_AGENT, ExitOutcome::Exited { code: 0 });
        assert_eq!(said, "workload/desk-paper stopped together with its agent");
        let said = said_of("exited with code 3", ExitOutcome::Exited { code: 3 });
        assert_eq!(said, "workload/desk-paper exited with code 3, see tesseractl logs desk-paper");
    }

    #[test]
    fn what_is_started_again_in_a_try_says_how_it_ended_and_how_often() {
        let mut workload = workload();
        assert_eq!(again(&workload), None);
        let outcome = ExitOutcome::Exited { code: 3 };
        workload.observed.last_exit =
            Some(Exit { at: Timestamp::EPOCH, outcome, last_lines: Vec::new() });
        workload.status = WorkloadStatus::BackingOff;
        let log = "see tesseractl logs desk-paper";
        let said = format!("workload/desk-paper exited with code 3, {log}");
        assert_eq!(again(&workload), Some(said));
        workload.observed.restarts = 3;
        let said = format!("workload/desk-paper exited with code 3 (4 times), {log}");
        assert_eq!(again(&workload), Some(said));
    }
}
