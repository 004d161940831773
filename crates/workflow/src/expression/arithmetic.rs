//! `+`, `-`, `*`, `/` and `%` as in jq 1.7.
//!
//! The one idea: whole numbers of 64 bits stay exact, which jq's are not; what passes them becomes
//! a float, so that no number takes more than a word.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jaq_core::ValR;
use jaq_json::Num;

use super::account::{self, Limit};
use super::item::{ELEMENT, FIELD, Failure, Item, TEXT, failure, limited, normal};
use super::{order, touch};
use crate::value::{Fields, Value, to_f64};

fn refused(left: &Item, right: &Item, what: &str) -> Failure {
    let (left, right) = (left.described(), right.described());
    failure(format_args!("{left} and {right} cannot be {what}"))
}

/// Computes on whole numbers while that is exact, else on floats.
fn compute(
    left: &Num,
    right: &Num,
    whole: fn(isize, isize) -> Option<isize>,
    float: fn(f64, f64) -> f64,
) -> Item {
    if let (Num::Int(left), Num::Int(right)) = (left, right)
        && let Some(exact) = whole(*left, *right)
    {
        return Item::number(Num::Int(exact));
    }
    Item::number(normal(float(to_f64(left), to_f64(right))))
}

impl Add for Item {
    type Output = ValR<Self>;

    fn add(self, other: Self) -> ValR<Self> {
        account::work(1).map_err(limited)?;
        match (&self.value, &other.value) {
            (Value::Null, _) => return Ok(other),
            (_, Value::Null) => return Ok(self),
            (Value::Num(left), Value::Num(right)) => {
                return Ok(compute(left, right, isize::checked_add, |left, right| left + right));
            }
            _ => {}
        }
        let shape = self.shape().or(other.shape());
        let sum = match (self.value, other.value) {
            (Value::TStr(left), Value::TStr(right)) => {
                Value::utf8_str(concatenate(*left, &right).map_err(limited)?)
            }
            (Value::Arr(left), Value::Arr(right)) => {
                Value::Arr(append(left, &right).map_err(limited)?)
            }
            (Value::Obj(left), Value::Obj(right)) => {
                Value::Obj(united(left, &right).map_err(limited)?)
            }
            (left, right) => {
                return Err(refused(&Item::outer(left), &Item::outer(right), "added"));
            }
        };
        Ok(shape.of(sum))
    }
}

/// Adds to the left text in place when nobody else holds it.
fn concatenate(left: Bytes, right: &[u8]) -> Result<Bytes, Limit> {
    let mut text = match left.try_into_mut() {
        Ok(own) => {
            account::write(right.len())?;
            own
        }
        Err(shared) => {
            account::write(shared.len() + right.len())?;
            let mut copy = BytesMut::with_capacity(shared.len() + right.len());
            copy.extend_from_slice(&shared);
            copy
        }
    };
    text.extend_from_slice(right);
    Ok(text.freeze())
}

fn append(mut left: Arc<Vec<Value>>, right: &[Value]) -> Result<Arc<Vec<Value>>, Limit> {
    let copied = if Arc::get_mut(&mut left).is_some() { 0 } else { left.len() };
    account::bytes((copied + right.len()) * ELEMENT)?;
    Arc::make_mut(&mut left).extend_from_slice(right);
    Ok(left)
}

fn united(mut left: Arc<Fields>, right: &Fields) -> Result<Arc<Fields>, Limit> {
    let fields = touch::own(&mut left)?;
    account::bytes(right.len() * FIELD)?;
    for (key, value) in right {
        touch::insert(fields, key.clone(), value.clone())?;
    }
    Ok(left)
}

impl Sub for Item {
    type Output = ValR<Self>;

    fn sub(self, other: Self) -> ValR<Self> {
        account::work(1).map_err(limited)?;
        match (&self.value, &other.value) {
            (Value::Num(left), Value::Num(right)) => {
                Ok(compute(left, right, isize::checked_sub, |left, right| left - right))
            }
            (Value::Arr(left), Value::Arr(right)) => {
                account::bytes((left.len() + right.len()) * ELEMENT).map_err(limited)?;
                let right: Vec<&Value> = right.iter().collect();
                let sorted = order::sort(right, &|left, right| order::compare(left, right));
                let gone = |value: &Value| {
                    sorted.binary_search_by(|other| order::compare(other, value)).is_ok()
                };
                let rest: Vec<_> = left.iter().filter(|value| !gone(value)).cloned().collect();
                Ok(self.shape().of(Value::Arr(Arc::new(rest))))
            }
            _ => Err(refused(&self, &other, "subtracted")),
        }
    }
}

impl Mul for Item {
    type Output = ValR<Self>;

    fn mul(self, other: Self) -> ValR<Self> {
        account::work(1).map_err(limited)?;
        match (&self.value, &other.value) {
            (Value::Num(left), Value::Num(right)) => {
                Ok(compute(left, right, isize::checked_mul, |left, right| left * right))
            }
            (Value::TStr(text), Value::Num(times)) | (Value::Num(times), Value::TStr(text)) => {
                repeat(text, to_f64(times)).map_err(limited)
            }
            (Value::Obj(left), Value::Obj(right)) => {
                let mut merged = left.clone();
                merge(&mut merged, right).map_err(limited)?;
                Ok(self.shape().or(other.shape()).of(Value::Obj(merged)))
            }
            _ => Err(refused(&self, &other, "multiplied")),
        }
    }
}

/// A text so many times; null for none, and once for a part of a time, as in jq.
fn repeat(text: &Bytes, times: f64) -> Result<Item, Limit> {
    if times.is_nan() || times <= 0.0 {
        return Ok(Item::default());
    }
    let times = (times as usize).max(1);
    account::write(text.len().saturating_mul(times))?;
    Ok(Item::flat(Value::utf8_str(text.repeat(if text.is_empty() { 1 } else { times }))))
}

fn merge(left: &mut Arc<Fields>, right: &Fields) -> Result<(), Limit> {
    account::level()?;
    account::bytes(right.len() * FIELD)?;
    let fields = touch::own(left)?;
    for (key, value) in right {
        match (touch::find_mut(fields, key)?, value) {
            (Some(Value::Obj(old)), Value::Obj(new)) => merge(old, new)?,
            (Some(old), new) => *old = new.clone(),
            (None, new) => touch::insert(fields, key.clone(), new.clone())?,
        }
    }
    Ok(())
}

impl Div for Item {
    type Output = ValR<Self>;

    fn div(self, other: Self) -> ValR<Self> {
        account::work(1).map_err(limited)?;
        match (&self.value, &other.value) {
            (Value::Num(_), Value::Num(right)) if to_f64(right) == 0.0 => {
                Err(refused(&self, &other, "divided because the divisor is zero"))
            }
            (Value::Num(left), Value::Num(right)) => {
                let exact = |left: isize, right: isize| {
                    (left.checked_rem(right) == Some(0)).then(|| left.checked_div(right)).flatten()
                };
                Ok(compute(left, right, exact, |left, right| left / right))
            }
            (Value::TStr(text), Value::TStr(separator)) => split(text, separator).map_err(limited),
            _ => Err(refused(&self, &other, "divided")),
        }
    }
}

/// The parts between separators; each character for an empty one.
pub(super) fn split(text: &Bytes, separator: &[u8]) -> Result<Item, Limit> {
    let whole = touch::lossy(text)?;
    let separator = touch::lossy(separator)?;
    account::read(whole.len())?;
    let mut parts = Vec::new();
    let mut push = |part: &str| {
        account::bytes(TEXT + part.len())?;
        parts.push(Value::utf8_str(part.to_owned()));
        Ok(())
    };
    if text.is_empty() {
    } else if separator.is_empty() {
        let mut buffer = [0; 4];
        whole.chars().try_for_each(|it| push(it.encode_utf8(&mut buffer)))?;
    } else {
        whole.split(&*separator).try_for_each(push)?;
    }
    Ok(Item::flat(Value::Arr(Arc::new(parts))))
}

impl Rem for Item {
    type Output = ValR<Self>;

    fn rem(self, other: Self) -> ValR<Self> {
        account::work(1).map_err(limited)?;
        let (Value::Num(left), Value::Num(right)) = (&self.value, &other.value) else {
            return Err(refused(&self, &other, "divided (remainder)"));
        };
        let (left, right) = match (left, right) {
            (Num::Int(left), Num::Int(right)) => (*left as i64, *right as i64),
            _ => {
                let (left, right) = (to_f64(left), to_f64(right));
                if left.is_nan() || right.is_nan() {
                    return Ok(Item::number(Num::Float(f64::NAN)));
                }
                (left as i64, right as i64)
            }
        };
        if right == 0 {
            return Err(refused(&self, &other, "divided (remainder) because the divisor is zero"));
        }
        // The sign is the left one's, as in C; the one overflow (MIN % -1) is 0.
        Ok(Item::from(left.checked_rem(right).unwrap_or(0) as isize))
    }
}

impl Neg for Item {
    type Output = ValR<Self>;

    fn neg(self) -> ValR<Self> {
        match &self.value {
            Value::Num(Num::Int(it)) if it.checked_neg().is_some() => Ok(Self::from(-it)),
            Value::Num(Num::Float(it)) => Ok(Self::number(Num::Float(-it))),
            Value::Num(it) => Ok(Self::from(-to_f64(it))),
            _ => Err(failure(format_args!("{} cannot be negated", self.described()))),
        }
    }
}
