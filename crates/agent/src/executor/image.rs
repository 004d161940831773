//! Brings the image of a container to the node before its run is started.
//!
//! It may take long. So orders are heeded meanwhile, and people are told what it waits for.

use tessera_types::workload::ExitOutcome;

use super::attend::Attendant;
use super::orders::Order;
use crate::clock::now;
use crate::containers::{ContainerApi, ContainerSpec, ImageError, ensure_image};
use crate::core::RunEnd;
use crate::supervisor::{RunKind, RunSpec};

/// Why a run is not started.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// It ends here.
    Ended(RunEnd),
    /// Nobody waits for it any more.
    Forgotten,
}

impl Attendant {
    /// Waits until the node has the image of a run, if it needs one. Orders that come meanwhile are
    /// taken into the spec.
    pub(super) async fn bring_image(&mut self, spec: &mut RunSpec) -> Result<(), NotStarted> {
        let RunKind::Container(container) = &spec.kind else { return Ok(()) };
        let ContainerSpec { socket, image, .. } = container.clone();
        let (say, mut said) = tokio::sync::oneshot::channel();
        let api = ContainerApi::new(&socket);
        let mut bringing = Box::pin(ensure_image(&api, &image, move |source| {
            let _nobody_listens = say.send(format!("pulling {source}"));
        }));
        let mut pulls = false;
        loop {
            tokio::select! {
                result = &mut bringing => {
                    self.say_trouble(None);
                    return result.map_err(|error| NotStarted::Ended(failed(error)));
                }
                Ok(pulling) = &mut said, if !pulls => {
                    pulls = true;
                    self.say_trouble(Some(pulling));
                }
                order = self.orders.recv() => match order {
                    Some(Order::Stop(_)) => return Err(NotStarted::Ended(stopped())),
                    Some(Order::NotAfter(at)) => spec.not_after = at.map(Into::into),
                    Some(Order::Renew(lease)) => spec.lease = Some(lease),
                    Some(Order::Remove) | None => return Err(NotStarted::Forgotten),
                },
            }
        }
    }
}

fn failed(error: ImageError) -> RunEnd {
    RunEnd::start_failed(now(), error.message, error.permanent)
}

fn stopped() -> RunEnd {
    let message = "it was stopped before its image was there".to_owned();
    RunEnd {
        at: now(),
        outcome: ExitOutcome::StartFailed { message },
        requested: true,
        permanent: false,
        last_lines: Vec::new(),
    }
}
