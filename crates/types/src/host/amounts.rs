//! What a host has and what a pod takes of it: processor time, memory, counted
//! things, and ports from ranges.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::omitted::is_default;
use crate::quantity::{Bytes, Millicores};
use crate::validate::{Invalid, Validate, check_len};
use crate::workload::Protocol;

/// The most sorts of counted things, and of port ranges, that a host can have.
const SORTS_MAX: usize = 32;

/// Amounts of everything that is divided among pods, except for ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Amounts {
    /// Processor time.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu: Millicores,
    /// Memory.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Bytes,
    /// Things that are counted, by name: `licensed_nodes: 20`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counted: BTreeMap<String, u64>,
}

/// What the name of a port of a node begins with. No declared name of a counted thing
/// has a blank in it.
const NODE_PORT: &str = "port ";

/// A port that a workload takes of its node, as a counted thing: each node of a group has
/// one of it.
#[must_use]
pub fn node_port((port, protocol): (u16, Protocol)) -> String {
    format!("{NODE_PORT}{port}/{protocol}")
}

/// Whether a counted thing is a port that each node has.
#[must_use]
pub fn is_node_port(counted: &str) -> bool {
    counted.starts_with(NODE_PORT)
}

/// What a host has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HostCapacity {
    /// Processor time.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu: Millicores,
    /// Memory.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Bytes,
    /// Things that are counted, by name: `licensed_nodes: 20`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counted: BTreeMap<String, u64>,
    /// The ports that pods may be given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortRange>,
}

/// What a pod takes of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HostDemand {
    /// Processor time.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu: Millicores,
    /// Memory.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Bytes,
    /// Things that are counted, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counted: BTreeMap<String, u64>,
    /// So many ports of the host's ranges.
    #[serde(skip_serializing_if = "is_default")]
    pub ports: u16,
}

/// Ports from `first` to `last`, both included.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

impl HostCapacity {
    /// All but the ports.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        Amounts { cpu: self.cpu, memory: self.memory, counted: self.counted.clone() }
    }

    /// Every port of the ranges, ascending.
    pub fn all_ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.ports.iter().flat_map(|range| range.first..=range.last)
    }
}

impl HostDemand {
    /// All but the ports.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        Amounts { cpu: self.cpu, memory: self.memory, counted: self.counted.clone() }
    }

    /// Whether it takes nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Validate for HostCapacity {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        validate_counted(&self.counted, path, problems);
        let ports = format!("{path}.ports");
        check_len(&ports, self.ports.len(), SORTS_MAX, problems);
        let mut sorted = self.ports.clone();
        sorted.sort_unstable();
        for range in &sorted {
            if range.first == 0 || range.first > range.last {
                problems.push(Invalid::new(
                    &ports,
                    format!("{range} is not a range: `first` is at least 1 and at most `last`"),
                ));
            }
        }
        for pair in sorted.windows(2) {
            if pair[1].first <= pair[0].last {
                problems.push(Invalid::new(
                    &ports,
                    format!("{} and {} overlap: a port is in one range only", pair[0], pair[1]),
                ));
            }
        }
    }
}

impl Validate for HostDemand {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        validate_counted(&self.counted, path, problems);
    }
}

fn validate_counted(counted: &BTreeMap<String, u64>, path: &str, problems: &mut Vec<Invalid>) {
    let path = format!("{path}.counted");
    check_len(&path, counted.len(), SORTS_MAX, problems);
    for name in counted.keys() {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 63 || !name.chars().all(is_word) {
            problems.push(Invalid::new(
                &path,
                format!(
                    "`{}` is not a name for a counted thing: use lower-case letters, digits and `_`, at most 63",
                    crate::limits::clip(name, 40)
                ),
            ));
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(spec: &impl Validate) -> Vec<String> {
        let mut problems = Vec::new();
        spec.validate("spec", &mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_of_ports_are_ordered_and_disjoint() {
        let range = |first, last| PortRange { first, last };
        let capacity =
            |ports: &[PortRange]| HostCapacity { ports: ports.to_vec(), ..HostCapacity::default() };
        assert!(problems(&capacity(&[range(20, 29), range(10, 19)])).is_empty());
        assert_eq!(
            problems(&capacity(&[range(20, 29), range(10, 20)])),
            ["spec.ports: 10-20 and 20-29 overlap: a port is in one range only"]
        );
        assert_eq!(
            problems(&capacity(&[range(9, 8)])),
            ["spec.ports: 9-8 is not a range: `first` is at least 1 and at most `last`"]
        );
        assert_eq!(problems(&capacity(&[range(0, 8)])).len(), 1);
    }

    #[test]
    fn counted_things_have_names() {
        let demand = |name: &str| HostDemand {
            counted: BTreeMap::from([(name.to_owned(), 1)]),
            ..HostDemand::default()
        };
        assert!(problems(&demand("licensed_nodes")).is_empty());
        for bad in ["", "Licences", "a-b", &"x".repeat(64)] {
            assert_eq!(problems(&demand(bad)).len(), 1, "{bad}");
        }
    }

    #[test]
    fn what_is_not_said_is_nothing() {
        let demand: HostDemand = serde_json::from_str("{}").unwrap();
        assert!(demand.is_nothing());
        assert!(serde_json::from_str::<HostDemand>(r#"{"gpu": 1}"#).is_err());
        let ports: HostCapacity =
            serde_json::from_str(r#"{"ports": [{"first": 5, "last": 7}]}"#).unwrap();
        assert_eq!(ports.all_ports().collect::<Vec<_>>(), [5, 6, 7]);
    }
}
