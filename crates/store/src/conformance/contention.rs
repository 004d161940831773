//! Many writers at once.

use std::collections::HashSet;
use std::sync::Arc;

use tessera_types::{KindName, Timestamp};
use tokio::task::JoinSet;

use super::{Harness, sample};
use crate::contract::{Commit, Store};
use crate::error::CommitError;

pub(super) async fn exactly_one_of_many_creators_wins(harness: Harness) {
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let commit = Commit::new(vec![sample::create("a")], harness.now());
        let store = Arc::clone(harness.store());
        tasks.spawn(async move { store.commit(commit).await });
    }
    let results = tasks.join_all().await;
    let won = results.iter().filter_map(|result| result.as_ref().ok()).collect::<Vec<_>>();
    assert_eq!(won.len(), 1);
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(
            matches!(error, CommitError::Conflict { found_id, .. } if *found_id == won[0].committed.changes[0].id)
        );
    }
}

/// Each writer counts in the same workload and tries again after a conflict;
/// every success must have counted.
pub(super) async fn no_update_is_lost(mut harness: Harness) {
    const WRITERS: u64 = 32;
    const EACH: u64 = 10;
    harness.apply(vec![sample::create("counter")]).await;
    harness.step().await;
    let mut tasks = JoinSet::new();
    for _ in 0..WRITERS {
        tasks.spawn(count(Arc::clone(harness.store()), EACH, harness.now()));
    }
    let revisions: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    let distinct: HashSet<u64> = revisions.iter().copied().collect();
    assert_eq!((revisions.len() as u64, distinct.len() as u64), (WRITERS * EACH, WRITERS * EACH));
    harness.step().await;
    let counter = harness.store().get(&sample::key("counter")).unwrap();
    assert_eq!(u64::from(sample::counted(&counter)), WRITERS * EACH);
    assert_eq!(harness.store().revision().0, 1 + WRITERS * EACH);
}

async fn count(store: Arc<dyn Store>, times: u64, at: Timestamp) -> Vec<u64> {
    let mut revisions = Vec::new();
    while (revisions.len() as u64) < times {
        let counter = store.get(&sample::key("counter")).unwrap();
        match store.commit(Commit::new(vec![sample::count(&counter)], at)).await {
            Ok(outcome) => {
                let now = store.get(&sample::key("counter")).unwrap();
                assert!(now.revision() >= outcome.committed.revision, "its own write is not read");
                revisions.push(outcome.committed.revision.0);
            }
            Err(CommitError::Conflict { found, .. }) => assert!(found > counter.revision()),
            Err(other) => panic!("{other}"),
        }
    }
    revisions
}

/// Two workloads always change together, so no list may show them apart.
pub(super) async fn lists_show_one_moment(harness: Harness) {
    harness.apply(vec![sample::create("a"), sample::create("b")]).await;
    let store = Arc::clone(harness.store());
    let at = harness.now();
    let writer = tokio::spawn(async move {
        for _ in 0..200 {
            let both =
                ["a", "b"].map(|name| sample::count(&store.get(&sample::key(name)).unwrap()));
            store.commit(Commit::new(both.into(), at)).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    while !writer.is_finished() {
        let listed = harness.store().list(KindName::Workload);
        let counts: Vec<u32> = listed.resources.iter().map(sample::counted).collect();
        assert_eq!(counts, [counts[0], counts[0]]);
        assert!(listed.resources.iter().all(|resource| resource.revision() == listed.revision));
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
}
