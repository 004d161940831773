//! The real binaries under a random schedule of faults: programs are killed and frozen,
//! connections cut and stalled, disks filled, while people work with the system; and what must
//! hold is read off it, by witnesses that know nothing of it.
//!
//! The one idea: nothing here asks Tessera whether Tessera is right. What operators were told
//! (`life`), what a watcher saw (`watcher`), what the programs of workloads wrote (`witness`),
//! what processes there are (`patrol`) and what an outside server was asked (`effects`) are held
//! against each other and against what the API says in the end (`checks`).
//!
//! The schedule is a function of the seed (`schedule`); what the machine makes of it is not.
//! `cargo xtask chaos` builds everything and runs this.

mod capacity;
mod checks;
mod dice;
mod disk;
mod effects;
mod fate;
mod findings;
#[cfg(test)]
mod fixture;
mod life;
mod link;
mod patrol;
mod run;
mod schedule;
mod service;
mod system;
mod watcher;
mod witness;

use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::run::Wanted;
use crate::witness::Witness;

/// Hurts the real binaries, and looks at what becomes of them
#[derive(Parser)]
#[command(name = "tessera-chaos", version, max_term_width = 100)]
#[command(after_help = "\
Exit codes:
  0    Nothing is wrong.
  1    Something is wrong, and is named; the state folders and logs are kept.
  2    The command line is wrong.
  130  It was interrupted; nothing is left.")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How long things go wrong, in minutes; finding out what became of it takes longer
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// What the schedule is made of; another each time unless given
    #[arg(long)]
    seed: Option<u64>,
    /// Where the report goes
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only print the schedule
    #[arg(long)]
    schedule: bool,
    /// Start a copy that nobody wants, to see that it is seen
    #[arg(long, hide = true)]
    plant: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// The program of workloads
    #[command(hide = true)]
    Witness(Witness),
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Witness(witness)) = arguments.command {
        return witness.run();
    }
    if !(0.01..=24.0 * 60.0).contains(&arguments.minutes) {
        eprintln!("error: --minutes is between 0.01 and 1440");
        return ExitCode::from(2);
    }
    let wanted = Wanted {
        seed: arguments.seed.unwrap_or_else(|| RandomState::new().hash_one(0u8) % 1_000_000),
        length: Duration::from_secs_f64(arguments.minutes * 60.0),
        json: arguments.json,
        plant: arguments.plant,
    };
    if arguments.schedule {
        return match print_schedule(&wanted) {
            // Whoever reads it may have read enough, as `head` does.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                eprintln!("error: the schedule cannot be printed: {error}");
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        };
    }
    // Now, and not when all is over.
    if let Some(path) = &wanted.json
        && let Err(error) = std::fs::File::create(path)
    {
        eprintln!("error: --json {}: {error}", path.display());
        return ExitCode::from(2);
    }
    disk::enter_namespace(std::env::args_os().skip(1));
    match carry_out(&wanted) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_schedule(wanted: &Wanted) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "seed {}", wanted.seed)?;
    for entry in schedule::schedule(wanted.seed, wanted.length) {
        writeln!(out, "{entry}")?;
    }
    Ok(())
}

#[tokio::main]
async fn carry_out(wanted: &Wanted) -> anyhow::Result<ExitCode> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    // What people do is asked for by closures, whose futures stay on one thread.
    let people = tokio::task::LocalSet::new();
    let report = tokio::select! {
        report = people.run_until(Box::pin(run::run(wanted))) => report?,
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(130)),
        _ = terminate.recv() => return Ok(ExitCode::from(130)),
    };
    if let Some(path) = &wanted.json {
        report.write(path)?;
    }
    println!(
        "{}",
        if report.is_clean { "every promise was kept" } else { "not every promise was kept" }
    );
    Ok(if report.is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
