//! A short run with a fixed seed, so that CI runs what `cargo xtask chaos` runs for long.

use std::process::Command;

/// It has each sort of fault but one or two.
const SEED: &str = "3";
const MINUTES: &str = "0.5";

#[test]
fn nothing_is_wrong_after_half_a_minute_of_faults() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tessera-chaos"));
    let output = command.args(["--seed", SEED, "--minutes", MINUTES]).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    assert!(stdout.contains("looks"), "it has looked at something:\n{stdout}");
}
