//! Reading documents from files.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use tessera_manifest::Problem;
use tessera_workflow::reading::{LIMITS, Reading, Source, code, format_of, read};

use crate::context::{Context, tell};
use crate::exit::Exit;
use crate::failure::{Failure, listed};
use crate::style::Tone;

/// Reads the document in a file; `-` is standard input.
pub(super) fn open(path: &Path) -> Result<Result<Reading, Vec<Problem>>, Failure> {
    let text = text(path)?;
    let name =
        if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    let format = format_of(&name, &text);
    Ok(read(Source::new(name, text), format))
}

/// The documents in a folder, by their names; of a file itself.
pub(super) fn within(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let shown = path.display();
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries =
        entries.map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| is_document(file));
    files.sort();
    match files.is_empty() {
        true => {
            let message = format!("{shown} has no documents (*.yaml, *.yml, *.json)");
            Err(Failure::usage_with(message, "name a file, or another folder"))
        }
        false => Ok(files),
    }
}

/// Whether a file of a folder is meant to be a document.
fn is_document(file: &Path) -> bool {
    let hidden = file.file_name().is_none_or(|it| it.as_encoded_bytes().starts_with(b"."));
    let extension = file.extension().and_then(|it| it.to_str());
    !hidden && extension.is_some_and(|it| ["yaml", "yml", "json"].contains(&it)) && file.is_file()
}

/// Reads a document that can be run; else all that is wrong with it is told.
pub(super) fn readable(context: &Context, path: &Path) -> Result<Reading, Failure> {
    open(path)?.map_err(|problems| {
        tell(&listed(&problems, context.error_style, Tone::Bad));
        Failure::Told(Exit::Usage)
    })
}

/// The text of a file, or of standard input.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // One byte more than a document may have: who reads it says that it is too large.
    let most = LIMITS.bytes_max as u64 * 16 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    let shown = path.display();
    read.map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{shown} is no UTF-8")))
}

/// Whether a document is valid, and only says what is not supported here.
pub(super) fn is_only_unsupported(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.code == code::UNSUPPORTED)
}
