//! Values as they flow through a run, and their way from and to JSON.
//!
//! They are jaq's own, so that an expression takes what the one before it made without a copy. A
//! clone costs a counter.

use std::sync::Arc;

use jaq_json::Num;

/// A value: JSON, and what else an expression can make until it leaves that (see
/// [`crate::expression`]).
pub use jaq_json::Val as Value;

/// A value of JSON.
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

/// The JSON of a value.
///
/// # Errors
/// The value holds what JSON cannot: bytes, keys that are no text.
pub fn to_json(value: &Value) -> Result<serde_json::Value, NotJson> {
    serde_json::from_str(&value.to_string()).map_err(|error| NotJson(error.to_string()))
}

/// Why a value is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotJson(String);
