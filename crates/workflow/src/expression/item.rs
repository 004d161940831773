//! The values that jaq works on: ours, with a bound of their depth.
//!
//! The one idea: jaq leaves what values can do to a trait, and this is where jq 1.7's behaviour and
//! the account come in. Whatever makes a value larger or deeper passes through here. The depth is
//! carried along as an upper bound, so that building a list costs no walk through what it holds;
//! only when the bound passes the limit is the value measured.

use std::sync::Arc;

use jaq_core::box_iter::BoxIter;
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{ValR, ValX};
use jaq_json::Num;

use super::account::{self, Limit};
use super::{limits, measure, order, slice, text, touch};
use crate::value::{Fields, Value, to_f64};

/// What goes wrong in jaq.
pub(super) type Failure = jaq_core::Error<Item>;

/// A value under evaluation.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    pub(super) value: Value,
    shape: Shape,
}

/// What is known of a value without a walk through it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// An upper bound of how deep the value nests; 0 for a scalar.
    depth: u8,
    /// Whether there may be NaN or an infinity in it, which are no JSON.
    odd: bool,
    /// Whether it was put together in this evaluation. A part of what came from outside is as well
    /// as that; what was put together may hold a value many times, and so be endless as JSON.
    made: bool,
}

impl Shape {
    /// Of a value with the parts of both.
    pub(super) fn or(self, other: Self) -> Self {
        let depth = self.depth.max(other.depth);
        Self { depth, odd: self.odd || other.odd, made: self.made || other.made }
    }

    /// A value that was put together with parts of one of this shape.
    pub(super) fn of(self, value: Value) -> Item {
        Self { made: true, ..self }.found(value)
    }

    /// A value inside of one of this shape.
    pub(super) fn inner(self, value: Value) -> Item {
        Self { depth: self.depth.saturating_sub(1), ..self }.found(value)
    }

    fn found(self, value: Value) -> Item {
        let depth = if is_scalar(&value) { 0 } else { self.depth.max(1) };
        Item { value, shape: Self { depth, ..self } }
    }
}

/// The bytes that an element of a list takes, and one of an object with its share of the index.
pub(super) const ELEMENT: usize = size_of::<Value>();
pub(super) const FIELD: usize = 4 * ELEMENT;

/// The bytes that a short text takes besides its own: its place in a list, its handle, and what
/// the allocator keeps for each.
pub(super) const TEXT: usize = 6 * ELEMENT;

pub(super) fn failure(message: impl std::fmt::Display) -> Failure {
    Failure::str(message)
}

/// A limit as jaq's error; the next step ends the evaluation whether it is caught or not.
pub(super) fn limited(limit: Limit) -> Failure {
    failure(limit)
}

impl Item {
    /// A value from outside of the evaluation.
    pub(super) fn outer(value: Value) -> Self {
        let odd = matches!(&value, Value::Num(Num::Float(it)) if !it.is_finite());
        Shape { depth: limits::OUTER_DEPTH, odd, made: false }.found(value)
    }

    /// Something made of scalars only.
    pub(super) fn flat(value: Value) -> Self {
        Shape { depth: 1, odd: false, made: true }.of(value)
    }

    pub(super) fn string(text: impl Into<String>) -> Self {
        Self::flat(Value::utf8_str(text.into()))
    }

    /// A part of a text, which is copied.
    pub(super) fn part(text: &str) -> ValR<Self> {
        account::write(text.len()).map_err(limited)?;
        Ok(Self::string(text))
    }

    /// What an expression reads as JSON: it nests deeper than what comes from outside.
    pub(super) fn parsed(value: Value) -> Self {
        let depth = u8::try_from(crate::value::MAX_DEPTH).unwrap_or(limits::VALUE_DEPTH);
        Shape { depth, odd: false, made: false }.found(value)
    }

    pub(super) fn number(number: Num) -> Self {
        let odd = matches!(number, Num::Float(it) if !it.is_finite());
        Shape { depth: 0, odd, made: true }.of(Value::Num(number))
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// A value inside of this one.
    pub(super) fn inner(&self, value: Value) -> Self {
        self.shape.inner(value)
    }

    /// This, with a part inside that was not there before, `levels` below it.
    pub(super) fn holding(mut self, part: Shape, levels: usize) -> Result<Self, Limit> {
        self.shape.odd |= part.odd;
        self.shape.made = true;
        let depth = usize::from(part.depth) + levels;
        self.deepen(depth.max(usize::from(self.shape.depth)))?;
        Ok(self)
    }

    /// Sets the bound; measures the value when the bound says that it is too deep.
    fn deepen(&mut self, bound: usize) -> Result<(), Limit> {
        let limit = usize::from(limits::VALUE_DEPTH);
        let exact = if bound > limit {
            measure::depth(&self.value, limit)?.ok_or_else(|| account::exhaust(Limit::Depth))?
        } else {
            bound
        };
        self.shape.depth = u8::try_from(exact).unwrap_or(limits::VALUE_DEPTH);
        Ok(())
    }

    /// A list.
    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Result<Self, Limit> {
        let mut shape = Shape::default();
        let mut values = Vec::new();
        for item in items {
            account::work(1)?;
            account::bytes(ELEMENT)?;
            shape = shape.or(item.shape);
            values.push(item.value);
        }
        Self { value: Value::Arr(Arc::new(values)), shape }.holding(shape, 1)
    }

    /// An object.
    pub(super) fn object(fields: impl IntoIterator<Item = (Self, Self)>) -> Result<Self, Failure> {
        let mut shape = Shape::default();
        let mut map = Fields::default();
        for (key, item) in fields {
            if !matches!(key.value, Value::TStr(_)) {
                return Err(not_a_key(&key));
            }
            account::bytes(FIELD).map_err(limited)?;
            shape = shape.or(item.shape);
            touch::insert(&mut map, key.value, item.value).map_err(limited)?;
        }
        let object = Self { value: Value::Obj(Arc::new(map)), shape };
        object.holding(shape, 1).map_err(limited)
    }

    /// The result of an evaluation: JSON, and no larger or deeper than a result may be.
    pub(super) fn result(self) -> Result<Value, String> {
        let mut value = self.value;
        if self.shape.made {
            measure::within_limits(&value)?;
        }
        if self.shape.odd {
            measure::plain_numbers(&mut value).map_err(|limit| limit.to_string())?;
        }
        Ok(value)
    }

    pub(super) fn as_text(&self) -> Result<Option<&str>, Failure> {
        touch::text(&self.value).map_err(limited)
    }

    pub(super) fn as_list(&self) -> Option<&Arc<Vec<Value>>> {
        match &self.value {
            Value::Arr(it) => Some(it),
            _ => None,
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match &self.value {
            Value::Num(it) => Some(to_f64(it)),
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        text::kind(&self.value)
    }

    /// As messages of jq name a value: `number (1)`.
    pub(super) fn described(&self) -> String {
        format!("{} ({})", self.kind(), text::shown(&self.value))
    }

    /// The field or element, if there is one.
    pub(super) fn get(&self, key: &Self) -> ValR<Option<Item>, Item> {
        account::work(1).map_err(limited)?;
        Ok(match (&self.value, &key.value) {
            (Value::Obj(fields), Value::TStr(_)) => {
                let found = touch::find(fields, &key.value).map_err(limited)?;
                found.map(|it| self.inner(it.clone()))
            }
            (Value::Arr(all), Value::Num(index)) => slice::position(index, all.len())
                .and_then(|at| all.get(at))
                .map(|it| self.inner(it.clone())),
            (Value::Null, Value::TStr(_) | Value::Num(_) | Value::Null | Value::Obj(_)) => None,
            (Value::Arr(_) | Value::TStr(_), Value::Obj(bounds)) => {
                return slice::of(self, &slice::Bounds::read(bounds)?).map(Some);
            }
            (Value::Arr(all), Value::Arr(part)) => {
                Some(slice::indices(all, part).map_err(limited)?)
            }
            _ => return Err(self.not_indexed(key)),
        })
    }

    pub(super) fn not_indexed(&self, key: &Self) -> Failure {
        let _ = account::work(limits::WORK_PER_STEP / 2);
        let kind = self.kind();
        let with = match &key.value {
            Value::TStr(_) => format!("string {}", text::shown(&key.value)),
            _ => key.kind().to_owned(),
        };
        failure(format_args!("Cannot index {kind} with {with}"))
    }

    /// The elements of a list or the values of an object, with their keys.
    pub(super) fn children(self) -> ValR<Children, Item> {
        match &self.value {
            Value::Arr(_) | Value::Obj(_) => Ok(Children { of: self, next: 0 }),
            _ => Err(failure(format_args!("Cannot iterate over {}", self.iterated()))),
        }
    }

    fn iterated(&self) -> String {
        match self.value {
            Value::Null => "null".to_owned(),
            _ => self.described(),
        }
    }
}

fn not_a_key(key: &Item) -> Failure {
    failure(format_args!("Object keys must be strings, and this is {}", key.described()))
}

pub(super) fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Arr(_) | Value::Obj(_))
}

/// The keys and children of a list or an object, one after the other; they are not copied before.
pub(super) struct Children {
    of: Item,
    next: usize,
}

impl Children {
    fn len(&self) -> usize {
        match &self.of.value {
            Value::Arr(all) => all.len(),
            Value::Obj(fields) => fields.len(),
            _ => 0,
        }
    }
}

impl Iterator for Children {
    type Item = ValR<(Item, Item), Item>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next;
        self.next += 1;
        let (key, value) = match &self.of.value {
            Value::Arr(all) => (Item::from(at), all.get(at)?.clone()),
            Value::Obj(fields) => {
                let (key, value) = fields.get_index(at)?;
                (Item::flat(key.clone()), value.clone())
            }
            _ => return None,
        };
        if let Err(limit) = account::work(limits::WORK_PER_STEP / 2) {
            self.next = usize::MAX / 2;
            return Some(Err(limited(limit)));
        }
        Some(Ok((key, self.of.inner(value))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.len().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl jaq_core::ValT for Item {
    fn from_num(text: &str) -> ValR<Self> {
        let whole = text.parse::<i64>().map(Num::from_integral);
        let whole = whole.or_else(|_| text.parse::<u64>().map(Num::from_integral));
        let number = match whole {
            Ok(whole) => whole,
            Err(_) => {
                let float: f64 = text.parse().map_err(failure)?;
                let computed = !text.contains('.') || text.contains(['e', 'E']);
                if computed { normal(float) } else { Num::Float(float) }
            }
        };
        Ok(Self::number(number))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(fields: I) -> ValR<Self> {
        Self::object(fields)
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        match self.children() {
            Ok(children) => Box::new(children),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        match self.children() {
            Ok(children) => Box::new(children.map(|child| child.map(|(_, value)| value))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    fn index(self, key: &Self) -> ValR<Self> {
        self.get(key).map(Option::unwrap_or_default)
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        if matches!(self.value, Value::Null) {
            return Ok(self);
        }
        let bounds =
            slice::Bounds::new(range.start.map(|it| &it.value), range.end.map(|it| &it.value))?;
        slice::of(&self, &bounds)
    }

    // Assignments are calls of natives (see `instrument`), so that jaq never asks for these.
    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(failure("this cannot be assigned to").into())
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: &Self,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(failure("this cannot be assigned to").into())
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: Range<&Self>,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(failure("this cannot be assigned to").into())
    }

    fn as_bool(&self) -> bool {
        !matches!(self.value, Value::Null | Value::Bool(false))
    }

    fn into_string(self) -> Self {
        match self.value {
            Value::TStr(_) => self,
            value => Self::string(text::json(&value).unwrap_or_default()),
        }
    }
}

/// A computed number: whole where it is whole, as far as every whole number has a float.
pub(super) fn normal(number: f64) -> Num {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Num::Int(number as isize);
    }
    Num::Float(number)
}

/// What jaq's library of mathematics asks for.
impl jaq_std::ValT for Item {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match &self.value {
            Value::Arr(all) => Ok(all.iter().map(|it| self.inner(it.clone())).collect()),
            _ => Err(self),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self.value, Value::Num(Num::Int(_) | Num::BigInt(_)))
    }

    fn as_isize(&self) -> Option<isize> {
        match &self.value {
            Value::Num(it) => it.as_isize(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        self.as_number()
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self.value, Value::TStr(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match &self.value {
            Value::TStr(it) => Some(it),
            _ => None,
        }
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::string(String::from_utf8_lossy(part))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::string(String::from_utf8_lossy(bytes.as_ref()))
    }
}

impl std::fmt::Display for Item {
    /// As in messages: long values are cut. Errors that are values are printed by who reports
    /// them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text::shown(&self.value))
    }
}

impl From<bool> for Item {
    fn from(value: bool) -> Self {
        Self::flat(Value::Bool(value))
    }
}

impl From<isize> for Item {
    fn from(value: isize) -> Self {
        Self::flat(Value::Num(Num::Int(value)))
    }
}

impl From<usize> for Item {
    fn from(value: usize) -> Self {
        Self::flat(Value::Num(Num::from_integral(value)))
    }
}

impl From<f64> for Item {
    fn from(value: f64) -> Self {
        Self::number(normal(value))
    }
}

impl From<String> for Item {
    fn from(value: String) -> Self {
        let _ = account::bytes(value.len());
        Self::string(value)
    }
}

impl From<Range<Self>> for Item {
    /// The key of a slice in a path.
    fn from(range: Range<Self>) -> Self {
        let bound = |it: Option<Self>| it.unwrap_or_default();
        let bounds = [("start", bound(range.start)), ("end", bound(range.end))];
        let bounds = bounds.map(|(key, bound)| (Self::string(key), bound));
        Self::object(bounds).unwrap_or_default()
    }
}

impl FromIterator<Self> for Item {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        Self::list(items).unwrap_or_default()
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        order::equal(&self.value, &other.value)
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        order::compare(&self.value, &other.value)
    }
}
