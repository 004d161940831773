//! The agent: what Tessera does on one node.
//!
//! [`core`] decides: a pure state machine that says what each copy of a workload does next. Around it, the session
//! (one task for each node) talks to the control plane through [`control`] and carries out what the core says through
//! an [`executor`]. Every run of a workload has a small [`supervisor`] process of its own, so that a workload outlives
//! its agent; [`logs`] keeps what it printed, and [`cgroup`] holds it to its limits and finds everything that it
//! started.

mod agent;
pub mod cgroup;
mod clock;
pub mod containers;
pub mod control;
pub mod core;
mod error;
pub mod executor;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod logs;
mod machine;
mod session;
mod state_dir;
pub mod supervisor;
pub mod tenants;

pub use agent::{Agent, AgentHandle, AgentOptions};
pub use containers::ContainerSocket;
pub use error::StartError;
pub use machine::{CapacityOverrides, capacity, default_state_dir, host_name};
