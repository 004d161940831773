//! Values as they flow through a run, and their way from and to JSON.
//!
//! They are jaq's own, so that an expression takes what the one before it made without a copy. A
//! clone costs a counter.

use std::sync::Arc;

use jaq_json::Num;

/// A value: JSON, and what else an expression can make until it leaves that (see
/// [`crate::expression`]).
pub use jaq_json::Val as Value;

/// The fields of an object, in the order in which they were added.
pub type Fields = jaq_json::Map;

/// The nearest float.
pub(crate) fn to_f64(number: &Num) -> f64 {
    match number {
        Num::Int(it) => *it as f64,
        Num::Float(it) => *it,
        Num::BigInt(it) => it.to_string().parse().unwrap_or(f64::NAN),
        Num::Dec(it) => it.parse().unwrap_or(f64::NAN),
    }
}

/// A value of JSON. Whole numbers of 64 bits stay whole, and floats floats.
#[must_use]
pub fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(it) => Value::Bool(it),
        serde_json::Value::Number(it) => Value::Num(number(&it)),
        serde_json::Value::String(it) => Value::utf8_str(it),
        serde_json::Value::Array(all) => {
            Value::Arr(Arc::new(all.into_iter().map(from_json).collect()))
        }
        serde_json::Value::Object(all) => {
            object(all.into_iter().map(|(key, value)| (key, from_json(value))))
        }
    }
}

/// Why a value is no JSON. Values from [`from_json`] and from expressions always are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// A key of an object that is no text.
    #[error("an object has a key that is no text")]
    Key,
    /// Bytes that are no text.
    #[error("a text is no UTF-8")]
    Bytes,
    /// It nests more than [`MAX_DEPTH`] levels deep.
    #[error("the value nests more than {MAX_DEPTH} levels deep")]
    Depth,
}

/// How deep a value may nest that becomes JSON: serde_json reads no more.
pub const MAX_DEPTH: usize = 127;

/// A value as JSON. Whole numbers up to 64 bits, signed or not, stay whole; others are the nearest
/// float. NaN becomes null and an infinity the largest number of its sign, as jq prints them.
///
/// # Errors
/// What is no JSON; see [`NotJson`].
pub fn to_json(value: &Value) -> Result<serde_json::Value, NotJson> {
    to_json_within(value, MAX_DEPTH)
}

fn to_json_within(value: &Value, levels: usize) -> Result<serde_json::Value, NotJson> {
    let below = || levels.checked_sub(1).ok_or(NotJson::Depth);
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(it) => (*it).into(),
        Value::Num(it) => json_number(it),
        Value::TStr(it) => text(it)?.into(),
        Value::BStr(_) => return Err(NotJson::Bytes),
        Value::Arr(all) => {
            let below = below()?;
            let all = all.iter().map(|it| to_json_within(it, below));
            serde_json::Value::Array(all.collect::<Result<_, _>>()?)
        }
        Value::Obj(fields) => {
            let below = below()?;
            let fields = fields.iter().map(|(key, it)| match key {
                Value::TStr(key) => Ok((text(key)?.to_owned(), to_json_within(it, below)?)),
                _ => Err(NotJson::Key),
            });
            serde_json::Value::Object(fields.collect::<Result<_, _>>()?)
        }
    })
}

fn text(bytes: &[u8]) -> Result<&str, NotJson> {
    std::str::from_utf8(bytes).map_err(|_| NotJson::Bytes)
}

fn json_number(number: &Num) -> serde_json::Value {
    match number {
        Num::Int(it) => (*it).into(),
        Num::BigInt(it) if let Ok(whole) = it.to_string().parse::<u64>() => whole.into(),
        other => {
            let float = to_f64(other);
            if float.is_nan() {
                serde_json::Value::Null
            } else {
                float.clamp(f64::MIN, f64::MAX).into()
            }
        }
    }
}

/// Whether two values are the same JSON: `1` is `1.0`, and the order of keys does not count.
#[must_use]
pub fn equal(left: &Value, right: &Value) -> bool {
    left == right
}

fn number(number: &serde_json::Number) -> Num {
    let whole = number.as_i64().map(Num::from_integral);
    let whole = whole.or_else(|| number.as_u64().map(Num::from_integral));
    whole.unwrap_or_else(|| Num::Float(number.as_f64().unwrap_or(f64::NAN)))
}

/// An object of text keys.
pub fn object<K: Into<String>>(fields: impl IntoIterator<Item = (K, Value)>) -> Value {
    let fields = fields.into_iter().map(|(key, value)| (Value::utf8_str(key.into()), value));
    Value::Obj(Arc::new(fields.collect()))
}

/// The field of an object; null when there is none, as in jq.
#[must_use]
pub fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    const NULL: &Value = &Value::Null;
    match value {
        Value::Obj(fields) => fields.get(&Value::utf8_str(name.to_owned())).unwrap_or(NULL),
        _ => NULL,
    }
}
