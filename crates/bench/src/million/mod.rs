//! `million`: a fleet of simulated nodes in a process of its own, and files that declare
//! workloads with constraints; from the first file to the moment at which all run. Then
//! it is counted independently whether every node and every constraint was respected,
//! the control plane is killed, and what it comes back with is compared.
//!
//! The files are sent as they are, some at a time: what is measured is the product's
//! side of the API. With `--tesseractl`, `tesseractl apply -f` reads, checks and sends
//! them, and its time counts.

mod check;
mod files;
mod send;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::baseline::Base;
use crate::benchmark::{Benchmark, Context, at_least, under};
use crate::figures::{Report, Unit};
use crate::process::{Meter, peak_bytes};
use crate::stage::{Stage, declare};
use check::Census;
use files::{Files, NODE_CPU, NODE_MEMORY_MIB, NODE_WORKLOADS};

const WORKLOADS: usize = 1_000_000;
const NODES: usize = 5000;
/// However few the workloads, so that most racks of all zones have a node.
const NODES_MIN: usize = 20;
/// Everything may take so long at most.
const PATIENCE: Duration = Duration::from_secs(1200);
/// Files that are on their way at once.
const SENDERS: usize = 4;
/// How often it is asked how many run, unless the answer takes long.
const ASK_EVERY: Duration = Duration::from_millis(100);

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "million",
    what: "a million workloads applied in files, until all are Running on 5,000 nodes",
    aims: &[
        under("all Running", 20.0, Unit::Seconds),
        at_least("workloads", 50_000.0, Unit::PerSecond),
        under("control plane, most memory", 2048.0, Unit::Mebibytes),
    ],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let Loaded { stage, files } = Loaded::new(context, Some(report)).await?;
    let before = Census::take(&stage.api, files.workloads).await?;
    before.check(&files)?;
    let stage = stage.kill_and_restart().await?;
    let after = Census::take(&stage.api, files.workloads).await?;
    after.check(&files)?;
    before.compare(&after)
}

/// A control plane and its fleet on which all workloads run.
pub(crate) struct Loaded {
    pub(crate) stage: Stage,
    files: Files,
}

impl Loaded {
    pub(crate) async fn new(context: &Context, report: Option<&mut Report>) -> Result<Self> {
        let nodes = context.count(NODES).max(NODES_MIN) as u32;
        let files = Files::new(context.count(WORKLOADS), nodes);
        let stage = start(context, &files).await?;
        files.write(stage.folder.path())?;
        for labels in files.nodes() {
            declare(&stage.api, labels).await?;
        }
        let agents = stage.agents.first().context("agents were started")?;
        let processes = [("control plane", stage.control.id()), ("agents", agents.id())];
        let meters = [Meter::start(stage.control.id())?, Meter::start(agents.id())?];
        let begun = Instant::now();
        match context.tesseractl {
            true => send::have_sent(&stage).await?,
            false => send::send_all(&stage, &files, SENDERS).await?,
        }
        let applied = begun.elapsed();
        all_run(&stage, files.workloads, begun).await?;
        let took = begun.elapsed();
        if let Some(report) = report {
            let workloads = files.workloads as f64;
            let rate = workloads / took.as_secs_f64();
            report.add("all applied", applied.as_secs_f64(), Unit::Seconds);
            report.add("all Running", took.as_secs_f64(), Unit::Seconds);
            report.add_against(Base::LogRows, "workloads", rate, Unit::PerSecond);
            for ((name, id), meter) in processes.into_iter().zip(meters) {
                add_used(report, name, meter.used()?, workloads);
                add_peak(report, name, id)?;
            }
        }
        Ok(Self { stage, files })
    }
}

/// A control plane and all nodes, each with the room that the files count on.
async fn start(context: &Context, files: &Files) -> Result<Stage> {
    let mut stage = Stage::start(context)?;
    let cpu = format!("{NODE_CPU}m");
    let memory = format!("{NODE_MEMORY_MIB}MiB");
    let workloads = NODE_WORKLOADS.to_string();
    let size = ["--cpu", &cpu, "--memory", &memory, "--workloads-max", &workloads];
    stage.simulated_with("bench", files.nodes as usize, &size)?;
    stage.ready().await?;
    Ok(stage)
}

fn add_used(report: &mut Report, name: &str, used: f64, workloads: f64) {
    report.add(&format!("{name}, processor time"), used, Unit::Seconds);
    report.add(&format!("{name}, for each workload"), used / workloads * 1e6, Unit::Micros);
}

/// Adds the most memory that a process ever had.
pub(crate) fn add_peak(report: &mut Report, name: &str, id: u32) -> Result<()> {
    report.add_bytes(&format!("{name}, most memory"), peak_bytes(id)?);
    Ok(())
}

async fn all_run(stage: &Stage, workloads: usize, begun: Instant) -> Result<()> {
    loop {
        let asked = Instant::now();
        let running = stage.figures().await?.count("Workload", "Running");
        if running == workloads {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "only {running} of {workloads} run");
        tokio::time::sleep(ASK_EVERY.max(asked.elapsed() * 5)).await;
    }
}
