//! The words that every part of Tessera shares: kinds, specs, statuses, state
//! machines, typed identifiers, validation, and the messages between agents and
//! the control plane.
//!
//! The one idea: everything is a [`Object`] of some [`Kind`] in one envelope,
//! and whatever differs between kinds is behind the [`Kind`] trait. Nothing in
//! this crate does I/O, reads a clock or draws a random number.

pub mod api;
mod change;
mod envelope;
mod fingerprint;
mod identity;
mod kind;
mod labels;
pub mod limits;
pub mod manifest;
mod name;
pub mod node;
pub mod problem;
mod quantity;
mod schema;
pub mod secret;
mod state;
mod suggest;
pub mod sync;
mod time;
mod validate;
pub mod workload;

pub use change::{Change, Committed, HistoryEntry, Record, Write};
pub use envelope::{Edit, Edited, Object, OwnerRef, WaitReason, WaitingFor};
pub use fingerprint::Fingerprint;
pub use identity::{Epoch, Revision, Uid};
pub use kind::{Kind, KindName, Resource, ResourceKey, UnknownKind};
pub use labels::{Labels, Selector, SelectorError};
pub use manifest::Manifest;
pub use name::{DEFAULT_NAMESPACE, Name, NameError};
pub use node::Node;
pub use problem::Problem;
pub use quantity::{Bytes, Millicores, QuantityError};
pub use state::{Actor, IllegalTransition, State, Transition};
pub use suggest::nearest;
pub use time::{BootTime, Duration, Now, TimeError, Timestamp};
pub use validate::{Invalid, Validate};
pub use workload::Workload;
