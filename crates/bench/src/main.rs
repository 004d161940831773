//! Measures the real binaries, as they are built for release: each benchmark
//! starts what it needs in a temporary folder, prints a table, and writes what it
//! measured as JSON, with the machine, the commit, and a baseline of the same run.
//!
//! `cargo xtask bench [NAME]` builds everything and runs this. What the figures
//! were, and what limits them, is in `docs/performance.md`.

mod apply;
mod baseline;
mod benchmark;
mod churn;
mod compare;
mod figures;
mod heartbeats;
mod idle;
mod jobs;
mod load;
mod machine;
mod million;
mod process;
mod program;
mod restart;
mod results;
mod samples;
mod sessions;
mod stage;
mod watch;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use benchmark::{Benchmark, Bound, Context};
use clap::Parser;
use results::Results;
use tokio::signal::unix::{SignalKind, signal};

/// All benchmarks, in the order in which they run.
static BENCHMARKS: &[&Benchmark] = &[
    &million::BENCHMARK,
    &apply::BENCHMARK,
    &churn::BENCHMARK,
    &watch::BENCHMARK,
    &heartbeats::BENCHMARK,
    &restart::BENCHMARK,
    &sessions::BENCHMARK,
    &jobs::BENCHMARK,
    &idle::BENCHMARK,
];

/// Measures Tessera, and compares what was measured.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Args {
    /// Which benchmarks; all of them if none is named
    #[arg(value_name = "NAME", value_parser = benchmark_named)]
    names: Vec<&'static Benchmark>,
    /// How large everything is; the aims are about 1
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// Where the results are written [default: target/bench/COMMIT-TIME.json]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where state is kept; the file system decides how long a commit takes [default: the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Have tesseractl apply the files of `million` and `restart`, and count its time
    #[arg(long)]
    tesseractl: bool,
    /// List the benchmarks with their aims
    #[arg(long, exclusive = true)]
    list: bool,
    /// Compare the results of two runs
    #[arg(long, num_args = 2, value_names = ["A", "B"], exclusive = true)]
    compare: Option<Vec<PathBuf>>,
}

fn benchmark_named(name: &str) -> Result<&'static Benchmark, String> {
    let named = BENCHMARKS.iter().find(|benchmark| benchmark.name == name);
    named.copied().ok_or_else(|| {
        let names: Vec<_> = BENCHMARKS.iter().map(|benchmark| benchmark.name).collect();
        format!("it is one of {}", names.join(", "))
    })
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale > 0.0 && scale <= 10.0 => Ok(scale),
        _ => Err("it is a number above 0 and up to 10".to_owned()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let done = match words.next().as_deref() {
        Some("load") => make_load(words.next(), words.next()).await,
        _ => {
            let args = Args::parse();
            // What was started ends with its owner, and so do the folders.
            tokio::select! {
                done = run(args) => done,
                () = interrupted() => return ExitCode::from(INTERRUPTED),
            }
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a shell says of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// Somebody wants it to end; never where that cannot be heard of.
async fn interrupted() {
    let wanted = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate)] = wanted else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// As a process that a benchmark has started to make load.
async fn make_load(name: Option<String>, setting: Option<String>) -> Result<()> {
    let (name, setting) = name.zip(setting).context("a load has a name and a setting")?;
    let named = BENCHMARKS.iter().find(|benchmark| benchmark.name == name);
    let load = named.and_then(|benchmark| benchmark.load).context("there is no such load")?;
    load(setting).await
}

async fn run(args: Args) -> Result<()> {
    if args.list {
        return say(&list());
    }
    if let Some([before, after]) = args.compare.as_deref() {
        return say(&compare::compare(&Results::read(before)?, &Results::read(after)?));
    }
    let folder = args.folder.unwrap_or_else(std::env::temp_dir);
    let context = Context { scale: args.scale, folder, tesseractl: args.tesseractl };
    let names = if args.names.is_empty() { BENCHMARKS.to_vec() } else { args.names };
    let mut results = Results::begin(&context).await?;
    say(&results.head())?;
    let path = match args.json {
        Some(path) => path,
        None => default_path(&results)?,
    };
    // Before the first, which may take minutes: a place that cannot be written to is told now.
    results.write(&path)?;
    for benchmark in names {
        let table = results.measure(benchmark, &context).await?.table();
        // After each, so that one that fails loses nothing of the others.
        results.write(&path)?;
        say(&table)?;
    }
    say(&format!("\nwritten to {}\n", path.display()))
}

/// Prints it. Who reads it may have gone, as `head` does: that ends the run, and what was measured is written.
fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.context("what was measured cannot be printed")
}

/// Beside the builds.
fn default_path(results: &Results) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).map(Path::to_owned).context("it is in no folder")?;
    let time = results.at.replace(':', "");
    Ok(target.join("bench").join(format!("{}-{time}.json", results.commit.short())))
}

fn list() -> String {
    let mut text = String::new();
    for benchmark in BENCHMARKS {
        text += &format!("{}: {}\n", benchmark.name, benchmark.what);
        for aim in benchmark.aims {
            let (side, bound) = match aim.bound {
                Bound::Under(bound) => ("under", bound),
                Bound::AtLeast(bound) => ("at least", bound),
            };
            let line = format!("  {}: {side} {bound} {}", aim.figure, aim.unit.text());
            text += &format!("{}\n", line.trim_end());
        }
    }
    text
}
