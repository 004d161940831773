//! Functions of texts, and the formats `@csv` and so on.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use jaq_core::ValR;
use jaq_json::Num;

use super::{Run, one, text_of, two, values};
use crate::expression::item::{ELEMENT, Failure, Item, failure, limited};
use crate::expression::{account, arithmetic, text};
use crate::value::Value;

pub(super) fn functions() -> Vec<Run> {
    vec![
        ("utf8bytelength", values(0), |cv| one(cv, |it| utf8bytelength(&it))),
        ("ascii_downcase", values(0), |cv| {
            one(cv, |it| {
                mapped(&it, "ascii_downcase input must be a string", str::to_ascii_lowercase)
            })
        }),
        ("ascii_upcase", values(0), |cv| {
            one(cv, |it| {
                mapped(&it, "ascii_upcase input must be a string", str::to_ascii_uppercase)
            })
        }),
        ("explode", values(0), |cv| one(cv, |it| explode(&it))),
        ("implode", values(0), |cv| one(cv, |it| implode(&it))),
        ("startswith", values(1), |cv| two(cv, |it, part| starts_with(&it, &part))),
        ("endswith", values(1), |cv| two(cv, |it, part| ends_with(&it, &part))),
        ("ltrimstr", values(1), |cv| {
            two(cv, |it, part| without(it, &part, |it, part| it.strip_prefix(part)))
        }),
        ("rtrimstr", values(1), |cv| {
            two(cv, |it, part| without(it, &part, |it, part| it.strip_suffix(part)))
        }),
        ("trim", values(0), |cv| one(cv, |it| mapped(&it, TRIM, |it| it.trim().to_owned()))),
        ("ltrim", values(0), |cv| one(cv, |it| mapped(&it, TRIM, |it| it.trim_start().to_owned()))),
        ("rtrim", values(0), |cv| one(cv, |it| mapped(&it, TRIM, |it| it.trim_end().to_owned()))),
        ("split", values(1), |cv| two(cv, |it, separator| split(&it, &separator))),
        ("join", values(1), |cv| two(cv, |it, separator| join(it, &separator))),
        ("tonumber", values(0), |cv| one(cv, tonumber)),
        ("fromjson", values(0), |cv| one(cv, |it| fromjson(&it))),
        ("@text", values(0), |cv| one(cv, super::lists::tostring)),
        ("@json", values(0), |cv| {
            one(cv, |it| Ok(Item::string(text::json(&it.value).map_err(limited)?)))
        }),
        ("@csv", values(0), |cv| one(cv, |it| row(&it, "csv", ',', csv))),
        ("@tsv", values(0), |cv| one(cv, |it| row(&it, "tsv", '\t', tsv))),
        ("@html", values(0), |cv| one(cv, |it| encoded(&it, html))),
        ("@uri", values(0), |cv| one(cv, |it| encoded(&it, uri))),
        ("@sh", values(0), |cv| one(cv, |it| shell(&it))),
        ("@base64", values(0), |cv| one(cv, |it| encoded(&it, |text| STANDARD.encode(text)))),
        ("@urid", values(0), |cv| one(cv, |it| uri_decoded(&it))),
        ("@base64d", values(0), |cv| one(cv, |it| base64_decoded(&it))),
        ("@base32", values(0), |cv| one(cv, |it| encoded(&it, base32))),
        ("@base32d", values(0), |cv| one(cv, |it| base32_decoded(&it))),
    ]
}

const TRIM: &str = "trim input must be a string";

/// Counts the bytes of a text that is about to be walked through and copied.
fn take(text: &str) -> Result<(), Failure> {
    account::work(text.len() as u64 / 64).map_err(limited)?;
    account::bytes(text.len()).map_err(limited)
}

fn mapped(item: &Item, message: &str, map: impl Fn(&str) -> String) -> ValR<Item> {
    let text = text_of(item, message)?;
    take(text)?;
    Ok(Item::string(map(text)))
}

fn utf8bytelength(item: &Item) -> ValR<Item> {
    let refused =
        || failure(format_args!("{} only strings have UTF-8 byte length", item.described()));
    Ok(Item::from(item.as_text().ok_or_else(refused)?.len()))
}

fn explode(item: &Item) -> ValR<Item> {
    let text = text_of(item, "explode input must be a string")?;
    account::bytes(text.len() * ELEMENT).map_err(limited)?;
    let points = text.chars().map(|it| Value::from(u32::from(it) as usize));
    Ok(Item::flat(Value::Arr(Arc::new(points.collect()))))
}

fn implode(item: &Item) -> ValR<Item> {
    let points = item.as_list().ok_or_else(|| failure("implode input must be an array"))?;
    account::bytes(points.len() * 4).map_err(limited)?;
    let character = |point: &Value| match point {
        Value::Num(Num::Int(it)) => u32::try_from(*it).ok().and_then(char::from_u32),
        _ => None,
    };
    let text = points.iter().map(character).collect::<Option<String>>();
    text.map(Item::string).ok_or_else(|| {
        failure("Unicode codepoint for implode must be numeric and that of a character")
    })
}

fn starts_with(item: &Item, part: &Item) -> ValR<Item> {
    let message = "startswith() requires string inputs";
    Ok(Item::from(text_of(item, message)?.starts_with(text_of(part, message)?)))
}

fn ends_with(item: &Item, part: &Item) -> ValR<Item> {
    let message = "endswith() requires string inputs";
    Ok(Item::from(text_of(item, message)?.ends_with(text_of(part, message)?)))
}

/// What is no text, or does not have the part, stays as it is.
fn without(
    item: Item,
    part: &Item,
    strip: for<'t> fn(&'t str, &str) -> Option<&'t str>,
) -> ValR<Item> {
    let (Some(text), Some(part)) = (item.as_text(), part.as_text()) else { return Ok(item) };
    match strip(text, part) {
        Some(rest) => Item::computed(rest.to_owned()),
        None => Ok(item),
    }
}

fn split(item: &Item, separator: &Item) -> ValR<Item> {
    match (&item.value, &separator.value) {
        (Value::TStr(text), Value::TStr(separator)) => {
            account::work(text.len() as u64 / 64).map_err(limited)?;
            arithmetic::split(text, separator).map_err(limited)
        }
        _ => Err(failure("split input and separator must be strings")),
    }
}

fn join(item: Item, separator: &Item) -> ValR<Item> {
    let mut joined: Option<Item> = None;
    for child in item.children()? {
        let value = child?.1;
        let part = match &value.value {
            Value::Null => Item::string(""),
            Value::Bool(_) | Value::Num(_) => super::lists::tostring(value)?,
            _ => value,
        };
        joined = Some(match joined {
            None => (Item::string("") + part)?,
            Some(before) => ((before + separator.clone())? + part)?,
        });
    }
    Ok(joined.unwrap_or_else(|| Item::string("")))
}

fn tonumber(item: Item) -> ValR<Item> {
    if matches!(item.value, Value::Num(_)) {
        return Ok(item);
    }
    let refused = || failure(format_args!("{} cannot be parsed as a number", item.described()));
    let text = item.as_text().ok_or_else(refused)?.trim();
    let numeric = |it: char| it.is_ascii_digit() || "+-.eE".contains(it);
    if text.len() > 400 || !text.chars().all(numeric) || text.starts_with('+') {
        return Err(refused());
    }
    <Item as jaq_core::ValT>::from_num(text).map_err(|_| refused())
}

fn fromjson(item: &Item) -> ValR<Item> {
    let text = text_of(item, "fromjson input must be a string")?;
    account::work(text.len() as u64 / 8).map_err(limited)?;
    // A value takes at most a dozen times its text: `[[],[],…` is three bytes for each list.
    account::bytes(text.len() * 12).map_err(limited)?;
    if text.trim() == "nan" {
        return Ok(Item::number(Num::Float(f64::NAN)));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        failure(format_args!("{error} (while parsing {})", text::shown(&item.value)))
    })?;
    Ok(Item::outer(value))
}

fn row(
    item: &Item,
    name: &str,
    separator: char,
    field: fn(&Value) -> Option<String>,
) -> ValR<Item> {
    let refused =
        || failure(format_args!("{} cannot be {name}-formatted, only array", item.described()));
    let mut line = String::new();
    for (at, value) in item.as_list().ok_or_else(refused)?.iter().enumerate() {
        account::work(1).map_err(limited)?;
        let refused = || {
            let value = Item::outer(value.clone()).described();
            failure(format_args!("{value} is not valid in a {name} row"))
        };
        if at > 0 {
            line.push(separator);
        }
        let field = field(value).ok_or_else(refused)?;
        account::bytes(field.len() + 1).map_err(limited)?;
        line.push_str(&field);
    }
    Ok(Item::string(line))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(it) => Some(it.to_string()),
        Value::Num(it) => Some(text::number(it)),
        _ => None,
    }
}

fn csv(value: &Value) -> Option<String> {
    match value {
        Value::TStr(it) => {
            Some(format!("\"{}\"", String::from_utf8_lossy(it).replace('"', "\"\"")))
        }
        other => scalar(other),
    }
}

fn tsv(value: &Value) -> Option<String> {
    let Value::TStr(it) = value else { return scalar(value) };
    let escape = |it: char| match it {
        '\\' => "\\\\".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        other => other.to_string(),
    };
    Some(String::from_utf8_lossy(it).chars().map(escape).collect())
}

/// The text of an item, encoded. What comes out takes at most six times the bytes.
fn encoded(item: &Item, encode: fn(&str) -> String) -> ValR<Item> {
    let text = text::plain(&item.value).map_err(limited)?;
    account::work(text.len() as u64 / 16).map_err(limited)?;
    account::bytes(text.len() * 6).map_err(limited)?;
    Ok(Item::string(encode(&text)))
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

fn uri(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// `%` and two digits are a byte; what else there is stays.
fn uri_decoded(item: &Item) -> ValR<Item> {
    let text = text::plain(&item.value).map_err(limited)?;
    take(&text)?;
    let invalid = || failure(format_args!("{} is not a valid uri encoding", item.described()));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = after.split_at_checked(2).ok_or_else(invalid)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16).ok_or_else(invalid);
        bytes.push((digit(0)? * 16 + digit(1)?) as u8);
        rest = after;
    }
    Item::computed(String::from_utf8_lossy(&bytes).into_owned())
}

fn shell(item: &Item) -> ValR<Item> {
    let words: Vec<&Value> = match &item.value {
        Value::Arr(all) => all.iter().collect(),
        other => vec![other],
    };
    let mut line = String::new();
    for (at, word) in words.into_iter().enumerate() {
        if at > 0 {
            line.push(' ');
        }
        let word = match word {
            Value::Arr(_) | Value::Obj(_) => {
                let word = Item::outer(word.clone()).described();
                return Err(failure(format_args!("{word} can not be escaped for shell")));
            }
            Value::TStr(it) => {
                account::bytes(it.len()).map_err(limited)?;
                format!("'{}'", String::from_utf8_lossy(it).replace('\'', "'\\''"))
            }
            other => text::json(other).map_err(limited)?,
        };
        account::bytes(word.len() + 1).map_err(limited)?;
        account::work(1).map_err(limited)?;
        line.push_str(&word);
    }
    Ok(Item::string(line))
}

/// Base64 with or without padding, as jq reads it; bytes that are no UTF-8 become U+FFFD.
fn base64_decoded(item: &Item) -> ValR<Item> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let text = text::plain(&item.value).map_err(limited)?;
    take(&text)?;
    let bytes = LENIENT
        .decode(text.trim_end_matches('='))
        .map_err(|_| failure(format_args!("{} is not valid base64 data", item.described())))?;
    Item::computed(String::from_utf8_lossy(&bytes).into_owned())
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 8 / 5 + 8);
    for chunk in text.as_bytes().chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        for at in 0..8 {
            let digit = (bits >> (35 - 5 * at)) & 31;
            out.push(if at < digits { char::from(BASE32[digit as usize]) } else { '=' });
        }
    }
    out
}

fn base32_decoded(item: &Item) -> ValR<Item> {
    let text = text::plain(&item.value).map_err(limited)?;
    take(&text)?;
    let invalid = || failure(format_args!("{} is not valid base32 data", item.described()));
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.trim_end_matches('=').bytes() {
        let value = BASE32.iter().position(|it| *it == digit).ok_or_else(invalid)?;
        bits = (bits << 5) | value as u32;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Item::computed(String::from_utf8_lossy(&bytes).into_owned())
}
