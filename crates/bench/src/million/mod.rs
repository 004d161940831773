//! `million`: a fleet of simulated nodes in a process of its own, and files that declare
//! workloads with constraints; from the first file to the moment at which all run. Then
//! it is counted independently whether every node and every constraint was respected,
//! the control plane is killed, and what it comes back with is compared.
//!
//! `restart` is the same up to there; what it reports is how soon the control plane
//! answers and reconciles again.
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

use crate::process::{cpu_time, peak_bytes};
use crate::report::Report;
use check::Census;
use files::Files;
use stage::Stage;

/// Everything may take so long at most.
const PATIENCE: Duration = Duration::from_secs(1200);
/// Files that are on their way at once.
const SENDERS: usize = 4;
/// How often it is asked how many run, unless the answer takes long.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) workloads: usize,
    /// A node for each 200 workloads unless it is said.
    pub(crate) nodes: Option<u32>,
    /// Whether `tesseractl` applies the files.
    pub(crate) by_command: bool,
}

impl Default for Scale {
    fn default() -> Self {
        Self { workloads: 1_000_000, nodes: None, by_command: false }
    }
}

impl Scale {
    fn nodes(self) -> u32 {
        self.nodes.unwrap_or((self.workloads / 200).clamp(20, 5000) as u32)
    }
}

pub(crate) async fn run(report: &mut Report, scale: Scale) -> Result<()> {
    let (stage, files) = loaded(scale, Some(report)).await?;
    let before = Census::take(&stage.api, scale.workloads).await?;
    before.check(&files)?;
    let stage = stage.kill_and_restart().await?;
    let after = Census::take(&stage.api, scale.workloads).await?;
    after.check(&files)?;
    before.compare(&after)
}

/// How soon a control plane that is killed answers and reconciles again.
pub(crate) async fn restart(report: &mut Report, scale: Scale) -> Result<()> {
    let (stage, _files) = loaded(scale, None).await?;
    let killed = Instant::now();
    let stage = stage.kill_and_restart().await?;
    let answers = killed.elapsed();
    stage.run_one().await?;
    let reconciles = killed.elapsed();
    let objects = format!("{} workloads", scale.workloads);
    for (what, took) in [("the API answers", answers), ("it reconciles", reconciles)] {
        report.add("restart", &format!("{objects}, {what}"), took.as_secs_f64(), "s");
    }
    let peak = peak_bytes(stage.control.id())? as f64 / MEBIBYTE;
    report.add("restart", "control plane, most memory", peak, "MiB");
    Ok(())
}

const MEBIBYTE: f64 = 1_048_576.0;

/// A control plane and its fleet on which all workloads run.
async fn loaded(scale: Scale, report: Option<&mut Report>) -> Result<(Stage, Files)> {
    let files = Files::new(scale.workloads, scale.nodes());
    let stage = Stage::start(&files).await?;
    files.write(stage.folder.path())?;
    label_nodes(&stage, &files).await?;
    let processes = [("control plane", stage.control.id()), ("agents", stage.agent.id())];
    let before = processes.map(|(_, id)| cpu_time(id).unwrap_or_default());
    let begun = Instant::now();
    match scale.by_command {
        true => stage.apply_by_command(&files).await?,
        false => stage.apply(&files, SENDERS).await?,
    }
    let applied = begun.elapsed();
    all_run(&stage, scale.workloads, begun).await?;
    let took = begun.elapsed();
    if let Some(report) = report {
        let mut add = |what: &str, value, unit| report.add("million", what, value, unit);
        let workloads = scale.workloads as f64;
        add(&format!("{workloads} workloads, all applied"), applied.as_secs_f64(), "s");
        add(&format!("{workloads} workloads, all Running"), took.as_secs_f64(), "s");
        add("workloads a second", workloads / took.as_secs_f64(), "/s");
        for ((name, id), before) in processes.into_iter().zip(before) {
            let used = cpu_time(id)?.saturating_sub(before).as_secs_f64();
            add(&format!("{name}, processor time"), used, "s");
            add(&format!("{name}, for each workload"), used / workloads * 1e6, "us");
            add(&format!("{name}, most memory"), peak_bytes(id)? as f64 / MEBIBYTE, "MiB");
        }
    }
    Ok((stage, files))
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
