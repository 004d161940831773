//! `tesseractl`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tesseractl::main(std::env::args_os())
}
