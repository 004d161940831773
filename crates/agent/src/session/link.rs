//! The calls that a node has under way: at most one that registers or syncs, and one that reports.
//!
//! A call runs with the pause before it as one future, so that the node's loop has nothing to time. The loop decides
//! what to call; this module knows how long to wait and what the answers mean for the connection itself.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::{Duration, Instant};

use tessera_client::Error;
use tessera_types::node::Executors;
use tessera_types::problem::Code;
use tessera_types::sync::{
    Registered, Registration, Report, ReportRequest, ReportResponse, SyncRequest, SyncResponse,
    Usage,
};
use tessera_types::{Name, Revision, Timestamp};
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use super::pace::{Pace, jitter};
use crate::control::Control;
use crate::core::Heartbeat;
use crate::supervisor::BootInstant;
use tessera_types::sync::TenantReport;

const CALL_TIME: Duration = Duration::from_secs(15);
/// How long an agent that ends tries to say so.
const LEAVE_TIME: Duration = Duration::from_secs(2);
const RETRY_INITIAL: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(3);
/// Another agent has the name: that takes a person, or its lease, to change.
const NAME_TAKEN_RETRY: Duration = Duration::from_secs(10);
/// A sync that came back with nothing, and early, is not repeated at once.
const EMPTY_ANSWER_PAUSE: Duration = Duration::from_millis(200);

/// A call that carries reports may fail so often in a row before that is said aloud.
const FAILURES_TO_WARN: u32 = 5;

type Call<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// What came of a call.
pub(super) enum Heard {
    Registered(Result<Registered, Error>),
    Synced(Synced),
    Reported(Reports, Result<ReportResponse, Error>),
}

/// What one call reports: of one sort, so that what is wrong with one does not hold up the other.
pub(super) enum Reports {
    Workloads(Vec<Report>),
    Tenants(Vec<TenantReport>),
}

/// What the agent has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The revision of what it was told; zero for none.
    pub(super) since: Revision,
    /// All of it in short, where it is to be told anew.
    pub(super) held: Option<u64>,
}

/// What came of a sync.
pub(super) struct Synced {
    /// When it was sent: the lease counts from here.
    pub(super) sent_at: BootInstant,
    pub(super) took: Duration,
    pub(super) result: Result<SyncResponse, Error>,
}

/// A node's connection to the control plane.
pub(super) struct Link<C> {
    control: C,
    node: Name,
    registration: Registration,
    registered: bool,
    lease: tessera_types::Duration,
    /// When the last sync was answered, by the control plane's clock.
    answered_at: Option<Timestamp>,
    main: Call<Heard>,
    reporting: Call<Heard>,
    main_pause: Duration,
    report_pause: Duration,
    main_pace: Pace,
    report_pace: Pace,
    cut_off: bool,
    superseded: bool,
}

impl<C: Control> Link<C> {
    pub(super) fn new(control: C, node: Name, registration: Registration) -> Self {
        Self {
            control,
            node,
            registration,
            registered: false,
            lease: Heartbeat::LEASE_USUAL,
            answered_at: None,
            main: None,
            reporting: None,
            main_pause: Duration::ZERO,
            report_pause: Duration::ZERO,
            main_pace: Pace::new(RETRY_INITIAL, RETRY_MAX),
            report_pace: Pace::new(RETRY_INITIAL, RETRY_MAX),
            cut_off: false,
            superseded: false,
        }
    }

    /// Whether another agent has taken this one's place.
    pub(super) fn is_superseded(&self) -> bool {
        self.superseded
    }

    pub(super) fn session(&self) -> &str {
        &self.registration.session
    }

    pub(super) fn control(&self) -> &C {
        &self.control
    }

    /// Whether a register or sync call is to be made.
    pub(super) fn is_idle(&self) -> bool {
        self.main.is_none()
    }

    /// What the node can run. If that is news, it is registered again.
    pub(super) fn offer(&mut self, executors: Executors) {
        if self.registration.executors != executors {
            self.registration.executors = executors;
            self.registered = false;
        }
    }

    pub(super) fn is_registered(&self) -> bool {
        self.registered
    }

    /// Whether reports can be posted.
    pub(super) fn can_report(&self) -> bool {
        self.registered && self.reporting.is_none()
    }

    pub(super) fn register(&mut self) {
        let (control, node) = (self.control.clone(), self.node.clone());
        let (registration, pause) =
            (self.registration.clone(), std::mem::take(&mut self.main_pause));
        let Heartbeat { limit, .. } = Heartbeat::next(self.lease, self.cut_off);
        self.main = Some(Box::pin(async move {
            sleep(pause).await;
            let call = control.register(&node, &registration);
            Heard::Registered(in_time(limit.as_std(), call).await)
        }));
    }

    /// `all_told` says that nothing has happened that was not told and acknowledged.
    pub(super) fn sync(&mut self, known: Known, all_told: bool, usage: Option<Usage>) {
        let (control, node) = (self.control.clone(), self.node.clone());
        let pause = std::mem::take(&mut self.main_pause);
        let Heartbeat { wait, limit } = Heartbeat::next(self.lease, self.cut_off);
        let request = SyncRequest {
            session: self.registration.session.clone(),
            since: known.since,
            partial: true,
            held: known.held,
            wait,
            told: self.answered_at.filter(|_| all_told),
            usage,
            leaving: false,
        };
        self.main = Some(Box::pin(async move {
            sleep(pause).await;
            let (sent_at, began) = (BootInstant::now(), Instant::now());
            let result = in_time(limit.as_std(), control.sync(&node, &request)).await;
            Heard::Synced(Synced { sent_at, took: began.elapsed(), result })
        }));
    }

    /// Says that the agent ends and that nothing runs on the node any more, if there is anybody to hear it. The node
    /// would otherwise count as reachable, and what ran on it as running, until its lease lapses.
    pub(super) async fn leave(&mut self) {
        (self.main, self.reporting) = (None, None);
        if !self.registered || self.cut_off {
            return;
        }
        let request = SyncRequest {
            session: self.registration.session.clone(),
            since: Revision::ZERO,
            partial: false,
            held: None,
            wait: tessera_types::Duration::ZERO,
            told: None,
            usage: None,
            leaving: true,
        };
        if let Err(error) = in_time(LEAVE_TIME, self.control.sync(&self.node, &request)).await {
            debug!(target: "tessera::agent", node = %self.node, %error, "the control plane was not told that the agent ends");
        }
    }

    /// Gives up the sync that is under way, as another is needed.
    pub(super) fn interrupt(&mut self) {
        self.main = None;
    }

    pub(super) fn report(&mut self, reports: Reports) {
        let (control, node) = (self.control.clone(), self.node.clone());
        let pause = std::mem::take(&mut self.report_pause);
        let session = self.registration.session.clone();
        self.reporting = Some(Box::pin(async move {
            sleep(pause).await;
            let (workloads, tenants) = match &reports {
                Reports::Workloads(workloads) => (workloads.clone(), Vec::new()),
                Reports::Tenants(tenants) => (Vec::new(), tenants.clone()),
            };
            let request = ReportRequest { session, reports: workloads, tenants };
            let result = in_time(CALL_TIME, control.report(&node, &request)).await;
            Heard::Reported(reports, result)
        }));
    }

    /// The next answer. It may be dropped while it waits; no answer is lost by that.
    pub(super) async fn next(&mut self) -> Heard {
        let heard = tokio::select! {
            heard = answer(&mut self.main) => heard,
            heard = answer(&mut self.reporting) => heard,
        };
        match &heard {
            Heard::Registered(result) => self.after_register(result.as_ref()),
            Heard::Synced(synced) => self.after_sync(synced),
            Heard::Reported(_, result) => self.after_report(result.as_ref().err()),
        }
        heard
    }

    fn after_register(&mut self, result: Result<&Registered, &Error>) {
        match result {
            Ok(registered) => {
                self.registered = true;
                self.lease = registered.lease;
                self.main_pace.reset();
                self.cut_off = false;
                info!(target: "tessera::agent", node = %self.node, id = %registered.node_id, lease = %registered.lease, "registered");
            }
            Err(error) if self.must_end(error) => {}
            Err(error) if code(error) == Some(Code::NodeNameTaken) => {
                error!(
                    target: "tessera::agent", node = %self.node,
                    "another live agent has this node's name; stop it, or give this one another with --name"
                );
                self.main_pause = jitter(NAME_TAKEN_RETRY);
            }
            Err(error) => self.main_failed("register", error),
        }
    }

    fn after_sync(&mut self, synced: &Synced) {
        match &synced.result {
            Ok(answer) => {
                self.lease = answer.lease;
                self.answered_at = Some(answer.at);
                self.main_pace.reset();
                self.cut_off = false;
                let news = answer.assignments.is_some() || answer.tenants.is_some();
                let logs =
                    !answer.log_requests.is_empty() || !answer.tenant_log_requests.is_empty();
                let empty = !news && !logs;
                if empty && synced.took < EMPTY_ANSWER_PAUSE {
                    self.main_pause = EMPTY_ANSWER_PAUSE;
                }
                debug!(
                    target: "tessera::agent", node = %self.node, took = ?synced.took,
                    revision = %answer.revision, news = !empty, "heartbeat"
                );
            }
            Err(error) if self.must_end(error) || self.must_register(error) => {}
            Err(error) => self.main_failed("sync", error),
        }
    }

    fn after_report(&mut self, failure: Option<&Error>) {
        match failure {
            None => self.report_pace.reset(),
            Some(error) if self.must_end(error) => {}
            Some(error) if self.must_register(error) => self.interrupt(),
            Some(error) => {
                self.report_pause = self.report_pace.failed();
                let (node, problem) = (&self.node, problem(error));
                if self.report_pace.failures() == FAILURES_TO_WARN {
                    warn!(target: "tessera::agent", %node, "nothing that happens here can be told: {problem}; it is kept and posted again");
                } else {
                    debug!(target: "tessera::agent", %node, problem, "reports are kept and posted again");
                }
            }
        }
    }

    /// Whether another agent has taken this one's place. Then nothing is called any more.
    fn must_end(&mut self, error: &Error) -> bool {
        if code(error) == Some(Code::Superseded) && !std::mem::replace(&mut self.superseded, true) {
            (self.main, self.reporting) = (None, None);
            error!(
                target: "tessera::agent", node = %self.node,
                "another agent has taken this one's place: {}; this one ends and stops nothing", problem(error)
            );
        }
        self.superseded
    }

    /// Whether the control plane does not know this session (any more). Then it is to be registered again.
    fn must_register(&mut self, error: &Error) -> bool {
        let unknown = code(error) == Some(Code::NotRegistered);
        if unknown {
            self.registered = false;
            self.main_pause = self.main_pace.failed();
            info!(target: "tessera::agent", node = %self.node, "the control plane asks to register again");
        }
        unknown
    }

    fn main_failed(&mut self, what: &str, error: &Error) {
        self.main_pause = self.main_pace.failed();
        let first = !std::mem::replace(&mut self.cut_off, true);
        let (node, control) = (&self.node, problem(error));
        if first {
            warn!(target: "tessera::agent", %node, call = what, "{control}; workloads go on, and it is tried again");
        } else {
            debug!(target: "tessera::agent", %node, call = what, "{control}");
        }
    }
}

fn problem(error: &Error) -> String {
    match error.problem().and_then(|problem| problem.remedy.as_deref()) {
        Some(remedy) => format!("{error}; {remedy}"),
        None => error.to_string(),
    }
}

fn code(error: &Error) -> Option<Code> {
    error.problem().map(|problem| problem.code)
}

async fn in_time<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = |_| Err(Error::Unreachable("the control plane does not answer".to_owned()));
    timeout(limit, call).await.unwrap_or_else(late)
}

async fn answer<T>(call: &mut Call<T>) -> T {
    match call {
        Some(under_way) => {
            let answer = under_way.await;
            *call = None;
            answer
        }
        None => pending().await,
    }
}
