//! Events about jobs that nobody took, and sending them again.

use tessera_client::{Engine, call};
use tessera_types::engine::{DeadLetters, JobId, Replay};
use tessera_types::limits;

use super::{asked, show};
use crate::cli::Format;
use crate::context::{Context, json, print, yaml};
use crate::failure::Failure;
use crate::moment::now;

pub(super) async fn list(
    context: &Context,
    engine: &Engine,
    job: Option<&JobId>,
) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let max = Some(limits::PAGE_MAX as u32);
    let letters = asked("dead_letter_list", call(engine.dead_letter_list(job, max))).await?;
    match format {
        Format::Json => print(&json(&letters)?),
        Format::Yaml => print(&yaml(&letters)?),
        _ => {
            print(&show::letters(&letters.items, now()).render(context.style, context.width()))?;
            print(&more(&letters))
        }
    }
}

fn more(letters: &DeadLetters) -> String {
    match letters.total.saturating_sub(letters.items.len() as u64) {
        0 => String::new(),
        more => format!("and {more} more\n"),
    }
}

pub(super) async fn replay(
    context: &Context,
    engine: &Engine,
    job: Option<&JobId>,
) -> Result<(), Failure> {
    context.format(&[Format::Table])?;
    let wanted = Replay { job: job.cloned(), sequence: None };
    let replayed = asked("dead_letter_replay", call(engine.dead_letter_replay(&wanted))).await?;
    match replayed.replayed {
        1 => print("1 event is sent again\n"),
        count => print(&format!("{count} events are sent again\n")),
    }
}
