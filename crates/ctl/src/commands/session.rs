//! `session`: what operators do to sessions while they go on.

use clap::{Args, Subcommand};
use tessera_client::call;
use tessera_types::booking::{ApprovalOutcome, PartRequest, StretchRequest};
use tessera_types::{Duration, KindName, Name, Object, ResourceKey, Session};

use super::{ACTION_FORMATS, done};
use crate::cli::Format;
use crate::context::{Context, print, tell};
use crate::failure::Failure;
use crate::follow::Follow;
use crate::kinds;
use crate::once::once;
use crate::show::change::KEY_TONE;
use crate::style::printable;
use crate::{moment, story, target};

/// Extend, shrink, approve, retry, cancel or follow a session
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

/// What to do to the session.
#[derive(Debug, Subcommand)]
enum Action {
    /// Let it end later, if its hosts have room
    ///
    /// Refused, with nothing changed, when another booking is in the way or the
    /// session is over.
    Extend(Stretch),
    /// Let it end earlier
    Shrink(Stretch),
    /// Open the gate of a part that waits for approval
    Approve(OfPart),
    /// Try again what has failed in a part
    Retry(OfPart),
    /// Give it up: all that it has is torn down
    Cancel(Named),
    /// Show what happens to it and all that belongs to it, until it is over
    ///
    /// The exit code is 0 when it has taken place, and 1 when it failed, was
    /// cancelled, skipped or deleted.
    Follow(ToFollow),
}

#[derive(Debug, Args)]
struct Named {
    /// The session
    session: String,
}

#[derive(Debug, Args)]
struct Stretch {
    /// The session
    session: String,
    /// By how much, such as 15m
    #[arg(long, value_name = "DURATION")]
    by: Duration,
    /// The part whose end moves; unless given the one that takes place now, or the last
    #[arg(long, value_name = "NAME")]
    part: Option<Name>,
}

#[derive(Debug, Args)]
struct OfPart {
    /// The session
    session: String,
    /// The part, by its name in the session; unless given the only one that waits for approval, or the first that is Failed
    #[arg(long, value_name = "NAME")]
    part: Option<Name>,
}

#[derive(Debug, Args)]
struct ToFollow {
    /// The sessions
    #[arg(required = true)]
    sessions: Vec<String>,
    /// Give up after this time; unless given it goes on until all are over
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Duration>,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Extend(stretch) => self::stretch(context, stretch, true).await,
        Action::Shrink(stretch) => self::stretch(context, stretch, false).await,
        Action::Approve(of) => approve(context, of).await,
        Action::Retry(of) => retry(context, of).await,
        Action::Cancel(named) => cancel(context, named).await,
        Action::Follow(follow) => self::follow(context, follow).await,
    }
}

fn name_of(context: &Context, word: &str) -> Result<Name, Failure> {
    target::name_of(KindName::Session, word, &context.namespace)
}

async fn stretch(context: &Context, stretch: &Stretch, is_later: bool) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let name = name_of(context, &stretch.session)?;
    let namespace = Some(context.namespace());
    let body = StretchRequest { by: stretch.by, part: stretch.part.clone() };
    let api = &context.api;
    let session = match is_later {
        true => {
            once("session_extend", async |key| {
                call(api.session_extend(&name, namespace, Some(key), &body)).await
            })
            .await?
        }
        false => {
            once("session_shrink", async |key| {
                call(api.session_shrink(&name, namespace, Some(key), &body)).await
            })
            .await?
        }
    };
    report(context, format, &session, if is_later { "extended" } else { "shortened" })
}

/// Says what was done: which parts moved and when the session ends now. Its history has
/// that, unless so much else has happened since that it is not at hand.
fn report(
    context: &Context,
    format: Format,
    session: &Object<Session>,
    what: &str,
) -> Result<(), Failure> {
    let key = session.key();
    let Some(slot) = session.observed.timed.timeslot.filter(|_| format == Format::Table) else {
        return done(context, format, &key, what);
    };
    let shown = context.style.paint(KEY_TONE, &key.to_string());
    let near = moment::near(slot.end, moment::now());
    let moved = format!(" {what} by ");
    let is_it = |reason: &&str| reason.starts_with("part ") && reason.contains(&moved);
    let noted = session.state_history.iter().rev().map(|entry| entry.reason.as_str()).find(is_it);
    let words = match noted {
        Some(words) => printable(words),
        None => format!("{what}: it ends at {}", slot.end.second_after()),
    };
    print(&format!("{shown} {words} ({near})\n"))
}

async fn approve(context: &Context, of: &OfPart) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let name = name_of(context, &of.session)?;
    let body = PartRequest { part: of.part.clone() };
    let (api, namespace) = (&context.api, Some(context.namespace()));
    let approved = once("session_approve", async |key| {
        call(api.session_approve(&name, namespace, Some(key), &body)).await
    })
    .await?;
    let what = match approved.outcome {
        ApprovalOutcome::Opened => format!("approved: the gate of part {} is open", approved.part),
        ApprovalOutcome::Unchanged => {
            format!("unchanged: the gate of part {} was open already", approved.part)
        }
    };
    done(context, format, &approved.resource.key(), &what)
}

async fn retry(context: &Context, of: &OfPart) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let name = name_of(context, &of.session)?;
    let body = PartRequest { part: of.part.clone() };
    let (api, namespace) = (&context.api, Some(context.namespace()));
    let session = once("session_retry", async |key| {
        call(api.session_retry(&name, namespace, Some(key), &body)).await
    })
    .await?;
    done(context, format, &session.key(), "is tried again")
}

async fn cancel(context: &Context, named: &Named) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let name = name_of(context, &named.session)?;
    let (api, namespace) = (&context.api, Some(context.namespace()));
    let session = once("session_cancel", async |key| {
        call(api.session_cancel(&name, namespace, Some(key))).await
    })
    .await?;
    done(context, format, &session.key(), "cancelled")
}

async fn follow(context: &Context, arguments: &ToFollow) -> Result<(), Failure> {
    context.format(&[Format::Table])?;
    let mut sessions = Vec::new();
    for word in &arguments.sessions {
        let namespace = Some(context.namespace().clone());
        sessions.push(ResourceKey::new(KindName::Session, namespace, name_of(context, word)?));
    }
    let mut follow = Follow::start(&context.api, story::scope(&sessions)).await?;
    for key in sessions.iter().filter(|key| !follow.known().contains_key(key)) {
        // It is said as everywhere that it is not there; it may have come meanwhile.
        kinds::get(&context.api, key).await?;
    }
    let timeout = arguments.timeout.map(Duration::as_std);
    follow_to_end(context, &mut follow, &sessions, Format::Table, timeout).await
}

/// Tells the story of sessions. Where the output is for programs it stays apart.
pub(crate) async fn follow_to_end(
    context: &Context,
    follow: &mut Follow,
    sessions: &[ResourceKey],
    format: Format,
    timeout: Option<std::time::Duration>,
) -> Result<(), Failure> {
    match format {
        Format::Table => story::tell(follow, sessions, timeout, context.style, print).await,
        _ => {
            let put = |text: &str| {
                tell(text);
                Ok(())
            };
            story::tell(follow, sessions, timeout, context.error_style, put).await
        }
    }
}
