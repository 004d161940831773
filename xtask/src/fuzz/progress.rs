//! What libFuzzer says of a run.

use std::time::Duration;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Inputs that were tried.
    pub(super) runs: u64,
    /// Places of the program that the known inputs reached.
    pub(super) before: u64,
    /// Those that were reached in the end.
    pub(super) after: u64,
    /// The input that failed, as libFuzzer names it.
    pub(super) failed: Option<String>,
    /// How long it ran, which whoever ran it knows.
    pub(super) took: Duration,
}

impl Progress {
    /// Reads all that was said: lines such as `#2 INITED cov: 7 ft: 8 corp: 1/1b …`, and where an
    /// input was written to.
    pub(super) fn of(said: &str) -> Self {
        let mut progress = Self::default();
        for line in said.lines() {
            if let Some((_, path)) = line.split_once("Test unit written to ") {
                progress.failed = Some(path.trim().to_owned());
            }
            let Some(rest) = line.strip_prefix('#') else { continue };
            let mut words = rest.split_whitespace();
            let Some(runs) = words.next().and_then(|word| word.parse().ok()) else { continue };
            progress.runs = runs;
            let is_first = words.next() == Some("INITED");
            let Some(covered) = after(line, "cov: ") else { continue };
            progress.after = progress.after.max(covered);
            if is_first {
                progress.before = covered;
            }
        }
        progress
    }
}

fn after(line: &str, name: &str) -> Option<u64> {
    line.split_once(name)?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_coverage_and_a_failed_input_are_read() {
        let said = "INFO: Seed: 27\n#62\tINITED cov: 1832 ft: 4519 corp: 51/20Kb\n\
                    #81\tNEW    cov: 1840 ft: 4530 corp: 52/20Kb lim: 4 exec/s: 0\n\
                    thread panicked\nartifact_prefix='x/'; Test unit written to x/crash-1a\n\
                    #900\tDONE   cov: 1840 ft: 4530\n";
        let failed = Some("x/crash-1a".to_owned());
        let took = Duration::ZERO;
        let expected = Progress { runs: 900, before: 1832, after: 1840, failed, took };
        assert_eq!(Progress::of(said), expected);
        assert_eq!(Progress::of("nothing"), Progress::default());
    }
}
