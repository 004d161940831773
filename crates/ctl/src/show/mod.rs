//! How resources are shown to people: rows of tables, descriptions, changes.

pub(crate) mod change;
pub(crate) mod describe;
pub(crate) mod diff;
#[cfg(test)]
mod golden;
pub(crate) mod node;
pub(crate) mod workload;

use std::collections::BTreeMap;

use tessera_types::api::NodeTop;
use tessera_types::{KindName, Labels, Name, Resource, Timestamp};

use crate::table::{Cell, Column, Table};

/// How much a table shows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Detail {
    /// All columns.
    pub(crate) wide: bool,
    /// The namespace, as several are shown.
    pub(crate) namespaces: bool,
}

/// What nodes have in use, by name.
pub(crate) type Tops = BTreeMap<Name, NodeTop>;

/// The columns of a kind.
pub(crate) fn columns(kind: KindName, detail: Detail) -> Vec<Column> {
    match kind {
        KindName::Node => node::columns(detail),
        KindName::Workload => workload::columns(detail),
    }
}

/// A resource as a row of [`columns`].
pub(crate) fn row(resource: &Resource, detail: Detail, tops: &Tops, now: Timestamp) -> Vec<Cell> {
    match resource {
        Resource::Node(node) => node::row(node, detail, tops.get(&node.name), now),
        Resource::Workload(workload) => workload::row(workload, detail, now),
    }
}

/// Resources of one kind as a table.
pub(crate) fn table(
    kind: KindName,
    resources: &[Resource],
    detail: Detail,
    tops: &Tops,
    now: Timestamp,
) -> Table {
    let mut table = Table::new(columns(kind, detail));
    for resource in resources {
        table.row(row(resource, detail, tops, now));
    }
    table
}

/// Labels as `a=b,c=d`, or `-` when there are none.
pub(crate) fn labels(labels: &Labels) -> String {
    if labels.is_empty() {
        return "-".to_owned();
    }
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Cores, to a thousandth where there is one: `1.5`.
pub(crate) fn cores(millicores: tessera_types::Millicores) -> String {
    millicores.in_cores().to_string()
}

/// An amount of memory; nothing needs no unit.
pub(crate) fn memory(bytes: tessera_types::Bytes) -> String {
    if bytes.0 == 0 { "0".to_owned() } else { bytes.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_types::Millicores;

    #[test]
    fn cores_are_short_and_exact() {
        for (millicores, text) in
            [(0, "0"), (8000, "8"), (1500, "1.5"), (50, "0.05"), (1, "0.001"), (10_000, "10")]
        {
            assert_eq!(cores(Millicores(millicores)), text);
        }
    }
}
