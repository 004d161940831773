//! What serde says went wrong, kept apart by sort until it is known where and how to say it.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::tree::{Entry, Node, Number, Value};

/// An error of one decoding pass.
#[derive(Debug)]
pub(super) struct Fault<'t> {
    pub(super) kind: Kind,
    /// Where it arose; the innermost place wins, since it is known first.
    pub(super) place: Option<Place<'t>>,
}

/// Where in the tree a fault arose.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'t> {
    /// At a value.
    Value(&'t Node),
    /// At a key.
    Key(&'t Entry),
    /// In a value that was made up for a missing field of this map.
    Hole(&'t Node),
}

/// The sort of a fault.
#[derive(Debug)]
pub(super) enum Kind {
    WrongType { found: Found, expected: String },
    InvalidValue { found: Found, expected: String },
    InvalidLength { length: usize, expected: String },
    UnknownField { field: String, known: &'static [&'static str] },
    UnknownVariant { variant: String, known: &'static [&'static str] },
    MissingField(&'static str),
    DuplicateField(&'static str),
    Custom(String),
}

/// The value that a type did not accept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// A scalar.
    Scalar(Value),
    /// A list.
    Seq,
    /// A map.
    Map,
    /// Something of which only serde's words are known.
    Other(String),
}

impl<'t> Fault<'t> {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, place: None }
    }

    /// Sets the place unless an inner one is known.
    pub(super) fn at(mut self, place: Place<'t>) -> Self {
        self.place.get_or_insert(place);
        self
    }
}

impl Found {
    pub(crate) fn of(node: &Node) -> Self {
        match &node.value {
            Value::Seq(_) => Self::Seq,
            Value::Map(_) => Self::Map,
            scalar => Self::Scalar(scalar.clone()),
        }
    }

    /// Whether this could be the value of a node.
    pub(super) fn is(&self, node: &Node) -> bool {
        match (self, &node.value) {
            (Self::Seq, Value::Seq(_)) | (Self::Map, Value::Map(_)) => true,
            (Self::Scalar(scalar), value) => scalar == value,
            _ => false,
        }
    }
}

impl From<Unexpected<'_>> for Found {
    fn from(unexpected: Unexpected<'_>) -> Self {
        let scalar = match unexpected {
            Unexpected::Bool(value) => Value::Bool(value),
            Unexpected::Unsigned(number) => Value::Number(Number::Unsigned(number)),
            Unexpected::Signed(number) => Value::Number(match u64::try_from(number) {
                Ok(number) => Number::Unsigned(number),
                Err(_) => Number::Negative(number),
            }),
            Unexpected::Float(number) => Value::Number(Number::Float(number)),
            Unexpected::Char(character) => Value::String(character.to_string()),
            Unexpected::Str(text) => Value::String(text.to_owned()),
            Unexpected::Unit | Unexpected::Option => Value::Null,
            Unexpected::Seq => return Self::Seq,
            Unexpected::Map => return Self::Map,
            other => return Self::Other(other.to_string()),
        };
        Self::Scalar(scalar)
    }
}

impl de::Error for Fault<'_> {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Custom(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (found, expected) = (unexpected.into(), expected.to_string());
        Self::new(Kind::WrongType { found, expected })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (found, expected) = (unexpected.into(), expected.to_string());
        Self::new(Kind::InvalidValue { found, expected })
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(Kind::InvalidLength { length, expected: expected.to_string() })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownVariant { variant: variant.to_owned(), known })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownField { field: field.to_owned(), known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::MissingField(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Kind::DuplicateField(field))
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for Fault<'_> {}
