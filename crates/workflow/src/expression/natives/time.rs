//! Dates and times, in UTC. The clock and the machine's time zone are out of reach: a run that is
//! replayed must come to the same values.

use jaq_core::ValR;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::{Run, one, text_of, two, values};
use crate::expression::account;
use crate::expression::item::{Failure, Item, failure, limited};
use crate::expression::text::{Writer, in_quotes};
use crate::value::{Value, to_f64};

pub(super) fn functions() -> Vec<Run> {
    vec![
        ("gmtime", values(0), |cv| one(cv, |it| broken_down(&moment(&it)?))),
        ("mktime", values(0), |cv| one(cv, |it| mktime(&it))),
        ("strftime", values(1), |cv| two(cv, |it, format| strftime(&it, &format))),
        ("strptime", values(1), |cv| two(cv, |it, format| strptime(&it, &format))),
        ("fromdateiso8601", values(0), |cv| one(cv, |it| from_date(&it))),
    ]
}

fn out_of_range(error: impl std::fmt::Display) -> Failure {
    failure(format_args!("error converting time: {error}"))
}

/// Seconds since 1970.
fn moment(item: &Item) -> Result<Zoned, Failure> {
    let seconds = item.as_number().ok_or_else(|| failure("gmtime() requires a number"))?;
    let timestamp = Timestamp::from_microsecond((seconds * 1e6) as i64).map_err(out_of_range)?;
    Ok(timestamp.to_zoned(TimeZone::UTC))
}

/// jq's list of year, month from 0, day, hours, minutes, seconds, weekday and day of the year.
fn broken_down(zoned: &Zoned) -> ValR<Item> {
    let seconds = f64::from(zoned.second()) + f64::from(zoned.subsec_nanosecond()) / 1e9;
    let whole = |number: i64| Item::from(number as isize);
    let parts = [
        whole(zoned.year().into()),
        whole(i64::from(zoned.month()) - 1),
        whole(zoned.day().into()),
        whole(zoned.hour().into()),
        whole(zoned.minute().into()),
        Item::from(seconds),
        whole(zoned.weekday().to_sunday_zero_offset().into()),
        whole(i64::from(zoned.day_of_year()) - 1),
    ];
    Item::list(parts).map_err(limited)
}

fn assembled(item: &Item, function: &str) -> Result<Zoned, Failure> {
    let refused = || failure(format_args!("{function} requires parsed datetime inputs"));
    let parts = item.as_list().filter(|it| it.len() >= 6).ok_or_else(refused)?;
    let mut numbers = [0.0; 6];
    for (number, part) in numbers.iter_mut().zip(parts.iter()) {
        let Value::Num(part) = part else { return Err(refused()) };
        *number = to_f64(part);
    }
    // A cast of a float stays within the type's range, and what is out of a calendar's is refused.
    let [year, month, day, hour, minute, second] = numbers.map(|it| it.floor() as i64);
    let small = |number: i64| i8::try_from(number).unwrap_or(i8::MAX);
    let civil = DateTime::new(
        i16::try_from(year).unwrap_or(i16::MAX),
        small(month.saturating_add(1)),
        small(day),
        small(hour),
        small(minute),
        small(second),
        0,
    );
    civil.and_then(|civil| civil.to_zoned(TimeZone::UTC)).map_err(out_of_range)
}

fn mktime(item: &Item) -> ValR<Item> {
    Ok(Item::from(assembled(item, "mktime")?.timestamp().as_second() as isize))
}

fn strftime(item: &Item, format: &Item) -> ValR<Item> {
    let format = text_of(format, "strftime/1 requires a string format")?;
    let zoned = match &item.value {
        Value::Num(_) => moment(item)?,
        _ => assembled(item, "strftime/1")?,
    };
    let mut out = Writer::paid();
    let written = strtime::BrokenDownTime::from(&zoned).format(format, &mut out);
    if let Some(limit) = account::spent() {
        return Err(limited(limit));
    }
    written.map_err(out_of_range)?;
    Ok(Item::string(out.finish()))
}

fn strptime(item: &Item, format: &Item) -> ValR<Item> {
    let message = "strptime/1 requires string inputs and arguments";
    let (text, format) = (text_of(item, message)?, text_of(format, message)?);
    account::read(text.len() + format.len()).map_err(limited)?;
    let unfit = |_| {
        let (text, format) = (in_quotes(text), in_quotes(format));
        failure(format_args!("date {text} does not match format {format}"))
    };
    let mut time = strtime::BrokenDownTime::parse(format, text).map_err(unfit)?;
    if time.offset().is_none() && time.iana_time_zone().is_none() {
        time.set_offset(Some(Offset::UTC));
    }
    let midnight = [time.hour().is_none(), time.minute().is_none(), time.second().is_none()];
    if midnight.iter().all(|it| *it) {
        let date = time.to_date().map_err(unfit)?;
        return broken_down(&date.to_zoned(TimeZone::UTC).map_err(out_of_range)?);
    }
    broken_down(&time.to_zoned().map_err(unfit)?)
}

/// RFC 3339, of which jq reads the form with `Z` only. Fractions are kept.
fn from_date(item: &Item) -> ValR<Item> {
    let text = text_of(item, "strptime/1 requires string inputs and arguments")?;
    account::read(text.len()).map_err(limited)?;
    let time: Timestamp = text.parse().map_err(|_| {
        let text = in_quotes(text);
        failure(format_args!("date {text} does not match format \"%Y-%m-%dT%H:%M:%SZ\""))
    })?;
    Ok(Item::from(time.as_microsecond() as f64 / 1e6))
}
