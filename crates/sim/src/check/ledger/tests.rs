//! The ledger is given commits and answers that no store may give, and sees what is wrong with
//! each.

use super::*;
use tessera_types::workload::{Assigned, OnDisconnect, Resources, WorkloadStatus};
use tessera_types::{Actor, Edit, Timestamp, Workload};

const NOW: Timestamp = Timestamp::EPOCH;

fn workload() -> Object<Workload> {
    let spec = serde_json::from_value(serde_json::json!({"command": "x"})).unwrap();
    let name = Name::new("w").unwrap();
    let key = ResourceKey::new(KindName::Workload, None, name);
    Object::new(&key, Arc::new(spec), Actor::API, NOW)
}

fn committed(revision: u64, write: &Write, id: u64) -> Outcome {
    let after = match write {
        Write::Create { resource, .. } | Write::Update { resource, .. } => {
            Some(resource.clone().stamped(Uid(id), Revision(revision)))
        }
        Write::Delete { .. } => None,
    };
    let change = Change { key: write.key(), id: Uid(id), after };
    let committed = Committed { revision: Revision(revision), at: NOW, changes: vec![change] };
    Outcome { committed: Arc::new(committed), replayed: false }
}

fn commit(ledger: &mut Ledger, revision: u64, write: Write, id: u64) {
    let outcome = committed(revision, &write, id);
    ledger.asked(&[write], None);
    ledger.answered(&Ok(outcome), false);
}

fn made() -> Ledger {
    let mut ledger = Ledger::default();
    commit(&mut ledger, 1, Write::create(workload()), 1);
    assert_eq!(ledger.wrong, None);
    ledger
}

fn current(ledger: &Ledger) -> Arc<Object<Workload>> {
    ledger.all().find_map(Workload::unwrap).unwrap().clone()
}

#[test]
fn a_status_that_has_no_entry_is_found() {
    let mut ledger = made();
    let mut object = (*current(&ledger)).clone();
    object.status = WorkloadStatus::Running;
    let resource = Workload::wrap(Arc::new(object));
    commit(&mut ledger, 2, Write::Update { resource, records: Vec::new() }, 1);
    assert!(ledger.wrong.unwrap().contains("its history leads to"));
}

/// What is found where a workload was Pending, then in these states and now is in the last one,
/// and what leads there is `noted`.
fn history(path: &[(WorkloadStatus, WorkloadStatus)], noted: usize) -> Option<String> {
    let mut ledger = made();
    let mut object = (*current(&ledger)).clone();
    for (from, to) in path {
        let mut entry = object.state_history.last().unwrap().clone();
        (entry.from, entry.to) = (Some(*from), *to);
        Arc::make_mut(&mut object.state_history).push(entry);
        object.status = *to;
    }
    let records: Vec<_> = object.state_history.iter().map(Record::of).collect();
    let records = records[records.len() - noted..].to_vec();
    let resource = Workload::wrap(Arc::new(object));
    commit(&mut ledger, 2, Write::Update { resource, records }, 1);
    ledger.wrong
}

#[test]
fn a_gap_or_an_arrow_that_there_is_none_of_is_found_wherever_it_is_in_the_history() {
    use WorkloadStatus::{Failed, Pending, Running, Scheduled};
    assert_eq!(history(&[(Pending, Failed), (Failed, Pending)], 2), None);
    for path in [
        // Nothing of this is noted with the write, and nothing but the history shows it.
        [(Pending, Scheduled), (Failed, Pending)],
        [(Pending, Running), (Running, Pending)],
    ] {
        let wrong = history(&path, 0).unwrap();
        assert!(wrong.contains("and its history goes from"), "{wrong}");
    }
}

#[test]
fn a_deletion_that_is_taken_back_is_found() {
    let mut ledger = made();
    let mut edit = Edit::of(&current(&ledger), NOW);
    edit.request_deletion();
    commit(&mut ledger, 2, Write::update(edit.finish().unwrap()), 1);
    assert_eq!(ledger.wrong, None);
    let mut object = (*current(&ledger)).clone();
    object.deletion_requested_at = None;
    let resource = Workload::wrap(Arc::new(object));
    commit(&mut ledger, 3, Write::Update { resource, records: Vec::new() }, 1);
    assert!(ledger.wrong.unwrap().contains("not to be deleted any more"));
}

#[test]
fn what_was_deleted_and_comes_back_is_found() {
    let mut ledger = made();
    let delete = Write::delete(&*current(&ledger), Actor::API, "gone", NOW);
    commit(&mut ledger, 2, delete, 1);
    assert_eq!(ledger.wrong, None);
    commit(&mut ledger, 3, Write::create(workload()), 1);
    assert!(ledger.wrong.unwrap().contains("which was before"));
}

#[test]
fn a_write_that_is_lost_or_that_nobody_asked_for_is_found() {
    for (revision, resources) in [(0, 0), (2, 1), (1, 0)] {
        let mut ledger = made();
        let resources = ledger.all().take(resources).cloned().collect();
        let listed = Listed { revision: Revision(revision), resources };
        ledger.reopened(&listed, |_| None);
        assert!(ledger.wrong.is_some(), "{revision}");
    }
}

#[test]
fn what_was_on_its_way_when_the_power_went_is_there_or_not() {
    for is_there in [false, true] {
        let mut ledger = made();
        let mut edit = Edit::of(&current(&ledger), NOW);
        edit.transition(WorkloadStatus::Stopped, Actor::RECONCILER, "not wanted").unwrap();
        let write = Write::update(edit.finish().unwrap());
        let after = committed(2, &write, 1).committed;
        ledger.asked(&[write], None);
        ledger.answered(&Err(CommitError::Failed(String::new())), true);
        let resources = match is_there {
            true => vec![after.changes[0].after.clone().unwrap()],
            false => ledger.all().cloned().collect(),
        };
        let listed = Listed { revision: Revision(1 + u64::from(is_there)), resources };
        ledger.reopened(&listed, |_| is_there.then(|| Arc::clone(&after)));
        assert_eq!((ledger.wrong.clone(), ledger.revision()), (None, listed.revision));
    }
}

/// What one installation after the other tells of a copy: how often it was started again.
fn told(told: &[(&str, u32)]) -> Option<String> {
    let mut ledger = Ledger::default();
    let node = Name::new("n0").unwrap();
    let key = ResourceKey::new(KindName::Node, None, node.clone());
    let node_object = Object::<Node>::new(&key, Arc::default(), Actor::API, NOW);
    commit(&mut ledger, 1, Write::create(node_object), 1);
    commit(&mut ledger, 2, Write::create(workload()), 2);
    let mut revision = 2;
    for (seq, (agent, restarts)) in (1..).zip(told) {
        let resource = ledger.now.get(&key).unwrap();
        let mut object = (**Node::unwrap(resource).unwrap()).clone();
        (*agent).clone_into(&mut object.observed.agent_id);
        revision += 1;
        let resource = Node::wrap(Arc::new(object));
        commit(&mut ledger, revision, Write::Update { resource, records: Vec::new() }, 1);
        let mut object = (*current(&ledger)).clone();
        object.observed.assigned = Some(assigned(&node));
        (object.observed.report_seq, object.observed.restarts) = (seq, *restarts);
        revision += 1;
        let resource = Workload::wrap(Arc::new(object));
        commit(&mut ledger, revision, Write::Update { resource, records: Vec::new() }, 2);
    }
    ledger.wrong
}

fn assigned(node: &Name) -> Assigned {
    Assigned {
        node: node.clone(),
        node_id: Uid(1),
        since: NOW,
        resources: Resources::default(),
        on_disconnect: OnDisconnect::Keep,
        ports: Vec::new(),
    }
}

#[test]
fn a_count_of_restarts_that_goes_back_is_found_unless_the_machine_is_another() {
    assert_eq!(told(&[("a", 1), ("a", 2), ("a", 2)]), None);
    assert_eq!(told(&[("a", 6), ("b", 0), ("b", 1)]), None);
    assert!(told(&[("a", 6), ("a", 0)]).unwrap().contains("6 times, and then 0"));
    assert!(told(&[("a", 6), ("b", 3), ("b", 2)]).unwrap().contains("3 times, and then 2"));
}
