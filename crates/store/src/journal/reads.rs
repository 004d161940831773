//! What is read when somebody asks for it, while commits are made.

use rusqlite::{Connection, OptionalExtension, params};
use tessera_types::Timestamp;

use crate::engine::backend::Fault;
use crate::journal::change::{JobNumber, JournalError, Standing};
use crate::journal::tables::number;
use crate::journal::{Journal, OpenEvent, loaded};

/// What is stored of a job besides its entries and events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJob {
    /// What was submitted.
    pub body: String,
    /// The text that it refers to.
    pub text: Option<String>,
    /// How it stands.
    pub state: String,
    /// What came of it, if anything has.
    pub outcome: Option<String>,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The event.
    pub body: String,
    /// How it stands.
    pub standing: Standing,
    /// How often it was sent without success.
    pub attempts: u32,
    /// When it is sent next; when it was decided, if it is not sent again.
    pub at: Timestamp,
    /// What went wrong last.
    pub note: Option<String>,
}

impl Journal {
    /// A job.
    ///
    /// # Errors
    /// [`JournalError`], when the file cannot be read.
    pub async fn job(&self, job: JobNumber) -> Result<Option<StoredJob>, JournalError> {
        Ok(self.questions.ask(move |connection| stored_job(connection, job)).await?)
    }

    /// The job that has an idempotency key.
    ///
    /// # Errors
    /// [`JournalError`], when the file cannot be read.
    pub async fn job_of_key(&self, key: &str) -> Result<Option<JobNumber>, JournalError> {
        let key = key.to_owned();
        let found = self.questions.ask(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT number FROM job WHERE key = ?")?;
            Ok(statement.query_row([key], |row| row.get::<_, i64>(0)).optional()?)
        });
        Ok(found.await?.map(|number| JobNumber(number.cast_unsigned())))
    }

    /// The entries of a job from number `from` on, at most `entries_max`, in their order.
    ///
    /// # Errors
    /// [`JournalError`], when the file cannot be read.
    pub async fn entries(
        &self,
        job: JobNumber,
        from: u64,
        entries_max: usize,
    ) -> Result<Vec<(u64, String)>, JournalError> {
        let entries = self.questions.ask(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, body FROM entry WHERE job = ? AND seq >= ? ORDER BY seq LIMIT ?",
            )?;
            let rows = statement
                .query_map(params![number(job), from.cast_signed(), entries_max as i64], |row| {
                    Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
                })?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        Ok(entries.await?)
    }

    /// The events of a job that are not delivered, in their order.
    ///
    /// # Errors
    /// [`JournalError`], when the file cannot be read.
    pub async fn open_events(&self, job: JobNumber) -> Result<Vec<OpenEvent>, JournalError> {
        Ok(self.questions.ask(move |connection| loaded::events_of(connection, job)).await?)
    }

    /// An event of a job.
    ///
    /// # Errors
    /// [`JournalError`], when the file cannot be read.
    pub async fn event(
        &self,
        job: JobNumber,
        event: u64,
    ) -> Result<Option<StoredEvent>, JournalError> {
        Ok(self.questions.ask(move |connection| stored_event(connection, job, event)).await?)
    }
}

fn stored_job(connection: &Connection, job: JobNumber) -> Result<Option<StoredJob>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT job.body, text.body, state.body, outcome.body FROM job
         JOIN state ON state.job = job.number
         LEFT JOIN text ON text.hash = job.text
         LEFT JOIN outcome ON outcome.job = job.number
         WHERE job.number = ?",
    )?;
    let found = statement.query_row([number(job)], |row| {
        Ok(StoredJob {
            body: row.get(0)?,
            text: row.get(1)?,
            state: row.get(2)?,
            outcome: row.get(3)?,
        })
    });
    Ok(found.optional()?)
}

fn stored_event(
    connection: &Connection,
    job: JobNumber,
    event: u64,
) -> Result<Option<StoredEvent>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT standing, attempts, at, note, body FROM event WHERE job = ? AND number = ?",
    )?;
    let mut rows = statement.query(params![number(job), event.cast_signed()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(StoredEvent {
        standing: Standing::of(row.get(0)?)?,
        attempts: row.get(1)?,
        at: Timestamp::from_micros(row.get(2)?),
        note: row.get(3)?,
        body: row.get(4)?,
    }))
}
