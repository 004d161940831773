//! Whether the simulation can fail: each seeded bug is planted, alone, and the seeds are run
//! until one finds it. Nothing planted, all of them pass.
//!
//! The one idea: a check that no mistake can fail proves nothing. A bug that is not found
//! shows what is not checked, or what does not happen in the life that is simulated.

use std::process::ExitCode;

#[cfg(feature = "bugs")]
mod search;

#[cfg(feature = "bugs")]
pub use search::{Found, clean, find, find_all, find_among, rows, table};

/// How many seeds a bug may take, unless it is said.
pub const SEEDS_MAX: u64 = 200;

/// `tessera-sim bugs …`, if the arguments after the program's name say so.
pub fn command(args: impl IntoIterator<Item = String>) -> Option<ExitCode> {
    let mut args = args.into_iter();
    (args.next()? == "bugs").then(|| report(args))
}

#[cfg(not(feature = "bugs"))]
fn report(_: impl Iterator<Item = String>) -> ExitCode {
    eprintln!(
        "error: there are no bugs in this build; they are compiled in with\n  \
         cargo run --release -p tessera-sim --features bugs -- bugs"
    );
    ExitCode::from(2)
}

#[cfg(feature = "bugs")]
fn report(args: impl Iterator<Item = String>) -> ExitCode {
    match search::Options::read(args) {
        Ok(options) => search::report(&options),
        Err(wrong) => {
            eprintln!(
                "error: {wrong}\n\nusage: tessera-sim bugs [--seeds-max N] [--for-the-guide] [--bug NAME]..."
            );
            ExitCode::from(2)
        }
    }
}
