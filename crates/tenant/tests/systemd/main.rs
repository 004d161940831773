//! Agreement with `systemd-analyze calendar` of the machine, on generated expressions good and bad.
//!
//! Where a later systemd differs from the one whose behaviour is written down (252), it is that
//! one's output which counts; so the test needs the program and says so where it is missing.

#![expect(clippy::disallowed_types, reason = "what is compared with is another program")]

mod generate;

use std::collections::HashSet;
use std::process::Command;

use generate::{Expressions, base_time};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tessera_tenant::calendar::Calendar;

/// How many expressions are compared; a process of systemd's takes a hundred of them.
const EXPRESSIONS: usize = 6000;
const AT_ONCE: usize = 100;
/// How many times after the base are compared.
const TIMES: usize = 4;

/// What one of the two says about an expression.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Refused,
    Means { normalized: String, next: Vec<String> },
}

#[test]
fn expressions_mean_what_they_mean_to_systemd() {
    if !tessera_testkit::part("systemd") {
        return;
    }
    let mut expressions = Expressions::new();
    let (mut good, mut bad) = (0, 0);
    let mut differences = Vec::new();
    for batch in 0..EXPRESSIONS / AT_ONCE {
        let base = base_time(batch);
        let batch: Vec<String> = (0..AT_ONCE).map(|_| expressions.next()).collect();
        for (expression, theirs) in batch.iter().zip(systemd(&batch, base)) {
            let ours = ours(expression, base);
            match &theirs {
                Said::Refused => bad += 1,
                Said::Means { .. } => good += 1,
            }
            // What never fires is no expression for a tenant.
            let never = matches!(&theirs, Said::Means { next, .. } if next.is_empty());
            if never && ours == Said::Refused {
                continue;
            }
            if ours != theirs {
                differences.push(format!("`{expression}` from {base}: {ours:?}, not {theirs:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
    // Of each sort there are thousands.
    assert!(good > 2000 && bad > 1000, "{good} good, {bad} bad");
}

fn ours(expression: &str, base: Timestamp) -> Said {
    let Ok(calendar) = Calendar::parse(expression, jiff::tz::db()) else { return Said::Refused };
    let local = TimeZone::UTC;
    let times = calendar.times_after(base, &local).take(TIMES);
    let next = times.map(|time| time.strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string());
    Said::Means { normalized: calendar.to_string(), next: next.collect() }
}

fn systemd(expressions: &[String], base: Timestamp) -> Vec<Said> {
    let mut command = Command::new("systemd-analyze");
    command.args(["calendar", &format!("--iterations={TIMES}")]);
    command.arg(format!("--base-time={}", base.strftime("%Y-%m-%d %H:%M:%S UTC")));
    let output = command.arg("--").args(expressions).env("TZ", "UTC").output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let refused: HashSet<&str> = errors
        .lines()
        .filter_map(|line| line.strip_prefix("Failed to parse calendar specification '"))
        .map(|line| &line[..line.rfind("': ").unwrap()])
        .collect();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    let said = |expression: &String| match refused.contains(expression.as_str()) {
        true => Said::Refused,
        false => {
            block(blocks.next().unwrap_or_else(|| panic!("no answer to `{expression}`: {errors}")))
        }
    };
    expressions.iter().map(said).collect()
}

/// One answer of systemd's. It shows whole seconds, and where the zone is UTC once.
fn block(text: &str) -> Said {
    let value = |line: &str| line.split_once(": ").map(|(_, value)| value.trim().to_owned());
    let lines = || text.lines().map(str::trim_start);
    let normalized = lines().find(|line| line.starts_with("Normalized form")).and_then(value);
    let is_time = |line: &&str| line.starts_with("Next elapse") || line.starts_with("Iter");
    let next = lines().filter(is_time).filter_map(value).filter(|time| time != "never");
    Said::Means { normalized: normalized.unwrap(), next: next.collect() }
}
