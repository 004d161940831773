//! Every manifest and every body that the documentation and the examples show can be read.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tessera_manifest::{Document, Format, Limits, Problem, Source, read};
use tessera_types::api::{
    Applied, ApplyRequest, ApplyResponse, History, List, Readiness, Top, WatchEvent,
};
use tessera_types::booking::{
    EventsAnswer, HostCalendar, PartRequest, PlanResponse, SeedRequest, SeedResponse,
    StretchRequest,
};
use tessera_types::manifest::WRITTEN_BY_TESSERA;
use tessera_types::sync::{
    LogEnd, LogLine, Registration, ReportRequest, SyncRequest, SyncResponse,
};
use tessera_types::{Kind, KindName, Manifest, Object, Workload, with_kind};

use crate::markdown::{Block, blocks};
use crate::{files, text};

/// The name that a manifest in a page has in its errors.
const SHOWN_AS: &str = "web.yaml";

#[test]
fn every_example_can_be_declared() {
    // Tenants are read by the tests of their own crate.
    let mut examples = files("examples");
    examples.retain(|path| !path.starts_with("examples/tenants/"));
    assert!(examples.contains(&"examples/quickstart.yaml".to_owned()));
    for example in examples {
        let format = Format::of_path(&example).unwrap_or_else(|| panic!("{example}: no manifest"));
        let declared = read_all(&example, text(&example), format, manifest);
        assert!(!declared.unwrap_or_else(|told| panic!("{told}")).is_empty());
    }
}

#[test]
fn every_block_is_what_it_is_marked_as() {
    let mut wrong = Vec::new();
    for page in files("docs").into_iter().filter(|page| page.ends_with(".md")) {
        let found = blocks(&page, &text(&page));
        for (index, block) in found.iter().enumerate() {
            if let Err(why) = check(block, found.get(index + 1)) {
                wrong.push(why);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(block: &Block, next: Option<&Block>) -> Result<(), String> {
    let Some(format) = Format::of_path(format!("x.{}", block.language)) else { return Ok(()) };
    let shown = |why: String| format!("{}: {why}", block.at);
    let source = block.text.clone();
    match block.mark.as_str() {
        // Those of workflows and of tenants are read by the tests of their own crates.
        "ignore" | "workflow" | "tasks" | "tenant" => Ok(()),
        "wrong" => told_as_shown(source, format, next),
        "spec" => read_all(&block.at, whole_workload(&source), format, manifest).map(drop),
        "" if block.language == "json" || !block.at.starts_with("docs/reference/") => {
            read_all(&block.at, source, format, manifest_if_it_looks_like_one).map(drop)
        }
        "" => read_all(&block.at, source, format, manifest_or_printed).map(drop),
        body => body_of(body, &block.at, source),
    }
    .map_err(shown)
}

/// Reads all documents of a source. The error is what a person would be told.
fn read_all<T>(
    name: &str,
    text: String,
    format: Format,
    decode: fn(&Document) -> Result<T, Vec<Problem>>,
) -> Result<Vec<T>, String> {
    let read = read(Source::new(name, text), format, &Limits::default(), decode);
    read.map_err(|problems| problems.iter().map(Problem::render).collect::<Vec<_>>().join("\n"))
}

/// A manifest of the kind that the document names.
fn manifest(document: &Document) -> Result<(), Vec<Problem>> {
    let word = document.root().get("kind").and_then(|kind| kind.as_str());
    let kind = word.and_then(|word| KindName::ALL.into_iter().find(|kind| kind.as_str() == word));
    with_kind!(kind.unwrap_or(KindName::Workload), K => manifest_of::<K>(document))
}

fn manifest_of<K: Kind>(document: &Document) -> Result<(), Vec<Problem>> {
    let problems = document.decode::<Manifest<K>>()?.problems();
    let broken = problems
        .into_iter()
        .map(|broken| document.problem(&broken.path, "invalid_spec", broken.message, None));
    let broken: Vec<_> = broken.collect();
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

/// A manifest, or a resource as `get -o yaml` prints it.
fn manifest_or_printed(document: &Document) -> Result<(), Vec<Problem>> {
    if is_printed(document) { Ok(()) } else { manifest(document) }
}

/// What is not marked, where other things than manifests are shown as well.
fn manifest_if_it_looks_like_one(document: &Document) -> Result<(), Vec<Problem>> {
    let looks_like_one = document.root().get("spec").is_some() && !is_printed(document);
    if looks_like_one { manifest(document) } else { Ok(()) }
}

fn is_printed(document: &Document) -> bool {
    WRITTEN_BY_TESSERA.iter().any(|field| document.root().get(field).is_some())
}

/// A workload around the inside of a spec, written as YAML.
fn whole_workload(spec: &str) -> String {
    let runs = |line: &str| line.starts_with("command:") || line.starts_with("image:");
    let command = if spec.lines().any(runs) { "" } else { "  command: /bin/true\n" };
    let indented: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("name: web\nspec:\n{command}{indented}")
}

/// A manifest with mistakes, and the block after it, which must show what is said of them.
fn told_as_shown(source: String, format: Format, next: Option<&Block>) -> Result<(), String> {
    let Err(told) = read_all(SHOWN_AS, source, format, manifest) else {
        return Err("it is marked as wrong, and nothing is".to_owned());
    };
    match next.filter(|next| next.language == "text") {
        Some(shown) if shown.text.trim_end() == told.trim_end() => Ok(()),
        Some(_) => Err(format!("the block after it should say:\n{told}")),
        None => Err(format!("a `text` block should follow and say:\n{told}")),
    }
}

/// The body of a request or an answer, of the type that the mark names.
fn body_of(mark: &str, at: &str, source: String) -> Result<(), String> {
    match mark {
        "Applied" => body::<Applied<Workload>>(at, source),
        "ApplyRequest" => body::<ApplyRequest>(at, source),
        "ApplyResponse" => body::<ApplyResponse>(at, source),
        "EventsAnswer" => body::<EventsAnswer>(at, source),
        "HostCalendar" => body::<HostCalendar>(at, source),
        "History" => body::<History>(at, source),
        "List" => body::<List<Workload>>(at, source),
        "LogLine" => body::<LogLine>(at, source),
        "LogEnd" => body::<LogEnd>(at, source),
        "PartRequest" => body::<PartRequest>(at, source),
        "PlanResponse" => body::<PlanResponse>(at, source),
        "Problem" => body::<tessera_types::Problem>(at, source),
        "Readiness" => body::<Readiness>(at, source),
        "Registration" => body::<Registration>(at, source),
        "ReportRequest" => body::<ReportRequest>(at, source),
        "SeedRequest" => body::<SeedRequest>(at, source),
        "SeedResponse" => body::<SeedResponse>(at, source),
        "StretchRequest" => body::<StretchRequest>(at, source),
        "SyncRequest" => body::<SyncRequest>(at, source),
        "SyncResponse" => body::<SyncResponse>(at, source),
        "Top" => body::<Top>(at, source),
        "WatchEvent" => body::<WatchEvent>(at, source),
        "Workload" => body::<Object<Workload>>(at, source),
        other => Err(format!("there is no mark `{other}`: see docs/reference/README.md")),
    }
}

/// Decoded by `serde_json`, as programs do.
fn body<T: DeserializeOwned>(at: &str, source: String) -> Result<(), String> {
    let values = read_all(at, source, Format::Json, Document::decode::<Value>)?;
    for value in values {
        serde_json::from_value::<T>(value).map_err(|error| error.to_string())?;
    }
    Ok(())
}
