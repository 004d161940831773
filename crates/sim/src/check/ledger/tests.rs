use super::*;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Actor, Edit, KindName, Name, Timestamp, Workload};

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
    Workload::unwrap(ledger.all().next().unwrap()).unwrap().clone()
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
