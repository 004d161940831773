//! Placement: which node takes a workload, which host takes a pod and when, and
//! precisely why none does.
//!
//! The one idea: a [`Fleet`] is an exact account of what every node has and
//! what is set aside on it, kept up to date change by change. Choosing a node
//! reads it, taking a node writes it, so a thousand placements of one batch
//! never count anything twice. A [`calendar::Calendar`] is the same for a host,
//! over time. Nothing here reads a clock, or knows of statuses beyond "takes
//! workloads or not".

pub mod calendar;
mod demand;
mod fleet;
mod ranking;
mod refusal;
mod score;

pub use demand::{Demand, Executor, SpreadGroup};
pub use fleet::{Fleet, NodeState};
pub use refusal::{Obstacles, Refusal};
