//! `engine`: the jobs that the engine runs, and the events about them that nobody took.

mod actions;
mod letters;
mod show;
mod submit;

use std::future::Future;

use clap::{Args, Subcommand};
use tessera_client::{DEFAULT_ENGINE_URL, Engine, Error, call};
use tessera_types::engine::{JobHead, JobId, JobStatus, ScenarioName};
use tessera_types::{State, limits};

pub(crate) use show::task_within;

use crate::cli::Format;
use crate::context::{Context, json, print, yaml};
use crate::failure::Failure;
use crate::kinds::bounded;
use crate::moment::now;

/// See the jobs of the engine, and cancel or repeat them
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// The engine's address
    #[arg(long, global = true, env = "TESSERA_ENGINE", value_name = "URL", default_value = DEFAULT_ENGINE_URL)]
    engine: String,
    #[command(subcommand)]
    action: Action,
}

/// What to do with the engine.
#[derive(Debug, Subcommand)]
enum Action {
    /// List jobs, newest first
    Jobs(Jobs),
    /// Show a job with its steps and their times
    Job(One),
    /// Submit a job
    Submit(submit::Arguments),
    /// Cancel jobs
    Cancel(Many),
    /// Have jobs that are over tried again
    ///
    /// It is a new attempt with the same document and input, and its effects have new keys.
    Retry(Many),
    /// List the scenarios that jobs can run
    Scenarios,
    /// List events about jobs that nobody took
    DeadLetters(Letters),
    /// Send events again that nobody took
    Replay(Letters),
}

#[derive(Debug, Args)]
struct Jobs {
    /// Only those that stand so, such as Running
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<JobStatus>,
    /// Only those of this scenario, such as `echo@v1`
    #[arg(long, value_name = "NAME@VERSION")]
    scenario: Option<ScenarioName>,
    /// Only those on behalf of this one, such as pod/default/web
    #[arg(long = "for", value_name = "SUBMITTER")]
    submitter: Option<String>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, Args)]
struct One {
    /// The job's id
    #[arg(value_name = "JOB")]
    id: JobId,
}

#[derive(Debug, Args)]
struct Many {
    /// The jobs' ids
    #[arg(value_name = "JOB", required = true)]
    ids: Vec<JobId>,
}

#[derive(Debug, Args)]
struct Letters {
    /// Only those about this job
    #[arg(value_name = "JOB")]
    id: Option<JobId>,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let engine = Engine::new(&arguments.engine).map_err(Failure::Engine)?;
    match &arguments.action {
        Action::Jobs(wanted) => jobs(context, &engine, wanted).await,
        Action::Job(one) => job(context, &engine, &one.id).await,
        Action::Submit(wanted) => submit::run(context, &engine, wanted).await,
        Action::Cancel(many) => actions::cancel(context, &engine, &many.ids).await,
        Action::Retry(many) => actions::retry(context, &engine, &many.ids).await,
        Action::Scenarios => scenarios(context, &engine).await,
        Action::DeadLetters(wanted) => letters::list(context, &engine, wanted.id.as_ref()).await,
        Action::Replay(wanted) => letters::replay(context, &engine, wanted.id.as_ref()).await,
    }
}

fn status(text: &str) -> Result<JobStatus, String> {
    let all = JobStatus::ALL;
    let found = all.iter().find(|status| status.as_str().eq_ignore_ascii_case(text));
    let names = || all.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ");
    found.copied().ok_or_else(|| format!("there are {}", names()))
}

/// Waits for the engine's answer, but not for ever.
async fn asked<T>(
    operation: &str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    bounded(operation, call).await.map_err(Failure::Engine)
}

async fn jobs(context: &Context, engine: &Engine, wanted: &Jobs) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml, Format::Name])?;
    let heads = heads(engine, wanted).await?;
    match format {
        Format::Json => print(&json(&heads)?),
        Format::Yaml => print(&yaml(&heads)?),
        Format::Name => {
            print(&heads.iter().map(|head| format!("{}\n", head.id)).collect::<String>())
        }
        _ => print(&show::jobs(&heads, now()).render(context.style, context.width())),
    }
}

/// As many as are wanted, a page at a time.
async fn heads(engine: &Engine, wanted: &Jobs) -> Result<Vec<JobHead>, Failure> {
    let Jobs { status, scenario, submitter, limit } = wanted;
    let (mut heads, mut page) = (Vec::new(), None::<String>);
    while heads.len() < *limit as usize {
        let left = (*limit as usize - heads.len()).min(limits::PAGE_MAX) as u32;
        let (after, scenario) = (page.as_deref(), scenario.as_ref());
        let list =
            engine.job_list(Some(left), after, scenario, status.as_ref(), submitter.as_deref());
        let list = asked("job_list", call(list)).await?;
        heads.extend(list.items);
        page = list.next_page;
        if page.is_none() {
            break;
        }
    }
    Ok(heads)
}

async fn job(context: &Context, engine: &Engine, id: &JobId) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let job = asked("job_get", call(engine.job_get(id))).await?;
    match format {
        Format::Json => print(&json(&job)?),
        Format::Yaml => print(&yaml(&job)?),
        _ => {
            let steps = asked("job_steps", call(engine.job_steps(id))).await?;
            print(&show::job(&job, &steps, context.style, context.width(), now()))
        }
    }
}

async fn scenarios(context: &Context, engine: &Engine) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml, Format::Name])?;
    let all = asked("scenario_list", call(engine.scenario_list())).await?.items;
    match format {
        Format::Json => print(&json(&all)?),
        Format::Yaml => print(&yaml(&all)?),
        Format::Name => {
            print(&all.iter().map(|it| format!("{}\n", it.scenario)).collect::<String>())
        }
        _ => print(&show::scenarios(&all).render(context.style, context.width())),
    }
}
