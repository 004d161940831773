//! `tesseractl`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tesseractl::main(&tesseractl::Program::tesseractl(), std::env::args_os())
}
