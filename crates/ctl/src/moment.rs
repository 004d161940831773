//! Times as people read them: how long ago, how soon.

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
    fn the_past_is_not_negative() {
        let (earlier, later) = (Timestamp::EPOCH, Timestamp::from_micros(7_500_000));
        assert_eq!(until(later, earlier), "in 8s");
        assert_eq!(until(earlier, later), "now");
        assert_eq!(age(later, earlier), "0s");
        assert_eq!(stamp(later), "1970-01-01T00:00:07.500Z");
    }
}
