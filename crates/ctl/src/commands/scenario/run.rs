//! `scenario run`: one document, run in this process.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Value as Json;
use tessera_effects::local::{Ended, Local};
use tessera_effects::{Base, Files, Folder, Performer, Resolve, Settings};
use tessera_workflow::machine::{CloudEvent, Error, Outcome, kind};
use tessera_workflow::value::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::document::{self, readable, text};
use super::secret;
use crate::cli::Format;
use crate::context::{Context, json, print, tell, yaml};
use crate::exit::Exit;
use crate::failure::Failure;

/// What is run, and with what.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The document, YAML or JSON; - for standard input
    file: PathBuf,
    /// The input: JSON, or @FILE; an empty object unless given
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// Send a host to an address, such as api.example.com=127.0.0.1:8080; may be repeated
    ///
    /// With a port every connection to the host takes that one.
    #[arg(long, value_name = "HOST=ADDRESS")]
    resolve: Vec<Resolve>,
    /// Trust the certificates in this file (PEM) besides the system's; may be repeated
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Give a secret: NAME=@FILE or NAME=env:VARIABLE; may be repeated
    #[arg(long, value_name = "NAME=SOURCE")]
    secret: Vec<String>,
    /// Feed the events in this file, a CloudEvent in JSON on each line
    ///
    /// Each is fed when a task listens. A run that listens when none is left is cancelled.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Find other workflows in this folder, and functions of the default catalog in its functions
    #[arg(long, value_name = "FOLDER")]
    workflows: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Json, Format::Yaml])?;
    let ended = to_end(context, arguments).await?;
    conclude(&ended.outcome, |output| match format {
        Format::Yaml => print(&yaml(output)?),
        _ => print(&json(output)?),
    })
}

/// Prints the output, or tells the error.
pub(super) fn conclude(
    outcome: &Outcome,
    show: impl FnOnce(&Json) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match outcome {
        Outcome::Completed(output) => show(&plain(output)?),
        Outcome::Faulted(error) => {
            tell(&json(error)?);
            Err(Failure::Told(Exit::Failed))
        }
        Outcome::Cancelled(reason) => {
            tell(&json(&Error::new(kind::RUNTIME, 500, "Cancelled", &**reason))?);
            let is_interrupted = &**reason == "interrupted";
            Err(Failure::Told(if is_interrupted { Exit::Interrupted } else { Exit::Failed }))
        }
    }
}

/// A value as JSON.
pub(super) fn plain(value: &Value) -> Result<Json, Failure> {
    let failed = |error: Error| Failure::Failed { message: error.to_string(), details: Vec::new() };
    tessera_effects::to_json(value).map_err(failed)
}

/// Runs a document to its end.
pub(super) async fn to_end(context: &Context, arguments: &Arguments) -> Result<Ended, Failure> {
    let reading = readable(context, &arguments.file)?;
    // Programs read a fault from standard error, and nothing else is to stand there.
    if std::io::stderr().is_terminal() {
        tell(&document::warnings(&reading.warnings, context.error_style));
    }
    let input = input(arguments.input.as_deref())?;
    let events = arguments.events.as_deref().map(events).transpose()?.unwrap_or_default();
    let performer = Performer::new(settings(arguments));
    let performer = performer.map_err(|error| Failure::usage(error.to_string()))?;
    let secrets = secret::read(&arguments.secret)?;
    secret::check(&reading.workflow, &secrets)?;
    let local = Local::new(performer, secrets);
    let cancelled = CancellationToken::new();
    let running = Box::pin(local.run(reading.workflow, input, events, &cancelled));
    let interrupts = async {
        interrupted().await?;
        cancelled.cancel();
        // Who asks twice does not wait for what is under way to end.
        interrupted().await
    };
    let ended = tokio::select! {
        ended = running => ended,
        failed = interrupts => {
            failed?;
            return Err(Failure::Told(Exit::Interrupted));
        }
    };
    if !cancelled.is_cancelled() {
        tokio::select! {
            () = local.finish() => {}
            _ = interrupted() => {}
        }
    }
    Ok(ended)
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => Ok(pressed?),
        _ = terminate.recv() => Ok(()),
    }
}

fn settings(arguments: &Arguments) -> Settings {
    let is_stdin = arguments.file == Path::new("-");
    let folder = arguments.file.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.filter(|_| !is_stdin).unwrap_or(Path::new("."));
    let folders = arguments.workflows.iter().cloned().collect();
    let files = if is_stdin { Vec::new() } else { vec![arguments.file.clone()] };
    let catalog = arguments.workflows.clone().map_or(Base::Nowhere, Base::Folder);
    Settings {
        resolve: arguments.resolve.clone(),
        ca: arguments.ca.clone(),
        base: Base::Folder(folder.to_owned()),
        catalog,
        // The document is the user's own, and may read what the user may.
        files: Files::Anywhere,
        definitions: Some(Arc::new(Folder { folders, files })),
        ..Settings::default()
    }
}

pub(crate) fn input(given: Option<&str>) -> Result<Json, Failure> {
    let Some(given) = given else { return Ok(Json::Object(serde_json::Map::new())) };
    let (text, shown) = match given.strip_prefix('@') {
        Some(file) => (text(Path::new(file))?, file),
        None => (given.to_owned(), "--input"),
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage_with(
            format!("{shown} is no JSON: {error}"),
            "a text is written as '\"text\"'",
        )
    })
}

fn events(path: &Path) -> Result<Vec<CloudEvent>, Failure> {
    let text = text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let event = |(number, line): (usize, &str)| {
        let wrong =
            |why: String| Failure::usage(format!("{}:{}: {why}", path.display(), number + 1));
        let event: CloudEvent =
            serde_json::from_str(line).map_err(|error| wrong(format!("no CloudEvent: {error}")))?;
        let has_type = event.get("type").is_some_and(Json::is_string);
        if has_type { Ok(event) } else { Err(wrong("a CloudEvent needs a `type`".to_owned())) }
    };
    lines.map(event).collect()
}
