//! Watching: every commit exactly once and in order, from wherever it begins.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tessera_types::{Committed, Revision};
use tokio::task::JoinSet;

use super::{Harness, sample};
use crate::contract::{Commit, HistoryPage, Store};
use crate::error::WatchError;

/// Makes `count` commits of all sorts, with steps in between.
async fn make_commits(harness: &mut Harness, count: usize) -> Vec<Arc<Committed>> {
    let mut made = Vec::with_capacity(count);
    for i in 0..count {
        let name = format!("w-{}", i % 7);
        let write = match harness.store().get(&sample::key(&name)) {
            None => sample::create(&name),
            Some(found) => match i % 5 {
                0 => sample::declare(&found, &i.to_string()),
                1 if i % 3 == 0 => sample::delete(&found, harness.now()),
                2 => sample::advance(&found, harness.now()),
                _ => sample::count(&found),
            },
        };
        made.push(harness.apply(vec![write]).await);
        if i % 20 == 0 {
            harness.step().await;
        }
    }
    made
}

pub(super) async fn a_watch_from_any_revision_sees_the_rest(mut harness: Harness) {
    let made = make_commits(&mut harness, 70).await;
    for from in 0..made.len() {
        let seen = harness.watched(Revision(from as u64), made.len() - from).await;
        assert_eq!(seen, made[from..], "from {from}");
    }
}

/// Several watchers follow concurrent writers; each drops its watch now and then
/// and goes on from the last revision that it saw.
pub(super) async fn watchers_that_reconnect_miss_and_repeat_nothing(harness: Harness) {
    const WRITERS: usize = 8;
    const EACH: usize = 40;
    let mut watchers = JoinSet::new();
    for patience in [1, 3, 50, usize::MAX] {
        watchers.spawn(follow(Arc::clone(harness.store()), WRITERS * EACH, patience));
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, at) = (Arc::clone(harness.store()), harness.now());
        writers.spawn(async move {
            for i in 0..EACH {
                let write = sample::create(&format!("w-{writer}-{i}"));
                store.commit(Commit::new(vec![write], at)).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let told = harness.observed.lock().clone();
    for seen in watchers.join_all().await {
        assert_eq!(seen, told);
    }
}

async fn follow(store: Arc<dyn Store>, count: usize, patience: usize) -> Vec<Arc<Committed>> {
    let mut seen: Vec<Arc<Committed>> = Vec::new();
    let mut watcher = store.watch(Revision::ZERO);
    while seen.len() < count {
        seen.push(watcher.next().await.unwrap());
        if seen.len().is_multiple_of(patience) {
            watcher = store.watch(seen.last().map_or(Revision::ZERO, |last| last.revision));
        }
    }
    seen
}

pub(super) async fn a_dropped_wait_loses_nothing(mut harness: Harness) {
    let mut made = make_commits(&mut harness, 30).await;
    let mut watcher = harness.store().watch(Revision::ZERO);
    let mut seen = Vec::new();
    while seen.len() < made.len() {
        // Looked at once and dropped, whatever it was about to do.
        match poll_once(watcher.next()) {
            Poll::Ready(result) => seen.push(result.unwrap()),
            Poll::Pending => tokio::task::yield_now().await,
        }
        if seen.len().is_multiple_of(5) && made.len() < 60 {
            made.push(harness.apply(vec![sample::create(&format!("x-{}", made.len()))]).await);
        }
    }
    assert_eq!(seen, made);
    assert!(poll_once(watcher.next()).is_pending());
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

pub(super) async fn a_compacted_revision_is_refused(mut harness: Harness) {
    let made = make_commits(&mut harness, 60).await;
    harness.step().await;
    assert_eq!(harness.store().compact(Revision(40)).await, Ok(Revision(40)));
    harness.step().await;
    assert_eq!(harness.store().compacted(), Revision(40));
    for from in [0, 1, 39] {
        let refused = harness.store().watch(Revision(from)).next().await.unwrap_err();
        assert_eq!(refused, WatchError::Compacted { oldest: Revision(41) }, "from {from}");
    }
    for from in [40, 50, 59] {
        let seen = harness.watched(Revision(from as u64), made.len() - from).await;
        assert_eq!(seen, made[from..], "from {from}");
    }
    // Less than there is gone already, and more than there is.
    assert_eq!(harness.store().compact(Revision(7)).await, Ok(Revision(40)));
    let last = harness.store().revision();
    assert_eq!(harness.store().compact(Revision(10_000)).await, Ok(last));
    assert!(poll_once(harness.store().watch(last).next()).is_pending());
}

pub(super) async fn compaction_changes_neither_state_nor_history(mut harness: Harness) {
    make_commits(&mut harness, 60).await;
    let (state, history) = (harness.store().snapshot(), all_history(&harness).await);
    harness.store().compact(state.revision).await.unwrap();
    for _ in 0..2 {
        assert_eq!(harness.store().snapshot(), state);
        assert_eq!(all_history(&harness).await, history);
        harness.step().await;
    }
    let made = make_commits(&mut harness, 20).await;
    assert_eq!(made[0].revision, state.revision.next());
    assert_eq!(harness.watched(state.revision, 20).await, made);
}

async fn all_history(harness: &Harness) -> Vec<crate::AuditEntry> {
    harness.store().history_all(HistoryPage::default()).await.unwrap()
}

pub(super) async fn a_watcher_that_keeps_up_is_not_troubled_by_compaction(mut harness: Harness) {
    let mut watcher = harness.store().watch(Revision::ZERO);
    for i in 0..50 {
        let made = harness.apply(vec![sample::create(&format!("w-{i}"))]).await;
        assert_eq!(watcher.next().await.unwrap(), made);
        harness.store().compact(made.revision).await.unwrap();
    }
    harness.step().await;
}

pub(super) async fn a_revision_that_was_never_reached_is_refused(mut harness: Harness) {
    let made = make_commits(&mut harness, 3).await;
    let newest = made[2].revision;
    let refused = harness.store().watch(newest.next()).next().await.unwrap_err();
    assert_eq!(refused, WatchError::Ahead { newest });
}

pub(super) async fn closing_ends_a_watch(mut harness: Harness) {
    let made = make_commits(&mut harness, 3).await;
    let mut watcher = harness.store().watch(made[2].revision);
    let waiting = tokio::spawn(async move { watcher.next().await });
    harness.store().close().await;
    assert_eq!(waiting.await.unwrap().unwrap_err(), WatchError::Closed);
    let late = harness.commit(vec![sample::create("late")]).await;
    assert_eq!(late.unwrap_err(), crate::CommitError::Closed);
    assert_eq!(harness.store().revision(), made[2].revision);
}
