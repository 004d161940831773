//! What a person writes, and what becomes of it: declaring a resource is a pure
//! function from the one that exists and the manifest to the next one.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::Write;
use crate::envelope::{Edit, Edited, Object, is_unlabelled};
use crate::identity::{Revision, Uid};
use crate::kind::{Kind, KindName, ResourceKey};
use crate::labels::Labels;
use crate::name::Name;
use crate::state::Actor;
use crate::time::Timestamp;
use crate::validate::{Invalid, Validate};

/// A declared resource: the part of the envelope that people write. What
/// Tessera writes may stand beside it (as `get -o yaml` prints it) and is
/// ignored, but for `id` and `revision`, which are preconditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(bound = "", deny_unknown_fields)]
#[schemars(rename = "{K}Manifest", bound = "K: Kind + JsonSchema")]
pub struct Manifest<K: Kind> {
    /// The kind; `Workload` where a file names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindName>,
    /// The name: a DNS label.
    pub name: Name,
    /// `default` unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    /// For selection and placement.
    #[serde(default, skip_serializing_if = "is_unlabelled")]
    pub labels: Arc<Labels>,
    /// What is declared.
    pub spec: Arc<K::Spec>,
    /// What is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_status: Option<K::Desired>,
    /// The resource that a new one belongs to; it cannot change later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<DeclaredOwner>,
    /// If given, the write happens only to the resource with this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uid>,
    /// If given, the write happens only if the resource still has it; 0 means
    /// that the resource must not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// The resource that another is to belong to, in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredOwner {
    /// Its kind.
    pub kind: KindName,
    /// Its name.
    pub name: Name,
    /// Its identity, if that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uid>,
}

/// The fields of the envelope that Tessera writes and a manifest may repeat.
pub const WRITTEN_BY_TESSERA: [&str; 8] = [
    "generation",
    "status",
    "status_since",
    "waiting_for",
    "observed",
    "state_history",
    "created_at",
    "updated_at",
];

/// Counts what is written to it, in bytes.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What declaring a manifest comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Declared<K: Kind> {
    /// There was none: this is the new one.
    Create(Object<K>),
    /// It is different now.
    Update(Object<K>),
    /// It is as declared already.
    Unchanged(Arc<Object<K>>),
}

impl<K: Kind> Declared<K> {
    /// What is to be written, if anything is. Declaring changes no status.
    #[must_use]
    pub fn write(self) -> Option<Write> {
        match self {
            Self::Create(object) => Some(Write::create(object)),
            Self::Update(object) => Some(Write::update(Edited { object, transitions: Vec::new() })),
            Self::Unchanged(_) => None,
        }
    }
}

/// Why a manifest cannot be declared; nothing changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A precondition of the manifest does not hold.
    #[error("it is at revision {found}, and the manifest was made from revision {wanted}")]
    Revision {
        /// The precondition.
        wanted: Revision,
        /// The actual revision; 0 when there is no such resource.
        found: Revision,
    },
    /// The resource under this name is another one.
    #[error("the resource of that name is another one now (id {found}, not {wanted})")]
    Identity {
        /// The precondition.
        wanted: Uid,
        /// The actual identity; 0 when there is no such resource.
        found: Uid,
    },
    /// The resource is on its way out.
    #[error("it is being deleted")]
    BeingDeleted,
    /// The resource belongs to another one, or to none.
    #[error("it belongs to {}, and that does not change", .found.as_deref().unwrap_or("nothing"))]
    Owner {
        /// What it belongs to.
        found: Option<String>,
    },
    /// This kind of resource does not change so.
    #[error("{0}")]
    Change(Invalid),
}

impl<K: Kind> Manifest<K> {
    /// The key that it declares.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        ResourceKey::new(K::KIND, self.namespace.clone(), self.name.clone())
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Invalid> {
        let mut problems = Vec::new();
        if self.namespace.is_some() && !K::KIND.is_namespaced() {
            problems.push(Invalid::new(
                "namespace",
                format!("{} have no namespace: remove it", K::KIND.plural()),
            ));
        }
        if let Some(owner) = &self.owner
            && !owner.kind.may_own(K::KIND)
        {
            let owners = KindName::ALL.into_iter().filter(|kind| kind.may_own(K::KIND));
            let owners: Vec<_> = owners.map(KindName::as_str).collect();
            let message = match owners.as_slice() {
                [] => format!("a {} belongs to nothing: remove it", K::KIND),
                owners => format!(
                    "a {} does not belong to a {}, only to a {}",
                    K::KIND,
                    owner.kind,
                    owners.join(" or a ")
                ),
            };
            problems.push(Invalid::new("owner", message));
        }
        self.labels.validate("labels", &mut problems);
        self.spec.validate("spec", &mut problems);
        let mut size = Size(0);
        // Counting does not fail.
        let _ = serde_json::to_writer(&mut size, &self.spec);
        let Size(bytes) = size;
        if bytes > K::SPEC_BYTES_MAX {
            problems.push(Invalid::new(
                "spec",
                format!(
                    "a spec has at most {} bytes as JSON, this one has {bytes}",
                    K::SPEC_BYTES_MAX
                ),
            ));
        }
        problems
    }

    /// Declares it over `existing`, which must be what the store has under
    /// [`Manifest::key`].
    ///
    /// # Errors
    /// [`Refusal`] when a precondition does not hold.
    pub fn declare(
        mut self,
        existing: Option<&Arc<Object<K>>>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Declared<K>, Refusal> {
        self.check_preconditions(existing)?;
        let before = existing.map(|existing| &*existing.spec);
        K::settle(&mut self.spec, before, now);
        let Some(existing) = existing else {
            let mut object = Object::new(&self.key(), self.spec, by, now);
            object.labels = self.labels;
            object.desired_status = self.desired_status.unwrap_or_default();
            return Ok(Declared::Create(object));
        };
        if let Some(invalid) = K::refuse_change(existing, &self.labels, &self.spec, &by) {
            return Err(Refusal::Change(invalid));
        }
        let desired = self.desired_status.unwrap_or(if K::KEEPS_DESIRED_STATUS {
            existing.desired_status
        } else {
            K::Desired::default()
        });
        let mut edit = Edit::of(existing, now);
        edit.object.labels = self.labels;
        if existing.spec != self.spec || existing.desired_status != desired {
            edit.object.generation += 1;
            edit.object.desired_status = desired;
            edit.object.spec = self.spec;
            K::declared(&mut edit.object, &existing.spec);
        }
        Ok(match edit.finish() {
            Some(edited) => Declared::Update(edited.object),
            None => Declared::Unchanged(Arc::clone(existing)),
        })
    }

    fn check_preconditions(&self, existing: Option<&Arc<Object<K>>>) -> Result<(), Refusal> {
        let found = existing.map_or(Revision::ZERO, |object| object.revision);
        let found_id = existing.map_or(Uid::default(), |object| object.id);
        if let Some(wanted) = self.id.filter(|wanted| *wanted != found_id) {
            return Err(Refusal::Identity { wanted, found: found_id });
        }
        if let Some(wanted) = self.revision.filter(|wanted| *wanted != found) {
            return Err(Refusal::Revision { wanted, found });
        }
        if let (Some(owner), Some(existing)) = (&self.owner, existing) {
            let is_same = existing.owner.as_ref().is_some_and(|it| {
                (it.kind, &it.name) == (owner.kind, &owner.name)
                    && owner.id.is_none_or(|id| id == it.id)
            });
            if !is_same {
                let found = existing.owner.as_ref().map(ToString::to_string);
                return Err(Refusal::Owner { found });
            }
        }
        match existing {
            Some(object) if object.deletion_requested_at.is_some() => Err(Refusal::BeingDeleted),
            _ => Ok(()),
        }
    }
}
