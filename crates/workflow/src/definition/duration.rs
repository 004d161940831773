//! Lengths of time as documents and expressions write them.
//!
//! The specification's ISO 8601 durations may have years and months, which have no length of their
//! own: a year is taken as 365 days and a month as 30. Fractions count to the millisecond.

use tessera_types::Duration;

use crate::value::{Value, field};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The fields of a duration that is written as an object, with their lengths in milliseconds.
pub(crate) const FIELDS: [(&str, u64); 5] =
    [("days", DAY), ("hours", HOUR), ("minutes", MINUTE), ("seconds", SECOND), ("milliseconds", 1)];

/// What comes after `P`, and what comes after `T`, in this order.
const DATE_UNITS: &[(char, u64)] = &[('Y', 365 * DAY), ('M', 30 * DAY), ('W', 7 * DAY), ('D', DAY)];
const TIME_UNITS: &[(char, u64)] = &[('H', HOUR), ('M', MINUTE), ('S', SECOND)];

/// The longest duration: about a hundred years.
const LONGEST_MS: u128 = Duration::from_millis(u64::MAX).as_millis() as u128;

/// Digits of a fraction that count.
const FRACTION_DIGITS_MAX: usize = 12;

/// Reads an ISO 8601 duration, such as `PT1H30M`.
///
/// # Errors
/// Why it is none, in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let none = || format!("{} is no ISO 8601 duration", tessera_manifest::quoted(text));
    let rest = text.strip_prefix('P').ok_or_else(none)?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return Err(none()),
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return Err(none());
    }
    let date = units(date, DATE_UNITS).ok_or_else(none)?;
    let time = units(time, TIME_UNITS).ok_or_else(none)?;
    bounded(date.saturating_add(time))
}

/// The duration that an expression gave: ISO 8601, or an object of `days`, `hours`, `minutes`,
/// `seconds` and `milliseconds`.
///
/// # Errors
/// Why it is none, in words.
pub fn duration_of(value: &Value) -> Result<Duration, String> {
    match value {
        Value::TStr(text) => parse_duration(&String::from_utf8_lossy(text)),
        Value::Obj(fields) => {
            let mut ms = 0_u128;
            let mut known = 0;
            for (name, unit) in FIELDS {
                let value = field(value, name);
                if *value == Value::Null {
                    continue;
                }
                known += 1;
                ms = ms.saturating_add(whole(name, value)?.saturating_mul(u128::from(unit)));
            }
            match known == fields.len() && known > 0 {
                true => bounded(ms),
                false => Err("a duration has days, hours, minutes, seconds and milliseconds, \
                              and nothing else"
                    .to_owned()),
            }
        }
        _ => Err("a duration is ISO 8601 text such as PT30S, or an object such as \
                  { seconds: 30 }"
            .to_owned()),
    }
}

fn whole(name: &str, value: &Value) -> Result<u128, String> {
    let number = match value {
        Value::Num(number) => number.to_string().parse::<u64>().ok(),
        _ => None,
    };
    number.map(u128::from).ok_or_else(|| format!("`{name}` must be a whole number from 0"))
}

/// A duration of so many milliseconds.
pub(crate) fn bounded(ms: u128) -> Result<Duration, String> {
    let fits = u64::try_from(ms).ok().filter(|_| ms <= LONGEST_MS);
    let ms = fits.ok_or("a duration is at most 100 years")?;
    Ok(Duration::from_millis(ms))
}

/// The milliseconds of `1D2H`-like text with each of the units at most once and in their order.
fn units(mut text: &str, mut units: &[(char, u64)]) -> Option<u128> {
    let mut sum = 0_u128;
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = text.split_at(end);
        let letter = rest.chars().next()?;
        let at = units.iter().position(|(unit, _)| *unit == letter)?;
        sum = sum.saturating_add(scaled(number, units[at].1)?);
        units = &units[at + 1..];
        text = &rest[letter.len_utf8()..];
    }
    Some(sum)
}

/// A decimal number of units, in milliseconds; what is less than one is cut off.
fn scaled(number: &str, unit: u64) -> Option<u128> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (number, ""),
    };
    if whole.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole = whole
        .bytes()
        .fold(0_u128, |sum, digit| sum.saturating_mul(10).saturating_add(u128::from(digit - b'0')));
    let digits = &fraction[..fraction.len().min(FRACTION_DIGITS_MAX)];
    let parts = digits.bytes().fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let parts = parts * u128::from(unit) / 10_u128.pow(digits.len() as u32);
    Some(whole.saturating_mul(u128::from(unit)).saturating_add(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::from_json;
    use serde_json::json;

    #[test]
    fn iso_8601_is_read_to_the_millisecond() {
        let ms = |text: &str| parse_duration(text).map(Duration::as_millis);
        assert_eq!(ms("PT30S"), Ok(30_000));
        assert_eq!(ms("PT1.5S"), Ok(1_500));
        assert_eq!(ms("PT0.0019S"), Ok(1));
        assert_eq!(ms("P1DT2H3M4.005S"), Ok(DAY + 2 * HOUR + 3 * MINUTE + 4_005));
        assert_eq!(ms("P2W"), Ok(14 * DAY));
        assert_eq!(ms("P1Y2M"), Ok((365 + 60) * DAY));
        assert_eq!(ms("P0.5D"), Ok(12 * HOUR));
        for wrong in [
            "", "P", "PT", "P1DT", "1D", "P1", "PT1", "P1H", "PT1D", "PTS", "PT1S1M", "PT1S1S",
            "-PT1S", "PT-1S", "PT1,5S", "PT.5S", "PT1.S", "PT1.2.3S", "pt1s", "P1D ", "P١D",
        ] {
            assert!(ms(wrong).is_err(), "{wrong}");
        }
        assert!(ms("P101Y").unwrap_err().contains("100 years"));
        assert!(ms(&format!("P{}Y", "9".repeat(1000))).is_err());
        assert_eq!(ms(&format!("PT0.{}S", "9".repeat(1000))), Ok(999));
    }

    #[test]
    fn what_an_expression_gives_is_read_alike() {
        let ms = |json| duration_of(&from_json(json)).map(Duration::as_millis);
        assert_eq!(ms(json!("PT1M")), Ok(60_000));
        assert_eq!(ms(json!({ "minutes": 1, "milliseconds": 5 })), Ok(60_005));
        for wrong in [
            json!({}),
            json!({ "seconds": -1 }),
            json!({ "seconds": 1.5 }),
            json!({ "seconds": "1" }),
            json!({ "second": 1 }),
            json!(30),
            json!(null),
            json!({ "days": u64::MAX }),
        ] {
            assert!(ms(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
