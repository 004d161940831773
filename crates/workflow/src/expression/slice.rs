//! Positions in lists and texts, slices, and where parts occur.

use std::sync::Arc;

use jaq_core::ValR;
use jaq_json::Num;

use super::account::{self, Limit};
use super::item::{ELEMENT, Failure, Item, failure, limited};
use super::{order, touch};
use crate::value::{Fields, Value, to_f64};

/// The element that an index means; negative ones count from the end. NaN means none.
pub(super) fn position(index: &Num, len: usize) -> Option<usize> {
    let index = match index {
        Num::Int(it) => *it,
        other => {
            let float = to_f64(other);
            if float.is_nan() {
                return None;
            }
            float.floor() as isize
        }
    };
    if index < 0 { len.checked_sub(index.unsigned_abs()) } else { usize::try_from(index).ok() }
}

/// The bounds of a slice: none where it is open.
pub(super) struct Bounds {
    start: Option<f64>,
    end: Option<f64>,
}

impl Bounds {
    pub(super) fn new(start: Option<&Value>, end: Option<&Value>) -> Result<Self, Failure> {
        let bound = |value: Option<&Value>| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Num(it)) => Ok(Some(to_f64(it)).filter(|it| !it.is_nan())),
            Some(_) => Err(failure("Start and end indices of an array slice must be numbers")),
        };
        Ok(Self { start: bound(start)?, end: bound(end)? })
    }

    /// As it stands in a path: `{"start": …, "end": …}`.
    pub(super) fn read(fields: &Fields) -> Result<Self, Failure> {
        let field = |name: &str| fields.get(&Value::utf8_str(name.to_owned()));
        Self::new(field("start"), field("end"))
    }

    /// The range of elements in a list of that length.
    pub(super) fn range(&self, len: usize) -> std::ops::Range<usize> {
        let absolute = |bound: f64| {
            let from_start = if bound < 0.0 { bound + len as f64 } else { bound };
            from_start.clamp(0.0, len as f64)
        };
        let start = self.start.map_or(0, |it| absolute(it.floor()) as usize);
        let end = self.end.map_or(len, |it| absolute(it.ceil()) as usize);
        start..end.max(start)
    }
}

/// A part of a list or, by characters, of a text.
pub(super) fn of(item: &Item, bounds: &Bounds) -> ValR<Item> {
    match &item.value {
        Value::Arr(all) => {
            let range = bounds.range(all.len());
            account::bytes(range.len() * ELEMENT).map_err(limited)?;
            let part = all.get(range).unwrap_or_default().to_vec();
            Ok(item.shape().of(Value::Arr(Arc::new(part))))
        }
        Value::TStr(text) => {
            let characters = touch::lossy(text).map_err(limited)?;
            if characters.is_ascii() {
                let range = bounds.range(characters.len());
                return Item::part(characters.get(range).unwrap_or_default());
            }
            account::read(characters.len()).map_err(limited)?;
            let range = bounds.range(characters.chars().count());
            let byte = |at: usize| {
                characters.char_indices().nth(at).map_or(characters.len(), |(byte, _)| byte)
            };
            let (start, end) = (byte(range.start), byte(range.end));
            Item::part(characters.get(start..end).unwrap_or_default())
        }
        _ => Err(failure(format_args!("Cannot index {} with object", item.kind()))),
    }
}

/// Where a list occurs in a list.
pub(super) fn indices(all: &[Value], part: &[Value]) -> Result<Item, Limit> {
    let fits =
        |window: &[Value]| window.iter().zip(part).all(|(left, right)| order::equal(left, right));
    let mut found = Vec::new();
    if !part.is_empty() {
        for (at, window) in all.windows(part.len()).enumerate() {
            account::work(1)?;
            if fits(window) {
                found.push(Item::from(at));
            }
        }
    }
    Item::list(found)
}

/// Where an element occurs in a list.
pub(super) fn elements(all: &[Value], element: &Value) -> Result<Item, Limit> {
    let places = all.iter().enumerate().filter(|(_, it)| order::equal(it, element));
    Item::list(places.map(|(at, _)| Item::from(at)))
}

/// Where a text occurs in a text, also overlapping, by characters.
pub(super) fn texts(all: &str, part: &str) -> Result<Item, Limit> {
    let Some(first) = part.chars().next() else { return Item::list([]) };
    account::read(all.len())?;
    let mut found = Vec::new();
    for (at, (byte, character)) in all.char_indices().enumerate() {
        let rest = all.as_bytes().get(byte..).unwrap_or_default();
        if character == first && begins(rest, part.as_bytes())? {
            account::work(1)?;
            found.push(Item::from(at));
        }
    }
    Item::list(found)
}

/// Whether a text begins with another, by pieces: a difference that comes early costs little.
fn begins(text: &[u8], part: &[u8]) -> Result<bool, Limit> {
    if part.len() > text.len() {
        return Ok(false);
    }
    for (text, part) in text.chunks(PIECE).zip(part.chunks(PIECE)) {
        if !text.starts_with(part) {
            return Ok(false);
        }
        account::walk(PIECE)?;
    }
    Ok(true)
}

const PIECE: usize = 256;
