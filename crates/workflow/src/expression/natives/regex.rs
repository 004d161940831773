//! Regular expressions.
//!
//! The one idea: the engine takes time linear in the text for a search, unlike jq's; what it lacks
//! for that (look-around, back-references) is refused when the pattern is compiled. Each
//! thread keeps the last few patterns, since they are usually applied in a loop: a pure memo.

use std::cell::RefCell;

use jaq_core::ValR;
use regex::{Captures, Regex, RegexBuilder};

use super::{Run, text_of, three, values};
use crate::expression::item::{Failure, Item, failure, limited};
use crate::expression::{account, limits};
use crate::value::Value;

pub(super) fn functions() -> Vec<Run> {
    vec![
        ("_match", values(2), |cv| three(cv, |it, pattern, flags| matches(&it, &pattern, &flags))),
        ("_test", values(2), |cv| three(cv, |it, pattern, flags| test(&it, &pattern, &flags))),
        ("_pieces", values(2), |cv| three(cv, |it, pattern, flags| pieces(&it, &pattern, &flags))),
    ]
}

struct Search {
    regex: Regex,
    global: bool,
    skip_empty: bool,
    /// Work for each 4 KiB of text, more for longer patterns.
    price: u64,
}

/// How many patterns are kept: an expression has a few.
const KEPT: usize = 8;

thread_local! {
    static COMPILED: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
}

fn search(item: &Item, pattern: &Item, flags: &Item) -> Result<(String, Search), Failure> {
    let refused =
        || failure(format_args!("{} cannot be matched, as it is not a string", item.described()));
    let text = item.as_text()?.ok_or_else(refused)?;
    if text.len() > limits::REGEX_TEXT {
        return Err(failure(format_args!(
            "a text of {} bytes is too long for a regular expression; {} are the most",
            text.len(),
            limits::REGEX_TEXT
        )));
    }
    account::bytes(text.len()).map_err(limited)?;
    let refused = format!("{} cannot be matched, as it is not a string", pattern.described());
    let pattern = text_of(pattern, &refused)?;
    let flags = match &flags.value {
        Value::Null => "",
        _ => text_of(flags, "the flags of a regular expression are a string")?,
    };
    Ok((text.to_owned(), Search::new(pattern, flags)?))
}

impl Search {
    fn new(pattern: &str, flags: &str) -> Result<Self, Failure> {
        if let Some(unknown) = flags.chars().find(|it| !"gimnpslx".contains(*it)) {
            return Err(failure(format_args!("{flags} is not a valid modifier string: {unknown}")));
        }
        let has = |flag| flags.contains(flag);
        let key = format!("{flags}/{pattern}");
        let kept = COMPILED.with_borrow(|all| {
            all.iter().find(|(other, _)| *other == key).map(|(_, regex)| regex.clone())
        });
        let regex = match kept {
            Some(regex) => regex,
            None => {
                let regex = compile(pattern, &has)?;
                COMPILED.with_borrow_mut(|all| {
                    if all.len() >= KEPT {
                        all.remove(0);
                    }
                    all.push((key, regex.clone()));
                });
                regex
            }
        };
        let price = limits::WORK_PER_STEP * (1 + pattern.len() as u64 / 16);
        Ok(Self { regex, global: has('g'), skip_empty: has('n'), price })
    }

    fn pay(&self, left: usize) -> Result<(), Failure> {
        let units = limits::WORK_PER_STEP + self.price * (left as u64 / 4096);
        account::work(units).map_err(limited)
    }

    /// Calls `each` with every match that the flags ask for.
    fn each(
        &self,
        text: &str,
        mut each: impl FnMut(&Captures<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.pay(text.len())?;
        for captures in self.regex.captures_iter(text) {
            let whole = captures.get_match();
            self.pay(text.len() - whole.start())?;
            if self.skip_empty && whole.is_empty() {
                continue;
            }
            each(&captures)?;
            if !self.global {
                break;
            }
        }
        Ok(())
    }
}

/// `s` and `p` as in jq: `.` matches line ends with both. `^` and `$` are those of a line, as in
/// jq's engine.
fn compile(pattern: &str, has: &dyn Fn(char) -> bool) -> Result<Regex, Failure> {
    if pattern.len() > limits::PATTERN {
        let most = limits::PATTERN;
        return Err(failure(format_args!("a regular expression may have {most} bytes")));
    }
    account::work(64 * pattern.len() as u64).map_err(limited)?;
    let mut builder = RegexBuilder::new(pattern);
    builder
        .case_insensitive(has('i'))
        .dot_matches_new_line(has('s') || has('p'))
        .multi_line(true)
        .ignore_whitespace(has('x'))
        .nest_limit(50)
        .size_limit(limits::PATTERN_PROGRAM)
        .dfa_size_limit(limits::PATTERN_PROGRAM / 4);
    builder.build().map_err(|error| {
        let error = match &error {
            regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
            other => other.to_string().lines().last().unwrap_or_default().to_owned(),
        };
        failure(format_args!("{pattern:?} is no regular expression: {error}"))
    })
}

fn test(item: &Item, pattern: &Item, flags: &Item) -> ValR<Item> {
    let (text, search) = search(item, pattern, flags)?;
    search.pay(text.len())?;
    Ok(Item::from(search.regex.is_match(&text)))
}

fn matches(item: &Item, pattern: &Item, flags: &Item) -> ValR<Item> {
    let (text, search) = search(item, pattern, flags)?;
    let mut found = Vec::new();
    let mut offsets = Offsets::new(&text);
    search.each(&text, |captures| {
        found.push(described(&search.regex, captures, &mut offsets)?);
        Ok(())
    })?;
    Item::list(found).map_err(limited)
}

/// The text around matches and the matches, in turn: text, match, text, …, text.
fn pieces(item: &Item, pattern: &Item, flags: &Item) -> ValR<Item> {
    let (text, search) = search(item, pattern, flags)?;
    let mut found = Vec::new();
    let mut offsets = Offsets::new(&text);
    let mut end = 0;
    search.each(&text, |captures| {
        let whole = captures.get_match();
        found.push(Item::part(text.get(end..whole.start()).unwrap_or_default())?);
        found.push(described(&search.regex, captures, &mut offsets)?);
        end = whole.end();
        Ok(())
    })?;
    found.push(Item::part(text.get(end..).unwrap_or_default())?);
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

    fn of(&mut self, byte: usize) -> usize {
        if byte < self.bytes {
            return self.text.get(..byte).map_or(0, |before| before.chars().count());
        }
        let between = self.text.get(self.bytes..byte).unwrap_or_default();
        (self.bytes, self.characters) = (byte, self.characters + between.chars().count());
        self.characters
    }
}

fn described(regex: &Regex, captures: &Captures<'_>, offsets: &mut Offsets<'_>) -> ValR<Item> {
    let whole = captures.get_match();
    let mut fields = place(Some((whole.start(), whole.as_str())), offsets)?;
    let mut groups = Vec::new();
    for (group, name) in captures.iter().zip(regex.capture_names()).skip(1) {
        let mut fields = place(group.map(|it| (it.start(), it.as_str())), offsets)?;
        fields.push((Item::string("name"), name.map_or_else(Item::default, Item::string)));
        groups.push(Item::object(fields)?);
    }
    fields.push((Item::string("captures"), Item::list(groups).map_err(limited)?));
    Item::object(fields)
}

fn place(
    group: Option<(usize, &str)>,
    offsets: &mut Offsets<'_>,
) -> Result<Vec<(Item, Item)>, Failure> {
    let (offset, length, text) = match group {
        Some((start, text)) => {
            let offset = offsets.of(start);
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
