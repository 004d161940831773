//! `GET /v1/watch`: the change stream as server-sent events.
//!
//! Each watcher is a place in the store's log, not a queue. While it keeps up it has a
//! seat at the [fan-out](crate::fanout); a slow one reads what it missed from the log,
//! however long it takes, and is told when that is gone. So nothing is dropped silently
//! and nothing piles up.

mod stream;

use std::collections::HashSet;
use std::sync::Arc;

use dropshot::Body as HttpBody;
use http::{HeaderValue, Response};
use tessera_api::{ApiError, WatchQuery};
use tessera_store::WatchError;
use tessera_types::problem::Code;
use tessera_types::{Change, Problem, Revision, Selector, Uid, limits};

use self::stream::Stream;
use super::list;
use crate::body;
use crate::failure;
use crate::fanout::{Following, Meaning};
use crate::plane::Plane;

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
    let WatchQuery { kind, namespace, name, .. } = query;
    let following = Following { kind, namespace, name };
    let filter = Filter { following, selector, known_not_to_match: HashSet::new() };
    let watch = Stream::new(Arc::clone(plane), since, filter, sender);
    tokio::spawn(async move {
        watch.run().await;
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

/// What a watcher wants to know.
struct Filter {
    following: Following,
    selector: Selector,
    /// Resources of which the watcher knows that they do not match.
    known_not_to_match: HashSet<Uid>,
}

impl Filter {
    /// What a change of what is followed means to this watcher, if anything.
    fn meaning(&mut self, change: &Change) -> Option<Meaning> {
        let Some(resource) = &change.after else {
            return (!self.known_not_to_match.remove(&change.id)).then_some(Meaning::Deleted);
        };
        if self.selector.is_empty() {
            return Some(Meaning::Changed);
        }
        if self.selector.matches(&resource.selected_by()) {
            self.known_not_to_match.remove(&change.id);
            return Some(Meaning::Changed);
        }
        self.known_not_to_match.insert(change.id).then_some(Meaning::Deleted)
    }
}

#[cfg(test)]
mod tests;
