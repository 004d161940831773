//! Runs scenarios of the specification's conformance kit, in whatever runs documents.

use std::fmt::Write;

use serde_json::Value as Json;
use tessera_manifest::{Document, Format, Limits, Source};
use tessera_workflow::machine::{Observation, Observed, Outcome};

/// How a run went.
pub(crate) struct Ran {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) observations: Vec<Observation>,
}

/// Runs a document with an input.
pub(crate) type Execute<'e> = &'e dyn Fn(&str, Json) -> Ran;

/// YAML or JSON as JSON.
pub(crate) fn yaml(text: &str) -> Json {
    let source = Source::new("test.yaml", text);
    let limits = Limits::default();
    let all = tessera_manifest::read(source, Format::Yaml, &limits, Document::decode::<Json>);
    all.unwrap_or_else(|problems| panic!("{}", problems[0].render())).remove(0)
}

struct Step {
    text: String,
    argument: Option<String>,
}

/// Runs all scenarios of a feature; what failed is in the error.
pub(crate) fn feature(text: &str, execute: Execute<'_>) -> Result<usize, String> {
    let mut failed = String::new();
    let scenarios = scenarios(text);
    for (name, steps) in &scenarios {
        if let Err(why) = scenario(steps, execute) {
            let _ = writeln!(failed, "{name}: {why}");
        }
    }
    if failed.is_empty() { Ok(scenarios.len()) } else { Err(failed) }
}

fn scenarios(text: &str) -> Vec<(String, Vec<Step>)> {
    let mut scenarios: Vec<(String, Vec<Step>)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line_text = line.trim();
        if let Some(name) = line_text.strip_prefix("Scenario:") {
            scenarios.push((name.trim().to_owned(), Vec::new()));
            continue;
        }
        let Some((_, steps)) = scenarios.last_mut() else { continue };
        if line_text.starts_with("\"\"\"") {
            let indent = line.len() - line.trim_start().len();
            let argument = lines.by_ref().take_while(|it| !it.trim().starts_with("\"\"\""));
            let argument = argument.map(|it| it.get(indent..).unwrap_or_default());
            let argument = argument.collect::<Vec<_>>().join("\n");
            steps.last_mut().expect("an argument follows a step").argument = Some(argument);
        } else if let Some(text) = ["Given ", "When ", "Then ", "And ", "But "]
            .iter()
            .find_map(|word| line_text.strip_prefix(word))
        {
            steps.push(Step { text: text.trim_end_matches(':').to_owned(), argument: None });
        }
    }
    scenarios
}

fn scenario(steps: &[Step], execute: Execute<'_>) -> Result<(), String> {
    let mut document = String::new();
    let mut input = Json::Null;
    let mut world: Option<Ran> = None;
    for step in steps {
        let argument = step.argument.as_deref().unwrap_or_default();
        match (step.text.as_str(), &world) {
            ("a workflow with definition", _) => argument.clone_into(&mut document),
            ("given the workflow input is", _) => input = yaml(argument),
            ("the workflow is executed", _) => {
                world = Some(execute(&document, input.clone()));
            }
            (text, Some(world)) => {
                check(world, text, step.argument.as_deref())
                    .map_err(|why| format!("{text}: {why}"))?;
            }
            (text, None) => return Err(format!("{text}: nothing was executed")),
        }
    }
    Ok(())
}

fn check(world: &Ran, text: &str, argument: Option<&str>) -> Result<(), String> {
    if let Some(rest) = text.strip_prefix("the workflow output should have ") {
        return properties(&world.output()?, rest, argument);
    }
    if let Some(rest) = text.strip_prefix("the workflow should ") {
        return ended(world, rest, argument);
    }
    let (task, rest) = text.split_once(" should ").ok_or("this is no step")?;
    match rest.strip_prefix("run ") {
        Some(order) => ran(world, task, order),
        None => task_ended(world, task, rest, argument),
    }
}

impl Ran {
    fn output(&self) -> Result<Json, String> {
        match &self.outcome {
            Some(Outcome::Completed(output)) => Ok(json(output)),
            outcome => Err(format!("it is {outcome:?}")),
        }
    }

    /// The names of the tasks that began, in their order.
    fn started(&self) -> Vec<&str> {
        let all = self.observations.iter().filter(|it| it.what == Observed::Started);
        all.filter_map(|it| Some(&*it.task.as_ref()?.name)).collect()
    }
}

fn json(value: &tessera_workflow::value::Value) -> Json {
    serde_json::from_str(&value.to_string()).unwrap()
}

fn equal(found: &Json, expected: Option<&str>) -> Result<(), String> {
    match expected {
        Some(expected) if *found != yaml(expected) => Err(format!("it is {found}")),
        _ => Ok(()),
    }
}

fn ended(world: &Ran, how: &str, argument: Option<&str>) -> Result<(), String> {
    match (how, &world.outcome) {
        ("complete" | "complete with output", Some(Outcome::Completed(output))) => {
            equal(&json(output), argument)
        }
        ("fault" | "fault with error", Some(Outcome::Faulted(error))) => {
            matches_error(&serde_json::to_value(error).unwrap(), argument)
        }
        ("cancel", Some(Outcome::Cancelled(_))) => Ok(()),
        (_, outcome) => Err(format!("it is {outcome:?}")),
    }
}

/// The expected error says what matters of it.
fn matches_error(found: &Json, expected: Option<&str>) -> Result<(), String> {
    let Some(Json::Object(expected)) = expected.map(yaml) else { return Ok(()) };
    match expected.iter().find(|(name, it)| found.get(name.as_str()) != Some(it)) {
        Some((name, _)) => Err(format!("`{name}` differs: it is {found}")),
        None => Ok(()),
    }
}

fn properties(output: &Json, rest: &str, argument: Option<&str>) -> Result<(), String> {
    let quoted: Vec<&str> = rest.split('\'').skip(1).step_by(2).collect();
    for path in &quoted {
        let found = path.split('.').try_fold(output, |at, name| match name.parse::<usize>() {
            Ok(index) if at.is_array() => at.get(index),
            _ => at.get(name),
        });
        let found = found.ok_or_else(|| format!("there is no `{path}` in {output}"))?;
        equal(found, argument)?;
        let count = rest.split(" property containing ").nth(1);
        let count = count.and_then(|it| it.split(' ').next()?.parse::<usize>().ok());
        let has = found.as_array().map_or(0, Vec::len);
        if count.is_some_and(|count| count != has) {
            return Err(format!("it has {has}"));
        }
    }
    Ok(())
}

fn ran(world: &Ran, task: &str, order: &str) -> Result<(), String> {
    let started = world.started();
    let first = |name: &str| started.iter().position(|it| *it == name);
    let at = first(task).ok_or_else(|| format!("it did not run; {started:?}"))?;
    let right = match order.split_once(' ') {
        None if order == "first" => at == 0,
        None if order == "last" => started.last() == Some(&task),
        Some(("before", other)) => first(other).is_some_and(|other| at < other),
        Some(("after", other)) => first(other).is_some_and(|other| at > other),
        _ => return Err("this is no step".to_owned()),
    };
    if right { Ok(()) } else { Err(format!("they ran as {started:?}")) }
}

fn task_ended(world: &Ran, task: &str, how: &str, argument: Option<&str>) -> Result<(), String> {
    let of_task =
        world.observations.iter().filter(|it| it.task.as_ref().is_some_and(|it| &*it.name == task));
    for observation in of_task {
        match (how, &observation.what) {
            ("complete" | "complete with output", Observed::Completed(output)) => {
                return equal(&json(output), argument);
            }
            ("fault" | "fault with error", Observed::Faulted(error)) => {
                return matches_error(&serde_json::to_value(error).unwrap(), argument);
            }
            ("cancel", Observed::Cancelled) => return Ok(()),
            _ => {}
        }
    }
    Err("it did not".to_owned())
}
