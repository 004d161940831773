//! `GET /v1/watch`: the change stream as server-sent events.
//!
//! Each watcher is a place in the store's log, not a queue: a slow one reads
//! what it missed from there, however long it takes, and is told when that is
//! gone. So nothing is dropped silently and nothing piles up.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dropshot::Body as HttpBody;
use http::{HeaderValue, Response};
use serde::Serialize;
use tessera_api::{ApiError, WatchQuery};
use tessera_store::WatchError;
use tessera_types::api::WatchEvent;
use tessera_types::problem::Code;
use tessera_types::{Change, Committed, Problem, Resource, Revision, Selector, Uid, limits};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::list;
use crate::body;
use crate::failure;
use crate::plane::Plane;

/// So often a watcher hears something, if only that there is nothing.
const BOOKMARK_EVERY: Duration = Duration::from_secs(10);

/// Begins a watch.
pub(super) fn open(
    plane: &Arc<Plane>,
    query: WatchQuery,
    last_event: Option<&HeaderValue>,
) -> Result<Response<HttpBody>, ApiError> {
    let selector = list::selector(query.selector.as_deref())?;
    let resumed = last_event.map(revision_of).transpose()?.or(query.since);
    let since = resumed.unwrap_or_else(|| plane.world.read().revision());
    check_is_kept(plane, since)?;
    let Ok(place) = Arc::clone(&plane.watch_places).try_acquire_owned() else {
        return body::busy(&format!("{} watches are open already", limits::WATCHERS_MAX));
    };
    let (sender, stream) = body::stream();
    let filter = Filter { query, selector, known_not_to_match: HashSet::new() };
    let watch = run(Arc::clone(plane), since, filter, sender);
    tokio::spawn(async move {
        watch.await;
        drop(place);
    });
    body::respond("text/event-stream", HttpBody::wrap(stream))
}

/// A watch that cannot begin is refused, rather than failed once it has begun.
fn check_is_kept(plane: &Plane, since: Revision) -> Result<(), Problem> {
    let (oldest, newest) = (plane.store.compacted(), plane.store.revision());
    if since < oldest {
        return Err(failure::of_watch(WatchError::Compacted { oldest: oldest.next() }));
    }
    if since > newest {
        return Err(failure::of_watch(WatchError::Ahead { newest }));
    }
    Ok(())
}

fn revision_of(header: &HeaderValue) -> Result<Revision, Problem> {
    let text = header.to_str().ok().and_then(|text| text.parse().ok());
    text.map(Revision).ok_or_else(|| {
        Problem::new(
            Code::InvalidRequest,
            "Last-Event-ID must be a revision, as the events' ids are",
        )
    })
}

/// Writes events until the reader goes, the watch fails, or all stops.
async fn run(plane: Arc<Plane>, since: Revision, mut filter: Filter, sender: mpsc::Sender<Bytes>) {
    let _watching = plane.metrics.watcher();
    let stopping = &plane.stopping;
    let mut watcher = plane.store.watch(since);
    let (mut at, mut said_at) = (since, Instant::now());
    if send(&sender, stopping, Some(at), &WatchEvent::Bookmark { revision: at }).await.is_none() {
        return;
    }
    loop {
        let next = tokio::select! {
            () = plane.stopping.cancelled() => return,
            () = sender.closed() => return,
            next = tokio::time::timeout(BOOKMARK_EVERY, watcher.next()) => next,
        };
        let sent = match next {
            Ok(Ok(committed)) => {
                at = committed.revision;
                match send_commit(&sender, stopping, &mut filter, &committed).await {
                    // Nothing of it is for this watcher, which hears something all the same.
                    Some(0) if said_at.elapsed() < BOOKMARK_EVERY => continue,
                    Some(0) => {
                        send(&sender, stopping, Some(at), &WatchEvent::Bookmark { revision: at })
                            .await
                    }
                    sent => sent.map(|_| ()),
                }
            }
            Ok(Err(error)) => {
                let problem = failure::of_watch(error);
                send(&sender, stopping, None, &WatchEvent::Failed { problem }).await;
                return;
            }
            Err(_) => {
                send(&sender, stopping, Some(at), &WatchEvent::Bookmark { revision: at }).await
            }
        };
        if sent.is_none() {
            return;
        }
        said_at = Instant::now();
    }
}

/// Sends what a commit means to this watcher, and says how many events that
/// were; none when nobody reads any more. Only the last event of a commit
/// carries its id: a client that resumes in between gets all of it again.
async fn send_commit(
    sender: &mpsc::Sender<Bytes>,
    stopping: &CancellationToken,
    filter: &mut Filter,
    committed: &Committed,
) -> Option<usize> {
    let events: Vec<_> = committed
        .changes
        .iter()
        .filter_map(|change| filter.event(change, committed.revision))
        .collect();
    let last = events.len();
    for (i, event) in events.iter().enumerate() {
        let id = (i + 1 == last).then_some(committed.revision);
        send(sender, stopping, id, event).await?;
    }
    Some(last)
}

async fn send(
    sender: &mpsc::Sender<Bytes>,
    stopping: &CancellationToken,
    id: Option<Revision>,
    event: &impl Serialize,
) -> Option<()> {
    let json = serde_json::to_string(event).ok()?;
    let text = match id {
        Some(id) => format!("id: {id}\ndata: {json}\n\n"),
        None => format!("data: {json}\n\n"),
    };
    body::write(sender, stopping, text.into()).await
}

struct Filter {
    query: WatchQuery,
    selector: Selector,
    /// Resources of which the watcher knows that they do not match.
    known_not_to_match: HashSet<Uid>,
}

impl Filter {
    fn event(&mut self, change: &Change, revision: Revision) -> Option<WatchEvent> {
        let key = &change.key;
        let concerns = self.query.kind.is_none_or(|kind| kind == key.kind)
            && (self.query.namespace.is_none() || self.query.namespace == key.namespace)
            && self.query.name.as_ref().is_none_or(|name| *name == key.name);
        if !concerns {
            return None;
        }
        let deleted = || WatchEvent::Deleted {
            revision,
            kind: key.kind,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            id: change.id,
        };
        match &change.after {
            Some(resource) if self.selector.matches(&resource.selected_by()) => {
                self.known_not_to_match.remove(&change.id);
                Some(WatchEvent::Changed { revision, resource: Resource::clone(resource) })
            }
            Some(_) => self.known_not_to_match.insert(change.id).then(deleted),
            None => (!self.known_not_to_match.remove(&change.id)).then(deleted),
        }
    }
}
