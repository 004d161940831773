//! How large a run is, as a part of the full one: a small run says whether something
//! works, and a part of it whether something has become slower.

use std::str::FromStr;

use anyhow::{Context, bail};

/// A part of the full size, above 0 and at most 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale(f64);

impl Scale {
    pub(crate) const FULL: Self = Self(1.0);

    /// So much of what there is at full size, and at least one.
    pub(crate) fn of(self, full: usize) -> usize {
        ((full as f64 * self.0).round() as usize).max(1)
    }
}

impl FromStr for Scale {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let part: f64 = text.parse().context("a scale is a number, such as 0.1")?;
        if !(part > 0.0 && part <= 1.0) {
            bail!("a scale is above 0 and at most 1");
        }
        Ok(Self(part))
    }
}

/// The value of a sorted list below which `share` of it is.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}
