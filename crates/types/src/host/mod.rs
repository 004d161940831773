//! Hosts: what pods are placed on, and how much there is to share out.

mod amounts;

pub use amounts::{Amounts, HostCapacity, HostDemand, PortRange};
