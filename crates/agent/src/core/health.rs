//! Health checks of one run: when the next is due, and what a result means.

use tessera_types::workload::{Backoff, HealthCheck};
use tessera_types::{Duration, Timestamp};

/// The first pause between checks of a run that has not passed one yet: a program that is up after a moment should
/// not have to wait for a whole interval to be seen.
const WARM_UP: Duration = Duration::from_millis(100);

/// The checks of one run.
#[derive(Debug)]
pub(super) struct Probing {
    /// When the run was started.
    since: Timestamp,
    next_at: Timestamp,
    in_flight: bool,
    passed: bool,
    tries: u32,
    /// Failures in a row that count.
    failures: u32,
}

/// What the result of a check means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing new.
    Same,
    /// It passes, and did not before.
    Healthy,
    /// It fails, for this reason, but not often enough yet.
    Failing(String),
    /// It failed too often.
    Dead(String),
}

impl Probing {
    /// The checks of a run that was started at `since`.
    pub(super) fn new(now: Timestamp, since: Timestamp, passed: bool) -> Self {
        Self { since, next_at: now, in_flight: false, passed, tries: 0, failures: 0 }
    }

    /// The wall clock was set by so much: the checks keep their distance.
    pub(super) fn clock_set(&mut self, by_ms: i64) {
        self.since = self.since.moved_by_ms(by_ms);
        self.next_at = self.next_at.moved_by_ms(by_ms);
    }

    /// Whether a check has passed.
    pub(super) fn passed(&self) -> bool {
        self.passed
    }

    /// When the next check is due; none while one is under way.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        (!self.in_flight).then_some(self.next_at)
    }

    /// Whether a check is due. If so it is taken to be under way from now on.
    pub(super) fn begin(&mut self, now: Timestamp) -> bool {
        let due = self.next_at().is_some_and(|at| at <= now);
        self.in_flight |= due;
        due
    }

    /// Takes in the result of a check.
    pub(super) fn result(
        &mut self,
        now: Timestamp,
        check: &HealthCheck,
        result: Result<(), String>,
    ) -> Verdict {
        if !self.in_flight {
            return Verdict::Same;
        }
        self.in_flight = false;
        self.tries = self.tries.saturating_add(1);
        self.next_at = now.plus(self.pause(now, check));
        match result {
            Ok(()) => self.success(),
            Err(_) if self.is_starting(now, check) => Verdict::Same,
            Err(message) => self.failure(check, message),
        }
    }

    fn success(&mut self) -> Verdict {
        let news = !self.passed || self.failures > 0;
        self.passed = true;
        self.failures = 0;
        if news { Verdict::Healthy } else { Verdict::Same }
    }

    fn failure(&mut self, check: &HealthCheck, message: String) -> Verdict {
        self.failures += 1;
        if self.failures >= check.retries {
            return Verdict::Dead(message);
        }
        Verdict::Failing(format!(
            "health check failed {} of {} times: {message}",
            self.failures, check.retries
        ))
    }

    fn is_starting(&self, now: Timestamp, check: &HealthCheck) -> bool {
        now < self.since.plus(check.start_period)
    }

    fn pause(&self, now: Timestamp, check: &HealthCheck) -> Duration {
        if self.passed || !self.is_starting(now, check) {
            return check.interval;
        }
        let warm_up =
            Backoff { initial: WARM_UP, max: check.interval, reset_after: Duration::ZERO };
        warm_up.pause(self.tries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> HealthCheck {
        serde_json::from_value(serde_json::json!({
            "tcp": {"port": 1}, "start_period": "10s", "interval": "5s", "retries": 3
        }))
        .unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn step(probing: &mut Probing, now: Timestamp, result: Result<(), &str>) -> Verdict {
        probing.in_flight = true;
        probing.result(now, &check(), result.map_err(str::to_owned))
    }

    #[test]
    fn failures_count_only_after_the_start_period_and_in_a_row() {
        let mut probing = Probing::new(at(0), at(0), false);
        for second in 0..10 {
            assert_eq!(step(&mut probing, at(second), Err("refused")), Verdict::Same);
        }
        assert!(matches!(step(&mut probing, at(10), Err("refused")), Verdict::Failing(_)));
        assert!(matches!(step(&mut probing, at(15), Err("refused")), Verdict::Failing(_)));
        assert_eq!(step(&mut probing, at(20), Ok(())), Verdict::Healthy);
        assert_eq!(step(&mut probing, at(25), Ok(())), Verdict::Same);
        assert!(matches!(step(&mut probing, at(30), Err("refused")), Verdict::Failing(_)));
        assert_eq!(step(&mut probing, at(35), Ok(())), Verdict::Healthy);
        for second in [40, 45] {
            assert!(matches!(step(&mut probing, at(second), Err("no")), Verdict::Failing(_)));
        }
        assert_eq!(step(&mut probing, at(50), Err("no")), Verdict::Dead("no".to_owned()));
    }

    #[test]
    fn checks_are_close_together_until_the_first_has_passed() {
        let mut probing = Probing::new(at(0), at(0), false);
        assert!(probing.begin(at(0)));
        assert!(!probing.begin(at(9)), "one at a time");
        step(&mut probing, at(0), Err("refused"));
        assert_eq!(probing.next_at(), Some(at(0).plus(Duration::from_millis(100))));
        step(&mut probing, at(1), Err("refused"));
        assert_eq!(probing.next_at(), Some(at(1).plus(Duration::from_millis(200))));
        step(&mut probing, at(2), Ok(()));
        step(&mut probing, at(3), Ok(()));
        assert_eq!(probing.next_at(), Some(at(8)));
    }

    #[test]
    fn a_result_that_nobody_waits_for_is_ignored() {
        let mut probing = Probing::new(at(0), at(0), true);
        assert_eq!(probing.result(at(60), &check(), Err("late".to_owned())), Verdict::Same);
        assert_eq!(probing.failures, 0);
    }
}
