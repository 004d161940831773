//! What pods and hosts say that they wait for, and parts where they are as these.

use tessera_reconciler::{EngineUse, World};
use tessera_types::catalogue::HostType;
use tessera_types::job::JobStatus;
use tessera_types::node::{DesiredNodeStatus, NodeStatus};
use tessera_types::timed::{
    PhaseRun, PhaseState, Request, StepState, Timed, TimedStatus, Timeslot,
};
use tessera_types::workload::Port;
use tessera_types::{
    Duration, Host, Job, KindName, Node, Object, Pod, Timestamp, Uid, WaitReason, WaitingFor,
    Workload,
};

use super::{Look, SLACK, is_of, is_placed_within_reach, named, numbers, workloads_of};

/// Whether it may say nothing: its window is open and no phase is under way, or it is over.
pub(super) fn may_be_silent<K: Timed<Status = TimedStatus>>(object: &Object<K>) -> bool {
    match object.status {
        TimedStatus::Active => !K::timed(object).phases.iter().any(is_under_way),
        TimedStatus::Terminated => object.deletion_requested_at.is_none(),
        _ => false,
    }
}

fn is_under_way(run: &PhaseRun) -> bool {
    !matches!(run.state, PhaseState::Done | PhaseState::Failed)
}

pub(super) fn pod_is_right(look: &Look<'_>, pod: &Object<Pod>, waiting: &WaitingFor) -> bool {
    let Some(slot) = pod.observed.timed.timeslot else { return false };
    let part = pod.owner.as_ref().and_then(|owner| look.world.session_parts.get(owner.id));
    let is_ending = part.is_some_and(|part| part.status.is_ending());
    match waiting.reason {
        WaitReason::Time => own_time_is_to_come(look, pod, &slot, waiting),
        WaitReason::Gate => part.is_some_and(|part| match pod.status {
            TimedStatus::Scheduled => part.status == TimedStatus::Scheduled,
            TimedStatus::Ready => {
                !is_ending && !matches!(part.status, TimedStatus::Active | TimedStatus::Grading)
            }
            _ => false,
        }),
        // It was not let begin, and is not before its part has done what it does first.
        WaitReason::Phase if pod.status == TimedStatus::Ready => is_ending,
        WaitReason::NoHostFits => {
            pod.status == TimedStatus::Scheduled && pod.observed.binding.is_none()
        }
        WaitReason::Children => of_itself_is_left(look, pod),
        _ => phase_is_right(look, pod, waiting),
    }
}

pub(super) fn host_is_right(look: &Look<'_>, host: &Object<Host>, waiting: &WaitingFor) -> bool {
    use TimedStatus::{Active, Provisioning, TearingDown};
    let Some(slot) = host.observed.timed.timeslot else { return false };
    match waiting.reason {
        WaitReason::Time => own_time_is_to_come(look, host, &slot, waiting),
        WaitReason::Overbooked => host.status == Active && is_overbooked(look.world, host, &slot),
        WaitReason::Children if matches!(host.status, Provisioning | Active) => {
            nodes_of(look.world, host).next().is_none()
        }
        WaitReason::Children if host.status == TearingDown => {
            let pods = look.world.pods.iter();
            let bindings = pods.filter_map(|pod| pod.observed.binding.as_ref());
            let count = bindings.filter(|binding| binding.host_id == host.id).count();
            match count {
                0 => of_itself_is_left(look, host),
                count => numbers(&waiting.message) == [count],
            }
        }
        WaitReason::Children => of_itself_is_left(look, host),
        _ => phase_is_right(look, host, waiting),
    }
}

/// What waits to be provisioned or for its window to open says when that is.
pub(super) fn own_time_is_to_come<K: Timed<Status = TimedStatus>>(
    look: &Look<'_>,
    object: &Object<K>,
    slot: &Timeslot,
    waiting: &WaitingFor,
) -> bool {
    let at = match object.status {
        TimedStatus::Scheduled => slot.provision_at(),
        TimedStatus::Ready => slot.start,
        _ => return false,
    };
    waiting.until == Some(at) && look.wall <= at.plus(SLACK)
}

/// What it waits for besides its children and its time: a phase, or a person.
pub(super) fn phase_is_right<K: Timed<Status = TimedStatus>>(
    look: &Look<'_>,
    object: &Object<K>,
    waiting: &WaitingFor,
) -> bool {
    let timed = K::timed(object);
    let name = named(&waiting.message, "phase ").unwrap_or_default();
    let run = timed.phases.iter().find(|run| run.name.as_str() == name);
    let state = run.map(|run| run.state);
    match waiting.reason {
        WaitReason::Phase if object.status == TimedStatus::Failed => {
            timed.requested(Request::Retry).is_none()
        }
        WaitReason::Phase => run.is_some_and(|run| has_something_to_wait_for(look, object, run)),
        WaitReason::Backoff => {
            state == Some(PhaseState::BackingOff)
                && waiting.until.is_some_and(|until| look.wall <= until.plus(SLACK))
                && waiting.until == run.and_then(|run| run.retry_at)
        }
        // The time of a try is over, and what came of it is not known.
        WaitReason::Agent => run.is_some_and(|run| {
            run.state == PhaseState::Running
                && time_of_try(object, run).is_none_or(|time| run.since.plus(time) <= look.wall)
                && is_anything_unknown(look, object, run)
        }),
        WaitReason::Engine => {
            look.world.engine() != EngineUse::On
                && state.is_none_or(|it| it == PhaseState::BackingOff)
        }
        _ => false,
    }
}

/// How long a try of a phase may take; none of a pod's own, which its definition has.
fn time_of_try<K: Timed>(object: &Object<K>, run: &PhaseRun) -> Option<Duration> {
    let mut phases = K::lifecycle(object)?.phases.iter();
    phases.find(|phase| phase.name == run.name).map(|phase| phase.retry.timeout)
}

/// A try goes on as long as its job or a step does, and is over when nothing of it is left.
fn has_something_to_wait_for<K: Timed>(
    look: &Look<'_>,
    object: &Object<K>,
    run: &PhaseRun,
) -> bool {
    let timed = K::timed(object);
    let mut steps = timed.pipeline_progress.get(&run.name).into_iter().flatten();
    match run.state {
        PhaseState::Running => match &run.job {
            Some(name) => {
                jobs_of(look.world, object.id).any(|job| job.name == *name && !job.status.is_over())
            }
            None => steps.any(|(_, stands)| !stands.state.is_over()),
        },
        PhaseState::CleaningUp => is_anything_left(look.world, object),
        PhaseState::BackingOff | PhaseState::Done | PhaseState::Failed => false,
    }
}

fn is_anything_unknown<K: Timed>(look: &Look<'_>, object: &Object<K>, run: &PhaseRun) -> bool {
    let mut steps = K::timed(object).pipeline_progress.get(&run.name).into_iter().flatten();
    let is_suspended = steps.any(|(_, stands)| stands.state == StepState::Suspended);
    // One that has ended is what its job is about to tell.
    let has_news = |one: &Object<Workload>| {
        is_placed_within_reach(look.world, one) || !one.status.holds_node()
    };
    is_suspended || all_workloads(look.world, object.id).any(has_news)
}

fn jobs_of(world: &World, owner: Uid) -> impl Iterator<Item = &Object<Job>> {
    world.jobs.iter().map(AsRef::as_ref).filter(move |job| is_of(job, owner))
}

/// Its own workloads, and those of its jobs.
fn all_workloads(world: &World, owner: Uid) -> impl Iterator<Item = &Object<Workload>> {
    let of_jobs = jobs_of(world, owner).flat_map(|job| workloads_of(world, job.id));
    workloads_of(world, owner).chain(of_jobs)
}

/// Whether anything of it still runs, or is not known to have ended.
pub(super) fn is_anything_left<K: Timed>(world: &World, object: &Object<K>) -> bool {
    let is_open = |job: &Object<Job>| matches!(job.status, JobStatus::Pending | JobStatus::Running);
    all_workloads(world, object.id).next().is_some()
        || jobs_of(world, object.id).any(is_open)
        || !K::timed(object).unwanted_jobs.is_empty()
}

/// Whether it is at a point where what is left of it has to go first, and something is.
pub(super) fn of_itself_is_left<K: Timed<Status = TimedStatus>>(
    look: &Look<'_>,
    object: &Object<K>,
) -> bool {
    let timed = K::timed(object);
    match object.status {
        // A retry begins once what was before it is cancelled.
        TimedStatus::Provisioning => !timed.unwanted_jobs.is_empty(),
        TimedStatus::Failed => {
            timed.requested(Request::Retry).is_some() && is_anything_left(look.world, object)
        }
        TimedStatus::TearingDown => is_anything_left(look.world, object),
        // What it had is there to be read until it is deleted.
        TimedStatus::Terminated => {
            let has_jobs = jobs_of(look.world, object.id).next().is_some();
            object.deletion_requested_at.is_some() && (has_jobs || !timed.unwanted_jobs.is_empty())
        }
        _ => false,
    }
}

/// The nodes that a group has now: those that are nobody's who comes before it by name.
fn nodes_of<'w>(
    world: &'w World,
    host: &'w Object<Host>,
) -> impl Iterator<Item = &'w Object<Node>> {
    let counts = |node: &&Object<Node>| {
        matches!(node.status, NodeStatus::Ready | NodeStatus::Cordoned)
            && node.desired_status != DesiredNodeStatus::Drained
            && node.deletion_requested_at.is_none()
    };
    let nodes = world.nodes.iter().map(AsRef::as_ref);
    nodes.filter(counts).filter(move |node| group_of(world, node).is_some_and(|it| it == host.id))
}

fn group_of(world: &World, node: &Object<Node>) -> Option<Uid> {
    let labels = node.effective_labels();
    let takes = |host: &&std::sync::Arc<Object<Host>>| {
        let definition = host.observed.definition.as_ref();
        definition.is_some_and(|it| it.spec.host_type == HostType::NodeGroup)
            && host.status != TimedStatus::Terminated
            && host.spec.nodes.iter().all(|one| one.is_met_by(&labels))
    };
    world.hosts.iter().filter(takes).min_by_key(|host| &host.name).map(|host| host.id)
}

/// What somebody has of a host, and when.
struct Held {
    from: Timestamp,
    until: Timestamp,
    cpu: u64,
    memory: u64,
    /// How much of what is counted, by name; ports of a group's nodes among them.
    counted: Vec<(String, u64)>,
    ports: Vec<u16>,
}

/// Whether at some time more is held of a host than it has, or while it is not open.
fn is_overbooked(world: &World, host: &Object<Host>, slot: &Timeslot) -> bool {
    let held = held_of(world, host);
    let definition = host.observed.definition.as_ref();
    let declared = host.spec.capacity.as_ref().or(definition.map(|it| &it.spec.capacity));
    let Some(declared) = declared else { return false };
    let (mut cpu, mut memory, mut nodes) = (declared.cpu.0, declared.memory.0, 0);
    for node in nodes_of(world, host) {
        let has = node.allocatable();
        (cpu, memory, nodes) = (cpu + has.cpu.0, memory + has.memory.0, nodes + 1);
    }
    let has = |name: &str| match name.starts_with("port ") {
        true => nodes,
        false => declared.counted.get(name).copied().unwrap_or(0),
    };
    let is_over = |at: Timestamp| {
        let now = || held.iter().filter(|it| it.from <= at && at < it.until);
        let used = |name: &str| -> u64 {
            let counted = now().flat_map(|it| &it.counted);
            counted.filter(|(one, _)| one == name).map(|(_, amount)| amount).sum()
        };
        let mut ports: Vec<_> = now().flat_map(|it| &it.ports).collect();
        let count = ports.len();
        ports.sort_unstable();
        ports.dedup();
        let is_ours =
            |port: &u16| declared.ports.iter().any(|it| (it.first..=it.last).contains(port));
        now().map(|it| it.cpu).sum::<u64>() > cpu
            || now().map(|it| it.memory).sum::<u64>() > memory
            || now().flat_map(|it| &it.counted).any(|(name, _)| used(name) > has(name))
            || ports.len() < count
            || !ports.into_iter().all(is_ours)
    };
    let is_outside = |it: &Held| it.from < slot.start || slot.end < it.until;
    held.iter().any(|it| is_over(it.from) || is_outside(it))
}

fn held_of(world: &World, host: &Object<Host>) -> Vec<Held> {
    let of_pods = world.pods.iter().filter_map(|pod| pod.observed.binding.as_ref());
    let of_pods = of_pods.filter(|it| it.host_id == host.id).map(|it| Held {
        from: it.window.from,
        until: it.window.until,
        cpu: it.demand.cpu.0,
        memory: it.demand.memory.0,
        counted: it.demand.counted.iter().map(|(name, it)| (name.to_string(), *it)).collect(),
        ports: it.ports.clone(),
    });
    let is_service = |one: &&std::sync::Arc<Object<Workload>>| {
        one.owner.as_ref().is_none_or(|it| !matches!(it.kind, KindName::Pod | KindName::Job))
    };
    let of_services = world.workloads.iter().filter(is_service).filter_map(|one| {
        let assigned = one.observed.assigned.as_ref()?;
        let node = world.nodes.get(assigned.node_id)?;
        let ports = assigned.ports.iter().map(Port::on_host);
        (group_of(world, node) == Some(host.id)).then(|| Held {
            from: assigned.since,
            until: one.spec.not_after.unwrap_or(Timestamp::MAX),
            cpu: assigned.resources.cpu.0,
            memory: assigned.resources.memory.0,
            counted: ports.map(|port| (format!("port {port:?}"), 1)).collect(),
            ports: Vec::new(),
        })
    });
    of_pods.chain(of_services).collect()
}
