//! `watch`: a line for each change, until Ctrl-C. It survives lost connections, and
//! says so.

use clap::Args;
use tessera_types::ResourceKey;
use tessera_types::api::WatchEvent;

use crate::cli::{Everywhere, Format, Selection};
use crate::context::{Context, json_line, print, tell};
use crate::failure::Failure;
use crate::follow::{Change, Follow, Scope};
use crate::moment::stamp;
use crate::show::change::{Event, KEY_TONE, deletion, events};
use crate::style::Style;
use crate::target;

/// Show every change as it happens, until Ctrl-C
///
/// With -o json each line is an event of the API.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// KIND, KIND NAME or KIND/NAME; all kinds unless given
    #[arg(num_args = 0..=2, value_name = "RESOURCE")]
    resource: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    everywhere: Everywhere,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let scope = scope(context, arguments)?;
    let mut follow = Follow::start(&context.api, scope).await?;
    loop {
        let change = follow.next().await?;
        match format {
            _ if let Change::Notice(text) = &change => tell(&format!("{text}\n")),
            Format::Json => {
                if let Some(event) = event_of(change) {
                    print(&json_line(&event)?)?;
                }
            }
            _ => print(&lines(&change, context.style))?,
        }
    }
}

fn scope(context: &Context, arguments: &Arguments) -> Result<Scope, Failure> {
    let mut targets = target::parse(&arguments.resource, &context.namespace)?;
    let target = targets.pop();
    if !targets.is_empty() {
        return Err(Failure::usage("one kind at a time, or all of them with none named"));
    }
    let kind = target.as_ref().map(|target| target.kind);
    let said = target.as_ref().and_then(|target| target.namespace.clone());
    let name = target.and_then(|target| target.names.into_iter().next());
    let namespace = match kind {
        // With every kind meant, a namespace would leave out those that have none.
        None if !context.namespace.is_required => None,
        Some(kind) if !kind.is_namespaced() => None,
        _ => said.or_else(|| arguments.everywhere.or(context.namespace())),
    };
    Ok(Scope { kind, namespace, name, selector: arguments.selection.selector.clone() })
}

fn lines(change: &Change, style: Style) -> String {
    match change {
        Change::Changed { before, after } => {
            let key = after.key();
            events(before.as_ref(), after).iter().map(|event| line(&key, event, style)).collect()
        }
        Change::Deleted { before, .. } => line(&before.key(), &deletion(before), style),
        Change::Notice(text) => format!("{text}\n"),
    }
}

fn line(key: &ResourceKey, event: &Event, style: Style) -> String {
    let shown = style.paint(KEY_TONE, &key.to_string());
    format!("{}  {shown}  {}\n", stamp(event.at), event.describe(style))
}

/// The change as the API would have said it; none for what the API does not say.
fn event_of(change: Change) -> Option<WatchEvent> {
    match change {
        Change::Changed { after, .. } => {
            Some(WatchEvent::Changed { revision: after.revision(), resource: after })
        }
        Change::Deleted { before, revision } => {
            let ResourceKey { kind, namespace, name } = before.key();
            Some(WatchEvent::Deleted { revision, kind, namespace, name, id: before.id() })
        }
        Change::Notice(_) => None,
    }
}
