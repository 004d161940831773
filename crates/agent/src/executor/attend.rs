//! The task that attends to one run: it starts it or takes it over, passes orders on, and says how it ends.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tessera_types::workload::{ExitOutcome, Instance};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use super::Events;
use super::image::NotStarted;
use super::orders::{Inbox, Order};
use crate::clock::now;
use crate::core::{RunEnd, RunEvent, RunId};
use crate::supervisor::{
    ExitReason, ExitRecord, Outcome, RunHandle, RunSpec, Supervisor, SupervisorError,
};

/// How often a run is looked at that comes up slowly or is being stopped.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// What the task and the executor share: the run's handle, once there is one.
pub(super) type Handle = Arc<OnceLock<RunHandle>>;

/// One run and those who talk about it.
#[derive(Debug)]
pub(super) struct Attendant {
    pub(super) run: RunId,
    pub(super) events: Events,
    pub(super) orders: Inbox,
    /// What was wrong when it was last looked at.
    pub(super) trouble: Option<String>,
    /// Dropped when the run is not attended to any more.
    pub(super) _busy: Arc<()>,
}

impl Attendant {
    /// Starts a run and attends to it until it is removed.
    pub(super) async fn start(
        mut self,
        runs_dir: PathBuf,
        exe: PathBuf,
        mut spec: RunSpec,
        shared: Handle,
    ) {
        match self.bring_image(&mut spec).await {
            Ok(()) => {}
            Err(NotStarted::Ended(end)) => {
                self.say(RunEvent::Ended(end));
                self.wait_for_removal().await;
                return;
            }
            Err(NotStarted::Forgotten) => return,
        }
        match Supervisor::start(&runs_dir, &exe, spec).await {
            Ok(handle) => {
                let handle = shared.get_or_init(|| handle).clone();
                self.attend(handle).await;
            }
            Err(error) => {
                let end = RunEnd::start_failed(now(), error.to_string(), false);
                self.say(RunEvent::Ended(end));
                self.wait_for_removal().await;
            }
        }
    }

    /// Attends to a run until it is removed, or until the agent ends.
    pub(super) async fn attend(mut self, handle: RunHandle) {
        let Some(record) = self.until_end(&handle).await else { return };
        self.say(RunEvent::Ended(run_end(&record)));
        self.remove(handle).await;
    }

    /// Waits for the order to clean up, and does so, however often that takes: a control group may be
    /// busy, a container runtime away.
    pub(super) async fn remove(mut self, handle: RunHandle) {
        if !self.wait_for_removal().await {
            return;
        }
        let mut warned = false;
        while let Err(error) = handle.remove().await {
            if !std::mem::replace(&mut warned, true) {
                warn!(target: "tessera::agent", run = %self.run, %error, "cannot clean up after a run yet; it is tried again");
            }
            sleep(RETRY).await;
        }
    }

    async fn until_end(&mut self, handle: &RunHandle) -> Option<ExitRecord> {
        let mut wait = Box::pin(handle.wait());
        let mut started = self.say_started(handle);
        let mut stopping = false;
        let mut look_at = Instant::now() + LOOK_INTERVAL;
        loop {
            tokio::select! {
                result = &mut wait => match result {
                    Ok(record) => return Some(record),
                    Err(error) => {
                        self.say_trouble(Some(error.to_string()));
                        sleep(RETRY).await;
                        wait = Box::pin(handle.wait());
                    }
                },
                order = self.orders.recv() => {
                    let order = order?;
                    stopping |= matches!(order, Order::Stop(_));
                    if !self.pass_on(handle, order).await {
                        return None;
                    }
                }
                () = sleep_until(look_at), if stopping || !started => {
                    started = started || self.say_started(handle);
                    self.look_for_trouble(handle).await;
                    look_at = Instant::now() + LOOK_INTERVAL;
                }
            }
        }
    }

    fn say_started(&self, handle: &RunHandle) -> bool {
        let instance = instance(handle);
        let started = instance.is_some();
        if let Some(instance) = instance {
            self.say(RunEvent::Started(instance));
        }
        started
    }

    /// Passes an order on. Answers whether the run is still attended to.
    async fn pass_on(&mut self, handle: &RunHandle, order: Order) -> bool {
        let result = match order {
            Order::Stop(stop) => handle.stop(stop).await,
            Order::NotAfter(at) => handle.set_not_after(at.map(Into::into)).await,
            Order::Renew(lease) => handle.renew(lease).await,
            Order::Remove => return false,
        };
        match result {
            Ok(()) => {}
            // Its end is about to be heard of, and says more.
            Err(SupervisorError::Ended(_) | SupervisorError::Refused { .. }) => {
                debug!(target: "tessera::agent", run = %self.run, "an order came too late");
            }
            Err(error) => self.say_trouble(Some(error.to_string())),
        }
        true
    }

    async fn look_for_trouble(&mut self, handle: &RunHandle) {
        let trouble = match handle.status().await {
            Ok(status) if !status.unkillable.is_empty() => {
                let pids: Vec<_> = status.unkillable.iter().map(u32::to_string).collect();
                Some(format!("SIGKILL does not end these processes: {}", pids.join(", ")))
            }
            Ok(status) => status.problem,
            Err(SupervisorError::Ended(_)) => None,
            Err(error) => Some(error.to_string()),
        };
        self.say_trouble(trouble);
    }

    pub(super) fn say_trouble(&mut self, trouble: Option<String>) {
        if self.trouble != trouble {
            self.trouble.clone_from(&trouble);
            self.say(RunEvent::Trouble(trouble));
        }
    }

    async fn wait_for_removal(&mut self) -> bool {
        loop {
            match self.orders.recv().await {
                Some(Order::Remove) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    fn say(&self, event: RunEvent) {
        let _agent_is_ending = self.events.send((self.run, event));
    }
}

/// As what a run runs, if it was started.
pub(super) fn instance(handle: &RunHandle) -> Option<Instance> {
    handle.started().map(|started| Instance {
        pid: Some(started.pid).filter(|pid| *pid != 0),
        container_id: started.container_id,
        started_at: started.started_at.into(),
    })
}

/// How a run ended, in the words that everybody shares.
pub(super) fn run_end(record: &ExitRecord) -> RunEnd {
    let outcome = match (&record.outcome, record.reason) {
        (Outcome::StartFailed { message, .. }, None | Some(ExitReason::Oom)) => {
            ExitOutcome::StartFailed { message: message.clone() }
        }
        (_, Some(ExitReason::NotAfter)) => ExitOutcome::WindowClosed,
        (_, Some(ExitReason::Oom)) => ExitOutcome::OutOfMemory,
        (Outcome::Exited { code }, None) => ExitOutcome::Exited { code: *code },
        (Outcome::Signaled { signal, .. }, None) => {
            ExitOutcome::Signaled { signal: signal.as_raw() }
        }
        (Outcome::LeaseExpired, None) => ExitOutcome::Disconnected,
        (Outcome::SupervisorLost, None) => ExitOutcome::SupervisorLost,
    };
    RunEnd {
        at: record.ended_at.into(),
        permanent: is_permanent(&record.outcome),
        outcome,
        requested: record.requested,
        last_lines: record.last_lines.clone(),
    }
}

/// Whether another start cannot go better.
fn is_permanent(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::StartFailed { fault, .. } if fault.is_permanent())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::{Signal, StartFault};

    fn end(outcome: Outcome, reason: Option<ExitReason>) -> RunEnd {
        let ended_at = jiff::Timestamp::UNIX_EPOCH;
        let last_lines = vec!["bye".to_owned()];
        run_end(&ExitRecord {
            started_at: None,
            ended_at,
            pid: None,
            outcome,
            requested: false,
            reason,
            last_lines,
        })
    }

    #[test]
    fn every_end_has_its_word() {
        let killed = || Outcome::Signaled { signal: Signal::KILL, core: false };
        let not_after = Some(ExitReason::NotAfter);
        assert_eq!(end(killed(), None).outcome, ExitOutcome::Signaled { signal: 9 });
        assert_eq!(end(killed(), not_after).outcome, ExitOutcome::WindowClosed);
        assert_eq!(end(killed(), Some(ExitReason::Oom)).outcome, ExitOutcome::OutOfMemory);
        assert_eq!(end(Outcome::Exited { code: 0 }, not_after).outcome, ExitOutcome::WindowClosed);
        assert_eq!(end(Outcome::LeaseExpired, None).outcome, ExitOutcome::Disconnected);
        assert_eq!(end(Outcome::SupervisorLost, None).outcome, ExitOutcome::SupervisorLost);
        assert_eq!(end(killed(), None).last_lines, ["bye"]);
    }

    #[test]
    fn a_missing_program_is_not_tried_again() {
        let failed =
            |fault| end(Outcome::StartFailed { message: "cannot run".to_owned(), fault }, None);
        assert!(failed(StartFault::Program).permanent);
        assert!(!failed(StartFault::Machine).permanent);
        assert!(!failed(StartFault::Runtime).permanent);
    }

    #[test]
    fn a_start_that_came_too_late_ends_as_its_window_does() {
        let late = Outcome::StartFailed { message: "late".to_owned(), fault: StartFault::TooLate };
        assert_eq!(end(late, Some(ExitReason::NotAfter)).outcome, ExitOutcome::WindowClosed);
    }
}
