//! What is declared: services of a hundred workloads each, as a person would write them,
//! with constraints and sizes that differ from service to service.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use tessera_types::limits::BATCH_MAX;

/// Workloads of one service.
const REPLICAS: usize = 100;
const ZONES: [&str; 4] = ["a", "b", "c", "d"];
const RACKS_OF_ZONE: usize = 10;
/// What each node offers.
pub(super) const NODE_CPU: u64 = 64_000;
pub(super) const NODE_MEMORY_MIB: u64 = 256 * 1024;
pub(super) const NODE_WORKLOADS: usize = 500;

/// All that is declared.
pub(super) struct Files {
    pub(super) workloads: usize,
    pub(super) nodes: u32,
}

/// What one service asks for. Everything follows from its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service(pub(super) usize);

impl Files {
    pub(super) fn new(workloads: usize, nodes: u32) -> Self {
        Self { workloads, nodes }
    }

    /// The nodes' labels, in batches.
    pub(super) fn nodes(&self) -> Vec<Vec<Value>> {
        let node = |at: u32| json!({"kind": "Node", "name": node_name(at), "labels": labels(at), "spec": {}});
        let all: Vec<Value> = (1..=self.nodes).map(node).collect();
        all.chunks(BATCH_MAX).map(<[_]>::to_vec).collect()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        (0..self.workloads.div_ceil(BATCH_MAX)).map(|file| format!("workloads-{file:04}.json"))
    }

    /// Writes them into `workloads` below `folder`: each is a JSON array of a batch.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let folder = Self::folder(folder);
        std::fs::create_dir(&folder)?;
        for (file, name) in self.names().enumerate() {
            let from = file * BATCH_MAX;
            let numbers = from..self.workloads.min(from + BATCH_MAX);
            let all: Vec<_> = numbers.map(|number| self.manifest(number)).collect();
            std::fs::write(folder.join(name), serde_json::to_vec(&all)?)?;
        }
        Ok(())
    }

    pub(super) fn folder(folder: &Path) -> PathBuf {
        folder.join("workloads")
    }

    fn manifest(&self, number: usize) -> Value {
        let service = Service(number / REPLICAS);
        let mut spec = json!({
            "command": "/usr/bin/serve",
            "args": ["--service", service.name(), "--port", "8080", "--log-format", "json"],
            "env": {"SERVICE": service.name(), "TIER": "production", "LOG_LEVEL": "info"},
            "resources": {"cpu": format!("{}m", service.cpu()), "memory": format!("{}MiB", service.memory_mib())},
            "constraints": service.constraints(),
            "stop": {"grace": "30s"},
        });
        if service.is_spread() {
            spec["spread_by"] = "rack".into();
        }
        if service.0 % 7 == 1 {
            spec["placement"] = "pack".into();
        }
        json!({
            "kind": "Workload", "name": format!("{}-{:02}", service.name(), number % REPLICAS),
            "namespace": "default", "labels": {"app": service.name(), "team": service.team()},
            "spec": spec,
        })
    }
}

/// The name of a node, as `--simulated-nodes` numbers them from 1.
pub(super) fn node_name(at: u32) -> String {
    format!("bench-{at:04}")
}

fn labels(at: u32) -> Value {
    let zone = ZONES[at as usize % ZONES.len()];
    let rack = at as usize / ZONES.len() % RACKS_OF_ZONE;
    let disk = if at.is_multiple_of(3) { "ssd" } else { "hdd" };
    json!({"zone": zone, "rack": format!("{zone}{rack}"), "disk": disk})
}

impl Service {
    /// The service of the workload with this name.
    pub(super) fn of(workload: &str) -> Option<Self> {
        workload.split('-').nth(1)?.parse().ok().map(Self)
    }

    pub(super) fn name(self) -> String {
        format!("service-{:05}", self.0)
    }

    fn team(self) -> String {
        format!("team-{}", self.0 % 40)
    }

    /// In millicores.
    pub(super) fn cpu(self) -> u64 {
        [50, 100, 200, 400][self.0 % 4]
    }

    pub(super) fn memory_mib(self) -> u64 {
        [256, 512, 1024][self.0 % 3]
    }

    pub(super) fn is_spread(self) -> bool {
        self.0 % 10 == 3
    }

    fn constraints(self) -> Value {
        match self.0 % 5 {
            0 => json!([{"label": "zone", "equal": "a"}]),
            1 => json!([{"label": "zone", "in": ["b", "c"]}, {"label": "os", "equal": "linux"}]),
            2 => json!([{"label": "disk", "equal": "ssd"}]),
            3 => json!([{"label": "zone", "not_equal": "d"}]),
            _ => json!([]),
        }
    }

    /// The same rules once more, by hand, so that the product's reading of its own
    /// constraints is not what it is checked with.
    pub(super) fn may_run_on(self, node: u32) -> bool {
        let zone = ZONES[node as usize % ZONES.len()];
        match self.0 % 5 {
            0 => zone == "a",
            1 => zone == "b" || zone == "c",
            2 => node.is_multiple_of(3),
            3 => zone != "d",
            _ => true,
        }
    }

    /// The rack of a node, by number.
    pub(super) fn rack(node: u32) -> (usize, usize) {
        (node as usize % ZONES.len(), node as usize / ZONES.len() % RACKS_OF_ZONE)
    }
}
