//! Whether a copy whose run has ended starts again, and when.

use tessera_types::Duration;
use tessera_types::workload::{ExitOutcome, Restart, RestartPolicy};

/// What follows the end of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another start after this pause.
    Again(Duration),
    /// Nothing: it has done its work.
    Completed,
    /// Nothing, for this reason beyond the outcome itself.
    Failed(Option<String>),
}

/// The number of ends in a row, counting this one: a run that was stable starts the count anew.
pub(super) fn ends_in_a_row(restart: &Restart, before: u32, ran_for: Option<Duration>) -> u32 {
    let stable = ran_for.is_some_and(|ran_for| ran_for >= restart.backoff.reset_after);
    if stable { 1 } else { before.saturating_add(1) }
}

/// How often a start is tried under `restart: never`, which says nothing of it: a start that never
/// happened is not a run, but it is not tried for ever either. With the default pauses this takes
/// about eight seconds.
const STARTS_MAX: u32 = 5;

/// Decides. `in_a_row` counts this end; `permanent` says that another start cannot go better.
pub(super) fn next(
    restart: &Restart,
    outcome: &ExitOutcome,
    permanent: bool,
    in_a_row: u32,
) -> Next {
    match restart.policy {
        _ if permanent => Next::Failed(None),
        RestartPolicy::OnFailure | RestartPolicy::Never if outcome.is_success() => Next::Completed,
        RestartPolicy::Never if !was_started(outcome) => {
            again(restart, in_a_row, Some(restart.attempts_max.unwrap_or(STARTS_MAX)))
        }
        RestartPolicy::Never => Next::Failed(None),
        RestartPolicy::Always | RestartPolicy::OnFailure => {
            again(restart, in_a_row, restart.attempts_max)
        }
    }
}

/// Another start, unless so many were tried already.
fn again(restart: &Restart, in_a_row: u32, max: Option<u32>) -> Next {
    if max.is_some_and(|max| in_a_row >= max) {
        return Next::Failed(Some(format!("{in_a_row} in a row, and no more are allowed")));
    }
    Next::Again(restart.backoff.pause(in_a_row))
}

/// Whether there was a run at all.
pub(super) fn was_started(outcome: &ExitOutcome) -> bool {
    !matches!(outcome, ExitOutcome::StartFailed { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use RestartPolicy::{Always, Never, OnFailure};

    const BAD: ExitOutcome = ExitOutcome::Exited { code: 1 };
    const GOOD: ExitOutcome = ExitOutcome::Exited { code: 0 };

    fn restart(policy: RestartPolicy, attempts_max: Option<u32>) -> Restart {
        Restart { policy, attempts_max, ..Restart::default() }
    }

    #[test]
    fn the_policy_says_which_ends_are_final() {
        for (policy, outcome, again) in [
            (Always, GOOD, true),
            (Always, BAD, true),
            (OnFailure, GOOD, false),
            (OnFailure, BAD, true),
            (Never, GOOD, false),
            (Never, BAD, false),
        ] {
            let next = next(&restart(policy, None), &outcome, false, 1);
            assert_eq!(matches!(next, Next::Again(_)), again, "{policy:?} {outcome:?}");
            assert_eq!(next == Next::Completed, !again && outcome.is_success());
        }
    }

    #[test]
    fn attempts_are_bounded_where_that_is_declared() {
        let bounded = restart(Always, Some(3));
        assert!(matches!(next(&bounded, &BAD, false, 2), Next::Again(_)));
        assert!(matches!(next(&bounded, &BAD, false, 3), Next::Failed(Some(_))));
        assert_eq!(next(&restart(Always, None), &BAD, true, 1), Next::Failed(None));
    }

    #[test]
    fn a_start_that_never_happened_is_tried_again_under_every_policy_but_not_for_ever() {
        let failed = ExitOutcome::StartFailed { message: "cannot start a process".to_owned() };
        for policy in [Always, OnFailure, Never] {
            let restart = restart(policy, None);
            assert_eq!(next(&restart, &failed, true, 1), Next::Failed(None), "{policy:?}");
            let pause = restart.backoff.pause(2);
            assert_eq!(next(&restart, &failed, false, 2), Next::Again(pause), "{policy:?}");
        }
        let never = restart(Never, None);
        assert!(matches!(next(&never, &failed, false, STARTS_MAX - 1), Next::Again(_)));
        assert!(matches!(next(&never, &failed, false, STARTS_MAX), Next::Failed(Some(_))));
        assert_eq!(next(&never, &BAD, false, 1), Next::Failed(None));
    }

    #[test]
    fn a_stable_run_begins_a_new_row() {
        let restart = Restart::default();
        let long = restart.backoff.reset_after;
        assert_eq!(ends_in_a_row(&restart, 7, Some(long)), 1);
        assert_eq!(ends_in_a_row(&restart, 7, Some(Duration::from_millis(1))), 8);
        assert_eq!(ends_in_a_row(&restart, 7, None), 8);
    }
}
