//! Hiding secrets in texts, in whatever form they stand there.
//!
//! The one idea: what a remote side answers holds a secret as it was sent, which is seldom as it
//! was given: in a query it is percent-encoded, in JSON escaped, in authentication base64. A text
//! is therefore compared character by character with what each may have become, and base64 is
//! searched for by the digits that depend on the secret alone. Where a text was cut, the beginning of
//! a secret is enough: who cuts marks that with `…`, or says that the end may be such a place.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A text that is shorter would hide too much that is none.
const CHARS_MIN: usize = 4;
/// What stands where a secret was.
pub(crate) const HIDDEN: &str = "***";

/// The beginning of a secret is hidden at a cut if it has so many characters, or half of them.
const BEGINNING_CHARS_MIN: usize = 8;
/// What marks a cut.
const CUT: &str = "…";
/// The most bytes that one character is written in: four of UTF-8, each percent-encoded.
const CHAR_BYTES_MAX: usize = 12;

/// Texts that must not be seen.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    texts: Vec<Hidden>,
    /// Those that are numbers, since JSON may write them in another way.
    numbers: Vec<f64>,
}

/// A text that must not be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hidden {
    text: String,
    /// Characters of it that are hidden where the rest was cut off.
    beginning: usize,
}

/// What is looked through.
#[derive(Clone, Copy)]
struct Searched<'t> {
    text: &'t [u8],
    /// Whether it may have been cut at its end, without a mark.
    may_be_cut: bool,
}

/// How a text has been written.
#[derive(Clone, Copy)]
enum Writing {
    /// As it is.
    Plain,
    /// Some characters as `%` and two hexadecimal digits; a space maybe as `+`.
    Percent,
    /// The same by who leaves a `%` as it is.
    PercentKept,
    /// Some characters escaped as in a JSON text.
    Json,
}

impl Writing {
    const ALL: [Self; 4] = [Self::Plain, Self::Percent, Self::PercentKept, Self::Json];
}

impl Mask {
    /// Whether there is nothing to hide.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// One more text to hide, unless it is too short for that.
    pub fn add(&mut self, secret: &str) {
        if secret.chars().count() < CHARS_MIN {
            return;
        }
        for text in std::iter::once(secret.to_owned()).chain(base64_forms(secret.as_bytes())) {
            let half = text.chars().count().div_ceil(2);
            let beginning = half.clamp(CHARS_MIN, BEGINNING_CHARS_MIN);
            let hidden = Hidden { text, beginning };
            if hidden.text.len() >= CHARS_MIN && !self.texts.contains(&hidden) {
                self.texts.push(hidden);
            }
        }
        if secret.starts_with(|it: char| it.is_ascii_digit() || it == '-') {
            self.numbers.extend(secret.parse::<f64>().ok().filter(|it| it.is_finite()));
        }
    }

    /// The text, with `***` for each place where a secret is, or the beginning of one before a `…`.
    #[must_use]
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.hidden(text, false)
    }

    /// The same for a text that may have been cut, as those of errors are: the beginning of a secret
    /// is hidden at its end, too.
    #[must_use]
    pub fn hide_in_cut<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.hidden(text, true)
    }

    /// Whether a number is a secret, however it is written.
    #[must_use]
    pub fn hides_number(&self, number: f64) -> bool {
        self.numbers.contains(&number)
    }

    fn hidden<'t>(&self, text: &'t str, may_be_cut: bool) -> Cow<'t, str> {
        let places = self.places(Searched { text: text.as_bytes(), may_be_cut });
        if places.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut hidden = String::with_capacity(text.len());
        let mut shown = 0;
        for place in places {
            hidden.push_str(&text[shown..place.start]);
            hidden.push_str(HIDDEN);
            shown = place.end;
        }
        hidden.push_str(&text[shown..]);
        Cow::Owned(hidden)
    }

    /// Where secrets are, in order. Those that overlap are one place. Each begins and ends with a
    /// character, since characters are compared.
    fn places(&self, searched: Searched<'_>) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = Vec::new();
        for at in 0..searched.text.len() {
            let ends = self.texts.iter().filter_map(|secret| secret.end_in(searched, at));
            let Some(end) = ends.max() else { continue };
            match places.last_mut() {
                Some(last) if at < last.end => last.end = last.end.max(end),
                _ => places.push(at..end),
            }
        }
        places
    }
}

impl Hidden {
    /// Where it ends if it begins here: after its last character, or at a cut.
    fn end_in(&self, searched: Searched<'_>, at: usize) -> Option<usize> {
        let begins =
            |byte: u8| matches!(byte, b'%' | b'+' | b'\\') || self.text.as_bytes()[0] == byte;
        if !begins(searched.text[at]) {
            return None;
        }
        let end = |writing| self.end_written(searched, at, writing);
        Writing::ALL.into_iter().filter_map(end).max()
    }

    fn end_written(&self, searched: Searched<'_>, from: usize, writing: Writing) -> Option<usize> {
        let mut at = from;
        for (seen, char) in self.text.chars().enumerate() {
            match length_of(char, writing, &searched.text[at..]) {
                Some(length) => at += length,
                None if seen >= self.beginning => return searched.cut_near(at, writing),
                None => return None,
            }
        }
        Some(at)
    }
}

impl Searched<'_> {
    /// Where the text was cut, if that is here or in the middle of the character that begins here.
    fn cut_near(&self, at: usize, writing: Writing) -> Option<usize> {
        let begins_char = match self.text.get(at) {
            Some(b'%') => matches!(writing, Writing::Percent | Writing::PercentKept),
            Some(b'\\') => matches!(writing, Writing::Json),
            _ => false,
        };
        let reach = if begins_char { CHAR_BYTES_MAX } else { 1 };
        (at..at + reach).find(|at| self.is_cut(*at))
    }

    fn is_cut(&self, at: usize) -> bool {
        match self.text.get(at..) {
            Some([]) => self.may_be_cut,
            Some(rest) => rest.starts_with(CUT.as_bytes()),
            None => false,
        }
    }
}

/// How long a character is that a text begins with in this writing, if it does.
fn length_of(char: char, writing: Writing, text: &[u8]) -> Option<usize> {
    let mut utf8 = [0; 4];
    let utf8 = char.encode_utf8(&mut utf8).as_bytes();
    let first = *text.first()?;
    match (writing, first) {
        (Writing::PercentKept, b'%') if char == '%' => {}
        (Writing::Percent | Writing::PercentKept, b'%') => return percent(utf8, text),
        (Writing::Percent | Writing::PercentKept, b'+') if char == ' ' => return Some(1),
        (Writing::Json, b'\\') => return escaped(char, &text[1..]).map(|length| length + 1),
        _ => {}
    }
    text.starts_with(utf8).then_some(utf8.len())
}

/// `%` and two hexadecimal digits for each byte.
fn percent(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let length = 3 * bytes.len();
    let is_same =
        |(byte, code): (&u8, &[u8])| code[0] == b'%' && hex(&code[1..]) == Some((*byte).into());
    let codes = text.get(..length)?.chunks(3);
    bytes.iter().zip(codes).all(is_same).then_some(length)
}

/// A character after the `\` of a JSON text.
fn escaped(char: char, text: &[u8]) -> Option<usize> {
    let is_short = match text.first()? {
        b'n' => char == '\n',
        b'r' => char == '\r',
        b't' => char == '\t',
        b'b' => char == '\u{8}',
        b'f' => char == '\u{c}',
        b'u' => return by_number(char, text),
        other => matches!(other, b'"' | b'\\' | b'/') && char == char::from(*other),
    };
    is_short.then_some(1)
}

/// `u` and four hexadecimal digits for each unit of UTF-16, with a `\` between.
fn by_number(char: char, text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for (i, unit) in char.encode_utf16(&mut [0; 2]).iter().enumerate() {
        let begin: &[u8] = if i == 0 { b"u" } else { b"\\u" };
        let digits = text.get(at..)?.strip_prefix(begin)?.get(..4)?;
        if hex(digits)? != u32::from(*unit) {
            return None;
        }
        at += begin.len() + 4;
    }
    Some(at)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// A secret in base64: by itself, and as part of something longer, where it may begin at the first,
/// second or third byte of three: the digits of it that depend on nothing else.
fn base64_forms(secret: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
    }
    for before in 0..3 {
        let bytes = [&vec![0; before], secret].concat();
        let (begin, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&bytes)[begin..end].to_owned());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        let mut mask = Mask::default();
        secrets.iter().for_each(|secret| mask.add(secret));
        mask
    }

    #[test]
    fn a_secret_is_hidden_however_it_is_written() {
        let mask = mask(&["ab+cd/ef==", "p&ss \"wörd\"\n1", "50% of\\it"]);
        for (text, hidden) in [
            ("x ab+cd/ef== y", "x *** y"),
            ("?token=ab%2Bcd%2Fef%3D%3D&x=1", "?token=***&x=1"),
            ("?token=ab%2bcd/ef%3d%3d", "?token=***"),
            (r#"{"a":"ab+cd\/ef=="}"#, r#"{"a":"***"}"#),
            ("q=p%26ss+%22w%C3%B6rd%22%0A1", "q=***"),
            (r#""p&ss \"w\u00f6rd\"\n1""#, r#""***""#),
            (r#""p&ss \"wörd\"\n1""#, r#""***""#),
            ("50% of\\it", "***"),
            ("50%25%20of%5Cit", "***"),
            ("50%%20of%5cit", "***"),
            (r"50% of\\it", "***"),
            ("ab+cd/ef= ab+cd/ef%3", "ab+cd/ef= ab+cd/ef%3"),
        ] {
            assert_eq!(mask.hide(text), hidden, "{text}");
        }
    }

    #[test]
    fn what_overlaps_is_hidden_as_a_whole_and_short_texts_are_not() {
        let mask = mask(&["passw", "ssword1", "abab", "pin"]);
        assert_eq!(mask.hide("a password1 ababab pin"), "a *** *** pin");
    }

    /// Texts of these lengths that nobody guesses, like those of a token.
    fn secrets() -> Vec<String> {
        let digit =
            |i: usize| char::from(b"eyJhbGci.OiJIUzI1NiIs-InR5cCI6_"[(i * 7 + i / 31) % 31]);
        [16, 60, 108, 3000].map(|length| (0..length).map(digit).collect()).into()
    }

    #[test]
    fn of_a_secret_that_is_cut_no_more_than_seven_characters_are_seen() {
        for secret in secrets() {
            let mask = mask(&[&secret]);
            for seen in (1..secret.len()).filter(|it| *it < 20 || it % 7 == 0) {
                let cut = format!("string (\"{}…) and", &secret[..seen]);
                let is_hidden = mask.hide(&cut) == "string (\"***…) and";
                assert_eq!(is_hidden, seen >= 8, "{seen} of {}: {cut}", secret.len());
                let ends = format!("it is {}", &secret[..seen]);
                assert_eq!(mask.hide_in_cut(&ends) == "it is ***", seen >= 8, "{ends}");
                // Data is whole, and may happen to begin as a secret does.
                assert_eq!(mask.hide(&ends), ends);
            }
        }
    }

    #[test]
    fn a_cut_may_be_in_the_middle_of_a_character() {
        let mask = mask(&["p&ss \"wörd\"\n12345"]);
        for cut in ["p&ss \\\"wör…", r#"p&ss \"w\u00f6rd\…"#, r#"p&ss \"w\u00f6rd\"\n12…"#] {
            assert_eq!(mask.hide(&format!("a {cut} b")), "a ***… b", "{cut}");
        }
        for cut in ["p%26ss%20%22w%C3%B6", "p%26ss%20%22w%C3%B6%7", "p%26ss+%22w%C3%B6rd%2"] {
            assert_eq!(mask.hide_in_cut(&format!("a {cut}")), "a ***", "{cut}");
        }
    }

    #[test]
    fn a_number_is_hidden_that_equals_a_secret() {
        let mask = mask(&["93847561", "-1.50", "word", "1e9999"]);
        assert!(mask.hides_number(93_847_561.0) && mask.hides_number(-1.5));
        assert!(!mask.hides_number(3_847_561.0) && !mask.hides_number(f64::INFINITY));
    }

    proptest! {
        #[test]
        fn in_base64_no_more_than_its_edges_are_seen(
            secret in "[ -~é]{4,40}", before in "[ -~]{0,9}", after in "[ -~]{0,9}",
        ) {
            let mask = mask(&[&secret]);
            let all = format!("{before}{secret}{after}");
            for engine in [&STANDARD, &URL_SAFE_NO_PAD] {
                let hidden = mask.hide(&engine.encode(&all)).into_owned();
                prop_assert!(hidden.contains(HIDDEN), "{hidden}");
                let seen = before.len().div_ceil(3) * 4 + after.len().div_ceil(3) * 4 + 4;
                prop_assert!(hidden.len() <= seen + HIDDEN.len(), "{hidden}");
            }
            let hidden = mask.hide(&percent_encoded(&secret)).into_owned();
            prop_assert_eq!(hidden, HIDDEN);
        }

        #[test]
        fn what_has_no_secret_stays_as_it_is(text in "[a-z%+\\\\ ]{0,40}") {
            let mask = mask(&["SECRET-1"]);
            prop_assert!(matches!(mask.hide(&text), Cow::Borrowed(_)));
        }
    }

    /// Every byte percent-encoded.
    fn percent_encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }
}
