//! What agents report of their copies and their tenants.
//!
//! The one idea: nothing that is wrong with one report, or with one resource, holds up
//! the others of the node. A report that cannot be taken as it is is named with what
//! is wrong with it; a batch that the store refuses is tried in halves, so that in the
//! end only what it does not take is postponed.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_api::ApiError;
use tessera_reconciler::{Reported, Reporter, apply_reports, apply_tenant_reports};
use tessera_store::CommitError;
use tessera_types::problem::Code;
use tessera_types::sync::{
    RefusedReport, RefusedTenantReport, Report, ReportRequest, ReportResponse, TenantReport,
};
use tessera_types::{Name, Node, Object, Problem, Uid, limits};

use super::agent::{TRIES_MAX, not_ready, session};
use crate::agent_limits::{check_report, check_tenant_report};
use crate::clock;
use crate::failure::commit_error;
use crate::plane::Plane;

/// So many refusals in a row, without one write in between, are the store's failure
/// and not a resource's. To find one of a thousand takes eleven.
const REFUSALS_MAX: usize = 24;

/// What happened to an agent's copies.
pub(super) async fn report(
    plane: &Plane,
    name: &Name,
    request: ReportRequest,
) -> Result<ReportResponse, ApiError> {
    if request.reports.len() + request.tenants.len() > limits::REPORTS_MAX {
        let detail = format!("a call has at most {} reports", limits::REPORTS_MAX);
        return Err(Problem::new(Code::TooLarge, detail).into());
    }
    let agent = session(plane, name, &request.session, None)?;
    // What was decided while the node counted as Offline is committed first; see
    // `news_for`. The agent says it again.
    let is_reachable = |node: &Arc<Object<Node>>| node.status.is_reachable();
    if !plane.world.read().nodes.get(agent.node_id).is_some_and(is_reachable) {
        return Err(not_ready(name).into());
    }
    let mut answer = ReportResponse::default();
    let mut told: BTreeMap<Uid, Told> = BTreeMap::new();
    for report in request.reports {
        match check_report(&report) {
            Ok(()) => told.entry(report.id).or_default().copies.push(report),
            Err(reason) => {
                let Report { id, epoch, seq, .. } = report;
                answer.refused.push(RefusedReport { id, epoch, seq, reason });
            }
        }
    }
    for report in request.tenants {
        match check_tenant_report(&report) {
            Ok(()) => told.entry(report.id).or_default().tenants.push(report),
            Err(reason) => {
                let TenantReport { id, seq, .. } = report;
                answer.refused_tenants.push(RefusedTenantReport { id, seq, reason });
            }
        }
    }
    warn_of_refused(name, &answer);
    let from = Reporter { node: name, node_id: agent.node_id, session: &request.session };
    let mut writing = Writing::new(plane, from, told.into_iter().collect(), answer);
    while let Some(part) = writing.parts.pop() {
        writing.write(part).await?;
    }
    Ok(writing.answer)
}

fn warn_of_refused(node: &Name, answer: &ReportResponse) {
    let count = answer.refused.len() + answer.refused_tenants.len();
    let copies = answer.refused.iter().map(|refused| (refused.id, &refused.reason));
    let tenants = answer.refused_tenants.iter().map(|refused| (refused.id, &refused.reason));
    if let Some((id, reason)) = copies.chain(tenants).next() {
        tracing::warn!(target: "tessera::agents", node = %node, refused = count, resource = %id, reason, "some reports cannot be taken as they are");
    }
}

/// What is told of one resource, oldest first.
#[derive(Default)]
struct Told {
    copies: Vec<Report>,
    tenants: Vec<TenantReport>,
}

/// What is told of some resources, that of one together.
type Part = Vec<(Uid, Told)>;

/// Reports on their way to the store.
struct Writing<'a> {
    plane: &'a Plane,
    from: Reporter<'a>,
    /// Each is committed at once; the last one first.
    parts: Vec<Part>,
    refusals: usize,
    answer: ReportResponse,
}

impl<'a> Writing<'a> {
    fn new(plane: &'a Plane, from: Reporter<'a>, all: Part, answer: ReportResponse) -> Self {
        let parts = if all.is_empty() { Vec::new() } else { vec![all] };
        Self { plane, from, parts, refusals: 0, answer }
    }

    async fn write(&mut self, part: Part) -> Result<(), ApiError> {
        let copies: Vec<_> = part.iter().flat_map(|(_, told)| &told.copies).cloned().collect();
        let tenants: Vec<_> = part.iter().flat_map(|(_, told)| &told.tenants).cloned().collect();
        for _ in 0..TRIES_MAX {
            let Reported { writes, stale } = self.applied(&copies, &tenants);
            if writes.is_empty() {
                self.answer.stale.extend(stale);
                return Ok(());
            }
            match self.plane.commit_in_turn(writes).await {
                Ok(_) => {
                    self.refusals = 0;
                    self.answer.stale.extend(stale);
                    return Ok(());
                }
                // Decided again from what is there now.
                Err(CommitError::Conflict { .. }) => {}
                Err(error @ (CommitError::Full | CommitError::Closed)) => {
                    return Err(commit_error(error));
                }
                Err(error) => return self.refused(part, error),
            }
        }
        self.answer.postponed.extend(part.iter().map(|(id, _)| *id));
        Ok(())
    }

    fn applied(&self, copies: &[Report], tenants: &[TenantReport]) -> Reported {
        let (world, now) = (self.plane.world.read(), clock::now());
        let mut applied = apply_reports(&world, self.from.node, copies, now);
        let of_tenants = apply_tenant_reports(&world, self.from, tenants, now);
        applied.writes.extend(of_tenants.writes);
        applied.stale.extend(of_tenants.stale);
        applied
    }

    fn refused(&mut self, mut part: Part, error: CommitError) -> Result<(), ApiError> {
        self.refusals += 1;
        if self.refusals >= REFUSALS_MAX {
            return Err(commit_error(error));
        }
        if let [(id, _)] = part.as_slice() {
            tracing::error!(target: "tessera::agents", node = %self.from.node, resource = %id, %error, "what was reported cannot be written; it is tried again");
            self.answer.postponed.push(*id);
        } else {
            let second = part.split_off(part.len() / 2);
            self.parts.extend([second, part]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::server::Control;
    use crate::server::tests::{ask, options};
    use crate::{picky_store, reconcile_loop};

    async fn answer(control: &Control, request: &str, body: &Value) -> Value {
        let answer = ask(control, request, &body.to_string()).await;
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// A workload, once it is placed.
    async fn placed(control: &Control, name: &str) -> Value {
        let spec = json!({"spec": {"command": "x"}});
        answer(control, &format!("PUT /v1/workloads/{name}"), &spec).await;
        for _ in 0..2000 {
            let workload = answer(control, &format!("GET /v1/workloads/{name}"), &json!({})).await;
            if workload["status"] == "Scheduled" {
                return workload;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let found = ask(control, &format!("GET /v1/workloads/{name}"), "").await;
        panic!("it is not placed: {found}")
    }

    fn report(workload: &Value, reason: &str) -> Value {
        json!({
            "id": workload["id"], "epoch": workload["observed"]["epoch"], "seq": 1,
            "at": "2026-05-01T08:00:00Z", "state": "Running", "reason": reason, "restarts": 0,
        })
    }

    #[tokio::test]
    async fn one_bad_report_and_one_bad_workload_hold_up_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let open = picky_store::open(|write| {
            let text = serde_json::to_string(&write.key()).unwrap_or_default();
            text.contains("bad") && format!("{write:?}").contains(" status: Running")
        });
        let control =
            Control::start_with(options(folder.path()), open, reconcile_loop::run).await.unwrap();
        let registration = json!({
            "agent_id": "a", "session": "s", "version": "1", "executors": {"process": true},
            "capacity": {"cpu": 1000, "memory": 1 << 30, "workloads": 100},
        });
        answer(&control, "POST /v1/nodes/a/register", &registration).await;
        let (bad, long) = (placed(&control, "bad").await, placed(&control, "long").await);
        let mut reports = vec![report(&bad, "started"), report(&long, &"x".repeat(5000))];
        for number in 0..5 {
            let good = placed(&control, &format!("good-{number}")).await;
            reports.push(report(&good, "started"));
        }
        let call = json!({"session": "s", "reports": reports});
        let answered = answer(&control, "POST /v1/nodes/a/reports", &call).await;
        assert_eq!(answered["postponed"], json!([bad["id"]]), "{answered}");
        assert_eq!(answered["refused"].as_array().map(Vec::len), Some(1), "{answered}");
        assert_eq!(answered["refused"][0]["id"], long["id"]);
        let reason = answered["refused"][0]["reason"].as_str().unwrap();
        assert_eq!(reason, "reason: at most 1024 bytes, here are 5000");
        for number in 0..5 {
            let path = format!("GET /v1/workloads/good-{number}");
            assert_eq!(answer(&control, &path, &json!({})).await["status"], "Running");
        }
        control.stop().await;
    }
}
