//! How resources are shown to people: rows of tables, descriptions, changes.

pub(crate) mod calendar;
pub(crate) mod change;
mod definition;
pub(crate) mod describe;
pub(crate) mod diff;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_tenant;
#[cfg(test)]
mod golden_timed;
pub(crate) mod host;
pub(crate) mod node;
mod outcome;
pub(crate) mod plan;
pub(crate) mod pod;
mod session;
pub(crate) mod tenant;
pub(crate) mod timed;
pub(crate) mod timeline;
pub(crate) mod tree;
pub(crate) mod workload;

use std::collections::BTreeMap;

use tessera_types::api::NodeTop;
use tessera_types::pod::Binding;
use tessera_types::timed::TimedStatus;
use tessera_types::{KindName, Labels, Name, Resource, ResourceKey, Timestamp, Uid};

use crate::table::{Cell, Column, Table};

/// How much a table shows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Detail {
    /// All columns.
    pub(crate) wide: bool,
    /// The namespace, as several are shown.
    pub(crate) namespaces: bool,
}

/// What is shown of a resource and is known of others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// What nodes have in use, by name.
    pub(crate) tops: BTreeMap<Name, NodeTop>,
    /// How many of a session's parts are over, by the session's identity.
    pub(crate) parts_over: BTreeMap<Uid, usize>,
    /// What pods hold of hosts, by the host's name; none where that is not known.
    pub(crate) bookings: Option<BTreeMap<Name, Vec<Booked>>>,
}

/// What a pod holds of a host.
#[derive(Clone, Debug)]
pub(crate) struct Booked {
    /// The pod.
    pub(crate) pod: ResourceKey,
    /// What it holds, and for how long.
    pub(crate) binding: Binding,
}

impl Beside {
    /// How many parts of each session are over.
    pub(crate) fn with_parts(mut self, parts: &[Resource]) -> Self {
        for part in parts {
            let Resource::SessionPart(part) = part else { continue };
            if let Some(owner) = &part.owner {
                let is_over = usize::from(part.status == TimedStatus::Terminated);
                *self.parts_over.entry(owner.id).or_default() += is_over;
            }
        }
        self
    }

    /// What these pods, which are all pods, hold of hosts.
    pub(crate) fn with_pods(mut self, pods: &[Resource]) -> Self {
        let bookings = self.bookings.get_or_insert_default();
        for pod in pods {
            let Resource::Pod(pod) = pod else { continue };
            if let Some(binding) = &pod.observed.binding {
                let booked = Booked { pod: pod.key(), binding: binding.clone() };
                bookings.entry(binding.host.clone()).or_default().push(booked);
            }
        }
        self
    }
}

/// The columns of a kind.
pub(crate) fn columns(kind: KindName, detail: Detail) -> Vec<Column> {
    match kind {
        KindName::Node => node::columns(detail),
        KindName::Workload => workload::columns(detail),
        KindName::Session => session::columns(detail),
        KindName::SessionPart => session::part_columns(detail),
        KindName::Pod => pod::columns(detail),
        KindName::Host => host::columns(detail),
        KindName::Job => outcome::job_columns(detail),
        KindName::Report => outcome::report_columns(detail),
        KindName::Tenant => tenant::columns(detail),
        KindName::SessionDefinition
        | KindName::PartDefinition
        | KindName::PodDefinition
        | KindName::HostDefinition
        | KindName::JobDefinition
        | KindName::ReportDefinition
        | KindName::DeliveryEnvironment
        | KindName::LabLocation
        | KindName::HostingSiteLocation => definition::columns(detail),
    }
}

/// A resource as a row of [`columns`].
pub(crate) fn row(
    resource: &Resource,
    detail: Detail,
    beside: &Beside,
    now: Timestamp,
) -> Vec<Cell> {
    match resource {
        Resource::Node(node) => node::row(node, detail, beside.tops.get(&node.name), now),
        Resource::Workload(workload) => workload::row(workload, detail, now),
        Resource::Session(session) => session::row(session, detail, beside, now),
        Resource::SessionPart(part) => session::part_row(part, detail, now),
        Resource::Pod(pod) => pod::row(pod, detail, now),
        Resource::Host(host) => host::row(host, detail, beside, now),
        Resource::Job(job) => outcome::job_row(job, detail, now),
        Resource::Report(report) => outcome::report_row(report, detail, now),
        Resource::Tenant(tenant) => tenant::row(tenant, detail, now),
        definition => definition::row(definition, detail, now),
    }
}

/// Resources of one kind as a table.
pub(crate) fn table(
    kind: KindName,
    resources: &[Resource],
    detail: Detail,
    beside: &Beside,
    now: Timestamp,
) -> Table {
    let mut table = Table::new(columns(kind, detail));
    for resource in resources {
        table.row(row(resource, detail, beside, now));
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
