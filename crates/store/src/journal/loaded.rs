//! What a start begins with: how every job stands, and which events are not sent.

use rusqlite::{Connection, Params, Statement};
use tessera_types::Timestamp;

use crate::engine::backend::Fault;
use crate::journal::change::{JobNumber, Standing};
use crate::journal::tables::number;
use crate::sqlite::connection;

/// What a start begins with.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Every job, in the order of their numbers.
    pub jobs: Vec<LoadedJob>,
    /// Every event that is not delivered, by job and number.
    pub events: Vec<OpenEvent>,
    /// The number of the next job.
    pub next_job: JobNumber,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedJob {
    /// Its number.
    pub number: JobNumber,
    /// Its state.
    pub state: String,
}

/// An event that is not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenEvent {
    /// Its job.
    pub job: JobNumber,
    /// Its number.
    pub number: u64,
    /// How it stands.
    pub standing: Standing,
    /// How often it was sent without success.
    pub attempts: u32,
    /// When it is sent next; when it was given up, if it was.
    pub at: Timestamp,
}

pub(super) fn load(connection: &Connection) -> Result<Loaded, Fault> {
    connection::relaxed(connection, |connection| {
        // Texts are few, and which of them are still referred to is only found out by
        // looking at every job, as this does anyway.
        connection.execute(
            "DELETE FROM text WHERE hash NOT IN
             (SELECT DISTINCT text FROM job WHERE text IS NOT NULL)",
            [],
        )?;
        Ok(())
    })?;
    let jobs = jobs(connection)?;
    let last: Option<i64> = connection.query_row(
        "SELECT max(number) FROM (SELECT max(number) AS number FROM job
         UNION SELECT max(job) FROM forgotten)",
        [],
        |row| row.get(0),
    )?;
    let next_job = JobNumber(last.unwrap_or(0).cast_unsigned()).next();
    Ok(Loaded { jobs, events: events(connection)?, next_job })
}

fn jobs(connection: &Connection) -> Result<Vec<LoadedJob>, Fault> {
    let missing: i64 = connection.query_row(
        "SELECT count(*) FROM job LEFT JOIN state ON job = number WHERE job IS NULL",
        [],
        |row| row.get(0),
    )?;
    if missing > 0 {
        return Err(Fault::Damaged(format!("{missing} jobs have no state")));
    }
    let mut statement = connection.prepare("SELECT job, body FROM state ORDER BY job")?;
    let rows = statement.query_map([], |row| {
        let number = JobNumber(row.get::<_, i64>(0)?.cast_unsigned());
        Ok(LoadedJob { number, state: row.get(1)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn events(connection: &Connection) -> Result<Vec<OpenEvent>, Fault> {
    let statement = connection.prepare(
        "SELECT job, number, standing, attempts, at FROM event
         WHERE standing != 1 AND job IN (SELECT number FROM job) ORDER BY job, number",
    )?;
    open_events(statement, [])
}

/// The events of a job that are not delivered.
pub(super) fn events_of(connection: &Connection, job: JobNumber) -> Result<Vec<OpenEvent>, Fault> {
    let statement = connection.prepare(
        "SELECT job, number, standing, attempts, at FROM event
         WHERE standing != 1 AND job = ? ORDER BY number",
    )?;
    open_events(statement, [number(job)])
}

fn open_events(mut statement: Statement<'_>, values: impl Params) -> Result<Vec<OpenEvent>, Fault> {
    let mut rows = statement.query(values)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(OpenEvent {
            job: JobNumber(row.get::<_, i64>(0)?.cast_unsigned()),
            number: row.get::<_, i64>(1)?.cast_unsigned(),
            standing: Standing::of(row.get(2)?)?,
            attempts: row.get(3)?,
            at: Timestamp::from_micros(row.get(4)?),
        });
    }
    Ok(events)
}
