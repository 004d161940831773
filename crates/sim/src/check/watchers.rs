//! Who watches the store in the simulation: some at once, some slowly, and with pauses. What
//! they see must be the ledger's history, without a gap and without anything twice; where the
//! log no longer has it, they must be told.

use std::collections::BTreeMap;
use std::task::Poll;

use tessera_store::{Store, WatchError, Watcher};
use tessera_types::{Duration, Resource, ResourceKey, Revision, Timestamp};

use crate::check::ledger::Ledger;
use crate::control::{Control, now_or_never};
use crate::rng::Rng;

/// How long each pauses between two looks, at most.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(20), Duration::from_secs(120)];

/// Those who watch.
pub(crate) struct Watchers {
    all: Vec<One>,
    rng: Rng,
}

struct One {
    pause_max: Duration,
    looks_at: Timestamp,
    /// How far it is.
    at: Revision,
    /// The start of the control plane that it is connected to, and its feed there.
    feed: Option<(Timestamp, Watcher)>,
    /// What it makes of what it saw.
    knows: BTreeMap<ResourceKey, Resource>,
    /// How often it had to list again.
    listed: u32,
}

impl Watchers {
    pub(crate) fn new(rng: Rng, now: Timestamp) -> Self {
        let one = |pause_max| One {
            pause_max,
            looks_at: now,
            at: Revision::ZERO,
            feed: None,
            knows: BTreeMap::new(),
            listed: 0,
        };
        Self { all: PAUSES.map(one).into(), rng }
    }

    /// Lets those look whose time has come.
    pub(crate) fn advance(
        &mut self,
        control: &Control,
        ledger: &Ledger,
        now: Timestamp,
    ) -> Result<(), String> {
        for one in self.all.iter_mut().filter(|one| one.looks_at <= now) {
            let pause = self.rng.between(1, one.pause_max.as_millis());
            one.looks_at = now.plus(Duration::from_millis(pause));
            // Its connection is cut now and then.
            if self.rng.percent(20) {
                one.feed = None;
            }
            let patience = if self.rng.percent(30) { self.rng.between(1, 20) } else { u64::MAX };
            one.look(control, ledger, patience)?;
        }
        Ok(())
    }

    /// In the end each knows what there is.
    pub(crate) fn converged(&mut self, control: &Control, ledger: &Ledger) -> Result<(), String> {
        for one in &mut self.all {
            one.look(control, ledger, u64::MAX)?;
            if !one.knows.values().eq(ledger.all()) {
                return Err("who watches does not know what there is".to_owned());
            }
        }
        Ok(())
    }

    /// How often somebody had to list again.
    pub(crate) fn listed(&self) -> u32 {
        self.all.iter().map(|one| one.listed).sum()
    }
}

impl One {
    /// Reads so many commits, or all that there are.
    fn look(&mut self, control: &Control, ledger: &Ledger, patience: u64) -> Result<(), String> {
        for _ in 0..patience {
            let from = self.at;
            let started_at = control.started_at;
            let (_, feed) = match self.feed.take().filter(|(of, _)| *of == started_at) {
                Some(feed) => self.feed.insert(feed),
                None => self.feed.insert((started_at, control.store().watch(from))),
            };
            match now_or_never(feed.next()) {
                Poll::Pending if self.at == ledger.revision() => return Ok(()),
                Poll::Pending => return Err(format!("{} is not told of", self.at.next())),
                Poll::Ready(Ok(committed)) => {
                    if ledger.commit(from.next()) != Some(&committed) {
                        return Err(format!("after {from} came {committed:?}"));
                    }
                    for change in &committed.changes {
                        match &change.after {
                            Some(after) => self.knows.insert(change.key.clone(), after.clone()),
                            None => self.knows.remove(&change.key),
                        };
                    }
                    self.at = committed.revision;
                }
                Poll::Ready(Err(WatchError::Compacted { oldest })) if oldest > from.next() => {
                    self.list(control);
                }
                Poll::Ready(Err(error)) => return Err(format!("a watch from {from}: {error:?}")),
            }
        }
        Ok(())
    }

    fn list(&mut self, control: &Control) {
        let listed = control.store().snapshot();
        self.at = listed.revision;
        self.feed = None;
        let keyed = listed.resources.into_iter().map(|resource| (resource.key(), resource));
        self.knows = keyed.collect();
        self.listed += 1;
    }
}
