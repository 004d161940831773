//! The text of a manifest, and the way from a byte of it to a line and a column.

use crate::problem::Excerpt;
use crate::tree::Span;

/// A manifest as the caller found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's name for messages, or `<stdin>`.
    pub name: String,
    /// The text; a leading byte order mark is skipped.
    pub text: String,
}

impl Source {
    /// A source with this name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// A place in the source as an editor shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// The text without a byte order mark, which only some editors write.
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A source whose lines are indexed.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) name: String,
    text: String,
    line_starts: Vec<usize>,
}

impl Text {
    pub(crate) fn new(source: Source) -> Self {
        let text = match source.text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => source.text,
        };
        let line_starts = line_starts(&text);
        Self { name: source.name, text, line_starts }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The source of a span; empty if the span does not lie on characters of this text.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = self.on_character(offset);
        let line = self.line_of(offset);
        let before = &self.text[self.line_starts[line]..offset];
        Position { line: line + 1, column: before.chars().count() + 1 }
    }

    /// The line in which a span starts, with the part of it that the span covers.
    pub(crate) fn excerpt(&self, span: Span) -> Excerpt {
        let start = self.on_character(span.start);
        let line = self.line_of(start);
        let line_start = self.line_starts[line];
        let line_end = self.line_starts.get(line + 1).map_or(self.text.len(), |&next| next);
        let shown = self.text[line_start..line_end].trim_end_matches(['\n', '\r']);
        let end = self
            .on_character(span.end)
            .clamp(start, line_start + shown.len().max(start - line_start));
        let before = self.text[line_start..start].chars().count();
        let width = self.text[start..end].chars().count();
        Excerpt::new(shown, before, width)
    }

    fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    /// The start of the character at or before `offset`.
    fn on_character(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset.min(self.text.len()))
    }
}

/// Where each line starts. A line ends with a line feed, a carriage return, or both.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends_line = |(index, byte): (usize, &u8)| {
        let ends = *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n'));
        ends.then_some(index + 1)
    };
    std::iter::once(0).chain(bytes.iter().enumerate().filter_map(ends_line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, offset: usize) -> (usize, usize) {
        let position = Text::new(Source::new("t", text)).position(offset);
        (position.line, position.column)
    }

    #[test]
    fn columns_count_characters_and_lines_end_in_any_way() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("äö: x", 6), (1, 5));
        assert_eq!(position("a\r\nb\rc\nd", 3), (2, 1));
        assert_eq!(position("a\r\nb\rc\nd", 5), (3, 1));
        assert_eq!(position("a\r\nb\rc\nd", 7), (4, 1));
        assert_eq!(position("a", 100), (1, 2));
        assert_eq!(position("\u{feff}a: b", 3), (1, 4));
    }

    #[test]
    fn an_offset_inside_a_character_is_that_character() {
        assert_eq!(position("ä", 1), (1, 1));
    }

    #[test]
    fn an_excerpt_covers_the_first_line_of_its_span() {
        let text = Text::new(Source::new("t", "a: 1\n  ä: |\r\n    x\n"));
        let excerpt = text.excerpt(Span::new(7, 20));
        assert_eq!((excerpt.text.as_str(), excerpt.start, excerpt.width), ("  ä: |", 2, 4));
        let end = text.excerpt(Span::new(1000, 1000));
        assert_eq!((end.text.as_str(), end.start, end.width), ("", 0, 1));
    }
}
