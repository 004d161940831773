//! Pods: provisioned environments, each on a host for the time of its window.

mod fleet;
mod manager;
mod steps;

pub use manager::PodManager;
