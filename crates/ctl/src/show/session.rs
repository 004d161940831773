//! Sessions and their parts as rows of a table.

use tessera_types::catalogue::Gate;
use tessera_types::{Object, Session, SessionPart, Timestamp};

use super::timed::{
    first_cells, first_columns, held, number, outcome, score, status, waiting_for, window,
};
use super::{Beside, Detail};
use crate::moment::age;
use crate::table::{Cell, Column};

/// The columns of sessions.
pub(super) fn columns(detail: Detail) -> Vec<Column> {
    let mut columns = first_columns::<Session>(detail);
    columns.extend(["STATUS", "START", "END", "PARTS", "SCORE", "OUTCOME"].map(Column::new));
    if detail.wide {
        columns.extend(["PROVISION AT", "GONE BY", "DEFINITION", "AGE"].map(Column::new));
    }
    columns.push(Column::flexible("WAITING FOR"));
    columns
}

/// A session as a row of [`columns`]. How many of its parts are over stands before
/// how many it has, where that is known.
pub(super) fn row(
    session: &Object<Session>,
    detail: Detail,
    beside: &Beside,
    now: Timestamp,
) -> Vec<Cell> {
    let observed = &session.observed;
    let definition = observed.definition.as_ref();
    let all = definition.map_or(0, |pinned| pinned.spec.parts.len());
    let parts = match beside.parts_over.get(&session.id) {
        Some(over) => format!("{over}/{all}"),
        None => all.to_string(),
    };
    let mut row = first_cells(session, detail);
    row.push(status(session));
    row.extend(window(&observed.timed, detail, now));
    row.push(parts.into());
    row.push(score(observed.score, None, observed.passed));
    row.push(outcome(&observed.timed));
    if detail.wide {
        row.extend(held(&observed.timed, detail, now));
        row.push(definition.map_or_else(|| "-".to_owned(), ToString::to_string).into());
        row.push(age(session.created_at, now).into());
    }
    row.push(waiting_for(session).into());
    row
}

/// The columns of parts.
pub(super) fn part_columns(detail: Detail) -> Vec<Column> {
    let mut columns = first_columns::<SessionPart>(detail);
    let names = ["SESSION", "ORDER", "STATUS", "START", "END", "GATE", "SCORE", "OUTCOME"];
    columns.extend(names.map(Column::new));
    if detail.wide {
        columns.extend(["PROVISION AT", "GONE BY", "DEFINITION", "AGE"].map(Column::new));
    }
    columns.push(Column::flexible("WAITING FOR"));
    columns
}

/// A part as a row of [`part_columns`]. The first is number 1.
pub(super) fn part_row(part: &Object<SessionPart>, detail: Detail, now: Timestamp) -> Vec<Cell> {
    let observed = &part.observed;
    let mut row = first_cells(part, detail);
    let owner = part.owner.as_ref().map_or("-", |owner| owner.name.as_str());
    row.extend([owner.into(), (part.spec.order + 1).to_string().into(), status(part)]);
    row.extend(window(&observed.timed, detail, now));
    row.push(gate(part).into());
    row.push(score(observed.score, None, observed.passed));
    row.push(outcome(&observed.timed));
    if detail.wide {
        row.extend(held(&observed.timed, detail, now));
        let definition = observed.definition.as_ref();
        row.push(definition.map_or_else(|| "-".to_owned(), ToString::to_string).into());
        row.push(age(part.created_at, now).into());
    }
    row.push(waiting_for(part).into());
    row
}

/// What must hold of a part before the next begins.
pub(super) fn gate(part: &Object<SessionPart>) -> String {
    match part.spec.gate {
        Gate::None => "-".to_owned(),
        Gate::Completed => "completed".to_owned(),
        Gate::Passed { min_score } => format!("score {}", number(min_score)),
        Gate::Approval if part.observed.approved_by.is_some() => "approved".to_owned(),
        Gate::Approval => "approval".to_owned(),
    }
}
