//! Walks through values: how deep and how large they are, and what in them is no JSON.

use std::sync::Arc;

use jaq_json::Num;

use super::account::{self, Limit};
use super::item::{ELEMENT, FIELD, is_scalar};
use super::limits;
use crate::value::Value;

/// How deep a value nests; none when that is more than `limit`.
pub(super) fn depth(value: &Value, limit: usize) -> Result<Option<usize>, Limit> {
    let children: &mut dyn Iterator<Item = &Value> = match value {
        Value::Arr(all) => &mut all.iter(),
        Value::Obj(fields) => &mut fields.values(),
        _ => return Ok(Some(0)),
    };
    let Some(below) = limit.checked_sub(1) else { return Ok(None) };
    account::level()?;
    account::work(children.size_hint().0 as u64 / 8)?;
    let mut deepest = 0;
    for child in children {
        if !is_scalar(child) {
            let Some(depth) = depth(child, below)? else { return Ok(None) };
            deepest = deepest.max(depth);
        }
    }
    Ok(Some(deepest + 1))
}

/// Refuses a result that is too deep, or too large when each part counts as often as it occurs.
pub(super) fn within_limits(value: &Value) -> Result<(), String> {
    let mut left = limits::RESULT_BYTES;
    let weighed = weigh(value, limits::RESULT_DEPTH, &mut left);
    account::charge_walk(limits::RESULT_BYTES - left);
    weighed
}

fn weigh(value: &Value, levels: usize, left: &mut usize) -> Result<(), String> {
    let own = match value {
        Value::TStr(text) | Value::BStr(text) => ELEMENT + text.len(),
        _ => ELEMENT,
    };
    *left = left.checked_sub(own).ok_or_else(|| {
        format!("the result is larger than {} MiB", limits::RESULT_BYTES / (1024 * 1024))
    })?;
    let below = || {
        levels.checked_sub(1).ok_or_else(|| {
            format!("the result nests more than {} levels deep", limits::RESULT_DEPTH)
        })
    };
    match value {
        Value::Arr(all) => {
            let below = below()?;
            all.iter().try_for_each(|it| weigh(it, below, left))
        }
        Value::Obj(fields) => {
            let below = below()?;
            fields.iter().try_for_each(|(key, it)| {
                weigh(key, below, left)?;
                weigh(it, below, left)
            })
        }
        _ => Ok(()),
    }
}

/// Replaces what JSON lacks, as jq does when it prints: NaN becomes null, an infinity the largest
/// number of its sign.
pub(super) fn plain_numbers(value: &mut Value) -> Result<(), Limit> {
    account::level()?;
    match value {
        Value::Num(Num::Float(it)) if it.is_nan() => *value = Value::Null,
        Value::Num(Num::Float(it)) if it.is_infinite() => {
            *value = Value::Num(Num::Float(it.clamp(f64::MIN, f64::MAX)));
        }
        Value::Arr(all) if all.iter().any(may_be_odd) => {
            account::bytes(all.len() * ELEMENT)?;
            for element in Arc::make_mut(all) {
                plain_numbers(element)?;
            }
        }
        Value::Obj(fields) if fields.values().any(may_be_odd) => {
            account::bytes(fields.len() * FIELD)?;
            for element in Arc::make_mut(fields).values_mut() {
                plain_numbers(element)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn may_be_odd(value: &Value) -> bool {
    !is_scalar(value) || matches!(value, Value::Num(Num::Float(it)) if !it.is_finite())
}
