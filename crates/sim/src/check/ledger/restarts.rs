//! How often copies were started again: as their agent counts it, which never goes back.
//!
//! The one idea: it is the count of one installation of an agent. A machine that is set up anew
//! under the name of its node knows nothing of what was there, and begins to count anew; and so may
//! an agent that comes after one that could not write down how far a copy is.

use std::collections::{BTreeMap, BTreeSet};

use tessera_types::{Epoch, Kind, Name, Object, Resource, Uid, Workload, Write};

/// What was told of each copy last.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    told: BTreeMap<(Uid, Epoch), Told>,
    /// Those of which an agent has forgotten something.
    forgotten: BTreeSet<(Uid, Epoch)>,
}

#[derive(Debug, PartialEq)]
struct Told {
    report_seq: u64,
    restarts: u32,
    /// The installation that has told it.
    agent_id: Option<String>,
}

impl Restarts {
    /// The next agent knows less of this copy than was told.
    pub(super) fn is_forgotten(&mut self, id: Uid, epoch: Epoch) {
        self.forgotten.insert((id, epoch));
    }

    /// `agent_of` says which installation has the name of a node.
    pub(super) fn take_in(
        &mut self,
        before: Option<&Resource>,
        write: &Write,
        agent_of: impl Fn(&Name) -> Option<String>,
    ) -> Result<(), String> {
        let Write::Update { resource: Resource::Workload(workload), .. } = write else {
            return Ok(());
        };
        let before = before.and_then(Workload::unwrap).map(AsRef::as_ref);
        // A last report takes the place away together with what it tells.
        let node = node_of(workload).or_else(|| node_of(before?));
        let observed = &workload.observed;
        let (report_seq, restarts) = (observed.report_seq, observed.restarts);
        let told = Told { report_seq, restarts, agent_id: node.and_then(agent_of) };
        let copy = (workload.id, observed.epoch);
        let Some(known) = self.told.get_mut(&copy) else {
            self.told.insert(copy, told);
            return Ok(());
        };
        let is_told_anew = told.report_seq != known.report_seq;
        let may_begin_anew = told.agent_id != known.agent_id || self.forgotten.contains(&copy);
        let is_right = match is_told_anew {
            true => restarts >= known.restarts || may_begin_anew,
            false => restarts == known.restarts,
        };
        if !is_right {
            let (name, before) = (&workload.name, known.restarts);
            return Err(format!("{name} was restarted {before} times, and then {restarts}"));
        }
        if is_told_anew {
            *known = told;
        }
        Ok(())
    }
}

fn node_of(workload: &Object<Workload>) -> Option<&Name> {
    workload.observed.assigned.as_ref().map(|assigned| &assigned.node)
}
