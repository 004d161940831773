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
mod stage;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tessera_client::call;

use crate::baseline::Base;
use crate::benchmark::{Benchmark, Context, at_least, under};
use crate::figures::{Report, Unit};
use crate::process::{cpu_time, peak_bytes};
use check::Census;
use files::Files;
use stage::Stage;

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
const MEBIBYTE: f64 = 1_048_576.0;

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "million",
    what: "a million workloads applied in files, until all are Running on 5,000 nodes",
    aims: &[
        under("all Running", 20.0),
        at_least("workloads", 50_000.0),
        under("control plane, most memory", 2048.0),
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
        let stage = Stage::start(context, &files).await?;
        files.write(stage.folder.path())?;
        label_nodes(&stage, &files).await?;
        let processes = [("control plane", stage.control.id()), ("agents", stage.agent.id())];
        let before = processes.map(|(_, id)| cpu_time(id).unwrap_or_default());
        let begun = Instant::now();
        match context.tesseractl {
            true => stage.apply_by_command().await?,
            false => stage.apply(&files, SENDERS).await?,
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
            for ((name, id), before) in processes.into_iter().zip(before) {
                let used = cpu_time(id)?.saturating_sub(before);
                add_used(report, name, used, workloads);
                add_peak(report, name, id)?;
            }
        }
        Ok(Self { stage, files })
    }
}

fn add_used(report: &mut Report, name: &str, used: Duration, workloads: f64) {
    let used = used.as_secs_f64();
    report.add(&format!("{name}, processor time"), used, Unit::Seconds);
    report.add(&format!("{name}, for each workload"), used / workloads * 1e6, Unit::Micros);
}

/// Adds the most memory that a process ever had.
pub(crate) fn add_peak(report: &mut Report, name: &str, id: u32) -> Result<()> {
    let peak = peak_bytes(id)? as f64 / MEBIBYTE;
    report.add(&format!("{name}, most memory"), peak, Unit::Mebibytes);
    Ok(())
}

/// Gives the nodes the labels that constraints look at.
async fn label_nodes(stage: &Stage, files: &Files) -> Result<()> {
    for batch in files.nodes() {
        let answer = call(stage.api.apply(None, &batch)).await?;
        let refused = answer.results.into_iter().find_map(|result| result.problem);
        ensure!(refused.is_none(), "a node is refused: {refused:?}");
    }
    Ok(())
}

async fn all_run(stage: &Stage, workloads: usize, begun: Instant) -> Result<()> {
    loop {
        let asked = Instant::now();
        let running = stage.running().await?;
        if running == workloads {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "only {running} of {workloads} run");
        tokio::time::sleep(ASK_EVERY.max(asked.elapsed() * 5)).await;
    }
}
