//! What one benchmark measured.

use serde::{Deserialize, Serialize};

use crate::baseline::{Base, Baseline};
use crate::benchmark::{Benchmark, Bound};
use crate::samples::Samples;

const MEBIBYTE: f64 = 1_048_576.0;

/// What a figure is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    #[serde(rename = "/s")]
    PerSecond,
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Millis,
    #[serde(rename = "us")]
    Micros,
    #[serde(rename = "MiB")]
    Mebibytes,
    #[serde(rename = "KiB")]
    Kibibytes,
    #[serde(rename = "% of a core")]
    CorePercent,
    #[serde(rename = "")]
    Count,
}

impl Unit {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Seconds => "s",
            Self::Millis => "ms",
            Self::Micros => "us",
            Self::Mebibytes => "MiB",
            Self::Kibibytes => "KiB",
            Self::CorePercent => "% of a core",
            Self::Count => "",
        }
    }

    /// How many seconds one of it is, where it is a time.
    fn seconds(self) -> Option<f64> {
        match self {
            Self::Seconds => Some(1.0),
            Self::Millis => Some(1e-3),
            Self::Micros => Some(1e-6),
            Self::PerSecond
            | Self::Mebibytes
            | Self::Kibibytes
            | Self::CorePercent
            | Self::Count => None,
        }
    }
}

/// A benchmark's figures, as they are added.
pub(crate) struct Report {
    benchmark: &'static Benchmark,
    baseline: Baseline,
    figures: Vec<Figure>,
}

/// One number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    /// What was aimed at, for the figures that have an aim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aim: Option<Judged>,
    /// How it compares with what the machine can do at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<Ratio>,
}

/// An aim, and whether it was met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) under: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_least: Option<f64>,
    pub(crate) met: bool,
}

/// A rate divided by one of the baseline; of a time, how often what the baseline
/// counts is done meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    pub(crate) to: Base,
    pub(crate) value: f64,
}

const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("max", 1.0)];

impl Report {
    pub(crate) fn new(benchmark: &'static Benchmark, baseline: Baseline) -> Self {
        Self { benchmark, baseline, figures: Vec::new() }
    }

    /// Adds a figure, with its aim if the benchmark has one of that name.
    pub(crate) fn add(&mut self, what: &str, value: f64, unit: Unit) {
        let aim = self.benchmark.aims.iter().find(|aim| (aim.figure, aim.unit) == (what, unit));
        let aim = aim.map(|aim| judge(aim.bound, value));
        self.figures.push(Figure { what: what.to_owned(), value, unit, aim, ratio: None });
    }

    /// Adds an amount of memory.
    pub(crate) fn add_bytes(&mut self, what: &str, bytes: u64) {
        self.add(what, bytes as f64 / MEBIBYTE, Unit::Mebibytes);
    }

    /// As [`Report::add`], for a figure that `base` limits.
    pub(crate) fn add_against(&mut self, base: Base, what: &str, value: f64, unit: Unit) {
        self.add(what, value, unit);
        let per_second = self.baseline.of(base);
        let value = unit.seconds().map_or(value / per_second, |one| value * one * per_second);
        if let Some(figure) = self.figures.last_mut() {
            figure.ratio = Some(Ratio { to: base, value });
        }
    }

    /// Adds `WHAT, p50`, `WHAT, p99` and `WHAT, max`.
    pub(crate) fn percentiles(&mut self, what: &str, samples: &Samples, unit: Unit) {
        for (name, share) in PERCENTILES {
            self.add(&format!("{what}, {name}"), samples.percentile(share), unit);
        }
    }

    /// As [`Report::percentiles`], for times that `base` limits.
    pub(crate) fn percentiles_against(
        &mut self,
        base: Base,
        what: &str,
        samples: &Samples,
        unit: Unit,
    ) {
        for (name, share) in PERCENTILES {
            self.add_against(base, &format!("{what}, {name}"), samples.percentile(share), unit);
        }
    }

    /// The figures, and which aims have none.
    pub(crate) fn finish(self) -> (Vec<Figure>, Vec<&'static str>) {
        let is_of = |aim: &str, figure: &Figure| figure.aim.is_some() && figure.what == aim;
        let measured = |aim: &str| self.figures.iter().any(|figure| is_of(aim, figure));
        let aims = self.benchmark.aims.iter().map(|aim| aim.figure);
        let missing = aims.filter(|aim| !measured(aim)).collect();
        (self.figures, missing)
    }
}

fn judge(bound: Bound, value: f64) -> Judged {
    let met = bound.holds(value);
    match bound {
        Bound::Under(under) => Judged { under: Some(under), at_least: None, met },
        Bound::AtLeast(at_least) => Judged { under: None, at_least: Some(at_least), met },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::{at_least, under};

    static BENCHMARK: Benchmark = Benchmark {
        name: "some",
        what: "something",
        aims: &[
            under("lag, p99", 100.0, Unit::Millis),
            at_least("steps", 5000.0, Unit::PerSecond),
            under("memory", 1.0, Unit::Mebibytes),
        ],
        run: |_, _| Box::pin(async { Ok(()) }),
        load: None,
    };

    fn baseline() -> Baseline {
        Baseline { log_appends: 1000.0, log_rows: 50_000.0, http_requests: 10_000.0 }
    }

    #[test]
    fn a_figure_finds_its_aim_by_its_name() {
        let mut report = Report::new(&BENCHMARK, baseline());
        let samples = (1..=200).map(f64::from).collect::<Samples>();
        report.percentiles("lag", &samples, Unit::Millis);
        report.add("steps", 5000.0, Unit::PerSecond);
        let (figures, missing) = report.finish();
        let met: Vec<_> =
            figures.iter().map(|figure| figure.aim.as_ref().map(|aim| aim.met)).collect();
        assert_eq!(met, [None, Some(false), None, Some(true)]);
        assert_eq!(missing, ["memory"]);
    }

    #[test]
    fn a_figure_in_another_unit_is_not_what_was_aimed_at() {
        let mut report = Report::new(&BENCHMARK, baseline());
        report.add("memory", 0.5, Unit::Kibibytes);
        let (figures, missing) = report.finish();
        assert_eq!(figures[0].aim, None);
        assert_eq!(missing, ["lag, p99", "steps", "memory"]);
    }

    #[test]
    fn a_time_is_compared_by_what_could_be_done_meanwhile() {
        let mut report = Report::new(&BENCHMARK, baseline());
        report.add_against(Base::LogAppends, "steps", 5000.0, Unit::PerSecond);
        report.add_against(Base::HttpRequests, "lag", 2.0, Unit::Millis);
        let (figures, _) = report.finish();
        let ratios: Vec<_> =
            figures.into_iter().filter_map(|figure| figure.ratio).map(|it| it.value).collect();
        assert_eq!(ratios, [5.0, 20.0]);
    }
}
