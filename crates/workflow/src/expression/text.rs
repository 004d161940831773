//! Values as text: JSON as jq 1.7 prints it, and the short form in error messages.

use std::borrow::Cow;

use jaq_json::Num;

use super::account::{self, Limit};
use super::{limits, touch};
use crate::value::{Value, to_f64};

/// A text that is being written: what it takes is paid for before it is allocated.
pub(super) struct Writer {
    out: String,
    /// Bytes that may still be written, where no account pays.
    left: Option<usize>,
}

impl Writer {
    /// At the expense of the evaluation.
    pub(super) const fn paid() -> Self {
        Self { out: String::new(), left: None }
    }

    /// So many bytes, at nobody's expense.
    const fn of_bytes(left: usize) -> Self {
        Self { out: String::new(), left: Some(left) }
    }

    pub(super) fn push_str(&mut self, text: &str) -> Result<(), Limit> {
        match &mut self.left {
            None => account::write(text.len())?,
            Some(left) => *left = left.checked_sub(text.len()).ok_or(Limit::Bytes)?,
        }
        self.out.push_str(text);
        Ok(())
    }

    pub(super) fn push(&mut self, character: char) -> Result<(), Limit> {
        self.push_str(character.encode_utf8(&mut [0; 4]))
    }

    /// Takes what a scalar or a level costs besides its bytes.
    fn visit(&self) -> Result<(), Limit> {
        if self.left.is_none() { account::level() } else { Ok(()) }
    }

    /// Writes characters, each as `escape` has it, or as it is.
    pub(super) fn escaped(
        &mut self,
        text: &str,
        escape: impl Fn(char) -> Option<Cow<'static, str>>,
    ) -> Result<(), Limit> {
        if self.left.is_none() {
            account::read(text.len())?;
        }
        let mut plain = 0;
        for (at, character) in text.char_indices() {
            if let Some(escape) = escape(character) {
                self.visit()?;
                self.push_str(text.get(plain..at).unwrap_or_default())?;
                self.push_str(&escape)?;
                plain = at + character.len_utf8();
            } else if at - plain >= PIECE {
                self.push_str(text.get(plain..at).unwrap_or_default())?;
                plain = at;
            }
        }
        self.push_str(text.get(plain..).unwrap_or_default())
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// Bytes that are written in one go.
const PIECE: usize = 256;

impl jiff::fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> Result<(), jiff::Error> {
        self.push_str(text).map_err(|limit| jiff::Error::from_args(format_args!("{limit}")))
    }
}

/// JSON, without blanks.
pub(super) fn json(value: &Value) -> Result<String, Limit> {
    let mut out = Writer::paid();
    write(value, &mut out)?;
    Ok(out.finish())
}

/// A text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> Result<String, Limit> {
    match value {
        Value::TStr(text) => {
            account::bytes(text.len())?;
            Ok(touch::lossy(text)?.into_owned())
        }
        other => json(other),
    }
}

/// JSON of a value of a document, which is as small as that.
pub(super) fn unlimited(value: &Value) -> String {
    let mut out = Writer::of_bytes(usize::MAX);
    let written = write(value, &mut out);
    debug_assert!(written.is_ok(), "nothing limits it");
    out.finish()
}

/// The beginning of the JSON, for messages: the walk stops where it is cut.
pub(super) fn shown(value: &Value) -> String {
    let mut out = Writer::of_bytes(limits::SHOWN * 8);
    let cut = write(value, &mut out);
    let mut out = out.finish();
    // `?` drops messages unread, as often as it likes.
    let _ = account::work(out.len() as u64 / 16);
    if cut.is_err() || out.chars().count() > limits::SHOWN {
        out = out.chars().take(limits::SHOWN - 1).chain(['…']).collect();
    }
    out
}

/// A text in quotes, for messages, unless it is long.
pub(super) fn in_quotes(text: &str) -> String {
    if text.len() > limits::SHOWN * 8 { "…".to_owned() } else { format!("{text:?}") }
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

fn write(value: &Value, out: &mut Writer) -> Result<(), Limit> {
    out.visit()?;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Num(it) => out.push_str(&number(it)),
        Value::BStr(it) | Value::TStr(it) => quoted(it, out),
        Value::Arr(all) => {
            out.push('[')?;
            for (index, element) in all.iter().enumerate() {
                if index > 0 {
                    out.push(',')?;
                }
                write(element, out)?;
            }
            out.push(']')
        }
        Value::Obj(fields) => {
            out.push('{')?;
            for (index, (key, element)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',')?;
                }
                write(key, out)?;
                out.push(':')?;
                write(element, out)?;
            }
            out.push('}')
        }
    }
}

fn quoted(text: &[u8], out: &mut Writer) -> Result<(), Limit> {
    let text = match out.left {
        Some(left) if left < text.len() => return Err(Limit::Bytes),
        Some(_) => String::from_utf8_lossy(text),
        None => touch::lossy(text)?,
    };
    out.push('"')?;
    out.escaped(&text, |character| {
        Some(Cow::Borrowed(match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            control @ ('\0'..='\u{1f}' | '\u{7f}') => {
                return Some(Cow::Owned(format!("\\u{:04x}", u32::from(control))));
            }
            _ => return None,
        }))
    })?;
    out.push('"')
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
