//! What a benchmark is: a name, what it measures, what is aimed at, and how it
//! runs.
//!
//! The one idea: aims are data beside the benchmark, and a figure finds its aim by
//! what it is called. So the list, the table and the JSON say the same, and an aim
//! that nothing was measured for is an error rather than a gap.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::figures::{Report, Unit};

/// One benchmark. Each has a module of its own with a constant of this type.
pub(crate) struct Benchmark {
    pub(crate) name: &'static str,
    /// What it measures, in a line.
    pub(crate) what: &'static str,
    /// What its figures are to be on two cores, in full size.
    pub(crate) aims: &'static [Aim],
    pub(crate) run: Run,
    /// What a process of its own does that it starts to make load, with what it is
    /// told at its start: `tessera-bench load NAME SETTING`.
    pub(crate) load: Option<Load>,
}

/// How a benchmark runs: `|context, report| Box::pin(run(context, report))`.
pub(crate) type Run = for<'a> fn(&'a Context, &'a mut Report) -> Running<'a>;

/// How a process makes load: `|setting| Box::pin(load(setting))`.
pub(crate) type Load = fn(String) -> Running<'static>;

/// A benchmark under way.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// What one figure is to be.
pub(crate) struct Aim {
    /// What the figure is called in the report.
    pub(crate) figure: &'static str,
    pub(crate) bound: Bound,
    /// Of the bound, and of the figure.
    pub(crate) unit: Unit,
}

/// On which side of a value a figure is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    Under(f64),
    AtLeast(f64),
}

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::Under(bound) => value < bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

/// `figure` is to be under so many of `unit`.
pub(crate) const fn under(figure: &'static str, bound: f64, unit: Unit) -> Aim {
    Aim { figure, bound: Bound::Under(bound), unit }
}

/// `figure` is to be at least so many of `unit`.
pub(crate) const fn at_least(figure: &'static str, bound: f64, unit: Unit) -> Aim {
    Aim { figure, bound: Bound::AtLeast(bound), unit }
}

/// Of a rate that is offered. It is counted until the last is answered, so that it never comes out whole.
pub(crate) const NEARLY: f64 = 0.99;

/// What all benchmarks of a run share.
pub(crate) struct Context {
    /// The size of everything; 1 is the size that the aims are about.
    pub(crate) scale: f64,
    /// Where state is kept; a benchmark makes a folder of its own in it.
    pub(crate) folder: PathBuf,
    /// Whether `tesseractl` sends what is applied in files.
    pub(crate) tesseractl: bool,
}

impl Context {
    /// A number of things at this scale, and one at least.
    pub(crate) fn count(&self, full: usize) -> usize {
        ((full as f64 * self.scale).round() as usize).max(1)
    }

    /// A time at this scale, and a tenth of a second at least.
    pub(crate) fn time(&self, full: Duration) -> Duration {
        full.mul_f64(self.scale).max(Duration::from_millis(100)).min(full)
    }

    /// A folder that is gone with its owner.
    pub(crate) fn new_folder(&self) -> Result<TempDir> {
        let made = tempfile::Builder::new().prefix("tessera-bench.").tempdir_in(&self.folder);
        made.with_context(|| format!("no state can be kept in {}", self.folder.display()))
    }
}
