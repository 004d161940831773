//! `apply`: from the request that declares a process to the moment at which the
//! API says that it is Running, on a system that does nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tessera_client::{Watch, WatchOptions, call};
use tessera_types::api::WatchEvent;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Manifest, Name, Resource, Workload};

use crate::fleet::Fleet;
use crate::report::Report;

/// Workloads, one after the other.
const RUNS: usize = 100;
/// One of them may take so long at most.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let fleet = Fleet::start().await?;
    let mut took = Vec::with_capacity(RUNS);
    for i in 0..RUNS {
        took.push(tokio::time::timeout(PATIENCE, one(&fleet, i)).await.context("too slow")??);
    }
    took.sort_unstable();
    for (what, percent) in [("apply to Running, p50", 50), ("apply to Running, p99", 99)] {
        let at = took[(RUNS * percent / 100).min(RUNS - 1)];
        report.add("apply", what, at.as_secs_f64() * 1000.0, "ms");
    }
    Ok(())
}

/// Declares a workload, waits until it runs, and deletes it again.
async fn one(fleet: &Fleet, i: usize) -> Result<Duration> {
    let name: Name = format!("bench-{i}").parse()?;
    let manifest: Manifest<Workload> = serde_json::from_value(serde_json::json!({
        "name": name, "spec": {"command": "/bin/sleep", "args": ["3600"], "stop": {"grace": "1s"}},
    }))?;
    let options = WatchOptions { name: Some(name.clone()), ..WatchOptions::default() };
    let mut watch = Watch::open(&fleet.api, options).await?;
    let started = Instant::now();
    call(fleet.api.workload_put(&name, None, None, None, &manifest)).await?;
    until(&mut watch, is_running).await?;
    let took = started.elapsed();
    call(fleet.api.workload_delete(&name, None, None, None)).await?;
    until(&mut watch, |event| Ok(matches!(event, WatchEvent::Deleted { .. }))).await?;
    Ok(took)
}

async fn until(watch: &mut Watch, is_it: impl Fn(&WatchEvent) -> Result<bool>) -> Result<()> {
    loop {
        if is_it(&watch.next().await?)? {
            return Ok(());
        }
    }
}

fn is_running(event: &WatchEvent) -> Result<bool> {
    match event {
        WatchEvent::Changed { resource: Resource::Workload(workload), .. } => match workload.status
        {
            WorkloadStatus::Failed => bail!("it failed: {:?}", workload.observed.last_exit),
            status => Ok(status == WorkloadStatus::Running),
        },
        _ => Ok(false),
    }
}
