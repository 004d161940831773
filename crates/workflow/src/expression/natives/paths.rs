//! Functions that take paths, and those that call their arguments.

use jaq_core::native::bome;
use jaq_core::{Bind, Cv, Exn, Native, RunPtr, ValR, ValX, ValXs};

use super::{Function, Kind, once, values};
use crate::expression::account;
use crate::expression::assign;
use crate::expression::item::{ELEMENT, Failure, Item, failure, limited};
use crate::value::Value;

/// The functions that make an object of so many keys and values, which are their arguments:
/// `{a: 1, b: 2}` in one go, instead of a sum of objects.
pub(in crate::expression) const OBJECTS: [&str; 13] = [
    "!object0",
    "!object1",
    "!object2",
    "!object3",
    "!object4",
    "!object5",
    "!object6",
    "!object7",
    "!object8",
    "!object9",
    "!object10",
    "!object11",
    "!object12",
];

fn objects() -> [RunPtr<Kind>; OBJECTS.len()] {
    [
        object::<0>,
        object::<1>,
        object::<2>,
        object::<3>,
        object::<4>,
        object::<5>,
        object::<6>,
        object::<7>,
        object::<8>,
        object::<9>,
        object::<10>,
        object::<11>,
        object::<12>,
    ]
}

pub(super) fn functions() -> Vec<Function> {
    let function = || Bind::Fun(());
    let value = || Bind::Var(());
    let mut all: Vec<Function> = vec![
        ("_modify", [function(), function()].into(), Native::<Kind>::new(modify)),
        ("_assign", [function(), value()].into(), Native::<Kind>::new(set_all)),
        ("setpath", values(2), Native::<Kind>::new(setpath)),
        ("delpaths", values(1), Native::<Kind>::new(delpaths)),
        ("_getpath", values(1), Native::<Kind>::new(getpath)),
        (
            "_final",
            [function()].into(),
            Native::<Kind>::new(final_run).with_paths(|mut cv| {
                let (body, context) = cv.0.pop_fun();
                let mut last = (Item::default(), Default::default());
                for output in body.paths((context, cv.1)) {
                    match output {
                        Ok(output) => last = output,
                        Err(exception) => return Box::new(std::iter::once(Err(exception))),
                    }
                }
                Box::new(std::iter::once(Ok(last)))
            }),
        ),
    ];
    for (fields, (name, run)) in OBJECTS.into_iter().zip(objects()).enumerate() {
        all.push((name, values(2 * fields), Native::<Kind>::new(run)));
    }
    all
}

/// The last output of a function, or null: what the state of `reduce` becomes.
fn final_run<'a>((mut context, item): Cv<'a, Kind>) -> ValXs<'a, Item> {
    let (body, inner) = context.pop_fun();
    let last = body.run((inner, item)).try_fold(Item::default(), |_, output| output);
    once(last)
}

fn object<'a, const FIELDS: usize>((mut context, _): Cv<'a, Kind>) -> ValXs<'a, Item> {
    let mut fields: [(Item, Item); FIELDS] = std::array::from_fn(|_| {
        let value = context.pop_var();
        (context.pop_var(), value)
    });
    fields.reverse();
    bome(account::work(1).map_err(limited).and_then(|()| Item::object(fields)))
}

fn paths_of<'a>(
    (paths, context): (jaq_core::compile::TermId, super::Closure<'a>),
    root: &Item,
) -> ValX<'a, Vec<Vec<Value>>, Item> {
    let mut found = Vec::new();
    for output in paths.paths((context, (root.clone(), Default::default()))) {
        let (_, path) = output?;
        let mut keys: Vec<Value> = path.iter().map(|key| key.value.clone()).collect();
        keys.reverse();
        let taken = account::work(8).and_then(|()| account::bytes(ELEMENT * (keys.len() + 2)));
        taken.map_err(limited)?;
        found.push(keys);
    }
    Ok(found)
}

fn modify<'a>((mut context, root): Cv<'a, Kind>) -> ValXs<'a, Item> {
    let (update, update_context) = context.pop_fun();
    let paths = context.pop_fun();
    let changed = paths_of(paths, &root).and_then(|paths| {
        let mut root = root;
        let mut emptied = Vec::new();
        for path in paths {
            let mut empty = false;
            let is_slice = matches!(path.last(), Some(Value::Obj(_)));
            root = assign::change(root, &path, &mut |old| {
                // Where nothing comes of a slice, it stays until it is deleted.
                let kept = is_slice.then(|| old.clone());
                let mut outputs = update.run((update_context.clone(), old));
                let first = outputs.next().transpose()?;
                empty = first.is_none();
                Ok(first.or(kept).unwrap_or_default())
            })?;
            if empty {
                emptied.push(Value::Arr(path.into()));
            }
        }
        Ok(if emptied.is_empty() { root } else { assign::delete(root, &emptied)? })
    });
    once(changed)
}

fn set_all<'a>((mut context, root): Cv<'a, Kind>) -> ValXs<'a, Item> {
    let value = context.pop_var();
    let paths = context.pop_fun();
    once(paths_of(paths, &root).and_then(|paths| {
        let mut set =
            |root, path: Vec<Value>| assign::change(root, &path, &mut |_| Ok(value.clone()));
        paths.into_iter().try_fold(root, &mut set)
    }))
}

fn keys(path: &Item) -> Result<&[Value], Failure> {
    path.as_list()
        .map(|it| it.as_slice())
        .ok_or_else(|| failure("Path must be specified as an array"))
}

fn setpath<'a>((mut context, root): Cv<'a, Kind>) -> ValXs<'a, Item> {
    let value = context.pop_var();
    let path = context.pop_var();
    let set = keys(&path)
        .map_err(Exn::from)
        .and_then(|path| assign::change(root, path, &mut |_| Ok(value.clone())));
    once(set)
}

fn getpath<'a>((mut context, root): Cv<'a, Kind>) -> ValXs<'a, Item> {
    let path = context.pop_var();
    bome(keys(&path).and_then(|path| assign::get(&root, path)))
}

fn delpaths<'a>((mut context, root): Cv<'a, Kind>) -> ValXs<'a, Item> {
    let paths = context.pop_var();
    let delete = |paths: Item| -> ValR<Item> {
        let all = paths.as_list().ok_or_else(|| failure("Paths must be specified as an array"))?;
        assign::delete(root, all)
    };
    bome(delete(paths))
}
