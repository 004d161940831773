//! `idle`: what a control plane and an agent with nothing to do need.
//!
//! The aims are what the README promises, word for word; a test compares them. Own
//! memory is what is not mapped from a file: the rest is the program itself, which the
//! kernel keeps once however many processes run it.

use std::time::Duration;

use anyhow::Result;

use crate::apply;
use crate::benchmark::{Benchmark, Context, under};
use crate::figures::{Report, Unit};
use crate::fleet::{Fleet, Process};
use crate::process::{cpu_time, own_bytes, parent, resident_bytes};

const MEBIBYTE: f64 = 1_048_576.0;
/// How long nothing is done before anything is measured.
const SETTLE: Duration = Duration::from_secs(3);
/// How long it is measured.
const MEASURE: Duration = Duration::from_secs(30);

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "idle",
    what: "a control plane and an agent with nothing to do",
    aims: &[
        under("control plane, resident memory", 25.0),
        under("control plane, own memory", 4.0),
        under("control plane, processor time", 0.1),
        under("agent, resident memory", 10.0),
        under("agent, own memory", 1.0),
        under("agent, processor time", 0.1),
        under("supervisor of a run, resident memory", 8.0),
        under("supervisor of a run, own memory", 1.0),
    ],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let fleet = Fleet::start(context).await?;
    tokio::time::sleep(context.time(SETTLE)).await;
    let processes = [("control plane", &fleet.control), ("agent", &fleet.agent)];
    let before: Vec<_> =
        processes.iter().map(|(_, one)| cpu_time(one.id())).collect::<Result<_>>()?;
    let measured = context.time(MEASURE);
    tokio::time::sleep(measured).await;
    for ((name, process), before) in processes.into_iter().zip(before) {
        measure(report, name, process, before, measured)?;
    }
    // Only now, so that it is not in the figures of the agent.
    let run = apply::start(&fleet.api, "bench", &serde_json::json!([])).await?;
    let supervisor = parent(run.pid)?;
    memory(report, "supervisor of a run", supervisor)?;
    apply::end(&fleet.api, "bench").await
}

fn memory(report: &mut Report, name: &str, pid: u32) -> Result<()> {
    let resident = resident_bytes(pid)? as f64 / MEBIBYTE;
    report.add(&format!("{name}, resident memory"), resident, Unit::Mebibytes);
    let own = own_bytes(pid)? as f64 / MEBIBYTE;
    report.add(&format!("{name}, own memory"), own, Unit::Mebibytes);
    Ok(())
}

fn measure(
    report: &mut Report,
    name: &str,
    process: &Process,
    before: Duration,
    measured: Duration,
) -> Result<()> {
    memory(report, name, process.id())?;
    let used = cpu_time(process.id())?.saturating_sub(before);
    let share = used.as_secs_f64() / measured.as_secs_f64() * 100.0;
    report.add(&format!("{name}, processor time"), share, Unit::CorePercent);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::Bound;

    #[test]
    fn the_aims_are_what_the_readme_promises() {
        let readme = include_str!("../../../README.md");
        for aim in BENCHMARK.aims {
            let (subject, what) = aim.figure.split_once(", ").unwrap();
            let row = readme.lines().find(|line| line.starts_with(&format!("| {subject}")));
            let row = row.unwrap_or_else(|| panic!("the README says nothing of {subject}"));
            let Bound::Under(bound) = aim.bound else { panic!("less is better") };
            let unit = if what == "processor time" { "% of a core" } else { "MiB" };
            let promise = format!("under {bound} {unit}");
            assert!(row.contains(&promise), "{}: the README says {row}", aim.figure);
        }
    }
}
