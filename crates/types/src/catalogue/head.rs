//! What all definitions share.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::selector::Version;
use crate::envelope::Object;
use crate::kind::Kind;
use crate::labels::Labels;
use crate::limits;
use crate::name::Name;
use crate::state::{Actor, State, state_enum};
use crate::validate::{Invalid, Validate};

/// What identifies a definition: the fields that each one's spec begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefinitionHead<'a> {
    /// The type that it defines: lower-case letters, digits, `-`, `_` and `.`.
    pub type_key: &'a str,
    /// Its version. A changed definition has a higher one.
    pub version: &'a Version,
    /// Where definitions of this type come from.
    pub provisioning_source: ProvisioningSource,
    /// What people call it.
    pub title: Option<&'a str>,
}

/// Declares the spec of a definition: the fields of [`DefinitionHead`], then its
/// own. (A flattened struct would let unknown fields pass.)
macro_rules! definition_spec {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[$fmeta:meta])* pub $field:ident: $type:ty),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The type that it defines: lower-case letters, digits, `-`, `_` and `.`.
            pub type_key: String,
            /// Its version. A changed definition has a higher one.
            pub version: $crate::catalogue::Version,
            /// Where definitions of this type come from.
            #[serde(default)]
            pub provisioning_source: $crate::catalogue::ProvisioningSource,
            /// What people call it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub title: Option<String>,
            $($(#[$fmeta])* pub $field: $type),*
        }

        impl $crate::catalogue::Definition for $name {
            fn head(&self) -> $crate::catalogue::DefinitionHead<'_> {
                $crate::catalogue::DefinitionHead {
                    type_key: &self.type_key,
                    version: &self.version,
                    provisioning_source: self.provisioning_source,
                    title: self.title.as_deref(),
                }
            }
        }
    };
}
pub(super) use definition_spec;

/// Where a definition comes from, and so whether it has a life of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProvisioningSource {
    /// Files that an operator seeds: it has no life of its own.
    #[default]
    Seed,
    /// A content package, which is synchronised.
    ContentPackage,
}

/// The spec of a definition.
pub trait Definition {
    /// What identifies it.
    fn head(&self) -> DefinitionHead<'_>;
}

/// A definition as it was when an instance was made from it. The instance keeps
/// it, whatever becomes of the definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Pinned{S}")]
pub struct Pinned<S> {
    /// The definition's name.
    pub name: Name,
    /// The type.
    pub type_key: String,
    /// The version.
    pub version: Version,
    /// What it said.
    pub spec: Arc<S>,
}

impl<S: Definition> Pinned<S> {
    /// Pins the definition of that name.
    #[must_use]
    pub fn of(name: &Name, spec: &Arc<S>) -> Self {
        let head = spec.head();
        Self {
            name: name.clone(),
            type_key: head.type_key.to_owned(),
            version: head.version.clone(),
            spec: Arc::clone(spec),
        }
    }
}

impl<S> fmt::Display for Pinned<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.type_key, self.version)
    }
}

state_enum! {
    /// Where a definition is in its life: it has none.
    Catalogued {
        /// Instances can be made from it.
        Available,
    }
}

impl State for Catalogued {
    const ALL: &'static [Self] = Self::VALUES;
    const INITIAL: Self = Self::Available;

    fn may_become(self, _: Self) -> bool {
        false
    }
}

/// What is wanted of a definition: that it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DesiredCatalogued {
    /// Instances can be made from it.
    #[default]
    Available,
}

impl fmt::Display for DesiredCatalogued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Available")
    }
}

/// What Tessera knows of a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DefinitionObserved {
    /// How it came here.
    pub origin: Origin,
}

/// How a definition came into the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Somebody applied it.
    #[default]
    Applied,
    /// It was seeded: only seeding changes or removes it.
    Seeded,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Applied => "applied",
            Self::Seeded => "seeded",
        })
    }
}

/// Why a declaration may not replace `before`: a definition only changes to a
/// higher version of the same type, and a seeded one only by seeding.
pub(super) fn refuse_change<K>(
    before: &Object<K>,
    labels: &Labels,
    spec: &K::Spec,
    by: &Actor,
) -> Option<Invalid>
where
    K: Kind<Observed = DefinitionObserved>,
    K::Spec: Definition,
{
    if *before.spec == *spec && *before.labels == *labels {
        return None;
    }
    let (old, new) = (before.spec.head(), spec.head());
    if before.observed.origin == Origin::Seeded && *by != Actor::SEEDER {
        let message = "it was seeded, and only seeding changes it: change its file, raise \
                       its version, and run `tesseractl seed`";
        return Some(Invalid::new("spec", message));
    }
    if old.type_key != new.type_key {
        let message =
            format!("it defines `{}`: a definition of another type has another name", old.type_key);
        return Some(Invalid::new("spec.type_key", message));
    }
    (new.version <= old.version).then(|| {
        let message = format!(
            "it is {} already, with other content: a changed definition has a higher version",
            old.version
        );
        Invalid::new("spec.version", message)
    })
}

impl Validate for DefinitionHead<'_> {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        check_type_key(&format!("{path}.type_key"), self.type_key, problems);
        if self.provisioning_source == ProvisioningSource::ContentPackage {
            problems.push(Invalid::new(
                &format!("{path}.provisioning_source"),
                "definitions from content packages are made by their synchronisation: use `seed`",
            ));
        }
        if self.title.is_some_and(|title| title.len() > limits::LABEL_BYTES_MAX) {
            problems.push(Invalid::new(
                &format!("{path}.title"),
                format!("a title has at most {} bytes", limits::LABEL_BYTES_MAX),
            ));
        }
    }
}

/// Checks a type key, or another word of the catalogue.
pub(super) fn check_type_key(path: &str, key: &str, problems: &mut Vec<Invalid>) {
    let is_allowed =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if key.is_empty() || key.len() > 63 || !key.chars().all(is_allowed) {
        problems.push(Invalid::new(
            path,
            format!(
                "`{}` is not a type key: use lower-case letters, digits, `-`, `_` and `.`, at most 63",
                limits::clip(key, 40)
            ),
        ));
    }
}
