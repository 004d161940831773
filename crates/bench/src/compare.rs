//! Two runs side by side: what each figure was, and how it changed, also apart from
//! how the machine changed.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::baseline::Base;
use crate::figures::Figure;
use crate::results::{Results, number};

/// A row for each figure that both runs have.
pub(crate) fn compare(before: &Results, after: &Results) -> String {
    let mut text = format!(
        "A: {} {} on {}\nB: {} {} on {}\n",
        before.at,
        before.commit.short(),
        before.machine.cpu,
        after.at,
        after.commit.short(),
        after.machine.cpu
    );
    if (before.scale - after.scale).abs() > f64::EPSILON {
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "They differ in scale ({} and {}): their figures cannot be compared.",
            before.scale, after.scale
        );
    }
    let rows = rows(before, after);
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
    let _ =
        writeln!(text, "{:<width$}  {:>10} {:>10} {:>6}  B/A of the ratios", "", "A", "B", "B/A");
    for Row { what, before, after, ratios } in rows {
        let (a, b, change) = (number(before), number(after), number(after / before));
        let ratios = ratios.map_or_else(String::new, |(base, change)| {
            format!("{} to {}", number(change), base.text())
        });
        let row = format!("{what:<width$}  {a:>10} {b:>10} {change:>6}  {ratios}");
        text = text + row.trim_end() + "\n";
    }
    text
}

struct Row {
    what: String,
    before: f64,
    after: f64,
    /// By how much the ratio to the baseline has changed.
    ratios: Option<(Base, f64)>,
}

fn rows(before: &Results, after: &Results) -> Vec<Row> {
    let baseline = Base::ALL.map(|base| Row {
        what: format!("baseline: {}", base.text()),
        before: before.baseline.of(base),
        after: after.baseline.of(base),
        ratios: None,
    });
    let was = figures(before);
    let both = after.benchmarks.iter().flat_map(|benchmark| {
        let was = &was;
        benchmark.figures.iter().filter_map(move |now| {
            let was = was.get(&(benchmark.name.as_str(), now.what.as_str()))?;
            Some(row(&benchmark.name, was, now))
        })
    });
    baseline.into_iter().chain(both).collect()
}

fn figures(results: &Results) -> BTreeMap<(&str, &str), &Figure> {
    let of = results.benchmarks.iter().flat_map(|benchmark| {
        let figures = benchmark.figures.iter();
        figures.map(|figure| ((benchmark.name.as_str(), figure.what.as_str()), figure))
    });
    of.collect()
}

fn row(benchmark: &str, was: &Figure, now: &Figure) -> Row {
    let ratios = was.ratio.as_ref().zip(now.ratio.as_ref());
    Row {
        what: format!("{benchmark}: {} ({})", now.what, now.unit.text()),
        before: was.value,
        after: now.value,
        ratios: ratios.map(|(was, now)| (now.to, now.value / was.value)),
    }
}
