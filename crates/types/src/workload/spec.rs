//! What a person declares of a workload.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::labels::Labels;
use crate::omitted::is_default;
use crate::quantity::{Bytes, Millicores};
use crate::time::{Duration, Timestamp};

/// One process (`command`) or container (`image`) that should run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadSpec {
    /// The program to run: a path, or a name that is found on the node's `PATH`.
    /// For a container it replaces the image's entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables, added to a small clean environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The folder it starts in; an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// A container image. It is pulled when the node does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What is set aside for it on the node, and what it is limited to.
    #[serde(default, skip_serializing_if = "Resources::is_nothing")]
    pub resources: Resources,
    /// When it is started again after it ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: Restart,
    /// Which nodes it may run on: all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// A node label. Workloads of the same namespace with the same labels are
    /// spread evenly over its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_by: Option<String>,
    /// Which of the nodes that fit is taken.
    #[serde(default, skip_serializing_if = "is_default")]
    pub placement: Placement,
    /// How it is known to be well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// How it is stopped.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop: Stop,
    /// The ports it listens on. No two workloads of one node have the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Folders and files of the node that a container sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// What happens when its node cannot reach the control plane.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_disconnect: OnDisconnect,
    /// It does not start before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// It is stopped at this time, also on a node that is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

impl WorkloadSpec {
    /// Whether a copy that was started from `other` is what this spec asks for,
    /// so that the change needs no restart.
    #[must_use]
    pub fn launches_like(&self, other: &Self) -> bool {
        self.command == other.command
            && self.args == other.args
            && self.env == other.env
            && self.working_dir == other.working_dir
            && self.image == other.image
            && self.resources == other.resources
            && self.ports == other.ports
            && self.mounts == other.mounts
            && self.on_disconnect == other.on_disconnect
    }

    /// The ports that it takes on its node.
    pub fn host_ports(&self) -> impl Iterator<Item = (u16, Protocol)> + '_ {
        self.ports.iter().map(Port::on_host)
    }
}

/// What is set aside for a workload, and what it is limited to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Processor time. 0: nothing is set aside, and there is no limit.
    #[serde(default)]
    pub cpu: Millicores,
    /// Memory. 0: nothing is set aside, and there is no limit.
    #[serde(default)]
    pub memory: Bytes,
}

impl Resources {
    /// Whether nothing is set aside.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// When a workload is started again after it ended. May be written as the
/// policy alone: `restart: never`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Restart {
    /// After which ends.
    #[serde(default)]
    pub policy: RestartPolicy,
    /// The pause before each start.
    #[serde(default)]
    pub backoff: Backoff,
    /// How many times in a row it may end before it is Failed; no bound when
    /// not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
}

/// After which ends a workload is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// After any.
    #[default]
    Always,
    /// After one with a code other than 0, or by a signal.
    OnFailure,
    /// Never.
    Never,
}

/// The pause before a start: it doubles with each end, up to a ceiling, and is
/// back at the beginning once a run was stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Backoff {
    /// The first pause.
    pub initial: Duration,
    /// The longest pause.
    pub max: Duration,
    /// A run of this length is stable.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(60),
            reset_after: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The pause after `failures` ends in a row (1 is the first).
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(32);
        self.initial.times(1 << doublings).min(self.max)
    }
}

impl<'de> Deserialize<'de> for Restart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            #[serde(default)]
            policy: RestartPolicy,
            #[serde(default)]
            backoff: Backoff,
            #[serde(default)]
            attempts_max: Option<u32>,
        }
        struct PolicyOrMap;
        impl<'de> de::Visitor<'de> for PolicyOrMap {
            type Value = Restart;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a restart policy (always, on_failure, never), or a map with `policy`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Restart, E> {
                let policy = RestartPolicy::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(Restart { policy, ..Restart::default() })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Restart, A::Error> {
                let full = Full::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Restart {
                    policy: full.policy,
                    backoff: full.backoff,
                    attempts_max: full.attempts_max,
                })
            }
        }
        deserializer.deserialize_any(PolicyOrMap)
    }
}

/// What a node's label must be: exactly one of the four is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// The label's key. Every node has `node` (its name), `os` and `arch`.
    pub label: String,
    /// It has this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal: Option<String>,
    /// It has another value, or the node has no such label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_equal: Option<String>,
    /// It has one of these values.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// The node has such a label, or (`false`) has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

impl Constraint {
    /// Whether a node with these labels satisfies it.
    #[must_use]
    pub fn is_met_by(&self, labels: &Labels) -> bool {
        self.allows(labels.get(&self.label).map(String::as_str))
    }

    /// Whether a node satisfies it whose label has this value.
    #[must_use]
    pub fn allows(&self, value: Option<&str>) -> bool {
        self.equal.as_deref().is_none_or(|wanted| value == Some(wanted))
            && self.not_equal.as_deref().is_none_or(|unwanted| value != Some(unwanted))
            && self
                .one_of
                .as_ref()
                .is_none_or(|set| value.is_some_and(|v| set.iter().any(|one| one == v)))
            && self.exists.is_none_or(|wanted| value.is_some() == wanted)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = &self.label;
        match self {
            Self { equal: Some(value), .. } => write!(f, "{label}={value}"),
            Self { not_equal: Some(value), .. } => write!(f, "{label}!={value}"),
            Self { one_of: Some(values), .. } => write!(f, "{label} in ({})", values.join(", ")),
            Self { exists: Some(false), .. } => write!(f, "!{label}"),
            Self { .. } => f.write_str(label),
        }
    }
}

/// Which of the nodes that fit is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// The emptiest.
    #[default]
    Spread,
    /// The fullest.
    Pack,
}

/// How a workload is known to be well: exactly one of `exec`, `http` and `tcp`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// This command exits with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// A GET is answered with a status from 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// A connection is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
    /// For so long after the start a failure does not count.
    #[serde(default = "HealthCheck::start_period_default")]
    pub start_period: Duration,
    /// Between two checks.
    #[serde(default = "HealthCheck::interval_default")]
    pub interval: Duration,
    /// A check that takes longer has failed.
    #[serde(default = "HealthCheck::timeout_default")]
    pub timeout: Duration,
    /// So many failures in a row end the run.
    #[serde(default = "HealthCheck::retries_default")]
    pub retries: u32,
}

impl HealthCheck {
    fn start_period_default() -> Duration {
        Duration::from_secs(10)
    }
    fn interval_default() -> Duration {
        Duration::from_secs(10)
    }
    fn timeout_default() -> Duration {
        Duration::from_secs(5)
    }
    fn retries_default() -> u32 {
        3
    }
}

/// A GET on loopback of the node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpProbe {
    /// The port on the node.
    #[serde(deserialize_with = "probed_port")]
    pub port: u16,
    /// The path.
    #[serde(default = "HttpProbe::path_default")]
    pub path: String,
}

impl HttpProbe {
    fn path_default() -> String {
        "/".to_owned()
    }
}

const PORT_IS_FIXED: &str = "a health check by `http` or `tcp` has a fixed port; one by `exec` may \
                             have the ports that the pod is given, as in `{port.1}`";

/// A port as a number. The ports of a pod are no numbers yet where it is defined.
fn probed_port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    struct Port;
    impl<'de> de::Visitor<'de> for Port {
        type Value = u16;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the number of a port")
        }
        fn visit_u64<E: de::Error>(self, port: u64) -> Result<u16, E> {
            u16::try_from(port).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(port), &self))
        }
        fn visit_i64<E: de::Error>(self, port: i64) -> Result<u16, E> {
            u16::try_from(port).map_err(|_| E::invalid_value(de::Unexpected::Signed(port), &self))
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<u16, E> {
            if text.contains("{port.") {
                return Err(E::custom(PORT_IS_FIXED));
            }
            Err(E::invalid_type(de::Unexpected::Str(text), &self))
        }
        /// `{port.1}` without quotes is a map in YAML.
        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<u16, A::Error> {
            let key = map.next_key::<String>()?;
            if key.is_some_and(|key| key.starts_with("port.")) {
                return Err(de::Error::custom(PORT_IS_FIXED));
            }
            Err(de::Error::invalid_type(de::Unexpected::Map, &self))
        }
    }
    deserializer.deserialize_any(Port)
}

/// A connection on loopback of the node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpProbe {
    /// The port on the node.
    #[serde(deserialize_with = "probed_port")]
    pub port: u16,
}

/// How a workload is stopped: the signal, and after the grace SIGKILL to all
/// that is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stop {
    /// The signal that asks it to end.
    pub signal: Signal,
    /// How long it may take.
    pub grace: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: Signal::Term, grace: Duration::from_secs(10) }
    }
}

macro_rules! signals {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A signal that can ask a process to end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Signal {
            $(#[doc = concat!("SIG", $name, ".")] $variant),+
        }

        impl Signal {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name without `SIG`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

signals! {
    Hup = "HUP", Int = "INT", Quit = "QUIT", Usr1 = "USR1", Usr2 = "USR2", Term = "TERM",
    Winch = "WINCH", Kill = "KILL",
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.as_str())
    }
}

impl FromStr for Signal {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL.iter().copied().find(|signal| signal.as_str() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|signal| signal.as_str()).collect();
            let shown = crate::limits::clip(text, 40);
            format!("`{shown}` is not a signal: use one of {}", known.join(", "))
        })
    }
}

impl Serialize for Signal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A port that a workload listens on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The port inside: of the process, or of the container.
    pub port: u16,
    /// The port on the node; the same unless given. Only for containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// TCP unless given.
    #[serde(default)]
    pub protocol: Protocol,
}

impl Port {
    /// The port that it takes on its node.
    #[must_use]
    pub fn on_host(&self) -> (u16, Protocol) {
        (self.host_port.unwrap_or(self.port), self.protocol)
    }
}

/// A transport protocol.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A folder or file of the node that a container sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The absolute path on the node.
    pub source: String,
    /// The absolute path in the container.
    pub target: String,
    /// Whether the container cannot write to it.
    #[serde(default)]
    pub read_only: bool,
}

/// What happens to a copy whose node cannot reach the control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    /// It goes on running. While the node is cut off, another copy may run
    /// elsewhere.
    #[default]
    Keep,
    /// The node stops it before the control plane may start another: there is
    /// at most one live copy, ever.
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probed_port_is_a_number_and_a_port_of_a_pod_is_refused_with_what_to_do() {
        let probe = |port: serde_json::Value| {
            serde_json::from_value::<TcpProbe>(serde_json::json!({ "port": port }))
        };
        assert_eq!(probe(80.into()).unwrap().port, 80);
        let refused = |port: serde_json::Value| probe(port).unwrap_err().to_string();
        for port in ["{port.1}".into(), serde_json::json!({"port.1": null})] {
            assert!(refused(port).contains("one by `exec` may have the ports"));
        }
        for port in [70_000.into(), (-1).into(), "80".into(), serde_json::json!({"a": 1})] {
            assert!(refused(port).contains("expected the number of a port"));
        }
    }
}
