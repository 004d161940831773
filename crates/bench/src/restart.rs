//! `restart`: a control plane that is killed where a million workloads run, until it
//! answers and reconciles again.
//!
//! It reconciles when a workload that is declared then runs.

use std::time::Instant;

use anyhow::Result;

use crate::benchmark::{Benchmark, Context, under};
use crate::figures::{Report, Unit};
use crate::million::{Loaded, add_peak};

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "restart",
    what: "killed with a million workloads, until it answers and reconciles",
    aims: &[under("it reconciles", 5.0)],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let loaded = Loaded::new(context, None).await?;
    let killed = Instant::now();
    let stage = loaded.stage.kill_and_restart().await?;
    let answers = killed.elapsed();
    stage.run_one().await?;
    let reconciles = killed.elapsed();
    report.add("the API answers", answers.as_secs_f64(), Unit::Seconds);
    report.add("it reconciles", reconciles.as_secs_f64(), Unit::Seconds);
    add_peak(report, "control plane", stage.control.id())
}
