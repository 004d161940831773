//! `idle`: what a control plane and an agent with nothing to do need.

use std::time::Duration;

use anyhow::Result;

use crate::apply;
use crate::fleet::{Fleet, Process};
use crate::process::{cpu_time, own_bytes, parent, resident_bytes};
use crate::report::Report;

const MEBIBYTE: f64 = 1_048_576.0;
/// How long nothing is done before anything is measured.
const SETTLE: Duration = Duration::from_secs(3);
/// How long it is measured.
const MEASURE: Duration = Duration::from_secs(30);

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let fleet = Fleet::start().await?;
    tokio::time::sleep(SETTLE).await;
    let processes = [("control plane", &fleet.control), ("agent", &fleet.agent)];
    let before: Vec<_> =
        processes.iter().map(|(_, one)| cpu_time(one.id())).collect::<Result<_>>()?;
    tokio::time::sleep(MEASURE).await;
    for ((name, process), before) in processes.into_iter().zip(before) {
        measure(report, name, process, before)?;
    }
    // Only now, so that it is not in the figures of the agent.
    let run = apply::start(&fleet.api, "bench", &serde_json::json!([])).await?;
    let supervisor = parent(run.pid)?;
    report.add("idle", "supervisor of a run, resident memory", mebibytes(supervisor)?, "MiB");
    report.add("idle", "of that its own", own_bytes(supervisor)? as f64 / MEBIBYTE, "MiB");
    apply::end(&fleet.api, "bench").await
}

fn mebibytes(pid: u32) -> Result<f64> {
    Ok(resident_bytes(pid)? as f64 / MEBIBYTE)
}

fn measure(report: &mut Report, name: &str, process: &Process, before: Duration) -> Result<()> {
    report.add("idle", &format!("{name}, resident memory"), mebibytes(process.id())?, "MiB");
    let used = cpu_time(process.id())?.saturating_sub(before);
    let share = used.as_secs_f64() / MEASURE.as_secs_f64() * 100.0;
    report.add("idle", &format!("{name}, processor time"), share, "% of a core");
    Ok(())
}
