//! Runs as a look at their units tells them, for who waits for none of them.
//!
//! The one idea: who starts a unit and may die before its end cannot keep the start job. What is left
//! is the unit: which run was its last, and what systemd knows of that one.

use std::collections::BTreeMap;
use std::fs::File;

use super::end::End;
use super::judge;
use super::state::{NAMES, State};
use crate::service_manager::time;
use crate::systemctl::{self, SystemctlError};

/// What is asked for beside [`NAMES`].
const MORE: [&str; 2] = ["Id", "NextElapseUSecRealtime"];

/// A unit and its last run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Why it cannot be started, if so.
    pub refusal: Option<End>,
    /// What systemd calls the run that is under way, or the last one; none where it knows of none.
    pub invocation_id: Option<String>,
    /// A job of the unit waits or is carried out.
    pub is_queued: bool,
    /// No timer refers to the unit: systemd forgets it, and its run, once that has ended well.
    pub is_forgotten: bool,
    /// The run is under way.
    pub is_running: bool,
    /// When the run began, in seconds since the epoch.
    pub started_at: Option<i64>,
    /// How the run ended, if it did.
    pub end: Option<End>,
    /// When it ended, in seconds since the epoch.
    pub ended_at: Option<i64>,
    /// When the unit, if it is a timer, fires next, in seconds since the epoch.
    pub next_at: Option<i64>,
}

/// What is seen of these units, by their names; all of them are looked at in one call.
///
/// # Errors
/// The service manager cannot be asked.
pub fn seen(units: &[String]) -> Result<BTreeMap<String, Seen>, SystemctlError> {
    let names: Vec<&str> = NAMES.into_iter().chain(MORE).collect();
    let shown = systemctl::show_all(units, &names)?;
    let unit = |properties| {
        let state = State(properties);
        (state.get("Id").to_owned(), of(&state))
    };
    Ok(shown.into_iter().map(unit).collect())
}

/// What tells one start of the service manager from the next: then it has forgotten all runs.
///
/// # Errors
/// The service manager cannot be asked.
pub fn manager() -> Result<String, SystemctlError> {
    const STARTED: &str = "UserspaceTimestampMonotonic";
    Ok(systemctl::show_manager(&[STARTED])?.remove(STARTED).unwrap_or_default())
}

/// Has a unit started, and waits for nothing but that systemd has the order. `held` stays open for as
/// long as the order may still be on its way, also where the caller dies before that.
///
/// # Errors
/// The service manager cannot be asked, or refuses.
pub fn begin(unit: &str, held: File) -> Result<(), SystemctlError> {
    systemctl::call_holding(&["start", "--no-block", "--", unit], held)
}

fn of(state: &State) -> Seen {
    let is_over = state.is_settled() && state.invocation().is_some();
    Seen {
        refusal: judge::refusal(state),
        invocation_id: state.invocation().map(str::to_owned),
        is_queued: state.job().is_some(),
        is_forgotten: state.get("TriggeredBy").is_empty(),
        is_running: state.is_running(),
        started_at: state.time("InactiveExitTimestamp"),
        end: is_over.then(|| judge::last(state)),
        ended_at: state.time("InactiveEnterTimestamp").filter(|_| is_over),
        next_at: time(state.get("NextElapseUSecRealtime")).map(jiff::Timestamp::as_second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(changes: &[(&str, &str)]) -> Seen {
        let usual = [
            ("LoadState", "loaded"),
            ("ActiveState", "inactive"),
            ("InvocationID", "0f3c"),
            ("Job", "0"),
            ("Result", "success"),
            ("ExecMainCode", "1"),
            ("ExecMainStatus", "0"),
            ("InactiveExitTimestamp", "@100"),
            ("InactiveEnterTimestamp", "@107"),
        ];
        let all = usual.iter().chain(changes);
        of(&State(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()))
    }

    #[test]
    fn a_run_that_is_over_is_told_with_its_end() {
        let seen = look(&[]);
        assert_eq!(
            (seen.end, seen.started_at, seen.ended_at),
            (Some(End::Success), Some(100), Some(107))
        );
        let failed = [("ActiveState", "failed"), ("Result", "exit-code"), ("ExecMainStatus", "7")];
        assert_eq!(look(&failed).end, Some(End::Exited(7)));
        // A program that was stopped and says that all is well.
        assert_eq!(
            look(&[("ExecMainCode", "2"), ("ExecMainStatus", "15")]).end,
            Some(End::Stopped)
        );
    }

    #[test]
    fn a_run_that_is_under_way_or_never_was_has_no_end() {
        let running = look(&[("ActiveState", "activating"), ("SubState", "start"), ("Job", "12")]);
        assert_eq!((running.end, running.ended_at), (None, None));
        assert!(running.is_running && running.is_queued);
        let never = look(&[("InvocationID", "")]);
        assert_eq!((never.end, never.invocation_id), (None, None));
        assert_eq!(look(&[("ActiveState", "deactivating")]).end, None);
    }
}
