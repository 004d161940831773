//! One file for each command: its arguments, and what it does.

pub(crate) mod apply;
pub(crate) mod calendar;
pub(crate) mod completion;
pub(crate) mod cordon;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod diff;
pub(crate) mod drain;
pub(crate) mod engine;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod logs;
mod overbooked;
pub(crate) mod pipeline;
pub(crate) mod plan;
pub(crate) mod reconcile;
pub(crate) mod retry;
pub(crate) mod scenario;
pub(crate) mod seed;
pub(crate) mod session;
pub(crate) mod tenant;
pub(crate) mod top;
pub(crate) mod uncordon;
pub(crate) mod version;
pub(crate) mod watch;

use std::time::Duration;

use clap::Args;
use tessera_types::ResourceKey;

use crate::cli::Format;
use crate::context::{Context, print};
use crate::converge::{Board, Plain, for_stdout, wait};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::Follow;
use crate::show::change::KEY_TONE;

/// How long to wait.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Timeout {
    /// Give up waiting after this time
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    pub(crate) timeout: tessera_types::Duration,
}

impl Timeout {
    pub(crate) fn get(self) -> Duration {
        self.timeout.as_std()
    }
}

/// The formats of commands that do something to single resources.
pub(crate) const ACTION_FORMATS: [Format; 2] = [Format::Table, Format::Name];

/// Says of one resource what was done.
pub(crate) fn done(
    context: &Context,
    format: Format,
    key: &ResourceKey,
    what: &str,
) -> Result<(), Failure> {
    match format {
        Format::Name => print(&format!("{key}\n")),
        _ => print(&format!("{} {what}\n", context.style.paint(KEY_TONE, &key.to_string()))),
    }
}

/// The end of a command of which parts may have failed, each of which was told.
pub(crate) fn ended(exits: Vec<Exit>) -> Result<(), Failure> {
    match Exit::of_all(exits) {
        Exit::Done => Ok(()),
        exit => Err(Failure::Told(exit)),
    }
}

/// Waits for a board's goals, and tells what was not reached.
///
/// Progress is for people: where the output is for programs it stays apart.
pub(crate) async fn waited(
    context: &Context,
    format: Format,
    follow: &mut Follow,
    board: &mut Board,
    timeout: Timeout,
) -> Result<Exit, Failure> {
    let mut progress = match format {
        Format::Table => for_stdout(context.style),
        _ => Box::new(Plain::new(std::io::stderr(), context.error_style)),
    };
    match wait(follow, board, timeout.get(), progress.as_mut()).await {
        Ok(()) => Ok(Exit::Done),
        Err(failure @ Failure::ClosedPipe) => Err(failure),
        Err(failure) => {
            context.complain(&failure);
            Ok(failure.exit())
        }
    }
}
