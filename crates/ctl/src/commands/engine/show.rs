//! What people see of jobs.

use std::fmt::Write as _;

use tessera_types::engine::{
    DeadLetter, EngineJob, JobHead, JobStep, JobSteps, ScenarioInfo, ScenarioSource,
};
use tessera_types::{Duration, Timestamp};

use crate::moment::{age, near, stamp};
use crate::style::{Style, Tone, printable, tone_of_status};
use crate::table::{Cell, Column, Table};

/// Between a field's name and its value.
const FIELD_WIDTH: usize = 14;

pub(super) fn jobs(heads: &[JobHead], now: Timestamp) -> Table {
    let mut columns = ["JOB", "SCENARIO", "FOR", "STATUS", "DONE", "AGE"].map(Column::new).to_vec();
    columns.push(Column::flexible("WAITING FOR"));
    let mut table = Table::new(columns);
    for head in heads {
        let status = head.status.as_str();
        table.row(vec![
            head.id.to_string().into(),
            head.scenario.to_string().into(),
            printable(head.submitter.as_deref().unwrap_or("-")).into(),
            Cell::toned(status, tone_of_status(status)),
            format!("{}/{}", head.progress.done, head.progress.known).into(),
            age(head.created_at, now).into(),
            printable(head.waiting_for.as_deref().unwrap_or("-")).into(),
        ]);
    }
    table
}

pub(super) fn scenarios(all: &[ScenarioInfo]) -> Table {
    let mut columns = ["SCENARIO", "FROM"].map(Column::new).to_vec();
    columns.push(Column::flexible("DOES"));
    let mut table = Table::new(columns);
    for one in all {
        let from = match (one.source, one.overrides) {
            (ScenarioSource::BuiltIn, _) => "built in",
            (ScenarioSource::Folder, false) => "folder",
            (ScenarioSource::Folder, true) => "folder, instead of the built-in one",
        };
        let does = one.summary.as_ref().or(one.title.as_ref());
        let does = printable(does.map_or("-", String::as_str));
        table.row(vec![one.scenario.to_string().into(), from.into(), does.into()]);
    }
    table
}

pub(super) fn letters(letters: &[DeadLetter], now: Timestamp) -> Table {
    let names = ["JOB", "SEQUENCE", "TYPE", "TRIES", "GIVEN UP", "TO"];
    let mut columns = names.map(Column::new).to_vec();
    columns.push(Column::flexible("BECAUSE"));
    let mut table = Table::new(columns);
    for letter in letters {
        let kind = letter.event.get("type").and_then(serde_json::Value::as_str);
        table.row(vec![
            letter.job.to_string().into(),
            letter.sequence.to_string().into(),
            printable(kind.unwrap_or("-")).into(),
            letter.attempts.to_string().into(),
            near(letter.at, now).into(),
            printable(&letter.callback_url).into(),
            printable(letter.reason.as_deref().unwrap_or("-")).into(),
        ]);
    }
    table
}

/// A job in full, with the steps of its present attempt.
pub(super) fn job(
    job: &EngineJob,
    steps: &JobSteps,
    style: Style,
    width: Option<usize>,
    now: Timestamp,
) -> String {
    let mut text = format!("{}\n", style.paint(Tone::Strong, &format!("job {}", job.head.id)));
    for (name, value, tone) in fields(job, now) {
        let _ = writeln!(text, "  {name:FIELD_WIDTH$}{}", style.paint(tone, &printable(&value)));
    }
    if !steps.steps.is_empty() {
        let table = steps_of(&steps.steps);
        let _ = write!(text, "\n{}", table.render(style, width));
    }
    text
}

type Field = (&'static str, String, Tone);

fn fields(job: &EngineJob, now: Timestamp) -> Vec<Field> {
    let head = &job.head;
    let plain = |name, value: String| (name, value, Tone::Plain);
    let status = head.status.as_str();
    let mut fields = vec![
        ("status", status.to_owned(), tone_of_status(status)),
        plain("scenario", head.scenario.to_string()),
        plain("attempt", head.attempt.to_string()),
    ];
    let mut add = |name, value: Option<String>| {
        fields.extend(value.map(|value| plain(name, value)));
    };
    add("for", head.submitter.clone());
    add("waits for", head.waiting_for.clone());
    add("step", job.metadata.get("step").and_then(|it| it.as_str()).map(str::to_owned));
    add(
        "submitted",
        Some(format!("{} ({} ago)", stamp(head.created_at), age(head.created_at, now))),
    );
    add("ended", head.ended_at.map(|at| format!("{} ({} ago)", stamp(at), age(at, now))));
    add("input", Some(job.input.to_string()));
    add("output", job.output.as_ref().map(ToString::to_string));
    let error = job.error.as_ref().map(|error| {
        let title = error.title.as_deref().unwrap_or(&error.kind);
        let detail = error.detail.as_deref().map(|it| format!(": {it}")).unwrap_or_default();
        format!("{title}{detail} (at {})", error.instance)
    });
    fields.extend(error.map(|error| ("error", error, Tone::Bad)));
    fields
}

fn steps_of(steps: &[JobStep]) -> Table {
    let names = ["TASK", "ROUND", "STATUS", "BEGAN", "TOOK", "RETRIES"];
    let mut table = Table::new(names.map(Column::new).to_vec());
    let origin = steps.first().map(|step| step.started_at);
    for step in steps {
        let began = step.started_at.since(origin.unwrap_or(step.started_at));
        let took = step.ended_at.map(|ended| seconds(ended.since(step.started_at)));
        let status = step.status.as_str();
        table.row(vec![
            printable(&step.task).into(),
            step.iteration.map_or_else(|| "-".to_owned(), |it| it.to_string()).into(),
            Cell::toned(status, tone_of_status(status)),
            format!("+{}", seconds(began)).into(),
            took.unwrap_or_else(|| "-".to_owned()).into(),
            step.retries.to_string().into(),
        ]);
    }
    table
}

fn seconds(span: Duration) -> String {
    let ms = span.as_millis();
    format!("{}.{:03}s", ms / 1000, ms % 1000)
}
