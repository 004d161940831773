//! How large data may become.
//!
//! Expressions bound what they give. But where the document puts values together (an object of
//! several expressions, the outputs of branches) each may be the whole of the data, shared: a loop
//! around it doubles what there is to print, or nests it deeper, without using any memory to speak
//! of, until somebody looks at all of it. So it is looked at here, up to a bound.

use super::Error;
use super::census::Census;
use crate::expression::charge_walk;
use crate::value::Value;

/// Lists and objects within each other. What is deeper could exhaust the stack when it is dropped.
const DEPTH_MAX: usize = 200;

/// The bytes of all texts, and some for each value.
const BYTES_MAX: usize = 64 << 20;
const BYTES_PER_VALUE: usize = 16;

/// The value, unless it is too large.
pub(super) fn bounded(value: Value) -> Result<Value, Error> {
    let mut bytes = 0_usize;
    let mut open = vec![(&value, 0)];
    while let Some((part, depth)) = open.pop() {
        bytes = bytes.saturating_add(BYTES_PER_VALUE);
        if depth > DEPTH_MAX {
            let detail = format!("the data is nested more than {DEPTH_MAX} deep");
            return Err(Error::runtime(detail));
        }
        match part {
            Value::Arr(all) => open.extend(all.iter().map(|it| (it, depth + 1))),
            Value::Obj(fields) => open.extend(fields.values().map(|it| (it, depth + 1))),
            Value::TStr(text) | Value::BStr(text) => bytes = bytes.saturating_add(text.len()),
            _ => {}
        }
        if bytes > BYTES_MAX {
            charge_walk(bytes);
            let detail = format!("the data is larger than {} MiB", BYTES_MAX >> 20);
            return Err(Error::runtime(detail));
        }
    }
    charge_walk(bytes);
    Ok(value)
}

/// What a walk through a value costs, taken from what the run may spend.
pub(super) fn charge_for(value: &Value) {
    let mut census = Census::default();
    census.add(value);
    charge_walk(census.bytes);
}
