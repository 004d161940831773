//! What an author may have meant by what is no expression.

use std::ops::Range;

use jiff::tz::TimeZoneDatabase;

use super::cron::{CronFault, fault_of_cron, from_cron};
use super::parse::SHORTHANDS;
use super::text::WEEKDAYS;
use super::{Calendar, Fault};

/// Adds to a fault what its author may have meant. The zone, if there is one, begins at `body`.
pub(super) fn explain(
    expression: &str,
    body: usize,
    fault: Fault,
    zones: &TimeZoneDatabase,
) -> Fault {
    if fault.hint.is_some() {
        return fault;
    }
    let cron = from_cron(expression).and_then(|meant| Calendar::parse(&meant, zones).ok());
    if let Some(calendar) = cron {
        let message = "this is a line of cron, not a calendar expression";
        return Fault::new(0..expression.len(), message).hint(format!("write it as `{calendar}`"));
    }
    if let Some(CronFault { message, meant, hint }) = fault_of_cron(expression) {
        let valid = |meant: &String| Calendar::parse(meant, zones).ok();
        let meant: Option<Vec<_>> = meant.iter().map(valid).collect();
        if let Some(meant) = meant {
            let written: Vec<_> = meant.iter().map(|meant| format!("`{meant}`")).collect();
            let hint = hint.replace("{}", &written.join(" and "));
            return Fault::new(0..expression.len(), message).hint(hint);
        }
    }
    if let Some((shorthand, rest)) = expression.split_once(' ')
        && let Some((_, meaning)) = SHORTHANDS.iter().find(|(name, _)| *name == shorthand)
    {
        let message = format!("`{shorthand}` is a whole expression, and only a zone may follow");
        let date = meaning.rsplit_once(' ').map_or(*meaning, |(date, _)| date);
        let meant = format!("{date} {}", rest.trim());
        let hint = match Calendar::parse(&meant, zones) {
            Ok(calendar) => format!("write it as `{calendar}`"),
            Err(_) => format!("write it out: `{meaning}`"),
        };
        return Fault::new(0..expression.len(), message).hint(hint);
    }
    let words = words(&expression[..body]);
    let Some((range, word)) = words.iter().find(|(range, _)| range.end > fault.span.start) else {
        return explain_space(expression, fault);
    };
    if let Some(meant) = unknown_word(word, range.start == 0, zones) {
        return Fault::new(range.clone(), meant.0).hint(meant.1);
    }
    explain_space(expression, fault)
}

fn explain_space(expression: &str, fault: Fault) -> Fault {
    if expression.trim() == expression {
        return fault;
    }
    fault.hint("remove the space at the beginning and the end")
}

/// The words of an expression and where they are.
fn words(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut at = 0;
    let mut words = Vec::new();
    for word in text.split(' ') {
        if !word.is_empty() {
            words.push((at..at + word.len(), word));
        }
        at += word.len() + 1;
    }
    words
}

/// What a word of letters is not, and what it may have been meant for.
fn unknown_word(word: &str, first: bool, zones: &TimeZoneDatabase) -> Option<(String, String)> {
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let zone_names: Vec<_> = zones.available().collect();
    if first && !word.contains('/') {
        return Some(unknown_weekday(word));
    }
    let meant = nearest(word, zone_names.iter().map(jiff::tz::TimeZoneName::as_str));
    let hint = meant.map_or_else(
        || "name it as the tz database does, as in `Europe/Berlin`".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    );
    Some((format!("`{word}` is no time zone of this machine"), hint))
}

/// A first word, which is weekdays where it is not the whole expression.
fn unknown_weekday(word: &str) -> (String, String) {
    let weekdays = || WEEKDAYS.iter().flat_map(|day| [*day, &day[..3]]);
    let is_weekday = |name: &&str| weekdays().any(|day| day.eq_ignore_ascii_case(name));
    let mut names = word.split([',', '.', '-']).filter(|name| !name.is_empty());
    let name = names.find(|name| !is_weekday(name)).unwrap_or(word);
    let shorthands = SHORTHANDS.iter().map(|(name, _)| *name).filter(|name| *name != "anually");
    let hint = nearest(name, shorthands.chain(weekdays())).map_or_else(
        || "weekdays are `Mon` to `Sun`, and a whole expression may be `daily`".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    );
    (format!("`{name}` is no weekday"), hint)
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let distance = |name: &str| strsim::osa_distance(&word, &name.to_ascii_lowercase());
    let nearest = known.map(|name| (distance(name), name)).min_by_key(|(distance, _)| *distance)?;
    (nearest.0 <= (word.len() / 3).max(1)).then_some(nearest.1)
}
