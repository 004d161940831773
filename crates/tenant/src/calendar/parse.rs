//! Reads an expression as systemd does, and says more when it cannot.
//!
//! The parts are optional and come in one order: weekdays, date, time, zone. Which part a word is
//! follows from what comes after its first number: a `-` or `~` makes it a date, a `:` a time.

use std::ops::Range;

use jiff::tz::TimeZoneDatabase;

use super::components::{Chain, Component, Misfit};
use super::explain::explain;
use super::text::WEEKDAYS;
use super::{Calendar, Fault, MICROS, Weekdays, Zone, bounds};

/// The longest expression. systemd has no limit; a readable one is far below.
const BYTES_MAX: usize = 1024;
/// The most components of one field; systemd's own limit.
const COMPONENTS_MAX: usize = 240;
/// The largest number that can stand anywhere.
const NUMBER_MAX: u64 = i32::MAX as u64;

/// The words that stand for a whole expression.
pub(super) const SHORTHANDS: &[(&str, &str)] = &[
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("semi-annually", "*-01,07-01 00:00:00"),
    ("biannually", "*-01,07-01 00:00:00"),
    ("bi-annually", "*-01,07-01 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    ("anually", "*-01-01 00:00:00"),
];

impl Calendar {
    /// Reads an expression. `zones` knows the time zones of the machine that will run it.
    ///
    /// # Errors
    /// The first thing that is wrong: no expression of systemd's, or one that never fires, such as
    /// the 31st of February. An abbreviation of the local zone (`CET`), which systemd takes on a
    /// machine in that zone, is refused: it would not be valid on another.
    pub fn parse(expression: &str, zones: &TimeZoneDatabase) -> Result<Self, Fault> {
        if expression.len() > BYTES_MAX {
            let message = format!("the expression is longer than {BYTES_MAX} bytes");
            return Err(Fault::new(0..0, message));
        }
        let (body, zone) = split_zone(expression, zones);
        let mut calendar = Reader { text: expression, end: body, at: 0 }
            .calendar(zone)
            .map_err(|fault| explain(expression, body, fault, zones))?;
        calendar.normalize();
        calendar.check(expression, body)?;
        Ok(calendar)
    }

    fn normalize(&mut self) {
        if self.weekdays.0 == 0 {
            self.weekdays = Weekdays::ALL;
        }
        for component in &mut self.year.0 {
            component.start = full_year(component.start);
            component.stop = component.stop.map(full_year);
        }
        for chain in [
            &mut self.year,
            &mut self.month,
            &mut self.day,
            &mut self.hour,
            &mut self.minute,
            &mut self.second,
        ] {
            chain.normalize();
        }
        self.from_month_end &= !self.day.0.is_empty();
    }

    fn check(&self, expression: &str, body: usize) -> Result<(), Fault> {
        let fields = [
            (&self.year, bounds::YEAR, "year", 1),
            (&self.month, bounds::MONTH, "month", 1),
            (&self.day, bounds::DAY, "day", 1),
            (&self.hour, bounds::HOUR, "hour", 1),
            (&self.minute, bounds::MINUTE, "minute", 1),
            (&self.second, bounds::SECOND, "second", MICROS),
        ];
        for (chain, bounds, name, unit) in fields {
            let from_end = name == "day" && self.from_month_end;
            chain.check(bounds, from_end).map_err(|misfit| {
                let (number, message) = match misfit {
                    Misfit::Outside { value, last } => {
                        let range = format!("{} to {}", bounds.0 / unit, last / unit);
                        (value, format!("the {name} {} is not in {range}", value / unit))
                    }
                    Misfit::Backward(start) => {
                        (start, "the range ends before it begins".to_owned())
                    }
                    Misfit::Step(step) => {
                        let step_text = step / unit;
                        (step, format!("a step of {step_text} never comes to a second {name}"))
                    }
                };
                Fault::new(place_of(&expression[..body], number / unit), message)
            })?;
        }
        let earliest = jiff::civil::date(1970, 1, 1).to_datetime(jiff::civil::Time::midnight());
        if self.next_local(earliest).is_none() {
            let message = "no day is ever like that, so it never fires";
            return Err(Fault::new(0..body, message));
        }
        Ok(())
    }
}

/// Years of two digits are of 1970 to 2069.
fn full_year(year: u64) -> u64 {
    match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        _ => year,
    }
}

/// Where a number stands, to point at it; the whole where it is written in another way.
fn place_of(body: &str, number: u64) -> Range<usize> {
    let mut at = 0;
    for run in body.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = run.trim_end_matches(|c: char| !c.is_ascii_digit());
        if digits.parse() == Ok(number) {
            return at..at + digits.len();
        }
        at += run.len();
    }
    0..body.len()
}

/// The zone that an expression ends with, and how long what comes before it is.
fn split_zone(expression: &str, zones: &TimeZoneDatabase) -> (usize, Zone) {
    let Some(space) = expression.rfind(' ') else { return (expression.len(), Zone::Local) };
    let name = &expression[space + 1..];
    if name.eq_ignore_ascii_case("UTC") {
        return (space, Zone::Utc);
    }
    match known_zone(name, zones) {
        Some(zone) => (space, Zone::Named(name.to_owned(), zone)),
        None => (expression.len(), Zone::Local),
    }
}

/// Names are the names of files for systemd, so their case counts.
fn known_zone(name: &str, zones: &TimeZoneDatabase) -> Option<jiff::tz::TimeZone> {
    let zone = zones.get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

/// Reads from the front; `end` is where the zone begins.
struct Reader<'a> {
    text: &'a str,
    end: usize,
    at: usize,
}

type Read<T> = Result<T, Fault>;

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..self.end]
    }

    fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    /// Takes a text that comes next.
    fn take(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    fn skip_spaces(&mut self) {
        while self.take(" ") {}
    }

    /// What is wrong with the character that comes next.
    fn unexpected<T>(&self, wanted: &str) -> Read<T> {
        let Some(found) = self.rest().chars().next() else {
            let at = self.end..self.end;
            return Err(Fault::new(at, format!("the expression ends where {wanted} should be")));
        };
        let at = self.at..self.at + found.len_utf8();
        Err(Fault::new(at, format!("`{}` where {wanted} should be", found.escape_debug())))
    }

    fn calendar(mut self, zone: Zone) -> Read<Calendar> {
        if self.rest().is_empty() {
            return Err(Fault::new(0..0, "there is no expression")
                .hint("write it as `*-*-* 08:35:00`, or `daily`"));
        }
        if let Some(meaning) = shorthand(self.rest()) {
            return Reader { text: meaning, end: meaning.len(), at: 0 }.calendar(zone);
        }
        let mut calendar = Calendar {
            weekdays: self.weekdays()?,
            year: Chain::default(),
            month: Chain::default(),
            day: Chain::default(),
            from_month_end: false,
            hour: Chain::single(0),
            minute: Chain::single(0),
            second: Chain::single(0),
            zone,
        };
        if self.take("@") {
            self.instant(&mut calendar)?;
        } else {
            self.date(&mut calendar)?;
            self.time(&mut calendar)?;
        }
        if self.rest().is_empty() { Ok(calendar) } else { self.unexpected("the end") }
    }

    fn weekdays(&mut self) -> Read<Weekdays> {
        let mut days = 0;
        let mut range_from: Option<(usize, usize)> = None;
        let mut first = true;
        loop {
            let begin = self.at;
            let Some(day) = self.weekday()? else {
                return if first { Ok(Weekdays(days)) } else { self.unexpected("a weekday") };
            };
            days |= 1 << day;
            if let Some((from, at)) = range_from {
                if from > day {
                    let message = format!("the range ends before {}", WEEKDAYS[from]);
                    let hint = format!("write it as two: {}", around_the_week(from, day));
                    return Err(Fault::new(at..self.at, message).hint(hint));
                }
                (from..day).for_each(|day| days |= 1 << day);
            }
            match self.peek() {
                None => return Ok(Weekdays(days)),
                Some(b' ') => {
                    self.skip_spaces();
                    return Ok(Weekdays(days));
                }
                Some(b',') => {
                    self.at += 1;
                    range_from = None;
                }
                Some(_) => {
                    let separator = self.at;
                    if range_from.is_some() || !(self.take("..") || self.take("-")) {
                        self.at = separator;
                        return self.unexpected("`,` or a space");
                    }
                    range_from = Some((day, begin));
                }
            }
            // A comma may be the last; a range needs its end.
            if matches!(self.peek(), None | Some(b' ')) {
                if range_from.is_some() {
                    return self.unexpected("a weekday");
                }
                self.skip_spaces();
                return Ok(Weekdays(days));
            }
            first = false;
        }
    }

    /// The day whose name comes next, in full or by three letters.
    fn weekday(&mut self) -> Read<Option<usize>> {
        let rest = self.rest().as_bytes();
        let is_next = |name: &str| {
            rest.get(..name.len()).is_some_and(|next| next.eq_ignore_ascii_case(name.as_bytes()))
        };
        for (day, name) in WEEKDAYS.iter().enumerate() {
            let Some(name) = [name, &name[..3]].into_iter().find(|name| is_next(name)) else {
                continue;
            };
            self.at += name.len();
            if matches!(self.peek(), None | Some(b'-' | b'.' | b',' | b' ')) {
                return Ok(Some(day));
            }
            return self.unexpected("`,`, `..` or a space");
        }
        Ok(None)
    }

    /// Seconds since 1970, all fields at once.
    fn instant(&mut self, calendar: &mut Calendar) -> Read<()> {
        let begin = self.at;
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return self.unexpected("a number of seconds since 1970");
        }
        self.at += digits;
        let seconds = self.text[begin..self.at].parse::<i64>().ok();
        let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        let Some(time) = time.map(|time| jiff::tz::TimeZone::UTC.to_datetime(time)) else {
            return Err(Fault::new(begin..self.at, "the time is too late to be one"));
        };
        let single = |value: i64| Chain::single(value.unsigned_abs());
        calendar.year = single(time.year().into());
        calendar.month = single(time.month().into());
        calendar.day = single(time.day().into());
        calendar.hour = single(time.hour().into());
        calendar.minute = single(time.minute().into());
        calendar.second = Chain::single(u64::from(time.second().unsigned_abs()) * MICROS);
        calendar.zone = Zone::Utc;
        Ok(())
    }

    /// A date, if what comes next is one: year, month and day, or month and day.
    fn date(&mut self, calendar: &mut Calendar) -> Read<()> {
        if self.rest().is_empty() {
            return Ok(());
        }
        let begin = self.at;
        let first = self.chain(1)?;
        if matches!(self.peek(), None | Some(b':')) {
            self.at = begin;
            return Ok(());
        }
        calendar.from_month_end = self.date_separator()?;
        let second = self.chain(1)?;
        if matches!(self.peek(), None | Some(b' ')) {
            (calendar.month, calendar.day) = (first, second);
        } else {
            if calendar.from_month_end {
                return self.unexpected("a space");
            }
            calendar.from_month_end = self.date_separator()?;
            (calendar.year, calendar.month, calendar.day) = (first, second, self.chain(1)?);
            if !matches!(self.peek(), None | Some(b' ')) {
                return self.unexpected("a space");
            }
        }
        self.skip_spaces();
        Ok(())
    }

    /// Whether the days that follow are counted from the end of the month.
    fn date_separator(&mut self) -> Read<bool> {
        if self.take("~") {
            Ok(true)
        } else if self.take("-") {
            Ok(false)
        } else {
            self.unexpected("`-` or `:`")
        }
    }

    fn time(&mut self, calendar: &mut Calendar) -> Read<()> {
        if self.rest().is_empty() {
            return Ok(());
        }
        calendar.hour = self.chain(1)?;
        if !self.take(":") {
            return self.unexpected("`:`");
        }
        calendar.minute = self.chain(1)?;
        if self.rest().is_empty() {
            return Ok(());
        }
        if !self.take(":") {
            return self.unexpected("`:` or the end");
        }
        calendar.second = self.chain(MICROS)?;
        Ok(())
    }

    /// The values of one field, in multiples of a unit.
    fn chain(&mut self, unit: u64) -> Read<Chain> {
        if self.take("*") {
            let every = Component { start: 0, stop: None, step: unit };
            return Ok(if unit == 1 { Chain::default() } else { Chain(vec![every]) });
        }
        let mut components = Vec::new();
        loop {
            if components.len() > COMPONENTS_MAX {
                let message = format!("there are more than {COMPONENTS_MAX} values");
                return Err(Fault::new(self.at..self.at, message));
            }
            components.push(self.component(unit)?);
            if !self.take(",") {
                return Ok(Chain(components));
            }
        }
    }

    fn component(&mut self, unit: u64) -> Read<Component> {
        let begin = self.at;
        let start = self.number(unit)?;
        let mut component = Component::single(start);
        let mut too_short = false;
        if self.take("..") {
            let stop = self.number(unit)?;
            component = Component { start, stop: Some(stop), step: unit };
            // systemd refuses seconds of which the second is not reached.
            too_short = unit == MICROS && stop < start + unit;
        }
        if self.take("/") {
            let begin = self.at;
            component.step = self.number(unit)?;
            if component.step == 0 {
                return Err(Fault::new(begin..self.at, "a step of 0 never comes to another value"));
            }
        } else if too_short {
            let message = "the range ends less than a second after it begins";
            return Err(Fault::new(begin..self.at, message));
        }
        match self.peek() {
            None | Some(b' ' | b',' | b'-' | b'~' | b':') => Ok(component),
            Some(_) => self.unexpected("the end of the number"),
        }
    }

    /// A number in multiples of a unit; those of microseconds may have a fraction.
    fn number(&mut self, unit: u64) -> Read<u64> {
        let begin = self.at;
        self.at += self.digits();
        if self.at == begin {
            return self.unexpected("a number");
        }
        let whole = self.text[begin..self.at].parse::<u64>().ok();
        let Some(whole) = whole.filter(|value| *value <= NUMBER_MAX) else {
            return Err(Fault::new(begin..self.at, "the number is too large"));
        };
        let mut value = whole * unit;
        if unit == MICROS && self.peek() == Some(b'.') && !self.rest().starts_with("..") {
            self.at += 1;
            value += self.fraction()?;
        }
        if value > NUMBER_MAX {
            return Err(Fault::new(begin..self.at, "the number is too large"));
        }
        Ok(value)
    }

    /// Microseconds after a decimal point; what is finer is rounded.
    fn fraction(&mut self) -> Read<u64> {
        let begin = self.at;
        self.at += self.digits();
        if self.at == begin {
            return self.unexpected("a digit");
        }
        let digit = |at: usize| {
            let digit = self.text.as_bytes()[begin..self.at].get(at);
            digit.map_or(0, |digit| u64::from(digit - b'0'))
        };
        let micros = (0..6).fold(0, |value, at| value * 10 + digit(at));
        Ok(micros + u64::from(digit(6) >= 5))
    }

    fn digits(&self) -> usize {
        self.rest().bytes().take_while(u8::is_ascii_digit).count()
    }
}

fn shorthand(word: &str) -> Option<&'static str> {
    let known = SHORTHANDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    known.map(|(_, meaning)| *meaning)
}

/// A range over the end of the week, as two.
fn around_the_week(from: usize, to: usize) -> String {
    let range = |from: usize, to: usize| {
        let name = |day: usize| &WEEKDAYS[day][..3];
        if from == to { name(from).to_owned() } else { format!("{}..{}", name(from), name(to)) }
    };
    format!("{},{}", range(0, to), range(from, 6))
}
