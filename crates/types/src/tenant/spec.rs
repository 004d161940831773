//! What is declared of a tenant.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::labels::Labels;
use crate::limits;
use crate::name::Name;
use crate::validate::{Invalid, Validate, check_len};

/// What is declared of a tenant.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantSpec {
    /// The labels of the nodes that it is to be on; every node when it is empty.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub node_selector: Labels,
    /// The text of its `tessera-tenant.toml`. Variables of its environment may be secrets.
    pub manifest: String,
    /// Its units, if they are written by hand: the text of each file by its name. They are
    /// made from the manifest otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
    /// The folder on the node that a process starts in, absolute; one of the agent's own
    /// when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Whose it is: the namespace of its telemetry where the manifest names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Name>,
}

/// The manifest and the units may have secrets in them, and what is formatted so is
/// logged.
impl fmt::Debug for TenantSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: Vec<_> = self.units.keys().collect();
        f.debug_struct("TenantSpec")
            .field("node_selector", &self.node_selector)
            .field("hash", &self.hash())
            .field("units", &units)
            .field("folder", &self.folder)
            .field("org", &self.org)
            .finish_non_exhaustive()
    }
}

impl Validate for TenantSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.node_selector.validate(&format!("{path}.node_selector"), problems);
        check_bytes(
            &format!("{path}.manifest"),
            self.manifest.len(),
            limits::TENANT_MANIFEST_BYTES_MAX,
            problems,
        );
        let units = format!("{path}.units");
        check_len(&units, self.units.len(), limits::TENANT_UNITS_MAX, problems);
        let bytes = self.units.values().map(String::len).sum();
        check_bytes(&units, bytes, limits::TENANT_UNITS_BYTES_MAX, problems);
        for name in self.units.keys().filter(|name| !is_file_name(name)) {
            let message = "the name of a unit's file has letters, digits, `:`, `-`, `_`, `.`, `@` \
                           and `\\`, does not begin with `.`, and at most 255 of them";
            problems.push(Invalid::new(&format!("{units}.{name}"), message));
        }
        if let Some(folder) = &self.folder {
            check_folder(&format!("{path}.folder"), folder, problems);
        }
    }
}

fn check_bytes(path: &str, bytes: usize, max: usize, problems: &mut Vec<Invalid>) {
    if bytes > max {
        let message = format!("at most {max} bytes are allowed, here are {bytes}");
        problems.push(Invalid::new(path, message));
    }
}

fn check_folder(path: &str, folder: &str, problems: &mut Vec<Invalid>) {
    if !folder.starts_with('/') || folder.split('/').any(|part| part == "..") {
        problems.push(Invalid::new(path, "a folder on a node is absolute and has no `..`"));
    }
    if folder.chars().any(char::is_control) || folder.len() > limits::PATH_BYTES_MAX {
        let message = format!(
            "a folder has at most {} bytes and no control characters",
            limits::PATH_BYTES_MAX
        );
        problems.push(Invalid::new(path, message));
    }
}

/// What systemd takes for the name of a unit.
fn is_file_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.@\\".contains(&byte);
    !name.is_empty()
        && name.len() <= limits::UNIT_NAME_BYTES_MAX
        && !name.starts_with('.')
        && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(spec: &TenantSpec) -> Vec<String> {
        let mut problems = Vec::new();
        spec.validate("spec", &mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    fn units(names: &[&str], bytes: usize) -> BTreeMap<String, String> {
        names.iter().map(|name| ((*name).to_owned(), "x".repeat(bytes))).collect()
    }

    #[test]
    fn everything_that_breaks_a_limit_is_told_at_once() {
        let many: Vec<_> = (0..=limits::TENANT_UNITS_MAX).map(|i| format!("a-{i}.timer")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let spec = TenantSpec {
            node_selector: BTreeMap::from([("zone a".to_owned(), String::new())]),
            manifest: "x".repeat(limits::TENANT_MANIFEST_BYTES_MAX + 1),
            units: units(&many, limits::TENANT_UNITS_BYTES_MAX / many.len() + 1),
            folder: Some("../x\n".to_owned()),
            org: None,
        };
        let found = problems(&spec);
        let places: Vec<_> = found.iter().filter_map(|it| it.split(':').next()).collect();
        let expected = [
            "spec.node_selector.zone a",
            "spec.manifest",
            "spec.units",
            "spec.units",
            "spec.folder",
            "spec.folder",
        ];
        assert_eq!(places, expected, "{found:#?}");
    }

    #[test]
    fn a_unit_has_the_name_of_a_file() {
        let good = units(&["a.container", "a-b@.timer", "a_b.service"], 1);
        assert_eq!(problems(&TenantSpec { units: good, ..TenantSpec::default() }), [""; 0]);
        for name in ["", ".a", "../a", "a/b", "a b", "a\n"] {
            let spec = TenantSpec { units: units(&[name], 1), ..TenantSpec::default() };
            assert_eq!(problems(&spec).len(), 1, "{name:?}");
        }
    }

    #[test]
    fn what_is_logged_has_no_text_of_the_manifest() {
        let spec = TenantSpec {
            manifest: "PIN = \"4711\"".to_owned(),
            units: BTreeMap::from([("a.service".to_owned(), "Environment=PIN=4711".to_owned())]),
            ..TenantSpec::default()
        };
        assert!(!format!("{spec:?}").contains("4711"));
    }
}
