//! Pods as rows of a table.

use tessera_types::{Object, Pod, Timestamp};

use super::Detail;
use super::timed::{first_cells, first_columns, held, outcome, status, tries, waiting_for, window};
use crate::moment::age;
use crate::table::{Cell, Column};

/// The columns of pods.
pub(super) fn columns(detail: Detail) -> Vec<Column> {
    let mut columns = first_columns::<Pod>(detail);
    columns.extend(["STATUS", "HOST", "START", "END", "PORTS", "TRY"].map(Column::new));
    if detail.wide {
        let names = ["PROVISION AT", "GONE BY", "OUTCOME", "OWNER", "DEFINITION", "AGE"];
        columns.extend(names.map(Column::new));
    }
    columns.push(Column::flexible("WAITING FOR"));
    columns
}

/// A pod as a row of [`columns`].
pub(super) fn row(pod: &Object<Pod>, detail: Detail, now: Timestamp) -> Vec<Cell> {
    let observed = &pod.observed;
    let mut row = first_cells(pod, detail);
    row.extend([status(pod), host(pod).into()]);
    row.extend(window(&observed.timed, detail, now));
    let bound = observed.binding.as_ref();
    row.push(ports(bound.map_or(&[], |binding| &binding.ports)).into());
    row.push(tries(&observed.timed).into());
    if detail.wide {
        row.extend(held(&observed.timed, detail, now));
        row.push(outcome(&observed.timed));
        let owner = pod.owner.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let definition = observed.definition.as_ref();
        let definition = definition.map_or_else(|| "-".to_owned(), ToString::to_string);
        row.extend([owner.into(), definition.into(), age(pod.created_at, now).into()]);
    }
    row.push(waiting_for(pod).into());
    row
}

/// The host that the pod holds capacity of, or `-`.
pub(super) fn host(pod: &Object<Pod>) -> String {
    let binding = pod.observed.binding.as_ref();
    binding.map_or_else(|| "-".to_owned(), |binding| binding.host.to_string())
}

/// Ports with runs of them joined: `7000-7002,7010`; `-` when there are none.
pub(crate) fn ports(ports: &[u16]) -> String {
    let mut sorted = ports.to_vec();
    sorted.sort_unstable();
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for port in sorted {
        match runs.last_mut() {
            Some((_, last)) if port.checked_sub(1) == Some(*last) => *last = port,
            _ => runs.push((port, port)),
        }
    }
    if runs.is_empty() {
        return "-".to_owned();
    }
    let run = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_follow_each_other_are_joined() {
        for (list, text) in [
            (vec![], "-"),
            (vec![7], "7"),
            (vec![9, 7, 8], "7-9"),
            (vec![7, 9, 10], "7,9-10"),
            (vec![0, 65535], "0,65535"),
        ] {
            assert_eq!(ports(&list), text);
        }
    }
}
