//! A disk without space, and one that fails.

use tessera_types::{Revision, Write};

use super::{FileSubject, block_on, tight};
use crate::conformance::{Subject, sample};
use crate::contract::{Commit, HistoryPage, Store};
use crate::error::CommitError;
use crate::{DiskFault, MemoryDisk, Options, no_observer};

async fn commit(store: &dyn Store, write: Write) -> Result<Revision, CommitError> {
    let outcome = store.commit(Commit::new(vec![write], sample::NOW)).await?;
    Ok(outcome.committed.revision)
}

/// Declares one thing after another until the file has no place left.
async fn fill(store: &dyn Store) {
    let large = "x".repeat(60_000);
    for _ in 0..1000 {
        let resource = store.get(&sample::key("a")).unwrap();
        match commit(store, sample::declare(&resource, &large)).await {
            Ok(_) => {}
            Err(CommitError::Full) => {
                assert_eq!(store.get(&sample::key("a")), Some(resource));
                return;
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the bound of the file does not hold");
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_space() {
    let subject = FileSubject::new(Options { file_bytes_max: Some(2 << 20), ..tight() });
    block_on(async {
        let store = subject.open(no_observer()).await;
        commit(&*store, sample::create("a")).await.unwrap();
        for _ in 0..3 {
            fill(&*store).await;
            let (state, stats) = (store.snapshot(), store.stats());
            assert!(stats.failures > 0);
            assert_eq!(store.history_all(HistoryPage::default()).await.unwrap().len(), 1);
            let mut watcher = store.watch(Revision(state.revision.0 - 1));
            assert_eq!(watcher.next().await.unwrap().revision, state.revision);

            // Old commits make space.
            assert_eq!(store.compact(state.revision).await, Ok(state.revision));
            assert_eq!(store.snapshot(), state);
            let next = commit(&*store, sample::count(&state.resources[0])).await;
            assert_eq!(next, Ok(state.revision.next()));
        }
        let state = store.snapshot();
        subject.stop(store).await;
        assert_eq!(subject.open(no_observer()).await.snapshot(), state);
    });
}

#[test]
fn a_failed_commit_leaves_nothing_behind() {
    let disk = MemoryDisk::new();
    let store = disk.open(tight(), no_observer());
    block_on(async {
        commit(&store, sample::create("a")).await.unwrap();
        let state = store.snapshot();
        for fault in [DiskFault::Full, DiskFault::Broken] {
            disk.set_fault(Some(fault));
            for write in [sample::create("b"), sample::count(&state.resources[0])] {
                let error = commit(&store, write).await.unwrap_err();
                assert!(matches!(error, CommitError::Full | CommitError::Failed(_)), "{error}");
            }
            assert_eq!(store.snapshot(), state);
            assert_eq!(store.history_all(HistoryPage::default()).await.unwrap().len(), 1);
        }
        disk.set_fault(None);
        assert_eq!(commit(&store, sample::create("b")).await, Ok(Revision(2)));
        let b = store.get(&sample::key("b")).unwrap();
        assert_eq!(b.id().0, state.resources[0].id().0 + 1);
    });
}

/// A commit that is cut off is there as a whole after the restart, or not at all; and until
/// then nobody sees it.
#[test]
fn a_commit_in_which_the_power_goes_is_found_whole_or_not() {
    for kept in [0, 1] {
        let disk = MemoryDisk::new();
        let store = disk.open(tight(), no_observer());
        block_on(async {
            commit(&store, sample::create("a")).await.unwrap();
            let before = store.snapshot();
            disk.set_fault(Some(DiskFault::Dies { kept }));
            let error = commit(&store, sample::create("b")).await.unwrap_err();
            assert!(matches!(error, CommitError::Failed(_)), "{error}");
            assert_eq!((store.snapshot(), disk.fault()), (before, Some(DiskFault::Broken)));
            assert!(commit(&store, sample::create("c")).await.is_err());
        });
        drop(store);
        disk.set_fault(None);
        let store = disk.open(tight(), no_observer());
        assert_eq!(store.snapshot().resources.len(), 1 + kept);
        assert_eq!(store.revision(), Revision(1 + kept as u64));
        assert_eq!(block_on(commit(&store, sample::create("c"))), Ok(store.revision()));
    }
}

#[test]
fn a_copy_of_a_disk_has_what_it_had_and_lives_on_its_own() {
    let disk = MemoryDisk::new();
    let store = disk.open(tight(), no_observer());
    block_on(commit(&store, sample::create("a"))).unwrap();
    disk.set_fault(Some(DiskFault::Full));
    let copy = disk.copy().open(tight(), no_observer());
    assert_eq!(copy.snapshot(), store.snapshot());
    assert!(block_on(commit(&copy, sample::create("b"))).is_ok());
    assert_eq!(store.revision(), Revision(1));
}
