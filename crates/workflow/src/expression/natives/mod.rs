//! The functions that are not written in jq: those of jq 1.7 that need it, with jq's results, and
//! helpers of the prelude, whose names begin with an underscore.
//!
//! Each counts what it allocates and walks through before it does, see `account`.

mod lists;
mod paths;
mod regex;
mod strings;
mod time;

pub(super) use paths::OBJECTS;

use bytes::Bytes;
use jaq_core::native::bome;
use jaq_core::{Bind, Ctx, Cv, DataT, Exn, Lut, Native, RunPtr, ValR, ValXs};

use super::account;
use super::item::{Item, failure};
use crate::value::Value;

/// jaq's evaluation over our values.
pub(super) struct Kind;

impl DataT for Kind {
    type V<'a> = Item;
    type Data<'a> = &'a Lut<Self>;
}

/// A function by its name, the kinds of its arguments, and what it does.
pub(super) type Function = (&'static str, Box<[Bind]>, Native<Kind>);

type Run = (&'static str, Box<[Bind]>, RunPtr<Kind>);

/// All functions.
pub(super) fn all() -> Vec<Function> {
    let plain = [lists::functions(), strings::functions(), regex::functions(), time::functions()];
    let plain = plain.into_iter().flatten();
    let plain = plain.map(|(name, arguments, run)| (name, arguments, Native::<Kind>::new(run)));
    plain.chain(paths::functions()).chain(core()).chain(mathematics()).chain(ticks()).collect()
}

/// Those of jaq that are about control and paths. They keep nothing and count nothing, but pull
/// from what counts.
fn core() -> impl Iterator<Item = Function> {
    const TAKEN: &[(&str, &str)] = &[
        ("error_empty", "error_empty"),
        ("path", "path"),
        ("path_value", "_path_value"),
        ("range", "_range"),
        ("first", "first"),
        ("limit", "_limit"),
    ];
    jaq_core::funs::<Kind>().filter_map(|(name, arguments, native)| {
        let (_, name) = TAKEN.iter().find(|(theirs, _)| *theirs == name)?;
        Some((*name, arguments, native))
    })
}

/// jq's functions of floats.
const MATHEMATICS: &[&str] = &[
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "copysign",
    "cos",
    "cosh",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "fabs",
    "fdim",
    "fma",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "hypot",
    "j0",
    "j1",
    "ldexp",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "modf",
    "nearbyint",
    "nextafter",
    "pow",
    "rint",
    "scalbln",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "trunc",
    "y0",
    "y1",
];

fn mathematics() -> impl Iterator<Item = Function> {
    jaq_std::extra_funs::<Kind>().filter(|(name, ..)| MATHEMATICS.contains(name))
}

/// The names of the steps that `instrument` puts into expressions, by how many they count.
pub(super) const TICKS: &[(&str, u64)] =
    &[("!1", 1), ("!4", 4), ("!16", 16), ("!64", 64), ("!256", 256), ("!1024", 1024)];

/// Whether a function is one of [`TICKS`].
pub(super) fn is_tick(name: &str) -> bool {
    TICKS.iter().any(|(tick, _)| *tick == name)
}

fn ticks() -> [Function; 6] {
    fn tick<const STEPS: u64>(name: &'static str) -> Function {
        let native = Native::<Kind>::new(|cv: Cv<'_, Kind>| match account::steps(STEPS) {
            Ok(()) => once(Ok(cv.1)),
            Err(_) => once(Err(Exn::halt(0))),
        });
        let native = native.with_paths(|(_, (value, path))| {
            let keys = path.iter().take(super::limits::PATH_LENGTH + 1).count();
            if keys > super::limits::PATH_LENGTH {
                account::exhaust(account::Limit::Path);
            }
            let _ = account::work(keys as u64 / 8);
            match account::steps(STEPS) {
                Ok(()) => Box::new(std::iter::once(Ok((value, path)))),
                Err(_) => Box::new(std::iter::once(Err(Exn::halt(0)))),
            }
        });
        (name, Box::new([]), native)
    }
    [
        tick::<1>("!1"),
        tick::<4>("!4"),
        tick::<16>("!16"),
        tick::<64>("!64"),
        tick::<256>("!256"),
        tick::<1024>("!1024"),
    ]
}

fn once<'a>(result: Result<Item, Exn<'a, Item>>) -> ValXs<'a, Item> {
    Box::new(std::iter::once(result))
}

/// Arguments that are values.
fn values(count: usize) -> Box<[Bind]> {
    vec![Bind::Var(()); count].into()
}

fn one<'a>((_, item): Cv<'a, Kind>, function: impl FnOnce(Item) -> ValR<Item>) -> ValXs<'a, Item> {
    bome(function(item))
}

fn two<'a>(
    (mut context, item): Cv<'a, Kind>,
    function: impl FnOnce(Item, Item) -> ValR<Item>,
) -> ValXs<'a, Item> {
    let argument = context.pop_var();
    bome(function(item, argument))
}

fn three<'a>(
    (mut context, item): Cv<'a, Kind>,
    function: impl FnOnce(Item, Item, Item) -> ValR<Item>,
) -> ValXs<'a, Item> {
    let last = context.pop_var();
    let first = context.pop_var();
    bome(function(item, first, last))
}

/// The text of an item, or the error that a function gives for anything else.
fn text_of<'i>(item: &'i Item, message: &str) -> Result<&'i str, super::item::Failure> {
    item.as_text()?.ok_or_else(|| failure(message))
}

/// The bytes of a text, which are UTF-8, or that error. What looks into them pays for it.
fn bytes_of<'i>(item: &'i Item, message: &str) -> Result<&'i Bytes, super::item::Failure> {
    match &item.value {
        Value::TStr(bytes) => Ok(bytes),
        _ => Err(failure(message)),
    }
}

/// Kept for closures that natives call: the context of one.
type Closure<'a> = Ctx<'a, Kind>;
