//! `version`: of this program, and of the control plane if it answers.

use clap::Args;
use serde::Serialize;
use tessera_client::call;

use crate::cli::Format;
use crate::context::{Context, json, print, yaml};
use crate::failure::Failure;
use crate::kinds::bounded;

/// Show the versions of this program and of the control plane
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only of this program; nothing is called
    #[arg(long)]
    client: bool,
}

/// Both versions.
#[derive(Debug, Serialize)]
struct Versions {
    client: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let answer = match arguments.client {
        true => None,
        false => Some(bounded("healthz", call(context.api.healthz())).await),
    };
    let server = answer.as_ref().and_then(|answer| answer.as_ref().ok());
    let versions = Versions {
        client: env!("CARGO_PKG_VERSION"),
        server: server.map(|server| server.version.clone()),
    };
    match format {
        Format::Json => print(&json(&versions)?)?,
        Format::Yaml => print(&yaml(&versions)?)?,
        _ => {
            print(&format!("tesseractl {}\n", versions.client))?;
            if let Some(version) = &versions.server {
                print(&format!("control plane {version} at {}\n", context.api.url()))?;
            }
        }
    }
    // The version of what does not answer is not known: that is no success.
    answer.map_or(Ok(()), |answer| answer.map(|_| ()).map_err(Failure::from))
}
