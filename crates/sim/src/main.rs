//! Runs seeds from the command line: `tessera-sim FROM COUNT`.

use std::process::ExitCode;

use tessera_sim::{Config, run};

fn main() -> ExitCode {
    if let Some(code) = tessera_sim::bugs::command(std::env::args().skip(1)) {
        return code;
    }
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().unwrap_or(0));
    let (from, count) = (args.next().unwrap_or(0), args.next().unwrap_or(1));
    let mut failed = 0;
    for seed in from..from + count {
        match run(Config::of_seed(seed)) {
            Ok(outcome) if count == 1 => {
                outcome.trace.iter().for_each(|line| println!("{line}"));
                println!("seed {seed}: {} events, {} commits", outcome.events, outcome.revision);
            }
            Ok(_) => {}
            Err(failure) if count == 1 => {
                println!("{failure}");
                failed += 1;
            }
            Err(failure) => {
                println!("seed {seed}: {}", failure.what);
                failed += 1;
            }
        }
    }
    println!("{} passed, {failed} failed", count - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
