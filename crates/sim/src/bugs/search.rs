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
}

impl Options {
    /// Reads the arguments.
    pub(super) fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { seeds_max: SEEDS_MAX, bugs: Vec::new() };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--seeds-max" => {
                    let text = value()?;
                    let number = text.parse();
                    options.seeds_max = number.map_err(|_| format!("`{text}` is no number"))?;
                }
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

/// The same for each of the bugs, on all processors. The seed that `known` has for a bug, as it
/// found that before, is tried first.
#[must_use]
pub fn find_all(
    bugs: &[Bug],
    known: impl Fn(Bug) -> Option<u64> + Sync,
    seeds_max: u64,
) -> Vec<(Bug, Option<Found>)> {
    let found = beside(bugs.len(), |i| {
        let bug = Some(bugs[i]);
        let again = known(bugs[i]).and_then(|seed| find(bug, seed..seed + 1));
        again.or_else(|| find(bug, 0..seeds_max))
    });
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
    let results = find_all(options.bugs(), |_| None, options.seeds_max);
    let _ = std::panic::take_hook();
    print!("{}", table(&results));
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
