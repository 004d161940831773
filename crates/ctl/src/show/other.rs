//! Rows of the kinds that have no columns of their own.

use tessera_types::{Resource, Timestamp, with_object};

use super::Detail;
use crate::moment::age;
use crate::style::{printable, tone_of_status};
use crate::table::{Cell, Column};

/// The columns of a kind that has none of its own.
pub(super) fn columns(detail: Detail) -> Vec<Column> {
    let mut columns = Vec::new();
    if detail.namespaces {
        columns.push(Column::new("NAMESPACE"));
    }
    columns.extend(["NAME", "STATUS", "AGE"].map(Column::new));
    columns.push(Column::flexible("WAITING FOR"));
    columns
}

/// A resource as a row of [`columns`].
pub(super) fn row(resource: &Resource, detail: Detail, now: Timestamp) -> Vec<Cell> {
    with_object!(resource, object => {
        let mut row = Vec::new();
        if detail.namespaces {
            row.push(object.namespace.as_ref().map_or("-", |name| name.as_str()).into());
        }
        let waiting = object.waiting_for.as_ref();
        row.extend([
            object.name.as_str().into(),
            Cell::toned(object.status.as_str(), tone_of_status(object.status.as_str())),
            age(object.created_at, now).into(),
            waiting.map_or_else(|| "-".to_owned(), |waiting| printable(&waiting.message)).into(),
        ]);
        row
    })
}
