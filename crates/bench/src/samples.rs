//! Many measurements of the same thing, and their percentiles.
//!
//! The one idea: every sample is kept, so percentiles are exact. A million of them
//! are 8 MB, which the process that measures can afford.

/// Measurements of the same thing, in whichever unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest sample that at least this share of all does not exceed; 0 if
    /// there is none.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
    }

    /// The arithmetic mean; 0 if there is none.
    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len().max(1) as f64
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

impl Extend<f64> for Samples {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, samples: I) {
        self.0.extend(samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample() {
        let samples: Samples = (1..=100).rev().map(f64::from).collect();
        let at = [0.0, 0.5, 0.99, 1.0].map(|share| samples.percentile(share));
        assert_eq!(at, [1.0, 50.0, 99.0, 100.0]);
        assert_eq!(samples.mean(), 50.5);
    }

    #[test]
    fn few_samples_have_percentiles_too() {
        let one: Samples = [7.0].into_iter().collect();
        assert_eq!(one.percentile(0.99), 7.0);
        assert_eq!(Samples::default().percentile(0.99), 0.0);
    }
}
