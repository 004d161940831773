//! What was measured: a table for people, JSON for comparison.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

/// Everything that was measured in one run.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    figures: Vec<Figure>,
}

#[derive(Serialize)]
struct Figure {
    benchmark: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
}

impl Report {
    pub(crate) fn add(
        &mut self,
        benchmark: &'static str,
        what: &str,
        value: f64,
        unit: &'static str,
    ) {
        self.figures.push(Figure { benchmark, what: what.to_owned(), value, unit });
    }

    pub(crate) fn table(&self) -> String {
        let width = self.figures.iter().map(|figure| figure.what.len()).max().unwrap_or(0);
        self.figures.iter().fold(String::new(), |mut text, figure| {
            // Writing into a string does not fail.
            let _ = writeln!(
                text,
                "{:<12}{:<width$}  {:>9.2} {}",
                figure.benchmark, figure.what, figure.value, figure.unit
            );
            text
        })
    }

    pub(crate) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }
}
