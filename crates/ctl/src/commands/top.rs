//! `top`: what nodes have and workloads may use, and what they really use.

use clap::{Args, ValueEnum};
use tessera_client::call;
use tessera_types::api::{NodeTop, Top, WorkloadTop};
use tessera_types::{Bytes, Millicores};

use crate::cli::{Everywhere, Format};
use crate::context::{Context, json, print, yaml};
use crate::failure::Failure;
use crate::kinds::bounded;
use crate::moment;
use crate::show::{cores, memory};
use crate::style::tone_of_status;
use crate::table::{Cell, Column, Table};

/// Show what nodes have, what is set aside, and what is really used
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Of what
    #[arg(value_enum, default_value = "nodes")]
    what: What,
    #[command(flatten)]
    everywhere: Everywhere,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Nodes
    #[value(alias = "node", alias = "no")]
    Nodes,
    /// Workloads
    #[value(alias = "workload", alias = "wl")]
    Workloads,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Wide, Format::Json, Format::Yaml])?;
    let Top { nodes, mut workloads } = bounded("top", call(context.api.top())).await?;
    if let Some(namespace) = arguments.everywhere.or(context.namespace()) {
        workloads.retain(|workload| workload.namespace == namespace);
    }
    match (format, arguments.what) {
        (Format::Json, What::Nodes) => print(&json(&nodes)?),
        (Format::Json, What::Workloads) => print(&json(&workloads)?),
        (Format::Yaml, What::Nodes) => print(&yaml(&nodes)?),
        (Format::Yaml, What::Workloads) => print(&yaml(&workloads)?),
        (_, What::Nodes) => show(context, &of_nodes(&nodes)),
        (_, What::Workloads) => {
            show(context, &of_workloads(&workloads, arguments.everywhere.all_namespaces))
        }
    }
}

fn show(context: &Context, table: &Table) -> Result<(), Failure> {
    print(&table.render(context.style, context.width()))
}

fn of_nodes(nodes: &[NodeTop]) -> Table {
    let names = [
        "NAME",
        "STATUS",
        "CPU USED",
        "SET ASIDE",
        "OF",
        "MEMORY USED",
        "SET ASIDE",
        "OF",
        "WORKLOADS",
        "HEARD OF",
    ];
    let mut table = Table::new(names.map(Column::new).to_vec());
    let now = moment::now();
    for node in nodes {
        let (all, allocated) = (node.allocatable, node.allocated);
        let heard = node.last_heard_at.map(|at| format!("{} ago", moment::age(at, now)));
        table.row(vec![
            node.name.as_str().into(),
            Cell::toned(node.status.as_str(), tone_of_status(node.status.as_str())),
            used(node.used.map(|used| cores(used.cpu))),
            cores(allocated.cpu).into(),
            cores(all.cpu).into(),
            used(node.used.map(|used| memory(used.memory))),
            memory(allocated.memory).into(),
            memory(all.memory).into(),
            format!("{}/{}", allocated.workloads, all.workloads).into(),
            used(heard),
        ]);
    }
    table
}

fn of_workloads(workloads: &[WorkloadTop], with_namespace: bool) -> Table {
    let mut columns = Vec::new();
    columns.extend(with_namespace.then(|| Column::new("NAMESPACE")));
    let names = ["NAME", "NODE", "CPU USED", "SET ASIDE", "MEMORY USED", "SET ASIDE"];
    columns.extend(names.map(Column::new));
    let mut table = Table::new(columns);
    for workload in workloads {
        let allocated = workload.allocated;
        let mut row: Vec<Cell> = Vec::new();
        row.extend(with_namespace.then(|| workload.namespace.as_str().into()));
        row.extend([
            workload.name.as_str().into(),
            workload.node.as_str().into(),
            used(workload.used.map(|used| cores(used.cpu))),
            used((allocated.cpu > Millicores(0)).then(|| cores(allocated.cpu))),
            used(workload.used.map(|used| memory(used.memory))),
            used((allocated.memory > Bytes(0)).then(|| memory(allocated.memory))),
        ]);
        table.row(row);
    }
    table
}

fn used(amount: Option<String>) -> Cell {
    amount.unwrap_or_else(|| "-".to_owned()).into()
}
