//! What the store has acknowledged, written down beside it.
//!
//! The one idea: each commit is taken in here as it was asked for, and compared with what the
//! store made of it, with what may become of what, and after each restart with what is still
//! there. So the ledger knows the history exactly, and whoever watches can be compared with it.

mod gradings;
mod legal;
mod restarts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_store::{CommitError, IdempotencyKey, Listed, Outcome};
use tessera_types::{
    Change, Committed, Epoch, Kind, KindName, Name, Node, Object, Record, Resource, ResourceKey,
    Revision, Uid, Write, with_object,
};

/// What somebody asked the store to write.
#[derive(Clone, Debug)]
struct Asked {
    writes: Vec<Write>,
    once: Option<IdempotencyKey>,
}

/// A transition that was committed.
pub(crate) type Noted = (ResourceKey, Uid, Revision, Record);

/// All that was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    commits: Vec<Arc<Committed>>,
    now: BTreeMap<ResourceKey, Resource>,
    /// All that the history must have, oldest first.
    pub(crate) noted: Vec<Noted>,
    newest_id: Uid,
    gradings: gradings::Gradings,
    restarts: restarts::Restarts,
    /// The commit that each idempotency key was used for.
    once: BTreeMap<String, Revision>,
    /// What was asked for when the power went: it was written whole or not at all.
    unknown: Option<Asked>,
    asked: Option<Asked>,
    /// What must not be, once it was seen.
    pub(crate) wrong: Option<String>,
}

impl Ledger {
    /// The last commit.
    pub(crate) fn revision(&self) -> Revision {
        Revision(self.commits.len() as u64)
    }

    /// The commit of this revision.
    pub(crate) fn commit(&self, revision: Revision) -> Option<&Arc<Committed>> {
        self.commits.get((revision.0 as usize).checked_sub(1)?)
    }

    /// An agent died that could not write down how far these copies are.
    pub(crate) fn has_forgotten(&mut self, copies: impl IntoIterator<Item = (Uid, Epoch)>) {
        copies.into_iter().for_each(|(id, epoch)| self.restarts.is_forgotten(id, epoch));
    }

    /// All of them, in their order.
    pub(crate) fn commits(&self) -> &[Arc<Committed>] {
        &self.commits
    }

    /// Everything as it is.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Resource> {
        self.now.values()
    }

    /// Somebody asks the store for a commit.
    pub(crate) fn asked(&mut self, writes: &[Write], once: Option<&IdempotencyKey>) {
        self.asked = Some(Asked { writes: writes.to_vec(), once: once.cloned() });
    }

    /// The store has answered; or its machine has lost its power, and has not.
    pub(crate) fn answered(&mut self, answer: &Result<Outcome, CommitError>, has_died: bool) {
        let Some(asked) = self.asked.take() else { return };
        let checked = match answer {
            Err(CommitError::Failed(_)) if has_died => {
                // What its process then still tries gets nowhere.
                self.unknown.get_or_insert(asked);
                Ok(())
            }
            Err(CommitError::Conflict { key, found, found_id, .. }) => {
                self.is_conflict(&asked, key, *found, *found_id)
            }
            Err(_) => Ok(()),
            Ok(outcome) if outcome.replayed => self.is_replay(&asked, &outcome.committed),
            Ok(outcome) => self.take(&asked, &outcome.committed),
        };
        self.note(checked);
    }

    /// The store was opened anew: all that was acknowledged is there, and nothing else.
    /// `after` reads the commit after a revision.
    pub(crate) fn reopened(
        &mut self,
        listed: &Listed,
        after: impl FnOnce(Revision) -> Option<Arc<Committed>>,
    ) {
        let unknown = self.unknown.take();
        if listed.revision == self.revision().next()
            && let Some(asked) = unknown
        {
            let checked = match after(self.revision()) {
                Some(committed) => self.take(&asked, &committed),
                None => Err(format!("{} cannot be read", listed.revision)),
            };
            self.note(checked);
        }
        let checked = self.is_all(listed);
        self.note(checked);
    }

    fn note(&mut self, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.wrong.get_or_insert(what);
        }
    }

    fn is_all(&self, listed: &Listed) -> Result<(), String> {
        if listed.revision != self.revision() {
            return Err(format!(
                "the store is at {} after a restart, and {} was acknowledged",
                listed.revision,
                self.revision()
            ));
        }
        match listed.resources.iter().eq(self.now.values()) {
            true => Ok(()),
            false => Err("the store has not what was acknowledged".to_owned()),
        }
    }

    /// What is said to be in the way is.
    fn is_conflict(
        &self,
        asked: &Asked,
        key: &ResourceKey,
        found: Revision,
        found_id: Uid,
    ) -> Result<(), String> {
        let is = self.now.get(key).map_or((Revision::ZERO, Uid::default()), |resource| {
            (resource.revision(), resource.id())
        });
        let write = asked.writes.iter().find(|write| write.key() == *key);
        let expected = write.map(expected);
        match is == (found, found_id) && expected.is_some_and(|expected| expected != is) {
            true => Ok(()),
            false => Err(format!(
                "{key} is said to be {found}, {found_id}, is {is:?}, and was expected to be {expected:?}"
            )),
        }
    }

    /// A retry is answered with what was done the first time.
    fn is_replay(&self, asked: &Asked, committed: &Committed) -> Result<(), String> {
        let key = asked.once.as_ref().map(|once| once.key.as_str()).unwrap_or_default();
        let revision = committed.revision;
        match self.once.get(key) {
            Some(known) if *known == revision => Ok(()),
            known => Err(format!("{key:?} is said to be of {revision}, and is of {known:?}")),
        }
    }

    fn take(&mut self, asked: &Asked, committed: &Arc<Committed>) -> Result<(), String> {
        if committed.revision != self.revision().next() {
            return Err(format!("{} follows {}", committed.revision, self.revision()));
        }
        if let Some(once) = &asked.once {
            let known = self.once.insert(once.key.clone(), committed.revision);
            if let Some(known) = known {
                return Err(format!("{} was done in {known}, and again", once.key));
            }
        }
        if asked.writes.len() != committed.changes.len() {
            return Err(format!("{} has not what was asked for", committed.revision));
        }
        for (write, change) in asked.writes.iter().zip(&committed.changes) {
            self.take_write(write, change, committed.revision)?;
        }
        self.commits.push(Arc::clone(committed));
        Ok(())
    }

    fn take_write(
        &mut self,
        write: &Write,
        change: &Change,
        revision: Revision,
    ) -> Result<(), String> {
        let key = write.key();
        let before = self.now.get(&key);
        let is = before
            .map_or((Revision::ZERO, Uid::default()), |before| (before.revision(), before.id()));
        if expected(write) != is || change.key != key {
            return Err(format!("{key} is {is:?}, and it was written as {:?}", expected(write)));
        }
        legal::is_legal(before, write)?;
        self.gradings.take_in(before, write)?;
        self.restarts.take_in(before, write, |node| agent_of(&self.now, node))?;
        match &change.after {
            Some(after) => {
                if before.is_none() && after.id() <= self.newest_id {
                    return Err(format!("{key} is made as {}, which was before", after.id()));
                }
                self.newest_id = self.newest_id.max(after.id());
                is_as_asked(write, after, revision)?;
                self.now.insert(key.clone(), after.clone());
            }
            None => {
                self.now.remove(&key);
            }
        }
        let records = write.records().iter();
        let noted = records.map(|record| (key.clone(), change.id, revision, record.clone()));
        self.noted.extend(noted);
        Ok(())
    }
}

/// The installation of an agent that has the name of this node.
fn agent_of(now: &BTreeMap<ResourceKey, Resource>, name: &Name) -> Option<String> {
    let node = now.get(&ResourceKey::new(KindName::Node, None, name.clone()))?;
    Some(Node::unwrap(node)?.observed.agent_id.clone())
}

/// The revision and identity that a write expects.
fn expected(write: &Write) -> (Revision, Uid) {
    match write {
        Write::Create { .. } => (Revision::ZERO, Uid::default()),
        Write::Update { resource, .. } => (resource.revision(), resource.id()),
        Write::Delete { id, revision, .. } => (*revision, *id),
    }
}

/// What is there then is what was asked for, but for what the store gives.
fn is_as_asked(write: &Write, after: &Resource, revision: Revision) -> Result<(), String> {
    fn same<K: Kind>(asked: &Object<K>, after: &Resource) -> bool {
        K::unwrap(after).is_some_and(|after| {
            asked.spec == after.spec
                && asked.status == after.status
                && asked.observed == after.observed
                && asked.state_history == after.state_history
                && asked.waiting_for == after.waiting_for
                && asked.labels == after.labels
        })
    }
    let (Write::Create { resource, .. } | Write::Update { resource, .. }) = write else {
        return Err(format!("{} is still there", write.key()));
    };
    let is_same = with_object!(resource, object => same(object, after));
    match is_same && after.revision() == revision {
        true => Ok(()),
        false => Err(format!("{} is not what was written", after.key())),
    }
}
