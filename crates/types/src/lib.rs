//! The words that every part of Tessera shares: kinds, specs, statuses, state
//! machines, typed identifiers, validation, and the messages between agents and
//! the control plane.
//!
//! The one idea: everything is a [`Object`] of some [`Kind`] in one envelope,
//! and whatever differs between kinds is behind the [`Kind`] trait. Nothing in
//! this crate does I/O, reads a clock or draws a random number.

pub mod api;
pub mod booking;
pub mod catalogue;
mod change;
pub mod engine;
mod envelope;
pub mod event;
mod facts;
mod fingerprint;
pub mod host;
mod identity;
pub mod job;
mod kind;
mod labels;
pub mod limits;
pub mod manifest;
mod name;
pub mod node;
mod omitted;
pub mod pod;
pub mod problem;
mod quantity;
pub mod report;
mod schema;
pub mod secret;
pub mod session;
mod state;
mod suggest;
pub mod sync;
pub mod tenant;
mod time;
pub mod timed;
mod validate;
pub mod workload;

pub use catalogue::{
    DeliveryEnvironment, HostDefinition, HostingSiteLocation, JobDefinition, LabLocation,
    PartDefinition, PodDefinition, ReportDefinition, SessionDefinition,
};
pub use change::{Change, Committed, HistoryEntry, Record, Write};
pub use envelope::{Edit, Edited, Object, OwnerRef, WaitReason, WaitingFor};
pub use facts::Facts;
pub use fingerprint::Fingerprint;
pub use host::Host;
pub use identity::{Epoch, Revision, Uid};
pub use job::Job;
pub use kind::{InResource, Kind, KindName, Resource, ResourceKey, UnknownKind};
pub use labels::{Labels, Selector, SelectorError};
pub use manifest::Manifest;
pub use name::{DEFAULT_NAMESPACE, Name, NameError};
pub use node::Node;
pub use pod::Pod;
pub use problem::Problem;
pub use quantity::{Bytes, Millicores, QuantityError};
pub use report::Report;
pub use session::{Session, SessionPart};
pub use state::{Actor, IllegalTransition, State, Transition};
pub use suggest::nearest;
pub use tenant::Tenant;
pub use time::{BootTime, Duration, Now, TimeError, Timestamp};
pub use validate::{Invalid, Validate};
pub use workload::Workload;
