//! Retries.

use std::sync::Arc;

use tessera_types::{Duration, Revision, Timestamp, Write};
use tokio::task::JoinSet;

use super::{Harness, sample};
use crate::contract::{Commit, IdempotencyKey};
use crate::error::CommitError;
use crate::options::IDEMPOTENCY_KEPT;

fn keyed(writes: Vec<Write>, key: &str, fingerprint: u64, at: Timestamp) -> Commit {
    let key = IdempotencyKey { key: key.to_owned(), fingerprint };
    Commit { idempotency: Some(key), ..Commit::new(writes, at) }
}

pub(super) async fn a_retry_changes_nothing(mut harness: Harness) {
    let writes = vec![sample::create("a"), sample::create("b")];
    let commit = keyed(writes, "k", u64::MAX, harness.now());
    let first = harness.store().commit(commit.clone()).await.unwrap();
    assert!(!first.replayed);
    for _ in 0..3 {
        harness.step().await;
        let retry = harness.store().commit(commit.clone()).await.unwrap();
        assert_eq!((retry.replayed, &retry.committed), (true, &first.committed));
    }
    // A retry that finds its work done may have nothing left to write, and is
    // told how things are now.
    let a = first.committed.changes[0].after.clone().unwrap();
    let changed = harness.apply(vec![sample::count(&a)]).await;
    harness.step().await;
    let empty = keyed(Vec::new(), "k", u64::MAX, harness.now());
    let retry = harness.store().commit(empty).await.unwrap();
    assert_eq!((retry.replayed, retry.committed.revision), (true, first.committed.revision));
    assert_eq!(retry.committed.changes[0], changed.changes[0]);
    assert_eq!(retry.committed.changes[1], first.committed.changes[1]);
    assert_eq!(harness.store().revision(), changed.revision);
}

pub(super) async fn a_key_belongs_to_one_request(mut harness: Harness) {
    let at = harness.now();
    harness.store().commit(keyed(vec![sample::create("a")], "k", 1, at)).await.unwrap();
    harness.step().await;
    let error = harness.store().commit(keyed(vec![sample::create("b")], "k", 2, at)).await;
    assert_eq!(error.unwrap_err(), CommitError::KeyReused);
    harness.store().commit(keyed(vec![sample::create("b")], "l", 2, at)).await.unwrap();
    assert_eq!(harness.store().revision(), Revision(2));
}

pub(super) async fn a_refused_commit_does_not_use_its_key(mut harness: Harness) {
    let made = harness.apply(vec![sample::create("a")]).await;
    let commit = keyed(vec![sample::create("a")], "k", 1, harness.now());
    assert!(harness.store().commit(commit.clone()).await.is_err());
    let a = made.changes[0].after.clone().unwrap();
    harness.apply(vec![sample::delete(&a, harness.now())]).await;
    harness.step().await;
    assert!(!harness.store().commit(commit).await.unwrap().replayed);
}

pub(super) async fn concurrent_retries_apply_once(harness: Harness) {
    let commit = keyed(vec![sample::create("a")], "k", 1, harness.now());
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (store, commit) = (Arc::clone(harness.store()), commit.clone());
        tasks.spawn(async move { store.commit(commit).await.unwrap() });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.replayed).count(), 1);
    assert!(outcomes.iter().all(|outcome| outcome.committed == outcomes[0].committed));
    assert_eq!(harness.store().revision(), Revision(1));
}

pub(super) async fn keys_are_forgotten_after_their_time(mut harness: Harness) {
    let first_at = harness.now();
    harness.store().commit(keyed(vec![sample::create("a")], "k", 1, first_at)).await.unwrap();
    harness.step().await;
    let last_at = first_at.plus(IDEMPOTENCY_KEPT).minus(Duration::from_secs(1));
    let in_time = harness.store().commit(keyed(vec![sample::create("b")], "k", 1, last_at)).await;
    assert!(in_time.unwrap().replayed);
    let late_at = first_at.plus(IDEMPOTENCY_KEPT);
    let late = harness.store().commit(keyed(vec![sample::create("b")], "k", 2, late_at)).await;
    assert!(!late.unwrap().replayed);
    harness.step().await;
    let retry = harness.store().commit(keyed(vec![sample::create("b")], "k", 2, late_at)).await;
    assert_eq!(retry.unwrap().committed.revision, Revision(2));
}
