//! Points in time and durations: integers inside, text outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, UTC, in whole microseconds. Written as RFC 3339.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A span of time that is never negative, in whole milliseconds, at most 100
/// years. Read from `90s`, `15m`, `1h30m`, `PT15M`; written as `1h30m`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

/// A point on the clock that counts from the boot of a machine, suspend
/// included, in whole milliseconds. Nobody can set it, so it is what leases and
/// pauses run on. It means nothing on another machine, or after the next boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

/// The time on both clocks: the wall clock for what people see and for windows
/// that they declare, the other for how long something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// What the wall clock shows. It may be set, in either direction.
    pub wall: Timestamp,
    /// What the clock shows that nobody sets.
    pub boot: BootTime,
}

/// Why a text is not a time or a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("`{0}` is not a time: write it as RFC 3339, such as 2026-05-01T08:00:00Z")]
    Timestamp(String),
    /// Not a duration.
    #[error("`{0}` is not a duration: write it as 90s, 15m, 1h30m or PT15M")]
    Duration(String),
    /// Below zero or above 100 years.
    #[error("`{0}` is out of range: a duration is between 0 and 100 years")]
    OutOfRange(String),
}

const MICROS_PER_MS: i64 = 1000;
const MICROS_PER_SECOND: i64 = 1_000_000;
const DURATION_MS_MAX: u64 = 100 * 366 * 24 * 3600 * 1000;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The last time that can be written. As the end of a window: for ever.
    pub const MAX: Self = Self(253_402_207_200_999_999);

    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This much later, or [`Timestamp::MAX`].
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        let later = self.0.saturating_add((duration.0 as i64).saturating_mul(MICROS_PER_MS));
        Self(if later > Self::MAX.0 { Self::MAX.0 } else { later })
    }

    /// This much earlier, or the first representable time.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub((duration.0 as i64).saturating_mul(MICROS_PER_MS)))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0).max(0);
        Duration((micros / MICROS_PER_MS) as u64)
    }

    /// As far away as before from a wall clock that was set by so many
    /// milliseconds, forward if positive.
    #[must_use]
    pub const fn moved_by_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(MICROS_PER_MS)))
    }

    /// This, or the whole second before it: how a text for people says when something
    /// begins, so that nobody comes too late.
    #[must_use]
    pub const fn second_before(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(MICROS_PER_SECOND)))
    }

    /// This, or the whole second after it: how a text for people says when something
    /// ends, so that it is not over before.
    #[must_use]
    pub const fn second_after(self) -> Self {
        let before = self.second_before();
        if before.0 == self.0 { self } else { before.plus(Duration::from_secs(1)) }
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at.as_microsecond())
    }
}

impl From<Timestamp> for jiff::Timestamp {
    fn from(at: Timestamp) -> Self {
        at.to_jiff()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = f.precision().unwrap_or(if self.0 % 1_000_000 == 0 { 0 } else { 6 });
        write!(f, "{:.precision$}", self.to_jiff())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<jiff::Timestamp>()
            .map(Self::from)
            .map_err(|_| TimeError::Timestamp(crate::limits::clip(text, 40)))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From whole milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(if ms > DURATION_MS_MAX { DURATION_MS_MAX } else { ms })
    }

    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// Whole milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The same as the standard library's type.
    #[must_use]
    pub const fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// So much longer, bounded.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self::from_millis(self.0.saturating_add(more.0))
    }

    /// This many times as long, bounded.
    #[must_use]
    pub const fn times(self, factor: u64) -> Self {
        Self::from_millis(self.0.saturating_mul(factor))
    }
}

impl BootTime {
    /// So many milliseconds after boot.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since boot.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This much later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Now {
    /// So much later on both, if the wall clock is not set in between.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self { wall: self.wall.plus(time), boot: self.boot.plus(time) }
    }

    /// What the wall clock shows at `boot`, or showed, if it is not set in
    /// between.
    #[must_use]
    pub fn wall_at(self, boot: BootTime) -> Timestamp {
        self.wall.plus(boot.since(self.boot)).minus(self.boot.since(boot))
    }

    /// How long it is until the wall clock shows `at`, if it is not set in
    /// between; zero when it does.
    #[must_use]
    pub fn until(self, at: Timestamp) -> Duration {
        let micros = at.0.saturating_sub(self.wall.0).max(0);
        // Rounded up: not before.
        Duration::from_millis(micros.unsigned_abs().div_ceil(MICROS_PER_MS.unsigned_abs()))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
        let mut rest = self.0;
        for (size, unit) in units {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Duration {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let shown = || crate::limits::clip(text, 40);
        // A day is 24 hours here: a duration has no calendar to be relative to.
        let parsed = text
            .trim()
            .parse::<jiff::Span>()
            .and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()))
            .map_err(|_| TimeError::Duration(shown()))?;
        match u64::try_from(parsed.as_millis()) {
            Ok(ms) if ms <= DURATION_MS_MAX => Ok(Self(ms)),
            _ => Err(TimeError::OutOfRange(shown())),
        }
    }
}

macro_rules! serde_as_text {
    ($type:ty, $expecting:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

serde_as_text!(Timestamp, "a time in RFC 3339, such as 2026-05-01T08:00:00Z");
serde_as_text!(Duration, "a duration such as 90s, 15m or PT15M");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_in_the_usual_forms() {
        for (text, ms) in [
            ("90s", 90_000),
            ("15m", 900_000),
            ("PT15M", 900_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("2d", 172_800_000),
        ] {
            assert_eq!(text.parse::<Duration>().unwrap().as_millis(), ms, "{text}");
        }
        for bad in ["", "5", "-3s", "soon", "1y"] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn for_ever_reads_back_and_does_not_end_later() {
        assert_eq!(Timestamp::MAX.to_string().parse::<Timestamp>().unwrap(), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn a_duration_reads_back_what_it_writes(ms in 0..DURATION_MS_MAX) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(duration.to_string().parse::<Duration>().unwrap(), duration);
        }

        #[test]
        fn whole_seconds_are_never_late_for_a_start_nor_early_for_an_end(
            micros in -1_000_000_000_000_000i64..4_000_000_000_000_000
        ) {
            let at = Timestamp::from_micros(micros);
            let (before, after) = (at.second_before(), at.second_after());
            prop_assert!(before <= at && at <= after);
            prop_assert!(at.since(before) < Duration::from_secs(1));
            prop_assert!(after.since(at) < Duration::from_secs(1));
            prop_assert!(!before.to_string().contains('.') && !after.to_string().contains('.'));
        }

        #[test]
        fn a_timestamp_reads_back_what_it_writes(micros in -1_000_000_000_000_000i64..4_000_000_000_000_000) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
    }
}
