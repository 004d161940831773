//! What expressions of steps name: inputs, outputs of other steps, facts of the instance. All of
//! it is known before anything runs, so a slip is found then, not after a lab was booted.

use serde_json::Value as Json;
use tessera_types::{Invalid, KindName, nearest};

use crate::compile::{Pipeline, Step, bare, enclosed};
use crate::reads::{Read, reads};

const ROOTS: [&str; 3] = ["inputs", "outputs", "instance"];
const OF_ALL: [&str; 6] = ["kind", "id", "namespace", "name", "labels", "timeslot"];
const OF_PODS: [&str; 8] =
    ["kind", "id", "namespace", "name", "labels", "timeslot", "host", "ports"];

/// Everything that the expressions of a pipeline read and is not there, at its path below the
/// phase. `inputs` are the names of what the pipeline is given.
pub(crate) fn refuse_unknown(pipeline: &Pipeline, kind: KindName, inputs: &[&str]) -> Vec<Invalid> {
    let instance: &[&str] = match kind {
        KindName::Pod | KindName::PodDefinition => &OF_PODS,
        _ => &OF_ALL,
    };
    let mut problems = Vec::new();
    for (at, step) in pipeline.steps.iter().enumerate() {
        let needed = needed(pipeline, at);
        let known = Known { pipeline, step, needed, inputs, instance };
        for (path, source) in expressions(step) {
            let wrong = reads(source).iter().find_map(|read| known.refuse(read));
            problems.extend(wrong.map(|message| Invalid::new(&path, message)));
        }
    }
    problems
}

/// The expressions over what is known, with their paths.
fn expressions(step: &Step) -> Vec<(String, &str)> {
    fn collect<'a>(path: &str, value: &'a Json, found: &mut Vec<(String, &'a str)>) {
        match value {
            Json::String(text) => {
                found.extend(enclosed(text).map(|source| (path.to_owned(), source)));
            }
            Json::Array(all) => {
                let all = all.iter().enumerate();
                all.for_each(|(index, it)| collect(&format!("{path}[{index}]"), it, found));
            }
            Json::Object(fields) => {
                fields.iter().for_each(|(name, it)| collect(&format!("{path}.{name}"), it, found));
            }
            _ => {}
        }
    }
    let resolved = &step.resolved;
    let skip_when = resolved.spec.skip_when.as_deref();
    let mut found: Vec<_> =
        skip_when.map(|it| (resolved.path("skip_when"), bare(it))).into_iter().collect();
    for (name, value) in &resolved.spec.with {
        collect(&resolved.path(&format!("with.{name}")), value, &mut found);
    }
    found
}

/// The steps that are over before this one begins.
fn needed(pipeline: &Pipeline, at: usize) -> Vec<usize> {
    let (mut needed, mut left) = (Vec::new(), pipeline.steps[at].needs.clone());
    while let Some(one) = left.pop() {
        if !needed.contains(&one) {
            needed.push(one);
            left.extend(&pipeline.steps[one].needs);
        }
    }
    needed
}

/// What the expressions of a step can read.
struct Known<'a> {
    pipeline: &'a Pipeline,
    step: &'a Step,
    needed: Vec<usize>,
    inputs: &'a [&'a str],
    instance: &'a [&'a str],
}

impl Known<'_> {
    /// Why what is read is not there.
    fn refuse(&self, read: &Read) -> Option<String> {
        let path: Vec<&str> = read.path.iter().map(String::as_str).collect();
        match path[..] {
            [root] if !ROOTS.contains(&root) => {
                let roots = ROOTS.map(|it| format!(".{it}"));
                Some(format!(
                    "there is no `.{root}` here: {}",
                    meant(root, &ROOTS, ".", &roots.join(", "))
                ))
            }
            ["inputs", name] if !read.has_default && !self.inputs.contains(&name) => {
                Some(match self.inputs {
                    [] => format!(
                        "there is no input `{name}`: there are none, since inputs are the `parameters` of a pod's definition"
                    ),
                    known => format!(
                        "there is no input `{name}`: {}",
                        meant(name, known, "", &known.join(", "))
                    ),
                })
            }
            ["instance", name] if !read.has_default && !self.instance.contains(&name) => {
                let known = self.instance;
                Some(format!(
                    "an instance has no `{name}`: {}",
                    meant(name, known, "", &known.join(", "))
                ))
            }
            ["outputs", name] => self.refuse_step(name),
            ["outputs", step, name] if !read.has_default => self.refuse_output(step, name),
            _ => None,
        }
    }

    fn refuse_step(&self, name: &str) -> Option<String> {
        let names = || self.pipeline.steps.iter().map(|step| step.resolved.spec.name.as_str());
        let own = &self.step.resolved.spec.name;
        match names().position(|known| known == name) {
            Some(at) if self.needed.contains(&at) => None,
            Some(_) if own.as_str() == name => Some(format!(
                "step {own} cannot read its own output: it has none before it is done"
            )),
            Some(_) => Some(format!(
                "step {own} does not need step `{name}`, whose output it reads: add `{name}` to its `needs`"
            )),
            None => {
                let others: Vec<&str> = names().filter(|it| *it != own.as_str()).collect();
                Some(match others[..] {
                    [] => format!("there is no step `{name}`: there are no others"),
                    _ => format!(
                        "there is no step `{name}`: {}",
                        meant(name, &others, "", &others.join(", "))
                    ),
                })
            }
        }
    }

    /// A step that says which outputs it has has no others.
    fn refuse_output(&self, step: &str, name: &str) -> Option<String> {
        let mut steps = self.pipeline.steps.iter().map(|it| &it.resolved.spec);
        let outputs = &steps.find(|it| it.name.as_str() == step)?.outputs;
        let known: Vec<&str> = outputs.keys().map(String::as_str).collect();
        let is_there = known.is_empty() || known.contains(&name);
        (!is_there).then(|| {
            format!(
                "step {step} has no output `{name}`: {}",
                meant(name, &known, "", &known.join(", "))
            )
        })
    }
}

/// The nearest of what is known, or all of it.
fn meant(word: &str, known: &[&str], before: &str, all: &str) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{before}{near}`?"),
        None => format!("there are {all}"),
    }
}
