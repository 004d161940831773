//! What an agent may say: all sizes are checked here, before anything of it is kept.
//! An agent of the same release never says more.

use tessera_types::limits;
use tessera_types::sync::{LogChunk, Registration, Report, RunReport, SyncRequest, TenantReport};
use tessera_types::tenant::TenantService;
use tessera_types::workload::{Exit, ExitOutcome};
use tessera_types::{Invalid, Name, Problem, Validate};

/// How an agent introduces itself.
pub(crate) fn check_registration(node: &Name, registration: &Registration) -> Result<(), Problem> {
    let mut found = Found::default();
    found.text("agent_id", &registration.agent_id, limits::AGENT_TEXT_BYTES_MAX);
    found.text("session", &registration.session, limits::AGENT_TEXT_BYTES_MAX);
    found.text("version", &registration.version, limits::AGENT_TEXT_BYTES_MAX);
    let runtime = registration.executors.container.as_deref().unwrap_or_default();
    found.text("executors.container", runtime, limits::AGENT_TEXT_BYTES_MAX);
    registration.labels.validate("labels", &mut found.0);
    found.refuse(node)
}

/// A heartbeat.
pub(crate) fn check_sync(node: &Name, request: &SyncRequest) -> Result<(), Problem> {
    let mut found = Found::default();
    let usages = request.usage.as_ref().map_or(0, |usage| usage.workloads.len());
    found.count("usage.workloads", usages, limits::USAGES_MAX);
    found.refuse(node)
}

/// A part of a log.
pub(crate) fn check_log_chunk(node: &Name, chunk: &LogChunk) -> Result<(), Problem> {
    let mut found = Found::default();
    found.count("lines", chunk.lines.len(), limits::LOG_LINES_MAX);
    for (i, line) in chunk.lines.iter().enumerate() {
        found.text(&format!("lines[{i}].text"), &line.text, limits::LOG_LINE_BYTES_MAX);
    }
    let error = chunk.error.as_deref().unwrap_or_default();
    found.text("error", error, limits::REPORT_TEXT_BYTES_MAX);
    found.refuse(node)
}

/// What an agent says of one copy. It is answered for each report, so that one which is
/// too large does not hold up the others.
pub(crate) fn check_report(report: &Report) -> Result<(), String> {
    let mut found = Found::default();
    found.report(report);
    found.in_words()
}

/// What an agent says of one tenant; likewise.
pub(crate) fn check_tenant_report(report: &TenantReport) -> Result<(), String> {
    let mut found = Found::default();
    found.tenant(report);
    found.in_words()
}

/// What is too large.
#[derive(Default)]
struct Found(Vec<Invalid>);

impl Found {
    fn text(&mut self, path: &str, text: &str, bytes_max: usize) {
        if text.len() > bytes_max {
            let message = format!("at most {bytes_max} bytes, here are {}", text.len());
            self.0.push(Invalid::new(path, message));
        }
    }

    fn count(&mut self, path: &str, count: usize, max: usize) {
        if count > max {
            let message = format!("at most {max} entries are allowed, here are {count}");
            self.0.push(Invalid::new(path, message));
        }
    }

    fn report(&mut self, report: &Report) {
        self.text("reason", &report.reason, limits::REASON_BYTES_MAX);
        let trouble = report.trouble.as_deref().unwrap_or_default();
        self.text("trouble", trouble, limits::REPORT_TEXT_BYTES_MAX);
        let instance = report.instance.as_ref();
        let container = instance.and_then(|it| it.container_id.as_deref()).unwrap_or_default();
        self.text("instance.container_id", container, limits::AGENT_TEXT_BYTES_MAX);
        if let Some(exit) = &report.last_exit {
            self.exit("last_exit", exit);
        }
    }

    fn exit(&mut self, path: &str, exit: &Exit) {
        if let ExitOutcome::StartFailed { message } | ExitOutcome::Unhealthy { message } =
            &exit.outcome
        {
            self.text(&format!("{path}.message"), message, limits::REPORT_TEXT_BYTES_MAX);
        }
        self.count(&format!("{path}.last_lines"), exit.last_lines.len(), limits::EXIT_LINES_MAX);
        for (i, line) in exit.last_lines.iter().enumerate() {
            let at = format!("{path}.last_lines[{i}]");
            self.text(&at, line, limits::EXIT_LINE_BYTES_MAX);
        }
    }

    fn tenant(&mut self, report: &TenantReport) {
        let reason = report.reason.as_deref().unwrap_or_default();
        self.text("reason", reason, limits::REASON_BYTES_MAX);
        self.count("conflicts", report.conflicts.len(), limits::TENANT_CONFLICTS_MAX);
        for (i, conflict) in report.conflicts.iter().enumerate() {
            let at = format!("conflicts[{i}]");
            self.text(&format!("{at}.path"), &conflict.path, limits::PATH_BYTES_MAX);
            self.text(&format!("{at}.found"), &conflict.found, limits::REPORT_TEXT_BYTES_MAX);
        }
        if let Some(repaired) = &report.repaired {
            self.text("repaired.what", &repaired.what, limits::REPORT_TEXT_BYTES_MAX);
        }
        self.count("services", report.services.len(), limits::TENANT_SERVICES_MAX);
        for (i, service) in report.services.iter().enumerate() {
            self.service(&format!("services[{i}]"), service);
        }
        self.count("runs", report.runs.len(), limits::TENANT_RUN_REPORTS_MAX);
        for (i, run) in report.runs.iter().enumerate() {
            self.run(&format!("runs[{i}]"), run);
        }
    }

    fn service(&mut self, path: &str, service: &TenantService) {
        self.text(&format!("{path}.unit"), &service.unit, limits::UNIT_NAME_BYTES_MAX);
        if let Some(run) = &service.last_run {
            let invocation = run.invocation_id.as_deref().unwrap_or_default();
            let at = format!("{path}.last_run");
            self.text(&format!("{at}.invocation_id"), invocation, limits::AGENT_TEXT_BYTES_MAX);
            self.text(&format!("{at}.result"), &run.result, limits::AGENT_TEXT_BYTES_MAX);
        }
    }

    fn run(&mut self, path: &str, run: &RunReport) {
        let invocation = run.invocation_id.as_deref().unwrap_or_default();
        self.text(&format!("{path}.invocation_id"), invocation, limits::AGENT_TEXT_BYTES_MAX);
        if let Some(end) = &run.end {
            let result = end.result.as_deref().unwrap_or_default();
            self.text(&format!("{path}.end.result"), result, limits::AGENT_TEXT_BYTES_MAX);
            let message = end.message.as_deref().unwrap_or_default();
            self.text(&format!("{path}.end.message"), message, limits::REPORT_TEXT_BYTES_MAX);
        }
    }

    fn in_words(self) -> Result<(), String> {
        let problems: Vec<_> =
            self.0.iter().map(|it| format!("{}: {}", it.path, it.message)).collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(limits::clip(&problems.join("; "), limits::REPORT_TEXT_BYTES_MAX)),
        }
    }

    fn refuse(self, node: &Name) -> Result<(), Problem> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Problem::invalid(format!("node/{node}"), self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn paths(result: Result<(), Problem>) -> Vec<String> {
        let problem = result.err();
        problem.into_iter().flat_map(|it| it.invalid).map(|it| it.path).collect()
    }

    fn node() -> Name {
        Name::new("a").unwrap()
    }

    #[test]
    fn a_registration_that_is_too_large_names_each_field() {
        let registration = |text: usize, labels: usize| {
            let text = "x".repeat(text);
            let labels: serde_json::Map<_, _> =
                (0..labels).map(|i| (format!("l{i}"), json!("v"))).collect();
            let capacity = json!({"cpu": 1, "memory": 1, "workloads": 1});
            let executors = json!({"process": true, "container": text});
            serde_json::from_value(json!({
                "agent_id": text, "session": text, "version": text, "capacity": capacity,
                "labels": labels, "executors": executors,
            }))
            .unwrap()
        };
        let fits = registration(limits::AGENT_TEXT_BYTES_MAX, limits::LABELS_MAX);
        assert_eq!(check_registration(&node(), &fits), Ok(()));
        let large = registration(limits::AGENT_TEXT_BYTES_MAX + 1, limits::LABELS_MAX + 1);
        assert_eq!(
            paths(check_registration(&node(), &large)),
            ["agent_id", "session", "version", "executors.container", "labels"]
        );
    }

    #[test]
    fn a_report_that_is_too_large_names_each_field() {
        let report = |more: usize| {
            let text = |max: usize| Value::String("x".repeat(max + more));
            let line = text(limits::EXIT_LINE_BYTES_MAX);
            let exit = json!({
                "at": "2026-05-01T08:00:00Z", "outcome": "start_failed",
                "message": text(limits::REPORT_TEXT_BYTES_MAX),
                "last_lines": vec![line; limits::EXIT_LINES_MAX + more],
            });
            let report = json!({
                "id": "0000000000000001", "epoch": 1, "seq": 1, "at": "2026-05-01T08:00:00Z",
                "state": "Failed", "reason": text(limits::REASON_BYTES_MAX), "restarts": 0,
                "trouble": text(limits::REPORT_TEXT_BYTES_MAX), "last_exit": exit,
            });
            serde_json::from_value(report).unwrap()
        };
        assert_eq!(check_report(&report(0)), Ok(()));
        let refused = check_report(&report(1)).unwrap_err();
        let found: Vec<_> = refused.split("; ").filter_map(|it| it.split(':').next()).collect();
        assert_eq!(found[..4], ["reason", "trouble", "last_exit.message", "last_exit.last_lines"]);
        assert_eq!(found[4], "last_exit.last_lines[0]");
    }
}
