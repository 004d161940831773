//! `idle`: what a control plane and an agent with nothing to do need.
//!
//! The aims are what the README promises, word for word; a test compares them. Own
//! memory is what is not mapped from a file: the rest is the program itself, which the
//! kernel keeps once however many processes run it.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::apply;
use crate::benchmark::{Benchmark, Context, under};
use crate::figures::{Report, Unit};
use crate::process::{Meter, own_bytes, parent, resident_bytes};
use crate::stage::Stage;

/// How long nothing is done before anything is measured.
const SETTLE: Duration = Duration::from_secs(3);
/// How long it is measured.
const MEASURE: Duration = Duration::from_secs(30);

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "idle",
    what: "a control plane and an agent with nothing to do",
    aims: &[
        under("control plane, resident memory", 25.0, Unit::Mebibytes),
        under("control plane, own memory", 4.0, Unit::Mebibytes),
        under("control plane, processor time", 0.1, Unit::CorePercent),
        under("agent, resident memory", 10.0, Unit::Mebibytes),
        under("agent, own memory", 1.0, Unit::Mebibytes),
        under("agent, processor time", 0.1, Unit::CorePercent),
        under("supervisor of a run, resident memory", 8.0, Unit::Mebibytes),
        under("supervisor of a run, own memory", 1.0, Unit::Mebibytes),
    ],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let mut stage = Stage::start(context)?;
    stage.real("bench", &[])?;
    stage.ready().await?;
    let agent = stage.agents.first().context("an agent was started")?;
    tokio::time::sleep(context.time(SETTLE)).await;
    let processes = [("control plane", stage.control.id()), ("agent", agent.id())];
    let meters: Vec<_> =
        processes.iter().map(|(_, pid)| Meter::start(*pid)).collect::<Result<_>>()?;
    tokio::time::sleep(context.time(MEASURE)).await;
    for ((name, pid), meter) in processes.into_iter().zip(meters) {
        memory(report, name, pid)?;
        report.add(&format!("{name}, processor time"), meter.share()?, Unit::CorePercent);
    }
    // Only now, so that it is not in the figures of the agent.
    let run = apply::start(&stage.api, "bench", &serde_json::json!([])).await?;
    let supervisor = parent(run.pid)?;
    memory(report, "supervisor of a run", supervisor)?;
    apply::end(&stage.api, "bench").await
}

fn memory(report: &mut Report, name: &str, pid: u32) -> Result<()> {
    report.add_bytes(&format!("{name}, resident memory"), resident_bytes(pid)?);
    report.add_bytes(&format!("{name}, own memory"), own_bytes(pid)?);
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
