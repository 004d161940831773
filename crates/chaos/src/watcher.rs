//! One who follows every change from the first revision on, over everything that is broken,
//! and so has the whole history.
//!
//! The one idea: what he has is a copy of the truth made by other means than lists and
//! histories, so that the three can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tessera_client::{Api, Error, Watch, WatchOptions};
use tessera_types::api::WatchEvent;
use tessera_types::problem::Code;
use tessera_types::{
    Kind, Object, Resource, ResourceKey, Revision, State, Uid, limits, with_object,
};

use crate::capacity;
use crate::findings::{Findings, Invariant};

const PAUSE: Duration = Duration::from_millis(100);

/// A status that a resource was seen in; none when it was gone.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) revision: Revision,
    pub(crate) id: Uid,
    pub(crate) status: Option<String>,
}

/// All that was seen.
#[derive(Default)]
pub(crate) struct Seens {
    /// Up to where.
    pub(crate) revision: Revision,
    /// What there is now.
    pub(crate) state: BTreeMap<ResourceKey, Resource>,
    /// What each was in its turn.
    pub(crate) lives: BTreeMap<ResourceKey, Vec<Seen>>,
    /// When each was seen to change last.
    pub(crate) changed: BTreeMap<ResourceKey, Instant>,
    /// When each pod of a name may begin at the earliest, and when it must be gone at the
    /// latest, by the windows that it has had, in milliseconds of the wall clock.
    pub(crate) windows: BTreeMap<String, BTreeMap<Uid, (i64, i64)>>,
    gone: BTreeSet<Uid>,
}

/// Follows, and judges what it sees.
pub(crate) struct Watcher {
    seen: Mutex<Seens>,
    findings: Arc<Findings>,
}

impl Watcher {
    pub(crate) fn new(findings: Arc<Findings>) -> Self {
        Self { seen: Mutex::default(), findings }
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seens> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows, for ever.
    pub(crate) async fn follow(&self, api: &Api) {
        let mut complete = Revision::ZERO;
        loop {
            let options =
                WatchOptions { since: Some(complete), reconnects_max: 3, ..Default::default() };
            match Watch::open(api, options).await {
                Ok(mut watch) => {
                    let ended = loop {
                        match watch.next().await {
                            Ok(event) => self.take(event),
                            Err(error) => break error,
                        }
                        complete = watch.revision().unwrap_or(complete);
                    };
                    self.refused(&ended, complete);
                }
                Err(error) => self.refused(&error, complete),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Nothing that was seen may be unknown later.
    fn refused(&self, error: &Error, at: Revision) {
        let Some(problem) = error.problem() else { return };
        let is_passing = matches!(
            problem.code,
            Code::Unavailable | Code::TooManyRequests | Code::StorageFailed | Code::StorageFull
        );
        self.findings.judge(Invariant::Watch, is_passing, || {
            format!("a watch from {at} on was refused: {problem:?}")
        });
    }

    fn take(&self, event: WatchEvent) {
        let mut seen = self.seen();
        let (revision, key, id, after) = match event {
            WatchEvent::Bookmark { revision } => {
                let is_ordered = revision >= seen.revision;
                self.findings.judge(Invariant::Watch, is_ordered, || {
                    format!("a bookmark of {revision} after {}", seen.revision)
                });
                return self.finish_commit(&mut seen, revision);
            }
            WatchEvent::Failed { .. } => return,
            WatchEvent::Changed { revision, resource } => {
                (revision, resource.key(), with_object!(&resource, it => it.id), Some(resource))
            }
            WatchEvent::Deleted { revision, kind, namespace, name, id } => {
                (revision, ResourceKey { kind, namespace, name }, id, None)
            }
        };
        self.findings.judge(Invariant::Watch, revision >= seen.revision, || {
            format!("{key} at {revision} came after {}", seen.revision)
        });
        if revision > seen.revision {
            self.finish_commit(&mut seen, revision);
        }
        self.judge(&seen, revision, &key, id, after.as_ref());
        seen.record(revision, key, id, after);
    }

    /// All changes of the commits before `next` are known.
    fn finish_commit(&self, seen: &mut Seens, next: Revision) {
        if next > seen.revision {
            self.findings.take(Invariant::Capacity, capacity::check(seen.state.values()));
            seen.revision = next;
        }
    }

    fn judge(
        &self,
        seen: &Seens,
        revision: Revision,
        key: &ResourceKey,
        id: Uid,
        after: Option<&Resource>,
    ) {
        let last = seen.lives.get(key).and_then(|life| life.last());
        let is_new = last.is_none_or(|last| last.revision < revision || last.id != id);
        self.findings
            .judge(Invariant::Watch, is_new, || format!("{key} was told twice of {revision}"));
        self.findings.judge(Invariant::Gone, !seen.gone.contains(&id), || {
            format!("{key} ({id}) was deleted, and is there again at {revision}")
        });
        let before = seen.state.get(key);
        let is_another = before.is_some_and(|before| with_object!(before, it => it.id) != id);
        self.findings.judge(Invariant::Gone, !is_another, || {
            format!("{key} has become another ({id}) at {revision} without being deleted")
        });
        let Some(after) = after else { return };
        let says = with_object!(after, it => it.revision);
        self.findings.judge(Invariant::Watch, says == revision, || {
            format!("{key} says {says} at {revision}")
        });
        self.findings.take(
            Invariant::Legal,
            with_object!(after, it => {
                let before = before.and_then(|before| of_same_kind(it, before));
                walks(it).and_then(|()| before.map_or(Ok(()), |before| follows(before, it)))
            }),
        );
    }
}

impl Seens {
    /// Takes in how a resource is since a commit.
    pub(crate) fn record(
        &mut self,
        revision: Revision,
        key: ResourceKey,
        id: Uid,
        after: Option<Resource>,
    ) {
        let status = after.as_ref().map(|it| with_object!(it, it => it.status.to_string()));
        self.lives.entry(key.clone()).or_default().push(Seen { revision, id, status });
        self.changed.insert(key.clone(), Instant::now());
        match after {
            Some(after) => {
                if let Resource::Pod(pod) = &after
                    && let Some(slot) = pod.observed.timed.timeslot
                {
                    let ms = |at: tessera_types::Timestamp| at.as_micros() / 1000;
                    let (from, until) = (ms(slot.provision_at()), ms(slot.cleanup_deadline()));
                    let windows = self.windows.entry(key.name.to_string()).or_default();
                    let window = windows.entry(id).or_insert((from, until));
                    *window = (window.0.min(from), window.1.max(until));
                }
                self.state.insert(key, after);
            }
            None => {
                self.gone.insert(id);
                self.state.remove(&key);
            }
        }
    }
}

/// `of` as what `like` is.
fn of_same_kind<'a, K: Kind>(_like: &Object<K>, of: &'a Resource) -> Option<&'a Object<K>> {
    K::unwrap(of).map(|object| &**object)
}

/// The transitions that a resource has of itself are a walk along the arrows of its kind, to
/// where it is.
fn walks<K: Kind>(object: &Object<K>) -> Result<(), String> {
    let history = &object.state_history;
    for pair in history.windows(2) {
        let (from, to) = (pair[0].to, pair[1].to);
        if pair[1].from != Some(from) || !(from == to || from.may_become(to)) {
            return Err(format!("{}: {from} cannot become {to}: {pair:?}", object.key()));
        }
    }
    match history.last() {
        Some(last) if last.to != object.status => {
            Err(format!("{} is {} and its history ends with {last:?}", object.key(), object.status))
        }
        _ => Ok(()),
    }
}

/// What comes later has not forgotten what came before.
fn follows<K: Kind>(before: &Object<K>, after: &Object<K>) -> Result<(), String> {
    let key = after.key();
    if after.generation < before.generation {
        return Err(format!("{key} went back to generation {}", after.generation));
    }
    let Some(last) = before.state_history.last() else { return Ok(()) };
    let is_known = after.state_history.contains(last);
    let is_cut = after.state_history.len() >= limits::HISTORY_TAIL_MAX;
    if !is_known && !is_cut {
        return Err(format!("{key} has forgotten {last:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tessera_types::Problem;
    use tessera_types::workload::WorkloadStatus;

    use super::*;
    use crate::fixture::{at, node, running};

    /// A workload that runs, as it is since this commit.
    fn web(id: u64, revision: u64) -> Resource {
        let mut web = running("web", id, &node("node-0", 1, 10), 7);
        web.revision = Revision(revision);
        Resource::Workload(web.into())
    }

    fn changed(resource: Resource) -> WatchEvent {
        WatchEvent::Changed { revision: resource.revision(), resource }
    }

    fn deleted(id: u64, revision: u64) -> WatchEvent {
        let ResourceKey { kind, namespace, name } = web(id, 1).key();
        WatchEvent::Deleted { revision: Revision(revision), kind, namespace, name, id: Uid(id) }
    }

    fn bookmark(revision: u64) -> WatchEvent {
        WatchEvent::Bookmark { revision: Revision(revision) }
    }

    /// How often a watcher who is told this finds it wrong.
    fn wrong(invariant: Invariant, events: Vec<WatchEvent>) -> u64 {
        let findings = Arc::new(Findings::default());
        let watcher = Watcher::new(Arc::clone(&findings));
        events.into_iter().for_each(|event| watcher.take(event));
        findings.wrong(invariant)
    }

    #[test]
    fn what_comes_late_twice_or_under_another_number_is_seen() {
        let wrong = |events| wrong(Invariant::Watch, events);
        assert_eq!(
            wrong(vec![changed(web(2, 5)), bookmark(5), changed(web(2, 6)), bookmark(9)]),
            0
        );
        assert_eq!(wrong(vec![changed(web(2, 5)), bookmark(4)]), 1);
        assert_eq!(wrong(vec![bookmark(9), changed(web(2, 8))]), 1);
        assert_eq!(wrong(vec![changed(web(2, 5)), changed(web(2, 5))]), 1);
        let other = WatchEvent::Changed { revision: Revision(6), resource: web(2, 5) };
        assert_eq!(wrong(vec![other]), 1);
    }

    #[test]
    fn a_watch_that_is_refused_what_was_seen_is_seen() {
        let findings = Arc::new(Findings::default());
        let watcher = Watcher::new(Arc::clone(&findings));
        let refused = |code| Error::Refused(Box::new(Problem::new(code, "no")));
        watcher.refused(&refused(Code::Unavailable), Revision(3));
        assert_eq!(findings.wrong(Invariant::Watch), 0);
        watcher.refused(&refused(Code::Compacted), Revision(3));
        assert_eq!(findings.wrong(Invariant::Watch), 1);
    }

    #[test]
    fn what_comes_back_after_its_deletion_or_is_another_without_one_is_seen() {
        let wrong = |events| wrong(Invariant::Gone, events);
        let again = vec![changed(web(2, 5)), deleted(2, 6), changed(web(7, 7))];
        assert_eq!(wrong(again.clone()), 0);
        assert_eq!(wrong([again, vec![deleted(7, 8), changed(web(2, 9))]].concat()), 1);
        assert_eq!(wrong(vec![changed(web(2, 5)), changed(web(7, 7))]), 1);
    }

    #[test]
    fn a_step_that_is_no_arrow_and_a_history_that_forgets_are_seen() {
        use WorkloadStatus::{Pending, Running, Scheduled};
        let wrong = |events| wrong(Invariant::Legal, events);
        let of = |revision, walk: &[(Option<WorkloadStatus>, WorkloadStatus)]| {
            let Resource::Workload(mut web) = web(2, revision) else { unreachable!("it is one") };
            let step = |(from, to): &(Option<_>, _)| tessera_types::Transition {
                from: *from,
                to: *to,
                at: at(0),
                by: tessera_types::Actor::API,
                reason: String::new(),
                metadata: tessera_types::Facts::default(),
            };
            let inner = Arc::make_mut(&mut web);
            inner.state_history = Arc::new(walk.iter().map(step).collect());
            inner.status = walk.last().map_or(inner.status, |last| last.1);
            changed(Resource::Workload(web))
        };
        let begin = [(None, Pending), (Some(Pending), Scheduled)];
        assert_eq!(wrong(vec![of(5, &begin[..1]), of(6, &begin)]), 0);
        assert_eq!(wrong(vec![of(5, &[(None, Pending), (Some(Pending), Running)])]), 1);
        assert_eq!(wrong(vec![of(5, &[(None, Pending), (Some(Scheduled), Running)])]), 1);
        assert_eq!(wrong(vec![of(5, &begin), of(6, &begin[..1])]), 1);
    }

    #[test]
    fn a_node_over_its_capacity_is_seen_once_its_commit_is_complete() {
        let node = node("node-0", 1, 1);
        let on = |name: &str, id| changed(Resource::Workload(running(name, id, &node, 7).into()));
        let full = vec![changed(Resource::Node(node.clone().into())), on("a", 2), on("b", 3)];
        assert_eq!(wrong(Invariant::Capacity, full.clone()), 0);
        assert_eq!(wrong(Invariant::Capacity, [full, vec![bookmark(4)]].concat()), 1);
    }
}
