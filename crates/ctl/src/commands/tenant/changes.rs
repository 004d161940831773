//! What changes in the texts of a tenant's units, line by line.
//!
//! The one idea: texts are compared as they are and shown without the values of variables, which may
//! be secrets. So a value that changed shows as two lines that read the same.

use std::path::Path;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use tessera_tenant::plan::{Found, Plan, Write, is_head};
use tessera_tenant::registry::unit_of_file;

use super::instance::text_of;

/// How much of what is the same stands around a change.
const CONTEXT_LINES: usize = 3;
/// What stands for a value.
const MASK: &str = "…";

/// How the text of one file changes.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    /// The file.
    pub(super) path: String,
    /// A unified diff, without names of files.
    pub(super) diff: String,
}

/// How the files change that are there and will say something else.
pub(super) fn changes(plan: &Plan) -> Vec<Change> {
    plan.write.iter().filter(|write| write.found != Found::Nothing).filter_map(change).collect()
}

/// None where the file cannot be read any more.
fn change(write: &Write) -> Option<Change> {
    let there = text_of(Path::new(&write.path)).ok()?;
    let name = write.path.rsplit('/').next()?;
    let is_unit = unit_of_file(name).is_some();
    Some(Change { path: write.path.clone(), diff: unified(&there, &write.text, is_unit) })
}

fn unified(there: &str, wanted: &str, is_unit: bool) -> String {
    let there = with_head_of(wanted, there);
    let (masked_there, masked_wanted) = (masked(&there, is_unit), masked(wanted, is_unit));
    let diff = TextDiff::from_lines(there.as_str(), wanted);
    let mut text = String::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT_LINES).iter_hunks() {
        text += &format!("{}\n", hunk.header());
        for change in hunk.iter_changes() {
            let (lines, index) = match change.tag() {
                ChangeTag::Insert => (&masked_wanted, change.new_index()),
                ChangeTag::Delete | ChangeTag::Equal => (&masked_there, change.old_index()),
            };
            let line = index.and_then(|index| lines.get(index)).map_or("", String::as_str);
            text += &format!("{}{line}\n", change.tag());
        }
    }
    text
}

/// With the same line on top, which has a fingerprint of the others and says nothing by itself.
fn with_head_of(wanted: &str, there: &str) -> String {
    match (wanted.split_once('\n'), there.split_once('\n')) {
        (Some((head, _)), Some((other, rest))) if is_head(head) && is_head(other) => {
            format!("{head}\n{rest}")
        }
        _ => there.to_owned(),
    }
}

/// The lines of a file as they are shown.
fn masked(text: &str, is_unit: bool) -> Vec<String> {
    let mut goes_on = false;
    let shown = |line: &str| -> String {
        let (shown, is_secret) = if goes_on {
            (MASK.to_owned(), true)
        } else if is_head(line) {
            (line.to_owned(), false)
        } else if is_unit {
            setting(line)
        } else {
            (assignment(line), true)
        };
        // What ends so goes on in the next line.
        goes_on = is_secret && line.ends_with('\\');
        shown
    };
    text.lines().map(shown).collect()
}

/// A line of a unit, and whether something of it is not shown. It may be a comment.
fn setting(line: &str) -> (String, bool) {
    match line.split_once('=') {
        Some((name, value)) if name.trim_matches(['#', ';', ' ', '\t']) == "Environment" => {
            (format!("{name}={}", assignment(value)), true)
        }
        _ => (line.to_owned(), false),
    }
}

/// `NAME=value` without the value, in whatever quotes.
fn assignment(text: &str) -> String {
    match text.trim_start().trim_start_matches(['"', '\'']).split_once('=') {
        Some((name, _)) => format!("{name}={MASK}"),
        None if text.trim().is_empty() => String::new(),
        None => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tessera_tenant::plan::signed;

    use super::*;

    const UNIT: &str = "[Unit]\nDescription=Tenant circ\n\n[Service]\nType=oneshot\n\
                        ExecStart=/app run\nEnvironment=\"TOKEN=s3cret=1\"\nTimeoutStartSec=60\n";

    #[test]
    fn what_differs_is_shown_with_what_is_around_it() {
        let wanted = signed(&UNIT.replace("=60", "=5"));
        let diff = unified(&signed(UNIT), &wanted, true);
        assert_eq!(
            diff,
            "@@ -6,4 +6,4 @@\n Type=oneshot\n ExecStart=/app run\n Environment=TOKEN=…\n\
             -TimeoutStartSec=60\n+TimeoutStartSec=5\n"
        );
        assert_eq!(unified(&wanted, &wanted, true), "");
    }

    #[test]
    fn no_value_of_a_variable_is_shown() {
        let there = UNIT.replace("s3cret=1", "s3cret one");
        let edited =
            "[Service]\n# Environment = 'A=s3cret' \"B=s3cret\" \\\n  C=s3cret\nType=simple\n";
        for (there, shown) in
            [(there.as_str(), "-Environment=TOKEN"), (edited, "-# Environment =A")]
        {
            let diff = unified(there, UNIT, true);
            assert!(diff.contains(&format!("\n{shown}=…\n")), "{diff}");
            assert!(diff.contains("\n+Environment=TOKEN=…\n"), "{diff}");
            assert!(!diff.contains("s3cret"), "{diff}");
        }
        let diff = unified("# a file\nA=\"s3cret \\\ns3cret\"\ns3cret\n", "A=1s3cret\n\n", false);
        assert!(diff.contains("-A=…\n") && diff.contains("+A=…\n"), "{diff}");
        assert!(!diff.contains("s3cret"), "{diff}");
    }
}
