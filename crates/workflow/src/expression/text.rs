//! Values as text: JSON as jq 1.7 prints it, and the short form in error messages.

use jaq_json::Num;

use super::account::{self, Limit};
use super::limits;
use crate::value::{Value, to_f64};

/// JSON, without blanks.
pub(super) fn json(value: &Value) -> Result<String, Limit> {
    let mut out = String::new();
    write(value, &mut out, &mut |bytes| {
        account::work(1)?;
        account::bytes(bytes)
    })?;
    Ok(out)
}

/// A text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> Result<String, Limit> {
    match value {
        Value::TStr(text) => {
            account::bytes(text.len())?;
            Ok(String::from_utf8_lossy(text).into_owned())
        }
        other => json(other),
    }
}

/// JSON of a value of a document, which is as small as that.
pub(super) fn unlimited(value: &Value) -> String {
    let mut out = String::new();
    let written = write(value, &mut out, &mut |_| Ok(()));
    debug_assert!(written.is_ok(), "nothing limits it");
    out
}

/// The beginning of the JSON, for messages: the walk stops where it is cut.
pub(super) fn shown(value: &Value) -> String {
    let mut out = String::new();
    let mut left = limits::SHOWN * 8;
    let cut = write(value, &mut out, &mut |bytes| {
        left = left.checked_sub(bytes.max(1)).ok_or(Limit::Bytes)?;
        Ok(())
    });
    if cut.is_err() || out.chars().count() > limits::SHOWN {
        out = out.chars().take(limits::SHOWN - 1).chain(['…']).collect();
    }
    out
}

/// jq's name of a value's type.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Num(_) => "number",
        Value::BStr(_) | Value::TStr(_) => "string",
        Value::Arr(_) => "array",
        Value::Obj(_) => "object",
    }
}

type Charge<'c> = &'c mut dyn FnMut(usize) -> Result<(), Limit>;

fn write(value: &Value, out: &mut String, charge: Charge<'_>) -> Result<(), Limit> {
    match value {
        Value::Null => append("null", out, charge),
        Value::Bool(true) => append("true", out, charge),
        Value::Bool(false) => append("false", out, charge),
        Value::Num(it) => append(&number(it), out, charge),
        Value::BStr(it) | Value::TStr(it) => quoted(it, out, charge),
        Value::Arr(all) => {
            append("[", out, charge)?;
            for (index, element) in all.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(element, out, charge)?;
            }
            append("]", out, charge)
        }
        Value::Obj(fields) => {
            append("{", out, charge)?;
            for (index, (key, element)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(key, out, charge)?;
                out.push(':');
                write(element, out, charge)?;
            }
            append("}", out, charge)
        }
    }
}

fn append(text: &str, out: &mut String, charge: Charge<'_>) -> Result<(), Limit> {
    charge(text.len() + 1)?;
    out.push_str(text);
    Ok(())
}

fn quoted(text: &[u8], out: &mut String, charge: Charge<'_>) -> Result<(), Limit> {
    charge(text.len() + 2)?;
    out.push('"');
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control @ ('\0'..='\u{1f}' | '\u{7f}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    Ok(())
}

/// A number as jq prints it: the shortest digits that read back as the same number, with an
/// exponent below 1e-4 and where more than 15 zeros would follow the digits; NaN as null,
/// infinities as the largest numbers.
pub(super) fn number(number: &Num) -> String {
    match number {
        Num::Int(it) => it.to_string(),
        Num::BigInt(it) => it.to_string(),
        Num::Float(_) | Num::Dec(_) => float(to_f64(number)),
    }
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "null".to_owned();
    }
    let number = number.clamp(f64::MIN, f64::MAX);
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    if exponent > -5 && usize::try_from(exponent + 1).unwrap_or_default() <= count + 15 {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
