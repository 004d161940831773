//! What is really there, counted without the product's own account.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result, ensure};
use tessera_client::{Api, ListOptions};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Epoch, Uid, Workload, limits};

use super::files::{Files, NODE_CPU, NODE_MEMORY_MIB, NODE_WORKLOADS, Service};

/// A workload, as far as it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    id: Uid,
    node: u32,
    epoch: Epoch,
    status: WorkloadStatus,
    cpu: u64,
    memory_mib: u64,
}

/// All workloads, by name.
pub(super) struct Census(HashMap<String, Seen>);

impl Census {
    /// Lists everything, page by page.
    pub(super) async fn take(api: &Api, workloads: usize) -> Result<Self> {
        let mut all = HashMap::with_capacity(workloads);
        let mut options =
            ListOptions { limit: Some(limits::PAGE_MAX as u32), ..ListOptions::default() };
        loop {
            let page = api.list::<Workload>(&options).await?;
            for workload in page.items {
                let observed = &workload.observed;
                let assigned = observed.assigned.as_ref();
                let assigned = assigned.with_context(|| {
                    format!("{} is {} and has no node", workload.name, workload.status)
                })?;
                let node = assigned.node.as_str().rsplit('-').next().and_then(|n| n.parse().ok());
                let seen = Seen {
                    id: workload.id,
                    node: node.context("no such node")?,
                    epoch: observed.epoch,
                    status: workload.status,
                    cpu: workload.spec.resources.cpu.0,
                    memory_mib: workload.spec.resources.memory.0 >> 20,
                };
                all.insert(workload.name.to_string(), seen);
            }
            options.page = page.next_page;
            if options.page.is_none() {
                return Ok(Self(all));
            }
        }
    }

    /// Everything is there, runs, and is where it may be; no node has more than it can
    /// take, and what is to be spread is spread evenly.
    pub(super) fn check(&self, files: &Files) -> Result<()> {
        ensure!(self.0.len() == files.workloads, "{} workloads are there", self.0.len());
        let mut taken: HashMap<u32, (u64, u64, usize)> = HashMap::new();
        let mut spread: BTreeMap<usize, BTreeMap<(usize, usize), usize>> = BTreeMap::new();
        for (name, seen) in &self.0 {
            let service = Service::of(name).with_context(|| format!("what is {name}?"))?;
            ensure!(seen.status == WorkloadStatus::Running, "{name} is {}", seen.status);
            ensure!((1..=files.nodes).contains(&seen.node), "{name} is on no node of ours");
            ensure!(service.may_run_on(seen.node), "{name} must not be on node {}", seen.node);
            let asked = (service.cpu(), service.memory_mib());
            ensure!((seen.cpu, seen.memory_mib) == asked, "{name} has another spec");
            let (cpu, memory, count) = taken.entry(seen.node).or_default();
            (*cpu, *memory, *count) = (*cpu + seen.cpu, *memory + seen.memory_mib, *count + 1);
            if service.is_spread() {
                let racks = spread.entry(service.0).or_default();
                *racks.entry(Service::rack(seen.node)).or_default() += 1;
            }
        }
        for (node, (cpu, memory, count)) in taken {
            let fits = cpu <= NODE_CPU && memory <= NODE_MEMORY_MIB && count <= NODE_WORKLOADS;
            ensure!(fits, "node {node} carries {cpu}m, {memory} MiB and {count} workloads");
        }
        spread.into_iter().try_for_each(|(service, racks)| is_even(Service(service), &racks, files))
    }

    /// Nothing was lost, and nothing was placed again.
    pub(super) fn compare(&self, after: &Self) -> Result<()> {
        for (name, before) in &self.0 {
            let after = after.0.get(name).with_context(|| format!("{name} is lost"))?;
            ensure!(before == after, "{name} was {before:?} and is {after:?}");
        }
        Ok(())
    }
}

fn is_even(service: Service, racks: &BTreeMap<(usize, usize), usize>, files: &Files) -> Result<()> {
    let allowed: BTreeSet<_> =
        (1..=files.nodes).filter(|node| service.may_run_on(*node)).map(Service::rack).collect();
    let counts = allowed.iter().map(|rack| racks.get(rack).copied().unwrap_or(0));
    let (least, most) =
        counts.fold((usize::MAX, 0), |(least, most), n| (least.min(n), most.max(n)));
    ensure!(most <= least + 1, "{} has {least} to {most} in a rack", service.name());
    Ok(())
}
