//! Single commits: preconditions, atomicity, the numbers handed out.

use std::collections::HashSet;

use tessera_types::{KindName, OwnerRef, Revision, Uid, Write};

use super::{Harness, sample};
use crate::contract::{Commit, IdempotencyKey};
use crate::error::{CommitError, InvalidCommit};

pub(super) async fn a_creation_needs_absence(mut harness: Harness) {
    let first = harness.apply(vec![sample::create("a")]).await;
    harness.step().await;
    let error = harness.commit(vec![sample::create("a")]).await.unwrap_err();
    let found_id = first.changes[0].id;
    assert_eq!(error, conflict("a", Revision::ZERO, first.revision, found_id));
    assert_eq!(harness.store().get(&sample::key("a")), first.changes[0].after);
}

pub(super) async fn an_update_needs_the_same_identity_and_revision(mut harness: Harness) {
    let first = harness.apply(vec![sample::create("a")]).await;
    harness.step().await;
    let read = first.changes[0].after.clone().unwrap();
    let second = harness.apply(vec![sample::count(&read)]).await;
    harness.step().await;
    let (id, now) = (second.changes[0].id, second.changes[0].after.clone().unwrap());
    assert_eq!((id, now.id(), now.revision()), (read.id(), read.id(), second.revision));

    let stale = harness.commit(vec![sample::count(&read)]).await.unwrap_err();
    assert_eq!(stale, conflict("a", first.revision, second.revision, id));
    let other = harness.commit(vec![sample::count(&now.clone().stamped(Uid(99), now.revision()))]);
    assert_eq!(other.await.unwrap_err(), conflict("a", second.revision, second.revision, id));
    let absent = sample::count(&sample::unwrapped(sample::create("b")));
    let error = harness.commit(vec![absent]).await.unwrap_err();
    assert_eq!(error, conflict("b", Revision::ZERO, Revision::ZERO, Uid(0)));
    assert_eq!(harness.store().get(&sample::key("a")), Some(now));
}

pub(super) async fn a_deletion_needs_the_same_identity_and_revision(mut harness: Harness) {
    let first = harness.apply(vec![sample::create("a")]).await;
    let read = first.changes[0].after.clone().unwrap();
    let second = harness.apply(vec![sample::count(&read)]).await;
    harness.step().await;
    let now = second.changes[0].after.clone().unwrap();

    let stale = harness.commit(vec![sample::delete(&read, harness.now())]).await.unwrap_err();
    assert_eq!(stale, conflict("a", first.revision, second.revision, now.id()));
    let gone = harness.apply(vec![sample::delete(&now, harness.now())]).await;
    assert_eq!((gone.changes[0].id, &gone.changes[0].after), (now.id(), &None));
    harness.step().await;
    assert_eq!(harness.store().get(&sample::key("a")), None);
    let again = harness.commit(vec![sample::delete(&now, harness.now())]).await.unwrap_err();
    assert_eq!(again, conflict("a", second.revision, Revision::ZERO, Uid(0)));
}

pub(super) async fn a_tree_is_made_at_once(mut harness: Harness) {
    let owned = |name: &str, owner: &str| {
        let owner = sample::key(owner);
        let mut workload = sample::workload(name);
        workload.owner = Some(OwnerRef { kind: owner.kind, name: owner.name, id: Uid::default() });
        Write::create(workload)
    };
    let writes = vec![sample::create("root"), owned("child", "root"), owned("grandchild", "child")];
    let made = harness.apply(writes).await;
    harness.step().await;
    let owner_of = |name: &str| {
        let found = harness.store().get(&sample::key(name)).unwrap();
        found.owner().map(|owner| owner.id)
    };
    assert_eq!(owner_of("child"), Some(made.changes[0].id));
    assert_eq!(owner_of("grandchild"), Some(made.changes[1].id));

    let too_early = vec![owned("b", "a"), sample::create("a")];
    for writes in [too_early, vec![owned("b", "root")]] {
        let error = harness.commit(writes).await.unwrap_err();
        let is_refused = matches!(error, CommitError::Invalid(InvalidCommit::OwnerUnknown { .. }));
        assert!(is_refused, "{error}");
        assert_eq!(harness.store().get(&sample::key("b")), None);
    }
}

pub(super) async fn all_writes_are_made_or_none(mut harness: Harness) {
    let taken = harness.apply(vec![sample::create("w-50")]).await;
    let before = harness.store().snapshot();
    let writes: Vec<Write> = (0..100).map(|i| sample::create(&format!("w-{i}"))).collect();
    let error = harness.commit(writes.clone()).await.unwrap_err();
    assert!(matches!(error, CommitError::Conflict { key, .. } if key == sample::key("w-50")));
    harness.step().await;
    assert_eq!(harness.store().snapshot(), before);

    let rest = writes.into_iter().filter(|write| write.key() != sample::key("w-50")).collect();
    let made = harness.apply(rest).await;
    harness.step().await;
    assert_eq!((made.revision, made.changes.len()), (taken.revision.next(), 99));
    let listed = harness.store().list(KindName::Workload);
    assert_eq!((listed.revision, listed.resources.len()), (made.revision, 100));
    assert!(listed.resources.is_sorted_by_key(tessera_types::Resource::key));
    assert!(harness.store().list(KindName::Node).resources.is_empty());
}

pub(super) async fn revisions_increase_by_one(mut harness: Harness) {
    assert_eq!(harness.store().revision(), Revision::ZERO);
    for expected in 1..=20 {
        let made = harness.apply(vec![sample::create(&format!("w-{expected}"))]).await;
        assert_eq!(
            (made.revision, harness.store().revision()),
            (Revision(expected), Revision(expected))
        );
        // What is refused takes no number.
        assert!(harness.commit(vec![sample::create("w-1")]).await.is_err());
        if expected % 5 == 0 {
            harness.step().await;
        }
    }
}

pub(super) async fn identities_are_never_reused(mut harness: Harness) {
    let mut seen = HashSet::new();
    for _ in 0..10 {
        let made = harness.apply(vec![sample::create("a"), sample::create("b")]).await;
        harness.step().await;
        let resources = made.changes.iter().map(|change| change.after.clone().unwrap());
        for resource in resources.clone() {
            assert!(resource.id() != Uid(0) && seen.insert(resource.id()), "{}", resource.id());
        }
        let removals = resources.map(|resource| sample::delete(&resource, harness.now()));
        harness.apply(removals.collect()).await;
        harness.step().await;
    }
}

pub(super) async fn senseless_commits_are_refused(harness: Harness) {
    let twice = vec![sample::create("a"), sample::create("b"), sample::create("a")];
    let too_many = vec![sample::create("a"); crate::WRITES_MAX + 1];
    for (writes, expected) in [
        (vec![], InvalidCommit::Empty),
        (twice, InvalidCommit::WrittenTwice(sample::key("a"))),
        (too_many, InvalidCommit::TooManyWrites(crate::WRITES_MAX + 1)),
    ] {
        assert_eq!(harness.commit(writes).await.unwrap_err(), expected.into());
    }
    for length in [0, 129] {
        let key = IdempotencyKey { key: "k".repeat(length), fingerprint: 1 };
        let commit = Commit {
            idempotency: Some(key),
            ..Commit::new(vec![sample::create("a")], harness.now())
        };
        let error = harness.store().commit(commit).await.unwrap_err();
        assert_eq!(error, InvalidCommit::KeyLength(length).into());
    }
    assert_eq!(harness.store().revision(), Revision::ZERO);
}

pub(super) async fn resources_come_back_whole(mut harness: Harness) {
    let made = harness.apply(sample::full().into()).await;
    for _ in 0..3 {
        harness.step().await;
        for change in &made.changes {
            assert_eq!(harness.store().get(&change.key), change.after);
        }
        assert_eq!(harness.watched(Revision::ZERO, 1).await[0], made);
    }
    let resource = made.changes[0].after.clone().unwrap();
    let declared = harness.apply(vec![sample::declare(&resource, "other")]).await;
    harness.step().await;
    assert_eq!(harness.store().get(&declared.changes[0].key), declared.changes[0].after);
    assert_eq!(harness.watched(Revision::ZERO, 2).await, [made, declared]);
}

/// A store that writes a declaration only when it has changed must notice each
/// of the ways in which it can.
pub(super) async fn each_part_of_a_declaration_is_kept_by_itself(mut harness: Harness) {
    let mut made = vec![harness.apply(sample::full().into()).await];
    let key = made[0].changes[0].key.clone();
    for change in sample::DECLARED_FIELDS {
        let resource = harness.store().get(&key).unwrap();
        let changed = harness.apply(vec![sample::change(&resource, change)]).await;
        harness.restart().await;
        assert_eq!(harness.store().get(&key), changed.changes[0].after);
        made.push(changed);
    }
    assert_eq!(harness.watched(Revision::ZERO, made.len()).await, made);
}

pub(super) async fn the_observer_knows_before_the_committer(harness: Harness) {
    for i in 0..20 {
        let made = harness.apply(vec![sample::create(&format!("w-{i}"))]).await;
        assert_eq!(harness.observed.lock().last(), Some(&made));
    }
    let revisions: Vec<u64> = harness.observed.lock().iter().map(|made| made.revision.0).collect();
    assert_eq!(revisions, (1..=20).collect::<Vec<_>>());
}

fn conflict(name: &str, expected: Revision, found: Revision, found_id: Uid) -> CommitError {
    CommitError::Conflict { key: sample::key(name), expected, found, found_id }
}
