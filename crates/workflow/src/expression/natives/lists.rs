//! Functions of lists and objects, and those of any value.

use std::cmp::Ordering;
use std::sync::Arc;

use jaq_core::ValR;
use jaq_json::Num;

use super::{Run, one, text_of, two, values};
use crate::expression::item::{ELEMENT, FIELD, Failure, Item, TEXT, failure, limited, normal};
use crate::expression::{account, order, slice, text, touch};
use crate::value::{Value, to_f64};

pub(super) fn functions() -> Vec<Run> {
    vec![
        ("length", values(0), |cv| one(cv, length)),
        ("type", values(0), |cv| one(cv, |it| Ok(Item::string(it.kind())))),
        ("not", values(0), |cv| one(cv, |it| Ok(Item::from(!truthy(&it.value))))),
        ("keys", values(0), |cv| one(cv, |it| keys(&it, true))),
        ("keys_unsorted", values(0), |cv| one(cv, |it| keys(&it, false))),
        ("has", values(1), |cv| two(cv, |it, key| has(&it, &key))),
        ("contains", values(1), |cv| two(cv, |it, part| contains_checked(&it, &part))),
        ("indices", values(1), |cv| two(cv, |it, part| indices(&it, &part))),
        ("add", values(0), |cv| one(cv, add)),
        ("sort", values(0), |cv| one(cv, |it| sorted(&it))),
        ("_sort_by", values(1), |cv| two(cv, |it, keys| sort_by(&it, &keys))),
        ("_group_by", values(1), |cv| two(cv, |it, keys| group_by(&it, &keys, false))),
        ("_unique_by", values(1), |cv| two(cv, |it, keys| group_by(&it, &keys, true))),
        ("_min_by", values(1), |cv| two(cv, |it, keys| extreme(&it, &keys, Ordering::Less))),
        ("_max_by", values(1), |cv| two(cv, |it, keys| extreme(&it, &keys, Ordering::Greater))),
        ("reverse", values(0), |cv| one(cv, |it| reverse(&it))),
        ("_flatten", values(1), |cv| two(cv, |it, depth| flatten(&it, &depth))),
        ("to_entries", values(0), |cv| one(cv, |it| to_entries(&it))),
        ("bsearch", values(1), |cv| two(cv, |it, target| bsearch(&it, &target))),
        ("floor", values(0), |cv| one(cv, |it| rounded(it, f64::floor))),
        ("ceil", values(0), |cv| one(cv, |it| rounded(it, f64::ceil))),
        ("round", values(0), |cv| one(cv, |it| rounded(it, f64::round))),
        ("abs", values(0), |cv| one(cv, absolute)),
        ("nan", values(0), |cv| one(cv, |_| Ok(Item::number(Num::Float(f64::NAN))))),
        ("infinite", values(0), |cv| one(cv, |_| Ok(Item::number(Num::Float(f64::INFINITY))))),
        ("isnan", values(0), |cv| one(cv, |it| Ok(Item::from(number(&it)?.is_nan())))),
        ("isinfinite", values(0), |cv| one(cv, |it| Ok(Item::from(number(&it)?.is_infinite())))),
        ("isnormal", values(0), |cv| one(cv, |it| Ok(Item::from(number(&it)?.is_normal())))),
        ("tojson", values(0), |cv| {
            one(cv, |it| Ok(Item::string(text::json(&it.value).map_err(limited)?)))
        }),
        ("tostring", values(0), |cv| one(cv, tostring)),
    ]
}

fn truthy(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn number(item: &Item) -> Result<f64, Failure> {
    item.as_number().ok_or_else(|| failure(format_args!("{} number required", item.described())))
}

pub(super) fn tostring(item: Item) -> ValR<Item> {
    match item.value {
        Value::TStr(_) => Ok(item),
        value => Ok(Item::string(text::json(&value).map_err(limited)?)),
    }
}

fn length(item: Item) -> ValR<Item> {
    Ok(match &item.value {
        Value::Null => Item::from(0_usize),
        Value::Bool(_) => return Err(failure(format_args!("{} has no length", item.described()))),
        Value::Num(_) => return absolute(item),
        Value::BStr(it) | Value::TStr(it) => {
            Item::from(touch::lossy(it).map_err(limited)?.chars().count())
        }
        Value::Arr(it) => Item::from(it.len()),
        Value::Obj(it) => Item::from(it.len()),
    })
}

fn absolute(item: Item) -> ValR<Item> {
    match &item.value {
        Value::Num(Num::Int(it)) if it.checked_abs().is_some() => Ok(Item::from(it.abs())),
        Value::Num(Num::BigInt(_)) => Ok(item),
        Value::Num(it) => Ok(Item::from(to_f64(it).abs())),
        _ => Err(failure(format_args!("{} has no absolute value", item.described()))),
    }
}

fn rounded(item: Item, round: fn(f64) -> f64) -> ValR<Item> {
    match &item.value {
        Value::Num(Num::Int(_) | Num::BigInt(_)) => Ok(item),
        _ => Ok(Item::number(normal(round(number(&item)?)))),
    }
}

fn keys(item: &Item, sorted: bool) -> ValR<Item> {
    let take = |count: usize| account::bytes(count * TEXT).map_err(limited);
    let keys: Vec<Value> = match &item.value {
        Value::Arr(all) => {
            account::bytes(all.len() * ELEMENT).map_err(limited)?;
            (0..all.len()).map(|at| Item::from(at).value).collect()
        }
        Value::Obj(fields) => {
            take(fields.len())?;
            fields.keys().cloned().collect()
        }
        _ => return Err(failure(format_args!("{} has no keys", item.described()))),
    };
    let keys = match sorted {
        true => order::sort(keys, &|left, right| order::compare(left, right)),
        false => keys,
    };
    Ok(Item::flat(Value::Arr(Arc::new(keys))))
}

fn has(item: &Item, key: &Item) -> ValR<Item> {
    match (&item.value, &key.value) {
        (Value::Obj(fields), Value::TStr(_)) => {
            Ok(Item::from(touch::find(fields, &key.value).map_err(limited)?.is_some()))
        }
        (Value::Arr(all), Value::Num(at)) => {
            let at = to_f64(at);
            Ok(Item::from(at >= 0.0 && at < all.len() as f64))
        }
        _ => Err(failure(format_args!(
            "Cannot check whether {} has a {} key",
            item.kind(),
            key.kind()
        ))),
    }
}

fn contains_checked(item: &Item, part: &Item) -> ValR<Item> {
    if item.kind() != part.kind() {
        let (item, part) = (item.described(), part.described());
        let message = format_args!("{item} and {part} cannot have their containment checked");
        return Err(failure(message));
    }
    contains(&item.value, &part.value).map(Item::from).map_err(limited)
}

fn contains(all: &Value, part: &Value) -> Result<bool, account::Limit> {
    account::level()?;
    match (all, part) {
        (Value::Obj(all), Value::Obj(part)) => {
            for (key, part) in part.iter() {
                match touch::find(all, key)? {
                    Some(all) if contains(all, part)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Arr(all), Value::Arr(part)) => {
            for part in part.iter() {
                let mut found = false;
                for all in all.iter() {
                    found = found || contains(all, part)?;
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::TStr(all), Value::TStr(part)) => {
            account::read(all.len() + part.len())?;
            Ok(touch::lossy(all)?.contains(&*touch::lossy(part)?))
        }
        _ => Ok(order::equal(all, part)),
    }
}

fn indices(item: &Item, part: &Item) -> ValR<Item> {
    match (&item.value, &part.value) {
        (Value::Null, _) => Ok(Item::default()),
        (Value::TStr(_), Value::TStr(_)) => {
            let (all, part) = (item.as_text()?, part.as_text()?);
            slice::texts(all.unwrap_or_default(), part.unwrap_or_default()).map_err(limited)
        }
        (Value::Arr(all), Value::Arr(part)) => slice::indices(all, part).map_err(limited),
        (Value::Arr(all), part) => slice::elements(all, part).map_err(limited),
        _ => Err(item.not_indexed(part)),
    }
}

fn add(item: Item) -> ValR<Item> {
    let mut sum = Item::default();
    for child in item.children()? {
        sum = (sum + child?.1)?;
    }
    Ok(sum)
}

fn list<'i>(item: &'i Item, what: &str) -> Result<&'i Arc<Vec<Value>>, Failure> {
    let refused =
        || failure(format_args!("{} cannot be {what}, as it is not an array", item.described()));
    let all = item.as_list().ok_or_else(refused)?;
    account::bytes(all.len() * ELEMENT).map_err(limited)?;
    account::work(all.len() as u64).map_err(limited)?;
    Ok(all)
}

fn sorted(item: &Item) -> ValR<Item> {
    let all = list(item, "sorted")?.to_vec();
    let all = order::sort(all, &|left, right| order::compare(left, right));
    Ok(item.shape().of(Value::Arr(Arc::new(all))))
}

/// Values and their keys, by the order of the keys.
fn keyed(item: &Item, keys: &Item, what: &str) -> Result<Vec<(Value, Value)>, Failure> {
    let all = list(item, what)?;
    let keys = list(keys, what)?;
    let pairs = keys.iter().cloned().zip(all.iter().cloned()).collect();
    Ok(order::sort(pairs, &|left: &(Value, Value), right| order::compare(&left.0, &right.0)))
}

fn sort_by(item: &Item, keys: &Item) -> ValR<Item> {
    let sorted = keyed(item, keys, "sorted")?.into_iter().map(|(_, value)| value);
    Ok(item.shape().of(Value::Arr(Arc::new(sorted.collect()))))
}

/// The groups of equal keys, or the first of each.
fn group_by(item: &Item, keys: &Item, only_first: bool) -> ValR<Item> {
    let mut groups: Vec<Vec<Item>> = Vec::new();
    let mut last: Option<Value> = None;
    for (key, value) in keyed(item, keys, "grouped")? {
        let same = last.as_ref().is_some_and(|last| order::equal(last, &key));
        match groups.last_mut() {
            Some(_) if same && only_first => {}
            Some(group) if same => group.push(item.inner(value)),
            _ => groups.push(vec![item.inner(value)]),
        }
        last = Some(key);
    }
    if only_first {
        return Item::list(groups.into_iter().flatten()).map_err(limited);
    }
    let groups = groups.into_iter().map(Item::list).collect::<Result<Vec<_>, _>>();
    Item::list(groups.map_err(limited)?).map_err(limited)
}

/// The first of the least, or the last of the greatest, as in jq.
fn extreme(item: &Item, keys: &Item, wanted: Ordering) -> ValR<Item> {
    let (all, keys) = (list(item, "searched")?, list(keys, "searched")?);
    let mut best: Option<(&Value, &Value)> = None;
    for (key, value) in keys.iter().zip(all.iter()) {
        let better = best.is_none_or(|(old, _)| {
            let order = order::compare(key, old);
            order == wanted || (order.is_eq() && wanted.is_gt())
        });
        if better {
            best = Some((key, value));
        }
    }
    Ok(best.map_or_else(Item::default, |(_, value)| item.inner(value.clone())))
}

fn reverse(item: &Item) -> ValR<Item> {
    match &item.value {
        Value::Null => Item::list([]).map_err(limited),
        Value::TStr(_) => {
            let text = text_of(item, "cannot be reversed")?;
            account::read(text.len()).map_err(limited)?;
            account::bytes(text.len()).map_err(limited)?;
            Ok(Item::string(text.chars().rev().collect::<String>()))
        }
        Value::Arr(_) => {
            let reversed = list(item, "reversed")?.iter().rev().cloned().collect();
            Ok(item.shape().of(Value::Arr(Arc::new(reversed))))
        }
        _ => Err(failure(format_args!("Cannot reverse {}", item.described()))),
    }
}

fn flatten(item: &Item, depth: &Item) -> ValR<Item> {
    let depth = number(depth)?;
    if depth < 0.0 {
        return Err(failure("flatten depth must not be negative"));
    }
    let mut flat = Vec::new();
    let children = item.clone().children()?;
    for child in children {
        flatten_into(child?.1.value, depth, &mut flat).map_err(limited)?;
    }
    Ok(item.shape().of(Value::Arr(Arc::new(flat))))
}

fn flatten_into(value: Value, depth: f64, flat: &mut Vec<Value>) -> Result<(), account::Limit> {
    account::level()?;
    match value {
        Value::Arr(all) if depth > 0.0 => {
            all.iter().try_for_each(|it| flatten_into(it.clone(), depth - 1.0, flat))
        }
        other => {
            account::bytes(ELEMENT)?;
            flat.push(other);
            Ok(())
        }
    }
}

fn to_entries(item: &Item) -> ValR<Item> {
    if !matches!(item.value, Value::Obj(_) | Value::Arr(_)) {
        return Err(failure(format_args!("{} has no keys", item.described())));
    }
    let (key_name, value_name) = (Item::string("key"), Item::string("value"));
    let mut entries = Vec::new();
    for child in item.clone().children()? {
        let (key, value) = child?;
        account::bytes(2 * FIELD).map_err(limited)?;
        entries.push(Item::object([(key_name.clone(), key), (value_name.clone(), value)])?);
    }
    Item::list(entries).map_err(limited)
}

fn bsearch(item: &Item, target: &Item) -> ValR<Item> {
    let all = list(item, "searched from")?;
    let found = all.binary_search_by(|it| order::compare(it, &target.value));
    Ok(match found {
        Ok(at) => Item::from(at),
        Err(at) => Item::from(-1 - isize::try_from(at).unwrap_or(isize::MAX - 1)),
    })
}
