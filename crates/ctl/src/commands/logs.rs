//! `logs`: what a workload wrote, each line to the stream it was written to.

use std::io::{self, Write};

use clap::Args;
use tessera_client::{Error, LogOptions, LogStream};
use tessera_types::sync::{LogItem, LogLine, LogStream as Stream};
use tessera_types::{Duration, KindName, Timestamp};

use crate::cli::Format;
use crate::context::{Context, json_line, print, tell};
use crate::failure::Failure;
use crate::kinds::bounded;
use crate::log_follow::{Followed, LogFollow};
use crate::moment::{now, stamp};
use crate::target;

/// Show what a workload wrote
///
/// What it wrote to standard error goes to standard error. Also of one that is
/// gone, as long as its node keeps it. With -f it goes on over lost connections,
/// and over moves to other nodes, and says so on standard error.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The workload
    workload: String,
    /// Go on as lines are written, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many lines
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
    /// Only lines since a time (2026-05-01T08:00:00Z) or for a duration (10m)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Begin each line with its time
    #[arg(long)]
    timestamps: bool,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let name = target::name_of(KindName::Workload, &arguments.workload, &context.namespace)?;
    let options =
        LogOptions { tail: arguments.tail, since: arguments.since, follow: arguments.follow };
    let show = |line: &LogLine| match format {
        Format::Json => print(&json_line(line)?),
        _ => put(line, arguments.timestamps),
    };
    if arguments.follow {
        let mut follow =
            LogFollow::start(&context.api, context.namespace(), &name, options).await?;
        while let Some(next) = follow.next().await? {
            match next {
                Followed::Line(line) => show(&line)?,
                Followed::Notice(text) => tell(&format!("{text}\n")),
            }
        }
        return Ok(());
    }
    let open = LogStream::open(&context.api, context.namespace(), &name, &options);
    let mut items = bounded("workload_logs", open).await?;
    while let Some(item) = items.next().await? {
        match item {
            LogItem::Line(line) => show(&line)?,
            LogItem::End(end) => return Err(Error::Refused(Box::new(end.problem())).into()),
        }
    }
    Ok(())
}

/// Writes a line as it is: what a program writes is its own affair.
fn put(line: &LogLine, timestamps: bool) -> Result<(), Failure> {
    let text = match timestamps {
        true => format!("{} {}\n", stamp(line.at), line.text),
        false => format!("{}\n", line.text),
    };
    match line.stream {
        Stream::Stdout => print(&text),
        Stream::Stderr => Ok(io::stderr().lock().write_all(text.as_bytes())?),
    }
}

/// A time, or a duration before now.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(duration) = text.parse::<Duration>() {
        return Ok(now().minus(duration));
    }
    text.parse::<Timestamp>().map_err(|error| format!("{error}, or as a duration, such as 10m"))
}
