//! Order and equality of values, as jq has them, within the account.
//!
//! A value may share its parts with itself and so be small in memory and endless to walk through;
//! each scalar that is looked at is counted. When the account is empty the answer means nothing,
//! and the evaluation ends at its next step.

use std::cmp::Ordering;
use std::sync::Arc;

use super::account::{self, Limit};
use super::touch;
use crate::value::{Fields, Value};

/// The order of jq: null, false, true, numbers, texts, lists, objects.
pub(super) fn compare(left: &Value, right: &Value) -> Ordering {
    ordered(left, right).unwrap_or(Ordering::Equal)
}

/// Equality of jq: numbers by their value, objects whatever their order.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    same(left, right).unwrap_or(true)
}

fn ordered(left: &Value, right: &Value) -> Result<Ordering, Limit> {
    account::work(1)?;
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Num(left), Value::Num(right)) => left.cmp(right),
        (Value::TStr(left), Value::TStr(right)) => {
            account::walk(left.len().min(right.len()))?;
            left.cmp(right)
        }
        (Value::Arr(left), Value::Arr(right)) if Arc::ptr_eq(left, right) => Ordering::Equal,
        (Value::Arr(left), Value::Arr(right)) => lists(left.iter(), right.iter())?,
        (Value::Obj(left), Value::Obj(right)) if Arc::ptr_eq(left, right) => Ordering::Equal,
        (Value::Obj(left), Value::Obj(right)) => objects(left, right)?,
        _ => rank(left).cmp(&rank(right)),
    })
}

fn same(left: &Value, right: &Value) -> Result<bool, Limit> {
    match (left, right) {
        (Value::TStr(left), Value::TStr(right)) if left.len() != right.len() => {
            account::work(1).map(|()| false)
        }
        (Value::Arr(left), Value::Arr(right)) => {
            account::work(1)?;
            Ok(left.len() == right.len() && lists(left.iter(), right.iter())?.is_eq())
        }
        (Value::Obj(left), Value::Obj(right)) => {
            account::level()?;
            if Arc::ptr_eq(left, right) || left.len() != right.len() {
                return Ok(left.len() == right.len());
            }
            for (key, value) in left.iter() {
                match touch::find(right, key)? {
                    Some(other) if same(value, other)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        _ => ordered(left, right).map(Ordering::is_eq),
    }
}

fn lists<'v>(
    left: impl ExactSizeIterator<Item = &'v Value>,
    right: impl ExactSizeIterator<Item = &'v Value>,
) -> Result<Ordering, Limit> {
    account::level()?;
    let lengths = left.len().cmp(&right.len());
    for (left, right) in left.zip(right) {
        let order = ordered(left, right)?;
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(lengths)
}

fn objects(left: &Fields, right: &Fields) -> Result<Ordering, Limit> {
    let (left_keys, right_keys) = (sorted_keys(left)?, sorted_keys(right)?);
    let by_keys = lists(left_keys.iter().copied(), right_keys.iter().copied())?;
    if by_keys.is_ne() {
        return Ok(by_keys);
    }
    for key in left_keys {
        if let (Some(left), Some(right)) = (touch::find(left, key)?, touch::find(right, key)?) {
            let order = ordered(left, right)?;
            if order.is_ne() {
                return Ok(order);
            }
        }
    }
    Ok(Ordering::Equal)
}

fn sorted_keys(fields: &Fields) -> Result<Vec<&Value>, Limit> {
    account::work(fields.len() as u64)?;
    Ok(sort(fields.keys().collect(), &|left, right| compare(left, right)))
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Num(_) => 2,
        Value::BStr(_) | Value::TStr(_) => 3,
        Value::Arr(_) => 4,
        Value::Obj(_) => 5,
    }
}

/// Sorts, stably, also when the order is none (NaN is less than itself, or the account is empty):
/// the standard library may panic then.
pub(super) fn sort<T>(items: Vec<T>, order: &impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if items.len() < 2 || account::spent().is_some() {
        return items;
    }
    let mut left = items;
    let right = left.split_off(left.len() / 2);
    let (left, right) = (sort(left, order), sort(right, order));
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some(l), Some(r)) if order(l, r).is_gt() => merged.extend(right.next()),
            (Some(_), _) => merged.extend(left.next()),
            (None, _) => break,
        }
    }
    merged.extend(right);
    merged
}
