//! The manifest of a tenant, `tessera-tenant.toml`.
//!
//! The one idea: [`check`] is the only way in. It reads the text by hand rather than through a
//! derived decoder, so that it knows what each value is for: one run finds all that is wrong, each
//! mistake at its place and with its remedy, and a [`Manifest`] is valid wherever it is met.
//!
//! Nobody says which tier a tenant has. It is read off the manifest: with a `[lifecycle]` a tenant
//! can be operated (Tier 3), without one its data can be trusted (Tier 2).

mod check;
mod dataset;
mod decode;
mod lifecycle;
pub(crate) mod reader;
mod rules;
mod schema;
mod service;
mod text;
mod volume;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use schemars::r#gen::SchemaGenerator;
use schemars::schema::Schema;
use serde::Serialize;
use tessera_types::{Bytes, Duration, Millicores, Name, catalogue::Version};

pub use check::{Checked, check};
pub use schema::json_schema;
pub use service::Service;
pub use volume::Volume;

/// The name of a manifest's file.
pub const FILE_NAME: &str = "tessera-tenant.toml";

/// The four verbs that a program of a tenant answers to, and no others.
pub const VERBS: [&str; 4] = ["run", "status", "dry-run", "migrate"];

/// How long a run may take where the manifest does not say.
pub const TIMEOUT: Duration = Duration::from_secs(3600);

/// The codes of problems and warnings, beside those of [`tessera_manifest::code`].
pub mod code {
    /// A name that is not one of its sort.
    pub const INVALID_NAME: &str = "invalid_name";
    /// The same name twice.
    pub const DUPLICATE_NAME: &str = "duplicate_name";
    /// No semantic version.
    pub const INVALID_VERSION: &str = "invalid_version";
    /// No calendar expression, or one that never fires.
    pub const INVALID_SCHEDULE: &str = "invalid_schedule";
    /// No duration, or one that is not allowed.
    pub const INVALID_DURATION: &str = "invalid_duration";
    /// No amount of cpu or memory, or one that is not allowed.
    pub const INVALID_QUANTITY: &str = "invalid_quantity";
    /// The data would be stale between two runs that both succeed.
    pub const FRESHNESS_TOO_SHORT: &str = "freshness_too_short";
    /// A program or its arguments that cannot be started as they are.
    pub const INVALID_ENTRYPOINT: &str = "invalid_entrypoint";
    /// One of the four subcommands is not listed.
    pub const MISSING_SUBCOMMAND: &str = "missing_subcommand";
    /// A subcommand that is none of the four.
    pub const UNKNOWN_SUBCOMMAND: &str = "unknown_subcommand";
    /// No reference to a container image.
    pub const INVALID_IMAGE: &str = "invalid_image";
    /// A volume of a container that cannot be mounted, or one without a container.
    pub const INVALID_VOLUME: &str = "invalid_volume";
    /// A variable of the environment that cannot be set, or is not the tenant's to set.
    pub const INVALID_ENVIRONMENT: &str = "invalid_environment";
    /// A section that the required tier needs.
    pub const MISSING_SECTION: &str = "missing_section";

    /// A warning: a change of the clock skips or repeats a run.
    pub const CLOCK_CHANGE: &str = "clock_change";
    /// A warning: the data is stale for a while when the clock is changed.
    pub const STALE_AT_CLOCK_CHANGE: &str = "stale_at_clock_change";
    /// A warning: an image without its registry.
    pub const SHORT_IMAGE: &str = "short_image";
    /// A warning: what a shell would read, and no shell does.
    pub const SHELL_TEXT: &str = "shell_text";
    /// A warning: a path that the container does not have from the machine.
    pub const PATH_NOT_MOUNTED: &str = "path_not_mounted";
    /// A warning: a program in an image that is not named by its path from the root.
    pub const RELATIVE_IN_IMAGE: &str = "relative_in_image";
}

/// How deep a tenant takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// It has a data contract: its data can be trusted.
    Two,
    /// It also has a lifecycle: it can be operated.
    Three,
}

impl Tier {
    /// As a number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Two => 2,
            Self::Three => 3,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tier {}", self.number())
    }
}

impl Serialize for Tier {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// A data pipeline that declares itself: its data contract and, if it can be operated, how.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Manifest {
    /// What it is called: unique in an instance, and the name of its units.
    pub name: Name,
    /// What it does with data.
    pub kind: Kind,
    /// The version of the contract and of the program.
    pub version: Version,
    /// The data that it makes: the name of the dataset, or a table that also has its columns.
    pub schema: Dataset,
    /// Whom to ask.
    #[schemars(length(min = 1))]
    pub owner: String,
    /// The names of what it reads.
    #[schemars(length(min = 1))]
    pub sources: Vec<String>,
    /// When it runs: a calendar expression of systemd, such as `*-*-* 08:35:00 America/New_York`.
    #[schemars(length(min = 1, max = 1024))]
    pub schedule: String,
    /// How old its last success may be.
    pub freshness: Duration,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How its runs are told.
    pub telemetry: Telemetry,
    /// How it is operated. With it, the tenant is Tier 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Further services by suffix, such as `reconcile`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<Name, FurtherService>,
}

impl Manifest {
    /// The tier, which is read off.
    #[must_use]
    pub fn tier(&self) -> Tier {
        if self.lifecycle.is_some() { Tier::Three } else { Tier::Two }
    }

    /// The manifest as TOML. Reading that gives the same manifest.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a manifest has text for keys, and numbers within TOML's")
    }
}

/// What a tenant does with data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Takes it from a source into the lake.
    Extract,
    /// Makes data of the lake into better data.
    Refine,
    /// Gives it to those who use it.
    Serve,
}

impl Kind {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("extract", Self::Extract), ("refine", Self::Refine), ("serve", Self::Serve)];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Self::ALL[*self as usize];
        f.pad(name)
    }
}

/// The data that a tenant makes.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Dataset {
    /// By name alone.
    Named(DatasetName),
    /// With its columns.
    Described(DescribedDataset),
}

impl Dataset {
    /// The name of the dataset.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Named(DatasetName(name)) => name,
            Self::Described(described) => &described.name.0,
        }
    }

    /// Its columns; none where the manifest does not tell them.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        match self {
            Self::Named(_) => &[],
            Self::Described(described) => &described.columns,
        }
    }
}

/// The name of a dataset: `[a-z][a-z0-9_]*`, at most 63.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DatasetName(String);

impl JsonSchema for DatasetName {
    fn schema_name() -> String {
        "DatasetName".to_owned()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = serde_json::json!({
            "description": "The name of a dataset: lower-case letters, digits and `_`.",
            "type": "string",
            "pattern": "^[a-z][a-z0-9_]{0,62}$",
        });
        serde_json::from_value(name).expect("it is a schema")
    }
}

/// A dataset and its columns.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DescribedDataset {
    /// The name of the dataset.
    pub name: DatasetName,
    /// Its columns, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
}

/// A column of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Column {
    /// Its name, which no other column of the dataset has.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub logical_type: LogicalType,
    /// Every row has a value.
    #[serde(default)]
    pub required: bool,
    /// No two rows have the same value.
    #[serde(default)]
    pub unique: bool,
    /// What its values mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The logical types of the Open Data Contract Standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the standard says what they are")]
pub enum LogicalType {
    String,
    Date,
    Timestamp,
    Time,
    Number,
    Integer,
    Object,
    Array,
    Boolean,
}

impl LogicalType {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 9] = [
        ("string", Self::String),
        ("date", Self::Date),
        ("timestamp", Self::Timestamp),
        ("time", Self::Time),
        ("number", Self::Number),
        ("integer", Self::Integer),
        ("object", Self::Object),
        ("array", Self::Array),
        ("boolean", Self::Boolean),
    ];
}

/// How the runs of a tenant are told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Telemetry {
    /// The OpenLineage namespace of its jobs; the organisation of the instance where it says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub namespace: Option<String>,
}

/// How a tenant is operated.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Lifecycle {
    /// The program and its first arguments; the verb is appended.
    #[schemars(length(min = 1))]
    pub entrypoint: Vec<String>,
    /// The verbs that it answers to: exactly run, status, dry-run and migrate.
    pub subcommands: Subcommands,
    /// How long a run may take.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// The container image that it runs in. Without one it is a process of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Folders and files of the machine that the container has: `/srv/lake:/lake`, or with options
    /// `/srv/lake:/lake:ro`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Variables of the environment. Names are upper-case; those of Tessera are not to be set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// What it may use at most.
    #[serde(default, skip_serializing_if = "Resources::is_none")]
    pub resources: Resources,
}

fn default_timeout() -> Duration {
    TIMEOUT
}

/// The four verbs, each once, in the order in which the manifest lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Subcommands(Vec<String>);

impl JsonSchema for Subcommands {
    fn schema_name() -> String {
        "Subcommands".to_owned()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let verbs = serde_json::json!({
            "description": "Exactly the four verbs, in any order.",
            "type": "array",
            "items": {"type": "string", "enum": VERBS},
            "minItems": VERBS.len(),
            "maxItems": VERBS.len(),
            "uniqueItems": true,
        });
        serde_json::from_value(verbs).expect("it is a schema")
    }
}

/// What a service may use at most; what is not given is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Resources {
    /// Cpu.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Millicores>,
    /// Memory, swap included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
}

impl Resources {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A further service: `run` at other times. What it does not say is as in the lifecycle.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FurtherService {
    /// When it runs: a calendar expression of systemd.
    #[schemars(length(min = 1, max = 1024))]
    pub schedule: String,
    /// Arguments after `run`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verb_arguments: Vec<String>,
    /// Another program.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub entrypoint: Option<Vec<String>>,
    /// How long a run may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Another container image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Other volumes, in place of those of the lifecycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<Volume>>,
    /// Further variables, or other values for those of the lifecycle.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Other limits.
    #[serde(default, skip_serializing_if = "Resources::is_none")]
    pub resources: Resources,
}
