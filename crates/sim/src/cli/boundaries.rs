//! Every scenario with one thing going wrong, at every place where it can.

use tessera_sim::{Boundary, Failure, Reference, scenarios};

use super::progress::{Progress, all};

/// So many failures of a scenario are told.
const TOLD_MAX: usize = 10;

/// Runs them; whether all ended as they do when nothing goes wrong.
///
/// # Errors
/// There is no such scenario, or no such place in it.
pub(super) fn run_all(
    only: Option<&str>,
    at: Option<Boundary>,
    every: usize,
    threads: usize,
) -> Result<bool, String> {
    let scripts: Vec<_> =
        scenarios().into_iter().filter(|it| only.is_none_or(|only| it.name == only)).collect();
    if scripts.is_empty() {
        let names: Vec<_> = scenarios().into_iter().map(|script| script.name).collect();
        return Err(format!("there is no such scenario; there are {}", names.join(", ")));
    }
    let mut is_right = true;
    let mut runs = 0;
    say!(
        "{:<14} {:>7} {:>7} {:>5} {:>7} {:>8} {:>6} {:>6}",
        "SCENARIO",
        "COMMITS",
        "ACTIONS",
        "TURNS",
        "ENGINE",
        "MESSAGES",
        "RUNS",
        "FAILED"
    );
    for script in scripts {
        let name = script.name.clone();
        match Reference::of(script) {
            Ok(reference) => match at {
                Some(at) if !reference.boundaries().contains(&at) => {
                    return Err(format!(
                        "{name} has no {at}; the table of --boundaries says how many it has of each"
                    ));
                }
                Some(at) => (runs, is_right) = (runs + 1, one(&reference, at) && is_right),
                None => {
                    let (count, failed) = every_boundary(&reference, every, threads);
                    (runs, is_right) = (runs + count, is_right && failed == 0);
                }
            },
            Err(failure) => {
                say!("{name}: it fails when nothing goes wrong\n{failure}");
                is_right = false;
            }
        }
    }
    say!("{runs} runs");
    Ok(is_right)
}

fn one(reference: &Reference, at: Boundary) -> bool {
    let (trace, end) = match reference.compare(at) {
        Ok(outcome) => (outcome.trace, None),
        Err(failure) => (failure.trace, Some(failure.what)),
    };
    trace.iter().for_each(|line| say!("{line}"));
    say!("{} {at}: {}", reference.name(), end.as_deref().unwrap_or("it ends as it should"));
    end.is_none()
}

/// How many runs, and how many of them ended otherwise.
fn every_boundary(reference: &Reference, every: usize, threads: usize) -> (usize, usize) {
    let boundaries: Vec<_> = reference.boundaries().into_iter().step_by(every).collect();
    let mut failures: Vec<(Boundary, Failure)> = Vec::new();
    let mut progress = Progress::of(reference.name(), boundaries.len());
    all(
        boundaries.len(),
        threads,
        |i| reference.compare(boundaries[i]),
        |i, ran| {
            progress.one(ran.is_ok());
            failures.extend(ran.err().map(|failure| (boundaries[i], failure)));
        },
    );
    progress.over();
    let counts = &reference.outcome().counts;
    say!(
        "{:<14} {:>7} {:>7} {:>5} {:>7} {:>8} {:>6} {:>6}",
        reference.name(),
        counts.commits,
        counts.actions.iter().sum::<u64>(),
        counts.runs.iter().sum::<u64>(),
        counts.engine,
        counts.messages,
        boundaries.len(),
        failures.len(),
    );
    for (at, failure) in failures.iter().take(TOLD_MAX) {
        say!("  {}", failure.what);
        say!("  replay: cargo xtask sim --boundaries --scenario {} --at {at}", reference.name());
    }
    (boundaries.len(), failures.len())
}
