//! The machine: what it has and what of it is used.

use std::fs;
use std::path::PathBuf;
use std::thread::available_parallelism;

use sha2::{Digest, Sha256};
use tessera_types::api::Used;
use tessera_types::node::Capacity;
use tessera_types::{Bytes, Millicores, Name, NameError};

/// Workloads that a node takes unless told otherwise.
const WORKLOADS_MAX: u32 = 500;

/// What of the machine is offered, where that is not what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapacityOverrides {
    /// Processor time.
    pub cpu: Option<Millicores>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// Number of workloads.
    pub workloads: Option<u32>,
}

/// What the machine has, as far as `overrides` do not say otherwise.
#[must_use]
pub fn capacity(overrides: CapacityOverrides) -> Capacity {
    Capacity {
        cpu: overrides.cpu.unwrap_or_else(|| Millicores(processors() * 1000)),
        memory: overrides
            .memory
            .unwrap_or_else(|| memory().map_or(Bytes(0), |memory| memory.total)),
        workloads: overrides.workloads.unwrap_or(WORKLOADS_MAX),
    }
}

/// The name of a node that was not given one: the first label of the host's name.
///
/// # Errors
/// If that is no name for a node.
pub fn host_name() -> Result<Name, NameError> {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy().to_lowercase();
    Name::new(host.split('.').next().unwrap_or_default())
}

pub(crate) struct Memory {
    total: Bytes,
    available: Bytes,
}

fn memory() -> Option<Memory> {
    parse_meminfo(&fs::read_to_string("/proc/meminfo").ok()?)
}

pub(crate) fn parse_meminfo(text: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024).map(Bytes)
    };
    Some(Memory { total: field("MemTotal")?, available: field("MemAvailable")? })
}

/// Measures the machine.
#[derive(Debug, Default)]
pub(crate) struct MachineMeter {
    before: Option<Ticks>,
}

/// Processor time of the machine since it was started, in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticks {
    busy: u64,
    total: u64,
}

impl MachineMeter {
    /// What is used, the processor as a mean since the last call.
    pub(crate) fn measure(&mut self) -> Option<Used> {
        let now = parse_stat(&fs::read_to_string("/proc/stat").ok()?)?;
        let before = self.before.replace(now);
        let memory = memory()?;
        Some(Used {
            cpu: before.map_or(Millicores(0), |before| share(before, now, processors())),
            memory: Bytes(memory.total.0.saturating_sub(memory.available.0)),
        })
    }
}

fn processors() -> u64 {
    available_parallelism().map_or(1, |cores| cores.get() as u64)
}

pub(crate) fn share(before: Ticks, now: Ticks, processors: u64) -> Millicores {
    let busy = now.busy.saturating_sub(before.busy);
    let total = now.total.saturating_sub(before.total).max(1);
    Millicores(busy.saturating_mul(processors * 1000) / total)
}

/// See proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user.
pub(crate) fn parse_stat(text: &str) -> Option<Ticks> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().take(8).filter_map(|f| f.parse().ok()).collect();
    let total = fields.iter().try_fold(0_u64, |sum, field| sum.checked_add(*field))?;
    let idle = fields.get(3)? + fields.get(4)?;
    Some(Ticks { busy: total - idle, total })
}

/// Tells this machine from others: a hash of its `machine-id`, which itself should not leave the
/// machine. None where there is no such id, as in some containers. See machine-id(5).
pub(crate) fn fingerprint() -> Option<String> {
    fingerprint_of(&fs::read_to_string("/etc/machine-id").ok()?)
}

fn fingerprint_of(machine_id: &str) -> Option<String> {
    let id = machine_id.trim();
    // An image that has not been started yet says `uninitialized`, or nothing.
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = is_id.then(|| Sha256::digest(format!("tessera state folder of {id}")))?;
    Some(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where a node keeps its state unless told otherwise.
#[must_use]
pub fn default_state_dir(node: &Name) -> PathBuf {
    PathBuf::from(".tessera-agent").join(node.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_machine_has_are_no_measurement() {
        let many = u64::MAX;
        assert_eq!(parse_stat(&format!("cpu  {many} 0 1 0 0 0 0 0")), None);
        assert!(parse_meminfo(&format!("MemTotal: {many} kB\nMemAvailable: 1 kB")).is_none());
        let before = Ticks { busy: 0, total: 0 };
        let now = Ticks { busy: many, total: many };
        assert!(share(before, now, 64).0 >= 1);
    }

    #[test]
    fn the_machine_is_measured_as_a_mean() {
        let before = parse_stat("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1").unwrap();
        let now = parse_stat("cpu  150 0 150 1400 200 0 0 0 0 0\n").unwrap();
        assert_eq!(before, Ticks { busy: 200, total: 1000 });
        assert_eq!(share(before, now, 2), Millicores(222));
        assert!(MachineMeter::default().measure().unwrap().memory.0 > 0);
    }

    #[test]
    fn a_machine_is_known_by_a_hash_of_its_id_and_by_nothing_less() {
        let id = "0123456789abcdef0123456789abcdef";
        let print = fingerprint_of(&format!("{id}\n")).unwrap();
        assert_eq!(print.len(), 64);
        assert!(!print.contains(id));
        assert_ne!(fingerprint_of(&id.replace('0', "1")), Some(print));
        for none in ["", "uninitialized\n", "0123"] {
            assert_eq!(fingerprint_of(none), None);
        }
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:        2048 kB\nMemFree:  12 kB\nMemAvailable:    1024 kB\n";
        let memory = parse_meminfo(text).unwrap();
        assert_eq!((memory.total, memory.available), (Bytes(2 << 20), Bytes(1 << 20)));
        assert!(parse_meminfo("MemTotal: many\n").is_none());
    }

    #[test]
    fn what_is_offered_may_be_said() {
        let overrides = CapacityOverrides { cpu: Some(Millicores(7)), ..Default::default() };
        let capacity = capacity(overrides);
        assert_eq!((capacity.cpu, capacity.workloads), (Millicores(7), WORKLOADS_MAX));
        assert!(capacity.memory.0 > 0);
    }
}
