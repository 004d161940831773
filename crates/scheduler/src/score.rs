//! Which of several nodes that fit is best.
//!
//! A score looks at the scarcest dimension, not at the sum: a node that has all
//! of its memory left and no cpu takes nothing more, and the sum would hide it.

use std::cmp::Reverse;

use tessera_types::workload::Placement;

use crate::demand::Demand;

/// An amount in every dimension that placement counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) cpu: u64,
    pub(crate) memory: u64,
    pub(crate) workloads: u64,
}

impl Load {
    pub(crate) fn of(demand: &Demand) -> Self {
        Self { cpu: demand.cpu, memory: demand.memory, workloads: 1 }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
            workloads: self.workloads + other.workloads,
        }
    }

    /// The difference, not below zero in any dimension.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(other.cpu),
            memory: self.memory.saturating_sub(other.memory),
            workloads: self.workloads.saturating_sub(other.workloads),
        }
    }
}

/// The higher, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Score {
    /// Fewer like workloads in the node's domain come first.
    crowd: Reverse<u32>,
    fit: i64,
}

/// Shares are counted in millionths.
const WHOLE: u64 = 1_000_000;

impl Score {
    pub(crate) fn new(crowd: u32, fit: i64) -> Self {
        Self { crowd: Reverse(crowd), fit }
    }
}

/// How good a node is that would carry `after` of `capacity`; the higher, the better.
pub(crate) fn fit(after: Load, capacity: Load, placement: Placement) -> i64 {
    let cpu = share(after.cpu, capacity.cpu);
    let memory = share(after.memory, capacity.memory);
    let workloads = share(after.workloads, capacity.workloads);
    let fullest = cpu.max(memory).max(workloads);
    let imbalance = (cpu - memory).abs();
    match placement {
        Placement::Spread => -(2 * fullest + imbalance),
        Placement::Pack => 2 * fullest - imbalance,
    }
}

fn share(part: u64, whole: u64) -> i64 {
    if whole == 0 {
        return 0;
    }
    match part.checked_mul(WHOLE) {
        Some(parts) => (parts / whole) as i64,
        None => (u128::from(part) * u128::from(WHOLE) / u128::from(whole)) as i64,
    }
}
