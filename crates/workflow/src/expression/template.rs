//! Values of a document in which text may be an expression.

use std::sync::Arc;

use tessera_manifest::{Node, Number, Span, Value as Tree};

use super::{EvaluationError, Expression, SyntaxError, Variables, account, measure, scan, text};
use crate::value::{Value, object};

/// A value with expressions in it. Only what stands in the document is ever an expression; the
/// values that they give are not looked at again.
#[derive(Clone, Debug)]
pub enum Template {
    /// A value without expressions.
    Constant(Value),
    /// An expression.
    Expression(Expression),
    /// An expression that stands without `${ }` where only `mode: loose` looks for one. When it
    /// gives no value, its text is the value.
    Loose(Expression),
    /// Text with expressions in it: `Hello ${ .name }`.
    Text(Arc<[Piece]>),
    /// A list.
    List(Arc<[Template]>),
    /// An object.
    Object(Arc<[(Arc<str>, Template)]>),
}

/// A piece of a text with expressions in it.
#[derive(Clone, Debug)]
pub enum Piece {
    /// As it is.
    Text(Arc<str>),
    /// The text of what an expression gives: a text as it is, null as nothing, the rest as JSON.
    Expression(Expression),
}

/// Where expressions are looked for: `evaluate.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Only in `${ }`.
    #[default]
    Strict,
    /// Any text that is jq is an expression, too. Since words are calls of functions in jq, and
    /// unknown functions are mistakes, most plain words stay what they are.
    Loose,
}

/// What is wrong in a document's expressions, and where in its source.
pub type Mistakes = Vec<(Span, SyntaxError)>;

impl Expression {
    /// Reads a field that is an expression by its nature, such as `if`: text with or without
    /// `${ }` around it, or a constant.
    ///
    /// # Errors
    /// As for [`Template::read`].
    pub fn read(node: &Node, names: &[Arc<str>]) -> Result<Self, Mistakes> {
        let Some(source) = node.as_str() else {
            let constant = Template::constant_of(node);
            let constant = constant.map(|it| text::unlimited(&it));
            let code = constant.ok_or_else(|| {
                let message = "an expression is a text, not a list or an object".to_owned();
                let hint = Some("write `${ … }` around jq that makes one".to_owned());
                vec![(node.span, SyntaxError { message, hint, at: 0..0 })]
            })?;
            return Self::compile(&code, &[]).map_err(|errors| placed(node, "", 0, errors));
        };
        let (code, offset) = match enclosed(source) {
            Some(code) => (code, source.find("${").unwrap_or_default() + 2),
            None => (source, 0),
        };
        Self::compile(code, names).map_err(|errors| placed(node, source, offset, errors))
    }
}

impl Template {
    /// Reads a value of a document. Text that is `${ … }` as a whole is an expression, whose value
    /// is taken as it is; in other text each `${ … }` is replaced by what it gives, and `$${` is
    /// `${`. Braces within jq's own texts and objects do not end an expression. Keys are never
    /// expressions.
    ///
    /// # Errors
    /// The mistakes of all expressions. Their spans are exact for plain and quoted text on one line
    /// of the source without escapes; else they are that of the node.
    pub fn read(node: &Node, names: &[Arc<str>], mode: Mode) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let template = read(node, names, mode, &mut mistakes);
        if mistakes.is_empty() { Ok(template) } else { Err(mistakes) }
    }

    fn constant_of(node: &Node) -> Option<Value> {
        Some(match &node.value {
            Tree::Null => Value::Null,
            Tree::Bool(it) => Value::Bool(*it),
            Tree::Number(it) => number(it),
            Tree::String(it) => Value::utf8_str(it.clone()),
            Tree::Seq(_) | Tree::Map(_) => return None,
        })
    }

    /// Its value for an input.
    ///
    /// # Errors
    /// Those of the first expression that gives none.
    pub fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value, EvaluationError> {
        let value = self.filled(input, variables)?;
        // What is put together of results may be larger than any of them.
        if matches!(self, Self::Text(_) | Self::List(_) | Self::Object(_)) {
            measure::within_limits(&value).map_err(EvaluationError)?;
        }
        Ok(value)
    }

    fn filled(&self, input: &Value, variables: &Variables) -> Result<Value, EvaluationError> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Expression(expression) => expression.evaluate(input, variables)?,
            Self::Loose(expression) => expression
                .evaluate(input, variables)
                .unwrap_or_else(|_| Value::utf8_str(expression.source().to_owned())),
            Self::Text(pieces) => interpolated(pieces, input, variables)?,
            Self::List(all) => {
                let all = all.iter().map(|it| it.filled(input, variables));
                Value::Arr(Arc::new(all.collect::<Result<_, _>>()?))
            }
            Self::Object(fields) => {
                let fields =
                    fields.iter().map(|(key, it)| Ok((&**key, it.filled(input, variables)?)));
                object(fields.collect::<Result<Vec<_>, _>>()?)
            }
        })
    }

    /// The value, when there is no expression in it.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        match self {
            Self::Constant(value) => Some(value),
            _ => None,
        }
    }
}

fn interpolated(
    pieces: &[Piece],
    input: &Value,
    variables: &Variables,
) -> Result<Value, EvaluationError> {
    let mut whole = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(piece) => whole.push_str(piece),
            Piece::Expression(it) => match it.evaluate(input, variables)? {
                Value::Null => {}
                value => {
                    let (piece, _) = account::open(|| text::plain(&value));
                    whole.push_str(&piece.map_err(|limit| EvaluationError(limit.to_string()))?);
                }
            },
        }
    }
    Ok(Value::utf8_str(whole))
}

fn number(number: &Number) -> Value {
    let json = match number {
        Number::Unsigned(it) => serde_json::Value::from(*it),
        Number::Negative(it) => serde_json::Value::from(*it),
        Number::Float(it) => serde_json::Value::from(*it),
    };
    crate::value::from_json(json)
}

fn read(node: &Node, names: &[Arc<str>], mode: Mode, mistakes: &mut Mistakes) -> Template {
    match &node.value {
        Tree::String(source) => string(node, source, names, mode, mistakes),
        Tree::Seq(all) => {
            let all: Vec<_> = all.iter().map(|it| read(it, names, mode, mistakes)).collect();
            let constants = all.iter().map(|it| it.constant().cloned()).collect::<Option<Vec<_>>>();
            match constants {
                Some(constants) => Template::Constant(Value::Arr(Arc::new(constants))),
                None => Template::List(all.into()),
            }
        }
        Tree::Map(entries) => {
            let field = |entry: &tessera_manifest::Entry| {
                (Arc::from(entry.key.as_str()), read(&entry.value, names, mode, mistakes))
            };
            let fields: Vec<(Arc<str>, Template)> = entries.iter().map(field).collect();
            let constants = fields
                .iter()
                .map(|(key, it)| Some((&**key, it.constant()?.clone())))
                .collect::<Option<Vec<_>>>();
            match constants {
                Some(constants) => Template::Constant(object(constants)),
                None => Template::Object(fields.into()),
            }
        }
        _ => Template::Constant(Template::constant_of(node).unwrap_or_default()),
    }
}

fn string(
    node: &Node,
    source: &str,
    names: &[Arc<str>],
    mode: Mode,
    mistakes: &mut Mistakes,
) -> Template {
    let plain = || Template::Constant(Value::utf8_str(source.to_owned()));
    if let Some(code) = enclosed(source) {
        let offset = source.find("${").unwrap_or_default() + 2;
        return match Expression::compile(code, names) {
            Ok(expression) => Template::Expression(expression),
            Err(errors) => {
                mistakes.extend(placed(node, source, offset, errors));
                plain()
            }
        };
    }
    if source.contains("${") {
        return pieces(node, source, names, mistakes).unwrap_or_else(plain);
    }
    match mode {
        Mode::Loose => Expression::compile(source, names).map_or_else(|_| plain(), Template::Loose),
        Mode::Strict => plain(),
    }
}

/// Whether a text is an expression as a whole.
pub(crate) fn is_expression(source: &str) -> bool {
    enclosed(source).is_some()
}

/// What is between `${` and `}` when they enclose the whole text.
fn enclosed(source: &str) -> Option<&str> {
    let code = source.trim().strip_prefix("${")?;
    let end = scan::scan(code);
    let whole = end.closed && code.get(end.end + 1..) == Some("");
    whole.then(|| code.get(..end.end)).flatten()
}

fn pieces(
    node: &Node,
    source: &str,
    names: &[Arc<str>],
    mistakes: &mut Mistakes,
) -> Option<Template> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut at = 0;
    let before = mistakes.len();
    while let Some(found) = source.get(at..).and_then(|rest| rest.find("${")) {
        let open = at + found;
        let escaped = source.get(at..open).is_some_and(|it| it.ends_with('$'));
        text.push_str(source.get(at..open).unwrap_or_default());
        let start = open + 2;
        if escaped {
            text.push('{');
            at = start;
            continue;
        }
        let code = source.get(start..).unwrap_or_default();
        let end = scan::scan(code);
        if !end.closed {
            let error = SyntaxError {
                message: "`${` is not closed".to_owned(),
                hint: Some("write `}` at its end, or `$${` for the text `${`".to_owned()),
                at: 0..2,
            };
            mistakes.extend(placed(node, source, open, vec![error]));
            break;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text).into()));
        }
        match Expression::compile(code.get(..end.end).unwrap_or_default(), names) {
            Ok(expression) => pieces.push(Piece::Expression(expression)),
            Err(errors) => mistakes.extend(placed(node, source, start, errors)),
        }
        at = start + end.end + 1;
    }
    text.push_str(source.get(at..).unwrap_or_default());
    if mistakes.len() > before {
        return None;
    }
    if pieces.is_empty() {
        return Some(Template::Constant(Value::utf8_str(text)));
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
    Some(Template::Text(pieces.into()))
}

/// The places of mistakes in the document. A node's span tells how its text is written: as long as
/// the text it is plain, two bytes longer it is in quotes; anything else has escapes or several
/// lines, and the node itself is the place.
fn placed(node: &Node, source: &str, offset: usize, errors: Vec<SyntaxError>) -> Mistakes {
    let Span { start, end } = node.span;
    let quote = match (end - start).checked_sub(source.len()) {
        Some(0) => Some(0),
        Some(2) => Some(1),
        _ => None,
    };
    let quote = quote.filter(|_| !source.contains('\n') && !source.is_empty());
    let place = |error: SyntaxError| {
        let at = (offset + error.at.start)..(offset + error.at.end);
        let span = match quote {
            Some(quote) => Span::new(start + quote + at.start, start + quote + at.end),
            None => node.span,
        };
        (span, SyntaxError { at, ..error })
    };
    errors.into_iter().map(place).collect()
}
