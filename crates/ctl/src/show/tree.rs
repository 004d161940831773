//! Trees as tables: the lines of the tree stand before the names.

use tessera_types::timed::{Timed, TimedObserved};
use tessera_types::{Host, Object, Pod, Resource, Session, SessionPart, Timestamp, Workload};

use super::Detail;
use super::pod::{host, ports};
use super::timed::{outcome, score, waiting_for, window};
use crate::style::{told, tone_of_status};
use crate::table::{Cell, Column, Table};
use crate::tree::{Branch, Tree};

/// Resources with all that belongs to them.
pub(crate) fn table(roots: &[Resource], tree: &Tree, detail: Detail, now: Timestamp) -> Table {
    let mut columns = Vec::new();
    columns.extend(detail.namespaces.then(|| Column::new("NAMESPACE")));
    let names = ["NAME", "STATUS", "ON", "START", "END", "SCORE", "OUTCOME"];
    columns.extend(names.map(Column::new));
    columns.push(Column::flexible("WAITING FOR"));
    let mut table = Table::new(columns);
    for root in roots {
        for branch in tree.walk(root) {
            table.row(row(&branch, detail, now));
        }
    }
    table
}

fn row(branch: &Branch, detail: Detail, now: Timestamp) -> Vec<Cell> {
    let resource = &branch.resource;
    let mut row: Vec<Cell> = Vec::new();
    let namespace = resource.namespace().map_or("-", |name| name.as_str());
    row.extend(detail.namespaces.then(|| namespace.into()));
    let name = format!("{}{}/{}", branch.lines, resource.kind().singular(), resource.name());
    let status = resource.status();
    row.extend([name.into(), Cell::toned(status, tone_of_status(status)), on(resource).into()]);
    let timed = timed(resource);
    match timed {
        Some(timed) => row.extend(window(timed, detail, now)),
        None => row.extend(["-".into(), "-".into()]),
    }
    row.extend([result(resource), timed.map_or_else(|| "-".into(), outcome)]);
    row.push(waits(resource).into());
    row
}

/// Where it is: the host of a pod with its ports, the node of a workload.
fn on(resource: &Resource) -> String {
    match resource {
        Resource::Pod(pod) => {
            let binding = pod.observed.binding.as_ref().filter(|it| !it.ports.is_empty());
            let ports = binding.map(|binding| format!(":{}", ports(&binding.ports)));
            format!("{}{}", host(pod), ports.unwrap_or_default())
        }
        Resource::Workload(workload) => {
            let assigned = workload.observed.assigned.as_ref();
            assigned.map_or_else(|| "-".to_owned(), |assigned| assigned.node.to_string())
        }
        _ => "-".to_owned(),
    }
}

pub(crate) fn timed(resource: &Resource) -> Option<&TimedObserved> {
    match resource {
        Resource::Session(it) => Some(Session::timed(it)),
        Resource::SessionPart(it) => Some(SessionPart::timed(it)),
        Resource::Pod(it) => Some(Pod::timed(it)),
        Resource::Host(it) => Some(Host::timed(it)),
        _ => None,
    }
}

fn result(resource: &Resource) -> Cell {
    match resource {
        Resource::Session(it) => score(it.observed.score, None, it.observed.passed),
        Resource::SessionPart(it) => score(it.observed.score, None, it.observed.passed),
        Resource::Report(it) => score(it.observed.score, it.observed.max_score, it.observed.passed),
        Resource::Job(it) => {
            let result = it.observed.result.as_ref();
            score(result.and_then(|it| it.score), result.and_then(|it| it.max_score), None)
        }
        _ => "-".into(),
    }
}

fn waits(resource: &Resource) -> String {
    fn of<K: tessera_types::Kind>(object: &Object<K>) -> String {
        let waiting = object.waiting_for.as_ref();
        told(waiting.map_or("", |waiting| waiting.message.as_str()))
    }
    match resource {
        Resource::Session(it) => waiting_for(it),
        Resource::SessionPart(it) => waiting_for(it),
        Resource::Pod(it) => waiting_for(it),
        Resource::Workload(it) => super::workload::waiting_for(it as &Object<Workload>),
        Resource::Job(it) => it.observed.message.as_deref().map_or_else(|| of(it), told),
        other => tessera_types::with_object!(other, object => of(object)),
    }
}
