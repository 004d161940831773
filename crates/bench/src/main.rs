//! Measures the real binaries, as they are built for release: each benchmark
//! starts a control plane and an agent of its own in a temporary folder, prints
//! a table, and with `--json FILE` writes what it measured.
//!
//! `cargo xtask bench [NAME]` builds everything and runs this.

mod apply;
mod boundaries;
mod churn;
mod engine;
mod fleet;
mod heartbeats;
mod idle;
mod load;
mod process;
mod report;
mod scale;
mod stage;
mod watch;

use anyhow::{Context, Result, bail};
use report::Report;
use scale::Scale;

const USAGE: &str = "usage: tessera-bench [apply|boundaries|churn|engine|heartbeats|idle|watch]… [--scale PART] [--json FILE]";
const NAMES: [&str; 7] = ["apply", "boundaries", "churn", "engine", "heartbeats", "idle", "watch"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut names = Vec::new();
    let (mut json, mut scale) = (None, Scale::FULL);
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if_eq("load").is_some() {
        return load(args).await;
    }
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => json = args.next(),
            "--scale" => scale = args.next().context("a scale is missing")?.parse()?,
            name if NAMES.contains(&name) => names.push(arg),
            _ => bail!("{USAGE}"),
        }
    }
    if names.is_empty() {
        names = NAMES.map(str::to_owned).to_vec();
    }
    let mut report = Report::default();
    for name in names {
        match name.as_str() {
            "apply" => apply::run(&mut report, scale).await?,
            "boundaries" => boundaries::run(&mut report).await?,
            "churn" => churn::run(&mut report, scale).await?,
            "engine" => engine::run(&mut report).await?,
            "heartbeats" => heartbeats::run(&mut report, scale).await?,
            "watch" => watch::run(&mut report, scale).await?,
            _ => idle::run(&mut report).await?,
        }
    }
    print!("{}", report.table());
    if let Some(path) = json {
        std::fs::write(path, report.json()?)?;
    }
    Ok(())
}

/// As a process that a benchmark has started to make load.
async fn load(mut args: impl Iterator<Item = String>) -> Result<()> {
    let (name, setting) =
        args.next().zip(args.next()).context("a load has a name and a setting")?;
    match name.as_str() {
        "watch" => watch::load(&setting).await,
        _ => bail!("there is no load {name}"),
    }
}
