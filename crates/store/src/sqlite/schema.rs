//! The tables, and the marks by which a file is known.

use crate::sqlite::file::Format;

/// A store of Tessera: `TESS`. What version 1 has is read as it is: only how transitions
/// are written has changed, and the times of a state.
pub(super) const FORMAT: Format =
    Format { application_id: 0x5445_5353, version: 2, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE commit_log (
        revision INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        body TEXT NOT NULL
    );

    CREATE TABLE declared (
        id INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        kind TEXT NOT NULL,
        namespace TEXT,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (id, revision)
    ) WITHOUT ROWID;

    CREATE TABLE object (
        id INTEGER PRIMARY KEY,
        revision INTEGER NOT NULL,
        declared_at INTEGER NOT NULL,
        state TEXT NOT NULL
    );

    CREATE TABLE transition (
        seq INTEGER PRIMARY KEY,
        revision INTEGER NOT NULL,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        namespace TEXT,
        name TEXT NOT NULL,
        id INTEGER NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX transition_by_name ON transition (name, kind, namespace);

    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY,
        fingerprint INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        at INTEGER NOT NULL,
        changed TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX idempotency_by_age ON idempotency (at);
";
