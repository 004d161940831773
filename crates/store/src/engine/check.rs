//! From a request to a log entry: the preconditions, and the numbers that the
//! store hands out.
//!
//! The one idea: the state to check against is a function, so the same code
//! serves the index and a batch on top of it.

use std::collections::HashSet;
use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::{
    Kind, Object, Resource, ResourceKey, Revision, Uid, Write, limits, with_object,
};

use crate::contract::{Commit, IdempotencyKey};
use crate::engine::Head;
use crate::engine::backend::{LogChange, LogEntry, Versioned};
use crate::error::{CommitError, InvalidCommit};
use crate::options::WRITES_MAX;

/// Checks what can be checked whatever the state.
pub(crate) fn validate(commit: &Commit) -> Result<(), InvalidCommit> {
    check_owners(commit)?;
    match commit.writes.len() {
        0 => return Err(InvalidCommit::Empty),
        1 => return Ok(()),
        count if count > WRITES_MAX => return Err(InvalidCommit::TooManyWrites(count)),
        _ => {}
    }
    let mut seen = HashSet::with_capacity(commit.writes.len());
    for write in &commit.writes {
        let key = write.key();
        if seen.contains(&key) {
            return Err(InvalidCommit::WrittenTwice(key));
        }
        seen.insert(key);
    }
    Ok(())
}

/// Checks that an owner without an identity is made earlier in the same commit.
fn check_owners(commit: &Commit) -> Result<(), InvalidCommit> {
    for (at, write) in commit.writes.iter().enumerate() {
        let Write::Create { resource, .. } = write else { continue };
        let Some(owner) = new_owner(resource) else { continue };
        let mut earlier = commit.writes[..at].iter();
        if !earlier.any(|other| matches!(other, Write::Create { .. }) && other.key() == owner) {
            return Err(InvalidCommit::OwnerUnknown { key: write.key(), owner });
        }
    }
    Ok(())
}

/// The key of an owner that has no identity yet.
fn new_owner(resource: &Resource) -> Option<ResourceKey> {
    let owner = resource.owner().filter(|owner| owner.id == Uid::default())?;
    Some(ResourceKey::new(owner.kind, resource.namespace().cloned(), owner.name.clone()))
}

/// Checks an idempotency key's form.
pub(crate) fn validate_key(key: &IdempotencyKey) -> Result<(), InvalidCommit> {
    match key.key.len() {
        1..=limits::IDEMPOTENCY_KEY_BYTES_MAX => Ok(()),
        length => Err(InvalidCommit::KeyLength(length)),
    }
}

/// Makes the log entry of `commit` on top of `head`, and returns it with the
/// head after it. `current` is the state before the commit.
pub(crate) fn entry<'a>(
    commit: Commit,
    head: Head,
    current: impl Fn(&Write) -> Option<&'a Versioned>,
) -> Result<(LogEntry, Head), CommitError> {
    let mut after = Head { revision: head.revision.next(), latest_at: commit.at, ..head };
    let mut changes = Vec::with_capacity(commit.writes.len());
    for write in commit.writes {
        let found = current(&write);
        check_precondition(&write, found)?;
        let write = with_owner(write, &changes);
        changes.push(change(write, found, &mut after));
    }
    let entry = LogEntry {
        revision: after.revision,
        at: commit.at,
        first_seq: head.next_seq,
        changes,
        idempotency: commit.idempotency,
    };
    after.next_seq = entry.next_seq();
    Ok((entry, after))
}

fn check_precondition(write: &Write, found: Option<&Versioned>) -> Result<(), CommitError> {
    let expected = match write {
        Write::Create { .. } => (Uid::default(), Revision::ZERO),
        Write::Update { resource, .. } => (resource.id(), resource.revision()),
        Write::Delete { id, revision, .. } => (*id, *revision),
    };
    let found = found.map_or((Uid::default(), Revision::ZERO), |versioned| {
        (versioned.resource.id(), versioned.resource.revision())
    });
    // A write other than a creation of something that does not exist is a
    // conflict also when it names identity and revision 0.
    let creates = matches!(write, Write::Create { .. });
    let is_same = expected == found || planted(Bug::PreconditionUnchecked) && expected.0 == found.0;
    if is_same && creates == (found.1 == Revision::ZERO) {
        return Ok(());
    }
    Err(CommitError::Conflict {
        key: write.key(),
        expected: expected.1,
        found: found.1,
        found_id: found.0,
    })
}

/// Puts in the identity of an owner that is made earlier in the same commit.
fn with_owner(write: Write, earlier: &[LogChange]) -> Write {
    let Write::Create { resource, records } = write else { return write };
    let owner = new_owner(&resource);
    let made = owner.and_then(|owner| earlier.iter().find(|change| change.key == owner));
    let resource = match made {
        Some(made) => resource.owned_by(made.id),
        None => resource,
    };
    Write::Create { resource, records }
}

/// What a write that may be made does.
fn change(write: Write, found: Option<&Versioned>, head: &mut Head) -> LogChange {
    let key = write.key();
    let before = found.map(|versioned| versioned.declared_at);
    match write {
        Write::Create { resource, records } => {
            let id = Uid(head.next_uid);
            head.next_uid += 1;
            let resource = resource.stamped(id, head.revision);
            let after = Some(Versioned { resource, declared_at: head.revision });
            LogChange { key, id, after, supersedes: None, records }
        }
        Write::Update { resource, records } => {
            let id = resource.id();
            let kept = found.filter(|found| declares_the_same(&found.resource, &resource));
            let declared_at = kept.map_or(head.revision, |found| found.declared_at);
            let resource = resource.stamped(id, head.revision);
            let after = Some(Versioned { resource, declared_at });
            let supersedes = before.filter(|before| *before != declared_at);
            LogChange { key, id, after, supersedes, records }
        }
        Write::Delete { id, records, .. } => {
            LogChange { key, id, after: None, supersedes: before, records }
        }
    }
}

/// Whether the declared parts of two versions of a resource are equal.
fn declares_the_same(a: &Resource, b: &Resource) -> bool {
    fn same<K: Kind>(a: &Object<K>, b: &Resource) -> bool {
        K::unwrap(b).is_some_and(|b| {
            a.generation == b.generation
                && (Arc::ptr_eq(&a.spec, &b.spec) || a.spec == b.spec)
                && a.labels == b.labels
                && a.desired_status == b.desired_status
                && a.owner == b.owner
                && a.deletion_requested_at == b.deletion_requested_at
                && a.created_at == b.created_at
        })
    }
    with_object!(a, object => same(object, b))
}
