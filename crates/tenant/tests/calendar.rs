//! What an author is told about an expression.

use jiff::Timestamp;
use jiff::tz::{TimeZone, db};
use tessera_tenant::calendar::{Calendar, ChangeEffect, Fault};

fn fault(expression: &str) -> Fault {
    Calendar::parse(expression, db()).expect_err(expression)
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_fault_points_at_what_is_wrong_and_says_what_was_meant() {
    let told = [
        ("Mon..Fry 08:00", "Mon..Fry", "`Fry` is no weekday: did you mean `Fri`?"),
        ("dayly", "dayly", "`dayly` is no weekday: did you mean `daily`?"),
        (
            "Fri..Mon 08:00",
            "Fri..Mon",
            "the range ends before Friday: write it as two: Mon,Fri..Sun",
        ),
        ("*-13-01", "13", "the month 13 is not in 1 to 12"),
        ("08:60", "60", "the minute 60 is not in 0 to 59"),
        ("25:00:00", "25", "the hour 25 is not in 0 to 23"),
        ("*-02-31 08:00", "*-02-31 08:00", "no day is ever like that, so it never fires"),
        ("*:0/90", "90", "a step of 90 never comes to a second minute"),
        ("*:5/0", "0", "a step of 0 never comes to another value"),
        ("08.30", ".", "`.` where the end of the number should be"),
        ("8:30am", "a", "`a` where the end of the number should be"),
        (
            "08:00 ",
            " ",
            "` ` where `:` or the end should be: remove the space at the beginning and the end",
        ),
        (
            "*-*-* 08:00 America/New_Yrok",
            "America/New_Yrok",
            "`America/New_Yrok` is no time zone of this machine: did you mean `America/New_York`?",
        ),
        (
            "35 8 * * 1-5",
            "35 8 * * 1-5",
            "this is a line of cron, not a calendar expression: write it as `Mon..Fri *-*-* 08:35:00`",
        ),
        ("", "", "there is no expression: write it as `*-*-* 08:35:00`, or `daily`"),
        ("08:", "", "the expression ends where a number should be"),
    ];
    for (expression, place, message) in told {
        let fault = fault(expression);
        assert_eq!(&expression[fault.span.clone()], place, "{expression}");
        let said = fault.to_string();
        assert!(said.starts_with(message), "{expression}: {said}");
    }
}

#[test]
fn a_line_of_cron_is_answered_as_one() {
    let told = [
        (
            "35 8 * * * cd /srv/circ && ./x",
            "this is a line of cron with its command, not a calendar expression: write it as \
             `*-*-* 08:35:00`; the command belongs into `entrypoint`",
        ),
        (
            "0 0 13 * 5",
            "a line of cron runs on the days of the month and on the weekdays, too, and an expression \
             only on days that are both: make it two services: `*-*-13 00:00:00` and `Fri *-*-* 00:00:00`",
        ),
        (
            "0 25 * * *",
            "a line of cron with the hour `25`, which has no equal: the hour is 0 to 23",
        ),
        (
            "0 5 * * 8",
            "a line of cron with the weekday `8`, which has no equal: a weekday is 0 to 7, or `sun` to `sat`",
        ),
        (
            "* * * *",
            "a line of cron has five times, and here are four: minute, hour, day of the month, month and weekday",
        ),
        (
            "@reboot",
            "a line of cron: `@reboot` is no time, but the start of the machine: a tenant runs at \
             times: write when, as in `*-*-* 08:35:00`",
        ),
        (
            "@daily /srv/x",
            "this is a line of cron with its command, not a calendar expression: write it as \
             `*-*-* 00:00:00`; the command belongs into `entrypoint`",
        ),
        (
            "CRON_TZ=Europe/Berlin 30 2 * * 0",
            "this is a line of cron, not a calendar expression: write it as `Sun *-*-* 02:30:00 Europe/Berlin`",
        ),
        (
            "daily 08:35",
            "`daily` is a whole expression, and only a zone may follow: write it as `*-*-* 08:35:00`",
        ),
    ];
    for (expression, message) in told {
        assert_eq!(fault(expression).to_string(), message, "{expression}");
    }
}

#[test]
fn a_text_of_any_sort_is_answered() {
    for text in
        ["Mönday", "*-*-* 08:00 Zürich", "🦀", "*~", "~", "@", "@99999999999999999999", "1,"]
    {
        let fault = fault(text);
        // Slicing would panic where a span cuts a character.
        let _ = fault.excerpt(text);
    }
    assert!(fault(&"1,".repeat(2000)).message.contains("longer than 1024 bytes"));
}

#[test]
fn a_time_that_the_clock_passes_over_is_announced() {
    let calendar = Calendar::parse("02:30 America/New_York", db()).unwrap();
    let changes = calendar.changes(time("2026-01-01T00:00:00Z"), &TimeZone::UTC);
    let [change] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(change.effect, ChangeEffect::Skipped);
    assert_eq!(change.at, time("2026-03-08T07:00:00Z"));
    assert_eq!(
        change.to_string(),
        "on 2026-03-08 the clock passes over 02:30:00, so it does not run then"
    );
    // And that is what happens.
    let next = calendar.next_after(time("2026-03-08T00:00:00Z"), &TimeZone::UTC);
    assert_eq!(next, Some(time("2026-03-09T06:30:00Z")));
}

#[test]
fn a_time_that_comes_twice_is_announced() {
    let effects = |expression: &str| -> Vec<_> {
        let calendar = Calendar::parse(expression, db()).unwrap();
        let changes = calendar.changes(time("2026-06-01T00:00:00Z"), &TimeZone::UTC);
        changes.iter().map(|change| change.effect).collect()
    };
    assert_eq!(effects("01:30 America/New_York"), [ChangeEffect::Repeated]);
    assert_eq!(
        effects("*:0/15 America/New_York"),
        [ChangeEffect::Paused, ChangeEffect::Skipped],
        "every quarter of an hour"
    );
    assert_eq!(effects("08:35 America/New_York"), []);
    assert_eq!(effects("01:30 UTC"), []);
    assert_eq!(effects("00:30 Asia/Beirut"), [ChangeEffect::Unclear]);
}

#[test]
fn the_zone_of_the_machine_counts_where_none_is_named() {
    let calendar = Calendar::parse("08:35", db()).unwrap();
    let berlin = db().get("Europe/Berlin").unwrap();
    let next = calendar.next_after(time("2026-06-01T00:00:00Z"), &berlin);
    assert_eq!(next, Some(time("2026-06-01T06:35:00Z")));
    assert_eq!(calendar.to_string(), "*-*-* 08:35:00");
}
