//! Connections to a database of ours, and the length of its write-ahead log.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, OpenFlags};

use crate::engine::backend::Fault;

/// The write-ahead log is copied into the file when it has grown by so many
/// pages (16 MiB): commits wait meanwhile.
const WAL_PAGES: u64 = 4096;

/// When it is so long, the readers that keep it from beginning anew are waited
/// for.
const WAL_PAGES_LONG: u64 = 4 * WAL_PAGES;

/// A write-ahead log that begins anew gives back what it has beyond this.
const WAL_BYTES_KEPT: u64 = 16 << 20;

/// How long another program that looks into the file is waited for.
const BUSY: Duration = Duration::from_millis(500);

/// How long the write-ahead log of a connection is.
pub(crate) struct WriteAheadLog {
    pages: Arc<AtomicU64>,
    /// The length at which it is tidied next.
    tidy_at_pages: u64,
}

/// A connection that commits, each time waiting for the disk.
pub(crate) fn to_write(
    path: &Path,
    file_bytes_max: Option<u64>,
) -> rusqlite::Result<(Connection, WriteAheadLog)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA journal_size_limit = {WAL_BYTES_KEPT};
         PRAGMA cache_size = -65536;
         PRAGMA trusted_schema = OFF;"
    ))?;
    if let Some(bytes) = file_bytes_max {
        let page: u64 = connection
            .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?
            .cast_unsigned();
        connection.execute_batch(&format!("PRAGMA max_page_count = {}", (bytes / page).max(1)))?;
    }
    let pages = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&pages);
    // The hook takes the place of SQLite's own automatic checkpoint.
    connection.wal_hook(Some(move |_: &mut Wal, pages: std::ffi::c_int| {
        counted.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok((connection, WriteAheadLog { pages, tidy_at_pages: WAL_PAGES }))
}

/// A connection that only reads.
pub(crate) fn to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(
        "PRAGMA query_only = ON;
         PRAGMA cache_size = -1024;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(connection)
}

/// Runs `work` in a transaction that does not wait for the disk.
pub(crate) fn relaxed<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    let result = in_transaction(connection, work);
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    result
}

/// Runs `work` in a transaction.
pub(crate) fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.unchecked_transaction()?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

impl WriteAheadLog {
    /// Whether it is long enough to be copied into the file.
    pub(crate) fn needs_tidying(&self) -> bool {
        self.pages.load(Ordering::Relaxed) >= self.tidy_at_pages
    }

    /// Copies it into the file.
    pub(crate) fn tidy(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let pages = self.pages.load(Ordering::Relaxed);
        let mode =
            if pages >= WAL_PAGES_LONG { CheckpointMode::RESTART } else { CheckpointMode::PASSIVE };
        self.tidy_at_pages = pages + WAL_PAGES;
        match connection.wal_checkpoint_v2(rusqlite::DEFAULT_NAME, mode) {
            Ok((pages, copied)) if pages == copied => {
                // Complete: the next transaction begins the log anew.
                self.pages.store(0, Ordering::Relaxed);
                self.tidy_at_pages = WAL_PAGES;
                Ok(())
            }
            Ok(_) => Ok(()),
            // Another program reads; the next round may succeed.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Copies all of it, before the connection is closed.
    pub(crate) fn close(&self, connection: &Connection) {
        // If it fails, the next start does it.
        let _ = connection.wal_checkpoint_v2(rusqlite::DEFAULT_NAME, CheckpointMode::TRUNCATE);
    }
}
