//! `scenario trace`: a run's steps with their times.

use serde::Serialize;
use serde_json::Value as Json;
use tessera_effects::local::Ended;
use tessera_effects::trace::{Step, steps};
use tessera_types::{Duration, Timestamp};
use tessera_workflow::machine::{Error, Outcome};

use super::run::{Arguments, conclude, plain, to_end};
use crate::cli::Format;
use crate::commands::engine::task_within;
use crate::context::{Context, json, print};
use crate::failure::Failure;
use crate::style::{printable, tone_of_status};
use crate::table::{Cell, Column, Table};

/// A run, for programs.
#[derive(Debug, Serialize)]
struct Trace {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error>,
    steps: Vec<Step>,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let Ended { outcome, observations } = to_end(context, arguments).await?;
    let origin = observations.first().map(|it| it.at);
    let steps = steps(&observations);
    match format {
        Format::Json => print(&json(&trace(&outcome, steps)?)?)?,
        _ => {
            let table = table(&steps, origin);
            print(&table.render(context.style, context.width()))?;
        }
    }
    conclude(&outcome, |_| Ok(()))
}

fn trace(outcome: &Outcome, steps: Vec<Step>) -> Result<Trace, Failure> {
    let trace = |status, output, error| Trace { status, output, error, steps };
    Ok(match outcome {
        Outcome::Completed(output) => trace("Completed", Some(plain(output)?), None),
        Outcome::Faulted(error) => trace("Faulted", None, Some(error.clone())),
        Outcome::Cancelled(_) => trace("Cancelled", None, None),
    })
}

fn table(steps: &[Step], origin: Option<Timestamp>) -> Table {
    let names = ["TASK", "ROUND", "STATUS", "BEGAN", "TOOK", "RETRIES", "ERROR"];
    let mut table = Table::new(names.map(Column::new).to_vec());
    for step in steps {
        let began = step.started_at.since(origin.unwrap_or(step.started_at));
        let dash = || "-".to_owned();
        let status = step.status.as_str();
        table.row(vec![
            task_within(&step.within, &step.task).into(),
            step.iteration.map_or_else(dash, |it| it.to_string()).into(),
            Cell::toned(status, tone_of_status(status)),
            format!("+{}", seconds(began)).into(),
            step.took_ms.map_or_else(dash, |ms| seconds(Duration::from_millis(ms))).into(),
            step.retries.to_string().into(),
            printable(step.error.as_deref().unwrap_or("-")).into(),
        ]);
    }
    table
}

fn seconds(span: Duration) -> String {
    let ms = span.as_millis();
    format!("{}.{:03}s", ms / 1000, ms % 1000)
}
