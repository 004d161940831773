//! `scenario graph`: a picture of a document.

use std::path::PathBuf;

use clap::Args;
use tessera_workflow::graph::mermaid;

use super::document::readable;
use crate::context::{Context, print};
use crate::failure::Failure;

/// Which document is drawn.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The document, YAML or JSON; - for standard input
    file: PathBuf,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let reading = readable(context, &arguments.file)?;
    print(&mermaid(&reading.workflow))
}
