//! `history`: every transition of a resource, with its reason. The newest is at
//! the bottom, as in a log.

use clap::Args;
use tessera_types::{HistoryEntry, ResourceKey, limits};

use crate::cli::Format;
use crate::context::{Context, json, print, yaml};
use crate::failure::Failure;
use crate::kinds;
use crate::moment::stamp;
use crate::style::{Tone, printable, tone_of_status};
use crate::table::{Cell, Column, Table};
use crate::target;

/// Show every transition of a resource, with its reason
///
/// The newest is at the bottom. It also knows resources that are gone.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// KIND NAME, or KIND/NAME
    #[arg(required = true, num_args = 1..=2, value_name = "RESOURCE")]
    resource: Vec<String>,
    /// Only so many of the newest
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Wide, Format::Json, Format::Yaml])?;
    let key = target::one(&arguments.resource, context.namespace())?;
    let entries = newest(context, &key, arguments.limit).await?;
    match format {
        Format::Json => print(&json(&entries)?),
        Format::Yaml => print(&yaml(&entries)?),
        _ => {
            let is_several = entries.iter().any(|entry| entry.id != entries[0].id);
            let table = table(&entries, is_several || format == Format::Wide);
            print(&table.render(context.style, context.width()))
        }
    }
}

/// The newest `limit` entries, oldest first.
async fn newest(
    context: &Context,
    key: &ResourceKey,
    limit: usize,
) -> Result<Vec<HistoryEntry>, Failure> {
    let mut entries: Vec<HistoryEntry> = Vec::new();
    let mut before = None;
    while entries.len() < limit {
        let count = (limit - entries.len()).min(limits::PAGE_MAX) as u32;
        let page = kinds::history(&context.api, key, before, count).await?;
        entries.extend(page.items);
        before = page.before_seq;
        if before.is_none() {
            break;
        }
    }
    entries.truncate(limit);
    entries.reverse();
    Ok(entries)
}

/// Entries as a table; with their ids where the name was borne by several
/// resources one after the other.
fn table(entries: &[HistoryEntry], with_id: bool) -> Table {
    let mut columns = vec![Column::new("AT")];
    columns.extend(with_id.then(|| Column::new("ID")));
    columns.extend(["FROM", "TO", "BY"].map(Column::new));
    columns.push(Column::flexible("REASON"));
    let mut table = Table::new(columns);
    for entry in entries {
        let record = &entry.record;
        let mut row: Vec<Cell> = vec![stamp(record.at).into()];
        row.extend(with_id.then(|| Cell::toned(entry.id.to_string(), Tone::Quiet)));
        row.push(record.from.as_deref().unwrap_or("-").into());
        row.push(Cell::toned(record.to.as_str(), tone_of_status(&record.to)));
        row.push(printable(&record.by.to_string()).into());
        row.push(reason(entry).into());
        table.row(row);
    }
    table
}

/// The reason with its facts: `exited (exit_code=1)`.
fn reason(entry: &HistoryEntry) -> String {
    let facts = entry.record.metadata.iter().map(|(name, value)| format!("{name}={value}"));
    let facts = facts.collect::<Vec<_>>().join(", ");
    let facts = if facts.is_empty() { facts } else { format!(" ({facts})") };
    printable(&format!("{}{facts}", entry.record.reason))
}
