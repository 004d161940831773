//! `restart`: a control plane that is killed where a million workloads run, until it
//! answers and reconciles again.
//!
//! It reconciles when a workload that is declared then runs.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tessera_client::Api;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Manifest, Name, Workload};

use crate::baseline::Base;
use crate::benchmark::{Benchmark, Context, under};
use crate::figures::{Report, Unit};
use crate::million::{Loaded, add_peak};

const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "restart",
    what: "killed with a million workloads, until it answers and reconciles",
    aims: &[under("it reconciles", 5.0, Unit::Seconds)],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let loaded = Loaded::new(context, None).await?;
    let killed = Instant::now();
    let stage = loaded.stage.kill_and_restart().await?;
    let answers = killed.elapsed();
    run_one(&stage.api).await?;
    let reconciles = killed.elapsed();
    report.add_against(Base::LogRows, "the API answers", answers.as_secs_f64(), Unit::Seconds);
    report.add_against(Base::LogRows, "it reconciles", reconciles.as_secs_f64(), Unit::Seconds);
    add_peak(report, "control plane", stage.control.id())
}

/// Declares one workload more, and waits until it runs.
async fn run_one(api: &Api) -> Result<()> {
    let name: Name = "one-more".parse()?;
    let manifest: Manifest<Workload> =
        serde_json::from_value(json!({"name": name, "spec": {"command": "/bin/sleep"}}))?;
    api.put(&manifest, &Default::default()).await?;
    let begun = Instant::now();
    while api.get::<Workload>(&name, None).await?.status != WorkloadStatus::Running {
        ensure!(begun.elapsed() < PATIENCE, "it does not run");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
