//! Scenarios: the documents that jobs run.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A scenario's name and version, such as `http_probe@v1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScenarioName {
    name: String,
    version: String,
}

/// A name of a scenario that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the name of a scenario: write NAME@VERSION, both of lower-case letters, digits, `-`, `_` and `.`"
)]
pub struct ScenarioNameError(String);

/// A name or a version, in bytes.
const PART_BYTES_MAX: usize = 63;

impl ScenarioName {
    /// The scenario `name@version`.
    ///
    /// # Errors
    /// [`ScenarioNameError`].
    pub fn new(name: &str, version: &str) -> Result<Self, ScenarioNameError> {
        let is_allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        let is_part = |text: &str| {
            let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
            begins && text.len() <= PART_BYTES_MAX && text.chars().all(is_allowed)
        };
        if !is_part(name) || !is_part(version) {
            let shown = crate::limits::clip(&format!("{name}@{version}"), 100);
            return Err(ScenarioNameError(shown));
        }
        Ok(Self { name: name.to_owned(), version: version.to_owned() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl fmt::Display for ScenarioName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}@{}", self.name, self.version))
    }
}

impl FromStr for ScenarioName {
    type Err = ScenarioNameError;

    fn from_str(text: &str) -> Result<Self, ScenarioNameError> {
        let (name, version) = text
            .split_once('@')
            .ok_or_else(|| ScenarioNameError(crate::limits::clip(text, 100)))?;
        Self::new(name, version)
    }
}

impl TryFrom<String> for ScenarioName {
    type Error = ScenarioNameError;

    fn try_from(text: String) -> Result<Self, ScenarioNameError> {
        text.parse()
    }
}

impl From<ScenarioName> for String {
    fn from(name: ScenarioName) -> Self {
        name.to_string()
    }
}

/// Every adapter: what documents can call besides what the DSL has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdapterList {
    /// By name.
    pub items: Vec<AdapterInfo>,
}

/// An adapter: the functions of one sort of outside system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdapterInfo {
    /// Its name.
    pub name: String,
    /// Its functions as documents call them, such as `fleet.deploy`.
    pub functions: Vec<String>,
}

/// Every scenario that jobs can be submitted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioList {
    /// By name and version.
    pub items: Vec<ScenarioInfo>,
}

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioInfo {
    /// Its name and version.
    pub scenario: ScenarioName,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The hash of its document: SHA-256 in hexadecimal. A job goes on with the document
    /// that it began with.
    pub hash: String,
    /// Where it is from.
    pub source: ScenarioSource,
    /// Whether it takes the place of one that is built in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overrides: bool,
}

/// Where a scenario is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioSource {
    /// It comes with the engine.
    BuiltIn,
    /// It is in the engine's folder of scenarios.
    Folder,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_two_parts() {
        let name: ScenarioName = "http_probe@v1".parse().unwrap();
        assert_eq!((name.name(), name.version()), ("http_probe", "v1"));
        assert_eq!(name.to_string(), "http_probe@v1");
        for wrong in ["", "a", "@", "a@", "@v1", "A@v1", "a b@v1", "a@../x", "a@v@1", "a/b@v1"] {
            assert!(wrong.parse::<ScenarioName>().is_err(), "{wrong}");
        }
    }
}
