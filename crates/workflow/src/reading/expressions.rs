//! Expressions and templates of a document, and JSON of values, until the crate's own are merged:
//! `Template::read`, `Expression::read` and `value::to_json` replace what is here.

use std::sync::Arc;

use tessera_manifest::{Node, Span, Value as Plain};

use super::json::plain;
use crate::expression::{Expression, Piece, SyntaxError, Template};
use crate::value::{Value, from_json};

/// How text is told from expressions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Expressions stand in `${ }`.
    #[default]
    Strict,
    /// Any text that is one is an expression.
    Loose,
}

type Errors = Vec<(Span, SyntaxError)>;

pub(crate) fn expression(node: &Node, names: &[Arc<str>]) -> Result<Expression, Errors> {
    let text = node.as_str().unwrap_or_default();
    let code = whole(text).unwrap_or(text);
    Expression::compile(code, names).map_err(|errors| at(node, errors))
}

pub(crate) fn template(node: &Node, names: &[Arc<str>], mode: Mode) -> Result<Template, Errors> {
    match &node.value {
        Plain::String(text) => text_template(node, text, names, mode),
        Plain::Seq(all) => {
            let all = collect(all.iter().map(|it| template(it, names, mode)))?;
            if all.iter().all(|it| it.constant().is_some()) {
                return Ok(Template::Constant(from_json(plain(node))));
            }
            Ok(Template::List(all.into()))
        }
        Plain::Map(all) => {
            let of = |entry: &tessera_manifest::Entry| {
                template(&entry.value, names, mode).map(|it| (Arc::from(entry.key.as_str()), it))
            };
            let all: Vec<(Arc<str>, Template)> = collect(all.iter().map(of))?;
            if all.iter().all(|(_, it)| it.constant().is_some()) {
                return Ok(Template::Constant(from_json(plain(node))));
            }
            Ok(Template::Object(all.into()))
        }
        _ => Ok(Template::Constant(from_json(plain(node)))),
    }
}

fn text_template(
    node: &Node,
    text: &str,
    names: &[Arc<str>],
    mode: Mode,
) -> Result<Template, Errors> {
    if whole(text).is_some() {
        return expression(node, names).map(Template::Expression);
    }
    if mode == Mode::Loose
        && let Ok(it) = Expression::compile(text, names)
    {
        return Ok(Template::Expression(it));
    }
    if !text.contains("${") {
        return Ok(Template::Constant(Value::utf8_str(text.to_owned())));
    }
    let (mut pieces, mut errors, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some(start) = rest.find("${") {
        let end = rest[start..].find('}').map_or(rest.len(), |end| start + end);
        pieces.push(Piece::Text(rest[..start].into()));
        match Expression::compile(&rest[start + 2..end], names) {
            Ok(it) => pieces.push(Piece::Expression(it)),
            Err(found) => errors.extend(at(node, found)),
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    pieces.push(Piece::Text(rest.into()));
    if errors.is_empty() { Ok(Template::Text(pieces.into())) } else { Err(errors) }
}

/// The code of text that is an expression as a whole.
fn whole(text: &str) -> Option<&str> {
    text.trim().strip_prefix("${")?.strip_suffix('}')
}

fn at(node: &Node, errors: Vec<SyntaxError>) -> Errors {
    errors.into_iter().map(|error| (node.span, error)).collect()
}

fn collect<T>(all: impl Iterator<Item = Result<T, Errors>>) -> Result<Vec<T>, Errors> {
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            Ok(it) => done.push(it),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(done) } else { Err(errors) }
}

/// A value as JSON.
pub(crate) fn to_json(value: &Value) -> Result<serde_json::Value, String> {
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(it) => (*it).into(),
        Value::Num(it) => serde_json::from_str(&it.to_string()).unwrap_or_default(),
        Value::BStr(it) | Value::TStr(it) => String::from_utf8_lossy(it).into_owned().into(),
        Value::Arr(all) => all.iter().map(to_json).collect::<Result<_, _>>()?,
        Value::Obj(all) => {
            let fields = all.iter().map(|(key, value)| match key {
                Value::TStr(key) => {
                    Ok((String::from_utf8_lossy(key).into_owned(), to_json(value)?))
                }
                _ => Err("an object with a key that is no text".to_owned()),
            });
            serde_json::Value::Object(fields.collect::<Result<_, _>>()?)
        }
    })
}
