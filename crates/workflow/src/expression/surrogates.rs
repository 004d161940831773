//! Characters beyond U+FFFF that a text writes as two `\u`, as JSON does: the lexer takes each `\u`
//! by itself and refuses these.
//!
//! The one idea: before an expression is parsed, each such pair becomes its character, and what is
//! found wrong later is told at its place in the text as it was written.

use std::borrow::Cow;

use super::SyntaxError;

/// A pair of `\u` with four digits each.
const PAIR: usize = 12;

/// The bytes of a character beyond U+FFFF.
const CHARACTER: usize = 4;

/// An expression's text with its pairs joined.
pub(super) struct Joined<'s> {
    pub(super) text: Cow<'s, str>,
    /// Where the characters are that pairs have become.
    places: Vec<usize>,
}

impl<'s> Joined<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        let (mut text, mut places, mut taken) = (String::new(), Vec::new(), 0);
        let mut at = 0;
        while let Some(found) = source.get(at..).and_then(|rest| rest.find('\\')) {
            at += found;
            let rest = source.get(at..).unwrap_or_default();
            let Some(character) = pair(rest) else {
                // Another backslash is the escaped character, not the beginning of an escape.
                at += 1 + rest.chars().nth(1).map_or(0, char::len_utf8);
                continue;
            };
            text.push_str(source.get(taken..at).unwrap_or_default());
            places.push(text.len());
            text.push(character);
            at += PAIR;
            taken = at;
        }
        if places.is_empty() {
            return Self { text: Cow::Borrowed(source), places };
        }
        text.push_str(source.get(taken..).unwrap_or_default());
        Self { text: Cow::Owned(text), places }
    }

    /// The same mistakes, at their places in the text as it was written.
    pub(super) fn as_written(&self, mut errors: Vec<SyntaxError>) -> Vec<SyntaxError> {
        let written = |at: usize| {
            let before = self.places.iter().filter(|place| **place < at).count();
            at + before * (PAIR - CHARACTER)
        };
        for error in &mut errors {
            error.at = written(error.at.start)..written(error.at.end);
        }
        errors
    }
}

/// The character of a pair that the text begins with.
fn pair(text: &str) -> Option<char> {
    let high = unit(text)?;
    let low = unit(text.get(PAIR / 2..)?)?;
    char::decode_utf16([high, low]).next()?.ok().filter(|it| it.len_utf8() == CHARACTER)
}

/// The number of a `\u` that the text begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hexadecimal = digits.bytes().all(|it| it.is_ascii_hexdigit());
    is_hexadecimal.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_joined_and_nothing_else_is() {
        let joined = |source| Joined::new(source).text.into_owned();
        assert_eq!(joined(r#""\ud83d\ude00!" + "\uD83D\uDE00""#), "\"😀!\" + \"😀\"");
        for other in [r#""\\ud83d\ude00""#, r#""\ud83d\u0041""#, r#""\u00e9\ud83d""#, "\"\\", "\\ü"]
        {
            assert_eq!(joined(other), other);
        }
    }

    #[test]
    fn mistakes_keep_their_places() {
        let source = r#""\ud83d\ude00" + foo + "\ud83d\ude00" + bar"#;
        let joined = Joined::new(source);
        let error = |word: &str| {
            let at = joined.text.find(word).unwrap();
            SyntaxError { message: String::new(), hint: None, at: at..at + word.len() }
        };
        let errors = joined.as_written(vec![error("foo"), error("bar")]);
        let words: Vec<_> = errors.iter().map(|it| &source[it.at.clone()]).collect();
        assert_eq!(words, ["foo", "bar"]);
    }
}
