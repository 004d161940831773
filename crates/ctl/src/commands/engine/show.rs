//! What people see of jobs.

use std::fmt::Write as _;

use tessera_types::engine::{
    DeadLetter, EngineJob, JobError, JobHead, JobStatus, JobStep, JobSteps, JobTransition,
    Progress, ScenarioInfo, ScenarioSource, StepStatus,
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
            done(head).into(),
            age(head.created_at, now).into(),
            printable(head.waiting_for.as_deref().unwrap_or("-")).into(),
        ]);
    }
    table
}

/// `3/8`. Not every run comes by all tasks, so of one that is done there is no whole.
fn done(head: &JobHead) -> String {
    let Progress { done, known, .. } = head.progress;
    match head.status {
        JobStatus::Completed => done.to_string(),
        _ => format!("{done}/{known}"),
    }
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
        let table = steps_of(&steps.steps, job.error.as_ref());
        let _ = write!(text, "\n{}", table.render(style, width));
    }
    if !job.history.is_empty() {
        let _ = write!(text, "\n{}", history(&job.history, now).render(style, width));
    }
    text
}

/// What happened to the job, its earlier attempts included.
fn history(changes: &[JobTransition], now: Timestamp) -> Table {
    let mut columns = ["AT", "AGE", "FROM", "TO", "BY"].map(Column::new).to_vec();
    columns.push(Column::flexible("BECAUSE"));
    let mut table = Table::new(columns);
    for change in changes {
        let to = change.to.as_str();
        let why = if change.reason.is_empty() { "-" } else { change.reason.as_str() };
        table.row(vec![
            stamp(change.at).into(),
            age(change.at, now).into(),
            change.from.map_or("-", JobStatus::as_str).into(),
            Cell::toned(to, tone_of_status(to)),
            printable(&change.by.to_string()).into(),
            printable(why).into(),
        ]);
    }
    table
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
    let error = job.error.as_ref().map(|error| match error.instance.as_str() {
        "" => in_words(error),
        instance => format!("{} (at {instance})", in_words(error)),
    });
    fields.extend(error.map(|error| ("error", error, Tone::Bad)));
    fields
}

fn in_words(error: &JobError) -> String {
    let title = error.title.as_deref().unwrap_or(&error.kind);
    let detail = error.detail.as_deref().map(|it| format!(": {it}")).unwrap_or_default();
    format!("{title}{detail}")
}

/// The tasks that the job came to, each with why it faulted. Of the job's own `error` an engine may
/// have no step that says it.
fn steps_of(steps: &[JobStep], error: Option<&JobError>) -> Table {
    let names = ["TASK", "ROUND", "STATUS", "BEGAN", "TOOK", "RETRIES"];
    let mut columns = names.map(Column::new).to_vec();
    let has_errors = error.is_some() || steps.iter().any(|step| step.error.is_some());
    columns.extend(has_errors.then(|| Column::flexible("ERROR")));
    let mut table = Table::new(columns);
    let origin = steps.first().map(|step| step.started_at);
    let is_its = |step: &JobStep| {
        step.status == StepStatus::Faulted && error.is_some_and(|it| it.instance == step.task)
    };
    let failed = steps.iter().rposition(is_its);
    for (place, step) in steps.iter().enumerate() {
        let began = step.started_at.since(origin.unwrap_or(step.started_at));
        let took = step.ended_at.map(|ended| seconds(ended.since(step.started_at)));
        let status = step.status.as_str();
        let mut row: Vec<Cell> = vec![
            task_within(&step.within, &step.task).into(),
            step.iteration.map_or_else(|| "-".to_owned(), |it| it.to_string()).into(),
            Cell::toned(status, tone_of_status(status)),
            format!("+{}", seconds(began)).into(),
            took.unwrap_or_else(|| "-".to_owned()).into(),
            step.retries.to_string().into(),
        ];
        if has_errors {
            let of_job = error.filter(|_| failed == Some(place)).map(in_words);
            row.push(match step.error.clone().or(of_job) {
                Some(error) => Cell::toned(printable(&error), Tone::Bad),
                None => "-".into(),
            });
        }
        table.row(row);
    }
    table
}

/// A task, and the tasks that run the workflow that it is a task of.
pub(crate) fn task_within(within: &[String], task: &str) -> String {
    let around: String = within.iter().map(|it| format!("{} > ", printable(it))).collect();
    format!("{around}{}", printable(task))
}

fn seconds(span: Duration) -> String {
    let ms = span.as_millis();
    format!("{}.{:03}s", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-03-01T12:00:00Z";

    fn shown(more: &Value) -> String {
        let mut job = json!({
            "id": "0".repeat(32), "scenario": "get@v1", "status": "Failed", "attempt": 2,
            "progress": {"done": 1, "known": 2}, "created_at": "2026-03-01T11:00:00Z",
            "scenario_hash": "x",
            "history": [
                {"to": "Submitted", "at": "2026-03-01T11:00:00Z", "by": "api"},
                {"from": "Submitted", "to": "Cancelled", "at": "2026-03-01T11:30:00Z",
                    "by": "api", "reason": "somebody cancelled it"},
            ],
        });
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let of_steps = job.as_object_mut().and_then(|it| it.remove("steps"));
        let step = |task: &str, status: &str| json!({"task": task, "status": status, "started_at": "2026-03-01T11:00:00Z"});
        let steps = json!({
            "job": "0".repeat(32), "attempt": 2, "status": "Failed", "entries": 3,
            "steps": of_steps.unwrap_or_else(|| json!([step("/do/0/get", "Faulted"),
                step("/do/1/put", "Completed"), step("/do/0/get", "Faulted")])),
        });
        let job = serde_json::from_value(job).unwrap();
        let steps = serde_json::from_value(steps).unwrap();
        super::job(&job, &steps, Style::PLAIN, None, NOW.parse().unwrap())
    }

    #[test]
    fn the_task_that_failed_the_job_says_why() {
        let text = shown(&json!({"error": {"type": "x", "status": 500, "title": "No answer",
            "detail": "it is down", "instance": "/do/0/get"}}));
        assert!(text.contains("No answer: it is down (at /do/0/get)\n"), "{text}");
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("/do/")).collect();
        let has_error: Vec<bool> = rows.iter().map(|row| row.ends_with("it is down")).collect();
        assert_eq!(has_error, [false, false, true], "{text}");
    }

    #[test]
    fn a_task_says_why_it_faulted_also_where_that_was_caught() {
        let at = "2026-03-01T11:00:00Z";
        let text = shown(&json!({"steps": [
            {"task": "/do/0/get", "status": "Faulted", "started_at": at, "error": "No answer"},
            {"task": "/do/0/get", "status": "Completed", "started_at": at},
            {"task": "/do/1/tell", "status": "Skipped", "started_at": at, "ended_at": at},
            {"task": "/do/0/a", "within": ["/do/2/run"], "status": "Completed", "started_at": at},
        ]}));
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.starts_with("/do/"))
            .map(|line| line.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect())
            .collect();
        let of = |place: usize| (rows[place][0], rows[place][2], *rows[place].last().unwrap());
        assert_eq!(of(0), ("/do/0/get", "Faulted", "No answer"), "{text}");
        assert_eq!(of(1), ("/do/0/get", "Completed", "-"), "{text}");
        assert_eq!(of(2), ("/do/1/tell", "Skipped", "-"), "{text}");
        assert_eq!(of(3).0, "/do/2/run > /do/0/a", "{text}");
    }

    #[test]
    fn an_error_of_no_task_has_no_place() {
        let text = shown(&json!({"error": {"type": "x", "status": 500, "title": "No document",
            "instance": ""}}));
        assert!(text.contains("No document\n") && !text.contains("(at"), "{text}");
        assert!(!shown(&json!({})).contains("ERROR"));
    }

    #[test]
    fn who_changed_the_status_is_told() {
        let text = shown(&json!({}));
        let line = text.lines().find(|line| line.contains("somebody cancelled it")).unwrap();
        for part in ["Submitted", "Cancelled", "api"] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn what_is_done_has_no_tasks_left() {
        let head = |status: &str| {
            let head = json!({"id": "0".repeat(32), "scenario": "get@v1", "status": status,
                "attempt": 1, "progress": {"done": 7, "known": 8}, "created_at": NOW});
            done(&serde_json::from_value(head).unwrap())
        };
        assert_eq!(head("Completed"), "7");
        assert_eq!(head("Failed"), "7/8");
    }
}
