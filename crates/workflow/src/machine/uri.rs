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
        let input = self.input_at(id)?;
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

    fn input_at(&self, id: ScopeId) -> Result<Value, Error> {
        match self.task(id) {
            Ok(frame) => Ok(frame.input().clone()),
            Err(_) => Ok(self.run_of(id)?.raw.clone()),
        }
    }

    /// Refuses to delete at a path that lacks a field: it is that of something larger.
    pub(super) fn is_whole(&self, id: ScopeId, uri: &Uri) -> Result<(), Error> {
        let Uri::Template(pieces) = uri else { return Ok(()) };
        match missing(pieces, &self.input_at(id)?) {
            Some(name) => Err(Error::expression(format!(
                "endpoint: the input has no `{name}`, or it is null; without it, something else \
                 would be deleted"
            ))),
            None => Ok(()),
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
            Some(host)
                if !host.is_empty()
                    && !uri.contains(|it: char| it.is_whitespace() || it.is_control()) =>
            {
                Ok(uri)
            }
            _ => Err(Error::configuration(format!(
                "endpoint: `{}` is no absolute http or https URI",
                clip(&shown(&uri), 200)
            ))),
        }
    }
}

/// Expansion (RFC 6570): a field becomes its text, percent-encoded. One that is not there is left out.
fn expanded(pieces: &[UriPiece], input: &Value) -> Result<String, Error> {
    let mut uri = String::new();
    for piece in pieces {
        match piece {
            UriPiece::Text(text) => uri.push_str(text),
            UriPiece::Field(name) => {
                uri.push_str(&encoded(name, input)?.unwrap_or_default());
            }
            UriPiece::Query { begins, names } => {
                let mut before = if *begins { '?' } else { '&' };
                for name in names {
                    if let Some(text) = encoded(name, input)? {
                        uri.push(before);
                        encode(name, &mut uri);
                        uri.push('=');
                        uri.push_str(&text);
                        before = '&';
                    }
                }
            }
        }
    }
    Ok(uri)
}

/// The text of a field, percent-encoded; none when it is null or missing.
fn encoded(name: &str, input: &Value) -> Result<Option<String>, Error> {
    match scalar(field(input, name)) {
        None => Ok(None),
        Some(Ok(text)) => {
            let mut encoded = String::new();
            encode(&text, &mut encoded);
            Ok(Some(encoded))
        }
        Some(Err(())) => Err(Error::expression(format!(
            "endpoint: `{{{name}}}` must be a text, a number, true or false"
        ))),
    }
}

/// The first field of the path that is not there.
fn missing<'u>(pieces: &'u [UriPiece], input: &Value) -> Option<&'u str> {
    for piece in pieces {
        match piece {
            UriPiece::Text(text) if text.contains('?') => return None,
            UriPiece::Field(name) if *field(input, name) == Value::Null => return Some(name),
            UriPiece::Query { .. } => return None,
            UriPiece::Text(_) | UriPiece::Field(_) => {}
        }
    }
    None
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
        let pieces = [UriPiece::Text("http://h/".into()), UriPiece::Field("id".into())];
        let input = |id| crate::value::object([("id", id)]);
        let uri = expanded(&pieces, &input(Value::utf8_str("a/b ü"))).unwrap();
        assert_eq!(uri, "http://h/a%2Fb%20%C3%BC");
        assert!(expanded(&pieces, &input(Value::Arr(Vec::new().into()))).is_err());
    }

    #[test]
    fn a_field_that_is_not_there_is_left_out_and_known() {
        let id = || UriPiece::Field("id".into());
        let query = |begins, names: &[&str]| {
            let names = names.iter().map(|it| (*it).into()).collect();
            UriPiece::Query { begins, names }
        };
        let text = |text: &str| UriPiece::Text(text.into());
        let input = crate::value::object([("id", Value::Null), ("a", Value::from(1_usize))]);
        for (pieces, uri, lacks) in [
            (vec![text("/labs/"), id()], "/labs/", Some("id")),
            (vec![text("/labs?id="), id()], "/labs?id=", None),
            (vec![text("/labs"), query(true, &["id", "a", "b"]), id()], "/labs?a=1", None),
            (vec![text("/l?x"), query(false, &["b", "a"])], "/l?x&a=1", None),
        ] {
            assert_eq!(expanded(&pieces, &input).unwrap(), uri);
            assert_eq!(missing(&pieces, &input), lacks, "{uri}");
        }
    }
}
