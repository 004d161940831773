//! Submitting a job, and waiting for its end where that is wanted.

use std::time::Duration;

use clap::Args;
use serde_json::{Value as Json, json};
use tessera_client::{Engine, call};
use tessera_types::engine::{EngineJob, JobStatus, ScenarioName, Submission};

use super::asked;
use crate::cli::Format;
use crate::commands::scenario::input;
use crate::context::{Context, json as as_json, print, tell, yaml};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::show::change::KEY_TONE;

/// How often it is looked whether the job is over.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is submitted.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The scenario, such as echo@v1
    #[arg(value_name = "NAME@VERSION")]
    scenario: ScenarioName,
    /// The input: JSON, or @FILE; an empty object unless given
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// Submit it once for this key, however often that is asked
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// On behalf of this one; those for whom many jobs wait take turns
    #[arg(long = "for", value_name = "SUBMITTER")]
    submitter: Option<String>,
    /// Wait until it is over, and print its output
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(
    context: &Context,
    engine: &Engine,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml, Format::Name])?;
    let submission = submission(arguments)?;
    let job = asked("job_submit", call(engine.job_submit(&submission))).await?;
    if arguments.wait {
        return conclude(&until_over(engine, job).await?, format);
    }
    match format {
        Format::Json => print(&as_json(&job)?),
        Format::Yaml => print(&yaml(&job)?),
        Format::Name => print(&format!("{}\n", job.head.id)),
        _ => {
            let shown = context.style.paint(KEY_TONE, job.head.id.as_str());
            print(&format!("job {shown} submitted\n"))
        }
    }
}

fn submission(arguments: &Arguments) -> Result<Submission, Failure> {
    Ok(Submission {
        scenario: arguments.scenario.clone(),
        input: input(arguments.input.as_deref())?,
        pod_definition_id: None,
        callback_url: None,
        metadata: serde_json::Map::new(),
        idempotency_key: arguments.key.clone(),
        submitter: arguments.submitter.clone(),
        cancelled: false,
    })
}

async fn until_over(engine: &Engine, mut job: EngineJob) -> Result<EngineJob, Failure> {
    while !job.head.status.is_over() {
        tokio::time::sleep(LOOK_EVERY).await;
        job = asked("job_get", call(engine.job_get(&job.head.id))).await?;
    }
    Ok(job)
}

/// Prints the output, or tells the error, as `scenario run` does.
fn conclude(job: &EngineJob, format: Format) -> Result<(), Failure> {
    match (job.head.status, &job.error) {
        (JobStatus::Completed, _) => {
            let output = job.output.as_ref().unwrap_or(&Json::Null);
            match format {
                Format::Yaml => print(&yaml(output)?),
                Format::Name => print(&format!("{}\n", job.head.id)),
                _ => print(&as_json(output)?),
            }
        }
        (_, Some(error)) => {
            tell(&as_json(error)?);
            Err(Failure::Told(Exit::Failed))
        }
        (status, None) => {
            tell(&as_json(&json!({ "job": job.head.id, "status": status }))?);
            Err(Failure::Told(Exit::Failed))
        }
    }
}
