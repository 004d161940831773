//! The attributes of an event in the binary content mode: each is a header
//! (CloudEvents HTTP protocol binding 1.0.2, section 3.1.3).
//!
//! A value that cannot be decoded is refused: guessing would make another event
//! of it, with another identity.

use http::{HeaderMap, HeaderValue};
use tessera_types::event::NoEvent;

/// What the names of the headers begin with.
const PREFIX: &str = "ce-";

/// The attributes with their values decoded.
pub(super) fn attributes(headers: &HeaderMap) -> Result<Vec<(String, String)>, NoEvent> {
    let named = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(PREFIX)?;
        Some((name.to_owned(), value))
    });
    named
        .map(|(name, value)| match decoded(value) {
            Some(text) => Ok((name, text)),
            None => Err(NoEvent::Encoding(name)),
        })
        .collect()
}

/// A header's value without its quotes, if it has some, and decoded once
/// (section 3.1.3.2). A character that had to be encoded and can be a header's is
/// let through as it is, as the binding asks for.
fn decoded(value: &HeaderValue) -> Option<String> {
    let unquoted = unquoted(value.to_str().ok()?)?;
    let text = String::from_utf8(percent_decoded(unquoted.as_bytes())?).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// The text of a quoted string, and any other text as it is.
fn unquoted(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let (mut plain, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(plain),
            '\\' => plain.push(chars.next()?),
            other => plain.push(other),
        }
    }
}

fn percent_decoded(encoded: &[u8]) -> Option<Vec<u8>> {
    let (mut decoded, mut rest) = (Vec::with_capacity(encoded.len()), encoded);
    while let Some((&byte, then)) = rest.split_first() {
        if byte != b'%' {
            decoded.push(byte);
            rest = then;
            continue;
        }
        let [high, low, then @ ..] = then else { return None };
        decoded.push(hex(*high)? << 4 | hex(*low)?);
        rest = then;
    }
    Some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<String> {
        decoded(&HeaderValue::from_bytes(text.as_bytes()).unwrap())
    }

    #[test]
    fn values_are_decoded_once() {
        for (encoded, text) in [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("Euro%20%e2%82%ac", "Euro €"),
            ("with a space", "with a space"),
            ("100%25", "100%"),
            ("%2525", "%25"),
            ("1+1", "1+1"),
            ("", ""),
            (r#""quoted \"once\" %41""#, r#"quoted "once" A"#),
        ] {
            assert_eq!(value(encoded).as_deref(), Some(text), "{encoded}");
        }
    }

    #[test]
    fn what_is_not_encoded_as_it_should_be_is_refused() {
        for wrong in [
            "%+1", "%-1", "% 1", "%zz", "%", "%4", "a%", "100%", "%E2%82", "%FF", "%C0%80", "%00",
            "%0A", "%7F", "%C2%85", "€", r#"""#, r#""open"#, r#""a"b"#, r#""a\"#,
        ] {
            assert_eq!(value(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_header_that_is_wrong_is_named() {
        let mut headers = HeaderMap::new();
        headers.insert("ce-id", "a%20b".parse().unwrap());
        headers.insert("x-other", "%".parse().unwrap());
        assert_eq!(attributes(&headers), Ok(vec![("id".to_owned(), "a b".to_owned())]));
        headers.insert("ce-subject", "%+1".parse().unwrap());
        assert_eq!(attributes(&headers), Err(NoEvent::Encoding("subject".to_owned())));
    }
}
