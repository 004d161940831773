//! Jobs and reports as rows of a table: what came of sessions.

use tessera_types::{Job, Kind, Object, Report, Timestamp};

use super::Detail;
use super::timed::{first_cells, first_columns, score, status, time};
use crate::moment::age;
use crate::style::{Tone, printable, told};
use crate::table::{Cell, Column};

/// The columns of jobs.
pub(super) fn job_columns(detail: Detail) -> Vec<Column> {
    let mut columns = first_columns::<Job>(detail);
    columns.extend(["STATUS", "OWNER", "PHASE", "TRY", "SCORE", "AGE"].map(Column::new));
    if detail.wide {
        columns.extend(["DEADLINE", "WORKLOAD", "DEFINITION"].map(Column::new));
    }
    columns.push(Column::flexible("WAITING FOR"));
    columns
}

/// A job as a row of [`job_columns`].
pub(super) fn job_row(job: &Object<Job>, detail: Detail, now: Timestamp) -> Vec<Cell> {
    let (observed, result) = (&job.observed, job.observed.result.as_ref());
    let mut row = first_cells(job, detail);
    row.extend([
        status(job),
        owner(job).into(),
        job.spec.phase.as_ref().map_or("-", |phase| phase.as_str()).into(),
        job.spec.attempt.to_string().into(),
        score(result.and_then(|it| it.score), result.and_then(|it| it.max_score), None),
        age(job.created_at, now).into(),
    ]);
    if detail.wide {
        let definition = observed.definition.as_ref();
        row.extend([
            time(observed.deadline, detail, now),
            observed.workload.as_ref().map_or("-", |name| name.as_str()).into(),
            definition.map_or_else(|| "-".to_owned(), ToString::to_string).into(),
        ]);
    }
    row.push(waits_or(job, observed.message.as_deref()).into());
    row
}

/// The columns of reports.
pub(super) fn report_columns(detail: Detail) -> Vec<Column> {
    let mut columns = first_columns::<Report>(detail);
    columns.extend(["STATUS", "OWNER", "SCORE", "PASSED", "MADE"].map(Column::new));
    if detail.wide {
        columns.extend(["MADE OF", "DEFINITION"].map(Column::new));
    }
    columns.push(Column::flexible("WAITING FOR"));
    columns
}

/// A report as a row of [`report_columns`].
pub(super) fn report_row(report: &Object<Report>, detail: Detail, now: Timestamp) -> Vec<Cell> {
    let observed = &report.observed;
    let mut row = first_cells(report, detail);
    row.extend([
        status(report),
        owner(report).into(),
        score(observed.score, observed.max_score, observed.passed),
        passed(observed.passed),
        time(observed.made_at, detail, now),
    ]);
    if detail.wide {
        let of: Vec<_> = observed.items.iter().map(|item| item.of.as_str()).collect();
        let definition = observed.definition.as_ref();
        row.extend([
            if of.is_empty() { "-".to_owned() } else { printable(&of.join(",")) }.into(),
            definition.map_or_else(|| "-".to_owned(), ToString::to_string).into(),
        ]);
    }
    row.push(waits_or(report, None).into());
    row
}

fn owner<K: Kind>(object: &Object<K>) -> String {
    object.owner.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn passed(passed: Option<bool>) -> Cell {
    match passed {
        None => "-".into(),
        Some(true) => Cell::toned("yes", Tone::Good),
        Some(false) => Cell::toned("no", Tone::Bad),
    }
}

/// What it waits for, or else what went wrong.
fn waits_or<K: Kind>(object: &Object<K>, trouble: Option<&str>) -> String {
    let waiting = object.waiting_for.as_ref().map(|waiting| waiting.message.as_str());
    told(waiting.or(trouble).unwrap_or_default())
}
