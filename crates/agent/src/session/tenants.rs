//! The tenants of a node within its loop: jobs go to a thread of their own, reports to the control plane.

use std::collections::BTreeMap;

use tessera_types::sync::{
    InstallState, RefusedTenantReport, ReportResponse, TenantAssignment, TenantReport,
};
use tessera_types::tenant::service_name;
use tessera_types::{Name, Revision, Timestamp, Uid};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::posting::Posting;
use crate::tenants::Hands;
use crate::tenants::core::{Done, ServiceUnit, TenantsCore};

/// The tenants of one node.
pub(super) struct Tenants {
    node: Name,
    core: TenantsCore,
    hands: Hands,
    posting: Posting,
    /// How they were when that was logged last.
    logged: BTreeMap<Uid, (InstallState, Option<String>)>,
}

impl Tenants {
    pub(super) fn new(node: Name, core: TenantsCore, hands: Hands) -> Self {
        let posting = Posting::new(Instant::now());
        Self { node, core, hands, posting, logged: BTreeMap::new() }
    }

    /// What to ask the control plane with, where workloads would ask with `workloads`.
    pub(super) fn since(&self, workloads: Revision) -> Revision {
        self.core.since(workloads)
    }

    pub(super) fn registered(&mut self) {
        self.core.registered();
    }

    pub(super) fn assigned(
        &mut self,
        now: Timestamp,
        revision: Revision,
        list: Option<&[TenantAssignment]>,
    ) {
        if let Some(list) = list {
            self.core.assigned(now, revision, list);
            self.log();
        }
    }

    pub(super) fn clock_set(&mut self, by_ms: i64) {
        self.core.clock_set(by_ms);
    }

    /// Has the next job done, if there is any.
    pub(super) fn work(&mut self, now: Timestamp) {
        while let Some(job) = self.core.next(now) {
            debug!(target: "tessera::agent", node = %self.node, ?job, "tenants");
            let Some(done) = self.hands.take(now, job) else { return };
            self.done(now, done);
        }
    }

    pub(super) fn next_wakeup(&self) -> Option<Timestamp> {
        self.core.next_wakeup()
    }

    /// What came of the job that is under way.
    pub(super) async fn next(&mut self) -> Done {
        self.hands.next().await
    }

    pub(super) fn done(&mut self, now: Timestamp, done: Done) {
        debug!(target: "tessera::agent", node = %self.node, ?done, "tenants");
        self.core.done(now, done);
        self.log();
    }

    fn log(&mut self) {
        for TenantReport { id, state, reason, .. } in self.core.unreported() {
            let is = (*state, reason.clone());
            if self.logged.get(id) == Some(&is) {
                continue;
            }
            let name = self.core.notes().find(|note| note.id == *id).map(|note| note.name.as_str());
            let (tenant, reason) =
                (name.unwrap_or_default(), reason.as_deref().unwrap_or_default());
            info!(target: "tessera::agent", node = %self.node, tenant, %state, "{reason}");
            self.logged.insert(*id, is);
        }
        let core = &self.core;
        self.logged.retain(|id, _| core.notes().any(|note| note.id == *id));
    }

    /// The unit of a service as it was installed last, or why there is none.
    pub(super) fn unit(&self, id: Uid, service: Option<&Name>) -> Result<String, String> {
        let note = self.core.notes().find(|note| note.id == id);
        let note = note.ok_or("the tenant is not on this node")?;
        let installed = note.services.iter().find(|it| it.service.as_ref() == service);
        installed.map(ServiceUnit::service_unit).ok_or_else(|| {
            format!("no unit of its {} service was installed on this node", service_name(service))
        })
    }

    // Reports.

    /// What to post now.
    pub(super) fn to_post(&self) -> Vec<TenantReport> {
        self.posting.choose(Instant::now(), self.core.unreported())
    }

    /// When what was postponed is due, if it is not yet.
    pub(super) fn next_post(&self) -> Option<Instant> {
        self.posting.next_after(Instant::now())
    }

    pub(super) fn reported(&mut self, reports: &[TenantReport], answer: &ReportResponse) {
        self.posting.answered(Instant::now(), reports, answer);
        for RefusedTenantReport { id, seq, reason } in &answer.refused_tenants {
            warn!(target: "tessera::agent", node = %self.node, tenant = %id, seq, reason, "the control plane refuses a report");
        }
        for report in reports.iter().filter(|report| !answer.postponed.contains(&report.id)) {
            self.core.acknowledged(report);
        }
    }

    /// These were too much for one call. One that is by itself is given up: the next says what is then.
    pub(super) fn too_large(&mut self, reports: &[TenantReport]) {
        if let Some(report) = self.posting.too_large(reports) {
            warn!(target: "tessera::agent", node = %self.node, tenant = %report.id, "a report is too large for the control plane");
            self.core.acknowledged(report);
        }
    }
}
