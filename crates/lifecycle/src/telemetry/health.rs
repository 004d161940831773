//! How a tenant is: the age of the primary's last success against the freshness that the tenant
//! declares. A run that failed is said, but as long as the data is fresh it is nobody's emergency.

use std::fmt;

use serde::Serialize;
use tessera_types::Timestamp;

use super::history::{Ended, ServiceHistory, Started};
use super::record::Verdict;
use crate::manifest::Manifest;

/// How a tenant is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The last success is fresh, and so was the last run.
    Healthy,
    /// The last success is too old.
    Stale,
    /// The last run failed, but the last success is still fresh.
    Failing,
    /// No run has ever succeeded.
    Unknown,
}

/// What `status` says; the fields are those of `status --json`, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The tenant's name.
    pub tenant: String,
    /// The tenant's version.
    pub version: String,
    /// How it is.
    pub health: Health,
    /// How old the last success may be, in seconds.
    pub freshness_seconds: u64,
    /// When the last success ended.
    #[serde(serialize_with = "optional_ms")]
    pub last_success_at: Option<Timestamp>,
    /// How long ago that was, in seconds.
    pub last_success_age_seconds: Option<u64>,
    /// The last run that is over.
    pub last_run: Option<LastRun>,
    /// When the run started that is under way.
    #[serde(serialize_with = "optional_ms")]
    pub running_since: Option<Timestamp>,
    /// The same in words.
    pub text: String,
}

/// A run that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum LastRun {
    /// It did its work.
    Success(Over),
    /// It failed.
    Failure(Over),
    /// It never ended: it was killed, or the machine went down.
    CutOff {
        /// Which run.
        run_id: String,
        /// When it started.
        #[serde(serialize_with = "super::serialize_in_ms")]
        started_at: Timestamp,
    },
}

/// What is known of a run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Over {
    /// Which run.
    pub run_id: String,
    /// When it ended.
    #[serde(serialize_with = "super::serialize_in_ms")]
    pub ended_at: Timestamp,
    /// Its exit code.
    pub exit_code: u8,
    /// How many rows it wrote, if it told.
    pub rows: Option<u64>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl Status {
    /// How the tenant of `manifest` is at `now`, by what its primary service did. `is_running` is
    /// whether the run that has not ended is still alive.
    pub fn of(
        manifest: &Manifest,
        history: &ServiceHistory,
        is_running: bool,
        now: Timestamp,
    ) -> Self {
        let last_run = LastRun::of(history, is_running);
        let success = history.success.as_ref().map(|run| run.at);
        let age = success.map(|at| now.since(at));
        let failed = last_run.as_ref().is_some_and(|run| !matches!(run, LastRun::Success(_)));
        let health = match age {
            None => Health::Unknown,
            Some(age) if age > manifest.freshness.duration => Health::Stale,
            Some(_) if failed => Health::Failing,
            Some(_) => Health::Healthy,
        };
        let mut status = Self {
            tenant: manifest.name.to_string(),
            version: manifest.version.clone(),
            health,
            freshness_seconds: manifest.freshness.duration.as_millis() / 1000,
            last_success_at: success,
            last_success_age_seconds: age.map(|age| age.as_millis() / 1000),
            last_run,
            running_since: history.open.as_ref().filter(|_| is_running).map(|run| run.at),
            text: String::new(),
        };
        status.text = status.words(&manifest.freshness.text, now);
        status
    }

    /// Whether its data can be relied on.
    pub const fn is_well(&self) -> bool {
        matches!(self.health, Health::Healthy | Health::Failing)
    }

    fn words(&self, freshness: &str, now: Timestamp) -> String {
        let success = match self.last_success_age_seconds {
            Some(age) => {
                format!("the last success was {} ago and may be {freshness} old", coarse(age))
            }
            None if self.last_run.is_none() => "never run".to_owned(),
            None => "never succeeded".to_owned(),
        };
        let mut parts = vec![success];
        parts.extend(self.last_run.as_ref().and_then(|run| run.failure(now)));
        let running = self.running_since.map(|at| now.since(at).as_millis() / 1000);
        parts.extend(running.map(|age| format!("a run is under way since {}", coarse(age))));
        format!("{}: {}: {}", self.tenant, self.health, parts.join("; "))
    }
}

impl LastRun {
    /// The last run that is over: the one that has not ended, or, while that is alive, the one before
    /// it, if that has not ended either.
    pub fn of(history: &ServiceHistory, is_running: bool) -> Option<Self> {
        let cut_off = if is_running { &history.cut_off } else { &history.open };
        match (cut_off, &history.last) {
            (Some(Started { run_id, at }), _) => {
                Some(Self::CutOff { run_id: run_id.clone(), started_at: *at })
            }
            (_, Some(ended)) if ended.outcome == Verdict::Success => {
                Some(Self::Success(ended.into()))
            }
            (_, ended) => ended.as_ref().map(|ended| Self::Failure(ended.into())),
        }
    }

    fn failure(&self, now: Timestamp) -> Option<String> {
        let ago = |at| coarse(now.since(at).as_millis() / 1000);
        match self {
            Self::Success(_) => None,
            Self::Failure(Over { ended_at, exit_code, .. }) => {
                let ago = ago(*ended_at);
                Some(format!("the last run failed {ago} ago with exit code {exit_code}"))
            }
            Self::CutOff { started_at, .. } => {
                let ago = ago(*started_at);
                Some(format!("the last run was cut off, having started {ago} ago"))
            }
        }
    }
}

impl From<&Ended> for Over {
    fn from(ended: &Ended) -> Self {
        Self {
            run_id: ended.run_id.clone(),
            ended_at: ended.at,
            exit_code: ended.exit_code,
            rows: ended.rows,
            duration_ms: ended.duration_ms,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Stale => "stale",
            Self::Failing => "failing",
            Self::Unknown => "unknown",
        })
    }
}

/// A span of time for people: its largest unit and the one below.
fn coarse(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|&(size, _)| seconds >= size) else {
        return "0s".to_owned();
    };
    let mut text = String::new();
    let mut rest = seconds;
    for &(size, unit) in units.iter().skip(first).take(2) {
        if rest >= size {
            text += &format!("{}{unit}", rest / size);
            rest %= size;
        }
    }
    text
}

#[expect(clippy::ref_option, reason = "serde gives the field by reference")]
fn optional_ms<S: serde::Serializer>(
    at: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    at.map(super::in_ms).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest() -> Manifest {
        let text = "name = 'circ-trans'\nversion = '1.2.0'\nschema = 'x'\nsources = []\nfreshness = '26h'\n";
        Manifest::parse("m", text).unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(tessera_types::Duration::from_secs(seconds))
    }

    fn ended(seconds: u64, exit_code: u8) -> Ended {
        Ended {
            run_id: "r".to_owned(),
            at: at(seconds),
            outcome: if exit_code == 0 { Verdict::Success } else { Verdict::Failure },
            exit_code,
            rows: None,
            duration_ms: 5,
        }
    }

    #[test]
    fn a_success_is_fresh_to_the_last_instant() {
        let history = ServiceHistory {
            success: Some(ended(0, 0)),
            last: Some(ended(0, 0)),
            ..Default::default()
        };
        let health = |now| Status::of(&manifest(), &history, false, now).health;
        assert_eq!(health(at(26 * 3600)), Health::Healthy);
        assert_eq!(health(at(26 * 3600 + 1)), Health::Stale);
        // A clock that was set back makes nothing stale.
        let later = ServiceHistory { success: Some(ended(9999, 0)), ..history.clone() };
        assert_eq!(Status::of(&manifest(), &later, false, at(0)).health, Health::Healthy);
    }

    #[test]
    fn an_open_run_is_a_failure_only_once_it_is_dead() {
        let open = Some(Started { run_id: "s".to_owned(), at: at(100) });
        let last = Some(ended(0, 0));
        let history = ServiceHistory { open, success: last.clone(), last, ..Default::default() };
        let alive = Status::of(&manifest(), &history, true, at(160));
        assert_eq!((alive.health, alive.running_since), (Health::Healthy, Some(at(100))));
        assert!(alive.text.ends_with("; a run is under way since 1m"), "{}", alive.text);
        let dead = Status::of(&manifest(), &history, false, at(160));
        assert_eq!((dead.health, dead.running_since), (Health::Failing, None));
        assert!(dead.text.ends_with("was cut off, having started 1m ago"), "{}", dead.text);
    }

    #[test]
    fn a_run_under_way_does_not_hide_that_the_one_before_was_cut_off() {
        let run = |run_id: &str, seconds| Started { run_id: run_id.to_owned(), at: at(seconds) };
        let history = ServiceHistory {
            open: Some(run("t", 150)),
            cut_off: Some(run("s", 100)),
            last: Some(ended(0, 0)),
            success: Some(ended(0, 0)),
        };
        let seen = Status::of(&manifest(), &history, true, at(160));
        assert_eq!((seen.health, seen.running_since), (Health::Failing, Some(at(150))));
        let words =
            "; the last run was cut off, having started 1m ago; a run is under way since 10s";
        assert!(seen.text.ends_with(words), "{}", seen.text);
    }

    #[test]
    fn never_run_and_never_succeeded_are_told_apart() {
        let never = Status::of(&manifest(), &ServiceHistory::default(), false, at(0));
        assert_eq!(never.text, "circ-trans: unknown: never run");
        let failed = ServiceHistory { last: Some(ended(0, 7)), ..ServiceHistory::default() };
        assert_eq!(
            Status::of(&manifest(), &failed, false, at(60)).text,
            "circ-trans: unknown: never succeeded; the last run failed 1m ago with exit code 7"
        );
    }

    #[test]
    fn ages_have_two_units_next_to_each_other() {
        let said = [0, 59, 60, 3_600, 3_605, 7_265, 90_000, 86_460].map(coarse);
        assert_eq!(said, ["0s", "59s", "1m", "1h", "1h", "2h1m", "1d1h", "1d"]);
    }

    proptest! {
        #[test]
        fn only_a_fresh_success_is_well(
            success in proptest::option::of(0u64..200_000),
            failure in proptest::option::of(0u64..200_000),
            now in 0u64..200_000,
        ) {
            let history = ServiceHistory {
                success: success.map(|at| ended(at, 0)),
                last: failure.map(|at| ended(at, 1)).or(success.map(|at| ended(at, 0))),
                ..Default::default()
            };
            let fresh = success.is_some_and(|at| now.saturating_sub(at) <= 26 * 3600);
            prop_assert_eq!(Status::of(&manifest(), &history, false, at(now)).is_well(), fresh);
        }
    }
}
