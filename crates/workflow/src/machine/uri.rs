//! URIs: templates with fields of the input, and expressions.

use std::fmt::Write;
use std::sync::Arc;

use tessera_types::limits::clip;

use super::Error;
use super::data::{scalar, text};
use super::run::Machine;
use super::scope::ScopeId;
use crate::definition::{Uri, UriPiece};
use crate::value::{Value, field};

impl Machine {
    /// A URI, which may be relative.
    pub(super) fn uri(&self, id: ScopeId, uri: &Uri) -> Result<Arc<str>, Error> {
        let input = match self.task(id) {
            Ok(frame) => frame.input().clone(),
            Err(_) => self.run_of(id)?.raw.clone(),
        };
        match uri {
            Uri::Template(pieces) => Ok(expanded(pieces, &input)?.into()),
            Uri::Expression(template) => match self.evaluate(id, template, &input, "endpoint")? {
                Value::TStr(uri) => Ok(String::from_utf8_lossy(&uri).into()),
                other => {
                    let shown = clip(&other.to_string(), 80);
                    Err(Error::expression(format!("endpoint: {shown} is no URI")))
                }
            },
        }
    }

    /// A URI that a request can be sent to.
    pub(super) fn http_uri(&self, id: ScopeId, uri: &Uri) -> Result<Arc<str>, Error> {
        let uri = self.uri(id, uri)?;
        let rest = ["http://", "https://"].iter().find_map(|scheme| {
            let (start, rest) = uri.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        });
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
        match host {
            Some(host) if !host.is_empty() && !uri.contains(char::is_whitespace) => Ok(uri),
            _ => Err(Error::configuration(format!(
                "endpoint: `{}` is no absolute http or https URI",
                clip(&shown(&uri), 200)
            ))),
        }
    }
}

/// Simple expansion (RFC 6570): a field becomes its text, percent-encoded.
fn expanded(pieces: &[UriPiece], input: &Value) -> Result<String, Error> {
    let mut uri = String::new();
    for piece in pieces {
        match piece {
            UriPiece::Text(text) => uri.push_str(text),
            UriPiece::Field(name) => match scalar(field(input, name)) {
                None => {}
                Some(Ok(text)) => encode(&text, &mut uri),
                Some(Err(())) => {
                    return Err(Error::expression(format!(
                        "endpoint: `{{{name}}}` must be a text, a number, true, false or null"
                    )));
                }
            },
        }
    }
    Ok(uri)
}

fn encode(text: &str, uri: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
}

/// A URI without what may be secret in it: user, query, fragment.
pub(super) fn shown(uri: &str) -> String {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    match uri.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => uri.to_owned(),
    }
}

/// Names and texts.
pub(super) type Pairs = Vec<(Arc<str>, Arc<str>)>;

/// The fields of an object as names and texts; those that are null are left out.
pub(super) fn pairs(value: &Value, field: &str) -> Result<Pairs, Error> {
    let mut pairs = Vec::new();
    each_pair(value, field, |name, value| {
        match scalar(value) {
            None => {}
            Some(Ok(text)) => pairs.push((name, text.into())),
            Some(Err(())) => return Err(no_text(field, &name)),
        }
        Ok(())
    })?;
    Ok(pairs)
}

/// The same, where a list gives as many pairs as it has items.
pub(super) fn repeated_pairs(value: &Value, field: &str) -> Result<Pairs, Error> {
    let mut pairs = Vec::new();
    each_pair(value, field, |name, value| {
        let one = std::slice::from_ref(value);
        let all = if let Value::Arr(all) = value { all.as_slice() } else { one };
        for value in all {
            match scalar(value) {
                None => {}
                Some(Ok(text)) => pairs.push((name.clone(), text.into())),
                Some(Err(())) => return Err(no_text(field, &name)),
            }
        }
        Ok(())
    })?;
    Ok(pairs)
}

fn each_pair(
    value: &Value,
    field: &str,
    mut visit: impl FnMut(Arc<str>, &Value) -> Result<(), Error>,
) -> Result<(), Error> {
    match value {
        Value::Null => Ok(()),
        Value::Obj(fields) => {
            fields.iter().try_for_each(|(name, value)| visit(text(name).into(), value))
        }
        _ => Err(Error::expression(format!("{field} must be an object"))),
    }
}

fn no_text(field: &str, name: &str) -> Error {
    Error::expression(format!("{field}: `{name}` must be a text, a number, true, false or null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_uri_has_no_user_query_or_fragment() {
        assert_eq!(shown("https://u:p@h:1/a/b?q=s#f"), "https://h:1/a/b");
        assert_eq!(shown("a/b.json?token=x"), "a/b.json");
    }

    #[test]
    fn fields_of_the_input_are_percent_encoded() {
        let pieces = [
            UriPiece::Text("http://h/".into()),
            UriPiece::Field("id".into()),
            UriPiece::Field("none".into()),
        ];
        let input = |id| crate::value::object([("id", id)]);
        let uri = expanded(&pieces, &input(Value::utf8_str("a/b ü"))).unwrap();
        assert_eq!(uri, "http://h/a%2Fb%20%C3%BC");
        assert!(expanded(&pieces, &input(Value::Arr(Vec::new().into()))).is_err());
    }
}
