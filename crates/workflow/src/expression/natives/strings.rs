//! Functions of texts, and the formats `@csv` and so on.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use jaq_core::ValR;
use jaq_json::Num;

use super::{Run, bytes_of, one, text_of, two, values};
use crate::expression::account::Limit;
use crate::expression::item::{ELEMENT, FIELD, Failure, Item, TEXT, failure, limited};
use crate::expression::text::Writer;
use crate::expression::{account, arithmetic, text, touch};
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
            two(cv, |it, part| without(it, &part, touch::begins, |all, part| part..all))
        }),
        ("rtrimstr", values(1), |cv| {
            two(cv, |it, part| without(it, &part, touch::ends, |all, part| 0..all - part))
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
        ("@base64", values(0), |cv| one(cv, |it| encoded(&it, base64))),
        ("@urid", values(0), |cv| one(cv, |it| uri_decoded(&it))),
        ("@base64d", values(0), |cv| one(cv, |it| base64_decoded(&it))),
        ("@base32", values(0), |cv| one(cv, |it| encoded(&it, base32))),
        ("@base32d", values(0), |cv| one(cv, |it| base32_decoded(&it))),
    ]
}

const TRIM: &str = "trim input must be a string";

/// Counts the bytes of a text that is about to be walked through and copied.
fn take(text: &str) -> Result<(), Failure> {
    account::read(text.len()).map_err(limited)?;
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
    match &item.value {
        Value::TStr(text) => Ok(Item::from(text.len())),
        _ => Err(refused()),
    }
}

fn explode(item: &Item) -> ValR<Item> {
    let text = text_of(item, "explode input must be a string")?;
    account::read(text.len()).map_err(limited)?;
    account::bytes(text.len() * ELEMENT).map_err(limited)?;
    let points = text.chars().map(|it| Value::from(u32::from(it) as usize));
    Ok(Item::flat(Value::Arr(Arc::new(points.collect()))))
}

fn implode(item: &Item) -> ValR<Item> {
    let points = item.as_list().ok_or_else(|| failure("implode input must be an array"))?;
    account::bytes(points.len() * 4).map_err(limited)?;
    account::work(points.len() as u64 / 8).map_err(limited)?;
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
    let (text, part) = (bytes_of(item, message)?, bytes_of(part, message)?);
    touch::begins(text, part).map(Item::from).map_err(limited)
}

fn ends_with(item: &Item, part: &Item) -> ValR<Item> {
    let message = "endswith() requires string inputs";
    let (text, part) = (bytes_of(item, message)?, bytes_of(part, message)?);
    touch::ends(text, part).map(Item::from).map_err(limited)
}

/// What is no text, or does not have the part, stays as it is.
fn without(
    item: Item,
    part: &Item,
    has: fn(&[u8], &[u8]) -> Result<bool, Limit>,
    rest: fn(usize, usize) -> Range<usize>,
) -> ValR<Item> {
    let (Value::TStr(text), Value::TStr(part)) = (&item.value, &part.value) else {
        return Ok(item);
    };
    if !has(text, part).map_err(limited)? {
        return Ok(item);
    }
    let rest = text.get(rest(text.len(), part.len())).unwrap_or_default();
    Item::part(&touch::lossy(rest).map_err(limited)?)
}

fn split(item: &Item, separator: &Item) -> ValR<Item> {
    match (&item.value, &separator.value) {
        (Value::TStr(text), Value::TStr(separator)) => {
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
    let text = item.as_text()?.ok_or_else(refused)?;
    account::read(text.len()).map_err(limited)?;
    let text = text.trim();
    let numeric = |it: char| it.is_ascii_digit() || "+-.eE".contains(it);
    if text.len() > 400 || !text.chars().all(numeric) || text.starts_with('+') {
        return Err(refused());
    }
    <Item as jaq_core::ValT>::from_num(text).map_err(|_| refused())
}

fn fromjson(item: &Item) -> ValR<Item> {
    let text = text_of(item, "fromjson input must be a string")?;
    account::work(text.len() as u64 / 8).map_err(limited)?;
    account::bytes(text.bytes().map(parsed_bytes).sum()).map_err(limited)?;
    if text.trim() == "nan" {
        return Ok(Item::number(Num::Float(f64::NAN)));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        failure(format_args!("{error} (while parsing {})", text::shown(&item.value)))
    })?;
    Ok(Item::parsed(value))
}

/// The bytes that a value of JSON takes, by the bytes of its text: few of them make much.
const fn parsed_bytes(byte: u8) -> usize {
    match byte {
        b'{' => 8 * ELEMENT,
        b'[' => 6 * ELEMENT,
        b':' => FIELD,
        b',' => 2 * ELEMENT,
        b'"' => TEXT / 2,
        _ => 1,
    }
}

fn row(
    item: &Item,
    name: &str,
    separator: char,
    write_text: fn(&str, &mut Writer) -> Result<(), Limit>,
) -> ValR<Item> {
    let refused =
        || failure(format_args!("{} cannot be {name}-formatted, only array", item.described()));
    let mut line = Writer::paid();
    for (at, value) in item.as_list().ok_or_else(refused)?.iter().enumerate() {
        account::work(1).map_err(limited)?;
        if at > 0 {
            line.push(separator).map_err(limited)?;
        }
        let written = match value {
            Value::Null => Ok(()),
            Value::Bool(it) => line.push_str(if *it { "true" } else { "false" }),
            Value::Num(it) => line.push_str(&text::number(it)),
            Value::TStr(it) => touch::lossy(it).and_then(|it| write_text(&it, &mut line)),
            _ => {
                let value = Item::outer(value.clone()).described();
                return Err(failure(format_args!("{value} is not valid in a {name} row")));
            }
        };
        written.map_err(limited)?;
    }
    Ok(Item::string(line.finish()))
}

fn csv(text: &str, line: &mut Writer) -> Result<(), Limit> {
    line.push('"')?;
    line.escaped(text, |it| (it == '"').then_some(Cow::Borrowed("\"\"")))?;
    line.push('"')
}

fn tsv(text: &str, line: &mut Writer) -> Result<(), Limit> {
    line.escaped(text, |it| {
        Some(Cow::Borrowed(match it {
            '\\' => "\\\\",
            '\t' => "\\t",
            '\n' => "\\n",
            '\r' => "\\r",
            _ => return None,
        }))
    })
}

/// The text of an item, encoded.
fn encoded(item: &Item, encode: fn(&str, &mut Writer) -> Result<(), Limit>) -> ValR<Item> {
    let text = text::plain(&item.value).map_err(limited)?;
    let mut out = Writer::paid();
    encode(&text, &mut out).map_err(limited)?;
    Ok(Item::string(out.finish()))
}

fn html(text: &str, out: &mut Writer) -> Result<(), Limit> {
    out.escaped(text, |it| {
        Some(Cow::Borrowed(match it {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '\'' => "&apos;",
            '"' => "&quot;",
            _ => return None,
        }))
    })
}

fn uri(text: &str, out: &mut Writer) -> Result<(), Limit> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_.~".contains(it);
    out.escaped(text, |it| {
        let encoded =
            || it.encode_utf8(&mut [0; 4]).bytes().map(|it| format!("%{it:02X}")).collect();
        (!plain(it)).then(|| Cow::Owned(encoded()))
    })
}

fn base64(text: &str, out: &mut Writer) -> Result<(), Limit> {
    // Whole groups, so that nothing is between them.
    text.as_bytes().chunks(3 * 1024).try_for_each(|it| out.push_str(&STANDARD.encode(it)))
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
    decoded(bytes)
}

fn shell(item: &Item) -> ValR<Item> {
    let words = match &item.value {
        Value::Arr(all) => all.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut line = Writer::paid();
    for (at, word) in words.iter().enumerate() {
        if matches!(word, Value::Arr(_) | Value::Obj(_)) {
            let word = Item::outer(word.clone()).described();
            return Err(failure(format_args!("{word} can not be escaped for shell")));
        }
        if at > 0 {
            line.push(' ').map_err(limited)?;
        }
        shell_word(word, &mut line).map_err(limited)?;
    }
    Ok(Item::string(line.finish()))
}

fn shell_word(word: &Value, line: &mut Writer) -> Result<(), Limit> {
    account::work(1)?;
    let Value::TStr(text) = word else { return line.push_str(&text::json(word)?) };
    line.push('\'')?;
    line.escaped(&touch::lossy(text)?, |it| (it == '\'').then_some(Cow::Borrowed("'\\''")))?;
    line.push('\'')
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
    decoded(bytes)
}

/// The text of bytes; those that are no UTF-8 become U+FFFD, which has three.
fn decoded(bytes: Vec<u8>) -> ValR<Item> {
    account::write(bytes.len()).map_err(limited)?;
    let text = String::from_utf8(bytes).or_else(|error| {
        let bytes = error.as_bytes();
        account::write(3 * bytes.len())?;
        account::read(bytes.len())?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    });
    text.map(Item::string).map_err(limited)
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(text: &str, out: &mut Writer) -> Result<(), Limit> {
    account::read(text.len())?;
    for chunk in text.as_bytes().chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        for at in 0..8 {
            let digit = (bits >> (35 - 5 * at)) & 31;
            out.push(if at < digits { char::from(BASE32[digit as usize]) } else { '=' })?;
        }
    }
    Ok(())
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
    decoded(bytes)
}
