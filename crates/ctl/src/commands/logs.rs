//! `logs`: what a workload or a tenant wrote, each line to the stream it was written to.

use std::io::{self, Write};

use clap::Args;
use tessera_client::{Error, LogOf, LogOptions, LogStream};
use tessera_types::problem::Code;
use tessera_types::sync::{LogItem, LogLine, LogStream as Stream};
use tessera_types::{Duration, KindName, Name, ResourceKey, Timestamp};

use crate::cli::Format;
use crate::context::{Context, json_line, print, tell};
use crate::failure::Failure;
use crate::kinds;
use crate::log_follow::{Followed, LogFollow, open};
use crate::moment::{now, stamp};
use crate::target;

/// Show what a workload or a tenant wrote
///
/// What it wrote to standard error goes to standard error. That of a workload also
/// when it is gone, as long as its node keeps it. That of a tenant is what all runs
/// of a service wrote, from the journal of a node, which has no more of standard
/// error than lines that are marked as errors. With -f it goes on over lost
/// connections, and over moves to other nodes, and says so on standard error.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The workload, or tenant/NAME
    name: String,
    /// Of a tenant: on this node; not needed where it is on one only
    #[arg(long, value_name = "NODE")]
    node: Option<Name>,
    /// Of a tenant: one of its further services; the primary unless given
    #[arg(long, value_name = "SUFFIX")]
    service: Option<Name>,
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

/// A log that is open.
enum Log<'a> {
    Whole(LogStream),
    Followed(Box<LogFollow<'a>>),
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let of = log_of(context, arguments)?;
    let log = match begin(context, arguments, of.clone()).await {
        Err(error) => match tenant_instead(context, arguments, &of, &error).await {
            Some(tenant) => begin(context, arguments, tenant).await?,
            None => return Err(error.into()),
        },
        Ok(log) => log,
    };
    let show = |line: &LogLine| match format {
        Format::Json => print(&json_line(line)?),
        _ => put(line, arguments.timestamps),
    };
    match log {
        Log::Whole(mut items) => {
            while let Some(item) = items.next().await? {
                match item {
                    LogItem::Line(line) => show(&line)?,
                    LogItem::End(end) => return Err(Error::Refused(Box::new(end.problem())).into()),
                }
            }
        }
        Log::Followed(mut follow) => {
            while let Some(next) = follow.next().await? {
                match next {
                    Followed::Line(line) => show(&line)?,
                    Followed::Notice(text) => tell(&format!("{text}\n")),
                }
            }
        }
    }
    Ok(())
}

/// Whose log is asked for. A name without a kind is a workload's, unless an option is given that
/// only tenants have.
fn log_of(context: &Context, arguments: &Arguments) -> Result<LogOf, Failure> {
    let Arguments { name: word, node, service, .. } = arguments;
    let is_of_tenant = node.is_some() || service.is_some();
    let usual = if is_of_tenant { KindName::Tenant } else { KindName::Workload };
    let kind = target::kind_of(word, usual)?;
    let name = || target::name_of(kind, word, &context.namespace);
    match kind {
        KindName::Tenant => {
            Ok(LogOf::Tenant { name: name()?, node: node.clone(), service: service.clone() })
        }
        KindName::Workload if is_of_tenant => {
            Err(Failure::usage("--node and --service are for tenants: write tenant/NAME"))
        }
        KindName::Workload => {
            Ok(LogOf::Workload { namespace: context.namespace().clone(), name: name()? })
        }
        _ => Err(Failure::usage(format!(
            "logs are of workloads and tenants, and `{word}` is neither"
        ))),
    }
}

async fn begin<'a>(
    context: &'a Context,
    arguments: &Arguments,
    of: LogOf,
) -> Result<Log<'a>, Error> {
    let Arguments { tail, since, follow, .. } = *arguments;
    let options = LogOptions { tail, since, follow };
    if follow {
        let follow = LogFollow::start(&context.api, of, options).await?;
        return Ok(Log::Followed(Box::new(follow)));
    }
    open(&context.api, &of, &options).await.map(Log::Whole)
}

/// The tenant of a name that no workload has, where the kind is not given.
async fn tenant_instead(
    context: &Context,
    arguments: &Arguments,
    of: &LogOf,
    error: &Error,
) -> Option<LogOf> {
    let is_missing =
        |error: &Error| error.problem().is_some_and(|problem| problem.code == Code::NotFound);
    let LogOf::Workload { name, .. } = of else { return None };
    if arguments.name.contains('/') || !is_missing(error) {
        return None;
    }
    // A workload that has not run yet has no log either.
    let workload = kinds::get(&context.api, &of.key()).await.err()?;
    let tenant = ResourceKey::new(KindName::Tenant, None, name.clone());
    let is_tenant = is_missing(&workload) && kinds::get(&context.api, &tenant).await.is_ok();
    is_tenant.then(|| LogOf::Tenant { name: name.clone(), node: None, service: None })
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
