//! All that one run of the benchmarks says: a table for people, JSON for
//! comparison.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::baseline::{Base, Baseline};
use crate::benchmark::{Benchmark, Context};
use crate::figures::{Figure, Judged, Report};
use crate::machine::{self, Commit, Machine, Versions};

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// When it began, as RFC 3339.
    pub(crate) at: String,
    pub(crate) commit: Commit,
    pub(crate) versions: Versions,
    pub(crate) machine: Machine,
    /// 1 where everything had its full size.
    pub(crate) scale: f64,
    pub(crate) baseline: Baseline,
    pub(crate) benchmarks: Vec<Measured>,
}

/// What one benchmark came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) what: String,
    /// The load of the machine before it began: what else ran there.
    pub(crate) load_before: f64,
    pub(crate) took_seconds: f64,
    pub(crate) figures: Vec<Figure>,
}

impl Results {
    /// A run that begins now, with its baseline.
    pub(crate) async fn begin(context: &Context) -> Result<Self> {
        Ok(Self {
            at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            commit: Commit::here(),
            versions: Versions::here(),
            machine: Machine::here(&context.folder),
            scale: context.scale,
            baseline: Baseline::take(context).await.context("the baseline")?,
            benchmarks: Vec::new(),
        })
    }

    /// Runs one benchmark and keeps what it says.
    pub(crate) async fn measure(
        &mut self,
        benchmark: &'static Benchmark,
        context: &Context,
    ) -> Result<&Measured> {
        let (load_before, begun_at) = (machine::load(), std::time::Instant::now());
        let mut report = Report::new(benchmark, self.baseline);
        (benchmark.run)(context, &mut report).await.context(benchmark.name)?;
        let (figures, missing) = report.finish();
        anyhow::ensure!(
            missing.is_empty(),
            "{} has aims that it did not measure: {missing:?}",
            benchmark.name
        );
        self.benchmarks.push(Measured {
            name: benchmark.name.to_owned(),
            what: benchmark.what.to_owned(),
            load_before,
            took_seconds: begun_at.elapsed().as_secs_f64(),
            figures,
        });
        self.benchmarks.last().context("one was just measured")
    }

    /// Where and of what it was, and the baseline.
    pub(crate) fn head(&self) -> String {
        let Machine { cpu, cores, memory_mib, kernel, file_system } = &self.machine;
        let mut text = format!(
            "{} {}{}, {} build, {}\n{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}, state on {file_system}\n",
            self.at,
            self.commit.short(),
            if self.commit.dirty { " with changes" } else { "" },
            self.versions.build,
            self.versions.rustc,
        );
        for base in Base::ALL {
            // Writing into a string does not fail.
            let _ = writeln!(text, "  {:<28}{:>12}/s", base.text(), number(self.baseline.of(base)));
        }
        if file_system == "tmpfs" {
            text += "  nothing is durable on tmpfs, so whatever commits seems fast: choose another --folder\n";
        }
        if (self.scale - 1.0).abs() > f64::EPSILON {
            let _ = writeln!(text, "  scale {}: the aims are about the full size", self.scale);
        }
        text
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let json = serde_json::to_string_pretty(self)?;
        std::fs::write(path, json + "\n").with_context(|| path.display().to_string())
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let shown = || path.display().to_string();
        let json = std::fs::read_to_string(path).with_context(shown)?;
        let not_ours = || format!("{} is not what cargo xtask bench writes", path.display());
        serde_json::from_str(&json).with_context(not_ours)
    }
}

impl Measured {
    /// A row for each figure.
    pub(crate) fn table(&self) -> String {
        let Self { name, what, load_before, took_seconds, .. } = self;
        let mut text =
            format!("\n{name}: {what} ({took_seconds:.1} s, load before {load_before:.1})\n");
        let width = self.figures.iter().map(|figure| figure.what.chars().count()).max();
        let width = width.unwrap_or(0);
        for figure in &self.figures {
            let Figure { what, value, unit, aim, ratio } = figure;
            let value = number(*value);
            let mut row = format!("  {what:<width$}  {value:>10} {:<11}", unit.text());
            row += &format!("  {:<26}", aim.as_ref().map_or_else(String::new, aim_text));
            if let Some(ratio) = ratio {
                row += &format!("  {} x {}", number(ratio.value), ratio.to.text());
            }
            text = text + row.trim_end() + "\n";
        }
        text
    }
}

fn aim_text(aim: &Judged) -> String {
    let verdict = if aim.met { "met" } else { "MISSED" };
    match (aim.under, aim.at_least) {
        (Some(under), _) => format!("{verdict} (under {})", number(under)),
        (None, Some(at_least)) => format!("{verdict} (at least {})", number(at_least)),
        (None, None) => verdict.to_owned(),
    }
}

/// With three digits that count, and no more than two behind the point.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
