//! `apply`: from the request that declares a process to the moment at which the
//! API says that it is Running, on a system that does nothing else, and on a busy one.

mod busy;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tessera_client::{Api, Watch, WatchOptions};
use tessera_types::api::WatchEvent;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Manifest, Name, Resource, Workload};

use crate::baseline::Base;
use crate::benchmark::{Benchmark, Context, NEARLY, at_least, under};
use crate::figures::{Report, Unit};
use crate::samples::Samples;
use crate::stage::Stage;

/// Workloads, one after the other.
const RUNS: usize = 100;
/// One of them may take so long at most.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "apply",
    what: "one workload, from apply to Running",
    aims: &[
        under("apply to Running, idle, p50", 20.0, Unit::Millis),
        under("apply to Running, idle, p99", 100.0, Unit::Millis),
        under("apply to Running, busy, p50", 20.0, Unit::Millis),
        under("apply to Running, busy, p99", 100.0, Unit::Millis),
        at_least("applies of others, busy", NEARLY * 200.0, Unit::PerSecond),
    ],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    idle(context, report).await?;
    busy::run(context, report).await
}

async fn idle(context: &Context, report: &mut Report) -> Result<()> {
    let mut stage = Stage::start(context)?;
    stage.real("bench", &[])?;
    stage.ready().await?;
    let mut took = Samples::default();
    for i in 0..context.count(RUNS) {
        let one =
            tokio::time::timeout(PATIENCE, one(&stage.api, i)).await.context("too slow")??;
        took.push(one.as_secs_f64() * 1000.0);
    }
    report.percentiles_against(Base::LogAppends, "apply to Running, idle", &took, Unit::Millis);
    Ok(())
}

/// Declares a workload, waits until it runs, and deletes it again.
async fn one(api: &Api, i: usize) -> Result<Duration> {
    let name = format!("bench-{i}");
    let run = start(api, &name, &json!([])).await?;
    end(api, &name).await?;
    Ok(run.took)
}

/// A workload that runs.
pub(crate) struct Run {
    pub(crate) pid: u32,
    took: Duration,
}

/// Declares a workload and waits until it runs.
pub(crate) async fn start(api: &Api, name: &str, constraints: &Value) -> Result<Run> {
    let name: Name = name.parse()?;
    let manifest: Manifest<Workload> = serde_json::from_value(json!({"name": name, "spec": {
        "command": "/bin/sleep", "args": ["3600"], "stop": {"grace": "1s"},
        "constraints": constraints,
    }}))?;
    let mut watch = watch(api, &name).await?;
    let started = Instant::now();
    api.put(&manifest, &Default::default()).await?;
    until(&mut watch, is_running).await?;
    let took = started.elapsed();
    let workload = api.get::<Workload>(&name, None).await?;
    let pid = workload.observed.instance.and_then(|instance| instance.pid);
    Ok(Run { pid: pid.context("it has no process id")?, took })
}

/// Deletes a workload and waits until it is gone.
pub(crate) async fn end(api: &Api, name: &str) -> Result<()> {
    let name: Name = name.parse()?;
    let mut watch = watch(api, &name).await?;
    api.delete::<Workload>(&name, None, Default::default()).await?;
    until(&mut watch, |event| Ok(matches!(event, WatchEvent::Deleted { .. }))).await
}

async fn watch(api: &Api, name: &Name) -> Result<Watch> {
    let options = WatchOptions { name: Some(name.clone()), ..WatchOptions::default() };
    Ok(Watch::open(api, options).await?)
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
