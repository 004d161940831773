//! `history`: every transition of a resource, with its reason. The newest is at
//! the bottom, as in a log.

use clap::Args;
use tessera_client::Error;
use tessera_types::problem::Code;
use tessera_types::timed::Timeslot;
use tessera_types::{
    HistoryEntry, KindName, Name, Pod, Problem, Resource, ResourceKey, Timestamp, limits,
    with_object,
};

use crate::cli::Format;
use crate::context::{Context, json, print, tell, yaml};
use crate::failure::Failure;
use crate::kinds;
use crate::moment::stamp;
use crate::show::timeline::{Entry, Mark, merge, timeline};
use crate::story::{label, named};
use crate::style::{Tone, printable, told, tone_of_status};
use crate::table::{Cell, Column, Table};
use crate::target;
use crate::tree::{Tree, slot_of};

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
    /// With all that belongs to it, in one order, and times relative to its start
    #[arg(long)]
    timeline: bool,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Wide, Format::Json, Format::Yaml])?;
    let key = target::one(&arguments.resource, &context.namespace)?;
    if arguments.timeline {
        return whole_tree(context, &key, format, arguments.limit).await;
    }
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

/// The histories of a resource and of all that belongs to it as one.
async fn whole_tree(
    context: &Context,
    key: &ResourceKey,
    format: Format,
    limit: usize,
) -> Result<(), Failure> {
    let root = match kinds::get(&context.api, key).await {
        Ok(root) => root,
        Err(Error::Refused(it)) if it.code == Code::NotFound => {
            return gone(context, key, format, limit, *it).await;
        }
        Err(error) => return Err(error.into()),
    };
    let tree = Tree::below(&context.api, std::slice::from_ref(&root)).await?;
    let mut entries = Vec::new();
    for (key, who) in members(&root, &tree) {
        let found = match newest(context, &key, limit).await {
            Ok(found) => found,
            // What is only supposed to have been there may never have been.
            Err(Failure::Api(Error::Refused(it))) if it.code == Code::NotFound => continue,
            Err(failure) => return Err(failure),
        };
        let entry = |entry| Entry { key: key.clone(), who: who.clone(), entry };
        entries.extend(found.into_iter().map(entry));
    }
    // The name may have been borne before by what is gone.
    let made = with_object!(&root, object => object.created_at);
    entries.retain(|entry| entry.entry.record.at >= made);
    let mut entries = merge(entries);
    entries.drain(..entries.len().saturating_sub(limit));
    match format {
        Format::Json => print(&json(&entries)?),
        Format::Yaml => print(&yaml(&entries)?),
        _ => {
            let slot = slot_of(&root);
            let origin = slot.map_or(made, |slot| slot.start);
            print(&timeline(&entries, &marks(slot, &entries), origin, context.style))
        }
    }
}

/// The history of a resource that is gone, alone: nothing knows any more what belonged
/// to it.
async fn gone(
    context: &Context,
    key: &ResourceKey,
    format: Format,
    limit: usize,
    not_found: Problem,
) -> Result<(), Failure> {
    let mut entries = match newest(context, key, limit).await {
        Err(Failure::Api(Error::Refused(it))) if it.code == Code::NotFound => {
            return Err(Error::Refused(Box::new(not_found)).into());
        }
        entries => entries?,
    };
    // The name may have been borne before.
    let last = entries.last().map(|entry| entry.id);
    entries.retain(|entry| Some(entry.id) == last);
    let who = format!("{} {}", key.kind.singular(), key.name);
    let entry = |entry| Entry { key: key.clone(), who: who.clone(), entry };
    let entries = merge(entries.into_iter().map(entry).collect());
    match format {
        Format::Json => print(&json(&entries)?),
        Format::Yaml => print(&yaml(&entries)?),
        _ => {
            let origin = entries.first().map_or(Timestamp::EPOCH, |first| first.entry.record.at);
            print(&timeline(&entries, &[], origin, context.style))?;
            let example = match key.kind {
                KindName::Session => {
                    format!(", as in `tesseractl history sessionpart {}-PART`", key.name)
                }
                _ => String::new(),
            };
            tell(&format!(
                "{key} is gone: what belonged to it is known by its own name only{example}\n"
            ));
            Ok(())
        }
    }
}

/// The start and the end of the window, as far as they have come.
fn marks(slot: Option<Timeslot>, entries: &[Entry]) -> Vec<Mark> {
    let Some(slot) = slot else { return Vec::new() };
    let last = entries.last().map(|entry| entry.entry.record.at);
    let marks = [Mark { at: slot.start, words: "start" }, Mark { at: slot.end, words: "end" }];
    marks.into_iter().filter(|mark| last.is_some_and(|last| mark.at <= last)).collect()
}

/// A resource and all that belongs or belonged to it, with what each is called.
fn members(root: &Resource, tree: &Tree) -> Vec<(ResourceKey, String)> {
    let mut members: Vec<(ResourceKey, String)> = Vec::new();
    for branch in tree.walk(root) {
        let resource = &branch.resource;
        let is_of_a_job = resource.owner().is_some_and(|owner| owner.kind == KindName::Job);
        // What a job's workload does, its job says.
        if !is_of_a_job {
            members.push((resource.key(), label(resource, root.name())));
        }
        if let Resource::Pod(pod) = resource {
            for key in workloads_of(pod) {
                let who = named(key.kind, &key.name, root.name());
                members.push((key, who));
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    members.retain(|(key, _)| seen.insert(key.clone()));
    members
}

/// The workloads of a fleet pod, which are gone once it is: `<pod>-<workload>`.
fn workloads_of(pod: &tessera_types::Object<Pod>) -> Vec<ResourceKey> {
    let definition = pod.observed.definition.iter();
    let names = definition.flat_map(|pinned| &pinned.spec.workloads).map(|workload| &workload.name);
    let name = |workload: &Name| Name::new(&format!("{}-{workload}", pod.name)).ok();
    let key = |name| ResourceKey::new(KindName::Workload, pod.namespace.clone(), name);
    names.filter_map(name).map(key).collect()
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
    format!("{}{}", told(&entry.record.reason), printable(&facts))
}
