//! Cancelling jobs, and having them tried again.

use std::future::Future;

use tessera_client::{Engine, Error, call};
use tessera_types::engine::{EngineJob, JobId};

use super::asked;
use crate::cli::Format;
use crate::commands::{ACTION_FORMATS, ended};
use crate::context::{Context, print};
use crate::failure::Failure;
use crate::show::change::KEY_TONE;

pub(super) async fn cancel(
    context: &Context,
    engine: &Engine,
    ids: &[JobId],
) -> Result<(), Failure> {
    let cancel = |id| call(engine.job_cancel(id));
    each(context, "job_cancel", "cancelled", ids, cancel).await
}

pub(super) async fn retry(
    context: &Context,
    engine: &Engine,
    ids: &[JobId],
) -> Result<(), Failure> {
    let retry = |id| call(engine.job_retry(id));
    each(context, "job_retry", "is tried again", ids, retry).await
}

/// Does something to each job, whatever becomes of the others.
async fn each<'a, F: Future<Output = Result<EngineJob, Error>>>(
    context: &Context,
    operation: &str,
    what: &str,
    ids: &'a [JobId],
    does: impl Fn(&'a JobId) -> F,
) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let mut exits = Vec::new();
    for id in ids {
        match asked(operation, does(id)).await {
            Ok(_) if format == Format::Name => print(&format!("{id}\n"))?,
            Ok(_) => {
                let shown = context.style.paint(KEY_TONE, id.as_str());
                print(&format!("job {shown} {what}\n"))?;
            }
            Err(failure) => {
                context.complain(&failure);
                exits.push(failure.exit());
            }
        }
    }
    ended(exits)
}
