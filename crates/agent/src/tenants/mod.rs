//! Tenants of the fleet on this node.
//!
//! `core` decides: a pure state machine beside that of workloads. What it wants done is done by
//! `hands`: one thread of its own, since systemd is asked by calls that block, and one after the other,
//! since two changes of units at once disturb each other. The thread ends with the agent; what it was doing is
//! then done again by the next.

pub mod core;
mod hands;
mod journal;
mod notes;
mod simulated;
mod systemd;

pub(crate) use hands::Hands;
#[cfg(feature = "fuzzing")]
pub(crate) use journal::Entries;
pub(crate) use journal::JournalReader;
pub(crate) use notes::NoteStore;
pub(crate) use systemd::OnSystemd;

use tessera_types::Duration;

/// How often a node compares what is installed with what is declared, unless it is told otherwise.
pub const INTERVAL: Duration = Duration::from_secs(30);
