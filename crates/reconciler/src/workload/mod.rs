//! The manager of workloads, and what an agent's report makes of one.

mod manager;
mod report;

pub use manager::WorkloadManager;
pub(crate) use manager::is_closed_by_node;
pub use report::{Reported, StaleReport, apply_report, apply_reports};
