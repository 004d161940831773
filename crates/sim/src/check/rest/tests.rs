//! The check is given commits that were made by hand.

use serde_json::json;
use tessera_types::{Change, KindName, Name, OwnerRef, Pod, Revision, WaitingFor, Workload};

use super::*;
use crate::check::made::{at, object};

const REST: Duration = Duration::from_secs(300);

/// A pod that has its window from 1000 to 1100, and 30 seconds for its cleanup.
fn pod() -> Resource {
    let slot = json!({"start": at(1000), "end": at(1100)});
    let mut pod =
        object::<Pod>("a", 1, json!({"definition": {"type_key": "lab"}, "timeslot": slot}));
    pod.observed.timed.timeslot = Some(Timeslot {
        start: at(1000),
        end: at(1100),
        lead_time: Duration::ZERO,
        teardown_buffer: Duration::from_secs(30),
    });
    Resource::Pod(Arc::new(pod))
}

fn workload(of_pod: bool) -> Resource {
    let mut workload = object::<Workload>("a", 2, json!({"command": "x"}));
    let name = Name::new("a").unwrap();
    workload.owner = of_pod.then_some(OwnerRef { kind: KindName::Pod, name, id: Uid(1) });
    Resource::Workload(Arc::new(workload))
}

fn commit(resource: &Resource, seconds: u64, is_there: bool) -> Arc<Committed> {
    let (key, id) = (resource.key(), resource.id());
    let after = is_there.then(|| resource.clone());
    let changes = vec![Change { key, id, after }];
    Arc::new(Committed { revision: Revision(seconds), at: at(seconds), changes })
}

#[test]
fn what_is_written_in_the_end_is_seen() {
    let made = [commit(&workload(false), 10, true)];
    let seen = |now, is_put_off| nothing_is_written(&made, REST, at(now), is_put_off);
    assert_eq!(seen(310, false), Ok(()));
    seen(309, false).unwrap_err();
    seen(309, true).unwrap_err();
    assert_eq!(seen(9, false), Ok(()), "by a clock that was ahead");
}

#[test]
fn what_was_put_off_has_its_window_and_nothing_else_has() {
    let until = |second, resource: &Resource| {
        vec![commit(&pod(), 1, true), commit(resource, 2, true), commit(resource, second, true)]
    };
    let seen = |second, resource: &Resource| {
        nothing_is_written(&until(second, resource), REST, at(1200), true)
    };
    for second in [1000, 1100, 1190] {
        assert_eq!(seen(second, &pod()), Ok(()), "the pod at {second}");
        assert_eq!(seen(second, &workload(true)), Ok(()), "what it is made of at {second}");
        seen(second, &workload(false)).unwrap_err();
    }
    // Before it has to begin, and once the time for its cleanup is over.
    for second in [999, 1191] {
        seen(second, &pod()).unwrap_err();
        seen(second, &workload(true)).unwrap_err();
    }
    nothing_is_written(&until(1050, &pod()), REST, at(1200), false).unwrap_err();
}

#[test]
fn what_is_removed_belonged_to_what_was_put_off() {
    let removed = |of_pod| {
        let workload = workload(of_pod);
        [commit(&pod(), 1, true), commit(&workload, 2, true), commit(&workload, 1110, false)]
    };
    assert_eq!(nothing_is_written(&removed(true), REST, at(1200), true), Ok(()));
    nothing_is_written(&removed(false), REST, at(1200), true).unwrap_err();
}

#[test]
fn what_ends_at_its_own_time_may_be_written_then() {
    let workload = object::<Workload>("a", 2, json!({"command": "x", "not_after": at(1000)}));
    let workload = Resource::Workload(Arc::new(workload));
    let seen = |written: u64, is_put_off| {
        nothing_is_written(&[commit(&workload, written, true)], REST, at(written + 1), is_put_off)
    };
    assert_eq!(seen(1001, true), Ok(()));
    seen(1001, false).unwrap_err();
    seen(1000 + 2 * 60, true).unwrap_err();
}

#[test]
fn what_waits_for_room_says_anew_how_much_there_is_while_others_end() {
    let mut waits = object::<Workload>("a", 3, json!({"command": "x"}));
    let (reason, message) = (WaitReason::NoNodeFits, "none of 4 nodes fits".to_owned());
    waits.waiting_for = Some(WaitingFor { reason, message, since: at(1), until: None });
    let waits = Resource::Workload(Arc::new(waits));
    let seen = |written| {
        let commits = [commit(&pod(), 1, true), commit(&waits, 2, true)];
        let commits = commits.into_iter().chain([commit(&waits, written, true)]);
        nothing_is_written(&commits.collect::<Vec<_>>(), REST, at(written + 1), true)
    };
    assert_eq!(seen(1100), Ok(()));
    seen(1300).unwrap_err();
}
