//! What every command has: the control plane, the namespace, and how to print.

use std::io::{self, Write};

use serde::Serialize;
use tessera_client::Api;
use tessera_types::{KindName, Name, Resource};

use crate::cli::{Format, Global};
use crate::failure::Failure;
use crate::kinds::{ListOptions, bounded, list_all};
use crate::manifests::{Namespace, Sources, read};
use crate::show::Beside;
use crate::style::{Style, terminal_size};

/// What every command has.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) api: Api,
    pub(crate) namespace: Namespace,
    /// The style of standard output.
    pub(crate) style: Style,
    /// The style of standard error.
    pub(crate) error_style: Style,
    format: Option<Format>,
}

impl Context {
    /// The context that the global options describe. `is_required` says whether
    /// the namespace was given on the command line.
    pub(crate) fn new(global: &Global, is_required: bool) -> Result<Self, Failure> {
        Ok(Self {
            api: Api::new(&global.server)?,
            namespace: Namespace { name: global.namespace.clone(), is_required },
            style: Style::of(global.color, &io::stdout()),
            error_style: Style::of(global.color, &io::stderr()),
            format: global.output,
        })
    }

    /// The namespace that names are in.
    pub(crate) fn namespace(&self) -> &Name {
        &self.namespace.name
    }

    /// The format asked for, which must be one of those that the command knows; the
    /// first of them when none was.
    pub(crate) fn format(&self, known: &[Format]) -> Result<Format, Failure> {
        match self.format {
            None => Ok(known.first().copied().unwrap_or_default()),
            Some(format) if known.contains(&format) => Ok(format),
            Some(format) => {
                let names: Vec<_> = known.iter().map(|known| known.as_str()).collect();
                let message = format!("this command does not print `-o {}`", format.as_str());
                Err(Failure::usage_with(message, format!("it prints {}", names.join(", "))))
            }
        }
    }

    /// The columns that a table may take; none where it is not for a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        terminal_size(&io::stdout()).map(|(columns, _)| columns)
    }

    /// Says that something failed, while the command goes on.
    pub(crate) fn complain(&self, failure: &Failure) {
        tell(&failure.render(self.error_style));
    }

    /// Reads manifests away from the thread that handles Ctrl-C, as standard input
    /// may be a person who types.
    pub(crate) async fn read_manifests(
        &self,
        sources: Sources,
    ) -> Result<Vec<crate::manifests::Declaration>, Failure> {
        let namespace = self.namespace.clone();
        let reading = tokio::task::spawn_blocking(move || read(&sources, &namespace));
        reading.await.map_err(|error| io::Error::other(error.to_string()))?
    }

    /// What is shown of resources of a kind and is known of others. It adorns, so
    /// being without is no error.
    pub(crate) async fn beside(&self, kind: KindName, namespace: Option<&Name>) -> Beside {
        let all = async |kind: KindName, namespace: Option<&Name>| {
            let options = ListOptions { namespace: namespace.cloned(), ..ListOptions::default() };
            list_all(&self.api, kind, options).await.ok().map(|(resources, _)| resources)
        };
        let beside = Beside::default();
        match kind {
            KindName::Node => {
                let top = bounded("top", tessera_client::call(self.api.top())).await;
                let nodes = top.map(|top| top.nodes).unwrap_or_default();
                let tops = nodes.into_iter().map(|node| (node.name.clone(), node)).collect();
                Beside { tops, ..beside }
            }
            KindName::Session => match all(KindName::SessionPart, namespace).await {
                Some(parts) => beside.with_parts(&parts),
                None => beside,
            },
            // A host takes pods of any namespace.
            KindName::Host => match all(KindName::Pod, None).await {
                Some(pods) => beside.with_pods(&pods),
                None => beside,
            },
            _ => beside,
        }
    }
}

/// Writes to standard output, whole and at once.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Writes to standard error; that it cannot be written is nobody's concern.
pub(crate) fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A value as JSON for people and programs, ending in a line feed.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    Ok(text + "\n")
}

/// A value as JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(value).map_err(io::Error::other)?;
    Ok(text + "\n")
}

/// A value as a YAML document.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    let value = serde_json::to_value(value).map_err(io::Error::other)?;
    Ok(crate::yaml::document(&value))
}

/// Resources as YAML documents, which `apply -f -` reads.
pub(crate) fn yaml_documents(resources: &[Resource]) -> Result<String, Failure> {
    let documents = resources.iter().map(yaml).collect::<Result<Vec<_>, _>>()?;
    Ok(documents.join("---\n"))
}
