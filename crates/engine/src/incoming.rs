//! Events for jobs that listen: CloudEvents 1.0 over HTTP.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tessera_serving::events::{self, Received};
use tessera_store::journal::JobNumber;
use tessera_types::Problem;
use tessera_types::engine::{EventTaken, EventsTaken};
use tessera_types::problem::Code;
use tessera_workflow::machine::CloudEvent;
use tokio::sync::oneshot;

use crate::book::{RunHandle, Tell};
use crate::plane::Plane;

/// How long jobs may take to store an event.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Takes the events of one request: all of them, or none.
pub(crate) async fn take(
    plane: &Plane,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<EventsTaken, Problem> {
    let events = events::read(headers, body)?;
    for it in &events {
        check_source(plane, &it.event.source)?;
    }
    // They are told in their order, and those to one job share its commits.
    let mut offers = Vec::with_capacity(events.len());
    for Received { event, json } in events {
        offers.push((event, offer(plane, &Arc::new(json)).await?));
    }
    let mut taken = Vec::with_capacity(offers.len());
    for (event, offer) in offers {
        let jobs = offer.stored(plane).await?;
        taken.push(EventTaken { id: event.id, source: event.source, jobs });
    }
    Ok(EventsTaken { events: taken })
}

/// Gives an event to every job that may listen, whether it runs or waits for its turn; says to how
/// many it was news. It is in their journals when this returns.
///
/// # Errors
/// When that could not be stored for each of them. It can be given again: who has it knows it.
pub(crate) async fn give(plane: &Plane, event: &Arc<CloudEvent>) -> Result<u64, Problem> {
    offer(plane, event).await?.stored(plane).await
}

/// An event that runs were told, and have maybe not stored yet.
struct Offer {
    /// To how many jobs that wait for their turn it was news; these have it.
    waiting: u64,
    /// What those that run will say.
    running: Vec<(JobNumber, oneshot::Receiver<bool>)>,
}

async fn offer(plane: &Plane, event: &Arc<CloudEvent>) -> Result<Offer, Problem> {
    let (mut running, waiting) = plane.book.lock().listening(event);
    let mut offer = Offer { waiting: 0, running: Vec::new() };
    if !waiting.is_empty() {
        let mut door = plane.door.lock().await;
        // Some may have begun to run meanwhile; now none does.
        let (now_running, waiting) = plane.book.lock().listening(event);
        running = now_running;
        offer.waiting = door.give(plane, &waiting, event).await?;
    }
    let telling = running.into_iter().map(async |(job, run): (JobNumber, RunHandle)| {
        let (told, durable) = oneshot::channel();
        // A run that has ended does not take it, and does not answer.
        let _ = run.tell.send(Tell::Event { event: Arc::clone(event), told }).await;
        (job, durable)
    });
    let told = tokio::time::timeout(TOLD_WITHIN, futures::future::join_all(telling));
    offer.running = told.await.map_err(|_| busy())?;
    Ok(offer)
}

impl Offer {
    /// Waits until the event is in the journals of all; says to how many it was news.
    async fn stored(self, plane: &Plane) -> Result<u64, Problem> {
        let answers = self.running.into_iter().map(async |(job, durable)| {
            match durable.await {
                Ok(is_news) => Ok(is_news),
                // It has ended meanwhile, or could not store what it was told.
                Err(_) if is_over(plane, job) => Ok(false),
                Err(_) => Err(busy()),
            }
        });
        let answers = futures::future::try_join_all(answers);
        let news = tokio::time::timeout(TOLD_WITHIN, answers).await.map_err(|_| busy())??;
        Ok(self.waiting + news.into_iter().filter(|is_news| *is_news).count() as u64)
    }
}

fn is_over(plane: &Plane, job: JobNumber) -> bool {
    plane.book.lock().get(job).is_none_or(|state| state.head.status.is_over())
}

fn busy() -> Problem {
    let detail = "not every job that listens has stored the event yet";
    Problem::new(Code::Unavailable, detail)
        .remedy("send it again in a moment: a job that has it knows it again")
}

fn check_source(plane: &Plane, source: &str) -> Result<(), Problem> {
    let allowed = &plane.options.event_sources;
    match allowed.is_empty() || events::is_allowed(source, allowed) {
        true => Ok(()),
        false => {
            let remedy = format!("start the engine with --event-source {source}");
            Err(events::not_let_in(source, remedy))
        }
    }
}
