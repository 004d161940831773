//! Texts and keys, at a price.
//!
//! The one idea: a text may have megabytes, and so may a key. Whoever looks into one does it here,
//! where it is paid for before it happens, and need not think of it.

use std::borrow::Cow;
use std::sync::Arc;

use super::account::{self, Limit};
use super::item::FIELD;
use crate::value::{Fields, Value};

/// A text; none for anything else.
pub(super) fn text(value: &Value) -> Result<Option<&str>, Limit> {
    let Value::TStr(bytes) = value else { return Ok(None) };
    account::walk(bytes.len())?;
    Ok(std::str::from_utf8(bytes).ok())
}

/// The text of bytes.
pub(super) fn lossy(bytes: &[u8]) -> Result<Cow<'_, str>, Limit> {
    account::walk(bytes.len())?;
    Ok(String::from_utf8_lossy(bytes))
}

/// Whether a text begins with another.
pub(super) fn begins(text: &[u8], part: &[u8]) -> Result<bool, Limit> {
    account::walk(part.len().min(text.len()))?;
    Ok(text.starts_with(part))
}

/// Whether a text ends with another.
pub(super) fn ends(text: &[u8], part: &[u8]) -> Result<bool, Limit> {
    account::walk(part.len().min(text.len()))?;
    Ok(text.ends_with(part))
}

/// What looking for a key costs: it is hashed, and compared with one that is the same.
fn key(key: &Value) -> Result<(), Limit> {
    let bytes = match key {
        Value::TStr(text) | Value::BStr(text) => text.len(),
        _ => 0,
    };
    account::work(1)?;
    account::walk(2 * bytes)
}

/// The field of a key.
pub(super) fn find<'f>(fields: &'f Fields, name: &Value) -> Result<Option<&'f Value>, Limit> {
    key(name)?;
    Ok(fields.get(name))
}

/// The field of a key, to change it.
pub(super) fn find_mut<'f>(
    fields: &'f mut Fields,
    name: &Value,
) -> Result<Option<&'f mut Value>, Limit> {
    key(name)?;
    Ok(fields.get_mut(name))
}

/// Adds a field, or replaces its value.
pub(super) fn insert(fields: &mut Fields, name: Value, value: Value) -> Result<(), Limit> {
    key(&name)?;
    fields.insert(name, value);
    Ok(())
}

/// Removes a field; the others keep their order.
pub(super) fn remove(fields: &mut Fields, name: &Value) -> Result<(), Limit> {
    key(name)?;
    account::work(fields.len() as u64 / 8)?;
    fields.shift_remove(name);
    Ok(())
}

/// Fields that are about to be changed: they are copied if somebody else holds them.
pub(super) fn own(fields: &mut Arc<Fields>) -> Result<&mut Fields, Limit> {
    if Arc::get_mut(fields).is_none() {
        account::bytes(FIELD * fields.len())?;
    }
    Ok(Arc::make_mut(fields))
}
