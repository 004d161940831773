//! catalog: the titles that the library has, into the lake.
//!
//! The one idea: the work is a function; verbs, exit codes and records of runs are the SDK's. What
//! the titles come from is a file here, `titles.txt`.

use std::path::PathBuf;
use std::{env, fs, io};

use tessera_lifecycle::{Context, Done, Failure, LifecycleApp};

const SOURCE: &str = "titles.txt";

fn main() {
    LifecycleApp::new(run).migration("0001-create-lake", create_lake).main();
}

fn run(context: &Context) -> Result<Done, Failure> {
    let titles = fs::read_to_string(SOURCE)?;
    let rows = titles.lines().filter(|line| !line.is_empty()).count();
    if context.is_dry_run() {
        println!("would bring {rows} titles");
        return Ok(Done::with_rows(0));
    }
    // Replaced as a whole: a reader sees the old one or the new one.
    let target = lake().join("catalog.txt");
    let unfinished = target.with_extension("part");
    fs::write(&unfinished, titles)?;
    fs::rename(&unfinished, &target)?;
    println!("brought {rows} titles");
    Ok(Done::with_rows(rows as u64))
}

fn create_lake(_: &Context) -> io::Result<()> {
    fs::create_dir_all(lake())
}

/// The folder of datasets, from the manifest's folder.
fn lake() -> PathBuf {
    env::var_os("LAKE").unwrap_or_else(|| "../lake".into()).into()
}
