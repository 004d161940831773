//! What is wrong with a manifest: one mistake, where it is, and what to do about it.
//!
//! A problem's code is stable and meant for programs; [`code`] lists those that this crate gives.
//! Validation that runs later brings codes of its own through [`crate::Document::problem`].

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::source::Text;
use crate::tree::Span;

/// The codes of the problems that reading and decoding find.
pub mod code {
    /// The text is not well-formed YAML, JSON or TOML.
    pub const SYNTAX: &str = "syntax";
    /// A map has the same key twice.
    pub const DUPLICATE_KEY: &str = "duplicate_key";
    /// A map's key is not text, or a YAML merge is not of maps.
    pub const INVALID_KEY: &str = "invalid_key";
    /// A YAML tag such as `!!str`.
    pub const UNSUPPORTED_TAG: &str = "unsupported_tag";
    /// A YAML alias names an anchor that does not exist before it, or one around it.
    pub const INVALID_ALIAS: &str = "invalid_alias";
    /// A number does not fit in 64 bits, or its readers disagree about its value.
    pub const INVALID_NUMBER: &str = "invalid_number";
    /// The source exceeds its limit of bytes, values, documents or copies through aliases.
    pub const TOO_LARGE: &str = "too_large";
    /// Lists and maps are nested too deeply.
    pub const TOO_DEEP: &str = "too_deep";
    /// The source holds no document.
    pub const NO_DOCUMENTS: &str = "no_documents";
    /// A key that the type does not have.
    pub const UNKNOWN_FIELD: &str = "unknown_field";
    /// A key that the type needs.
    pub const MISSING_FIELD: &str = "missing_field";
    /// A value that is none of a fixed set.
    pub const UNKNOWN_VARIANT: &str = "unknown_variant";
    /// A value of another type than the one needed.
    pub const WRONG_TYPE: &str = "wrong_type";
    /// A value of the right type that is not allowed.
    pub const INVALID_VALUE: &str = "invalid_value";
}

/// One mistake in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What sort of mistake it is, for programs; see [`code`].
    pub code: Cow<'static, str>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The name of the source.
    pub source_name: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The way to the value, as `spec.ports[2].name`; empty for the whole document.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The line of the source concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

impl Text {
    /// A problem with what a span covers. The path is the caller's to add.
    pub(crate) fn problem(
        &self,
        span: Span,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        let position = self.position(span.start);
        Problem {
            code: code.into(),
            message: message.into(),
            hint,
            source_name: self.name.clone(),
            line: position.line,
            column: position.column,
            path: String::new(),
            excerpt: Some(self.excerpt(span)),
        }
    }
}

impl Problem {
    /// Puts problems into the order in which they are read: that of the source, and at the same
    /// place from the outside in.
    pub(crate) fn sort(problems: &mut [Problem]) {
        problems.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
    }

    /// The problem over several lines, with the line of the source and a mark under the place.
    pub fn render(&self) -> String {
        let mut out = format!("error[{}]: {}\n", self.code, self.message);
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let Self { source_name, line, column, .. } = self;
        let _ = writeln!(out, "{gutter}--> {source_name}:{line}:{column}{}", self.shown_path());
        if let Some(excerpt) = &self.excerpt {
            let _ = writeln!(
                out,
                "{gutter} |\n{number} | {}\n{gutter} | {}",
                excerpt.text,
                excerpt.mark()
            );
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "{gutter} = help: {hint}");
        }
        out
    }

    /// The path in parentheses; nothing for the whole document. A key of it may have been written so
    /// that it holds what a terminal would obey.
    fn shown_path(&self) -> String {
        match self.path.chars().map(printable).collect::<String>() {
            path if path.is_empty() => path,
            path => format!(" ({path})"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.source_name, self.line, self.column, self.message)?;
        f.write_str(&self.shown_path())?;
        match &self.hint {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// A line of the source and the part of it that a problem is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The line, or the part of a long line around the place.
    pub text: String,
    /// How many characters of `text` come before the place.
    pub start: usize,
    /// How many characters the place covers; at least one.
    pub width: usize,
}

/// A longer line, such as a whole file of compact JSON, is cut to this many characters.
const EXCERPT_CHARS_MAX: usize = 120;
/// How much of a cut line is shown before the place.
const EXCERPT_CHARS_BEFORE: usize = 40;

impl Excerpt {
    pub(crate) fn new(line: &str, start: usize, width: usize) -> Self {
        let skipped = match line.chars().count() {
            0..=EXCERPT_CHARS_MAX => 0,
            _ => start.saturating_sub(EXCERPT_CHARS_BEFORE),
        };
        let text: String =
            line.chars().skip(skipped).take(EXCERPT_CHARS_MAX).map(printable).collect();
        let start = start - skipped;
        let width = width.clamp(1, EXCERPT_CHARS_MAX.saturating_sub(start).max(1));
        Self { text, start, width }
    }

    /// The line of marks that belongs under the text. Tabs stay tabs, so that it lines up.
    fn mark(&self) -> String {
        let pad = self.text.chars().chain(std::iter::repeat(' ')).take(self.start);
        let pad = pad.map(|character| if character == '\t' { '\t' } else { ' ' });
        pad.chain(std::iter::repeat_n('^', self.width)).collect()
    }
}

/// Keeps control characters, which could drive a terminal, out of what is shown.
fn printable(character: char) -> char {
    if character.is_control() && character != '\t' { '\u{fffd}' } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendering_points_at_the_place() {
        let problem = Problem {
            code: code::UNKNOWN_FIELD.into(),
            message: "unknown field `comand`".to_owned(),
            hint: Some("did you mean `command`?".to_owned()),
            source_name: "web.yaml".to_owned(),
            line: 12,
            column: 3,
            path: "spec".to_owned(),
            excerpt: Some(Excerpt::new("\tcomand: x\u{1b}[2J", 1, 6)),
        };
        let expected = "error[unknown_field]: unknown field `comand`\n\
            \x20 --> web.yaml:12:3 (spec)\n\
            \x20  |\n\
            12 | \tcomand: x\u{fffd}[2J\n\
            \x20  | \t^^^^^^\n\
            \x20  = help: did you mean `command`?\n";
        assert_eq!(problem.render(), expected);
    }

    #[test]
    fn a_key_moves_no_cursor() {
        let source = crate::Source::new("f", "spec:\n  \"\\e[2J\\n\": 1\n");
        let documents = crate::parse(source, crate::Format::Yaml, &crate::Limits::default());
        let problem = documents.unwrap()[0].problem("spec.\u{1b}[2J\n", "c", "it is wrong", None);
        let told = problem.to_string();
        assert!(told.ends_with(": it is wrong (spec.\u{fffd}[2J\u{fffd})"), "{told:?}");
        assert!(!problem.render().contains('\u{1b}'), "{problem}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}X{}", "a".repeat(1000), "b".repeat(1000));
        let excerpt = Excerpt::new(&line, 1000, 1);
        assert_eq!(excerpt.text.chars().count(), EXCERPT_CHARS_MAX);
        assert_eq!(excerpt.text.chars().nth(excerpt.start), Some('X'));
        assert_eq!(Excerpt::new(&line, 0, 2001).width, EXCERPT_CHARS_MAX);
    }
}
