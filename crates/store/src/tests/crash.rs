//! Crashes: what was acknowledged is there afterwards, and nothing is half there.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use proptest::prelude::*;
use tessera_types::{Committed, Resource, ResourceKey, Revision, Timestamp};

use super::{block_on, open, tight};
use crate::conformance::sample;
use crate::contract::{Commit, HistoryPage, Store};
use crate::{no_observer, sqlite};

/// Tells the child which file to use.
const CHILD_PATH: &str = "TESSERA_STORE_CRASH_TEST";

/// Commits of one recording.
const COMMITS: usize = 60;

/// A history of commits, with the files as they were at its end.
struct Recording {
    committed: Vec<Arc<Committed>>,
    /// The length of the write-ahead log when each was acknowledged.
    acknowledged_at: Vec<u64>,
    database: Vec<u8>,
    wal: Vec<u8>,
}

/// Commits so little that everything is still in the write-ahead log: then each
/// prefix of that is what a loss of power at some moment leaves.
fn record() -> Recording {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path);
    let wal = wal_of(&path);
    let (mut committed, mut acknowledged_at) = (Vec::new(), Vec::new());
    for i in 0..COMMITS {
        let write = next_write(&store, i);
        let outcome = block_on(store.commit(Commit::new(vec![write], sample::NOW))).unwrap();
        committed.push(outcome.committed);
        acknowledged_at.push(fs::metadata(&wal).unwrap().len());
    }
    let recording = Recording {
        committed,
        acknowledged_at,
        database: fs::read(&path).unwrap(),
        wal: fs::read(&wal).unwrap(),
    };
    block_on(store.close());
    recording
}

fn next_write(store: &dyn Store, i: usize) -> tessera_types::Write {
    let name = format!("w-{}", i % 5);
    match store.get(&sample::key(&name)) {
        None => sample::create(&name),
        Some(found) if i.is_multiple_of(11) => sample::delete(&found, sample::NOW),
        Some(found) if i.is_multiple_of(3) => sample::declare(&found, &i.to_string()),
        Some(found) => sample::advance(&found, sample::NOW),
    }
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// The state after the first `count` commits.
fn state_after(committed: &[Arc<Committed>], count: usize) -> Vec<Resource> {
    let mut state = std::collections::BTreeMap::<ResourceKey, Resource>::new();
    for change in committed[..count].iter().flat_map(|committed| &committed.changes) {
        match &change.after {
            Some(after) => state.insert(change.key.clone(), after.clone()),
            None => state.remove(&change.key),
        };
    }
    state.into_values().collect()
}

/// Opens what is left when the write-ahead log ends after `cut` bytes.
fn check_cut(recording: &Recording, cut: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    fs::write(&path, &recording.database).unwrap();
    fs::write(wal_of(&path), &recording.wal[..cut]).unwrap();
    let store = open(&path);
    let snapshot = store.snapshot();
    let count = snapshot.revision.0 as usize;
    let acknowledged = recording.acknowledged_at.iter().filter(|end| **end <= cut as u64).count();
    assert!(count >= acknowledged, "{acknowledged} were acknowledged, {count} are there");
    assert_eq!(snapshot.resources, state_after(&recording.committed, count));
    block_on(async {
        let mut watcher = store.watch(Revision::ZERO);
        for expected in &recording.committed[..count] {
            assert_eq!(&watcher.next().await.unwrap(), expected);
        }
        let page = HistoryPage { before_seq: None, limit: 1000 };
        let history = store.history_all(page).await.unwrap();
        let seqs: Vec<u64> = history.iter().rev().map(|audit| audit.entry.seq).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
        store.close().await;
    });
}

#[test]
fn a_loss_of_power_at_any_byte_leaves_a_prefix_with_all_that_was_acknowledged() {
    let recording = record();
    let cuts = 0..=recording.wal.len();
    let config =
        ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(cut in cuts)| check_cut(&recording, cut));
    for end in &recording.acknowledged_at {
        check_cut(&recording, *end as usize);
    }
}

/// Not a test: the process that the next test kills. It commits from several
/// tasks, and prints each commit when it is acknowledged.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_PATH) else { return };
    let options = crate::Options {
        log_commits_min: 100,
        log_age_min: tessera_types::Duration::ZERO,
        ..tight()
    };
    let store = sqlite::open(Path::new(&path), options, no_observer()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let begin = store.revision().0;
    let writers = (0..8).map(|writer| runtime.spawn(commit_for_ever(store.clone(), begin, writer)));
    for writer in writers.collect::<Vec<_>>() {
        runtime.block_on(writer).unwrap();
    }
}

async fn commit_for_ever(store: crate::EmbeddedStore, begin: u64, writer: u64) {
    for i in 0.. {
        let name = format!("w-{begin}-{writer}-{i}");
        let at = Timestamp::from_micros(sample::NOW.as_micros() + i);
        let outcome = store.commit(Commit::new(vec![sample::create(&name)], at)).await.unwrap();
        // One write per line, so that a line is never half there.
        let line = format!("acknowledged {} {name}\n", outcome.committed.revision);
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

fn start_child(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["tests::crash::child_that_commits_until_it_is_killed", "--exact", "--nocapture"])
        .env(CHILD_PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_process_has_kept_all_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for lines in [1, 40, 333, 700] {
        let mut child = start_child(&path);
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let parse = |line: String| {
            let (revision, name) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
            Some((revision.parse().unwrap(), name.to_owned()))
        };
        let before = acknowledged.len();
        while acknowledged.len() < before + lines {
            acknowledged.extend(
                output.next().expect("the child runs until it is killed").map(parse).unwrap(),
            );
        }
        child.kill().unwrap();
        // What it had acknowledged and was still on its way to us.
        acknowledged.extend(output.map_while(Result::ok).filter_map(parse));
        child.wait().unwrap();
        check_all(&path, &acknowledged);
    }
}

fn check_all(path: &Path, acknowledged: &[(u64, String)]) {
    let store = open(path);
    for (revision, name) in acknowledged {
        let found = store.get(&sample::key(name)).unwrap_or_else(|| panic!("{name} is lost"));
        assert_eq!(found.revision(), Revision(*revision), "{name}");
    }
    let ids: std::collections::HashSet<_> =
        store.snapshot().resources.iter().map(Resource::id).collect();
    assert_eq!(ids.len() as u64, store.revision().0);
    block_on(store.close());
}
