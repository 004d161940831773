//! Versions, and how a definition is chosen.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::head::{DefinitionHead, check_type_key};
use crate::labels::Labels;
use crate::limits;
use crate::validate::{Invalid, Validate, check_len};
use crate::workload::Constraint;

/// A semantic version (<https://semver.org>, 2.0.0).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(semver::Version);

/// A range of versions, as Cargo writes it: `1.2` (that or a compatible later
/// one), `=1.2.3`, `>=1, <3`, `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionRange(semver::VersionReq);

impl VersionRange {
    /// Whether the version lies in it.
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        self.0.matches(&version.0)
    }
}

macro_rules! version_text {
    ($type:ident, $inner:ty, $wrong:literal) => {
        impl FromStr for $type {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                text.parse::<$inner>().map(Self).map_err(|error| {
                    format!(
                        concat!("`{}` is not a ", $wrong, ": {}"),
                        limits::clip(text, 40),
                        error
                    )
                })
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0.to_string())
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", $wrong, " in quotes"))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

version_text!(Version, semver::Version, "semantic version such as \"1.2.0\"");
version_text!(VersionRange, semver::VersionReq, "range of versions such as \"1.2\" or \">=1, <3\"");

/// Chooses a definition: of all that it matches, the one with the highest
/// version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DefinitionSelector {
    /// The type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_key: Option<String>,
    /// The range that its version lies in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionRange>,
    /// What its labels must be: all must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Constraint>,
}

impl DefinitionSelector {
    /// Any version of a type.
    #[must_use]
    pub fn of_type(type_key: &str) -> Self {
        Self { type_key: Some(type_key.to_owned()), ..Self::default() }
    }

    /// Whether it matches a definition.
    #[must_use]
    pub fn matches(&self, head: DefinitionHead<'_>, labels: &Labels) -> bool {
        self.type_key.as_ref().is_none_or(|key| key == head.type_key)
            && self.version.as_ref().is_none_or(|range| range.contains(head.version))
            && self.labels.iter().all(|constraint| constraint.is_met_by(labels))
    }
}

impl fmt::Display for DefinitionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let type_key = self.type_key.as_ref().map(|key| format!("type {key}"));
        let version = self.version.as_ref().map(|range| format!("version {range}"));
        let labels = self.labels.iter().map(ToString::to_string);
        let words: Vec<_> = type_key.into_iter().chain(version).chain(labels).collect();
        f.pad(&words.join(", "))
    }
}

impl Validate for DefinitionSelector {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        if self.type_key.is_none() && self.labels.is_empty() {
            problems.push(Invalid::new(path, "it selects everything: give `type_key` or `labels`"));
        }
        if let Some(key) = &self.type_key {
            check_type_key(&format!("{path}.type_key"), key, problems);
        }
        let path = format!("{path}.labels");
        check_len(&path, self.labels.len(), limits::LIST_MAX, problems);
        for (i, constraint) in self.labels.iter().enumerate() {
            constraint.validate(&format!("{path}[{i}]"), problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_cargo_reads_it() {
        let range: VersionRange = "1.2".parse().unwrap();
        let inside: Vec<_> = ["1.1.9", "1.2.0", "1.9.0", "2.0.0"]
            .into_iter()
            .filter(|version| range.contains(&version.parse().unwrap()))
            .collect();
        assert_eq!(inside, ["1.2.0", "1.9.0"]);
    }

    #[test]
    fn a_number_is_not_a_version() {
        let error = serde_json::from_str::<Version>("1.5").unwrap_err().to_string();
        assert!(error.contains("a semantic version such as \"1.2.0\" in quotes"), "{error}");
        let error = "1.2".parse::<Version>().unwrap_err();
        assert!(error.starts_with("`1.2` is not a semantic version"), "{error}");
    }
}
