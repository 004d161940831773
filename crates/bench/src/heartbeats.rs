//! `heartbeats`: what it costs the control plane that many nodes are there, have nothing
//! to do, and say so: each holds one connection, on which a call waits for news.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::process::{cpu_time, open_files, resident_bytes};
use crate::report::Report;
use crate::scale::Scale;
use crate::stage::Stage;

/// The limit on open files is 20,000 for each process.
const NODES: usize = 18_000;
/// Nodes of one process of agents.
const NODES_OF_PROCESS: usize = 9_000;
/// Until all of them are registered and Ready.
const PATIENCE: Duration = Duration::from_secs(180);
/// Some rounds of heartbeats, so that all that grows at the start has grown.
const SETTLE: Duration = Duration::from_secs(12);
const MEASURE: Duration = Duration::from_secs(30);
/// A third of the usual lease.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
const MEBIBYTE: f64 = 1_048_576.0;

pub(crate) async fn run(report: &mut Report, scale: Scale) -> Result<()> {
    let nodes = scale.of(NODES);
    let mut stage = Stage::start()?;
    let empty = resident_bytes(stage.control.id())? as f64;
    let mut left = nodes;
    for process in 0.. {
        let here = left.min(NODES_OF_PROCESS);
        if here == 0 {
            break;
        }
        stage.simulated(&format!("bench-{process}"), here)?;
        left -= here;
    }
    let ready = |figures: &crate::stage::Figures| figures.count("Node", "Ready") == nodes;
    let took = stage.until("registering", PATIENCE, ready).await?;
    report.add("heartbeats", "until all nodes are Ready", took.as_secs_f64(), "s");
    tokio::time::sleep(SETTLE).await;
    measure(report, &stage, nodes, empty).await
}

async fn measure(report: &mut Report, stage: &Stage, nodes: usize, empty: f64) -> Result<()> {
    let control = stage.control.id();
    let heartbeats = |figures: &crate::stage::Figures| figures.of("tessera_agent_heartbeats_total");
    let before = (cpu_time(control)?, heartbeats(&stage.figures().await?));
    tokio::time::sleep(MEASURE).await;
    let used = cpu_time(control)?.saturating_sub(before.0).as_secs_f64();
    let figures = stage.figures().await?;
    let beats = heartbeats(&figures) - before.1;
    let expected = nodes as f64 * MEASURE.as_secs_f64() / HEARTBEAT_EVERY.as_secs_f64();
    ensure!(beats > expected * 0.95, "{beats} heartbeats instead of {expected}");
    ensure!(figures.count("Node", "Ready") == nodes, "nodes were lost");
    ensure!(figures.of("tessera_reconcile_nodes_offline_total") == 0.0, "a node was Offline");
    let memory = resident_bytes(control)? as f64;
    let mut add = |what: &str, value: f64, unit| report.add("heartbeats", what, value, unit);
    add("nodes", nodes as f64, "");
    add("connections", open_files(control)? as f64, "");
    add("heartbeats", beats / MEASURE.as_secs_f64(), "/s");
    add("control plane, processor time", used / MEASURE.as_secs_f64() * 100.0, "% of a core");
    add("one heartbeat, processor time", used / beats * 1e6, "us");
    add("control plane, resident memory", memory / MEBIBYTE, "MiB");
    add("one node, resident memory", (memory - empty) / nodes as f64 / 1024.0, "KiB");
    Ok(())
}
