//! Runs seeds with a bug until one fails, several bugs beside each other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tessera_planted::{Bug, with};

use super::SEEDS_MAX;
use crate::{Config, run};

/// What is looked for.
#[derive(Debug)]
pub(super) struct Options {
    seeds_max: u64,
    /// All where empty.
    bugs: Vec<Bug>,
    /// Whether the table is to be as `docs/testing.md` has it.
    for_the_guide: bool,
}

impl Options {
    /// Reads the arguments.
    pub(super) fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { seeds_max: SEEDS_MAX, bugs: Vec::new(), for_the_guide: false };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--seeds-max" => {
                    let text = value()?;
                    let number = text.parse();
                    options.seeds_max = number.map_err(|_| format!("`{text}` is no number"))?;
                }
                "--for-the-guide" => options.for_the_guide = true,
                "--bug" => options.bugs.push(value()?.parse()?),
                _ => return Err(format!("`{arg}` is not known")),
            }
        }
        Ok(options)
    }

    fn bugs(&self) -> &[Bug] {
        if self.bugs.is_empty() { Bug::ALL } else { &self.bugs }
    }
}

/// A seed that fails, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// What did not hold: the first line of it.
    pub what: String,
}

/// The first of so many seeds that fails with this bug, or with none.
#[must_use]
pub fn find(bug: Option<Bug>, seeds: std::ops::Range<u64>) -> Option<Found> {
    let mut seeds = seeds;
    seeds.find_map(|seed| Some(Found { seed, what: failure(bug, seed)? }))
}

/// How a seed fails, if it does. That the product gives up by itself is a failure too.
fn failure(bug: Option<Bug>, seed: u64) -> Option<String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| with(bug, || run(Config::of_seed(seed)))));
    let what = match outcome {
        Ok(Ok(_)) => return None,
        Ok(Err(failure)) => failure.what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            format!("it panics: {}", text.unwrap_or("nobody knows why"))
        }
    };
    Some(what.lines().next().unwrap_or_default().to_owned())
}

/// The same for each of the bugs, on all processors.
#[must_use]
pub fn find_all(bugs: &[Bug], seeds_max: u64) -> Vec<(Bug, Option<Found>)> {
    find_among(bugs, |_| Some(0..seeds_max))
}

/// The same, among the seeds that each bug is said to be found by, if any.
#[must_use]
pub fn find_among(
    bugs: &[Bug],
    seeds: impl Fn(Bug) -> Option<std::ops::Range<u64>> + Sync,
) -> Vec<(Bug, Option<Found>)> {
    let found = beside(bugs.len(), |i| find(Some(bugs[i]), seeds(bugs[i])?));
    bugs.iter().copied().zip(found).collect()
}

/// The first seed that fails with nothing planted.
#[must_use]
pub fn clean(seeds_max: u64) -> Option<Found> {
    let failed = beside(usize::try_from(seeds_max).unwrap_or(usize::MAX), |seed| {
        find(None, seed as u64..seed as u64 + 1)
    });
    failed.into_iter().flatten().next()
}

/// Does so many things on all processors, each on one; gives back what came of them in order.
fn beside<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(count)));
    let take = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                return;
            }
            let result = work(i);
            results.lock().expect("no panic while it is held").push((i, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(take);
        }
    });
    let mut results = results.into_inner().expect("no panic while it is held");
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Looks for all of them, and prints after how many seeds each was found, and by what.
pub(super) fn report(options: &Options) -> ExitCode {
    let begun = std::time::Instant::now();
    // A bug may make the product panic, and its table says so.
    std::panic::set_hook(Box::new(|_| {}));
    let failed = clean(options.seeds_max);
    let results = find_all(options.bugs(), options.seeds_max);
    let _ = std::panic::take_hook();
    print!("{}", if options.for_the_guide { rows(&results) } else { table(&results) });
    let missed = results.iter().filter(|(_, found)| found.is_none()).count();
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} of {} found, in {seconds:.0} s", results.len() - missed, results.len());
    match &failed {
        None => println!("nothing planted, {} seeds pass", options.seeds_max),
        Some(Found { seed, what }) => println!("nothing planted, seed {seed} fails: {what}"),
    }
    if missed == 0 && failed.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// After how many seeds each was found, and by what; a line each.
#[must_use]
pub fn table(results: &[(Bug, Option<Found>)]) -> String {
    let mut lines = vec![line("bug", "breaks", "seeds", "found by")];
    for (bug, found) in results {
        let (seeds, what) = match found {
            Some(found) => ((found.seed + 1).to_string(), clipped(&found.what)),
            None => ("-".to_owned(), format!("NOTHING: {}", bug.about())),
        };
        lines.push(line(bug.name(), &format!("{:?}", bug.promise()), &seeds, &what));
    }
    lines.concat()
}

/// The rows of the table in `docs/testing.md`, with the first words of what each was found by.
#[must_use]
pub fn rows(results: &[(Bug, Option<Found>)]) -> String {
    let row = |(bug, found): &(Bug, Option<Found>)| {
        let (seeds, what) = match found {
            Some(Found { seed, what }) => ((seed + 1).to_string(), first_words(what)),
            None => ("-".to_owned(), "nothing".to_owned()),
        };
        let promise = in_words(&format!("{:?}", bug.promise()));
        format!("| `{bug}` | {promise} | {seeds} | {what} |\n")
    };
    results.iter().map(row).collect()
}

/// As many whole words as a cell has room for, and none that would end it.
fn first_words(what: &str) -> String {
    const WIDTH: usize = 80;
    let what = what.split(['|', '`']).next().unwrap_or_default().trim_end();
    let words = what.split_inclusive(' ').scan(0, |width, word| {
        *width += word.chars().count();
        (*width <= WIDTH).then_some(word)
    });
    words.collect::<String>().trim_end().to_owned()
}

/// `OneCopy` is `one copy`.
fn in_words(name: &str) -> String {
    let apart = name.chars().flat_map(|letter| {
        let blank = letter.is_uppercase().then_some(' ');
        blank.into_iter().chain(letter.to_lowercase())
    });
    apart.collect::<String>().trim_start().to_owned()
}

fn line(bug: &str, promise: &str, seeds: &str, what: &str) -> String {
    format!("{bug:23} {promise:9} {seeds:>5}  {what}\n")
}

/// As much as a line of a terminal has room for.
fn clipped(what: &str) -> String {
    const WIDTH: usize = 110;
    match what.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &what[..end]),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_guide_has_the_first_words() {
        let what = format!("w7 was restarted 4 times, {}", "and then again ".repeat(20));
        let found = Some(Found { seed: 8, what: what.clone() });
        let rows = rows(&[(Bug::EpochUnchecked, found), (Bug::KeyForgotten, None)]);
        let (first, second) = rows.trim_end().split_once('\n').unwrap();
        assert!(
            first.starts_with("| `EpochUnchecked` | one copy | 9 | w7 was restarted"),
            "{first}"
        );
        let words = first.trim_end_matches(" |").rsplit("| ").next().unwrap();
        assert!(what.starts_with(words) && words.len() <= 80, "{words}");
        assert_eq!(second, "| `KeyForgotten` | once | - | nothing |");
    }
}
