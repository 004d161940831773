//! Which steps a pipeline has, and where each comes from.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use tessera_types::timed::{OverridesPolicy, PipelineSpec, StepOverride, StepSpec};
use tessera_types::{Invalid, Name, nearest};

use crate::templates::{standard, standard_names};

/// Where steps can come from; the first of these that has any gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The content package of the pod.
    Content,
    /// The definition itself.
    Inline,
    /// The template that the definition extends.
    Extends,
    /// The template that is built in for the phase.
    Standard,
}

impl Tier {
    /// Every tier, in their order.
    pub const ALL: [Self; 4] = [Self::Content, Self::Inline, Self::Extends, Self::Standard];
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Content => "content",
            Self::Inline => "inline",
            Self::Extends => "extends",
            Self::Standard => "standard",
        })
    }
}

/// What may say something about a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What the content of the pod says.
    pub content: Option<&'a PipelineSpec>,
    /// What the definition says.
    pub definition: Option<&'a PipelineSpec>,
    /// How the two go together.
    pub policy: OverridesPolicy,
    /// The phase, for its built-in template `standard-<phase>`.
    pub phase: &'a str,
}

/// Where a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Where its name comes from: the pipeline's tier, or what inserted it.
    pub tier: Tier,
    /// Whether the definition inserted it.
    pub inserted: bool,
    /// Whether the definition changed it.
    pub overridden: bool,
}

/// A step and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResolvedStep {
    /// The step.
    #[serde(flatten)]
    pub spec: StepSpec,
    /// Where it comes from.
    pub origin: Origin,
    /// Where it was written.
    #[serde(skip)]
    written: Written,
}

/// Where the definition says something of a step, below `pipeline`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Written {
    /// The step itself; the name of its template for one of a template.
    at: String,
    /// What of it stands in `overrides`: `needs`, `with.lab`.
    overridden: BTreeSet<String>,
}

/// The steps of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// The tier that gave them.
    pub tier: Tier,
    /// The steps, in the order in which they were said.
    pub steps: Vec<ResolvedStep>,
}

/// Finds the steps of a pipeline.
///
/// # Errors
/// Every name that is said and does not exist, or twice, at its path below `pipeline`.
pub fn resolve(sources: &Sources<'_>) -> Result<Resolved, Vec<Invalid>> {
    let mut problems = Vec::new();
    let (tier, steps) = first_that_has_any(sources, &mut problems);
    let origin = Origin { tier, inserted: false, overridden: false };
    let steps = steps.iter().enumerate().map(|(index, spec)| {
        let at = match tier {
            Tier::Extends => "extends".to_owned(),
            Tier::Standard => String::new(),
            Tier::Content | Tier::Inline => format!("steps[{index}]"),
        };
        let written = Written { at, overridden: BTreeSet::new() };
        ResolvedStep { spec: spec.clone(), origin, written }
    });
    let steps = steps.collect();
    let mut resolved = Resolved { tier, steps };
    if let Some(definition) = sources.definition {
        resolved.change(definition, &mut problems);
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

fn first_that_has_any<'a>(
    sources: &Sources<'a>,
    problems: &mut Vec<Invalid>,
) -> (Tier, &'a [StepSpec]) {
    let content = sources.content.map(|it| it.steps.as_slice()).filter(|it| !it.is_empty());
    let inline = sources.definition.map(|it| it.steps.as_slice()).filter(|it| !it.is_empty());
    let extends = sources.definition.and_then(|it| it.extends.as_deref());
    let extended = extends.map(|name| {
        standard(name).unwrap_or_else(|| {
            let known: Vec<&str> = standard_names().collect();
            let message = format!("there is no template `{name}`: {}", meant(name, &known));
            problems.push(Invalid::new("pipeline.extends", message));
            &[]
        })
    });
    let content = content.map(|steps| (Tier::Content, steps));
    let own = inline
        .map(|steps| (Tier::Inline, steps))
        .or_else(|| extended.map(|steps| (Tier::Extends, steps)));
    let found = match sources.policy {
        OverridesPolicy::Merge => content.or(own),
        OverridesPolicy::Replace => own.or(content),
    };
    found.unwrap_or_else(|| {
        let name = format!("standard-{}", sources.phase);
        (Tier::Standard, standard(&name).unwrap_or_default())
    })
}

impl Resolved {
    fn change(&mut self, definition: &PipelineSpec, problems: &mut Vec<Invalid>) {
        for (index, name) in definition.remove.iter().enumerate() {
            match self.position(name) {
                Some(at) => self.remove(at),
                None => problems.push(self.no_step(&format!("remove[{index}]"), name)),
            }
        }
        for (name, changes) in &definition.overrides {
            match self.position(name) {
                Some(at) => self.steps[at].override_with(changes),
                None => problems.push(self.no_step(&format!("overrides.{name}"), name)),
            }
        }
        for (field, inserts) in [
            ("insert_before", &definition.insert_before),
            ("insert_after", &definition.insert_after),
        ] {
            for (name, steps) in inserts {
                match self.position(name) {
                    Some(at) if field == "insert_before" => self.insert_before(at, name, steps),
                    Some(at) => self.insert_after(at, name, steps),
                    None => problems.push(self.no_step(&format!("{field}.{name}"), name)),
                }
            }
        }
    }

    fn position(&self, name: &Name) -> Option<usize> {
        self.steps.iter().position(|step| step.spec.name == *name)
    }

    fn no_step(&self, path: &str, name: &Name) -> Invalid {
        let known: Vec<&str> = self.steps.iter().map(|step| step.spec.name.as_str()).collect();
        let message = match known.as_slice() {
            [] => format!("there is no step `{name}`: the pipeline has none"),
            known => format!("there is no step `{name}`: {}", meant(name.as_str(), known)),
        };
        Invalid::new(&format!("pipeline.{path}"), message)
    }

    /// Leaves a step out. What needs it needs what it needed.
    fn remove(&mut self, at: usize) {
        let removed = self.steps.remove(at).spec;
        for step in &mut self.steps {
            if step.spec.needs.contains(&removed.name) {
                step.spec.needs.retain(|name| *name != removed.name);
                add_new(&mut step.spec.needs, &removed.needs);
            }
        }
    }

    /// Puts steps between a step and what it needs.
    fn insert_before(&mut self, at: usize, name: &Name, steps: &[StepSpec]) {
        let Some(last) = steps.last() else { return };
        let needs = std::mem::replace(&mut self.steps[at].spec.needs, vec![last.name.clone()]);
        self.insert(at, &format!("insert_before.{name}"), steps, &needs);
    }

    /// Puts steps between a step and what needs it.
    fn insert_after(&mut self, at: usize, name: &Name, steps: &[StepSpec]) {
        let Some(last) = steps.last() else { return };
        for step in &mut self.steps {
            for need in step.spec.needs.iter_mut().filter(|need| *need == name) {
                *need = last.name.clone();
            }
        }
        let path = format!("insert_after.{name}");
        self.insert(at + 1, &path, steps, std::slice::from_ref(name));
    }

    /// Inserts a chain of steps, written at `path`, of which the first needs `needs`.
    fn insert(&mut self, at: usize, path: &str, steps: &[StepSpec], needs: &[Name]) {
        let mut needs = needs.to_vec();
        let mut chain = Vec::with_capacity(steps.len());
        for (index, spec) in steps.iter().enumerate() {
            let mut spec = spec.clone();
            add_new(&mut spec.needs, &needs);
            needs = vec![spec.name.clone()];
            let origin = Origin { tier: Tier::Inline, inserted: true, overridden: false };
            let written = Written { at: format!("{path}[{index}]"), overridden: BTreeSet::new() };
            chain.push(ResolvedStep { spec, origin, written });
        }
        self.steps.splice(at..at, chain);
    }
}

fn add_new(needs: &mut Vec<Name>, more: &[Name]) {
    for name in more {
        if !needs.contains(name) {
            needs.push(name.clone());
        }
    }
}

/// The nearest of what is known, or all of it.
fn meant(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    }
}

impl ResolvedStep {
    /// The path below the phase at which something of the step was written: `needs`, `with.lab`;
    /// the step itself when `field` is empty.
    pub(crate) fn path(&self, field: &str) -> String {
        let Written { at, overridden } = &self.written;
        let is_in = |known: &String| {
            let rest = field.strip_prefix(known.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if overridden.iter().any(is_in) {
            return format!("pipeline.overrides.{}.{field}", self.spec.name);
        }
        match (self.origin.inserted, self.origin.tier) {
            // What is wrong with the step of a template is wrong with what was done to it.
            (false, Tier::Standard) => "pipeline".to_owned(),
            (false, Tier::Extends) => format!("pipeline.{at}"),
            _ if field.is_empty() => format!("pipeline.{at}"),
            _ => format!("pipeline.{at}.{field}"),
        }
    }

    fn override_with(&mut self, changes: &StepOverride) {
        let StepOverride { needs, handler, job, with, skip_when, retry, outputs, on_failure } =
            changes.clone();
        let spec = &mut self.spec;
        self.origin.overridden = true;
        let overridden = &mut self.written.overridden;
        let mut note = |field: &str, is_said: bool| {
            overridden.extend(is_said.then(|| field.to_owned()));
        };
        note("needs", needs.is_some());
        note("handler", handler.is_some());
        note("job", job.is_some());
        note("skip_when", skip_when.is_some());
        note("outputs", outputs.is_some());
        if let Some(needs) = needs {
            spec.needs = needs;
        }
        // One takes the place of the other.
        if handler.is_some() || job.is_some() {
            (spec.handler, spec.job) = (handler, job);
        }
        for (name, value) in with {
            note(&format!("with.{name}"), !value.is_null());
            match value {
                serde_json::Value::Null => drop(spec.with.remove(&name)),
                value => drop(spec.with.insert(name, value)),
            }
        }
        spec.skip_when = skip_when.or(spec.skip_when.take());
        spec.retry = retry.unwrap_or(spec.retry);
        spec.outputs = outputs.unwrap_or_else(|| std::mem::take(&mut spec.outputs));
        spec.on_failure = on_failure.unwrap_or(spec.on_failure);
    }
}
