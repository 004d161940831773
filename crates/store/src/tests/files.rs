//! Files that are not as they should be: one clear error, and nothing changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{block_on, open, tight};
use crate::conformance::sample;
use crate::contract::{Commit, HistoryPage, Store};
use crate::embedded::EmbeddedStore;
use crate::error::OpenError;
use crate::{no_observer, sqlite};

fn in_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

/// A closed store with something in it.
fn with_store() -> (TempDir, PathBuf) {
    let (folder, path) = in_folder();
    let store = open(&path);
    for name in ["a", "b", "c"] {
        block_on(store.commit(Commit::new(vec![sample::create(name)], sample::NOW))).unwrap();
    }
    block_on(store.close());
    (folder, path)
}

/// The error of opening `path`, which must not have changed it.
fn refusal(path: &Path) -> OpenError {
    let before = fs::read(path).ok();
    let error = sqlite::open(path, tight(), no_observer()).unwrap_err();
    assert_eq!(fs::read(path).ok(), before);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    error
}

fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    let mut content = fs::read(path).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(path, content).unwrap();
}

#[test]
fn a_store_in_use_is_refused_and_its_user_named() {
    let (_folder, path) = in_folder();
    let store = open(&path);
    let pid = std::process::id();
    assert!(
        matches!(refusal(&path), OpenError::Locked { holder: Some(holder), .. } if holder == pid)
    );
    block_on(store.close());
    open(&path);
}

#[test]
fn a_dropped_store_lets_go_of_its_file() {
    let (_folder, path) = in_folder();
    drop(open(&path));
    let wait = std::time::Duration::from_millis(2);
    for _ in 0..5000 {
        match sqlite::open(&path, tight(), no_observer()) {
            Ok(_) => return,
            Err(OpenError::Locked { .. }) => std::thread::sleep(wait),
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the file is still locked");
}

#[test]
fn a_newer_format_is_refused() {
    let (_folder, path) = with_store();
    overwrite(&path, 60, &7u32.to_be_bytes());
    assert!(matches!(refusal(&path), OpenError::Newer { found: 7, known: 2, .. }));
}

/// Writes all transitions as version 1 did, and marks the file as one of it.
fn as_version_1(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let as_objects = |list: &str| {
        format!(
            "(SELECT json_group_array(json_object('from', value ->> 0, 'to', value ->> 1, 'at',
                  strftime('%Y-%m-%dT%H:%M:%S', (value ->> 2) / 1000000, 'unixepoch')
                  || printf('.%06dZ', (value ->> 2) % 1000000),
                  'by', value ->> 3, 'reason', value ->> 4)) FROM json_each({list}))"
        )
    };
    let history = as_objects("state -> 'state_history'");
    let one = as_objects("json_array(json(body))");
    connection
        .execute_batch(&format!(
            "UPDATE object SET state = json_set(state, '$.state_history', json({history}));
             UPDATE transition SET body = {one} -> 0;
             PRAGMA user_version = 1;"
        ))
        .unwrap();
}

fn version(path: &Path) -> u32 {
    let connection = Connection::open(path).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn a_store_of_the_first_version_is_read_and_is_of_this_one_once_it_is_written_to() {
    let (_folder, path) = with_store();
    let all = |store: &EmbeddedStore| block_on(store.history_all(HistoryPage::default())).unwrap();
    let store = open(&path);
    let (before, history) = (store.snapshot(), all(&store));
    block_on(store.close());
    as_version_1(&path);
    let store = open(&path);
    assert_eq!(store.snapshot(), before);
    assert_eq!(all(&store), history);
    assert_eq!(version(&path), 1);
    block_on(store.commit(Commit::new(vec![sample::create("d")], sample::NOW))).unwrap();
    block_on(store.close());
    assert_eq!(version(&path), 2);
    assert_eq!(all(&open(&path)).len(), history.len() + 1);
}

#[test]
fn what_is_no_store_is_refused() {
    let (_folder, path) = in_folder();
    for content in [&b"a: b\n"[..], &[0; 4096], &b"SQLite format 3\0"[..]] {
        fs::write(&path, content).unwrap();
        assert!(matches!(refusal(&path), OpenError::NotADatabase { .. }));
    }
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    assert!(matches!(refusal(&path), OpenError::NotADatabase { .. }));
}

#[test]
fn a_damaged_store_is_refused() {
    let (_folder, path) = with_store();
    let whole = fs::read(&path).unwrap();
    // The second half is missing.
    fs::write(&path, &whole[..whole.len() / 2 / 4096 * 4096]).unwrap();
    assert!(matches!(refusal(&path), OpenError::Damaged { .. }));
    // Text that is not what it was.
    for statement in [
        "UPDATE declared SET body = '{'",
        "UPDATE object SET state = '{}'",
        "DELETE FROM declared",
        "UPDATE meta SET value = 1 WHERE name = 'checkpointed'; DELETE FROM commit_log WHERE revision = 2",
        "UPDATE declared SET name = 'Not A Name'",
    ] {
        fs::write(&path, &whole).unwrap();
        Connection::open(&path).unwrap().execute_batch(statement).unwrap();
        let error = sqlite::open(&path, tight(), no_observer()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{statement}: {error}");
    }
}

#[test]
fn a_store_is_read_whole_or_refused_however_many_batches_it_has() {
    const MANY: usize = 5000;
    let (_folder, path) = in_folder();
    let store = open(&path);
    let writes = (0..MANY).map(|i| sample::create(&format!("r{i}"))).collect();
    block_on(store.commit(Commit::new(writes, sample::NOW))).unwrap();
    let before = store.snapshot();
    assert_eq!(before.resources.len(), MANY);
    block_on(store.close());
    let again = open(&path);
    assert_eq!(again.snapshot(), before);
    block_on(again.close());
    let damage = "UPDATE object SET state = '{}' WHERE id = 2500";
    Connection::open(&path).unwrap().execute_batch(damage).unwrap();
    let error = sqlite::open(&path, tight(), no_observer()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_write_ahead_log_without_its_database_is_not_overwritten() {
    let (folder, path) = in_folder();
    let wal = folder.path().join("store.db-wal");
    fs::write(&wal, "the only copy").unwrap();
    assert!(matches!(refusal(&path), OpenError::Damaged { .. }));
    assert_eq!(fs::read(&wal).unwrap(), b"the only copy");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (folder, _) = in_folder();
    let path = folder.path().join("missing").join("store.db");
    assert!(matches!(refusal(&path), OpenError::Io { .. }));
}

#[test]
fn nobody_else_may_read_the_files() {
    let (folder, path) = in_folder();
    let store = open(&path);
    block_on(store.commit(Commit::new(vec![sample::create("a")], sample::NOW))).unwrap();
    let mut names = Vec::new();
    for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal", "store.db.lock"]);
}

#[test]
fn closing_leaves_one_complete_file() {
    let (folder, path) = with_store();
    assert!(!folder.path().join("store.db-wal").exists());
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(open(&copy).snapshot(), open(&path).snapshot());
    let replayed: i64 = Connection::open(&copy)
        .unwrap()
        .query_row(
            "SELECT count(*) FROM commit_log WHERE revision >
             (SELECT value FROM meta WHERE name = 'checkpointed')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(replayed, 0);
}
