//! What a line of cron would be as a calendar expression: most people who come here have some.

/// The calendar expression for the time fields of a crontab, as in `35 8 * * 1-5`. None for what
/// is no such line, or has no equal: cron runs when the day of the month or the weekday fits,
/// systemd when both do.
#[must_use]
pub fn from_cron(line: &str) -> Option<String> {
    if let Some(word) = line.strip_prefix('@') {
        let known = ["hourly", "daily", "weekly", "monthly", "yearly", "annually"];
        return match word {
            "midnight" => Some("daily".to_owned()),
            // A week of cron begins on Sunday.
            "weekly" => Some("Sun *-*-* 00:00:00".to_owned()),
            _ => known.contains(&word).then(|| word.to_owned()),
        };
    }
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else { return None };
    let minute = field(minute, 0, 59, 2, &[])?;
    let hour = field(hour, 0, 23, 2, &[])?;
    let day_field = field(day, 1, 31, 2, &[])?;
    let month = field(month, 1, 12, 2, &MONTHS)?;
    let weekdays = weekdays_of(weekday)?;
    if weekdays.is_some() && !day.starts_with('*') {
        return None;
    }
    let weekdays = weekdays.map_or_else(String::new, |days| format!("{days} "));
    Some(format!("{weekdays}*-{month}-{day_field} {hour}:{minute}:00"))
}

/// What keeps a line of cron from being one expression.
pub(super) struct CronFault {
    pub(super) message: String,
    /// Expressions that are valid if all that they are made of is.
    pub(super) meant: Vec<String>,
    /// What to do; `{}` stands for the expressions.
    pub(super) hint: String,
}

/// What is wrong with a text that looks like a line of cron.
pub(super) fn fault_of_cron(line: &str) -> Option<CronFault> {
    let (zone, times) = split_zone(line);
    let words: Vec<&str> = times.split_ascii_whitespace().collect();
    let zoned = |meant: String| zone.map_or(meant.clone(), |zone| format!("{meant} {zone}"));
    if words.first() == Some(&"@reboot") {
        let message = "a line of cron: `@reboot` is no time, but the start of the machine";
        return fault(
            message,
            vec![],
            "a tenant runs at times: write when, as in `*-*-* 08:35:00`",
        );
    }
    let is_word = words.first().is_some_and(|word| from_cron(word).is_some());
    let fields = &words[..words.len().min(if is_word { 1 } else { 5 })];
    let numeric = |field: &&str| field.bytes().all(|b| b.is_ascii_digit() || b"*/,-".contains(&b));
    let is_cron = fields.len() >= 4 && fields.iter().take(3).all(numeric);
    if !is_word && !is_cron {
        return None;
    }
    if fields.len() == 4 {
        let message = "a line of cron has five times, and here are four";
        return fault(message, vec![], "minute, hour, day of the month, month and weekday");
    }
    if let Some(meant) = from_cron(&fields.join(" ")) {
        let (message, hint) = match words.len() > fields.len() {
            true => (
                "this is a line of cron with its command, not a calendar expression",
                "write it as {}; the command belongs into `entrypoint`",
            ),
            false => ("this is a line of cron, not a calendar expression", "write it as {}"),
        };
        return fault(message, vec![zoned(meant)], hint);
    }
    fault_of_fields(fields.try_into().ok()?, zoned)
}

fn fault(message: &str, meant: Vec<String>, hint: &str) -> Option<CronFault> {
    Some(CronFault { message: message.to_owned(), meant, hint: hint.to_owned() })
}

/// Why five fields have no equal.
fn fault_of_fields(fields: [&str; 5], zoned: impl Fn(String) -> String) -> Option<CronFault> {
    let [minute, hour, day, month, weekday] = fields;
    let on_days = from_cron(&format!("{minute} {hour} {day} {month} *"));
    let on_weekdays = from_cron(&format!("{minute} {hour} * {month} {weekday}"));
    if let (Some(days), Some(weekdays)) = (on_days, on_weekdays) {
        let message = "a line of cron runs on the days of the month and on the weekdays, too, and an \
                       expression only on days that are both";
        let hint = "make it two services: {}";
        return fault(message, vec![zoned(days), zoned(weekdays)], hint);
    }
    let bounds: [(&str, &str, u64, u64, &[&str]); 4] = [
        ("minute", minute, 0, 59, &[]),
        ("hour", hour, 0, 23, &[]),
        ("day of the month", day, 1, 31, &[]),
        ("month", month, 1, 12, &MONTHS),
    ];
    let wrong = bounds
        .iter()
        .find(|(_, text, first, last, names)| field(text, *first, *last, 2, names).is_none());
    let (message, hint) = match wrong {
        Some((name, text, first, last, _)) => (
            format!("a line of cron with the {name} `{text}`, which has no equal"),
            format!("the {name} is {first} to {last}"),
        ),
        None => (
            format!("a line of cron with the weekday `{weekday}`, which has no equal"),
            "a weekday is 0 to 7, or `sun` to `sat`".to_owned(),
        ),
    };
    fault(&message, vec![], &hint)
}

/// The zone that a crontab sets, and what comes after it.
fn split_zone(line: &str) -> (Option<&str>, &str) {
    let zone = line.strip_prefix("CRON_TZ=").or_else(|| line.strip_prefix("TZ="));
    match zone.and_then(|zone| zone.split_once(' ')) {
        Some((zone, times)) => (Some(zone), times),
        None => (None, line),
    }
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 8] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// One field of numbers, in which names stand for numbers from `first`.
fn field(text: &str, first: u64, last: u64, width: usize, names: &[&str]) -> Option<String> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = named.map(|at| at as u64 + first).or_else(|| text.parse().ok())?;
        (first..=last).contains(&number).then_some(number)
    };
    let written = |number: u64| format!("{number:0width$}");
    // A step that never comes to a second value is the first one; a range that ends before it
    // begins is none.
    let range_of = |from: u64, to: u64, step: Option<u64>| match step {
        _ if from > to => None,
        Some(step) if step > to - from => Some(written(from)),
        Some(step) => Some(format!("{}..{}/{step}", written(from), written(to))),
        None => Some(format!("{}..{}", written(from), written(to))),
    };
    let item = |item: &str| {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u64>().ok().filter(|s| *s > 0)?)),
            None => (item, None),
        };
        match (range, range.split_once('-'), step) {
            ("*", _, Some(step)) if step > last - first => Some(written(first)),
            ("*", _, Some(step)) => Some(format!("{}/{step}", written(first))),
            ("*", _, None) => Some("*".to_owned()),
            (_, Some((from, to)), step) => range_of(number(from)?, number(to)?, step),
            (_, None, Some(_)) => None,
            (value, None, None) => number(value).map(written),
        }
    };
    let items: Option<Vec<String>> = text.split(',').map(item).collect();
    let items = items?;
    // A star among others is all there is.
    if items.iter().any(|item| item == "*") { Some("*".to_owned()) } else { Some(items.join(",")) }
}

/// Weekdays by number (0 and 7 are Sunday) or name; nothing for all of them.
fn weekdays_of(text: &str) -> Option<Option<String>> {
    if text == "*" {
        return Some(None);
    }
    let number = |text: &str| {
        let named = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(text));
        named.or_else(|| text.parse().ok()).filter(|day| *day < WEEKDAYS.len())
    };
    let item = |item: &str| match item.split_once('-') {
        Some((from, to)) => {
            let (from, to) = (number(from)?, number(to)?);
            // Where it ends before it begins there is nothing in it, and nothing is every day.
            (from <= to).then(|| WEEKDAYS[from..=to].join(","))
        }
        None => number(item).map(|day| WEEKDAYS[day].to_owned()),
    };
    let items: Option<Vec<String>> = text.split(',').map(item).collect();
    Some(Some(items?.join(",")))
}

#[cfg(test)]
mod tests {
    use super::from_cron;

    #[test]
    fn lines_of_cron_have_their_equal() {
        let equals = [
            ("35 8 * * *", "*-*-* 08:35:00"),
            ("*/15 * * * *", "*-*-* *:00/15:00"),
            ("0 2 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 02:00:00"),
            ("5 4 1,15 jan *", "*-01-01,15 04:05:00"),
            ("0 0 * * 7", "Sun *-*-* 00:00:00"),
            ("0 9-17/2 * * *", "*-*-* 09..17/2:00:00"),
            ("0 9-17/20 * * *", "*-*-* 09:00:00"),
            ("@midnight", "daily"),
            ("@weekly", "Sun *-*-* 00:00:00"),
        ];
        for (line, expression) in equals {
            assert_eq!(from_cron(line).as_deref(), Some(expression), "{line}");
        }
    }

    #[test]
    fn what_has_no_equal_has_none() {
        for line in ["0 0 13 * 5", "60 * * * *", "@reboot", "daily", "* * * *", "5/2 * * * *"] {
            assert_eq!(from_cron(line), None, "{line}");
        }
        // A range over midnight is two, for cron and for systemd; one over Sunday, too.
        for line in ["30 22-05 * * 1-5", "30 2 * * 2-1", "30 2 * * sat-fri", "30 2 * * 5-2"] {
            assert_eq!(from_cron(line), None, "{line}");
        }
    }
}
