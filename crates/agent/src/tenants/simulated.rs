//! A machine that there is not: all that is wanted of it comes about at once.

use std::collections::BTreeMap;

use tessera_types::{Name, Timestamp};

use super::core::{Converged, Declared, Done, Job, Look, ServiceUnit, Started, UnitSeen};
use tessera_types::sync::RunEnd;
use tessera_types::tenant::{RunSource, TenantHash};

/// What is installed, and which unit ran how often.
#[derive(Debug, Default)]
pub(crate) struct Simulated {
    installed: BTreeMap<Name, TenantHash>,
    runs: BTreeMap<String, (u64, Timestamp)>,
}

impl Simulated {
    pub(super) fn carry_out(&mut self, now: Timestamp, job: Job) -> Done {
        match job {
            Job::Save(_) => Done::Saved(Ok(())),
            Job::Forget(_) => Done::Forgotten(Ok(())),
            Job::Converge(declared) => Done::Converged(self.converge(&declared)),
            Job::Remove { name, .. } => {
                self.installed.remove(&name);
                Done::Removed(Ok(()))
            }
            Job::Start(start) => {
                let (runs, at) = self.runs.entry(start.unit).or_insert((0, now));
                (*runs, *at) = (*runs + 1, now);
                Done::Started(Started::Accepted)
            }
            Job::Look(units) => {
                let units = units.into_iter().map(|unit| (unit.clone(), self.seen(&unit)));
                Done::Looked(Look { manager: String::new(), units: units.collect() })
            }
        }
    }

    /// Its services are not read off the manifest: the primary stands for all.
    fn converge(&mut self, declared: &Declared) -> Converged {
        let hash = declared.spec.hash();
        let before = self.installed.insert(declared.name.clone(), hash);
        let changed = if before == Some(hash) { Vec::new() } else { vec!["its units".to_owned()] };
        let services = vec![ServiceUnit { service: None, unit: declared.name.to_string() }];
        Converged::Installed { services, changed }
    }

    fn seen(&self, unit: &str) -> UnitSeen {
        let Some((runs, at)) = self.runs.get(unit) else { return UnitSeen::default() };
        let end = RunEnd {
            at: *at,
            result: Some("success".to_owned()),
            exit_code: 0,
            source: Some(RunSource::Tenant),
            message: None,
        };
        UnitSeen {
            invocation: runs.to_string(),
            started_at: Some(*at),
            ended: Some(end),
            ..UnitSeen::default()
        }
    }
}
