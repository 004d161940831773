//! Timers whose schedule changes, or that stood still: what is caught up, and what is not.

use std::fs::File;
use std::time::{Duration, SystemTime};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use tessera_testkit::user_manager;

use crate::host::{wait_for, write};
use crate::lake::Lake;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Two times of a year, as far from today's whatever day that is.
struct Dates {
    /// Some days ago, at most two; also while the test goes over midnight, within the three days of [`age`].
    passed: Date,
    /// Half a year off.
    far: Date,
}

impl Dates {
    fn new() -> Self {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        // Once in four years is no schedule for these manifests.
        let in_each_year = |date: Date| match (date.month(), date.day()) {
            (2, 29) => date.saturating_sub(1.day()),
            _ => date,
        };
        let passed = in_each_year(today.saturating_sub(1.day()));
        Self { passed, far: in_each_year(today.saturating_add(180.days())) }
    }
}

/// Once a year, at the beginning of that day.
fn yearly(date: Date) -> String {
    format!("*-{} 00:00:00 UTC", date.strftime("%m-%d"))
}

/// As if the timer had been due three days ago for the last time.
fn age(lake: &Lake, timer: &str) {
    lake.manager.systemctl(&["stop", timer]);
    let stamp = lake.path(&format!(".local/share/systemd/timers/stamp-{timer}"));
    File::create(stamp).unwrap().set_modified(SystemTime::now() - 3 * DAY).unwrap();
}

/// What is due is started as soon as its timer is: so either the timer still says when it was due, or
/// the service has begun.
fn has_begun(lake: &Lake, unit: &str, due: Date) -> bool {
    let next = lake.property(&format!("{unit}.timer"), "NextElapseUSecRealtime");
    assert!(!next.is_empty(), "{unit}.timer waits");
    let is_due = next.contains(&due.to_string());
    is_due || !lake.property(&format!("{unit}.service"), "InvocationID").is_empty()
}

#[test]
fn another_schedule_runs_nothing_at_once_and_what_stood_still_is_caught_up() {
    let Some(manager) = user_manager() else { return };
    let lake = Lake::new(manager);
    let dates = Dates::new();
    let (schedule, rarely) = (yearly(dates.passed), yearly(dates.far));
    let program = "entrypoint = [\"/bin/sh\", \"program.sh\"]\n";
    write(&lake.path("circ/program.sh"), "echo run >>ran\n");
    lake.declare("circ", &rarely, program);
    lake.tenant(&["install", "circ"]).expect(0);
    age(&lake, "circ.timer");
    lake.manager.systemctl(&["start", "circ.timer"]);
    lake.declare("circ", &schedule, program);
    let changed = lake.tenant(&["install", "circ"]).expect(0);
    assert!(changed.stdout.contains("restart      1\n    circ.timer\n"), "{changed:?}");
    assert!(!has_begun(&lake, "circ", dates.passed));

    // Somebody edits the timer, which is put right.
    age(&lake, "circ.timer");
    let path = lake.path(".local/share/tessera/tenants/circ/units/circ.timer");
    let edited = std::fs::read_to_string(&path).unwrap().replace(&schedule, &rarely);
    assert!(edited.contains(&rarely), "{edited}");
    std::fs::write(&path, edited).unwrap();
    lake.manager.systemctl(&["daemon-reload"]);
    lake.manager.systemctl(&["start", "circ.timer"]);
    lake.tenant(&["install", "circ"]).expect(0);
    assert!(!has_begun(&lake, "circ", dates.passed));

    // Somebody stops it, and a time goes by.
    age(&lake, "circ.timer");
    let told = "circ.timer (if it has missed a run, the tenant runs at once)";
    let stopped = lake.tenant(&["install", "circ", "--dry-run"]).expect(0);
    assert!(stopped.stdout.contains(told), "{stopped:?}");
    lake.tenant(&["install", "circ"]).expect(0);
    wait_for("the run that was missed", || lake.path("circ/ran").exists());
}
