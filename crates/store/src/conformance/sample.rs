//! Resources for the suite to write.

use std::sync::Arc;

use tessera_types::node::{NodeObserved, NodeStatus};
use tessera_types::workload::{
    Assigned, DesiredWorkloadStatus, Exit, ExitOutcome, Instance, WorkloadSpec, WorkloadStatus,
};
use tessera_types::{
    Actor, Edit, Epoch, Kind, KindName, Name, Node, Object, OwnerRef, Resource, ResourceKey,
    Timestamp, Uid, WaitReason, Workload, Write,
};

/// The time at which the samples are made.
pub const NOW: Timestamp = Timestamp::from_micros(1_799_999_999_123_456);

/// The key of a workload.
///
/// # Panics
/// When `name` is no name.
#[must_use]
pub fn key(name: &str) -> ResourceKey {
    let name = Name::new(name).expect("the suite's names are names");
    ResourceKey::new(KindName::Workload, None, name)
}

/// A new workload.
#[must_use]
pub fn workload(name: &str) -> Object<Workload> {
    let spec = WorkloadSpec { command: Some("/bin/sleep".to_owned()), ..WorkloadSpec::default() };
    Object::new(&key(name), Arc::new(spec), Actor::API, NOW)
}

/// Makes a workload.
#[must_use]
pub fn create(name: &str) -> Write {
    Write::create(workload(name))
}

/// The workload in `resource`.
///
/// # Panics
/// When it is something else.
#[must_use]
pub fn unwrap(resource: &Resource) -> &Arc<Object<Workload>> {
    Workload::unwrap(resource).expect("the suite reads what it wrote")
}

/// The resource that `write` writes.
///
/// # Panics
/// When it removes one.
#[must_use]
pub fn unwrapped(write: Write) -> Resource {
    match write {
        Write::Create { resource, .. } | Write::Update { resource, .. } => resource,
        Write::Delete { key, .. } => panic!("{key} is removed"),
    }
}

/// Counts in the state of a workload, which leaves its declared part alone.
#[must_use]
pub fn count(resource: &Resource) -> Write {
    let mut edit = Edit::of(unwrap(resource), NOW);
    edit.object.observed.restarts += 1;
    update(edit)
}

/// The count of [`count`].
#[must_use]
pub fn counted(resource: &Resource) -> u32 {
    unwrap(resource).observed.restarts
}

/// Declares something else.
#[must_use]
pub fn declare(resource: &Resource, argument: &str) -> Write {
    let mut edit = Edit::of(unwrap(resource), NOW);
    let spec = WorkloadSpec { args: vec![argument.to_owned()], ..(*edit.object.spec).clone() };
    edit.object.spec = Arc::new(spec);
    edit.object.generation += 1;
    update(edit)
}

/// Changes that each touch one declared field and nothing else.
pub const DECLARED_FIELDS: [fn(&mut Object<Workload>); 7] = [
    |object| drop(Arc::make_mut(&mut object.labels).insert("tier".to_owned(), "web".to_owned())),
    |object| object.spec = Arc::new(WorkloadSpec { args: Vec::new(), ..WorkloadSpec::default() }),
    |object| object.desired_status = DesiredWorkloadStatus::Stopped,
    |object| object.generation += 1,
    |object| object.owner = None,
    |object| object.deletion_requested_at = None,
    |object| object.created_at = Timestamp::EPOCH,
];

/// Applies one such change.
#[must_use]
pub fn change(resource: &Resource, change: fn(&mut Object<Workload>)) -> Write {
    let mut edit = Edit::of(unwrap(resource), NOW);
    change(&mut edit.object);
    update(edit)
}

/// Moves a workload to the next status of an endless round.
///
/// # Panics
/// When it is in none of them.
#[must_use]
pub fn advance(resource: &Resource, now: Timestamp) -> Write {
    use WorkloadStatus::{BackingOff, Pending, Provisioning, Running, Scheduled};
    let mut edit = Edit::of(unwrap(resource), now);
    let to = match edit.object.status {
        Pending => Scheduled,
        Scheduled | BackingOff => Provisioning,
        Provisioning => Running,
        _ => BackingOff,
    };
    edit.transition(to, Actor::RECONCILER, "so that something happens")
        .expect("the round is legal")
        .with("to", to);
    update(edit)
}

fn update(edit: Edit<Workload>) -> Write {
    Write::update(edit.finish().expect("every edit of the suite changes something"))
}

/// Removes a resource.
#[must_use]
pub fn delete(resource: &Resource, now: Timestamp) -> Write {
    Write::delete(unwrap(resource), Actor::API, "no longer needed", now)
}

/// A workload and a node with something in every field that a store might lose.
///
/// # Panics
/// When a name in it is no name.
#[must_use]
pub fn full() -> [Write; 2] {
    let name = |text| Name::new(text).expect("the suite's names are names");
    let mut first = workload("full");
    Arc::make_mut(&mut first.labels).insert("team".to_owned(), "core".to_owned());
    first.owner = Some(OwnerRef { kind: KindName::Node, name: name("n"), id: Uid(u64::MAX) });
    first.deletion_requested_at = Some(NOW);
    first.observed.epoch = Epoch(7);
    first.observed.assigned = Some(Assigned {
        node: name("n"),
        node_id: Uid(3),
        since: NOW,
        resources: Default::default(),
        ports: Vec::new(),
        on_disconnect: tessera_types::workload::OnDisconnect::Stop,
    });
    first.observed.instance =
        Some(Instance { pid: Some(42), container_id: Some("c".to_owned()), started_at: NOW });
    first.observed.last_exit = Some(Exit {
        at: NOW,
        outcome: ExitOutcome::StartFailed { message: "\"quotes\" and \u{1F9E9}\n".to_owned() },
        last_lines: vec![String::new(), "a line".to_owned()],
    });
    let mut edit = Edit::of(&Arc::new(first), NOW);
    edit.wait_for(WaitReason::NoNodeFits, "3 of 5 full", Some(NOW));
    let first = edit.finish().expect("it waits now").object;

    let mut key = key("full");
    key = ResourceKey::new(KindName::Node, None, key.name);
    let mut second = Object::<Node>::new(&key, Arc::default(), Actor::agent(&key.name), NOW);
    second.status = NodeStatus::Cordoned;
    second.observed = NodeObserved { agent_version: "1.2.3".to_owned(), ..NodeObserved::default() };
    [Write::create(first), Write::create(second)]
}
