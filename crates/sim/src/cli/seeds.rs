//! Many seeds, and what is told of those that fail.

use std::time::{Duration, Instant};

use tessera_sim::{Config, Failure, run, shrink};

use super::progress::{Progress, all};

/// So many failures are made smaller; of the others there is the command.
const SHRUNK_MAX: usize = 3;
/// So many runs a search for a smaller one may take.
const RUNS_MAX: u32 = 600;
/// Lines of a trace that are shown.
const LINES_MAX: usize = 200;

/// Seeds to run.
pub(super) struct Many {
    pub(super) from: u64,
    pub(super) count: u64,
    pub(super) threads: usize,
    pub(super) digest: bool,
    pub(super) shrinks: bool,
}

/// What a run came to, without its trace.
enum Ran {
    Right { events: u64, commits: u64, digest: u64 },
    Failed(Box<Failure>),
}

impl Many {
    fn config(&self, i: usize) -> Config {
        Config { digests: self.digest, ..Config::of_seed(self.from + i as u64) }
    }

    fn run_one(&self, i: usize) -> Ran {
        match run(self.config(i)) {
            Ok(outcome) => Ran::Right {
                events: outcome.events,
                commits: outcome.revision,
                digest: outcome.story.digest,
            },
            Err(failure) => Ran::Failed(Box::new(failure)),
        }
    }

    /// Runs them; whether all were right.
    pub(super) fn run(&self) -> bool {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let mut sum = Sum { longest: (Duration::ZERO, self.from), ..Sum::default() };
        let mut progress = Progress::of("seeds", count);
        let timed = |i| {
            let begun = Instant::now();
            (self.run_one(i), begun.elapsed())
        };
        all(count, self.threads, timed, |i, (ran, took)| {
            sum.longest = sum.longest.max((took, self.from + i as u64));
            progress.one(matches!(ran, Ran::Right { .. }));
            sum.take_in(i, ran);
        });
        let seconds = progress.seconds();
        progress.over();
        self.tell_all(sum, count, seconds)
    }

    /// Prints what came of them; whether all were right.
    fn tell_all(&self, mut sum: Sum, count: usize, seconds: f64) -> bool {
        if self.digest {
            sum.digests.sort_unstable();
            let digests = sum.digests.iter();
            digests.for_each(|(i, one)| say!("seed {}: {one:016x}", self.from + *i as u64));
        }
        sum.failures.sort_by_key(|(i, _)| *i);
        for (nth, (i, failure)) in sum.failures.iter().enumerate() {
            tell(&self.config(*i), failure, self.shrinks && nth < SHRUNK_MAX);
        }
        let Sum { events, commits, longest: (took, longest), failures, .. } = &sum;
        let (passed, failed) = (count - failures.len(), failures.len());
        let summary = format!(
            "{passed} seeds passed, {failed} failed, in {seconds:.1} s on {} threads: \
             {events} events ({:.0} a second), {commits} commits ({:.0} a second)\n\
             the longest was seed {longest}, with {:.1} s",
            self.threads,
            *events as f64 / seconds,
            *commits as f64 / seconds,
            took.as_secs_f64(),
        );
        // Digests are compared as they are: how long it took is not among them.
        match self.digest {
            true => eprintln!("{summary}"),
            false => say!("{summary}"),
        }
        failures.is_empty()
    }
}

/// What many runs came to.
#[derive(Default)]
struct Sum {
    events: u64,
    commits: u64,
    failures: Vec<(usize, Box<Failure>)>,
    digests: Vec<(usize, u64)>,
    /// How long it took, and which it was.
    longest: (Duration, u64),
}

impl Sum {
    fn take_in(&mut self, i: usize, ran: Ran) {
        match ran {
            Ran::Right { events, commits, digest } => {
                self.events += events;
                self.commits += commits;
                self.digests.push((i, digest));
            }
            Ran::Failed(failure) => self.failures.push((i, failure)),
        }
    }
}

/// Prints how a run fails, made smaller where that is wanted, and how it is shown again.
pub(super) fn tell(config: &Config, failure: &Failure, shrinks: bool) {
    say!("seed {}: {}", failure.seed, failure.what);
    if !shrinks {
        let lines_max = if config.tells_all { usize::MAX } else { LINES_MAX };
        print_trace(&failure.trace, lines_max);
        say!("  replay: cargo xtask sim {}\n", config.options());
        return;
    }
    let shrunk = shrink(config, failure, RUNS_MAX);
    let told = Config { tells_all: true, ..shrunk.config.clone() };
    let failure = run(told).err().unwrap_or(shrunk.failure);
    print_trace(&failure.trace, LINES_MAX);
    say!("  it fails as: {}", failure.what);
    let (acts, runs) = (failure.acts.len(), shrunk.runs);
    say!("  shrunk from {} acts to {acts} in {runs} runs", shrunk.acts_before);
    say!("  replay: cargo xtask sim {}\n", shrunk.config.options());
}

fn print_trace(trace: &[String], lines_max: usize) {
    let left_out = trace.len().saturating_sub(lines_max);
    if left_out > 0 {
        say!("  … {left_out} lines before");
    }
    trace[left_out..].iter().for_each(|line| say!("  {line}"));
}
