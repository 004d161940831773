//! Reads JSON (RFC 8259): one value after the other, with the place of each.
//!
//! An array at the top holds documents, as several values one after the other do. The reader is
//! strict, and names what people most often carry over from other notations: comments, trailing
//! commas, single quotes.

use super::entries::Entries;
use super::{Sink, Stop};
use crate::decode::wording::quoted;
use crate::problem::code;
use crate::tree::{Node, Number, Span, Value};

/// Reads every document up to the first syntax error.
pub(super) fn read(sink: &mut Sink<'_>) -> Vec<Node> {
    let mut reader = Reader { text: sink.source(), at: 0, sink };
    let mut roots = Vec::new();
    let _ = reader.documents(&mut roots);
    roots
}

struct Reader<'s, 'a> {
    text: &'a str,
    at: usize,
    sink: &'s mut Sink<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn documents(&mut self, roots: &mut Vec<Node>) -> Result<(), Stop> {
        while self.peek().is_some() {
            // An array at the top is no level of a document.
            let depth = if self.peek() == Some(b'[') { 0 } else { 1 };
            let node = self.value(depth)?;
            match node.value {
                Value::Seq(elements) => {
                    for element in elements {
                        self.sink.push(roots, element)?;
                    }
                }
                _ => self.sink.push(roots, node)?,
            }
        }
        Ok(())
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += blank.count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Result<Node, Stop> {
        let next = self.peek();
        let start = self.at;
        self.sink.enter(Span::new(start, start), depth)?;
        let value = match next {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node::new(Span::new(start, self.at), value))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        let open = self.at;
        self.at += 1;
        let mut elements = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Seq(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.ends(b']', open)? {
                return Ok(Value::Seq(elements));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Stop> {
        let open = self.at;
        self.at += 1;
        let mut entries = Entries::default();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(entries.into_vec()));
        }
        loop {
            let (key, key_span) = self.key(open)?;
            let value = self.value(depth + 1)?;
            entries.insert(key, key_span, value, self.sink);
            if self.ends(b'}', open)? {
                return Ok(Value::Map(entries.into_vec()));
            }
        }
    }

    fn key(&mut self, open: usize) -> Result<(String, Span), Stop> {
        match self.peek() {
            Some(b'"') => {}
            None => return self.unclosed(open),
            Some(b'/' | b'#' | b'\'') => return self.unexpected(),
            Some(_) => {
                return self.fail("expected a key in double quotes", "write `\"key\": value`");
            }
        }
        let start = self.at;
        let key = self.string()?;
        let span = Span::new(start, self.at);
        if self.peek() != Some(b':') {
            return self.fail("expected `:` after a key", "write `\"key\": value`");
        }
        self.at += 1;
        Ok((key, span))
    }

    /// Steps over what follows an element: `true` at the end, `false` if another one must come.
    fn ends(&mut self, close: u8, open: usize) -> Result<bool, Stop> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') => {
                let comma = self.at;
                self.at += 1;
                if self.peek() != Some(close) {
                    return Ok(false);
                }
                self.at = comma;
                self.fail("a comma after the last element", "remove the comma")
            }
            None => self.unclosed(open),
            Some(b'/' | b'#') => self.unexpected(),
            Some(_) => {
                let message = format!("expected `,` or `{}`", char::from(close));
                self.fail(&message, "check that each bracket is closed")
            }
        }
    }

    fn word(&mut self) -> Result<Value, Stop> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let value = match &rest[..length] {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            "" => return self.unexpected(),
            other => {
                let message = format!("expected a value, found {}", quoted(other));
                return self.fail(&message, "put text in double quotes");
            }
        };
        self.at += length;
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Stop> {
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let text = &rest[..length.unwrap_or(rest.len())];
        let Some(whole) = number_form(text) else {
            return self
                .fail(&format!("{} is not a number", quoted(text)), "put text in double quotes");
        };
        self.at += text.len();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let number = match whole {
            true => Number::whole(text.starts_with('-'), digits, 10),
            false => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Number::Float),
        };
        if let Some(number) = number {
            return Ok(Value::Number(number));
        }
        let message = format!("the number {} does not fit in 64 bits", quoted(text));
        let hint = "put it in quotes if it is text";
        self.sink.report(Span::new(start, self.at), code::INVALID_NUMBER, message, hint);
        Ok(Value::Null)
    }

    /// Reads a string; the opening quote is next.
    fn string(&mut self) -> Result<String, Stop> {
        let open = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(b'\t') => return self.fail("a tab in quoted text", r"write \t"),
                Some(byte) if !matches!(byte, b'\n' | b'\r') => {
                    return self.fail("a control character in quoted text", r"write it as \u00…");
                }
                _ => {
                    self.at = open;
                    return self
                        .fail("quoted text is not closed", r"close the quote; a line break is \n");
                }
            }
        }
    }

    /// Reads an escape; its backslash is next.
    fn escape(&mut self) -> Result<char, Stop> {
        let escaped = self.text.as_bytes().get(self.at + 1);
        let character = match escaped {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.fail("an unknown escape in quoted text", r"write \\ for a backslash"),
        };
        self.at += 2;
        Ok(character)
    }

    /// Reads `\uXXXX`, or the two of them that make a surrogate pair.
    fn unicode(&mut self) -> Result<char, Stop> {
        let first = self.hex(self.at);
        let low = self.hex(self.at + 6).filter(|low| (0xDC00..0xE000).contains(low));
        let (code_point, length) = match (first, low) {
            (Some(high @ 0xD800..0xDC00), Some(low)) => {
                (Some(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)), 12)
            }
            (first, _) => (first, 6),
        };
        match code_point.and_then(char::from_u32) {
            Some(character) => {
                self.at += length;
                Ok(character)
            }
            None => {
                self.fail(r"an escape \u that is no character", r"write \u and four hex digits")
            }
        }
    }

    /// The code unit of the `\uXXXX` at `at`, if there is one.
    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    }

    fn unclosed<T>(&mut self, open: usize) -> Result<T, Stop> {
        let bracket = &self.text[open..=open];
        self.at = open;
        self.fail(&format!("`{bracket}` is not closed"), "check that each bracket is closed")
    }

    /// Fails at something that can start no value.
    fn unexpected<T>(&mut self) -> Result<T, Stop> {
        let Some(character) = self.text[self.at..].chars().next() else {
            return self
                .fail("expected a value, found the end", "check that each bracket is closed");
        };
        match character {
            '/' | '#' => self.fail("JSON has no comments", "remove the comment, or use YAML"),
            '\'' => self.fail("text in single quotes", "use double quotes"),
            other => {
                let message = format!("expected a value, found `{}`", other.escape_debug());
                self.fail(&message, "put text in double quotes")
            }
        }
    }

    fn fail<T>(&mut self, message: &str, hint: &str) -> Result<T, Stop> {
        let width = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        self.sink.report(Span::new(self.at, self.at + width), code::SYNTAX, message, hint);
        Err(Stop)
    }
}

/// Whether text that looks like a number has JSON's form, and then whether it is a whole one.
fn number_form(text: &str) -> Option<bool> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let valid = digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
    valid.then_some(fraction.is_none() && exponent.is_none())
}
