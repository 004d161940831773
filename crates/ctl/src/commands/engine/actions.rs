//! Cancelling jobs, and having them tried again.

use tessera_client::{Engine, call};
use tessera_types::engine::{JobId, JobStatus};

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
    let cancel = async |id: &JobId| {
        let before = asked("job_get", call(engine.job_get(id))).await?;
        asked("job_cancel", call(engine.job_cancel(id))).await?;
        Ok(match before.head.status {
            JobStatus::Cancelled => "is cancelled already",
            _ => "cancelled",
        })
    };
    each(context, ids, cancel).await
}

pub(super) async fn retry(
    context: &Context,
    engine: &Engine,
    ids: &[JobId],
) -> Result<(), Failure> {
    let retry = async |id: &JobId| {
        asked("job_retry", call(engine.job_retry(id))).await.map(|_| "is tried again")
    };
    each(context, ids, retry).await
}

/// Does something to each job, whatever becomes of the others.
/// `does` gives what it came to.
async fn each(
    context: &Context,
    ids: &[JobId],
    does: impl AsyncFn(&JobId) -> Result<&'static str, Failure>,
) -> Result<(), Failure> {
    let format = context.format(&ACTION_FORMATS)?;
    let mut exits = Vec::new();
    for id in ids {
        match does(id).await {
            Ok(_) if format == Format::Name => print(&format!("{id}\n"))?,
            Ok(what) => {
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
