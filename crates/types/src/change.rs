//! Changes of the store: what is asked for, and what came of it.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::{Edited, Object};
use crate::facts::Facts;
use crate::identity::{Revision, Uid};
use crate::kind::{Kind, Resource, ResourceKey};
use crate::state::{Actor, State, Transition};
use crate::time::Timestamp;

/// One write of a commit, with its precondition. A commit is all of its writes
/// or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// There must be no resource of this key. The store gives it its id.
    Create {
        /// The new resource.
        resource: Resource,
        /// The history that it begins with.
        records: Vec<Record>,
    },
    /// The resource must still have the id and revision of `resource`, which
    /// the store then replaces with those of the commit.
    Update {
        /// The changed resource; its `revision` is the one it was read at.
        resource: Resource,
        /// The transitions that led to it.
        records: Vec<Record>,
    },
    /// The resource must still have this id and revision.
    Delete {
        /// Which.
        key: ResourceKey,
        /// Its identity.
        id: Uid,
        /// The revision it was read at.
        revision: Revision,
        /// What the history says of its end.
        records: Vec<Record>,
    },
}

impl Write {
    /// Makes a new resource.
    #[must_use]
    pub fn create<K: Kind>(object: Object<K>) -> Self {
        let records = object.state_history.iter().map(Record::of).collect();
        Self::Create { resource: K::wrap(Arc::new(object)), records }
    }

    /// Replaces a resource that was changed from the revision it carries.
    #[must_use]
    pub fn update<K: Kind>(edited: Edited<K>) -> Self {
        let records = edited.transitions.iter().map(Record::of).collect();
        Self::Update { resource: K::wrap(Arc::new(edited.object)), records }
    }

    /// Removes a resource.
    #[must_use]
    pub fn delete<K: Kind>(object: &Object<K>, by: Actor, reason: &str, at: Timestamp) -> Self {
        let record = Record {
            from: Some(object.status.to_string()),
            to: Record::DELETED.to_owned(),
            at,
            by,
            reason: reason.to_owned(),
            metadata: Facts::default(),
        };
        Self::Delete {
            key: object.key(),
            id: object.id,
            revision: object.revision,
            records: vec![record],
        }
    }

    /// The resource concerned.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        match self {
            Self::Create { resource, .. } | Self::Update { resource, .. } => resource.key(),
            Self::Delete { key, .. } => key.clone(),
        }
    }

    /// What the history says of it.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        match self {
            Self::Create { records, .. }
            | Self::Update { records, .. }
            | Self::Delete { records, .. } => records,
        }
    }
}

/// A transition as the audit table keeps it, whatever the kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The status before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The status after; `Deleted` for the last.
    pub to: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// Facts about it.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub metadata: Facts,
}

impl Record {
    /// What the history says that a removed resource has become.
    pub const DELETED: &str = "Deleted";

    /// The record of one transition.
    #[must_use]
    pub fn of<S: State>(transition: &Transition<S>) -> Self {
        Self {
            from: transition.from.map(|from| from.to_string()),
            to: transition.to.to_string(),
            at: transition.at,
            by: transition.by.clone(),
            reason: transition.reason.clone(),
            metadata: transition.metadata.clone(),
        }
    }

    /// Whether it is the record of this transition.
    #[must_use]
    pub fn is_of<S: State>(&self, transition: &Transition<S>) -> bool {
        let Transition { from, to, at, by, reason, metadata } = transition;
        let is_from = match (&self.from, from) {
            (Some(text), Some(from)) => reads(text, from),
            (None, None) => true,
            _ => false,
        };
        is_from
            && reads(&self.to, to)
            && (&self.at, &self.by, &self.reason, &self.metadata) == (at, by, reason, metadata)
    }
}

/// Whether `text` is how `value` is written.
fn reads(text: &str, value: &impl fmt::Display) -> bool {
    /// What is still to come.
    struct Rest<'a>(&'a str);
    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}

/// An entry of a resource's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// Its place in the history of everything; increases.
    pub seq: u64,
    /// The commit.
    pub revision: Revision,
    /// The identity of the resource.
    pub id: Uid,
    /// The transition.
    #[serde(flatten)]
    pub record: Record,
}

/// What one commit did to one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub key: ResourceKey,
    /// Its identity.
    pub id: Uid,
    /// As it is now; none when it was removed.
    pub after: Option<Resource>,
}

/// One commit, as watchers see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// Its revision.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// What it did, in the order of its writes.
    pub changes: Vec<Change>,
}
