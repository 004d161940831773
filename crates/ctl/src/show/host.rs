//! Hosts as rows of a table.

use std::collections::BTreeMap;

use tessera_types::host::Amounts;
use tessera_types::{Host, Object, Timestamp};

use super::timed::{first_cells, first_columns, status, times, waiting_for};
use super::{Beside, Booked, Detail, cores, labels, memory};
use crate::moment::age;
use crate::table::{Cell, Column};

/// The columns of hosts.
pub(super) fn columns(detail: Detail) -> Vec<Column> {
    let mut columns = first_columns::<Host>(detail);
    columns.extend(["TYPE", "STATUS", "CPU", "MEMORY", "PODS", "LOCATION"].map(Column::new));
    if detail.wide {
        let names =
            ["COUNTED", "PORTS", "BOOKED", "NODES", "START", "END", "SERVES", "DEFINITION", "AGE"];
        columns.extend(names.map(Column::new));
        columns.push(Column::flexible("LABELS"));
    }
    columns.push(Column::flexible("WAITING FOR"));
    columns
}

/// A host as a row of [`columns`]. What pods hold of it now stands before what it
/// has, where that is known.
pub(super) fn row(
    host: &Object<Host>,
    detail: Detail,
    beside: &Beside,
    now: Timestamp,
) -> Vec<Cell> {
    let observed = &host.observed;
    let (capacity, definition) = (&observed.capacity, observed.definition.as_ref());
    let of = |part: Option<String>, whole: String| match part {
        Some(part) => format!("{part}/{whole}"),
        None => whole,
    };
    let booked = beside.bookings.as_ref().map(|all| all.get(&host.name).map_or(&[][..], |it| it));
    let held = booked.map(|booked| held_at(booked, now));
    let count = |count: Option<usize>| count.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let mut row = first_cells(host, detail);
    row.extend([
        definition.map_or_else(|| "-".to_owned(), |it| it.spec.host_type.to_string()).into(),
        status(host),
        of(held.as_ref().map(|held| cores(held.amounts.cpu)), cores(capacity.cpu)).into(),
        of(held.as_ref().map(|held| memory(held.amounts.memory)), memory(capacity.memory)).into(),
        count(held.as_ref().map(|held| held.pods)).into(),
        host.spec.location.as_deref().unwrap_or("-").into(),
    ]);
    if detail.wide {
        row.extend([
            counted(&capacity.counted).into(),
            list(&capacity.ports).into(),
            count(booked.map(<[Booked]>::len)).into(),
            count(observed.nodes.map(|nodes| nodes as usize)).into(),
        ]);
        row.extend(open(host, detail, now));
        row.extend([
            list(&host.spec.delivery_environments).into(),
            definition.map_or_else(|| "-".to_owned(), ToString::to_string).into(),
            age(host.created_at, now).into(),
            labels(&host.labels).into(),
        ]);
    }
    row.push(waiting_for(host).into());
    row
}

/// When it can be used, if that is bounded.
fn open(host: &Object<Host>, detail: Detail, now: Timestamp) -> [Cell; 2] {
    let slot = host.observed.timed.timeslot.filter(|_| host.spec.timeslot.is_some());
    times([slot.map(|slot| slot.start), slot.map(|slot| slot.end)], detail, now)
}

/// What pods hold of a host at some time.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub(super) pods: usize,
    pub(super) amounts: Amounts,
    pub(super) ports: usize,
}

/// What is held at `now` of what is booked.
pub(super) fn held_at(booked: &[Booked], now: Timestamp) -> Held {
    let mut held = Held::default();
    let bindings = booked.iter().map(|booked| &booked.binding);
    for binding in bindings.filter(|binding| binding.window.contains(now)) {
        held.pods += 1;
        held.ports += binding.ports.len();
        held.amounts.cpu.0 += binding.demand.cpu.0;
        held.amounts.memory.0 += binding.demand.memory.0;
        for (name, count) in &binding.demand.counted {
            *held.amounts.counted.entry(name.clone()).or_default() += count;
        }
    }
    held
}

/// Counted things: `licensed_nodes=20`; `-` when there are none.
pub(crate) fn counted(counted: &BTreeMap<String, u64>) -> String {
    if counted.is_empty() {
        return "-".to_owned();
    }
    counted.iter().map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>().join(",")
}

/// Things with commas between; `-` when there are none.
pub(super) fn list(items: &[impl ToString]) -> String {
    if items.is_empty() {
        return "-".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
