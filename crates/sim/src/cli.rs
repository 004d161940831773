//! The command line: many seeds on all cores, or one with its whole trace.
//!
//! The one idea: what is printed of a failure is the command that shows it again.

/// Prints a line. Whoever reads it may have gone, as `head` does: the exit code is told all the same.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

mod boundaries;
mod progress;
mod seeds;

use std::ops::RangeInclusive;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use tessera_sim::{ActSet, Boundary, Config, Selection, run};
use tessera_types::Duration;

use self::seeds::Many;

/// Seeds of one command, at most.
const SEEDS_MAX: u64 = 1 << 32;
/// Threads, at most.
const THREADS_MAX: u64 = 1024;
/// Machines of one run, at most: what is looked at after each step grows with them.
const NODES_MAX: u64 = 64;
/// It was called with what is not there.
const USAGE: u8 = 2;

/// Runs the real decisions of Tessera under a simulated clock, network and disk.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask sim",
    after_help = "Acts are named by a letter and a number, as a trace shows them: o operators, t tenants, f faults, h hosts and definitions, c crashes of the control plane between two of its steps, e what hurts the engine, s what holds it up, m what fails on one machine alone, n messages. `o3,o7-12,n` is one, a range, and all of a class.\n\n`cargo xtask sim --bugs [--seeds-max N] [--bug NAME]...` plants each seeded bug alone, until a seed finds it.\n\nExit codes: 0 all is right, 1 something failed, 2 usage."
)]
pub(crate) struct Args {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = range(1..=SEEDS_MAX))]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 0, value_parser = range(0..=u64::MAX - SEEDS_MAX))]
    from: u64,
    /// How many run at once [default: all cores]
    #[arg(long, value_name = "N", value_parser = range(1..=THREADS_MAX))]
    threads: Option<u64>,
    /// Print a digest of each seed's run, to compare two builds or machines
    #[arg(long, conflicts_with = "boundaries")]
    digest: bool,
    /// Runs this one alone, and prints what happens
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Leaves these acts out
    #[arg(long, value_name = "ACTS", requires = "seed", conflicts_with_all = ["only", "seeds", "from", "boundaries"])]
    without: Option<ActSet>,
    /// Leaves all other acts out
    #[arg(long, value_name = "ACTS", requires = "seed", conflicts_with_all = ["seeds", "from", "boundaries"])]
    only: Option<ActSet>,
    /// So many machines
    #[arg(long, value_name = "N", requires = "seed", conflicts_with_all = ["seeds", "from", "boundaries"], value_parser = range(1..=NODES_MAX))]
    nodes: Option<u64>,
    /// Peace after this time
    #[arg(long, value_name = "TIME", requires = "seed", conflicts_with_all = ["seeds", "from", "boundaries"])]
    until: Option<Duration>,
    /// Do not look for a smaller run when it fails
    #[arg(long)]
    no_shrink: bool,
    /// Runs the scenarios with one thing going wrong, at every place where it can
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed"])]
    boundaries: bool,
    /// Only this scenario
    #[arg(long, value_name = "NAME", requires = "boundaries", conflicts_with_all = ["seeds", "from", "seed"])]
    scenario: Option<String>,
    /// Only this one thing goes wrong, and print what happens
    #[arg(long, value_name = "WHAT:NUMBER", requires = "scenario")]
    at: Option<Boundary>,
    /// Only every Nth place
    #[arg(long, value_name = "N", requires = "boundaries", conflicts_with_all = ["seeds", "from", "seed"], default_value_t = 1, value_parser = range(1..=u64::MAX))]
    every: u64,
}

pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or_else(cores, |threads| threads as usize);
    let is_right = match args.seed {
        Some(seed) => one(&args, seed),
        None if args.boundaries => {
            let every = usize::try_from(args.every).unwrap_or(usize::MAX);
            match boundaries::run_all(args.scenario.as_deref(), args.at, every, threads) {
                Ok(is_right) => is_right,
                Err(misused) => {
                    eprintln!("error: {misused}");
                    return ExitCode::from(USAGE);
                }
            }
        }
        None => {
            let Args { from, seeds, digest, no_shrink, .. } = args;
            Many { from, count: seeds, threads, digest, shrinks: !no_shrink }.run()
        }
    };
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A number in this range.
fn range(range: RangeInclusive<u64>) -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(range)
}

/// One run, with its whole trace.
fn one(args: &Args, seed: u64) -> bool {
    let mut config = Config::of_seed(seed);
    config.tells_all = true;
    config.digests = args.digest;
    config.nodes = args.nodes.unwrap_or(config.nodes);
    config.busy = args.until.unwrap_or(config.busy);
    config.acts = match (&args.without, &args.only) {
        (Some(acts), _) => Selection::Without(acts.clone()),
        (None, Some(acts)) => Selection::Only(acts.clone()),
        (None, None) => Selection::All,
    };
    match run(config.clone()) {
        Ok(outcome) => {
            outcome.trace.iter().for_each(|line| say!("{line}"));
            say!("seed {seed}: {} events, {} commits", outcome.events, outcome.revision);
            if args.digest {
                say!("seed {seed}: {:016x}", outcome.story.digest);
            }
            true
        }
        Err(failure) => {
            seeds::tell(&config, &failure, !args.no_shrink && config.acts == Selection::All);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_a_run_are_read_as_they_are_printed() {
        let mut config = Config::of_seed(17);
        config.acts = Selection::Only("o3,n7-9".parse().unwrap());
        config.busy = Duration::from_secs(43);
        config.nodes = 1;
        let words = config.options().replace('\'', "");
        let args = Args::try_parse_from(["sim"].into_iter().chain(words.split(' '))).unwrap();
        assert_eq!((args.seed, args.nodes, args.until), (Some(17), Some(1), Some(config.busy)));
        assert_eq!(args.only.map(Selection::Only), Some(config.acts));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let all = [
            "--without o1",
            "--seed 1 --from 2",
            "--at commit:1",
            "--seed 1 --only x",
            "--seeds 3 --nodes 1",
            "--seeds 3 --scenario drain",
            "--boundaries --digest",
            "--seeds 0",
            "--every 0 --boundaries",
            "--seed 1 --nodes 0",
            "--threads 0",
            "--seed 1 --nodes 99999",
            "--from 18446744073709551615",
            "--seed 1 --only o3-1",
        ];
        for words in all {
            let args = ["sim"].into_iter().chain(words.split(' '));
            assert!(Args::try_parse_from(args).is_err(), "{words}");
        }
    }
}
