//! The tree that every format is read into: plain values, each with its place in the source.

use std::fmt;

/// A range of bytes of the source, without a leading byte order mark: half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The span from `start` up to, and without, `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// A number as it was written: a whole number stays one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number from zero up.
    Unsigned(u64),
    /// A whole number below zero.
    Negative(i64),
    /// A number with a fraction or an exponent, an infinity, or not a number.
    Float(f64),
}

impl Number {
    /// Reads the digits of a whole number, or `None` if it does not fit in 64 bits.
    pub(crate) fn whole(negative: bool, digits: &str, radix: u32) -> Option<Self> {
        let magnitude = u64::from_str_radix(digits, radix).ok()?;
        if !negative || magnitude == 0 {
            return Some(Self::Unsigned(magnitude));
        }
        0_i64.checked_sub_unsigned(magnitude).map(Self::Negative)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => write!(f, "{number}"),
            Self::Negative(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
        }
    }
}

/// A value without its place.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// JSON's `null`; in YAML also `~` and nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text; a TOML date or time is its text, too.
    String(String),
    /// A list.
    Seq(Vec<Node>),
    /// A map, in the order of the source; no key occurs twice.
    Map(Vec<Entry>),
}

/// A value and its place in the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value stands. A value that a YAML alias copied stands where it was written.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// One key of a map and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value under the key.
    pub value: Node,
}

impl Node {
    pub(crate) const fn new(span: Span, value: Value) -> Self {
        Self { span, value }
    }

    /// The value under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; none for anything else.
    pub fn elements(&self) -> &[Node] {
        match &self.value {
            Value::Seq(elements) => elements,
            _ => &[],
        }
    }

    /// The values directly below this one.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Node> {
        self.elements().iter().chain(self.entries().iter().map(|entry| &entry.value))
    }

    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(self.value, Value::Seq(_) | Value::Map(_))
    }

    /// Whether `predicate` holds for this value or any below it.
    pub(crate) fn any(&self, predicate: &mut impl FnMut(&Node) -> bool) -> bool {
        predicate(self) || self.children().any(|child| child.any(predicate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_fill_64_bits_and_no_more() {
        assert_eq!(
            Number::whole(false, "18446744073709551615", 10),
            Some(Number::Unsigned(u64::MAX))
        );
        assert_eq!(Number::whole(false, "18446744073709551616", 10), None);
        assert_eq!(
            Number::whole(true, "9223372036854775808", 10),
            Some(Number::Negative(i64::MIN))
        );
        assert_eq!(Number::whole(true, "9223372036854775809", 10), None);
        assert_eq!(Number::whole(true, "0", 10), Some(Number::Unsigned(0)));
    }
}
