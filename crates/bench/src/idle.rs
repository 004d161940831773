//! `idle`: what a control plane and an agent with nothing to do need.

use std::time::Duration;

use anyhow::Result;

use crate::fleet::{Fleet, Process};
use crate::process::{cpu_time, resident_bytes};
use crate::report::Report;

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
    Ok(())
}

fn measure(report: &mut Report, name: &str, process: &Process, before: Duration) -> Result<()> {
    let memory = resident_bytes(process.id())? as f64 / f64::from(1 << 20);
    report.add("idle", &format!("{name}, resident memory"), memory, "MiB");
    let used = cpu_time(process.id())?.saturating_sub(before);
    let share = used.as_secs_f64() / MEASURE.as_secs_f64() * 100.0;
    report.add("idle", &format!("{name}, processor time"), share, "% of a core");
    Ok(())
}
