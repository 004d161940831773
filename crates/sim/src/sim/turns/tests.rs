//! The checks of the end are given a history that lacks something, and what has not recovered.

use serde_json::json;
use tessera_types::{Actor, KindName, Resource, ResourceKey, Revision};

use super::*;
use crate::check::made::running;

#[test]
fn a_history_that_has_less_or_other_than_was_noted_is_seen() {
    let (disk, control) = running();
    let noted = disk.ledger.borrow().noted.clone();
    assert!(!noted.is_empty());
    assert_eq!(has_all_of_the_history(&control, &noted), Ok(()));
    let mut more = noted.clone();
    more.push(noted[0].clone());
    assert!(has_all_of_the_history(&control, &more).is_err(), "one was lost");
    let seen = has_all_of_the_history(&control, &noted[1..]).unwrap_err();
    assert!(seen.contains("was not noted"), "{seen}");
}

#[test]
fn what_was_mended_and_has_failed_all_the_same_is_seen() {
    let name = Name::new("w").unwrap();
    let seen = |status, spec| {
        let namespace = Some(Name::default_namespace());
        let key = ResourceKey::new(KindName::Workload, namespace, name.clone());
        let spec = Arc::new(serde_json::from_value(spec).unwrap());
        let mut workload = Object::<Workload>::new(&key, spec, Actor::API, Timestamp::EPOCH);
        workload.status = status;
        let world = World::load(Revision(1), [Resource::Workload(Arc::new(workload))]);
        those_mended_have_recovered(&world, std::slice::from_ref(&name)).is_err()
    };
    let (always, never) = (json!({"command": "x"}), json!({"command": "x", "restart": "never"}));
    assert!(seen(WorkloadStatus::Failed, always.clone()));
    assert!(!seen(WorkloadStatus::Running, always));
    assert!(!seen(WorkloadStatus::Failed, never), "it is not started again");
}
