//! `tessera`: all of Tessera in one program. `tessera up` runs a control plane, an
//! engine and one node; every other command is `tesseractl`'s.

mod ending;
mod engine;
mod hints;
mod up;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tesseractl::Program;

/// What `tessera` is.
const ABOUT: &str = "Tessera: one declarative control plane for a small platform team";

/// All that this program has: `up`, and every command of `tesseractl`.
fn program() -> Program {
    Program { name: "tessera", commands: vec![up::Arguments::command()] }
}

fn main() -> ExitCode {
    // A supervisor of a run is this program, started again.
    if let Some(code) = tessera_agent::supervisor::dispatch(std::env::args_os()) {
        return code;
    }
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match arguments.get(1).and_then(|argument| argument.to_str()) {
        Some("up") => up::main(&up::Arguments::parse_from(&arguments[1..])),
        None | Some("--help" | "-h") => {
            let help = program().command().about(ABOUT).render_help();
            print!("{help}");
            ExitCode::SUCCESS
        }
        Some("--version" | "-V") => {
            println!("tessera {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some(_) => tesseractl::main(&program(), arguments),
    }
}
