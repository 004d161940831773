//! Regular expressions.
//!
//! The one idea: the engine takes time linear in the text for a search, unlike jq's; what it lacks
//! for that (look-around, back-references) is refused when the pattern is compiled. Each
//! thread keeps the last few patterns, since they are usually applied in a loop: a pure memo, and
//! an evaluation pays for each pattern whether it was kept from another or not.

use std::cell::RefCell;
use std::rc::Rc;

use jaq_core::ValR;
use regex_automata::Span;
use regex_automata::util::syntax;

use super::{Run, text_of, three, values};
use crate::expression::account::Limit;
use crate::expression::item::{Failure, Item, failure, limited};
use crate::expression::pattern::{Found, Pattern};
use crate::expression::text::in_quotes;
use crate::expression::{account, limits};
use crate::value::Value;

pub(super) fn functions() -> Vec<Run> {
    vec![
        ("_match", values(2), |cv| three(cv, |it, pattern, flags| matches(&it, &pattern, &flags))),
        ("_test", values(2), |cv| three(cv, |it, pattern, flags| test(&it, &pattern, &flags))),
        ("_pieces", values(2), |cv| three(cv, |it, pattern, flags| pieces(&it, &pattern, &flags))),
    ]
}

struct Search<'t> {
    text: &'t str,
    pattern: Rc<Pattern>,
    global: bool,
    skip_empty: bool,
}

/// How many patterns are kept: an expression has a few.
const KEPT: usize = 8;

thread_local! {
    static COMPILED: RefCell<Vec<(String, Rc<Pattern>)>> = const { RefCell::new(Vec::new()) };
    /// The patterns that an evaluation has paid for, as many as are kept.
    static PAID: RefCell<(u64, Vec<String>)> = const { RefCell::new((0, Vec::new())) };
}

impl<'t> Search<'t> {
    fn new(item: &'t Item, pattern: &Item, flags: &Item) -> Result<Self, Failure> {
        let refused =
            |it: &Item| format!("{} cannot be matched, as it is not a string", it.described());
        let text = item.as_text()?.ok_or_else(|| failure(refused(item)))?;
        if text.len() > limits::REGEX_TEXT {
            return Err(failure(format_args!(
                "a text of {} bytes is too long for a regular expression; {} are the most",
                text.len(),
                limits::REGEX_TEXT
            )));
        }
        let pattern = pattern.as_text()?.ok_or_else(|| failure(refused(pattern)))?;
        let flags = match &flags.value {
            Value::Null => "",
            _ => text_of(flags, "the flags of a regular expression are a string")?,
        };
        let known = |it: &char| "gimnpslx".contains(*it);
        if let Some(unknown) = flags.chars().find(|it| !known(it)) {
            let flags = if flags.len() > limits::SHOWN { "…" } else { flags };
            return Err(failure(format_args!("{flags} is not a valid modifier string: {unknown}")));
        }
        let has = |flag| flags.contains(flag);
        let (global, skip_empty) = (has('g'), has('n'));
        let pattern = ready(pattern, &has)?;
        pattern.begin();
        Ok(Self { text, pattern, global, skip_empty })
    }

    /// Calls `each` with every match that the flags ask for.
    fn each(
        &self,
        mut each: impl FnMut(&Found, Span) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut at, mut last_end) = (0, None);
        while at <= self.text.len() {
            let found = self.pattern.find(self.text, at).map_err(limited)?;
            let Some(found) = found else { break };
            let Some(whole) = found.first().copied().flatten() else { break };
            if whole.is_empty() && last_end == Some(whole.end) {
                at = self.after(at);
                continue;
            }
            last_end = Some(whole.end);
            at = whole.end;
            if self.skip_empty && whole.is_empty() {
                continue;
            }
            each(&found, whole)?;
            if !self.global {
                break;
            }
        }
        Ok(())
    }

    /// The place behind the character at a place.
    fn after(&self, at: usize) -> usize {
        let next = self.text.get(at..).and_then(|rest| rest.chars().next());
        at + next.map_or(1, char::len_utf8)
    }
}

/// A compiled pattern. `s` and `p` are as in jq: `.` matches line ends with both. `^` and `$` are
/// those of a line, as in jq's engine.
fn ready(pattern: &str, has: &dyn Fn(char) -> bool) -> Result<Rc<Pattern>, Failure> {
    if pattern.len() > limits::PATTERN {
        let most = limits::PATTERN;
        return Err(failure(format_args!("a regular expression may have {most} bytes")));
    }
    let flags: String = "ispx".chars().filter(|it| has(*it)).collect();
    let key = format!("{flags}/{pattern}");
    let is_paid = PAID.with_borrow_mut(|(evaluation, all)| {
        if *evaluation != account::evaluation() {
            *evaluation = account::evaluation();
            all.clear();
        }
        let is_paid = all.contains(&key);
        if !is_paid {
            remember(all, key.clone());
        }
        is_paid
    });
    if !is_paid {
        account::work(64 * pattern.len() as u64).map_err(limited)?;
    }
    let kept = COMPILED.with_borrow(|all| {
        all.iter().find(|(other, _)| *other == key).map(|(_, pattern)| pattern.clone())
    });
    let ready = match kept {
        Some(kept) => kept,
        None => {
            let compiled = Rc::new(compile(pattern, has)?);
            COMPILED.with_borrow_mut(|all| remember(all, (key, compiled.clone())));
            compiled
        }
    };
    if !is_paid {
        account::work(ready.compile_price()).map_err(limited)?;
    }
    Ok(ready)
}

fn remember<T>(all: &mut Vec<T>, one: T) {
    if all.len() >= KEPT {
        all.remove(0);
    }
    all.push(one);
}

fn compile(pattern: &str, has: &dyn Fn(char) -> bool) -> Result<Pattern, Failure> {
    let config = syntax::Config::new()
        .case_insensitive(has('i'))
        .dot_matches_new_line(has('s') || has('p'))
        .multi_line(true)
        .ignore_whitespace(has('x'));
    Pattern::new(pattern, config).map_err(|error| {
        // What is too large has cost as much as what just is not.
        let most = limits::PATTERN_PROGRAM as u64 / limits::PATTERN_BYTES_PER_WORK;
        let _ = account::work(most);
        failure(format_args!("{} is no regular expression: {error}", in_quotes(pattern)))
    })
}

fn test(item: &Item, pattern: &Item, flags: &Item) -> ValR<Item> {
    let search = Search::new(item, pattern, flags)?;
    search.pattern.is_in(search.text).map(Item::from).map_err(limited)
}

fn matches(item: &Item, pattern: &Item, flags: &Item) -> ValR<Item> {
    let search = Search::new(item, pattern, flags)?;
    let mut found = Vec::new();
    let mut offsets = Offsets::new(search.text);
    search.each(|groups, _| {
        found.push(described(&search.pattern, groups, &mut offsets)?);
        Ok(())
    })?;
    Item::list(found).map_err(limited)
}

/// The text around matches and the matches, in turn: text, match, text, …, text.
fn pieces(item: &Item, pattern: &Item, flags: &Item) -> ValR<Item> {
    let search = Search::new(item, pattern, flags)?;
    let mut found = Vec::new();
    let mut offsets = Offsets::new(search.text);
    let mut end = 0;
    search.each(|groups, whole| {
        found.push(Item::part(search.text.get(end..whole.start).unwrap_or_default())?);
        found.push(described(&search.pattern, groups, &mut offsets)?);
        end = whole.end;
        Ok(())
    })?;
    found.push(Item::part(search.text.get(end..).unwrap_or_default())?);
    Item::list(found).map_err(limited)
}

/// From bytes to characters, for places that mostly come in order.
struct Offsets<'t> {
    text: &'t str,
    bytes: usize,
    characters: usize,
}

impl<'t> Offsets<'t> {
    const fn new(text: &'t str) -> Self {
        Self { text, bytes: 0, characters: 0 }
    }

    fn of(&mut self, byte: usize) -> Result<usize, Limit> {
        if byte < self.bytes {
            (self.bytes, self.characters) = (0, 0);
        }
        let between = self.text.get(self.bytes..byte).unwrap_or_default();
        account::walk(between.len())?;
        (self.bytes, self.characters) = (byte, self.characters + between.chars().count());
        Ok(self.characters)
    }
}

fn described(pattern: &Pattern, groups: &Found, offsets: &mut Offsets<'_>) -> ValR<Item> {
    let mut all = groups.iter().zip(pattern.names());
    let whole = all.next().and_then(|(whole, _)| *whole);
    let mut fields = place(whole, offsets)?;
    let mut captures = Vec::new();
    for (group, name) in all {
        let mut fields = place(*group, offsets)?;
        fields.push((Item::string("name"), name.map_or_else(Item::default, Item::string)));
        captures.push(Item::object(fields)?);
    }
    fields.push((Item::string("captures"), Item::list(captures).map_err(limited)?));
    Item::object(fields)
}

fn place(group: Option<Span>, offsets: &mut Offsets<'_>) -> Result<Vec<(Item, Item)>, Failure> {
    let (offset, length, text) = match group {
        Some(span) => {
            let text = offsets.text.get(span.range()).unwrap_or_default();
            let offset = offsets.of(span.start).map_err(limited)?;
            account::walk(text.len()).map_err(limited)?;
            (Item::from(offset), text.chars().count(), Item::part(text)?)
        }
        None => (Item::from(-1_isize), 0, Item::default()),
    };
    Ok(vec![
        (Item::string("offset"), offset),
        (Item::string("length"), Item::from(length)),
        (Item::string("string"), text),
    ])
}
