//! Changes as statements.
//!
//! The one idea: a statement that finds something else than it was meant for is a
//! refusal of its commit, and undoes nobody else's.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Params, params};
use tessera_types::Timestamp;

use crate::engine::backend::Fault;
use crate::journal::change::{Change, JobNumber, JournalError, NewJob, Standing};

/// Why a change was not made: it cannot be, or nothing can.
pub(super) enum Obstacle {
    Refused(JournalError),
    Fault(Fault),
}

impl From<rusqlite::Error> for Obstacle {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// Makes all of `changes` within the transaction under way.
pub(super) fn apply(connection: &Connection, changes: &[Change]) -> Result<(), Obstacle> {
    changes.iter().try_for_each(|change| apply_one(connection, change))
}

fn apply_one(connection: &Connection, change: &Change) -> Result<(), Obstacle> {
    match change {
        Change::Keep { hash, text } => {
            let keep = "INSERT INTO text (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING";
            connection.prepare_cached(keep)?.execute(params![hash, text])?;
            Ok(())
        }
        Change::Create(job) => create(connection, job),
        Change::State { job, body, ended_at } => update(
            connection,
            "UPDATE state SET body = ?2, ended_at = ?3 WHERE job = ?1",
            params![number(*job), body, ended_at.map(Timestamp::as_micros)],
            || format!("job {job}"),
        ),
        Change::Outcome { job, body } => {
            exists(connection, *job)?;
            let put = "INSERT OR REPLACE INTO outcome (job, body) VALUES (?, ?)";
            connection.prepare_cached(put)?.execute(params![number(*job), body])?;
            Ok(())
        }
        Change::Append { job, seq, body } => {
            exists(connection, *job)?;
            insert(
                connection,
                "INSERT INTO entry (job, seq, body) VALUES (?, ?, ?)",
                params![number(*job), seq.cast_signed(), body],
                || format!("entry {seq} of job {job}"),
            )
        }
        Change::Send { job, number: event, at, body } => {
            exists(connection, *job)?;
            insert(
                connection,
                "INSERT INTO event (job, number, standing, attempts, at, body)
                 VALUES (?, ?, ?, 0, ?, ?)",
                params![
                    number(*job),
                    event.cast_signed(),
                    Standing::Pending.code(),
                    at.as_micros(),
                    body
                ],
                || format!("event {event} of job {job}"),
            )
        }
        Change::Stands { job, number: event, standing, attempts, at, note } => update(
            connection,
            "UPDATE event SET standing = ?3, attempts = ?4, at = ?5, note = ?6
             WHERE job = ?1 AND number = ?2",
            params![
                number(*job),
                event.cast_signed(),
                standing.code(),
                attempts,
                at.as_micros(),
                note
            ],
            || format!("event {event} of job {job}"),
        ),
    }
}

pub(super) fn number(job: JobNumber) -> i64 {
    job.0.cast_signed()
}

fn create(connection: &Connection, job: &NewJob) -> Result<(), Obstacle> {
    if let Some(key) = &job.key {
        let mut statement = connection.prepare_cached("SELECT number FROM job WHERE key = ?")?;
        let by = statement.query_row([key], |row| row.get::<_, i64>(0)).optional()?;
        if let Some(by) = by {
            let by = JobNumber(by.cast_unsigned());
            return Err(Obstacle::Refused(JournalError::KeyUsed { by }));
        }
    }
    insert(
        connection,
        "INSERT INTO job (number, key, text, body) VALUES (?, ?, ?, ?)",
        params![number(job.number), job.key, job.text, job.body],
        || format!("job {}", job.number),
    )?;
    connection
        .prepare_cached("INSERT INTO state (job, body) VALUES (?, ?)")?
        .execute(params![number(job.number), job.state])?;
    Ok(())
}

fn exists(connection: &Connection, job: JobNumber) -> Result<(), Obstacle> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM state WHERE job = ?")?;
    match statement.exists([number(job)])? {
        true => Ok(()),
        false => Err(Obstacle::Refused(JournalError::Unknown(format!("job {job}")))),
    }
}

fn insert(
    connection: &Connection,
    statement: &str,
    values: impl Params,
    what: impl FnOnce() -> String,
) -> Result<(), Obstacle> {
    match connection.prepare_cached(statement)?.execute(values) {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(Obstacle::Refused(JournalError::Taken(what())))
        }
        Err(error) => Err(error.into()),
    }
}

fn update(
    connection: &Connection,
    statement: &str,
    values: impl Params,
    what: impl FnOnce() -> String,
) -> Result<(), Obstacle> {
    match connection.prepare_cached(statement)?.execute(values)? {
        0 => Err(Obstacle::Refused(JournalError::Unknown(what()))),
        _ => Ok(()),
    }
}
