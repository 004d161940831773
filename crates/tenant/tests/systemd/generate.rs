//! Expressions as people write them, with the slips that they make, and some that nobody would.

use jiff::{Timestamp, ToSpan};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Expressions one after the other, the same at every run.
pub(crate) struct Expressions {
    runner: TestRunner,
    strategy: BoxedStrategy<String>,
}

impl Expressions {
    pub(crate) fn new() -> Self {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let runner = TestRunner::new_with_rng(Config::default(), rng);
        Self { runner, strategy: maybe_mutated().boxed() }
    }

    pub(crate) fn next(&mut self) -> String {
        self.strategy.new_tree(&mut self.runner).expect("nothing is filtered").current()
    }
}

/// From which time a batch is looked at: near the changes of clocks, ends of months and leap days.
pub(crate) fn base_time(batch: usize) -> Timestamp {
    let bases = [
        "2026-03-07T23:50:00Z",
        "2026-11-21T12:00:00Z",
        "2026-03-28T20:10:01Z",
        "2024-02-28T10:00:00Z",
        "2026-10-03T14:59:59Z",
        "2027-12-31T23:59:58Z",
        "1999-12-31T00:00:00Z",
    ];
    let base: Timestamp = bases[batch % bases.len()].parse().unwrap();
    base.checked_add((batch as i64 * 37).minutes()).unwrap()
}

fn maybe_mutated() -> impl Strategy<Value = String> {
    let edits = prop_oneof![6 => Just(0..1usize), 3 => Just(1..2), 1 => Just(2..4)];
    (expression(), edits.prop_flat_map(|count| vec(edit(), count))).prop_map(|(mut text, edits)| {
        edits.into_iter().for_each(|edit| edit.apply(&mut text));
        text
    })
}

/// A slip of the fingers.
#[derive(Debug, Clone)]
struct Edit {
    at: prop::sample::Index,
    insert: Option<char>,
    delete: bool,
}

fn edit() -> impl Strategy<Value = Edit> {
    let letters: Vec<char> = "0123456789-*:/.,~ MonTueUTCad".chars().collect();
    (any::<prop::sample::Index>(), prop::option::of(select(letters)), any::<bool>())
        .prop_map(|(at, insert, delete)| Edit { at, insert, delete })
}

impl Edit {
    fn apply(&self, text: &mut String) {
        let at = self.at.index(text.len() + 1);
        if self.delete && at < text.len() {
            text.remove(at);
        }
        if let Some(letter) = self.insert {
            text.insert(at, letter);
        }
    }
}

fn expression() -> impl Strategy<Value = String> {
    let parts = (
        prop::option::weighted(0.4, weekdays()),
        prop::option::weighted(0.7, date()),
        prop::option::weighted(0.8, time()),
    );
    let body = parts.prop_map(|(weekdays, date, time)| {
        let parts: Vec<String> = [weekdays, date, time].into_iter().flatten().collect();
        if parts.is_empty() { "*-*-*".to_owned() } else { parts.join(" ") }
    });
    let body = prop_oneof![12 => body, 1 => shorthand(), 1 => instant()];
    (body, zone()).prop_map(|(body, zone)| body + zone)
}

fn shorthand() -> impl Strategy<Value = String> {
    let words = vec![
        "minutely",
        "hourly",
        "daily",
        "Weekly",
        "MONTHLY",
        "quarterly",
        "semiannually",
        "bi-annually",
        "yearly",
        "annually",
        "anually",
        "dayly",
        "semi-annually",
        "biannually",
    ];
    select(words).prop_map(str::to_owned)
}

fn instant() -> impl Strategy<Value = String> {
    (0..8_000_000_000u64).prop_map(|seconds| format!("@{seconds}"))
}

fn zone() -> impl Strategy<Value = &'static str> {
    let named = vec![
        " UTC",
        " utc",
        " America/New_York",
        " Europe/Berlin",
        " Australia/Lord_Howe",
        " Zulu",
        " America/Havana",
        " America/Nope",
        " europe/berlin",
        " Asia/Kolkata",
    ];
    prop_oneof![3 => Just(""), 2 => select(named)]
}

fn weekdays() -> impl Strategy<Value = String> {
    let names = vec![
        "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "monday", "Tuesday", "WED", "Thursday",
        "friday", "Saturday", "sunday",
    ];
    let item = (select(names.clone()), prop::option::weighted(0.3, select(names)), any::<bool>());
    let item = item.prop_map(|(from, to, dots)| match to {
        Some(to) => format!("{from}{}{to}", if dots { ".." } else { "-" }),
        None => from.to_owned(),
    });
    vec(item, 1..4).prop_map(|items| items.join(","))
}

fn date() -> impl Strategy<Value = String> {
    let year = chain(prop_oneof![4 => 2020..2035u32, 1 => 0..2300u32].boxed(), 4);
    let month = chain((0..14u32).boxed(), 2);
    let day = chain(prop_oneof![5 => 1..32u32, 1 => 0..40u32].boxed(), 2);
    let separator = prop_oneof![5 => Just('-'), 1 => Just('~')];
    (prop::option::weighted(0.7, year), month, separator, day).prop_map(
        |(year, month, separator, day)| {
            let year = year.map_or_else(String::new, |year| format!("{year}-"));
            format!("{year}{month}{separator}{day}")
        },
    )
}

fn time() -> impl Strategy<Value = String> {
    let hour = chain(prop_oneof![8 => 0..24u32, 1 => 0..30u32].boxed(), 2);
    let minute = chain(prop_oneof![8 => 0..60u32, 1 => 0..70u32].boxed(), 2);
    let second = chain(prop_oneof![8 => 0..60u32, 1 => 0..70u32].boxed(), 2);
    let fraction = prop::option::weighted(0.15, "\\.[0-9]{1,9}");
    let second = (second, fraction).prop_map(|(second, fraction)| match fraction {
        Some(fraction) if !second.contains('*') => second + &fraction,
        _ => second,
    });
    (hour, minute, prop::option::of(second)).prop_map(|(hour, minute, second)| {
        let second = second.map_or_else(String::new, |second| format!(":{second}"));
        format!("{hour}:{minute}{second}")
    })
}

/// A field: every value, or values, ranges and steps.
fn chain(number: BoxedStrategy<u32>, width: usize) -> impl Strategy<Value = String> {
    let written = (number, any::<bool>()).prop_map(move |(number, padded)| {
        if padded { format!("{number:0width$}") } else { number.to_string() }
    });
    let written = written.boxed();
    let single = written.clone();
    let range = (written.clone(), written.clone()).prop_map(|(from, to)| {
        let (low, high): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
        if low <= high || high % 5 == 0 { format!("{from}..{to}") } else { format!("{to}..{from}") }
    });
    let base = prop_oneof![3 => single, 2 => range];
    let step = prop::option::weighted(0.3, prop_oneof![5 => 1..8u32, 1 => 0..70u32]);
    let component = (base, step).prop_map(|(base, step)| match step {
        Some(step) => format!("{base}/{step}"),
        None => base,
    });
    let components = vec(component, 1..4).prop_map(|items| items.join(","));
    prop_oneof![3 => Just("*".to_owned()), 2 => written, 3 => components]
}
