//! What is kept, and what goes.

use rusqlite::Connection;
use tessera_types::{Duration, Revision, Timestamp, Write};

use super::{FileSubject, block_on};
use crate::conformance::{Subject, sample};
use crate::contract::{Commit, HistoryPage, IdempotencyKey, Store};
use crate::{MemoryDisk, Options, no_observer};

fn at(second: u64) -> Timestamp {
    sample::NOW.plus(Duration::from_secs(second))
}

async fn commit(store: &dyn Store, write: Write, at: Timestamp) {
    store.commit(Commit::new(vec![write], at)).await.unwrap();
}

/// Changes one workload `count` times, once a second.
async fn work(store: &dyn Store, count: u64) {
    commit(store, sample::create("a"), at(0)).await;
    for second in 1..count {
        let a = store.get(&sample::key("a")).unwrap();
        let write = match second % 4 {
            0 => sample::declare(&a, &second.to_string()),
            1 => sample::advance(&a, at(second)),
            _ => sample::count(&a),
        };
        commit(store, write, at(second)).await;
    }
}

fn short() -> Options {
    Options {
        ring_commits_max: 4,
        checkpoint_commits: 10,
        log_commits_min: 50,
        log_age_min: Duration::from_secs(80),
        ..Options::default()
    }
}

#[test]
fn commits_go_when_they_are_many_and_old() {
    for (options, kept) in [
        (short(), 80),
        (Options { log_commits_min: 100, ..short() }, 100),
        (Options { log_bytes_max: 20 * 1024, ..short() }, 20),
    ] {
        let store = MemoryDisk::new().open(options, no_observer());
        block_on(async {
            work(&store, 400).await;
            let stats = store.stats();
            // Up to one checkpoint more than the bound says.
            let slack = stats.log_commits.checked_sub(kept);
            assert!(slack.is_some_and(|slack| slack <= 11), "{} for {kept}", stats.log_commits);
            assert_eq!(stats.log_bytes, stats.log_commits * 1024);
            assert_eq!(stats.revision.0 - stats.compacted.0, stats.log_commits);
            assert_eq!(
                store.watch(store.compacted()).next().await.unwrap().revision,
                store.compacted().next()
            );
        });
    }
}

/// The clock is ahead by hours for a while, and is put right: what is kept after that is what
/// is kept of a clock that was always right.
#[test]
fn a_clock_that_was_ahead_holds_up_nothing_and_lets_go_of_nothing_young() {
    let disk = MemoryDisk::new();
    block_on(async {
        let mut store = disk.open(short(), no_observer());
        commit(&store, sample::create("a"), at(0)).await;
        for second in 1..600 {
            let ahead = if (100..200).contains(&second) { 7200 } else { 0 };
            let a = store.get(&sample::key("a")).unwrap();
            commit(&store, sample::count(&a), at(second + ahead)).await;
            // What is known of the time after a restart is no more than that.
            if matches!(second, 150 | 220) {
                store.close().await;
                store = disk.open(short(), no_observer());
            }
            let kept = store.stats().log_commits;
            // Up to one checkpoint more than the bound says.
            assert!(second < 300 || (80..=91).contains(&kept), "{kept} at {second}");
        }
    });
}

#[test]
fn transitions_go_when_they_are_old() {
    let options = Options { history_age_max: Duration::from_secs(100), ..short() };
    let store = MemoryDisk::new().open(options, no_observer());
    block_on(async {
        work(&store, 400).await;
        let page = HistoryPage { before_seq: None, limit: 1000 };
        let history = store.history(&sample::key("a"), page).await.unwrap();
        let oldest = history.last().unwrap().record.at;
        assert!(oldest >= at(285) && oldest <= at(310), "{oldest}");
        assert!(history.len() >= 22);
    });
}

/// Nothing stays in the file that nobody can ask for.
#[test]
fn the_file_keeps_no_garbage() {
    let subject = FileSubject::new(short());
    block_on(async {
        let store = subject.open(no_observer()).await;
        work(&*store, 300).await;
        let key = IdempotencyKey { key: "k".to_owned(), fingerprint: 1 };
        for name in ["b", "c"] {
            let keyed = Commit {
                idempotency: Some(key.clone()),
                ..Commit::new(vec![sample::create(name)], at(300))
            };
            store.commit(keyed).await.unwrap();
        }
        let b = store.get(&sample::key("b")).unwrap();
        commit(&*store, sample::delete(&b, at(301)), at(301)).await;
        let last = store.revision();
        store.compact(last).await.unwrap();
        // A day later the key is forgotten, with the checkpoint that follows.
        let a = store.get(&sample::key("a")).unwrap();
        commit(&*store, sample::count(&a), at(3 * 24 * 3600)).await;
        store.compact(last.next()).await.unwrap();
        commit(&*store, sample::create("d"), at(3 * 24 * 3600)).await;
        let stats = store.stats();
        assert_eq!((stats.log_commits, stats.compacted), (1, last.next()));
        subject.stop(store).await;
    });
    let connection = Connection::open(subject.path()).unwrap();
    let count = |table: &str| -> i64 {
        let query = format!("SELECT count(*) FROM {table}");
        connection.query_row(&query, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(["commit_log", "declared", "object", "idempotency"].map(count), [1, 2, 2, 0]);
}

#[test]
fn figures_survive_a_restart() {
    let subject = FileSubject::new(short());
    block_on(async {
        let store = subject.open(no_observer()).await;
        work(&*store, 35).await;
        store.compact(Revision(5)).await.unwrap();
        let before = store.stats();
        subject.stop(store).await;
        let after = subject.open(no_observer()).await.stats();
        assert_eq!((after.log_bytes, after.log_commits), (before.log_bytes, before.log_commits));
        assert_eq!(
            (after.revision, after.checkpointed, after.compacted),
            (Revision(35), Revision(35), Revision(5))
        );
        assert_eq!(after.resources, 1);
        assert!(
            after.disk_bytes > 0 && before.commits == 35 && before.commit_latency.count() == 35
        );
    });
}

/// The history of one name is read in order from its index, however long the
/// history of everything is.
#[test]
fn the_history_of_one_name_needs_no_sorting() {
    let subject = FileSubject::new(short());
    block_on(async { subject.stop(subject.open(no_observer()).await).await });
    let plan: Vec<String> = Connection::open(subject.path())
        .unwrap()
        .prepare(&format!("EXPLAIN QUERY PLAN {}", crate::sqlite::HISTORY_OF_ONE))
        .unwrap()
        .query_map(["a", "Workload", "default", "9", "9"], |row| row.get(3))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].starts_with("SEARCH transition USING INDEX transition_by_name"), "{plan:?}");
}
