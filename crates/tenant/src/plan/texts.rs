//! Rendered units as files: a line on top says what they are and has a fingerprint of the rest.
//!
//! The one idea: a file tells by itself whether it is as Tessera wrote it. So an earlier rendering is
//! told from an edit without a record of what was rendered.

use tessera_types::Fingerprint;

const HEAD: &str = "# Written by Tessera from the manifest of its tenant: change that. ";

/// What is written for a rendered text.
#[must_use]
pub fn signed(text: &str) -> String {
    format!("{HEAD}{:016x}\n{text}", Fingerprint::of(text))
}

/// Whether this is the line on top of a rendered unit.
#[must_use]
pub fn is_head(line: &str) -> bool {
    line.starts_with(HEAD)
}

/// Whether a file says what [`signed`] once gave.
pub(super) fn is_signed(file: &str) -> bool {
    file.split_once('\n').is_some_and(|(_, text)| signed(text) == file)
}

/// Whether a file is what was left of one that was being written.
pub(super) fn is_scrap(name: &str) -> bool {
    name.starts_with('.')
}

/// Whether a file is one that was kept.
pub(super) fn is_backup(name: &str) -> bool {
    name.contains(".tessera-backup")
}
