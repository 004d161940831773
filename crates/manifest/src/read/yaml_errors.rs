//! Says what the YAML parser found wrong in the words of the person who wrote the file. The
//! parser's own text stays for the rare cases.

use granit_parser::{ErrorKind, ScanError};

use super::Sink;
use crate::problem::code;
use crate::tree::Span;

pub(super) fn report(sink: &mut Sink<'_>, error: &ScanError) {
    let offset = error.marker().byte_offset().unwrap_or_default();
    let span = Span::new(offset, offset);
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        sink.too_deep(span);
        return;
    }
    if *error.kind() == ErrorKind::MappingValueNotAllowed
        && let Some(text) = text_above(sink.source(), offset)
    {
        sink.report(text, code::SYNTAX, TEXT_AND_MAP, TEXT_OR_MAP);
        return;
    }
    let message = message(error.kind());
    sink.report(span, code::SYNTAX, message, hint(error.kind()));
}

const TEXT_AND_MAP: &str = "text, and keys below it: a value is one of the two";
const TEXT_OR_MAP: &str = "remove the text, or indent the keys below as the one that has the text";

/// The text after a key, where keys that are indented further follow it in the next line: to the
/// parser they are more of the text, and it stumbles over the first `:` of them, at `offset`.
fn text_above(source: &str, offset: usize) -> Option<Span> {
    let start = source[..offset].rfind('\n')? + 1;
    let key = source[start..offset].trim_start();
    if key.contains(": ") {
        return None;
    }
    let indent = offset - start - key.len();
    let above = source[..start].trim_end();
    let line_start = above.rfind('\n').map_or(0, |at| at + 1);
    let line = &above[line_start..];
    let colon = line.find(": ")?;
    let value = line[colon + 2..].trim_start();
    let is_plain = value.starts_with(|it: char| it.is_alphanumeric());
    let is_above = line.len() - line.trim_start().len() < indent;
    let end = line_start + line.len();
    (is_plain && is_above).then(|| Span::new(end - value.len(), end))
}

fn message(kind: &ErrorKind) -> String {
    let text = match kind {
        ErrorKind::TabInIndentation
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => "a tab where YAML needs spaces",
        ErrorKind::UnclosedQuotedScalar => "quoted text is not closed",
        ErrorKind::InvalidQuotedScalarIndent => {
            "quoted text is not closed, or goes on in a line that is not indented"
        }
        ErrorKind::MappingValueNotAllowed => "a `:` where no key can stand",
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => "a key without `:` after it",
        ErrorKind::ExpectedBlockMappingKey => "a line that does not fit the map around it",
        ErrorKind::ExpectedBlockSequenceEntry => "a line that does not fit the list around it",
        ErrorKind::InvalidIndentation => "an indentation that fits nothing above it",
        ErrorKind::ExpectedFlowMappingSeparator => "a `,` or `}` is missing in a map",
        ErrorKind::ExpectedFlowSequenceSeparator => "a `,` or `]` is missing in a list",
        ErrorKind::ExpectedDocumentStart => "text after the end of the document",
        ErrorKind::MisplacedFlowCollectionEnd => "a closing bracket without an opening one",
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => "text after a closing quote",
        ErrorKind::UnknownQuotedScalarEscape => "an unknown escape in quoted text",
        ErrorKind::UnexpectedCharacter { character } => {
            return format!("unquoted text cannot start with `{}`", character.escape_debug());
        }
        ErrorKind::UnclosedFlowCollection { open } => return format!("`{open}` is not closed"),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            return format!("`{open}` is closed by `{close}`");
        }
        other => return other.to_string(),
    };
    text.to_owned()
}

fn hint(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::TabInIndentation
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => "indent with spaces",
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => "close the quote",
        ErrorKind::MappingValueNotAllowed => {
            "check the indentation and the space after each `:`; text that holds `: ` needs quotes"
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            "write `key: value`, with a space after the `:`"
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation => "indent it as the lines that it belongs to",
        ErrorKind::ExpectedDocumentStart => {
            "check the indentation, or start the next document with `---`"
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            "put all of the text in one pair of quotes"
        }
        ErrorKind::UnexpectedCharacter { .. } => "put the text in quotes",
        ErrorKind::UnknownQuotedScalarEscape => r"write \\ for a backslash, or use single quotes",
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::MisplacedFlowCollectionEnd
        | ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. } => "check that each bracket is closed",
        _ => "",
    }
}
