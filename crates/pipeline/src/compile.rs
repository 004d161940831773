//! A pipeline that can be looked at: its order known, its expressions compiled.

use std::sync::Arc;

use serde_json::Value as Json;
use tessera_types::{Invalid, Name, nearest};
use tessera_workflow::expression::{Expression, SyntaxError, Template};
use tessera_workflow::value::from_json;

use crate::graph;
use crate::resolve::{Resolved, ResolvedStep, Tier};

/// Something that Tessera can do in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handler {
    /// What it is called.
    pub name: &'static str,
    /// What it does, for people.
    pub what: &'static str,
    /// The arguments that it takes.
    pub arguments: &'static [&'static str],
}

/// A pipeline whose every name exists and whose every expression is one.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) steps: Vec<Step>,
    tier: Tier,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) resolved: ResolvedStep,
    pub(crate) needs: Vec<usize>,
    pub(crate) with: Template,
    pub(crate) skip_when: Option<Expression>,
    pub(crate) outputs: Vec<(Arc<str>, Expression)>,
}

impl Pipeline {
    /// Makes a pipeline of steps, of which Tessera can do what `handlers` names.
    ///
    /// # Errors
    /// Everything that is wrong with it, at its path below `pipeline`: circles, needs and handlers
    /// that are not there, arguments that a handler does not take, text that is no jq.
    pub fn compile(resolved: Resolved, handlers: &[Handler]) -> Result<Self, Vec<Invalid>> {
        let mut problems = Vec::new();
        let edges = graph::edges(&resolved.steps).unwrap_or_else(|found| {
            problems = found;
            vec![Vec::new(); resolved.steps.len()]
        });
        let tier = resolved.tier;
        let steps = resolved.steps.into_iter().zip(edges);
        let steps = steps.map(|(step, needs)| compile_step(step, needs, handlers, &mut problems));
        let steps = steps.collect();
        if problems.is_empty() { Ok(Self { steps, tier }) } else { Err(problems) }
    }

    /// The tier that its steps come from.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Its steps, in the order in which they were said.
    pub fn steps(&self) -> impl Iterator<Item = &ResolvedStep> {
        self.steps.iter().map(|step| &step.resolved)
    }

    /// Whether the engine has something to do in it.
    #[must_use]
    pub fn has_jobs(&self) -> bool {
        self.steps().any(|step| step.spec.job.is_some())
    }

    pub(crate) fn find(&self, name: &Name) -> Option<&Step> {
        self.steps.iter().find(|step| step.resolved.spec.name == *name)
    }
}

fn compile_step(
    resolved: ResolvedStep,
    needs: Vec<usize>,
    handlers: &[Handler],
    problems: &mut Vec<Invalid>,
) -> Step {
    check_handler(&resolved, handlers, problems);
    let spec = &resolved.spec;
    let mut compile = |path: String, source: &str| {
        Expression::compile(bare(source), &[])
            .map_err(|errors| problems.extend(errors.iter().map(|it| no_jq(&path, it))))
            .ok()
    };
    let skip_when = spec.skip_when.as_ref().and_then(|it| compile(resolved.path("skip_when"), it));
    let outputs = spec.outputs.iter();
    let outputs = outputs.filter_map(|(name, source)| {
        let expression = compile(resolved.path(&format!("outputs.{name}")), source)?;
        Some((name.as_str().into(), expression))
    });
    let outputs = outputs.collect();
    let mut with = Vec::with_capacity(spec.with.len());
    for (name, value) in &spec.with {
        let path = resolved.path(&format!("with.{name}"));
        with.push((name.as_str().into(), template(&path, value, problems)));
    }
    Step { needs, with: Template::Object(with.into()), skip_when, outputs, resolved }
}

fn check_handler(step: &ResolvedStep, handlers: &[Handler], problems: &mut Vec<Invalid>) {
    let Some(name) = &step.spec.handler else { return };
    let Some(handler) = handlers.iter().find(|it| it.name == name) else {
        let known: Vec<&str> = handlers.iter().map(|it| it.name).collect();
        let known = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        let message = format!("there is no handler `{name}`: {known}");
        problems.push(Invalid::new(&step.path("handler"), message));
        return;
    };
    for argument in step.spec.with.keys().filter(|it| !handler.arguments.contains(&it.as_str())) {
        let message = match handler.arguments {
            [] => format!("`{name}` takes no arguments"),
            known => format!("`{name}` takes {}", known.join(", ")),
        };
        problems.push(Invalid::new(&step.path(&format!("with.{argument}")), message));
    }
}

fn no_jq(path: &str, error: &SyntaxError) -> Invalid {
    Invalid::new(
        path,
        match &error.hint {
            Some(hint) => format!("{error}: {hint}"),
            None => error.to_string(),
        },
    )
}

/// An expression may stand alone or in `${ }`.
pub(crate) fn bare(source: &str) -> &str {
    enclosed(source).unwrap_or(source)
}

pub(crate) fn enclosed(source: &str) -> Option<&str> {
    source.trim().strip_prefix("${")?.strip_suffix('}')
}

/// Whether an expression stands within text, where it would not be seen.
fn is_within(text: &str) -> bool {
    let first = text.find("${");
    let is_around = |at: usize| text[..at].trim().is_empty();
    let opened = text.rfind("${").filter(|at| Some(*at) != first || !is_around(*at));
    opened.is_some_and(|at| text[at..].contains('}'))
}

/// Whether text names what expressions know, without being one.
fn is_bare(text: &str) -> bool {
    let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '.');
    let roots = [".inputs.", ".outputs.", ".instance."];
    roots.iter().any(|root| text.starts_with(root)) && text.chars().all(is_part)
}

fn bare_expression(path: &str, text: &str) -> Invalid {
    let message = format!("`{text}` is text here: write `${{ {text} }}` for what it stands for");
    Invalid::new(path, message)
}

fn lost_expression(path: &str) -> Invalid {
    let message = "`${ … }` within text is not evaluated: write all of it as one expression, as \
                   `${ \"lab \\(.inputs.lab)\" }`";
    Invalid::new(path, message)
}

fn template(path: &str, value: &Json, problems: &mut Vec<Invalid>) -> Template {
    match value {
        Json::String(text) => match enclosed(text).map(|source| Expression::compile(source, &[])) {
            Some(Ok(expression)) => Template::Expression(expression),
            Some(Err(errors)) => {
                match is_within(text) {
                    true => problems.push(lost_expression(path)),
                    false => problems.extend(errors.iter().map(|it| no_jq(path, it))),
                }
                Template::Constant(from_json(Json::Null))
            }
            None => {
                problems.extend(is_within(text).then(|| lost_expression(path)));
                problems.extend(is_bare(text).then(|| bare_expression(path, text)));
                Template::Constant(from_json(value.clone()))
            }
        },
        Json::Array(all) => {
            let all = all.iter().enumerate();
            let all = all.map(|(index, it)| template(&format!("{path}[{index}]"), it, problems));
            Template::List(all.collect())
        }
        Json::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, it)| {
                (name.as_str().into(), template(&format!("{path}.{name}"), it, problems))
            });
            Template::Object(fields.collect())
        }
        _ => Template::Constant(from_json(value.clone())),
    }
}
