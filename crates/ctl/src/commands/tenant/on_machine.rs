//! What systemd knows of the services of tenants, so that a program that never came to tell of its
//! runs is not taken for one that runs well.
//!
//! The one idea: systemd is asked once for all of them, and nothing depends on its answer. Where it
//! gives none, nothing is known here, and what the hub has stands alone.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use tessera_lifecycle::telemetry::{LastRun, Over};
use tessera_systemd::systemctl::{self, Properties};
use tessera_types::Timestamp;

/// How long an answer is waited for.
const BOUND: Duration = Duration::from_secs(10);

const PROPERTIES: [&str; 9] = [
    "Id",
    "LoadState",
    "ActiveState",
    "Result",
    "ExecMainCode",
    "ExecMainStatus",
    "InactiveExitTimestamp",
    "InactiveEnterTimestamp",
    "NextElapseUSecRealtime",
];

/// What systemd knows of units, by their names. None where it does not answer.
pub(super) struct OnMachine(Option<BTreeMap<String, Properties>>);

/// Whether a service runs by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimerState {
    /// Its timer waits.
    On,
    /// It is installed, and nothing starts it.
    Off,
    /// systemd does not know it, or its timer.
    NotInstalled,
}

/// How the unit of a service ended when it ran last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct UnitEnd {
    /// As systemd calls it, such as `success`, `exit-code` and `timeout`.
    pub(super) result: String,
    /// That of the program; none where it was not started.
    pub(super) exit_code: Option<u8>,
    pub(super) ended_at: Option<Timestamp>,
    #[serde(skip)]
    began_at: Option<Timestamp>,
    #[serde(skip)]
    has_failed: bool,
}

impl OnMachine {
    /// Asks for the service and the timer of each of these.
    pub(super) fn ask(services: &[String]) -> Self {
        let files = |unit: &String| [format!("{unit}.service"), format!("{unit}.timer")];
        let units: Vec<String> = services.iter().flat_map(files).collect();
        if units.is_empty() {
            return Self(None);
        }
        let (send, answer) = mpsc::channel();
        thread::spawn(move || send.send(systemctl::show_all(&units, &PROPERTIES)));
        let shown = answer.recv_timeout(BOUND).ok().and_then(Result::ok);
        let by_name = |properties: Properties| Some((properties.get("Id")?.clone(), properties));
        Self(shown.map(|shown| shown.into_iter().filter_map(by_name).collect()))
    }

    /// Whether a service runs by itself, if that is known.
    pub(super) fn timer(&self, unit: &str) -> Option<TimerState> {
        let units = self.0.as_ref()?;
        let has = |unit: String, name: &str, value: &str| {
            units.get(&unit).and_then(|unit| unit.get(name)).is_some_and(|found| found == value)
        };
        let is_loaded = |extension| has(format!("{unit}.{extension}"), "LoadState", "loaded");
        Some(if !is_loaded("service") || !is_loaded("timer") {
            TimerState::NotInstalled
        } else if has(format!("{unit}.timer"), "ActiveState", "active") {
            TimerState::On
        } else {
            TimerState::Off
        })
    }

    /// When its timer is due next. A timer whose service runs, or that goes by what the machine does,
    /// does not tell.
    pub(super) fn next(&self, unit: &str, now: Timestamp) -> Option<Timestamp> {
        let timer = self.0.as_ref()?.get(&format!("{unit}.timer"))?;
        time(timer.get("NextElapseUSecRealtime")?).filter(|next| *next > now)
    }

    /// How its unit ended last, if it has run since systemd knows it.
    pub(super) fn end(&self, unit: &str) -> Option<UnitEnd> {
        let unit = self.0.as_ref()?.get(&format!("{unit}.service"))?;
        let get = |name: &str| unit.get(name).map_or("", String::as_str);
        let ended_at = time(get("InactiveEnterTimestamp"));
        let has_failed = get("ActiveState") == "failed";
        if ended_at.is_none() && !has_failed {
            return None;
        }
        Some(UnitEnd {
            result: get("Result").to_owned(),
            exit_code: exit_code(get("ExecMainCode"), get("ExecMainStatus")),
            ended_at,
            began_at: time(get("InactiveExitTimestamp")),
            has_failed,
        })
    }
}

/// That of a process, as a shell tells it. The code says whose doing the end was, as `waitid(2)`
/// does.
fn exit_code(code: &str, status: &str) -> Option<u8> {
    let status: u8 = status.parse().ok()?;
    match code {
        "1" => Some(status),
        "2" | "3" => status.checked_add(128),
        _ => None,
    }
}

fn time(told: &str) -> Option<Timestamp> {
    tessera_systemd::time(told).map(Timestamp::from)
}

/// systemd's times are asked for in seconds.
fn second(at: Timestamp) -> i64 {
    jiff::Timestamp::from(at).as_second()
}

impl UnitEnd {
    /// Whether the unit failed, and that is not what the record of its last run says.
    pub(super) fn failed_after(&self, recorded: Option<&LastRun>) -> bool {
        let after = |end: Option<Timestamp>, recorded: Timestamp| {
            end.is_none_or(|end| second(end) >= second(recorded))
        };
        self.has_failed
            && match recorded {
                None => true,
                // A success that the unit did not end with, or of an earlier run.
                Some(LastRun::Success(Over { ended_at, .. })) => after(self.ended_at, *ended_at),
                Some(LastRun::Failure(Over { ended_at: at, .. }))
                | Some(LastRun::CutOff { started_at: at, .. }) => {
                    self.began_at.is_some_and(|began| second(began) > second(*at))
                }
            }
    }

    /// The exit code, or else what systemd calls it.
    pub(super) fn why(&self) -> String {
        match self.exit_code {
            Some(code) if code != 0 => code.to_string(),
            _ => self.result.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_machine(service: &[(&str, &str)], timer: &[(&str, &str)]) -> OnMachine {
        let properties = |pairs: &[(&str, &str)]| -> Properties {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let units = [("circ.service", service), ("circ.timer", timer)];
        let units = units.map(|(name, pairs)| (name.to_owned(), properties(pairs)));
        OnMachine(Some(units.into()))
    }

    fn over(ended_at: i64, exit_code: u8) -> LastRun {
        let ended_at = jiff::Timestamp::from_second(ended_at).unwrap().into();
        let run_id = "run".to_owned();
        let over = Over { run_id, ended_at, exit_code, rows: None, duration_ms: 1 };
        if exit_code == 0 { LastRun::Success(over) } else { LastRun::Failure(over) }
    }

    const FAILED: [(&str, &str); 6] = [
        ("ActiveState", "failed"),
        ("Result", "exit-code"),
        ("ExecMainCode", "1"),
        ("ExecMainStatus", "203"),
        ("InactiveExitTimestamp", "@1000"),
        ("InactiveEnterTimestamp", "@1005"),
    ];

    #[test]
    fn a_failure_that_no_record_tells_of_is_the_last_one() {
        let end = on_machine(&FAILED, &[]).end("circ").unwrap();
        assert_eq!((end.why(), end.exit_code), ("203".to_owned(), Some(203)));
        assert!(end.failed_after(None));
        assert!(end.failed_after(Some(&over(900, 0))));
        assert!(end.failed_after(Some(&over(900, 7))));
        // Of this very run, and of a later one by hand.
        assert!(!end.failed_after(Some(&over(1004, 7))));
        assert!(!end.failed_after(Some(&over(1010, 0))));
        // It told of a success, and did not end with it.
        assert!(end.failed_after(Some(&over(1004, 0))));
    }

    #[test]
    fn what_was_never_started_or_is_running_has_not_failed() {
        let never = [("ActiveState", "inactive"), ("InactiveEnterTimestamp", "")];
        assert_eq!(on_machine(&never, &[]).end("circ"), None);
        let mut running = FAILED;
        running[0].1 = "activating";
        assert!(!on_machine(&running, &[]).end("circ").unwrap().failed_after(None));
    }

    #[test]
    fn a_service_runs_by_itself_if_its_timer_is_active() {
        let loaded = ("LoadState", "loaded");
        let missing = [("LoadState", "not-found")];
        let (on, off) = (("ActiveState", "active"), ("ActiveState", "inactive"));
        assert_eq!(on_machine(&[loaded], &[loaded, on]).timer("circ"), Some(TimerState::On));
        assert_eq!(on_machine(&[loaded], &[loaded, off]).timer("circ"), Some(TimerState::Off));
        assert_eq!(on_machine(&[loaded], &missing).timer("circ"), Some(TimerState::NotInstalled));
        assert_eq!(on_machine(&missing, &missing).timer("circ"), Some(TimerState::NotInstalled));
        assert_eq!(OnMachine(None).timer("circ"), None);
    }

    #[test]
    fn a_timer_tells_when_it_is_due_next() {
        let now: Timestamp = "2026-11-22T07:00:00Z".parse().unwrap();
        let due = |told| on_machine(&[], &[("NextElapseUSecRealtime", told)]).next("circ", now);
        let at = Some("2026-11-22T08:00:00Z".parse().unwrap());
        assert_eq!(due("Sun 2026-11-22 08:00:00 UTC"), at);
        assert_eq!(due("@1795334400"), at);
        // What is over was told of the run that is under way.
        assert_eq!(due("Sun 2026-11-22 06:00:00 UTC"), None);
        assert_eq!(due(""), None);
    }

    #[test]
    fn what_a_signal_ended_has_its_code() {
        assert_eq!(exit_code("2", "9"), Some(137));
        assert_eq!(exit_code("0", "0"), None);
    }
}
