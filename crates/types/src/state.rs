//! State machines: which status may follow which, and the record of each change.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::time::Timestamp;

/// The status of a kind: an enum with one exhaustive `match` that says which
/// transitions exist.
pub trait State:
    Copy
    + Eq
    + fmt::Debug
    + fmt::Display
    + Serialize
    + DeserializeOwned
    + JsonSchema
    + Send
    + Sync
    + 'static
{
    /// Every status, in the order of a usual life.
    const ALL: &'static [Self];

    /// The status of a new resource.
    const INITIAL: Self;

    /// Whether a resource may go from `self` to `to`. A status never follows
    /// itself.
    fn may_become(self, to: Self) -> bool;

    /// The shortest legal way from `self` to `to`, without `self`; empty when
    /// they are equal, none when there is no way. Used when statuses in between
    /// were not observed.
    fn path_to(self, to: Self) -> Option<Vec<Self>> {
        let mut paths = vec![vec![]];
        let mut seen = vec![self];
        while let Some(last) =
            paths.first().map(|path: &Vec<Self>| path.last().copied().unwrap_or(self))
        {
            let path = paths.remove(0);
            if last == to {
                return Some(path);
            }
            for next in Self::ALL.iter().copied().filter(|next| last.may_become(*next)) {
                if !seen.contains(&next) {
                    seen.push(next);
                    paths.push([path.as_slice(), &[next]].concat());
                }
            }
        }
        None
    }
}

/// Who made a change: `reconciler`, `agent/node-a`, `api`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Actor(Cow<'static, str>);

impl Actor {
    /// The reconcile loop.
    pub const RECONCILER: Self = Self(Cow::Borrowed("reconciler"));
    /// A person or program through the API.
    pub const API: Self = Self(Cow::Borrowed("api"));
    /// The engine, about its jobs.
    pub const ENGINE: Self = Self(Cow::Borrowed("engine"));
    /// Seeding of the catalogue.
    pub const SEEDER: Self = Self(Cow::Borrowed("seeder"));

    /// An event from outside.
    #[must_use]
    pub fn event(source: &str) -> Self {
        Self(Cow::Owned(format!("event/{source}")))
    }

    /// The agent of a node.
    #[must_use]
    pub fn agent(node: &crate::Name) -> Self {
        Self(Cow::Owned(format!("agent/{node}")))
    }

    /// Whether it is the agent of a node.
    #[must_use]
    pub fn is_agent(&self) -> bool {
        self.0.starts_with("agent/")
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One change of status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(bound = "")]
#[schemars(rename = "{S}Transition", bound = "S: State")]
pub struct Transition<S: State> {
    /// The status before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<S>,
    /// The status after.
    pub to: S,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// Why, in words.
    pub reason: String,
    /// Facts about it, such as an exit code or a node.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub metadata: Facts,
}

/// A transition that the state machine does not have. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} cannot go from {from} to {to}")]
pub struct IllegalTransition {
    /// The kind of resource.
    pub kind: &'static str,
    /// The status it has.
    pub from: String,
    /// The status it was to get.
    pub to: String,
}

/// Gives a fieldless enum of statuses its text form and its list.
macro_rules! state_enum {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$vmeta:meta])* $variant:ident),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every value, in the order of a usual life.
            pub const VALUES: &'static [Self] = &[$(Self::$variant),+];

            /// The value as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use state_enum;
