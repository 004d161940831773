//! The way from a document's root to a value, as people write it: `spec.ports[2].name`.

use std::fmt::Write as _;

use crate::tree::{Entry, Node, Value};

/// One step down: a key of a map or an index of a list.
#[derive(Debug, Clone, Copy)]
enum Step<'t> {
    Key(&'t str),
    Index(usize),
}

/// The path of `target`, which is told apart from equal values by its address, below `root`.
pub(crate) fn path_of(root: &Node, target: &Node) -> Option<String> {
    let mut steps = Vec::new();
    find(root, target, &mut steps).then(|| display(&steps))
}

fn find<'t>(node: &'t Node, target: &Node, steps: &mut Vec<Step<'t>>) -> bool {
    if std::ptr::eq(node, target) {
        return true;
    }
    for (step, child) in steps_below(node) {
        steps.push(step);
        if find(child, target, steps) {
            return true;
        }
        steps.pop();
    }
    false
}

fn steps_below(node: &Node) -> impl Iterator<Item = (Step<'_>, &Node)> {
    let elements = node.elements().iter().enumerate();
    let entries = node.entries().iter();
    let elements = elements.map(|(index, element)| (Step::Index(index), element));
    elements.chain(entries.map(|entry| (Step::Key(&entry.key), &entry.value)))
}

fn display(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        let _ = match step {
            Step::Index(index) => write!(path, "[{index}]"),
            Step::Key(key) if path.is_empty() => write!(path, "{}", shown(key)),
            Step::Key(key) => write!(path, ".{}", shown(key)),
        };
    }
    path
}

/// A key as it stands in a path: quoted if it could be taken for more than one step.
fn shown(key: &str) -> String {
    let plain =
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/'));
    if plain { key.to_owned() } else { format!("{key:?}") }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'t> {
    /// The last value on the way that exists.
    pub(crate) node: &'t Node,
    /// Its entry, if it stands under a key.
    pub(crate) entry: Option<&'t Entry>,
    /// Whether the whole path exists.
    pub(crate) complete: bool,
}

/// Follows `path` from `root` as far as it goes. A key may be quoted or not: where a dot could be
/// part of a key or end it, the longest key wins.
pub(crate) fn follow<'t>(root: &'t Node, path: &str) -> Found<'t> {
    descend(Found { node: root, entry: None, complete: path.is_empty() }, path)
}

fn descend<'t>(from: Found<'t>, path: &str) -> Found<'t> {
    if path.is_empty() {
        return Found { complete: true, ..from };
    }
    let from = Found { complete: false, ..from };
    match &from.node.value {
        Value::Map(entries) => match longest_key(entries, path) {
            Some((entry, rest)) => {
                descend(Found { node: &entry.value, entry: Some(entry), complete: false }, rest)
            }
            None => from,
        },
        Value::Seq(elements) => {
            match index(path).and_then(|(at, rest)| Some((elements.get(at)?, rest))) {
                Some((element, rest)) => {
                    descend(Found { node: element, entry: None, complete: false }, rest)
                }
                None => from,
            }
        }
        _ => from,
    }
}

fn longest_key<'t, 'p>(entries: &'t [Entry], path: &'p str) -> Option<(&'t Entry, &'p str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    let matching = entries.iter().filter_map(|entry| {
        let rest = rest_after(path, &entry.key).or_else(|| rest_after(path, &shown(&entry.key)))?;
        Some((entry, rest))
    });
    matching.min_by_key(|(_, rest)| rest.len())
}

/// What follows `key` in `path`, if the key ends there.
fn rest_after<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(key)?;
    (!key.is_empty() && (rest.is_empty() || rest.starts_with(['.', '[']))).then_some(rest)
}

/// The index at the start of a path, as `[2]` or `.2`, and what follows.
fn index(path: &str) -> Option<(usize, &str)> {
    let digits = path.strip_prefix('[').or_else(|| path.strip_prefix('.')).unwrap_or(path);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let index = digits[..end].parse().ok()?;
    let rest = &digits[end..];
    Some((index, rest.strip_prefix(']').unwrap_or(rest)))
}
