//! `tessera-sim`: runs the simulation from the command line. Exit codes: 0 all that ran was
//! right, 1 something failed, 2 wrong usage.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
