//! Definitions as rows of a table: the same columns for all their kinds.

use tessera_types::catalogue::{
    Definition, DefinitionHead, DefinitionObserved, Origin, ProvisioningSource,
};
use tessera_types::{Kind, Labels, Name, Object, Resource, Timestamp, with_definition};

use super::{Detail, labels};
use crate::moment::age;
use crate::style::printable;
use crate::table::{Cell, Column};

/// The columns of definitions.
pub(super) fn columns(detail: Detail) -> Vec<Column> {
    let names = ["NAME", "TYPE", "VERSION", "SOURCE", "ORIGIN", "AGE"];
    let mut columns = names.map(Column::new).to_vec();
    if detail.wide {
        columns.push(Column::flexible("LABELS"));
    }
    columns.push(Column::flexible("TITLE"));
    columns
}

/// A definition as a row of [`columns`]. The resource is a definition.
pub(super) fn row(resource: &Resource, detail: Detail, now: Timestamp) -> Vec<Cell> {
    let Some(known) = known(resource) else { return vec![Cell::default(); columns(detail).len()] };
    let mut row: Vec<Cell> = vec![
        known.name.as_str().into(),
        known.head.type_key.into(),
        known.head.version.to_string().into(),
        source(known.head.provisioning_source).into(),
        known.origin.to_string().into(),
        age(known.created_at, now).into(),
    ];
    if detail.wide {
        row.push(labels(known.labels).into());
    }
    row.push(printable(known.head.title.unwrap_or("-")).into());
    row
}

/// What all definitions have, whatever their kind.
pub(super) struct Known<'a> {
    pub(super) name: &'a Name,
    pub(super) head: DefinitionHead<'a>,
    pub(super) origin: Origin,
    pub(super) labels: &'a Labels,
    pub(super) created_at: Timestamp,
}

/// What all definitions have; none when the resource is something else.
pub(super) fn known(resource: &Resource) -> Option<Known<'_>> {
    let kind = resource.kind();
    if !kind.is_definition() {
        return None;
    }
    with_definition!(kind, K => K::unwrap(resource).map(|object| of(object)))
}

fn of<K>(object: &Object<K>) -> Known<'_>
where
    K: Kind<Observed = DefinitionObserved>,
    K::Spec: Definition,
{
    Known {
        name: &object.name,
        head: object.spec.head(),
        origin: object.observed.origin,
        labels: &object.labels,
        created_at: object.created_at,
    }
}

/// Where definitions of a type come from, as manifests write it.
pub(super) const fn source(source: ProvisioningSource) -> &'static str {
    match source {
        ProvisioningSource::Seed => "seed",
        ProvisioningSource::ContentPackage => "content_package",
    }
}
