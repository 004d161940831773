//! The envelope: what every resource has, whatever its kind.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tessera_planted::{Bug, planted};

use crate::facts::Facts;
use crate::identity::{Revision, Uid};
use crate::kind::{Kind, KindName, ResourceKey};
use crate::labels::Labels;
use crate::limits;
use crate::name::Name;
use crate::state::{Actor, IllegalTransition, State, Transition};
use crate::time::Timestamp;

/// A resource: what a person declares, and what Tessera knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(bound = "")]
#[schemars(rename = "{K}", bound = "K: Kind + JsonSchema")]
pub struct Object<K: Kind> {
    /// The kind.
    pub kind: KindName,
    /// Unique per kind and namespace.
    pub name: Name,
    /// None for kinds that belong to the platform itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    /// For selection and placement.
    #[serde(default, skip_serializing_if = "is_unlabelled")]
    pub labels: Arc<Labels>,
    /// What a person declares.
    pub spec: Arc<K::Spec>,
    /// What a person or a parent wants.
    pub desired_status: K::Desired,
    /// The identity; a resource made again under its old name has another.
    pub id: Uid,
    /// Counts changes of `spec` and `desired_status`.
    pub generation: u64,
    /// The commit that last changed it.
    pub revision: Revision,
    /// The resource it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerRef>,
    /// Where it is in its life.
    pub status: K::Status,
    /// Since when.
    pub status_since: Timestamp,
    /// What it waits for, when it is neither at rest nor progressing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// What Tessera knows of it besides the status.
    #[serde(default)]
    pub observed: K::Observed,
    /// The last transitions, oldest first; `GET …/history` has all of them.
    #[serde(default, skip_serializing_if = "is_unwritten")]
    pub state_history: Arc<Vec<Transition<K::Status>>>,
    /// When its deletion was asked for: it disappears once all it has is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_requested_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The resource that another belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnerRef {
    /// Its kind.
    pub kind: KindName,
    /// Its name, in the same namespace.
    pub name: Name,
    /// Its identity.
    pub id: Uid,
}

impl fmt::Display for OwnerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.singular(), self.name)
    }
}

/// What a resource waits for, since when, and until when at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingFor {
    /// The sort of thing, for programs.
    pub reason: WaitReason,
    /// The thing itself, for people.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// When it will be decided at the latest, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The sorts of things that a resource can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// No node takes it.
    NoNodeFits,
    /// Its window has not opened.
    NotBefore,
    /// The agent has it and has not answered.
    Agent,
    /// It starts, or its health check has not passed.
    Start,
    /// The pause before the next start.
    Backoff,
    /// Its copy is being stopped.
    Stop,
    /// Its processes do not die.
    Unkillable,
    /// Its node is Offline.
    NodeOffline,
    /// Other resources must go first.
    Children,
    /// No host takes it.
    NoHostFits,
    /// More is booked of it than it has.
    Overbooked,
    /// Its own time: the beginning of its provisioning, or of its window.
    Time,
    /// The gate of the part before it.
    Gate,
    /// A phase of its lifecycle, or the resources that this one runs on.
    Phase,
    /// The engine: there is none, or an operator has stopped its use.
    Engine,
    /// Something is in its place on a node that is not its own: somebody has to decide.
    Conflict,
}

/// Whether a history has nothing in it.
fn is_unwritten<T>(history: &Arc<Vec<T>>) -> bool {
    history.is_empty()
}

/// Whether there are no labels.
pub(crate) fn is_unlabelled(labels: &Arc<Labels>) -> bool {
    labels.is_empty()
}

impl<K: Kind> Object<K> {
    /// A new resource with nothing observed yet. The store gives it its id and
    /// revision.
    pub fn new(key: &ResourceKey, spec: Arc<K::Spec>, by: Actor, now: Timestamp) -> Self {
        let first = Transition {
            from: None,
            to: K::Status::INITIAL,
            at: now,
            by,
            reason: "created".to_owned(),
            metadata: Facts::default(),
        };
        Self {
            kind: K::KIND,
            name: key.name.clone(),
            namespace: key.namespace.clone(),
            labels: Arc::default(),
            spec,
            desired_status: K::Desired::default(),
            id: Uid(0),
            generation: 1,
            revision: Revision::ZERO,
            owner: None,
            status: K::Status::INITIAL,
            status_since: now,
            waiting_for: None,
            observed: K::Observed::default(),
            state_history: Arc::new(vec![first]),
            deletion_requested_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Its kind, namespace and name.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        ResourceKey { kind: K::KIND, namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// A resource being changed: a working copy and the transitions that led to it.
/// It becomes a write only if something is different in the end.
#[derive(Clone, Debug)]
pub struct Edit<K: Kind> {
    before: Arc<Object<K>>,
    /// The working copy. Its status changes only through [`Edit::transition`].
    pub object: Object<K>,
    transitions: Vec<Transition<K::Status>>,
    now: Timestamp,
}

impl<K: Kind> Edit<K> {
    /// Begins to change `object`.
    #[must_use]
    pub fn of(object: &Arc<Object<K>>, now: Timestamp) -> Self {
        Self {
            before: Arc::clone(object),
            object: (**object).clone(),
            transitions: Vec::new(),
            now,
        }
    }

    /// Changes the status, records why, and clears what it waited for.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the state machine has no such arrow; nothing
    /// is changed then.
    pub fn transition(
        &mut self,
        to: K::Status,
        by: Actor,
        reason: impl Into<String>,
    ) -> Result<&mut Self, IllegalTransition> {
        self.transition_at(to, self.now, by, reason)
    }

    /// As [`Edit::transition`], for a change that happened at `at`.
    ///
    /// # Errors
    /// [`IllegalTransition`] as there.
    pub fn transition_at(
        &mut self,
        to: K::Status,
        at: Timestamp,
        by: Actor,
        reason: impl Into<String>,
    ) -> Result<&mut Self, IllegalTransition> {
        let from = self.object.status;
        if !from.may_become(to) {
            return Err(IllegalTransition {
                kind: K::KIND.as_str(),
                from: from.to_string(),
                to: to.to_string(),
            });
        }
        let reason = limits::clip(&reason.into(), limits::REASON_BYTES_MAX);
        let transition =
            Transition { from: Some(from), to, at, by, reason, metadata: Facts::default() };
        self.object.status = to;
        self.object.status_since = at;
        self.object.waiting_for = None;
        self.transitions.push(transition);
        Ok(self)
    }

    /// Records something worth knowing that changes no status, such as an
    /// extension: an entry of the history whose two statuses are the same.
    pub fn note(&mut self, by: Actor, reason: impl Into<String>) -> &mut Self {
        let status = self.object.status;
        let reason = limits::clip(&reason.into(), limits::REASON_BYTES_MAX);
        let (from, at) = (Some(status), self.now);
        let metadata = Facts::default();
        self.transitions.push(Transition { from, to: status, at, by, reason, metadata });
        self
    }

    /// Adds a fact to the transition just made; nothing if there is none.
    pub fn with(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        if let Some(last) = self.transitions.last_mut() {
            last.metadata.insert(name, &value.to_string());
        }
        self
    }

    /// Says what it waits for. What was waited for already keeps its `since`.
    pub fn wait_for(&mut self, reason: WaitReason, message: &str, until: Option<Timestamp>) {
        let message = limits::clip(message, limits::REASON_BYTES_MAX);
        let since = match &self.object.waiting_for {
            Some(waiting) if waiting.reason == reason && !planted(Bug::WaitsAnew) => waiting.since,
            _ => self.now,
        };
        self.object.waiting_for = Some(WaitingFor { reason, message, since, until });
    }

    /// It waits for nothing.
    pub fn wait_for_nothing(&mut self) {
        self.object.waiting_for = None;
    }

    /// Sets what is wanted of it.
    pub fn desire(&mut self, desired: K::Desired) {
        if self.object.desired_status != desired {
            self.object.desired_status = desired;
            self.object.generation += 1;
        }
    }

    /// Asks for its deletion; once is enough.
    pub fn request_deletion(&mut self) {
        self.object.deletion_requested_at.get_or_insert(self.now);
    }

    /// The transitions made so far.
    #[must_use]
    pub fn transitions(&self) -> &[Transition<K::Status>] {
        &self.transitions
    }

    /// The resource as it was.
    #[must_use]
    pub fn before(&self) -> &Arc<Object<K>> {
        &self.before
    }

    /// The changed resource with its new transitions, or none when nothing is
    /// different.
    #[must_use]
    pub fn finish(mut self) -> Option<Edited<K>> {
        if self.transitions.is_empty() && self.object == *self.before {
            return None;
        }
        let history = Arc::make_mut(&mut self.object.state_history);
        let first =
            self.transitions.len().saturating_sub(1) * usize::from(planted(Bug::StepsLeftOut));
        history.extend(self.transitions[first..].iter().cloned());
        let excess = history.len().saturating_sub(limits::HISTORY_TAIL_MAX);
        history.drain(..excess);
        self.object.updated_at = self.now.max(self.before.updated_at);
        Some(Edited { object: self.object, transitions: self.transitions })
    }
}

/// The outcome of an [`Edit`] that changed something.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited<K: Kind> {
    /// The changed resource, still with the revision that it was read at.
    pub object: Object<K>,
    /// The transitions that led to it.
    pub transitions: Vec<Transition<K::Status>>,
}
