//! From what systemd knows of a unit to how a run of it ended.
//!
//! The one idea: no single property tells. A program's exit code is 0 for a unit that does not
//! exist, for one that took too long and for one that was stopped; and what is known of a unit is
//! that of its last run, which need not be the one that is asked for. So the end of the start job
//! and the invocation are looked at first.

use super::end::End;
use super::state::State;

/// systemd's own codes, for what goes wrong between fork and exec.
const SETUP: std::ops::RangeInclusive<u8> = 200..=243;
/// Podman's own codes, for what goes wrong before the container's program runs.
const PODMAN: std::ops::RangeInclusive<u8> = 125..=127;

/// How the start job ended, as `systemctl start` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Done,
    Canceled,
    Dependency,
    TimedOut,
    Failed,
}

impl Job {
    pub(super) fn of(is_success: bool, said: &str) -> Self {
        let says = |what: &str| said.lines().any(|line| line.contains(what));
        match is_success {
            true => Self::Done,
            false if says(" canceled.") => Self::Canceled,
            false if says("A dependency job for ") => Self::Dependency,
            false if says(" timed out.") || says("because a timeout was exceeded") => {
                Self::TimedOut
            }
            false => Self::Failed,
        }
    }
}

/// Why a unit cannot be started, before it is tried.
pub(super) fn refusal(state: &State) -> Option<End> {
    match state.get("LoadState") {
        // A unit of the machine's own with the same name is not the tenant's.
        "loaded" if state.is_of_the_machine() => Some(End::NotInstalled),
        "loaded" if state.stays_active() => Some(End::StaysActive),
        "loaded" => None,
        "not-found" => Some(End::NotInstalled),
        "masked" => Some(End::Masked),
        other => {
            // D-Bus's name of the error, and what it says in quotes.
            let error = state.get("LoadError");
            let said = error.split_once(' ').map_or(error, |(_, said)| said).trim_matches('"');
            let said = if said.is_empty() { other } else { said };
            Some(End::Broken(said.trim_end_matches('.').to_owned()))
        }
    }
}

/// Of which run a unit tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Of the very one.
    Its,
    /// Of the one before: none has begun since.
    Former,
    /// Of none any more, though it has begun.
    Nobodys,
    /// Of another one that has begun since.
    Anothers,
}

impl Whose {
    /// By the invocation before, and that of the run, as far as it is known.
    pub(super) fn of(state: &State, before: Option<&str>, invocation: Option<&str>) -> Self {
        match (state.invocation(), invocation) {
            (Some(now), Some(ours)) if now == ours => Self::Its,
            (None, Some(_)) => Self::Nobodys,
            (now, None) if now.is_none() || now == before => Self::Former,
            _ => Self::Anothers,
        }
    }
}

/// How the run with this job ended; `state` is that of the unit when the job was over and it had come
/// to rest.
pub(super) fn judge(job: Job, state: &State, whose: Whose) -> End {
    match (job, whose) {
        // Had it failed, it would be known still.
        (Job::Canceled, _) | (Job::Failed, Whose::Nobodys) => End::Stopped,
        (Job::Dependency, _) => End::Dependency,
        // That is of a start after this run.
        (Job::Done, Whose::Its) if state.get("Result") == "start-limit-hit" => End::Success,
        (Job::Done, Whose::Its) => known(state, End::Success),
        (_, Whose::Its) => known(state, End::Stopped),
        (Job::Done, Whose::Former) => not_run(state).unwrap_or_else(|| unseen(state)),
        (Job::Done, _) => unseen(state),
        (Job::TimedOut, _) => End::Timeout,
        (Job::Failed, Whose::Former) => not_started(state),
        (Job::Failed, Whose::Anothers) => End::Unknown,
    }
}

/// How a run ended whose job nobody has waited for.
pub(super) fn without_job(state: &State, whose: Whose) -> End {
    match whose {
        Whose::Its => last(state),
        _ => End::Unknown,
    }
}

/// How the last run ended, of which only the unit is left to tell.
pub(super) fn last(state: &State) -> End {
    known(state, if state.signal().is_some() { End::Stopped } else { End::Success })
}

/// By what is known of the very run. One that was stopped may look as if it had been done.
fn known(state: &State, well: End) -> End {
    match state.get("Result") {
        // What is no oneshot has no job that could be cancelled.
        "success" if state.signal().is_some() => End::Stopped,
        "success" => well,
        "exit-code" => exited(state),
        "signal" | "core-dump" => state.signal().map_or(End::Before, End::Signal),
        "oom-kill" => End::OutOfMemory,
        "timeout" => End::Timeout,
        "exec-condition" => End::Condition,
        "start-limit-hit" => End::StartLimit,
        other => End::Other(other.to_owned()),
    }
}

fn exited(state: &State) -> End {
    match state.exit_code() {
        None => End::Before,
        Some(0) => End::After,
        Some(code) if SETUP.contains(&code) => End::Setup(code),
        Some(code) if PODMAN.contains(&code) && state.is_container() => End::Podman(code),
        Some(code) => End::Exited(code),
    }
}

/// The job was done, though nothing was run.
fn not_run(state: &State) -> Option<End> {
    let is_condition = state.is_kept() && state.get("ConditionResult") == "no";
    (is_condition || state.get("Result") == "exec-condition").then_some(End::Condition)
}

/// The job was done, and of the run nothing is known: of a oneshot the job was the run.
fn unseen(state: &State) -> End {
    match state.get("Type") {
        "oneshot" => End::Success,
        kind => End::Other(format!("a unit of Type={kind} that systemd remembers no more")),
    }
}

/// The job failed before any run began.
fn not_started(state: &State) -> End {
    match state.get("Result") {
        "start-limit-hit" => End::StartLimit,
        _ if state.get("AssertResult") == "no" => End::Condition,
        "success" => End::Other("its start job failed".to_owned()),
        // The result is that of the run before: one that failed keeps it, so that only the missing
        // run says that systemd refused to begin one.
        _ if state.invocation().is_some() => End::StartLimit,
        other => End::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "0f3c";

    /// A unit of a timer, after a run of ours.
    fn state(changes: &[(&str, &str)]) -> State {
        let usual = [
            ("LoadState", "loaded"),
            ("ActiveState", "inactive"),
            ("SubState", "dead"),
            ("Type", "oneshot"),
            ("Result", "success"),
            ("ExecMainCode", "1"),
            ("ExecMainStatus", "0"),
            ("ConditionResult", "yes"),
            ("AssertResult", "yes"),
            ("InvocationID", OURS),
            ("TriggeredBy", "circ.timer"),
        ];
        let all = usual.iter().chain(changes);
        State(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn failed(result: &str, code: &str, status: &str) -> State {
        let failed = [("ActiveState", "failed"), ("Result", result)];
        state(&[&failed[..], &[("ExecMainCode", code), ("ExecMainStatus", status)]].concat())
    }

    #[test]
    fn what_is_known_of_the_run_decides() {
        for (state, end) in [
            (failed("exit-code", "1", "7"), End::Exited(7)),
            (failed("exit-code", "1", "1"), End::Exited(1)),
            (failed("exit-code", "1", "127"), End::Exited(127)),
            (failed("exit-code", "1", "203"), End::Setup(203)),
            (failed("exit-code", "0", "0"), End::Before),
            (failed("exit-code", "1", "0"), End::After),
            (failed("timeout", "2", "15"), End::Timeout),
            (failed("timeout", "1", "0"), End::Timeout),
            (failed("signal", "2", "9"), End::Signal(9)),
            (failed("core-dump", "3", "11"), End::Signal(11)),
            (failed("oom-kill", "2", "9"), End::OutOfMemory),
            (failed("resources", "0", "0"), End::Other("resources".to_owned())),
        ] {
            assert_eq!(judge(Job::Failed, &state, Whose::Its), end, "{state:?}");
        }
        assert_eq!(judge(Job::Done, &state(&[]), Whose::Its), End::Success);
        // A start after it was refused.
        let limit = state(&[("Result", "start-limit-hit")]);
        assert_eq!(judge(Job::Done, &limit, Whose::Its), End::Success);
    }

    #[test]
    fn podmans_codes_are_podmans_in_containers_alone() {
        let podman = "{ path=/usr/bin/podman ; argv[]=/usr/bin/podman run x ; ignore_errors=no }";
        for sign in [("SourcePath", "/q/circ.container"), ("ExecStart", podman)] {
            for code in [124, 125, 126, 127, 128, 137] {
                let mut state = failed("exit-code", "1", &code.to_string());
                state.0.insert(sign.0.to_owned(), sign.1.to_owned());
                let end = judge(Job::Failed, &state, Whose::Its);
                let is_podmans = (125..=127).contains(&code);
                assert_eq!(end == End::Podman(code), is_podmans, "{code}");
                assert_eq!(end.exit_code(), code);
                assert_eq!(end.source() == super::super::Source::Podman, is_podmans);
            }
        }
    }

    #[test]
    fn a_run_that_was_stopped_is_never_taken_for_done() {
        // It caught the signal and ended with 0; it did not; and the manager has forgotten it.
        let forgotten = state(&[("InvocationID", ""), ("TriggeredBy", "")]);
        for (state, whose) in [
            (state(&[]), Whose::Its),
            (failed("signal", "2", "15"), Whose::Its),
            (forgotten.clone(), Whose::Nobodys),
        ] {
            assert_eq!(judge(Job::Canceled, &state, whose), End::Stopped, "{state:?}");
        }
        for (state, whose) in [(state(&[]), Whose::Its), (forgotten, Whose::Nobodys)] {
            assert_eq!(judge(Job::Failed, &state, whose), End::Stopped, "{state:?}");
        }
    }

    #[test]
    fn the_end_of_another_run_is_not_taken_for_this_ones() {
        let other = failed("exit-code", "1", "7");
        assert_eq!(judge(Job::Done, &other, Whose::Anothers), End::Success);
        let never = state(&[("ConditionResult", "no"), ("Result", "exec-condition")]);
        assert_eq!(judge(Job::Done, &never, Whose::Anothers), End::Success);
        for state in [other, state(&[]), failed("start-limit-hit", "1", "0")] {
            assert_eq!(judge(Job::Failed, &state, Whose::Anothers), End::Unknown, "{state:?}");
            assert_eq!(without_job(&state, Whose::Anothers), End::Unknown, "{state:?}");
        }
        assert_ne!(End::Unknown.exit_code(), 0);
    }

    #[test]
    fn a_unit_tells_of_the_run_with_its_invocation() {
        let (now, forgotten) = (state(&[]), state(&[("InvocationID", "")]));
        for (state, before, invocation, whose) in [
            (&now, None, Some(OURS), Whose::Its),
            (&now, Some(OURS), Some(OURS), Whose::Its),
            (&now, Some(OURS), None, Whose::Former),
            (&now, Some("older"), None, Whose::Anothers),
            (&now, None, None, Whose::Anothers),
            (&now, Some("older"), Some("ours"), Whose::Anothers),
            (&forgotten, Some("older"), Some(OURS), Whose::Nobodys),
            (&forgotten, Some("older"), None, Whose::Former),
        ] {
            assert_eq!(Whose::of(state, before, invocation), whose, "{before:?} {invocation:?}");
        }
    }

    #[test]
    fn what_is_no_oneshot_goes_on_after_its_job() {
        let simple = [("Type", "simple"), ("ExecMainCode", "2"), ("ExecMainStatus", "15")];
        assert_eq!(judge(Job::Done, &state(&simple[..1]), Whose::Its), End::Success);
        assert_eq!(judge(Job::Done, &state(&simple), Whose::Its), End::Stopped);
        for whose in [Whose::Former, Whose::Nobodys, Whose::Anothers] {
            assert!(!judge(Job::Done, &state(&simple[..1]), whose).is_success());
        }
    }

    #[test]
    fn what_was_not_run_is_not_done() {
        let condition = [("InvocationID", ""), ("ConditionResult", "no")];
        let executed = [("InvocationID", "older"), ("Result", "exec-condition")];
        let limit = [("InvocationID", "older"), ("Result", "start-limit-hit")];
        let after_failure = [("InvocationID", "older"), ("Result", "exit-code")];
        let after_timeout = [("InvocationID", "older"), ("Result", "timeout")];
        let assertion = [("Result", "exit-code"), ("AssertResult", "no")];
        let resources = [("InvocationID", ""), ("Result", "resources")];
        for (job, changes, end) in [
            (Job::Done, condition, End::Condition),
            (Job::Done, executed, End::Condition),
            (Job::Failed, limit, End::StartLimit),
            (Job::Failed, after_failure, End::StartLimit),
            (Job::Failed, after_timeout, End::StartLimit),
            (Job::Failed, assertion, End::Condition),
            (Job::Failed, resources, End::Other("resources".to_owned())),
            (Job::Dependency, condition, End::Dependency),
        ] {
            assert_eq!(judge(job, &state(&changes), Whose::Former), end, "{changes:?}");
        }
        // A unit that nothing refers to is forgotten when it is done.
        let forgotten = [("InvocationID", ""), ("ConditionResult", "no"), ("TriggeredBy", "")];
        assert_eq!(judge(Job::Done, &state(&forgotten), Whose::Former), End::Success);
    }

    #[test]
    fn units_that_cannot_be_started_say_why() {
        let bad = "org.freedesktop.systemd1.BadUnitSetting \"Unit a.service has a bad setting.\"";
        for (changes, end) in [
            (vec![("LoadState", "not-found")], Some(End::NotInstalled)),
            (vec![("LoadState", "masked")], Some(End::Masked)),
            (
                vec![("LoadState", "bad-setting"), ("LoadError", bad)],
                Some(End::Broken("Unit a.service has a bad setting".to_owned())),
            ),
            (vec![("LoadState", "error")], Some(End::Broken("error".to_owned()))),
            (vec![("ActiveState", "active"), ("SubState", "exited")], Some(End::StaysActive)),
            (vec![("FragmentPath", "/usr/lib/systemd/user/circ.service")], Some(End::NotInstalled)),
            (vec![("ActiveState", "failed")], None),
            (vec![], None),
        ] {
            assert_eq!(refusal(&state(&changes)), end, "{changes:?}");
        }
    }

    #[test]
    fn the_end_of_a_job_is_read_off_what_is_said() {
        let why = "Job for a.service failed because";
        for (said, job) in [
            (
                "Enqueued anchor job 9 a.service/start.\nJob for a.service canceled.\n",
                Job::Canceled,
            ),
            (&format!("{why} a timeout was exceeded.\nSee …"), Job::TimedOut),
            ("Job for a.service timed out.\n", Job::TimedOut),
            ("A dependency job for a.service failed. See …\n", Job::Dependency),
            (&format!("{why} the control process exited with error code.\n"), Job::Failed),
            ("", Job::Failed),
        ] {
            assert_eq!(Job::of(false, said), job, "{said}");
        }
        assert_eq!(Job::of(true, ""), Job::Done);
    }
}
