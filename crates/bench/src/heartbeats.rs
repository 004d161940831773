//! `heartbeats`: what it costs the control plane that many nodes are there, have nothing
//! to do, and say so: each holds one connection, on which a call waits for news.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::baseline::Base;
use crate::benchmark::{Benchmark, Context, under};
use crate::figures::{Report, Unit};
use crate::process::{Meter, open_files, resident_bytes};
use crate::stage::{Figures, Stage};

/// The limit on open files is 20,000 for each process.
const NODES: usize = 18_000;
/// Nodes of one process of agents.
const NODES_OF_PROCESS: usize = 9_000;
/// Some rounds of heartbeats, so that all that grows at the start has grown.
const SETTLE: Duration = Duration::from_secs(12);
const MEASURE: Duration = Duration::from_secs(30);
/// A third of the usual lease.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "heartbeats",
    what: "nodes that have nothing to do, on one connection each",
    aims: &[
        under("control plane, processor time", 25.0, Unit::CorePercent),
        under("control plane, resident memory", 600.0, Unit::Mebibytes),
    ],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let nodes = context.count(NODES);
    let mut stage = Stage::start(context)?;
    let empty = resident_bytes(stage.control.id())?;
    let mut left = nodes;
    for process in 0.. {
        let here = left.min(NODES_OF_PROCESS);
        if here == 0 {
            break;
        }
        stage.simulated(&format!("bench-{process}"), here)?;
        left -= here;
    }
    let (_, took) = stage.ready().await?;
    report.add("until all nodes are Ready", took.as_secs_f64(), Unit::Seconds);
    tokio::time::sleep(context.time(SETTLE)).await;
    measure(report, &stage, nodes, empty, context.time(MEASURE)).await
}

async fn measure(
    report: &mut Report,
    stage: &Stage,
    nodes: usize,
    empty: u64,
    measured: Duration,
) -> Result<()> {
    let control = stage.control.id();
    let heartbeats = |figures: &Figures| figures.of("tessera_agent_heartbeats_total");
    let offline = |figures: &Figures| figures.of("tessera_reconcile_nodes_offline_total");
    let at_first = stage.figures().await?;
    let (meter, before) = (Meter::start(control)?, heartbeats(&at_first));
    tokio::time::sleep(measured).await;
    let (used, share) = (meter.used()?, meter.share()?);
    let figures = stage.figures().await?;
    let beats = heartbeats(&figures) - before;
    let expected = nodes as f64 * measured.as_secs_f64() / HEARTBEAT_EVERY.as_secs_f64();
    // In a shorter time it is by chance how many there are.
    let is_enough = beats > expected * 0.95 || measured < HEARTBEAT_EVERY * 4;
    ensure!(is_enough, "{beats} heartbeats instead of {expected}");
    ensure!(figures.count("Node", "Ready") == nodes, "nodes were lost");
    ensure!(offline(&figures) == offline(&at_first), "a node was Offline");
    let memory = resident_bytes(control)?;
    let each = memory.saturating_sub(empty) as f64 / nodes as f64 / 1024.0;
    report.add("nodes", nodes as f64, Unit::Count);
    report.add("times a node was Offline before", offline(&at_first), Unit::Count);
    report.add("open files of the control plane", open_files(control)? as f64, Unit::Count);
    let rate = beats / measured.as_secs_f64();
    report.add_against(Base::HttpRequests, "heartbeats", rate, Unit::PerSecond);
    report.add("control plane, processor time", share, Unit::CorePercent);
    report.add("one heartbeat, processor time", used / beats.max(1.0) * 1e6, Unit::Micros);
    report.add_bytes("control plane, resident memory", memory);
    report.add("one node, resident memory", each, Unit::Kibibytes);
    Ok(())
}
