//! Texts with placeholders: what is expected byte for byte, but for what differs from run to run.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use tessera_types::{Duration, Timestamp};

/// What the placeholders with a name stood for so far.
pub(crate) type Bindings = BTreeMap<String, String>;

/// Matches a text against a template, or says where they part.
pub(crate) fn matches(template: &str, text: &str, bindings: &mut Bindings) -> Result<(), String> {
    let (mut template, mut rest) = (template, text);
    while !template.is_empty() {
        let (literal, placeholder, behind) = next(template);
        rest = rest.strip_prefix(literal).ok_or_else(|| parted(literal, rest))?;
        template = behind;
        let Some(placeholder) = placeholder else { continue };
        let taken = take(placeholder, rest, template)?;
        let (value, behind) = rest.split_at(taken);
        if placeholder.contains(':') {
            let known = bindings.entry(placeholder.to_owned()).or_insert_with(|| value.to_owned());
            if known != value {
                return Err(format!("<{placeholder}> was {known} and is {value}"));
            }
        }
        rest = behind;
    }
    if rest.is_empty() { Ok(()) } else { Err(format!("and then there is more: {rest:?}")) }
}

fn parted(literal: &str, rest: &str) -> String {
    let shown: String = rest.chars().take(literal.chars().count() + 20).collect();
    format!("expected {literal:?}\n     but it goes on {shown:?}")
}

/// The text up to the next placeholder, the placeholder, and what is behind it.
fn next(template: &str) -> (&str, Option<&str>, &str) {
    const NAMES: [&str; 5] = ["uuid", "time", "ms", "seconds", "any"];
    for (start, _) in template.match_indices('<') {
        let Some(end) = template[start..].find('>') else { break };
        let inside = &template[start + 1..start + end];
        if NAMES.contains(&inside.split(':').next().unwrap_or_default()) {
            return (&template[..start], Some(inside), &template[start + end + 1..]);
        }
    }
    (template, None, "")
}

/// How many bytes of `rest` a placeholder stands for.
fn take(placeholder: &str, rest: &str, template: &str) -> Result<usize, String> {
    let digits =
        |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let wrong = || format!("expected <{placeholder}>\n     but it goes on {rest:?}");
    let kind = placeholder.split(':').next().unwrap_or_default();
    let taken = match kind {
        "uuid" => rest.get(..36).filter(|text| is_uuid(text)).map(str::len),
        "time" => rest.get(..24).filter(|text| is_time(text)).map(str::len),
        "ms" => Some(digits(rest)).filter(|&length| length > 0),
        "seconds" => {
            let whole = digits(rest);
            let point = rest[whole..].strip_prefix('.').map(digits);
            (whole > 0 && point == Some(3)).then_some(whole + 4)
        }
        _ => {
            let line = rest.split('\n').next().unwrap_or_default();
            let (literal, _, _) = next(template);
            let until = literal.split('\n').next().unwrap_or_default();
            if until.is_empty() { Some(line.len()) } else { line.find(until) }
        }
    };
    taken.ok_or_else(wrong)
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'4',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    })
}

fn is_time(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok_and(|at| format!("{at:.3}") == text)
}

/// Puts the times that `<ago:…>` means into a file.
pub(crate) fn with_times(text: &str) -> String {
    let mut parts = text.split("<ago:");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (ago, behind) = part.split_once('>').expect("a placeholder has an end");
        let ago: Duration = ago.parse().expect("a placeholder has a duration");
        filled += &format!("{:.3}{behind}", now().minus(ago));
    }
    filled
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

#[test]
fn a_template_takes_what_it_says_and_nothing_else() {
    let ok = |template, text| matches(template, text, &mut Bindings::new()).is_ok();
    assert!(ok("a <ms>;<any>!\n", "a 12;xyz!\n"));
    assert!(!ok("a <ms>", "a "));
    assert!(!ok("a", "ab"));
    assert!(!ok("<any>", "a\n"));
    assert!(ok("<time:a> <time:a>", "2026-05-01T08:00:00.000Z 2026-05-01T08:00:00.000Z"));
    assert!(!ok("<time:a> <time:a>", "2026-05-01T08:00:00.000Z 2026-05-01T08:00:00.001Z"));
    assert!(!ok("<time>", "2026-05-01T08:00:00Z"));
    assert!(!ok("<uuid>", "0000"));
}
