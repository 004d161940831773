//! The registry of kinds: the trait that each satisfies, and one type that holds
//! a resource of any.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::catalogue::{
    DeliveryEnvironment, HostDefinition, HostingSiteLocation, JobDefinition, LabLocation,
    PartDefinition, PodDefinition, ReportDefinition, SessionDefinition,
};
use crate::envelope::{Object, OwnerRef};
use crate::host::Host;
use crate::identity::{Revision, Uid};
use crate::job::Job;
use crate::labels::Labels;
use crate::limits;
use crate::name::Name;
use crate::node::Node;
use crate::pod::Pod;
use crate::report::Report;
use crate::session::{Session, SessionPart};
use crate::state::{Actor, State};
use crate::suggest::nearest;
use crate::tenant::Tenant;
use crate::time::Timestamp;
use crate::validate::{Invalid, Validate};
use crate::workload::Workload;

/// What differs between kinds.
pub trait Kind:
    InResource + JsonSchema + fmt::Debug + Clone + PartialEq + Send + Sync + Sized + 'static
{
    /// Its name.
    const KIND: KindName;
    /// What a person declares.
    type Spec: Serialize
        + DeserializeOwned
        + JsonSchema
        + Validate
        + Clone
        + PartialEq
        + fmt::Debug
        + Send
        + Sync;
    /// Where it is in its life.
    type Status: State;
    /// What a person or a parent wants; the default is what is wanted when
    /// nothing is said.
    type Desired: Serialize
        + DeserializeOwned
        + JsonSchema
        + Copy
        + Default
        + PartialEq
        + fmt::Debug
        + fmt::Display
        + Send
        + Sync;
    /// What Tessera knows of it besides the status.
    type Observed: Serialize
        + DeserializeOwned
        + JsonSchema
        + Clone
        + Default
        + PartialEq
        + fmt::Debug
        + Send
        + Sync;

    /// Whether a manifest that does not say `desired_status` keeps the one that
    /// the resource has, rather than asking for the default.
    const KEEPS_DESIRED_STATUS: bool;

    /// How large a spec may be as JSON, in bytes.
    const SPEC_BYTES_MAX: usize = limits::SPEC_BYTES_MAX;

    /// What else changes when a new spec is declared; `object` has the new spec
    /// and generation.
    fn declared(_object: &mut Object<Self>, _before: &Self::Spec) {}

    /// The names of the fields that people declare in the spec.
    fn spec_fields() -> BTreeSet<String> {
        let spec = schemars::schema_for!(Self::Spec).schema.object;
        spec.map(|object| object.properties.into_keys().collect()).unwrap_or_default()
    }

    /// What selectors look at: the object's labels, with those that it has of
    /// other sources.
    fn selected_by(object: &Object<Self>) -> Cow<'_, Labels> {
        Cow::Borrowed(&object.labels)
    }

    /// Wraps an object of this kind.
    fn wrap(object: Arc<Object<Self>>) -> Resource {
        Self::into_resource(object)
    }

    /// The object in `resource`, if it is of this kind.
    fn unwrap(resource: &Resource) -> Option<&Arc<Object<Self>>> {
        Self::in_resource(resource)
    }

    /// Completes a spec that is being declared over `existing`: what is said
    /// relative to the moment of its declaration becomes absolute, once.
    fn settle(_spec: &mut Arc<Self::Spec>, _existing: Option<&Self::Spec>, _now: Timestamp) {}

    /// Why a spec and labels may not replace those of `before`, if `by` may not
    /// do that.
    fn refuse_change(
        _before: &Object<Self>,
        _labels: &Labels,
        _spec: &Self::Spec,
        _by: &Actor,
    ) -> Option<Invalid> {
        None
    }
}

/// How objects of a kind go into a [`Resource`] and come out of it; the registry
/// below implements it.
pub trait InResource: Sized {
    /// See [`Kind::wrap`].
    fn into_resource(object: Arc<Object<Self>>) -> Resource
    where
        Self: Kind;

    /// See [`Kind::unwrap`].
    fn in_resource(resource: &Resource) -> Option<&Arc<Object<Self>>>
    where
        Self: Kind;
}

/// Kind, namespace and name: what a person calls a resource.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct ResourceKey {
    /// The kind.
    pub kind: KindName,
    /// None for kinds that have no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    /// The name.
    pub name: Name,
}

impl ResourceKey {
    /// The key of a resource; the namespace is dropped for kinds without one
    /// and `default` for the others when none is given.
    #[must_use]
    pub fn new(kind: KindName, namespace: Option<Name>, name: Name) -> Self {
        let namespace =
            kind.is_namespaced().then(|| namespace.unwrap_or_else(Name::default_namespace));
        Self { kind, namespace, name }
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.kind.singular(), self.name),
            None => write!(f, "{}/{}", self.kind.singular(), self.name),
        }
    }
}

/// A word that is no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind `{word}`: {}", match near { Some(near) => format!("did you mean `{near}`?"), None => format!("known are {}", KindName::ALL.map(KindName::plural).join(", ")) })]
pub struct UnknownKind {
    word: String,
    near: Option<&'static str>,
}

macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident($table:ident) { singular: $singular:literal, plural: $plural:literal, short: $short:literal, namespaced: $namespaced:literal }),+ $(,)?) => {
        /// The name of a kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        pub enum KindName { $($(#[$meta])* $kind),+ }

        impl KindName {
            /// Every kind.
            pub const ALL: [Self; [$(Self::$kind),+].len()] = [$(Self::$kind),+];

            /// As in a manifest: `Workload`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind)),+ }
            }

            /// As in a key: `workload`.
            #[must_use]
            pub const fn singular(self) -> &'static str {
                match self { $(Self::$kind => $singular),+ }
            }

            /// As in a path: `workloads`.
            #[must_use]
            pub const fn plural(self) -> &'static str {
                match self { $(Self::$kind => $plural),+ }
            }

            /// For quick typing: `wl`.
            #[must_use]
            pub const fn short(self) -> &'static str {
                match self { $(Self::$kind => $short),+ }
            }

            /// Whether its resources live in namespaces.
            #[must_use]
            pub const fn is_namespaced(self) -> bool {
                match self { $(Self::$kind => $namespaced),+ }
            }
        }

        /// In any case: `workload` cannot mean anything else than `Workload`.
        impl<'de> Deserialize<'de> for KindName {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const NAMES: &[&str] = &[$(stringify!($kind)),+];
                let word = Cow::<str>::deserialize(deserializer)?;
                let is_meant = |kind: &Self| kind.as_str().eq_ignore_ascii_case(&word);
                let kind = Self::ALL.into_iter().find(is_meant);
                kind.ok_or_else(|| serde::de::Error::unknown_variant(&word, NAMES))
            }
        }

        /// A resource of any kind. Cheap to clone.
        #[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
        #[serde(untagged)]
        #[schemars(rename = "Resource")]
        pub enum Resource { $($(#[$meta])* $kind(Arc<Object<$kind>>)),+ }

        impl<'de> Deserialize<'de> for Resource {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error;
                let value = serde_json::Value::deserialize(deserializer)?;
                let kind = value.get("kind").cloned().unwrap_or_default();
                let kind = KindName::deserialize(kind).map_err(D::Error::custom)?;
                match kind {
                    $(KindName::$kind => serde_json::from_value(value).map(Self::$kind)),+
                }
                .map_err(D::Error::custom)
            }
        }

        $(
            impl InResource for $kind {
                fn into_resource(object: Arc<Object<Self>>) -> Resource {
                    Resource::$kind(object)
                }

                fn in_resource(resource: &Resource) -> Option<&Arc<Object<Self>>> {
                    match resource {
                        Resource::$kind(object) => Some(object),
                        _ => None,
                    }
                }
            }
        )+

        /// Runs `$body` with `$object` bound to the object inside `$resource`.
        #[macro_export]
        #[doc(hidden)]
        macro_rules! with_object {
            ($resource:expr, $object:ident => $body:expr) => {
                match $resource { $($crate::Resource::$kind($object) => $body),+ }
            };
        }

        /// Calls the macro `$callback` with every kind and the name of its
        /// table: `Node nodes, Workload workloads, …`.
        #[macro_export]
        #[doc(hidden)]
        macro_rules! for_each_kind {
            ($callback:ident) => { $callback! { $($kind $table),+ } };
        }

        /// Runs `$body` with `$K` bound to the kind that `$name` names.
        #[macro_export]
        #[doc(hidden)]
        macro_rules! with_kind {
            ($name:expr, $K:ident => $body:expr) => {
                match $name { $($crate::KindName::$kind => { type $K = $crate::$kind; $body }),+ }
            };
        }
    };
}

kinds! {
    /// A machine that runs an agent.
    Node(nodes) { singular: "node", plural: "nodes", short: "no", namespaced: false },
    /// One process or container that should run.
    Workload(workloads) { singular: "workload", plural: "workloads", short: "wl", namespaced: true },
    /// A timed tree: its parts, and the pods that they own.
    Session(sessions) { singular: "session", plural: "sessions", short: "se", namespaced: true },
    /// A part of a session.
    SessionPart(session_parts) { singular: "sessionpart", plural: "sessionparts", short: "part", namespaced: true },
    /// A provisioned environment.
    Pod(pods) { singular: "pod", plural: "pods", short: "po", namespaced: true },
    /// What pods are placed on.
    Host(hosts) { singular: "host", plural: "hosts", short: "ho", namespaced: false },
    /// A program that runs once.
    Job(jobs) { singular: "job", plural: "jobs", short: "jo", namespaced: true },
    /// Results made into one.
    Report(reports) { singular: "report", plural: "reports", short: "re", namespaced: true },
    /// A data pipeline that agents install on nodes.
    Tenant(tenants) { singular: "tenant", plural: "tenants", short: "te", namespaced: false },
    /// A type of session.
    SessionDefinition(session_definitions) { singular: "sessiondefinition", plural: "sessiondefinitions", short: "sd", namespaced: false },
    /// A type of part.
    PartDefinition(part_definitions) { singular: "partdefinition", plural: "partdefinitions", short: "pad", namespaced: false },
    /// A type of pod.
    PodDefinition(pod_definitions) { singular: "poddefinition", plural: "poddefinitions", short: "pd", namespaced: false },
    /// A type of host.
    HostDefinition(host_definitions) { singular: "hostdefinition", plural: "hostdefinitions", short: "hd", namespaced: false },
    /// A type of job.
    JobDefinition(job_definitions) { singular: "jobdefinition", plural: "jobdefinitions", short: "jd", namespaced: false },
    /// A type of report.
    ReportDefinition(report_definitions) { singular: "reportdefinition", plural: "reportdefinitions", short: "rd", namespaced: false },
    /// Whom hosts serve.
    DeliveryEnvironment(delivery_environments) { singular: "deliveryenvironment", plural: "deliveryenvironments", short: "de", namespaced: false },
    /// A place that has hosts.
    LabLocation(lab_locations) { singular: "lablocation", plural: "lablocations", short: "ll", namespaced: false },
    /// A building or a region of a provider.
    HostingSiteLocation(hosting_site_locations) { singular: "hostingsitelocation", plural: "hostingsitelocations", short: "hsl", namespaced: false },
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KindName {
    type Err = UnknownKind;

    /// Reads a kind as people write it: any case, singular, plural or short.
    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        let lower = word.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|kind| [kind.singular(), kind.plural(), kind.short()].contains(&lower.as_str()))
            .ok_or_else(|| UnknownKind {
                word: word.to_owned(),
                near: nearest(&lower, Self::ALL.map(Self::plural)),
            })
    }
}

impl KindName {
    /// Whether a resource of this kind can own one of `child`. Ownership only
    /// ever goes down, so it has no cycles.
    #[must_use]
    pub const fn may_own(self, child: Self) -> bool {
        match self {
            Self::Session => matches!(child, Self::SessionPart | Self::Report),
            Self::SessionPart => matches!(child, Self::Pod | Self::Job | Self::Report),
            Self::Pod => matches!(child, Self::Workload | Self::Job),
            Self::Host => matches!(child, Self::Job),
            Self::Job => matches!(child, Self::Workload),
            _ => false,
        }
    }

    /// Its place in the order in which resources are declared: what others are made
    /// from or placed on comes first. They are deleted the other way round.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Node => 1,
            Self::Host => 2,
            kind if kind.is_definition() => 0,
            _ => 3,
        }
    }

    /// Whether its resources are definitions: the catalogue.
    #[must_use]
    pub const fn is_definition(self) -> bool {
        matches!(
            self,
            Self::SessionDefinition
                | Self::PartDefinition
                | Self::PodDefinition
                | Self::HostDefinition
                | Self::JobDefinition
                | Self::ReportDefinition
                | Self::DeliveryEnvironment
                | Self::LabLocation
                | Self::HostingSiteLocation
        )
    }
}

impl Resource {
    /// Its kind, namespace and name.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        with_object!(self, object => object.key())
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> KindName {
        with_object!(self, object => object.kind)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        with_object!(self, object => &object.name)
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> Option<&Name> {
        with_object!(self, object => object.namespace.as_ref())
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> Uid {
        with_object!(self, object => object.id)
    }

    /// The commit that last changed it.
    #[must_use]
    pub fn revision(&self) -> Revision {
        with_object!(self, object => object.revision)
    }

    /// The count of its spec's changes.
    #[must_use]
    pub fn generation(&self) -> u64 {
        with_object!(self, object => object.generation)
    }

    /// What selectors look at.
    #[must_use]
    pub fn selected_by(&self) -> Cow<'_, Labels> {
        with_object!(self, object => Kind::selected_by(object))
    }

    /// Its status as text.
    #[must_use]
    pub fn status(&self) -> &'static str {
        with_object!(self, object => object.status.as_str())
    }

    /// The resource it belongs to.
    #[must_use]
    pub fn owner(&self) -> Option<&OwnerRef> {
        with_object!(self, object => object.owner.as_ref())
    }

    /// When its deletion was asked for.
    #[must_use]
    pub fn deletion_requested_at(&self) -> Option<Timestamp> {
        with_object!(self, object => object.deletion_requested_at)
    }

    /// The same with the identity of its owner, if it has one.
    #[must_use]
    pub fn owned_by(mut self, id: Uid) -> Self {
        with_object!(&mut self, object => {
            if let Some(owner) = &mut Arc::make_mut(object).owner {
                owner.id = id;
            }
        });
        self
    }

    /// The same with the identity and revision that the store gives it.
    #[must_use]
    pub fn stamped(mut self, id: Uid, revision: Revision) -> Self {
        with_object!(&mut self, object => {
            let object = Arc::make_mut(object);
            object.id = id;
            object.revision = revision;
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_people_write_them() {
        for word in ["Workload", "workload", "workloads", "WORKLOADS", "wl"] {
            assert_eq!(word.parse::<KindName>().unwrap(), KindName::Workload);
        }
        let error = "worklods".parse::<KindName>().unwrap_err();
        assert_eq!(error.to_string(), "there is no kind `worklods`: did you mean `workloads`?");
    }
}
