//! Nodes as rows of a table.

use tessera_types::api::NodeTop;
use tessera_types::{Node, Object, Timestamp};

use super::{Detail, cores, labels, memory};
use crate::moment::age;
use crate::style::{printable, tone_of_status};
use crate::table::{Cell, Column};

/// The columns of nodes.
pub(super) fn columns(detail: Detail) -> Vec<Column> {
    let mut columns =
        ["NAME", "STATUS", "WORKLOADS", "CPU", "MEMORY", "RUNS", "AGE"].map(Column::new).to_vec();
    if detail.wide {
        columns.extend([Column::new("VERSION"), Column::flexible("LABELS")]);
    }
    columns
}

/// A node as a row of [`columns`]. What is set aside for workloads stands before
/// what they may have, where it is known.
pub(super) fn row(
    node: &Object<Node>,
    detail: Detail,
    top: Option<&NodeTop>,
    now: Timestamp,
) -> Vec<Cell> {
    let all = node.allocatable();
    let of = |part: Option<String>, whole: String| match part {
        Some(part) => format!("{part}/{whole}"),
        None => whole,
    };
    let allocated = top.map(|top| top.allocated);
    let mut row = vec![
        node.name.as_str().into(),
        Cell::toned(node.status.as_str(), tone_of_status(node.status.as_str())),
        of(allocated.map(|it| it.workloads.to_string()), all.workloads.to_string()).into(),
        of(allocated.map(|it| cores(it.cpu)), cores(all.cpu)).into(),
        of(allocated.map(|it| memory(it.memory)), memory(all.memory)).into(),
        printable(&node.observed.executors.to_string()).into(),
        age(node.created_at, now).into(),
    ];
    if detail.wide {
        row.push(printable(&node.observed.agent_version).into());
        row.push(labels(&node.effective_labels()).into());
    }
    row
}
