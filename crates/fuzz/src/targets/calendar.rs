//! Calendar expressions, and lines of crontabs.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use tessera_tenant::calendar::{Calendar, from_cron};

/// The whole is the expression.
pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let zones = jiff::tz::db();
    if let Some(calendar) = from_cron(text) {
        // Only days that never come, as the 31st of February, are as wrong in a crontab.
        let fault = Calendar::parse(&calendar, zones).err();
        let is_another = fault.as_ref().is_some_and(|it| !it.message.contains("never fires"));
        assert!(!is_another, "{text:?} became {calendar:?}: {fault:?}");
    }
    match Calendar::parse(text, zones) {
        Err(fault) => {
            assert!(!fault.message.is_empty());
            assert!(text.get(fault.span.clone()).is_some(), "{fault:?} is nowhere in {text:?}");
            assert!(!fault.excerpt(text).is_empty());
        }
        Ok(calendar) => valid(text, &calendar, zones),
    }
}

fn valid(text: &str, calendar: &Calendar, zones: &TimeZoneDatabase) {
    let normal = calendar.to_string();
    let again = Calendar::parse(&normal, zones)
        .unwrap_or_else(|fault| panic!("{text:?} became {normal:?}: {fault}"));
    assert_eq!(again.to_string(), normal, "{text:?}");
    let local = TimeZone::UTC;
    for at in [0, 1_777_622_400, 7_258_118_400 - 86_400] {
        let at = Timestamp::from_second(at).expect("it is within the years that there are");
        let mut last = at;
        let times: Vec<_> = calendar.times_after(at, &local).take(5).collect();
        for time in &times {
            assert!(*time > last, "{text:?}: {time} is not after {last}");
            last = *time;
        }
        assert_eq!(times, again.times_after(at, &local).take(5).collect::<Vec<_>>(), "{normal}");
    }
    let now = Timestamp::from_second(1_777_622_400).expect("it is a time");
    let _told = (calendar.changes(now, &local).len(), calendar.refuse_past(text, now, &local));
}
