//! From text to a syntax tree, and everything that can be wrong on the way, in jq's terms.

use std::ops::Range;
use std::sync::Arc;

use jaq_core::compile::Undefined;
use jaq_core::load::lex::{self, Lexer, Tok, Token};
use jaq_core::load::parse::{self, Parser, Term};

use super::{SyntaxError, limits, prelude, scan};

/// The variables of the specification. Which of them exist depends on the place.
const SPECIFIED: &[&str] = &[
    "$authorization",
    "$context",
    "$input",
    "$output",
    "$runtime",
    "$secrets",
    "$task",
    "$workflow",
];

/// Functions of jq that are not there, and why.
const REFUSED: &[(&str, &str, &str)] = &[
    ("now", CLOCK, "use a time from the input"),
    ("localtime", ZONE, "use `gmtime`, which is in UTC"),
    ("strflocaltime", ZONE, "use `strftime`, which is in UTC"),
    ("env", MACHINE, "use `$secrets`, or the workflow's input"),
    ("input", NO_INPUTS, "use `.` or a variable"),
    ("inputs", NO_INPUTS, "use `.` or a variable"),
    ("input_filename", NO_INPUTS, "use `.` or a variable"),
    ("input_line_number", NO_INPUTS, "use `.` or a variable"),
    ("debug", NO_OUTPUTS, "look at the run's trace"),
    ("stderr", NO_OUTPUTS, "look at the run's trace"),
    ("halt", HALT, "use `error`, or a task `raise`"),
    ("halt_error", HALT, "use `error`, or a task `raise`"),
    ("get_search_list", MACHINE, "write the definitions into the expression"),
    ("modulemeta", MACHINE, "write the definitions into the expression"),
    ("builtins", MACHINE, "see the documentation of expressions"),
];
const CLOCK: &str = "reads the clock, and there is none here";
const ZONE: &str = "depends on the time zone of the machine";
const MACHINE: &str = "reads the machine that runs the workflow";
const NO_INPUTS: &str = "reads further inputs, and an expression has one";
const NO_OUTPUTS: &str = "writes a log, and an expression only has a value";
const HALT: &str = "would end the program that runs the workflow";

fn error(message: impl Into<String>, hint: Option<String>, at: Range<usize>) -> SyntaxError {
    SyntaxError { message: message.into(), hint, at }
}

/// Refuses what is too long or nests too deeply to be parsed.
pub(super) fn within_limits(source: &str) -> Result<usize, Vec<SyntaxError>> {
    if source.len() > limits::SOURCE {
        let message = format!(
            "the expression is {} bytes long; {} are the most",
            source.len(),
            limits::SOURCE
        );
        let hint = "move the work into a script or a function".to_owned();
        return Err(vec![error(message, Some(hint), 0..source.len())]);
    }
    let nesting = scan::scan(source).nesting;
    if nesting > limits::NESTING {
        let message =
            format!("the expression nests {nesting} levels deep; {} are the most", limits::NESTING);
        return Err(vec![error(message, None, 0..source.len())]);
    }
    Ok(nesting)
}

/// Parses an expression.
pub(super) fn parse(source: &str) -> Result<Term<&str>, Vec<SyntaxError>> {
    if source.trim().is_empty() {
        let hint = "write `.` for the input as it is".to_owned();
        return Err(vec![error("the expression is empty", Some(hint), 0..source.len())]);
    }
    let tokens = Lexer::new(source).lex();
    let tokens = tokens.map_err(|errors| in_order(errors.iter().map(|it| unread(source, it))))?;
    if let Some(refused) = modules(source, &tokens) {
        return Err(vec![refused]);
    }
    Parser::new(&tokens)
        .parse(Parser::term)
        .map_err(|errors| in_order(errors.iter().map(|it| unexpected(source, it))))
}

fn in_order(errors: impl Iterator<Item = SyntaxError>) -> Vec<SyntaxError> {
    let mut errors: Vec<_> = errors.collect();
    errors.sort_by_key(|it| (it.at.start, it.at.end));
    errors.dedup_by(|later, earlier| later.at == earlier.at);
    errors
}

fn span(source: &str, part: &str) -> Range<usize> {
    let at = jaq_core::load::span(source, part);
    at.start.min(source.len())..at.end.min(source.len())
}

/// The first character of what is left, or the end of the text.
fn first(source: &str, rest: &str) -> Range<usize> {
    let start = span(source, rest).start;
    start..start + rest.chars().next().map_or(0, char::len_utf8)
}

fn unread(source: &str, (expected, rest): &lex::Error<&str>) -> SyntaxError {
    let at = first(source, rest);
    let found = match rest.chars().next() {
        Some(character) => format!("`{character}`"),
        None => "the end".to_owned(),
    };
    let (message, hint) = match expected {
        lex::Expect::Delim("\"") => {
            ("a text is not closed".to_owned(), Some("write `\"` at its end".to_owned()))
        }
        lex::Expect::Delim(open) => {
            let close = match *open {
                "(" => ")",
                "[" => "]",
                _ => "}",
            };
            (format!("`{open}` is not closed: there is {found} where `{close}` may stand"), None)
        }
        lex::Expect::Escape => {
            let hint =
                r#"`\\` is a backslash; the others are \" \/ \b \f \n \r \t \u0000 and \( )"#;
            (format!("`\\` before {found} means nothing in a text"), Some(hint.to_owned()))
        }
        lex::Expect::Unicode => {
            let hint = "a character beyond \\uffff is the character itself, or two `\\u` that belong together";
            (
                r"`\u` needs the four hexadecimal digits of a character".to_owned(),
                Some(hint.to_owned()),
            )
        }
        lex::Expect::Token if rest.starts_with('\'') => {
            (format!("{found} means nothing here"), Some("texts stand in double quotes".to_owned()))
        }
        lex::Expect::Token if rest.starts_with('&') => {
            (format!("{found} means nothing here"), Some("jq writes `and`".to_owned()))
        }
        lex::Expect::Digit => (format!("a digit is missing before {found}"), None),
        lex::Expect::Ident => (format!("a name is missing before {found}"), None),
        _ => (format!("{found} means nothing here"), None),
    };
    error(message, hint, at)
}

fn unexpected(source: &str, (expected, found): &parse::TError<'_, &str>) -> SyntaxError {
    let text = Token::opt_as_str(*found, source);
    let whole = span(source, text);
    // Of a block, its opening bracket is what is unexpected.
    let block = matches!(found, Some(Token(_, Tok::Block(_))));
    let at = if block { first(source, text) } else { whole };
    let text = if block { text.get(..1).unwrap_or_default() } else { text };
    let found = if text.is_empty() { "the end".to_owned() } else { format!("`{text}`") };
    let message = match expected {
        parse::Expect::Nothing => format!("{found} is too much here"),
        parse::Expect::Just("") => format!("{found} is unexpected"),
        parse::Expect::Just(word) => format!("`{word}` is missing before {found}"),
        parse::Expect::Term if text.is_empty() => "something is missing at the end".to_owned(),
        parse::Expect::Term => format!("a value is missing before {found}"),
        parse::Expect::ElseOrEnd => format!("`else` or `end` is missing before {found}"),
        other => format!("there is {found} instead of a {}", other.as_str()),
    };
    let rest = source.get(at.start..).unwrap_or_default();
    let hint = match text {
        "?" if rest.starts_with("?//") => {
            Some("destructuring alternatives (`?//`) are not supported; use `if` or `try`")
        }
        "=" | "==" if source.contains("===") => Some("jq writes `==`"),
        "||" => Some("jq writes `or`"),
        "!" => Some("jq writes `… | not`"),
        _ => None,
    };
    error(message, hint.map(str::to_owned), at)
}

fn modules(source: &str, tokens: &[Token<&str>]) -> Option<SyntaxError> {
    let Some(Token(word @ ("import" | "include" | "module"), Tok::Word)) = tokens.first() else {
        return None;
    };
    tokens.get(1).filter(|it| matches!(it.1, Tok::Str(_) | Tok::Block(_)))?;
    let hint = "write the definitions into the expression".to_owned();
    let message = format!("`{word}` is not available: expressions have no files");
    Some(error(message, Some(hint), span(source, word)))
}

/// Names that jaq found to be undefined, told in our words.
pub(super) fn undefined(
    source: &str,
    names: &[Arc<str>],
    errors: &[(&str, Undefined)],
) -> Vec<SyntaxError> {
    let inside = source.as_bytes().as_ptr_range();
    in_order(errors.iter().map(|(name, kind)| {
        let at = match inside.contains(&name.as_ptr()) {
            true => span(source, name),
            false => 0..source.len(),
        };
        let (message, hint) = match kind {
            Undefined::Var => variable(name, names),
            Undefined::Label => (format!("there is no `label {name}` around this `break`"), None),
            Undefined::Filter(arity) => function(name, *arity),
            _ => (format!("`{name}` is a module, and expressions have none"), None),
        };
        error(message, hint, at)
    }))
}

fn variable(name: &str, names: &[Arc<str>]) -> (String, Option<String>) {
    let refused = [("$ENV", MACHINE), ("$__prog_args", MACHINE), ("$__prog_name", MACHINE)];
    if let Some((_, why)) = refused.iter().find(|(refused, _)| *refused == name) {
        let hint = "use `$secrets`, or the workflow's input".to_owned();
        return (format!("`{name}` is not available: it {why}"), Some(hint));
    }
    let names = || names.iter().filter(|it| ***it != *super::NOW);
    let list = names().map(|it| format!("`${it}`")).collect::<Vec<_>>().join(", ");
    let available = match list.is_empty() {
        true => "no variables are available here".to_owned(),
        false => format!("available here: {list}"),
    };
    if SPECIFIED.contains(&name) {
        return (format!("`{name}` is not available here"), Some(available));
    }
    let known = names().map(|it| format!("${it}"));
    let hint = similar(name, known).unwrap_or(available);
    (format!("unknown variable `{name}`"), Some(hint))
}

fn function(name: &str, arity: usize) -> (String, Option<String>) {
    if matches!(name, "reduce" | "foreach") {
        let hint = "write `reduce … as $x (start; update)`".replace("reduce", name);
        return (format!("`{name}` does not take {arity} arguments"), Some(hint));
    }
    if let Some((_, why, hint)) = REFUSED.iter().find(|(refused, ..)| *refused == name) {
        return (format!("`{name}` is not available: it {why}"), Some((*hint).to_owned()));
    }
    let arities: Vec<_> = prelude::functions().filter(|(it, _)| *it == name).collect();
    if !arities.is_empty() {
        let mut counts: Vec<_> = arities.iter().map(|(_, count)| *count).collect();
        counts.sort_unstable();
        let counts: Vec<_> = counts.iter().map(usize::to_string).collect();
        let hint = (arity > 0).then(|| "arguments are separated by `;`".to_owned());
        let noun = if counts == ["1"] { "argument" } else { "arguments" };
        let counts = counts.join(" or ");
        return (format!("`{name}` takes {counts} {noun}, not {arity}"), hint);
    }
    let known = prelude::functions().map(|(it, _)| it.to_owned());
    let word = !name.starts_with('@');
    let hint = similar(name, known)
        .or_else(|| word.then(|| format!("a text is written \"{name}\", a field .{name}")));
    (format!("unknown function `{name}`"), hint)
}

fn similar(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let scored = known.map(|it| (strsim::damerau_levenshtein(name, &it), it));
    let best = scored.min_by(|left, right| left.0.cmp(&right.0))?;
    let near = best.0 <= 2 && best.0 * 2 < name.chars().count();
    near.then(|| format!("did you mean `{}`?", best.1))
}
