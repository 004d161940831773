//! `tessera`: all of Tessera in one program. `tessera up` runs a control plane
//! and one node; every other command is `tesseractl`'s.

mod hints;
mod up;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

/// What `tessera` prints where it is not told what to do.
const HELP: &str = "\
Tessera: one declarative control plane for a small platform team

Usage: tessera up [OPTIONS]        run a control plane and a node on this machine
       tessera COMMAND [OPTIONS]   any command of tesseractl: apply, get, describe, …

`tessera up --help` and `tessera COMMAND --help` say more.
";

fn main() -> ExitCode {
    // A supervisor of a run is this program, started again.
    if let Some(code) = tessera_agent::supervisor::dispatch(std::env::args_os()) {
        return code;
    }
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match arguments.get(1).and_then(|argument| argument.to_str()) {
        Some("up") => up::main(&up::Arguments::parse_from(&arguments[1..])),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some("--version" | "-V") => {
            println!("tessera {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some(_) => tesseractl::main(arguments),
    }
}
