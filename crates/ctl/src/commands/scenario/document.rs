//! Reading documents from files.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use tessera_manifest::{Problem, code};
use tessera_workflow::reading::{self, LIMITS, Reading, Source, format_of, read};

use crate::context::{Context, tell};
use crate::exit::Exit;
use crate::failure::{Failure, listed, warned};
use crate::style::{Style, Tone};

/// Bytes of a file that are read at most. That a document is too large is said of less.
const READ_MAX: u64 = LIMITS.bytes_max as u64 * 16;

/// Reads the document in a file; `-` is standard input. What is no text is a problem of its own,
/// so that those beside it in a folder are told of as well.
pub(super) fn open(path: &Path) -> Result<Result<Reading, Vec<Problem>>, Failure> {
    let name =
        if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    let bytes = bytes(path)?;
    if bytes.len() as u64 > READ_MAX {
        let message = format!(
            "it has more than {READ_MAX} bytes; a document has at most {}",
            LIMITS.bytes_max
        );
        return Ok(Err(vec![of_file(name, code::TOO_LARGE, message, "is it a workflow?")]));
    }
    let Ok(text) = String::from_utf8(bytes) else {
        let message = "the file is not UTF-8 text".to_owned();
        return Ok(Err(vec![of_file(name, code::SYNTAX, message, "is it a workflow?")]));
    };
    let format = format_of(&name, &text);
    Ok(read(Source::new(name, text), format))
}

/// A problem with a file as a whole.
fn of_file(source_name: String, code: &'static str, message: String, hint: &str) -> Problem {
    Problem {
        code: code.into(),
        message,
        hint: Some(hint.to_owned()),
        source_name,
        line: 1,
        column: 1,
        path: String::new(),
        excerpt: None,
    }
}

/// What is allowed in a document and probably not meant, as people see it.
pub(super) fn warnings(warnings: &[Problem], style: Style) -> String {
    warned(warnings, style)
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
    let shown = path.display();
    String::from_utf8(bytes(path)?).map_err(|_| Failure::usage(format!("{shown} is no UTF-8")))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    // One byte more than is allowed: who reads it says that it is too large.
    let most = READ_MAX + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    let shown = path.display();
    read.map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    Ok(bytes)
}

/// Whether a document is valid, and only says what is not supported here.
pub(super) fn is_only_unsupported(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.code == reading::code::UNSUPPORTED)
}
