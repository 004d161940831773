//! `tessera-sim`: runs the simulation from the command line. Exit codes: 0 all that ran was
//! right, 1 something failed, 2 wrong usage.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    if let Some(code) = tessera_sim::bugs::command(std::env::args().skip(1)) {
        return code;
    }
    cli::main()
}
