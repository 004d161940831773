//! Workloads as rows of a table.

use tessera_types::workload::{
    Exit, ExitOutcome, Health, WorkloadObserved, WorkloadSpec, WorkloadStatus,
};
use tessera_types::{Object, Timestamp, Workload};

use super::{Detail, cores};
use crate::moment::{age, until};
use crate::style::{Tone, printable, tone_of_status};
use crate::table::{Cell, Column};

/// The columns of workloads.
pub(super) fn columns(detail: Detail) -> Vec<Column> {
    let mut columns = Vec::new();
    if detail.namespaces {
        columns.push(Column::new("NAMESPACE"));
    }
    columns.extend(["NAME", "STATUS", "NODE", "RESTARTS", "AGE"].map(Column::new));
    if detail.wide {
        columns.extend(["HEALTH", "RUNS AS", "CPU", "MEMORY", "GENERATION"].map(Column::new));
        columns.push(Column::flexible("RUNS"));
    }
    columns.push(Column::flexible("WAITING FOR"));
    columns
}

/// A workload as a row of [`columns`].
pub(super) fn row(workload: &Object<Workload>, detail: Detail, now: Timestamp) -> Vec<Cell> {
    let mut row = Vec::new();
    if detail.namespaces {
        row.push(workload.namespace.as_ref().map_or("-", |name| name.as_str()).into());
    }
    let observed = &workload.observed;
    row.extend([
        workload.name.as_str().into(),
        status(workload, now),
        observed.assigned.as_ref().map_or("-", |assigned| assigned.node.as_str()).into(),
        observed.restarts.to_string().into(),
        age(workload.created_at, now).into(),
    ]);
    if detail.wide {
        row.extend(wide(workload));
    }
    row.push(waiting_for(workload).into());
    row
}

fn wide(workload: &Object<Workload>) -> [Cell; 6] {
    let resources = workload.spec.resources;
    let amount = |is_set: bool, text: String| if is_set { text } else { "-".to_owned() };
    [
        health(&workload.observed),
        runs_as(&workload.observed).into(),
        amount(resources.cpu.0 > 0, cores(resources.cpu)).into(),
        amount(resources.memory.0 > 0, resources.memory.to_string()).into(),
        workload.generation.to_string().into(),
        runs(&workload.spec).into(),
    ]
}

/// The status, with what a person asks next: when it starts again, how it ended.
fn status(workload: &Object<Workload>, now: Timestamp) -> Cell {
    let status = workload.status;
    let more = match status {
        _ if workload.deletion_requested_at.is_some() => Some("being deleted".to_owned()),
        WorkloadStatus::BackingOff => {
            workload.observed.next_start_at.map(|at| format!("next {}", until(at, now)))
        }
        WorkloadStatus::Failed => {
            workload.observed.last_exit.as_ref().map(|exit| short(&exit.outcome))
        }
        WorkloadStatus::Running => {
            (workload.observed.health == Some(Health::Unhealthy)).then(|| "unhealthy".to_owned())
        }
        _ => None,
    };
    let text = more.map_or_else(|| status.to_string(), |more| format!("{status} ({more})"));
    Cell::toned(text, tone_of_status(status.as_str()))
}

/// The end of a run in two words.
fn short(outcome: &ExitOutcome) -> String {
    match outcome {
        ExitOutcome::Exited { code } => format!("code {code}"),
        ExitOutcome::Signaled { signal } => format!("signal {signal}"),
        ExitOutcome::OutOfMemory => "out of memory".to_owned(),
        ExitOutcome::StartFailed { .. } => "did not start".to_owned(),
        ExitOutcome::Unhealthy { .. } => "unhealthy".to_owned(),
        ExitOutcome::WindowClosed => "window closed".to_owned(),
        ExitOutcome::Disconnected => "disconnected".to_owned(),
        ExitOutcome::SupervisorLost => "supervisor lost".to_owned(),
    }
}

fn health(observed: &WorkloadObserved) -> Cell {
    match observed.health {
        None => "-".into(),
        Some(Health::Healthy) => Cell::toned("healthy", Tone::Good),
        Some(Health::Starting) => Cell::toned("starting", Tone::Busy),
        Some(Health::Unhealthy) => Cell::toned("unhealthy", Tone::Bad),
    }
}

/// The live copy on its node: `pid 4711`, or the container's short id.
fn runs_as(observed: &WorkloadObserved) -> String {
    let Some(instance) = &observed.instance else { return "-".to_owned() };
    match (&instance.container_id, instance.pid) {
        (Some(id), _) => id.chars().take(12).collect(),
        (None, Some(pid)) => format!("pid {pid}"),
        (None, None) => "-".to_owned(),
    }
}

/// What runs: the image and the command line, as far as they are given.
pub(crate) fn runs(spec: &WorkloadSpec) -> String {
    let words = spec.image.iter().chain(&spec.command).chain(&spec.args);
    printable(&words.map(|word| shell_word(word)).collect::<Vec<_>>().join(" "))
}

/// A word as a shell would need it.
fn shell_word(word: &str) -> String {
    let is_safe = |b: u8| b.is_ascii_alphanumeric() || b"_-./:@=,+%".contains(&b);
    if !word.is_empty() && word.bytes().all(is_safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What it waits for; where nothing is, what goes wrong at the moment.
pub(crate) fn waiting_for(workload: &Object<Workload>) -> String {
    let waiting = workload.waiting_for.as_ref().map(|waiting| &waiting.message);
    printable(waiting.or(workload.observed.trouble.as_ref()).map_or("", String::as_str))
}

/// How a run ended, and when: `3m ago: exited with code 1`.
pub(crate) fn last_exit(exit: &Exit, now: Timestamp) -> String {
    printable(&format!("{} ago: {}", age(exit.at, now), exit.outcome))
}
