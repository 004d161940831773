//! Order and equality of values, as jq has them, within the account.
//!
//! A value may share its parts with itself and so be small in memory and endless to walk through;
//! each scalar that is looked at is counted. When the account is empty the answer means nothing,
//! and the evaluation ends at its next step.

use std::cmp::Ordering;
use std::sync::Arc;

use super::account;
use crate::value::{Fields, Value};

/// The order of jq: null, false, true, numbers, texts, lists, objects.
pub(super) fn compare(left: &Value, right: &Value) -> Ordering {
    if account::work(1).is_err() {
        return Ordering::Equal;
    }
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Num(left), Value::Num(right)) => left.cmp(right),
        (Value::TStr(left), Value::TStr(right)) => {
            let _ = account::work(left.len().min(right.len()) as u64 / 64);
            left.cmp(right)
        }
        (Value::Arr(left), Value::Arr(right)) if Arc::ptr_eq(left, right) => Ordering::Equal,
        (Value::Arr(left), Value::Arr(right)) => lists(left, right),
        (Value::Obj(left), Value::Obj(right)) if Arc::ptr_eq(left, right) => Ordering::Equal,
        (Value::Obj(left), Value::Obj(right)) => objects(left, right),
        _ => rank(left).cmp(&rank(right)),
    }
}

/// Equality of jq: numbers by their value, objects whatever their order.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Arr(left), Value::Arr(right)) => {
            left.len() == right.len() && compare_with(|| lists(left, right)).is_eq()
        }
        (Value::Obj(left), Value::Obj(right)) => {
            let fits = |(key, value): (&Value, &Value)| match right.get(key) {
                Some(other) => equal(value, other),
                None => false,
            };
            Arc::ptr_eq(left, right)
                || account::work(1).is_ok() && left.len() == right.len() && left.iter().all(fits)
        }
        _ => compare(left, right).is_eq(),
    }
}

fn compare_with(compare: impl FnOnce() -> Ordering) -> Ordering {
    if account::work(1).is_err() { Ordering::Equal } else { compare() }
}

fn lists(left: &[Value], right: &[Value]) -> Ordering {
    let pairs = left.iter().zip(right).map(|(left, right)| compare(left, right));
    let unequal = pairs.into_iter().find(|order| order.is_ne() || account::spent().is_some());
    unequal.unwrap_or_else(|| left.len().cmp(&right.len()))
}

fn objects(left: &Fields, right: &Fields) -> Ordering {
    let (left_keys, right_keys) = (sorted_keys(left), sorted_keys(right));
    let by_keys = left_keys.cmp(&right_keys);
    if by_keys.is_ne() || account::spent().is_some() {
        return by_keys;
    }
    let mut values = left_keys.iter().map(|key| match (left.get(*key), right.get(*key)) {
        (Some(left), Some(right)) => compare(left, right),
        _ => Ordering::Equal,
    });
    values.find(|order| order.is_ne() || account::spent().is_some()).unwrap_or(Ordering::Equal)
}

/// Keys are texts, whose order costs no more than their bytes.
fn sorted_keys(fields: &Fields) -> Vec<&Value> {
    let _ = account::work(fields.len() as u64);
    let mut keys: Vec<_> = fields.keys().collect();
    keys.sort();
    keys
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
    if items.len() < 2 {
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
