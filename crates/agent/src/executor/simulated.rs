//! Runs that are only said to run.
//!
//! A simulated run comes up after a moment and stays until it is stopped. So that demonstrations can show ends and
//! crash loops, the commands `true` and `false` end at once, and the workload's environment may say when
//! (`TESSERA_SIM_EXIT_AFTER=5s`) and how (`TESSERA_SIM_EXIT_CODE=1`) a run ends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tessera_types::api::Used;
use tessera_types::node::Executors;
use tessera_types::workload::{ExitOutcome, HealthCheck, Instance, Stop, WorkloadSpec};
use tessera_types::{Duration, Name, Timestamp};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::{Events, Executor};
use crate::clock::now;
use crate::core::{Launch, RunEnd, RunEvent, RunId};
use crate::supervisor::Lease;

const EXIT_AFTER: &str = "TESSERA_SIM_EXIT_AFTER";
const EXIT_CODE: &str = "TESSERA_SIM_EXIT_CODE";
const SIGTERM: i32 = 15;

/// Behaves like a node without starting anything.
#[derive(Debug)]
pub struct Simulated {
    events: Events,
    start_delay: Duration,
    /// The runs that were not stopped yet.
    runs: HashMap<RunId, oneshot::Sender<()>>,
}

impl Simulated {
    /// An executor whose runs come up after `start_delay`.
    #[must_use]
    pub fn new(events: Events, start_delay: Duration) -> Self {
        Self { events, start_delay, runs: HashMap::new() }
    }
}

impl Executor for Simulated {
    fn executors(&self) -> Executors {
        // It takes containers as well, for it starts none.
        let container = Some("simulated".to_owned());
        Executors { process: true, container, simulated: true, limits: true }
    }

    fn start(&mut self, launch: Launch, _: Lease) {
        let (stop, stopped) = oneshot::channel();
        self.runs.insert(launch.run, stop);
        let plan = Plan::of(&launch.spec);
        tokio::spawn(pretend(launch.run, plan, self.start_delay, stopped, self.events.clone()));
    }

    fn stop(&mut self, run: RunId, _: &Stop) {
        if let Some(stop) = self.runs.remove(&run) {
            let _ended_before = stop.send(());
        }
    }

    fn set_not_after(&mut self, _: RunId, _: Option<Timestamp>) {}

    fn probe(&mut self, run: RunId, _: HealthCheck) {
        let _nobody_listens = self.events.send((run, RunEvent::Probed(Ok(()))));
    }

    fn remove(&mut self, run: RunId) {
        self.runs.remove(&run);
    }

    fn renew(&mut self, _: Lease) {}

    fn usage(&mut self) -> Vec<(RunId, Used)> {
        Vec::new()
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn log_dir(&self, _: &Name, _: &Name) -> Option<PathBuf> {
        None
    }
}

/// When and how a run ends by itself, if it does.
#[derive(Debug, PartialEq, Eq)]
struct Plan(Option<(Duration, i32)>);

impl Plan {
    fn of(spec: &WorkloadSpec) -> Self {
        let after = spec.env.get(EXIT_AFTER).and_then(|text| text.parse().ok());
        let code = spec.env.get(EXIT_CODE).and_then(|text| text.parse().ok());
        let command = spec.command.as_deref().and_then(|command| Path::new(command).file_name());
        let by_command = match command.and_then(|name| name.to_str()) {
            Some("true") => Some(0),
            Some("false") => Some(1),
            _ => None,
        };
        match (after, code.or(by_command)) {
            (None, None) => Self(None),
            (after, code) => Self(Some((after.unwrap_or_default(), code.unwrap_or(0)))),
        }
    }
}

async fn pretend(
    run: RunId,
    Plan(exit): Plan,
    start_delay: Duration,
    mut stopped: oneshot::Receiver<()>,
    events: Events,
) {
    sleep(start_delay.as_std()).await;
    let instance = Instance { pid: None, container_id: None, started_at: now() };
    let _nobody_listens = events.send((run, RunEvent::Started(instance)));
    let by_itself = async {
        match exit {
            Some((after, code)) => {
                sleep(after.as_std()).await;
                code
            }
            None => std::future::pending().await,
        }
    };
    let (outcome, requested) = tokio::select! {
        answer = &mut stopped => match answer {
            Ok(()) => (ExitOutcome::Signaled { signal: SIGTERM }, true),
            Err(_) => return,
        },
        code = by_itself => (ExitOutcome::Exited { code }, false),
    };
    let end = RunEnd { at: now(), outcome, requested, permanent: false, last_lines: Vec::new() };
    let _nobody_listens = events.send((run, RunEvent::Ended(end)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(spec: serde_json::Value) -> Plan {
        Plan::of(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn a_workload_says_how_its_simulated_run_ends() {
        assert_eq!(plan(serde_json::json!({"command": "/bin/sleep"})), Plan(None));
        assert_eq!(plan(serde_json::json!({"image": "web"})), Plan(None));
        assert_eq!(
            plan(serde_json::json!({"command": "/bin/false"})),
            Plan(Some((Duration::ZERO, 1)))
        );
        let env = serde_json::json!({"TESSERA_SIM_EXIT_AFTER": "5s", "TESSERA_SIM_EXIT_CODE": "3"});
        let spec = serde_json::json!({"command": "/bin/sleep", "env": env});
        assert_eq!(plan(spec), Plan(Some((Duration::from_secs(5), 3))));
    }
}
