//! Resources as text: the declared part and the rest apart.
//!
//! The one idea: a resource is read in two steps, first what it declares, then
//! its state on top, so one declared part serves many versions.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Result;
use serde_json::value::RawValue;
use tessera_types::{
    Kind, Labels, Object, OwnerRef, Resource, ResourceKey, Revision, State, Timestamp, Transition,
    Uid, WaitingFor, with_kind, with_object,
};

use crate::sqlite::history::{Stored, serialize_tail, time};

/// What seldom changes, as it is written.
#[derive(Serialize)]
#[serde(bound = "")]
struct DeclaredRef<'a, K: Kind> {
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    spec: &'a K::Spec,
    desired_status: &'a K::Desired,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: &'a Option<OwnerRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_requested_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// The same as it is read.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Declared<'a, K: Kind> {
    #[serde(borrow, default)]
    labels: Option<&'a RawValue>,
    #[serde(borrow)]
    spec: &'a RawValue,
    desired_status: K::Desired,
    generation: u64,
    #[serde(default)]
    owner: Option<OwnerRef>,
    #[serde(default)]
    deletion_requested_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// What often changes, as it is written.
#[derive(Serialize)]
#[serde(bound = "")]
struct ObservedRef<'a, K: Kind> {
    status: K::Status,
    #[serde(with = "time")]
    status_since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: &'a Option<WaitingFor>,
    observed: &'a K::Observed,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "serialize_tail")]
    state_history: &'a [Transition<K::Status>],
    #[serde(with = "time")]
    updated_at: Timestamp,
}

/// The same as it is read.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Observed<K: Kind> {
    status: K::Status,
    #[serde(with = "time")]
    status_since: Timestamp,
    #[serde(default)]
    waiting_for: Option<WaitingFor>,
    observed: K::Observed,
    #[serde(default = "Vec::new")]
    state_history: Vec<Stored<K::Status>>,
    #[serde(with = "time")]
    updated_at: Timestamp,
}

/// The declared part of `resource`.
pub(crate) fn declared(resource: &Resource) -> Result<String> {
    fn write<K: Kind>(object: &Object<K>) -> Result<String> {
        serde_json::to_string(&DeclaredRef::<K> {
            labels: &object.labels,
            spec: &object.spec,
            desired_status: &object.desired_status,
            generation: object.generation,
            owner: &object.owner,
            deletion_requested_at: object.deletion_requested_at,
            created_at: object.created_at,
        })
    }
    with_object!(resource, object => write(object))
}

/// The rest of a resource, without its key, identity and revision.
pub(crate) struct StateOf<'a>(pub(crate) &'a Resource);

impl Serialize for StateOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        fn part<K: Kind>(object: &Object<K>) -> ObservedRef<'_, K> {
            ObservedRef {
                status: object.status,
                status_since: object.status_since,
                waiting_for: &object.waiting_for,
                observed: &object.observed,
                state_history: &object.state_history,
                updated_at: object.updated_at,
            }
        }
        with_object!(self.0, object => part(object).serialize(serializer))
    }
}

/// Specs and labels that were read, by their text: those that are alike are read once,
/// and shared. Replicas stand close to each other, so it need not know many.
#[derive(Default)]
pub(crate) struct Alike(HashMap<(TypeId, Box<str>), Arc<dyn Any + Send + Sync>>);

/// Texts that are known at once, at most.
const ALIKE_MAX: usize = 1024;

impl Alike {
    fn read<T>(&mut self, text: &RawValue) -> Result<Arc<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let key = (TypeId::of::<T>(), text.get().into());
        if let Some(known) = self.0.get(&key)
            && let Ok(known) = Arc::clone(known).downcast()
        {
            return Ok(known);
        }
        let read: Arc<T> = Arc::new(serde_json::from_str(text.get())?);
        if self.0.len() >= ALIKE_MAX {
            self.0.clear();
        }
        self.0.insert(key, Arc::clone(&read) as _);
        Ok(read)
    }
}

/// A resource with this declared part and no state yet.
pub(crate) fn read_declared(
    key: &ResourceKey,
    id: Uid,
    text: &str,
    alike: &mut Alike,
) -> Result<Resource> {
    fn read<K: Kind>(
        key: &ResourceKey,
        id: Uid,
        text: &str,
        alike: &mut Alike,
    ) -> Result<Resource> {
        let declared: Declared<'_, K> = serde_json::from_str(text)?;
        Ok(K::wrap(Arc::new(Object {
            kind: K::KIND,
            name: key.name.clone(),
            namespace: key.namespace.clone(),
            labels: declared.labels.map_or_else(|| Ok(Arc::default()), |it| alike.read(it))?,
            spec: alike.read(declared.spec)?,
            desired_status: declared.desired_status,
            id,
            generation: declared.generation,
            revision: Revision::ZERO,
            owner: declared.owner,
            status: K::Status::INITIAL,
            status_since: Timestamp::EPOCH,
            waiting_for: None,
            observed: K::Observed::default(),
            state_history: Arc::default(),
            deletion_requested_at: declared.deletion_requested_at,
            created_at: declared.created_at,
            updated_at: Timestamp::EPOCH,
        })))
    }
    with_kind!(key.kind, K => read::<K>(key, id, text, alike))
}

/// The same resource with this state, as of `revision`.
pub(crate) fn with_state(
    mut resource: Resource,
    revision: Revision,
    text: &str,
) -> Result<Resource> {
    fn read<K: Kind>(object: &mut Object<K>, revision: Revision, text: &str) -> Result<()> {
        let state: Observed<K> = serde_json::from_str(text)?;
        object.revision = revision;
        object.status = state.status;
        object.status_since = state.status_since;
        object.waiting_for = state.waiting_for;
        object.observed = state.observed;
        let history = state.state_history.into_iter();
        object.state_history = Arc::new(history.map(|Stored(transition)| transition).collect());
        object.updated_at = state.updated_at;
        Ok(())
    }
    with_object!(&mut resource, object => read(Arc::make_mut(object), revision, text))?;
    Ok(resource)
}
