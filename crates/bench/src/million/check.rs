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
    /// take, and what is to be spread is spread evenly over what has room.
    pub(super) fn check(&self, files: &Files) -> Result<()> {
        ensure!(self.0.len() == files.workloads, "{} workloads are there", self.0.len());
        let mut taken = vec![Taken::default(); files.nodes as usize + 1];
        let mut spread: BTreeMap<usize, BTreeMap<Rack, usize>> = BTreeMap::new();
        for (name, seen) in &self.0 {
            let service = Service::of(name).with_context(|| format!("what is {name}?"))?;
            ensure!(seen.status == WorkloadStatus::Running, "{name} is {}", seen.status);
            ensure!((1..=files.nodes).contains(&seen.node), "{name} is on no node of ours");
            ensure!(service.may_run_on(seen.node), "{name} must not be on node {}", seen.node);
            let asked = (service.cpu(), service.memory_mib());
            ensure!((seen.cpu, seen.memory_mib) == asked, "{name} has another spec");
            taken[seen.node as usize] = taken[seen.node as usize].and(service);
            if service.is_spread() {
                let racks = spread.entry(service.0).or_default();
                *racks.entry(Service::rack(seen.node)).or_default() += 1;
            }
        }
        for (node, taken) in taken.iter().enumerate() {
            ensure!(taken.fits(), "node {node} carries {taken:?}");
        }
        spread.iter().try_for_each(|(service, racks)| is_even(Service(*service), racks, &taken))
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

/// The zone and the rack of a node, by number.
type Rack = (usize, usize);

/// What is on one node.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    cpu: u64,
    memory_mib: u64,
    workloads: usize,
}

impl Taken {
    /// With one more of this service.
    fn and(self, service: Service) -> Self {
        Self {
            cpu: self.cpu + service.cpu(),
            memory_mib: self.memory_mib + service.memory_mib(),
            workloads: self.workloads + 1,
        }
    }

    fn fits(self) -> bool {
        let (cpu, memory) = (self.cpu <= NODE_CPU, self.memory_mib <= NODE_MEMORY_MIB);
        cpu && memory && self.workloads <= NODE_WORKLOADS
    }
}

/// No rack has more than one above another that could have taken it: nothing leaves, so what has room
/// in the end had room all the time. `taken` is by the number of a node.
fn is_even(service: Service, racks: &BTreeMap<Rack, usize>, taken: &[Taken]) -> Result<()> {
    let has_room = |node: &u32| taken[*node as usize].and(service).fits();
    let allowed = (1..taken.len() as u32).filter(|node| service.may_run_on(*node));
    let roomy: BTreeSet<_> = allowed.filter(has_room).map(Service::rack).collect();
    let count = |rack| racks.get(rack).copied().unwrap_or(0);
    let (least, most) = (roomy.iter().map(count).min(), racks.values().max());
    let (Some(least), Some(most)) = (least, most) else { return Ok(()) };
    ensure!(*most <= least + 1, "{} has {least} to {most} in a rack", service.name());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// May run on the nodes 1 and 2, each a rack of its own, and not on 3.
    const SERVICE: Service = Service(3);

    fn even(counts: [usize; 3], taken: &[Taken; 4]) -> Result<()> {
        let racks = (1..=3).map(Service::rack).zip(counts).collect();
        is_even(SERVICE, &racks, taken)
    }

    #[test]
    fn one_more_than_where_there_is_room_is_even_and_two_are_not() {
        let empty = [Taken::default(); 4];
        assert!(even([1, 2, 0], &empty).is_ok(), "the third is not for it");
        let wrong = even([1, 3, 0], &empty).unwrap_err();
        assert_eq!(wrong.to_string(), "service-00003 has 1 to 3 in a rack");
    }

    #[test]
    fn what_is_full_is_not_counted_among_the_least() {
        let mut taken = [Taken::default(); 4];
        taken[1].workloads = NODE_WORKLOADS;
        assert!(even([1, 3, 0], &taken).is_ok());
        taken[1].workloads -= 1;
        assert!(even([1, 3, 0], &taken).is_err());
    }
}
