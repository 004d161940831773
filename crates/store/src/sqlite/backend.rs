//! The committing side: one connection, used by one thread.
//!
//! The one idea: a batch of commits is a transaction that waits for the disk
//! (`synchronous=FULL`). Everything else follows from the log, so its
//! transactions do not wait (`NORMAL`): the write-ahead log keeps them in order,
//! and a crash loses at most the last of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, OpenFlags, params};
use tessera_types::{Revision, Timestamp};

use crate::engine::backend::{Backend, Fault, LogEntry, LogRow, Meta, Step, UsedKey, Versioned};
use crate::error::OpenError;
use crate::options::Options;
use crate::sqlite::fault::{damaged, explain};
use crate::sqlite::file::{self, Lock};
use crate::sqlite::reader::SqliteReader;
use crate::sqlite::{log, rows};

/// The write-ahead log is copied into the file when it has grown by so many
/// pages (4 MiB).
const WAL_PAGES: u64 = 1024;

/// When it is so long, the readers that keep it from beginning anew are waited
/// for.
const WAL_PAGES_LONG: u64 = 16 * WAL_PAGES;

/// A write-ahead log that begins anew gives back what it has beyond this.
const WAL_BYTES_KEPT: u64 = 16 << 20;

/// How long another program that looks into the file is waited for.
const BUSY: Duration = Duration::from_millis(500);

/// The committing side of a store in a file.
pub(super) struct SqliteBackend {
    connection: Connection,
    reader: SqliteReader,
    /// Whether a batch is under way.
    in_batch: bool,
    wal_pages: Arc<AtomicU64>,
    /// The length of the write-ahead log at which it is tidied next.
    tidy_at_pages: u64,
    /// Released last, when the connections are closed.
    _lock: Lock,
}

impl SqliteBackend {
    /// Takes the file at `path`, or makes it.
    pub(super) fn open(path: &Path, options: &Options) -> Result<(Self, SqliteReader), OpenError> {
        let lock = Lock::take(path)?;
        file::prepare(path)?;
        let wal_pages = Arc::new(AtomicU64::new(0));
        let connection = connect(path, options, Arc::clone(&wal_pages))
            .map_err(|error| explain(path, error.into()))?;
        let reader = SqliteReader::start(path)?;
        let backend = Self {
            connection,
            reader: reader.clone(),
            in_batch: false,
            wal_pages,
            tidy_at_pages: WAL_PAGES,
            _lock: lock,
        };
        Ok((backend, reader))
    }

    /// Runs `work` in a transaction that does not wait for the disk.
    fn relaxed<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        self.connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        let result = self.in_transaction(work);
        self.connection.execute_batch("PRAGMA synchronous = FULL")?;
        result
    }

    fn in_transaction<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let transaction = self.connection.unchecked_transaction()?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

fn connect(
    path: &Path,
    options: &Options,
    wal_pages: Arc<AtomicU64>,
) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA journal_size_limit = {WAL_BYTES_KEPT};
         PRAGMA cache_size = -4096;
         PRAGMA trusted_schema = OFF;"
    ))?;
    if let Some(bytes) = options.file_bytes_max {
        let page: u64 = connection
            .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?
            .cast_unsigned();
        connection.execute_batch(&format!("PRAGMA max_page_count = {}", (bytes / page).max(1)))?;
    }
    // The hook takes the place of SQLite's own automatic checkpoint.
    connection.wal_hook(Some(move |_: &mut Wal, pages: std::ffi::c_int| {
        wal_pages.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(connection)
}

impl Backend for SqliteBackend {
    fn load(&mut self, found: &mut dyn FnMut(Versioned)) -> Result<Meta, Fault> {
        rows::objects(&self.connection, found)?;
        rows::meta(&self.connection)
    }

    fn log_after(
        &mut self,
        after: Revision,
        commits_max: usize,
    ) -> Result<Vec<(LogEntry, u64)>, Fault> {
        log::page(&self.connection, after, commits_max)
    }

    fn append(&mut self, entry: &Arc<LogEntry>) -> Result<u64, Fault> {
        if !self.in_batch {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.in_batch = true;
        }
        log::insert(&self.connection, entry)
    }

    fn seal(&mut self) -> Result<(), Fault> {
        let result = self.connection.execute_batch("COMMIT");
        self.abandon();
        Ok(result?)
    }

    fn abandon(&mut self) {
        self.in_batch = false;
        // Some failures end the transaction by themselves.
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn used_key(&mut self, key: &str) -> Result<Option<UsedKey>, Fault> {
        rows::used_key(&self.connection, key)
    }

    fn checkpoint(&mut self, step: &Step) -> Result<(), Fault> {
        self.relaxed(|connection| {
            rows::put_objects(connection, step)?;
            rows::put_transitions(connection, step)?;
            rows::put_keys(connection, step)?;
            step.meta.iter().try_for_each(|meta| rows::put_meta(connection, meta))
        })
    }

    fn oldest_log(&mut self, up_to: Revision, rows_max: usize) -> Result<Vec<LogRow>, Fault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT revision, at, bytes FROM commit_log WHERE revision <= ? ORDER BY revision LIMIT ?",
        )?;
        let rows = statement.query_map(params![up_to.0.cast_signed(), rows_max as i64], |row| {
            Ok(LogRow {
                revision: Revision(row.get::<_, i64>(0)?.cast_unsigned()),
                at: Timestamp::from_micros(row.get(1)?),
                bytes: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn drop_log(&mut self, meta: &Meta) -> Result<(), Fault> {
        let up_to = meta.compacted.0.cast_signed();
        self.relaxed(|connection| {
            let mut drop_declared =
                connection.prepare_cached("DELETE FROM declared WHERE id = ? AND revision = ?")?;
            let mut statement =
                connection.prepare_cached("SELECT body FROM commit_log WHERE revision <= ?")?;
            let mut rows = statement.query([up_to])?;
            while let Some(row) = rows.next()? {
                let body = row.get_ref(0)?.as_str().map_err(|error| damaged("the log", error))?;
                for (id, revision) in
                    log::superseded(body).map_err(|error| damaged("the log", error))?
                {
                    drop_declared.execute([id.0.cast_signed(), revision.0.cast_signed()])?;
                }
            }
            connection
                .prepare_cached("DELETE FROM commit_log WHERE revision <= ?")?
                .execute([up_to])?;
            rows::put_meta(connection, meta)
        })
    }

    fn drop_transitions(&mut self, before: Timestamp, rows_max: usize) -> Result<usize, Fault> {
        // The order is that of the rows, so the search ends at the first that is
        // young enough to stay.
        let last: Option<i64> = self
            .connection
            .prepare_cached("SELECT seq, at FROM transition ORDER BY seq LIMIT ?")?
            .query_map([rows_max as i64], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?
            .take_while(|row| row.as_ref().map_or(true, |(_, at)| *at < before.as_micros()))
            .last()
            .transpose()?
            .map(|(seq, _)| seq);
        let Some(last) = last else { return Ok(0) };
        self.relaxed(|connection| {
            Ok(connection
                .prepare_cached("DELETE FROM transition WHERE seq <= ?")?
                .execute([last])?)
        })
    }

    fn drop_keys(&mut self, before: Timestamp, rows_max: usize) -> Result<usize, Fault> {
        let oldest: Option<i64> = self
            .connection
            .prepare_cached("SELECT min(at) FROM idempotency")?
            .query_row([], |row| row.get(0))?;
        if oldest.is_none_or(|oldest| oldest >= before.as_micros()) {
            return Ok(0);
        }
        self.relaxed(|connection| {
            let mut statement = connection.prepare_cached(
                "DELETE FROM idempotency WHERE key IN
                 (SELECT key FROM idempotency WHERE at < ? ORDER BY at LIMIT ?)",
            )?;
            Ok(statement.execute(params![before.as_micros(), rows_max as i64])?)
        })
    }

    fn needs_tidying(&self) -> bool {
        self.wal_pages.load(Ordering::Relaxed) >= self.tidy_at_pages
    }

    fn tidy(&mut self) -> Result<(), Fault> {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        let mode =
            if pages >= WAL_PAGES_LONG { CheckpointMode::RESTART } else { CheckpointMode::PASSIVE };
        self.tidy_at_pages = pages + WAL_PAGES;
        match self.connection.wal_checkpoint_v2(rusqlite::DEFAULT_NAME, mode) {
            Ok((pages, copied)) if pages == copied => {
                // Complete: the next transaction begins the log anew.
                self.wal_pages.store(0, Ordering::Relaxed);
                self.tidy_at_pages = WAL_PAGES;
                Ok(())
            }
            Ok(_) => Ok(()),
            // Another program reads; the next round may succeed.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn close(&mut self) {
        self.reader.stop();
        self.abandon();
        // If it fails, the next start does it.
        let _ = self.connection.wal_checkpoint_v2(rusqlite::DEFAULT_NAME, CheckpointMode::TRUNCATE);
    }
}

impl Drop for SqliteBackend {
    fn drop(&mut self) {
        self.reader.stop();
    }
}
