//! The reading side: history and old commits are read while commits are made.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tessera_types::{Committed, ResourceKey, Revision};

use crate::contract::{AuditEntry, BoxFuture, HistoryPage};
use crate::engine::backend::{Fault, Reader};
use crate::error::OpenError;
use crate::sqlite::questions::Questions;
use crate::sqlite::{log, rows};

/// Commits in one page of the log.
const PAGE_COMMITS: usize = 256;

/// The reading side of a store in a file. Clones share a thread.
#[derive(Clone)]
pub(super) struct SqliteReader(Questions);

impl SqliteReader {
    /// Starts reading from the database at `path`, which the writer has open.
    pub(super) fn start(path: &Path) -> Result<Self, OpenError> {
        Questions::start(path).map(Self)
    }

    /// Ends the reading, when all that was asked is answered.
    pub(super) fn stop(&self) {
        self.0.stop();
    }
}

impl Reader for SqliteReader {
    fn log(&self, after: Revision) -> BoxFuture<'static, Result<Vec<Arc<Committed>>, Fault>> {
        self.0.ask(move |connection| {
            // One transaction, so that the entries and the declared parts that
            // they refer to are of the same moment.
            let transaction = connection.unchecked_transaction()?;
            let page = log::page(&transaction, after, PAGE_COMMITS, &HashMap::new())?;
            Ok(page.iter().map(|(entry, _)| Arc::new(entry.committed())).collect())
        })
    }

    fn history(
        &self,
        key: Option<ResourceKey>,
        page: HistoryPage,
    ) -> BoxFuture<'_, Result<Vec<AuditEntry>, Fault>> {
        self.0.ask(move |connection| rows::history(connection, key.as_ref(), page))
    }

    fn disk_bytes(&self) -> u64 {
        self.0.disk_bytes()
    }
}
