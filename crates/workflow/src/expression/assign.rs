//! Assignments: `=`, `|=`, `+=` and the like, `setpath`, `delpaths`.
//!
//! The one idea: as in jq, an assignment first asks for the paths that its left side means, and
//! then changes the value at each. A value that nobody else holds is changed in place.

use std::sync::Arc;

use jaq_core::ValX;
use jaq_json::Num;

use super::account::{self, Limit};
use super::item::{ELEMENT, FIELD, Failure, Item, failure, limited};
use super::slice::{self, Bounds};
use super::{limits, order, touch};
use crate::value::{Value, to_f64};

/// Replaces what is at a path by what `change` makes of it, or by null when that is nothing. What
/// is missing on the way is made.
pub(super) fn change<'a>(
    root: Item,
    path: &[Value],
    change: &mut dyn FnMut(Item) -> ValX<'a, Item, Item>,
) -> ValX<'a, Item> {
    let shape = root.shape();
    if path.is_empty() {
        return change(root);
    }
    followed(path).map_err(limited)?;
    let mut part = shape;
    let value = at(root.value, path, &mut |old| {
        let new = change(shape.inner(old))?;
        part = new.shape();
        Ok(new.value)
    })?;
    shape.of(value).holding(part, path.len()).map_err(|it| limited(it).into())
}

/// Refuses a path that has too many keys before it is followed: each is a level of what is made,
/// and of the stack.
fn followed(path: &[Value]) -> Result<(), Limit> {
    if path.len() > limits::PATH_LENGTH {
        return Err(account::exhaust(Limit::Path));
    }
    account::work(1)
}

type Change<'c, 'a> = &'c mut dyn FnMut(Value) -> ValX<'a, Value, Item>;

fn at<'a>(value: Value, path: &[Value], change: Change<'_, 'a>) -> ValX<'a, Value, Item> {
    let Some((key, rest)) = path.split_first() else { return change(value) };
    deeper()?;
    match (value, key) {
        (Value::Null, Value::TStr(_)) => at(Value::Obj(Arc::default()), path, change),
        (Value::Null, Value::Num(_)) => at(Value::Arr(Arc::default()), path, change),
        (Value::Obj(mut fields), Value::TStr(_)) => {
            account::bytes(FIELD).map_err(limited)?;
            let map = touch::own(&mut fields).map_err(limited)?;
            let old = touch::find_mut(map, key).map_err(limited)?;
            let old = old.map(std::mem::take).unwrap_or_default();
            let new = at(old, rest, change)?;
            touch::insert(map, key.clone(), new).map_err(limited)?;
            Ok(Value::Obj(fields))
        }
        (Value::Arr(mut all), Value::Num(index)) => {
            let shared = Arc::get_mut(&mut all).is_none();
            let index = place(index, all.len())?;
            let grown = (index + 1).saturating_sub(all.len());
            let copied = if shared { all.len() } else { 0 };
            account::bytes(ELEMENT * (copied + grown)).map_err(limited)?;
            let list = Arc::make_mut(&mut all);
            let old = list.get_mut(index).map(std::mem::take).unwrap_or_default();
            let new = at(old, rest, change)?;
            if grown > 0 {
                list.resize(index + 1, Value::Null);
            }
            list[index] = new;
            Ok(Value::Arr(all))
        }
        (value @ (Value::Null | Value::Arr(_)), Value::Obj(bounds)) => {
            let all = match value {
                Value::Arr(all) => all,
                _ => Arc::default(),
            };
            spliced(all, &Bounds::read(bounds)?, rest, change)
        }
        (value, key) => Err(Item::outer(value).not_indexed(&Item::outer(key.clone())).into()),
    }
}

/// A step into a value.
fn deeper() -> Result<(), Failure> {
    account::level().and_then(|()| account::work(limits::WORK_PER_STEP - 1)).map_err(limited)
}

fn place(index: &Num, len: usize) -> Result<usize, Failure> {
    if let Some(at) = slice::position(index, len) {
        if at > limits::LIST_EXTENT && at > len {
            return Err(failure(format_args!(
                "Array index too large: an assignment may extend an array to {} elements",
                limits::LIST_EXTENT
            )));
        }
        return Ok(at);
    }
    if to_f64(index).is_nan() {
        return Err(failure("Cannot set array element at NaN index"));
    }
    Err(failure("Out of bounds negative array index"))
}

fn spliced<'a>(
    mut all: Arc<Vec<Value>>,
    bounds: &Bounds,
    rest: &[Value],
    change: Change<'_, 'a>,
) -> ValX<'a, Value, Item> {
    let range = bounds.range(all.len());
    account::bytes(ELEMENT * (all.len() + range.len())).map_err(limited)?;
    let part = all.get(range.clone()).unwrap_or_default().to_vec();
    match at(Value::Arr(Arc::new(part)), rest, change)? {
        Value::Arr(new) => {
            account::bytes(ELEMENT * new.len()).map_err(limited)?;
            Arc::make_mut(&mut all).splice(range, new.iter().cloned());
            Ok(Value::Arr(all))
        }
        _ => Err(failure("A slice of an array can only be assigned another array").into()),
    }
}

/// What is at a path; null when something is missing on the way.
pub(super) fn get(root: &Item, path: &[Value]) -> Result<Item, Failure> {
    followed(path).map_err(limited)?;
    let mut item = root.clone();
    for key in path {
        account::work(1).map_err(limited)?;
        item = item.get(&Item::outer(key.clone()))?.unwrap_or_default();
    }
    Ok(item)
}

/// Removes what is at each path. Negative indices and slices are those of the value as it was, and
/// the last come first, so that none moves another.
pub(super) fn delete(root: Item, paths: &[Value]) -> Result<Item, Failure> {
    let shape = root.shape();
    let mut all = Vec::new();
    for path in paths {
        let Value::Arr(keys) = path else {
            return Err(failure("Path must be specified as an array"));
        };
        followed(keys).map_err(limited)?;
        let Some((last, way)) = keys.split_last() else { return Ok(Item::default()) };
        resolved(&root, way, last, &mut all)?;
    }
    let sorted = order::sort(all, &|left, right| order::compare(right, left));
    let mut value = root.value;
    let mut before = None;
    for path in &sorted {
        let again = before.is_some_and(|before| order::equal(before, path));
        before = Some(path);
        if let (Value::Arr(keys), false) = (path, again)
            && let Some((last, way)) = keys.split_last()
        {
            value = without(value, way, last)?;
        }
    }
    Ok(shape.of(value))
}

/// A path whose last key is an index from the start; a slice becomes the path of each element.
fn resolved(root: &Item, way: &[Value], last: &Value, all: &mut Vec<Value>) -> Result<(), Failure> {
    let mut push = |last: Value| {
        account::bytes(ELEMENT * (way.len() + 2)).map_err(limited)?;
        all.push(Value::Arr(Arc::new(way.iter().cloned().chain([last]).collect())));
        Ok(())
    };
    if !matches!(last, Value::Num(_) | Value::Obj(_)) {
        return push(last.clone());
    }
    let holder = get(root, way)?;
    match (&holder.value, last) {
        (Value::Arr(elements), Value::Num(index)) => {
            match slice::position(index, elements.len()).filter(|at| *at < elements.len()) {
                Some(at) => push(Value::from(at)),
                None => Ok(()),
            }
        }
        (Value::Arr(elements), Value::Obj(bounds)) => {
            let mut range = Bounds::read(bounds)?.range(elements.len());
            range.try_for_each(|at| push(Value::from(at)))
        }
        _ => push(last.clone()),
    }
}

fn without(value: Value, way: &[Value], last: &Value) -> Result<Value, Failure> {
    deeper()?;
    if matches!(value, Value::Null) {
        return Ok(value);
    }
    let Some((key, rest)) = way.split_first() else { return removed(value, last) };
    match (value, key) {
        (Value::Obj(mut fields), Value::TStr(_)) => {
            if touch::find(&fields, key).map_err(limited)?.is_some() {
                let own = touch::own(&mut fields).map_err(limited)?;
                if let Some(inner) = touch::find_mut(own, key).map_err(limited)? {
                    *inner = without(std::mem::take(inner), rest, last)?;
                }
            }
            Ok(Value::Obj(fields))
        }
        (Value::Arr(mut all), Value::Num(index)) => {
            let shared = Arc::get_mut(&mut all).is_none();
            account::bytes(if shared { ELEMENT * all.len() } else { 0 }).map_err(limited)?;
            let inner = slice::position(index, all.len());
            if let Some(inner) = inner.and_then(|at| Arc::make_mut(&mut all).get_mut(at)) {
                *inner = without(std::mem::take(inner), rest, last)?;
            }
            Ok(Value::Arr(all))
        }
        (value @ Value::Arr(_), Value::Obj(bounds)) => {
            let bounds = Bounds::read(bounds)?;
            let Value::Arr(mut all) = value else { return Ok(Value::Null) };
            let range = bounds.range(all.len());
            account::bytes(ELEMENT * (all.len() + range.len())).map_err(limited)?;
            let part = all.get(range.clone()).unwrap_or_default().to_vec();
            if let Value::Arr(new) = without(Value::Arr(Arc::new(part)), rest, last)? {
                Arc::make_mut(&mut all).splice(range, new.iter().cloned());
            }
            Ok(Value::Arr(all))
        }
        (value, key) => Err(Item::outer(value).not_indexed(&Item::outer(key.clone()))),
    }
}

fn removed(value: Value, key: &Value) -> Result<Value, Failure> {
    match (value, key) {
        (Value::Obj(mut fields), Value::TStr(_)) => {
            let own = touch::own(&mut fields).map_err(limited)?;
            touch::remove(own, key).map_err(limited)?;
            Ok(Value::Obj(fields))
        }
        (Value::Arr(mut all), Value::Num(index)) => {
            let shared = Arc::get_mut(&mut all).is_none();
            account::bytes(if shared { ELEMENT * all.len() } else { 0 }).map_err(limited)?;
            account::work(all.len() as u64 / 64).map_err(limited)?;
            if let Some(at) = slice::position(index, all.len()).filter(|at| *at < all.len()) {
                Arc::make_mut(&mut all).remove(at);
            }
            Ok(Value::Arr(all))
        }
        (value, key) => Err(failure(format_args!(
            "Cannot delete field at {} index of {}",
            super::text::kind(key),
            super::text::kind(&value)
        ))),
    }
}
