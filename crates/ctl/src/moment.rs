//! Times as people read them: how long ago, how soon.

use jiff::tz::TimeZone;
use tessera_types::{Duration, Timestamp};

/// The time now.
pub(crate) fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// A span in its one fitting unit: `8s`, `15m`, `7h`, `12d`. Two of a unit are
/// shown in the smaller one, which says more: `90s`.
pub(crate) fn brief(span: Duration) -> String {
    let seconds = span.as_millis() / 1000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long ago `then` was.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    brief(now.since(then))
}

/// How soon `then` is: `in 8s`, or `now` when it is past. A part of a second
/// counts as a whole one.
pub(crate) fn until(then: Timestamp, now: Timestamp) -> String {
    match then.since(now) {
        Duration::ZERO => "now".to_owned(),
        left => format!("in {}", brief(Duration::from_millis(left.as_millis() + 999))),
    }
}

/// Times that are this near are told by how soon or how long ago they are.
const NEAR: Duration = Duration::from_secs(3600);

/// A point in time at a glance: `in 4m` or `4m ago` within the hour, `14:05` on the
/// same day, and otherwise with the day; by the clock of this machine.
pub(crate) fn near(at: Timestamp, now: Timestamp) -> String {
    near_in(at, now, &TimeZone::system(), false)
}

/// As [`near`], for times that stand beside each other: those that would look the same
/// and are not are told to the second.
pub(crate) fn apart<const N: usize>(times: [Timestamp; N], now: Timestamp) -> [String; N] {
    let zone = TimeZone::system();
    let coarse = times.map(|at| near_in(at, now, &zone, false));
    let second = |at: Timestamp| at.as_micros() / 1_000_000;
    std::array::from_fn(|i| {
        let others = times.iter().zip(&coarse);
        let looks_like = others
            .filter(|(at, text)| second(**at) != second(times[i]) && **text == coarse[i])
            .count();
        near_in(times[i], now, &zone, looks_like > 0)
    })
}

/// As [`near`], by the clock of a time zone; to the second if that is wanted.
fn near_in(at: Timestamp, now: Timestamp, zone: &TimeZone, is_exact: bool) -> String {
    if at >= Timestamp::MAX {
        return "never".to_owned();
    }
    if at > now && at.since(now) < NEAR {
        let left = Duration::from_millis(at.since(now).as_millis() + 999);
        return if is_exact { format!("in {}", to_the_second(left)) } else { until(at, now) };
    }
    if at <= now && now.since(at) < NEAR {
        let gone = if is_exact { to_the_second(now.since(at)) } else { age(at, now) };
        return format!("{gone} ago");
    }
    let (there, here) = (zoned(at, zone), zoned(now, zone));
    let form = match (there.date() == here.date(), there.year() == here.year()) {
        (true, _) => "%H:%M",
        (false, true) => "%m-%d %H:%M",
        (false, false) => "%Y-%m-%d %H:%M",
    };
    let seconds = if is_exact { ":%S" } else { "" };
    there.strftime(&format!("{form}{seconds}")).to_string()
}

/// A span of less than an hour: `9m05s`.
fn to_the_second(span: Duration) -> String {
    let seconds = span.as_millis() / 1000;
    match seconds / 60 {
        0 => format!("{seconds}s"),
        minutes => format!("{minutes}m{:02}s", seconds % 60),
    }
}

/// A point in time by the clock of a time zone.
pub(crate) fn zoned(at: Timestamp, zone: &TimeZone) -> jiff::Zoned {
    jiff::Timestamp::from(at).to_zoned(zone.clone())
}

/// The time of day by the clock of this machine, to the second.
pub(crate) fn clock(at: Timestamp) -> String {
    zoned(at, &TimeZone::system()).strftime("%H:%M:%S").to_string()
}

/// How long before (`-8.0s`) or after (`+1m20s`) `origin` a time is. Tenths of a
/// second are told within the minute, and two units at most beyond it.
pub(crate) fn offset(at: Timestamp, origin: Timestamp) -> String {
    let (sign, span) = match at < origin {
        true => ('-', origin.since(at)),
        false => ('+', at.since(origin)),
    };
    let ms = span.as_millis();
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{sign}{seconds}.{}s", ms % 1000 / 100),
        60..3600 => format!("{sign}{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{sign}{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{sign}{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A span that was measured, to a tenth of a second while that matters.
pub(crate) fn elapsed(span: std::time::Duration) -> String {
    if span.as_secs() < 10 {
        return format!("{:.1}s", span.as_secs_f64());
    }
    brief(Duration::from_secs(span.as_secs()))
}

/// A point in time to the millisecond, as lines of a log carry it.
pub(crate) fn stamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_one_fitting_unit() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_800, "2d"),
            (86_400 * 400, "400d"),
        ] {
            assert_eq!(brief(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_time_is_told_by_what_tells_it_apart() {
        let zone = TimeZone::get("Europe/Brussels").unwrap();
        let now: Timestamp = "2026-05-01T21:00:00Z".parse().unwrap();
        for (at, text) in [
            ("2026-05-01T21:04:00Z", "in 4m"),
            ("2026-05-01T20:56:00Z", "4m ago"),
            ("2026-05-01T21:00:00Z", "0s ago"),
            ("2026-05-01T12:05:00Z", "14:05"),
            // By the clock there it is the next day.
            ("2026-05-01T22:05:00Z", "05-02 00:05"),
            ("2027-01-01T08:00:00Z", "2027-01-01 09:00"),
        ] {
            assert_eq!(near_in(at.parse().unwrap(), now, &zone, false), text, "{at}");
        }
        assert_eq!(near_in(Timestamp::MAX, now, &zone, true), "never");
        let exact = |at: &str| near_in(at.parse().unwrap(), now, &zone, true);
        assert_eq!(exact("2026-05-01T12:05:09Z"), "14:05:09");
        assert_eq!(exact("2026-05-01T20:50:55Z"), "9m05s ago");
    }

    #[test]
    fn times_beside_each_other_that_would_look_the_same_are_told_to_the_second() {
        let now = Timestamp::EPOCH.plus(Duration::from_secs(1_000_000));
        let at = |seconds| now.plus(Duration::from_secs(seconds));
        assert_eq!(apart([at(600), at(630), at(900)], now), ["in 10m00s", "in 10m30s", "in 15m"]);
        assert_eq!(apart([at(600), at(600)], now), ["in 10m", "in 10m"]);
        assert_eq!(apart([Timestamp::MAX, Timestamp::MAX], now), ["never", "never"]);
    }

    #[test]
    fn an_offset_has_the_precision_that_matters() {
        let origin = Timestamp::EPOCH.plus(Duration::from_secs(1_000_000));
        for (ms, text) in [
            (0, "+0.0s"),
            (3450, "+3.4s"),
            (80_000, "+1m20s"),
            (3_600_000 * 3 + 60_000, "+3h01m"),
            (86_400_000 * 2, "+2d00h"),
        ] {
            assert_eq!(offset(origin.plus(Duration::from_millis(ms)), origin), text);
        }
        assert_eq!(offset(origin.minus(Duration::from_millis(8000)), origin), "-8.0s");
    }

    #[test]
    fn the_past_is_not_negative() {
        let (earlier, later) = (Timestamp::EPOCH, Timestamp::from_micros(7_500_000));
        assert_eq!(until(later, earlier), "in 8s");
        assert_eq!(until(earlier, later), "now");
        assert_eq!(age(later, earlier), "0s");
        assert_eq!(stamp(later), "1970-01-01T00:00:07.500Z");
    }
}
