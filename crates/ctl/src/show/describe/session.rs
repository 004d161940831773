//! Sessions, parts and what came of them, explained.

use tessera_types::report::ReportItem;
use tessera_types::{Job, Object, Pod, Report, Session, SessionPart};

use super::Page;
use super::timed::of_timed;
use crate::moment::stamp;
use crate::show::host::counted;
use crate::show::pod::ports;
use crate::show::session::gate;
use crate::show::timed::score_text;
use crate::show::{cores, memory};

pub(super) fn of_session(page: &mut Page, session: &Object<Session>) {
    let observed = &session.observed;
    page.heading("session");
    page.field("definition", pinned(observed.definition.as_ref()));
    let parts: Vec<_> = observed
        .definition
        .iter()
        .flat_map(|it| it.spec.parts.iter().map(|part| part.name.as_str()))
        .collect();
    page.optional("parts", (!parts.is_empty()).then(|| parts.join(", ")));
    result(page, observed.score, None, observed.passed);
    names_of_env(page, session.spec.env.keys());
    of_timed(page, session, None);
}

pub(super) fn of_part(page: &mut Page, part: &Object<SessionPart>) {
    let observed = &part.observed;
    page.heading("part");
    page.field("definition", pinned(observed.definition.as_ref()));
    page.field("name", format!("{}, number {}", part.spec.part, part.spec.order + 1));
    page.field("gate", gate(part));
    page.optional("approved by", observed.approved_by.as_ref());
    let policy = serde_json::to_value(part.spec.on_failure).unwrap_or_default();
    page.optional("on failure", policy.as_str());
    for trigger in observed.definition.iter().flat_map(|it| &it.spec.triggers) {
        let action = serde_json::to_value(trigger.action).unwrap_or_default();
        page.field("on event", format!("{}: {}", trigger.event, action.as_str().unwrap_or("?")));
    }
    page.optional_time("graded", observed.graded_at);
    result(page, observed.score, None, observed.passed);
    names_of_env(page, part.spec.env.keys());
    of_timed(page, part, None);
}

pub(super) fn of_pod(page: &mut Page, pod: &Object<Pod>) {
    let observed = &pod.observed;
    page.heading("pod");
    page.field("definition", pinned(observed.definition.as_ref()));
    if let Some(definition) = &observed.definition {
        page.field("type", definition.spec.pod_type);
        for (name, value) in &definition.spec.parameters {
            page.field("fact", format!("{name}={value}"));
        }
    }
    match &observed.binding {
        None => page.field("host", "none"),
        Some(binding) => {
            page.field("host", &binding.host);
            let window = binding.window;
            page.field("holds it", format!("{} to {}", stamp(window.from), stamp(window.until)));
            let demand = &binding.demand;
            page.optional("cpu", (demand.cpu.0 > 0).then(|| cores(demand.cpu)));
            page.optional("memory", (demand.memory.0 > 0).then(|| memory(demand.memory)));
            let has_counted = !demand.counted.is_empty();
            page.optional("counted", has_counted.then(|| counted(&demand.counted)));
            let has_ports = !binding.ports.is_empty();
            page.optional("ports", has_ports.then(|| ports(&binding.ports)));
        }
    }
    names_of_env(page, pod.spec.env.keys());
    let provision = observed.definition.as_ref().map(|pinned| pinned.spec.provision);
    of_timed(page, pod, provision);
}

pub(super) fn of_job(page: &mut Page, job: &Object<Job>) {
    let observed = &job.observed;
    page.heading("job");
    page.field("definition", pinned(observed.definition.as_ref()));
    page.optional("phase", job.spec.phase.as_ref());
    page.field("try", job.spec.attempt);
    page.optional_time("deadline", observed.deadline);
    page.optional("workload", observed.workload.as_ref());
    page.optional("trouble", observed.message.as_ref());
    names_of_env(page, job.spec.env.keys());
    if let Some(found) = &observed.result {
        result(page, found.score, found.max_score, None);
        if !found.output.is_null() {
            page.field("output", &found.output);
        }
    }
}

pub(super) fn of_report(page: &mut Page, report: &Object<Report>) {
    let observed = &report.observed;
    page.heading("report");
    page.field("definition", pinned(observed.definition.as_ref()));
    result(page, observed.score, observed.max_score, observed.passed);
    page.optional_time("made", observed.made_at);
    for item in &observed.items {
        page.field("made of", made_of(item));
    }
}

fn made_of(item: &ReportItem) -> String {
    match score_text(item.score, item.max_score) {
        Some(score) => format!("{}, score {score}", item.of),
        None => item.of.clone(),
    }
}

/// The definition that an instance was made from.
pub(super) fn pinned(definition: Option<&impl ToString>) -> String {
    definition.map_or_else(|| "not known yet".to_owned(), ToString::to_string)
}

fn result(page: &mut Page, score: Option<f64>, max: Option<f64>, passed: Option<bool>) {
    page.optional("score", score_text(score, max));
    page.optional("passed", passed.map(|passed| if passed { "yes" } else { "no" }));
}

/// Values can be secrets and are left to `get -o yaml`.
fn names_of_env<'a>(page: &mut Page, names: impl Iterator<Item = &'a String>) {
    let names: Vec<_> = names.map(String::as_str).collect();
    page.optional("env", (!names.is_empty()).then(|| names.join(", ")));
}
