//! Pods: provisioned environments, each on a host for the time of its window.

mod fleet;
mod manager;

pub use manager::PodManager;
