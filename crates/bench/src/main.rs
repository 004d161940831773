//! Measures the real binaries, as they are built for release: each benchmark
//! starts a control plane and an agent of its own in a temporary folder, prints
//! a table, and with `--json FILE` writes what it measured.
//!
//! `cargo xtask bench [NAME]` builds everything and runs this.

mod apply;
mod boundaries;
mod engine;
mod fleet;
mod idle;
mod million;
mod process;
mod report;

use anyhow::{Context, Result, bail};
use report::Report;

const USAGE: &str = "usage: tessera-bench [apply|boundaries|engine|idle|million|restart]… [--json FILE] [--scale WORKLOADS] [--nodes N] [--tesseractl]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut names = Vec::new();
    let mut json = None;
    let mut scale = million::Scale::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => json = args.next(),
            "--scale" => scale.workloads = args.next().context(USAGE)?.parse()?,
            "--nodes" => scale.nodes = Some(args.next().context(USAGE)?.parse()?),
            "--tesseractl" => scale.by_command = true,
            "apply" | "boundaries" | "engine" | "idle" | "million" | "restart" => names.push(arg),
            _ => bail!("{USAGE}"),
        }
    }
    if names.is_empty() {
        names = ["apply", "boundaries", "engine", "idle"].map(str::to_owned).to_vec();
    }
    let mut report = Report::default();
    for name in names {
        match name.as_str() {
            "apply" => apply::run(&mut report).await?,
            "boundaries" => boundaries::run(&mut report).await?,
            "engine" => engine::run(&mut report).await?,
            "million" => million::run(&mut report, scale).await?,
            "restart" => million::restart(&mut report, scale).await?,
            _ => idle::run(&mut report).await?,
        }
    }
    print!("{}", report.table());
    if let Some(path) = json {
        std::fs::write(path, report.json()?)?;
    }
    Ok(())
}
