//! Random play against a model that is too simple to be wrong.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proptest::prelude::*;
use tessera_types::{
    Change, Committed, Duration, Resource, ResourceKey, Revision, Timestamp, Uid, Write,
};

use super::{FileSubject, MemorySubject, block_on, tight};
use crate::conformance::{Subject, sample};
use crate::contract::{Commit, HistoryPage, IdempotencyKey, Outcome, Store};
use crate::error::{CommitError, InvalidCommit, WatchError};
use crate::{DiskFault, MemoryDisk, no_observer};

/// Something that happens to a store.
#[derive(Clone, Debug)]
enum Op {
    Commit {
        writes: Vec<WriteOp>,
        key: Option<(u8, u8)>,
    },
    Restart,
    Compact(u64),
    /// The disk fails, or recovers; only a disk in memory can be told so.
    Fault(Option<DiskFault>),
}

/// A write to one of a few resources, with what is there now or, when stale,
/// with what was there some time ago.
#[derive(Clone, Debug)]
struct WriteOp {
    name: u8,
    action: Action,
    stale: bool,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Create,
    Count,
    Declare,
    Advance,
    Delete,
}

fn write_op() -> impl Strategy<Value = WriteOp> {
    let action = prop_oneof![
        2 => Just(Action::Create),
        3 => Just(Action::Count),
        2 => Just(Action::Declare),
        2 => Just(Action::Advance),
        1 => Just(Action::Delete),
    ];
    (0..6u8, action, prop::bool::weighted(0.1)).prop_map(|(name, action, stale)| WriteOp {
        name,
        action,
        stale,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let key = prop::option::weighted(0.3, (0..4u8, 0..2u8));
    prop_oneof![
        20 => (prop::collection::vec(write_op(), 0..4), key)
            .prop_map(|(writes, key)| Op::Commit { writes, key }),
        1 => Just(Op::Restart),
        1 => (0..60u64).prop_map(Op::Compact),
        1 => prop::option::of(prop_oneof![Just(DiskFault::Full), Just(DiskFault::Broken)])
            .prop_map(Op::Fault),
    ]
}

/// What a store should be.
#[derive(Default)]
struct Model {
    resources: BTreeMap<ResourceKey, Resource>,
    /// Every version that there ever was.
    versions: HashMap<ResourceKey, Vec<Resource>>,
    log: Vec<Arc<Committed>>,
    compacted: u64,
    uids: u64,
    keys: HashMap<u8, (u8, Arc<Committed>)>,
    /// Name, identity and status of each transition.
    history: Vec<(ResourceKey, Uid, String)>,
    fault: Option<DiskFault>,
}

impl Model {
    fn revision(&self) -> Revision {
        Revision(self.log.len() as u64)
    }

    /// The write that an operation stands for; none if it makes no sense now.
    fn write(&self, op: &WriteOp, now: Timestamp) -> Option<Write> {
        let name = format!("w-{}", op.name);
        let key = sample::key(&name);
        let versions = self.versions.get(&key);
        let resource = if op.stale {
            versions.and_then(|versions| versions.first())
        } else {
            self.resources.get(&key).or(versions.and_then(|versions| versions.last()))
        };
        Some(match op.action {
            Action::Create => sample::create(&name),
            Action::Count => sample::count(resource?),
            Action::Declare => sample::declare(resource?, &self.log.len().to_string()),
            Action::Advance => sample::advance(resource?, now),
            Action::Delete => sample::delete(resource?, now),
        })
    }

    /// What should come of a commit; the model is as after it.
    fn commit(&mut self, commit: &Commit, key: Option<(u8, u8)>) -> Result<Outcome, CommitError> {
        if let Some((key, fingerprint)) = key
            && let Some((known, committed)) = self.keys.get(&key)
        {
            return match *known == fingerprint {
                true => Ok(Outcome { committed: Arc::new(self.now(committed)), replayed: true }),
                false => Err(CommitError::KeyReused),
            };
        }
        self.check(&commit.writes)?;
        match self.fault {
            Some(DiskFault::Full) => return Err(CommitError::Full),
            // The model is of a store that goes on: power cuts are tried by themselves.
            Some(DiskFault::Broken | DiskFault::Dies { .. }) => {
                return Err(CommitError::Failed("the disk is broken".to_owned()));
            }
            None => {}
        }
        let revision = self.revision().next();
        let changes = commit.writes.iter().map(|write| self.apply(write, revision)).collect();
        let committed = Arc::new(Committed { revision, at: commit.at, changes });
        self.log.push(Arc::clone(&committed));
        if let Some((key, fingerprint)) = key {
            self.keys.insert(key, (fingerprint, Arc::clone(&committed)));
        }
        Ok(Outcome { committed, replayed: false })
    }

    fn now(&self, committed: &Committed) -> Committed {
        let mut committed = committed.clone();
        for Change { key, id, after } in &mut committed.changes {
            *after = self.resources.get(key).filter(|now| now.id() == *id).cloned();
        }
        committed
    }

    fn check(&self, writes: &[Write]) -> Result<(), CommitError> {
        if writes.is_empty() {
            return Err(InvalidCommit::Empty.into());
        }
        for (place, write) in writes.iter().enumerate() {
            if writes[..place].iter().any(|earlier| earlier.key() == write.key()) {
                return Err(InvalidCommit::WrittenTwice(write.key()).into());
            }
        }
        for write in writes {
            let found = self.resources.get(&write.key());
            let found = found.map_or((Uid(0), Revision(0)), |it| (it.id(), it.revision()));
            let expected = match write {
                Write::Create { .. } => (Uid(0), Revision(0)),
                Write::Update { resource, .. } => (resource.id(), resource.revision()),
                Write::Delete { id, revision, .. } => (*id, *revision),
            };
            if found != expected {
                return Err(CommitError::Conflict {
                    key: write.key(),
                    expected: expected.1,
                    found: found.1,
                    found_id: found.0,
                });
            }
        }
        Ok(())
    }

    fn apply(&mut self, write: &Write, revision: Revision) -> Change {
        let key = write.key();
        let (id, after) = match write {
            Write::Create { resource, .. } => {
                self.uids += 1;
                (Uid(self.uids), Some(resource.clone().stamped(Uid(self.uids), revision)))
            }
            Write::Update { resource, .. } => {
                (resource.id(), Some(resource.clone().stamped(resource.id(), revision)))
            }
            Write::Delete { id, .. } => (*id, None),
        };
        let records = write.records().iter().map(|record| (key.clone(), id, record.to.clone()));
        self.history.extend(records);
        match &after {
            Some(after) => {
                self.versions.entry(key.clone()).or_default().push(after.clone());
                self.resources.insert(key.clone(), after.clone())
            }
            None => self.resources.remove(&key),
        };
        Change { key, id, after }
    }
}

/// Plays `ops` and compares after each.
async fn play(subject: &impl Subject, ops: Vec<Op>, set_fault: impl Fn(Option<DiskFault>) -> bool) {
    let mut model = Model::default();
    let mut store = subject.open(no_observer()).await;
    for (step, op) in ops.into_iter().enumerate() {
        let now = sample::NOW.plus(Duration::from_secs(step as u64));
        match op {
            Op::Commit { writes, key } => commit(&mut model, &*store, &writes, key, now).await,
            Op::Restart => {
                subject.stop(store).await;
                store = subject.open(no_observer()).await;
            }
            Op::Compact(up_to) if model.fault.is_none() => {
                let up_to = up_to.min(model.revision().0);
                model.compacted = model.compacted.max(up_to);
                let compacted = store.compact(Revision(up_to)).await;
                assert_eq!(compacted, Ok(Revision(model.compacted)));
            }
            Op::Compact(_) => {}
            Op::Fault(fault) => {
                if set_fault(fault) {
                    model.fault = fault;
                }
            }
        }
        compare(&model, &*store);
    }
    compare_log(&model, &*store).await;
    compare_history(&model, &*store).await;
    subject.stop(store).await;
}

async fn commit(
    model: &mut Model,
    store: &dyn Store,
    writes: &[WriteOp],
    key: Option<(u8, u8)>,
    at: Timestamp,
) {
    let writes = writes.iter().filter_map(|write| model.write(write, at)).collect();
    let idempotency = key.map(|(key, fingerprint)| IdempotencyKey {
        key: format!("k-{key}"),
        fingerprint: u64::MAX - u64::from(fingerprint),
    });
    let commit = Commit { idempotency, ..Commit::new(writes, at) };
    let expected = model.commit(&commit, key);
    assert_eq!(store.commit(commit).await, expected);
}

fn compare(model: &Model, store: &dyn Store) {
    let snapshot = store.snapshot();
    assert_eq!((snapshot.revision, store.revision()), (model.revision(), model.revision()));
    assert!(snapshot.resources.iter().eq(model.resources.values()));
    assert_eq!(store.compacted(), Revision(model.compacted));
}

async fn compare_log(model: &Model, store: &dyn Store) {
    let mut watcher = store.watch(Revision(model.compacted));
    for expected in &model.log[model.compacted as usize..] {
        assert_eq!(&watcher.next().await.unwrap(), expected);
    }
    if model.compacted > 0 {
        let refused = store.watch(Revision(model.compacted - 1)).next().await;
        let oldest = Revision(model.compacted + 1);
        assert_eq!(refused.unwrap_err(), WatchError::Compacted { oldest });
    }
}

async fn compare_history(model: &Model, store: &dyn Store) {
    let page = HistoryPage { before_seq: None, limit: 1000 };
    let found = store.history_all(page).await.unwrap();
    let found =
        found.into_iter().rev().map(|audit| (audit.key, audit.entry.id, audit.entry.record.to));
    assert_eq!(found.collect::<Vec<_>>(), model.history);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn memory_does_what_the_model_does(ops in prop::collection::vec(op(), 1..120), crashes: bool) {
        let disk = MemoryDisk::new();
        let subject = MemorySubject { disk: disk.clone(), crashes };
        let set_fault = |fault| { disk.set_fault(fault); true };
        block_on(play(&subject, ops, set_fault));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_does_what_the_model_does(ops in prop::collection::vec(op(), 1..120)) {
        block_on(play(&FileSubject::new(tight()), ops, |_| false));
    }
}
