//! The committing side: one connection, used by one thread.
//!
//! The one idea: a batch of commits is a transaction that waits for the disk
//! (`synchronous=FULL`). Everything else follows from the log, so its
//! transactions do not wait (`NORMAL`): the write-ahead log keeps them in order,
//! and a crash loses at most the last of them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};
use tessera_types::{Revision, Timestamp, Uid};

use crate::engine::backend::{Backend, Fault, LogEntry, LogRow, Meta, Step, UsedKey, Versioned};
use crate::error::OpenError;
use crate::options::Options;
use crate::sqlite::connection::{self, WriteAheadLog};
use crate::sqlite::fault::{damaged, explain};
use crate::sqlite::file::{self, Lock};
use crate::sqlite::reader::SqliteReader;
use crate::sqlite::schema::FORMAT;
use crate::sqlite::text::Text;
use crate::sqlite::{load, log, rows};

/// The committing side of a store in a file.
pub(super) struct SqliteBackend {
    connection: Connection,
    reader: SqliteReader,
    /// Whether a batch is under way.
    in_batch: bool,
    /// Whether the file is marked as one of an older version, which it is until something
    /// is written to it.
    is_older: bool,
    text: Text,
    wal: WriteAheadLog,
    /// Released last, when the connections are closed.
    _lock: Lock,
}

impl SqliteBackend {
    /// Takes the file at `path`, or makes it.
    pub(super) fn open(path: &Path, options: &Options) -> Result<(Self, SqliteReader), OpenError> {
        let lock = Lock::take(path)?;
        let is_older = file::prepare(path, &FORMAT)? < FORMAT.version;
        let (connection, wal) = connection::to_write(path, options.file_bytes_max)
            .map_err(|error| explain(path, error.into()))?;
        let reader = SqliteReader::start(path)?;
        let own_reader = reader.clone();
        let backend = Self {
            connection,
            reader: own_reader,
            in_batch: false,
            is_older,
            text: Text::default(),
            wal,
            _lock: lock,
        };
        Ok((backend, reader))
    }

    /// Marks the file as one of this version: older releases cannot read what is written now.
    /// They look for the mark in the file itself, not in its write-ahead log.
    fn mark(&mut self) -> Result<(), Fault> {
        if self.is_older {
            self.connection.pragma_update(None, "user_version", FORMAT.version)?;
            self.wal.tidy(&self.connection)?;
            self.is_older = false;
        }
        Ok(())
    }

    fn relaxed<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.mark()?;
        connection::relaxed(&self.connection, work)
    }
}

impl Backend for SqliteBackend {
    fn load(&mut self, found: &mut dyn FnMut(Versioned)) -> Result<Meta, Fault> {
        load::objects(&self.connection, found)?;
        rows::meta(&self.connection)
    }

    fn log_after(
        &mut self,
        after: Revision,
        commits_max: usize,
        known: &HashMap<Uid, Versioned>,
    ) -> Result<Vec<(LogEntry, u64)>, Fault> {
        log::page(&self.connection, after, commits_max, known)
    }

    fn append(&mut self, entry: &Arc<LogEntry>) -> Result<u64, Fault> {
        if !self.in_batch {
            self.mark()?;
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.in_batch = true;
        }
        log::insert(&self.connection, entry, &mut self.text)
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
        self.wal.needs_tidying()
    }

    fn tidy(&mut self) -> Result<(), Fault> {
        Ok(self.wal.tidy(&self.connection)?)
    }

    fn close(&mut self) {
        self.reader.stop();
        self.abandon();
        self.wal.close(&self.connection);
    }
}

impl Drop for SqliteBackend {
    fn drop(&mut self) {
        self.reader.stop();
    }
}
