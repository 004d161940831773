//! The tables, and the marks by which a file is known.

use crate::sqlite::file::Format;

/// Journals of Tessera: `TESJ`.
pub(super) const FORMAT: Format =
    Format { application_id: 0x5445_534A, version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE job (
        number INTEGER PRIMARY KEY,
        key TEXT UNIQUE,
        text TEXT,
        body TEXT NOT NULL
    );

    CREATE TABLE state (
        job INTEGER PRIMARY KEY,
        ended_at INTEGER,
        body TEXT NOT NULL
    );
    CREATE INDEX state_by_end ON state (ended_at) WHERE ended_at IS NOT NULL;

    CREATE TABLE outcome (
        job INTEGER PRIMARY KEY,
        body TEXT NOT NULL
    );

    CREATE TABLE entry (
        place INTEGER PRIMARY KEY,
        job INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        body TEXT NOT NULL
    );
    CREATE UNIQUE INDEX entry_of_job ON entry (job, seq);

    CREATE TABLE event (
        place INTEGER PRIMARY KEY,
        job INTEGER NOT NULL,
        number INTEGER NOT NULL,
        standing INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        at INTEGER NOT NULL,
        note TEXT,
        body TEXT NOT NULL
    );
    CREATE UNIQUE INDEX event_of_job ON event (job, number);
    CREATE INDEX event_open ON event (job, number) WHERE standing != 1;

    CREATE TABLE text (
        hash TEXT PRIMARY KEY,
        body TEXT NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE forgotten (
        job INTEGER PRIMARY KEY
    );
";
