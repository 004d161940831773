//! The way from text to jaq's program, and its evaluation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jaq_core::load::parse::{Def, Term};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Exn, Vars};
use tessera_types::limits::clip;

use super::account::{self, Limit};
use super::item::{Failure, Item};
use super::natives::{self, Kind};
use super::surrogates::Joined;
use super::{
    EvaluationError, NOW, SyntaxError, Variables, instrument, limits, prelude, syntax, text,
};
use crate::value::Value;

pub(super) struct Compiled {
    source: Box<str>,
    /// The variables that it uses, of those that it may.
    names: Box<[Arc<str>]>,
    program: jaq_core::Filter<Kind>,
    /// Whether it may need more stack than there is.
    recurses: bool,
}

/// The definition that holds an expression: jaq takes syntax trees for definitions only. No text can
/// say its name, so no expression calls itself: as its last act that would never end, uncounted.
const BODY: &str = "!body";
/// The definition that calls it, and whose call is the whole program, which is text.
const MAIN: &str = "_main";

impl Compiled {
    pub(super) fn new(source: &str, names: &[Arc<str>]) -> Result<Self, Vec<SyntaxError>> {
        let nesting = syntax::within_limits(source)?;
        let wanted = limits::COMPILE_STACK / limits::NESTING * (nesting + 8);
        let joined = Joined::new(source);
        let program =
            stacker::maybe_grow(wanted.min(limits::COMPILE_STACK), limits::COMPILE_STACK, || {
                Self::parsed(&joined.text, names)
            });
        let program = program.map_err(|errors| joined.as_written(errors))?;
        Ok(Self { source: source.into(), ..program })
    }

    fn parsed(source: &str, names: &[Arc<str>]) -> Result<Self, Vec<SyntaxError>> {
        let term = instrument::expression(source, syntax::parse(source)?)?;
        let is_used = |it: &&Arc<str>| match &***it {
            NOW => source.contains("now"),
            name => mentions(source, name),
        };
        let used: Vec<Arc<str>> = names.iter().filter(is_used).cloned().collect();
        let variables: Vec<String> = used.iter().map(|name| format!("${name}")).collect();
        let (definitions, functions) = prelude::needed(&term);
        // What counts no steps has some dozens of nodes, and none of them calls another.
        let recurses = !definitions.is_empty() || functions.iter().any(|it| natives::is_tick(it.0));
        let body = Def { name: BODY, args: Vec::new(), body: term };
        let main = Def { name: MAIN, args: Vec::new(), body: Term::Call(BODY, Vec::new()) };
        let now = used.iter().any(|it| **it == *NOW).then(now);
        let definitions = definitions.into_iter().chain(now).chain([body, main]);
        let arena = Arena::default();
        let modules = Loader::new(definitions).load(&arena, File { path: (), code: MAIN });
        let Ok(modules) = modules else { unreachable!("the main program is one call") };
        let program = Compiler::default()
            .with_funs(functions)
            .with_global_vars(variables.iter().map(String::as_str))
            .compile(modules)
            .map_err(|errors| {
                let errors: Vec<_> = errors.into_iter().flat_map(|(_, errors)| errors).collect();
                syntax::undefined(source, names, &errors)
            })?;
        Ok(Self { source: source.into(), names: used.into(), program, recurses })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn evaluate(
        &self,
        input: &Value,
        variables: &Variables,
    ) -> Result<Value, EvaluationError> {
        let evaluate = || self.accounted(input, variables);
        match self.recurses {
            true => stacker::grow(limits::STACK, evaluate),
            false => stacker::maybe_grow(limits::RED_ZONE, limits::STACK, evaluate),
        }
    }

    fn accounted(&self, input: &Value, variables: &Variables) -> Result<Value, EvaluationError> {
        // A panic would be a mistake in jaq or here; it costs the expression, not the program.
        let evaluation = || catch_unwind(AssertUnwindSafe(|| self.run(input, variables)));
        let (outcome, spent) = account::open(evaluation);
        if let Some(limit) = spent {
            return Err(EvaluationError(limit.to_string()));
        }
        outcome.unwrap_or_else(|_| {
            Err(EvaluationError("the expression cannot be evaluated on this input".to_owned()))
        })
    }

    fn run(&self, input: &Value, variables: &Variables) -> Result<Value, EvaluationError> {
        let values = self
            .names
            .iter()
            .map(|name| Item::outer(variables.get(name).cloned().unwrap_or_default()));
        let context = Ctx::<Kind>::new(&self.program.lut, Vars::new(values));
        let mut outputs = self.program.id.run((context, Item::outer(input.clone())));
        let mut next = || outputs.next().transpose().map_err(reported);
        let Some(first) = next()? else { return Ok(Value::Null) };
        let result = match next()? {
            None => first,
            Some(second) => {
                let mut all = vec![first, second];
                while let Some(item) = next()? {
                    let counted = account::steps(1);
                    counted.map_err(|limit| EvaluationError(limit.to_string()))?;
                    all.push(item);
                }
                Item::list(all).map_err(|limit| EvaluationError(limit.to_string()))?
            }
        };
        result.result().map_err(EvaluationError)
    }
}

/// The function `now`, whose value is handed over.
fn now() -> Def<&'static str> {
    Def { name: "now", args: Vec::new(), body: Term::Var("$!now") }
}

/// Whether a variable's name occurs: names that do not are not handed over.
fn mentions(source: &str, name: &str) -> bool {
    let word = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let mut rest = source;
    while let Some(at) = rest.find('$') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.strip_prefix(name).is_some_and(|after| !after.starts_with(word)) {
            return true;
        }
    }
    false
}

fn reported(exception: Exn<'_, Item>) -> EvaluationError {
    match exception.get_err() {
        Ok(failure) => EvaluationError(message(failure)),
        // Only a spent account halts, and it says what was.
        Err(_) => EvaluationError(account::spent().unwrap_or(Limit::Steps).to_string()),
    }
}

/// The text of an error, or the JSON of one that is no text.
fn message(failure: Failure) -> String {
    let item = failure.into_val();
    match &item.value {
        Value::TStr(text) => clip(&String::from_utf8_lossy(text), MESSAGE),
        value => format!("error (not a string): {}", text::shown(value)),
    }
}

/// Bytes of an error's message. The cut is marked, which masks rely on.
const MESSAGE: usize = 1000;
