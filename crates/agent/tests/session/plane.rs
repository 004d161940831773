//! A control plane in memory: it hands out assignments, takes reports, and can be made unreachable.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tessera_agent::control::Control;
use tessera_client::Error;
use tessera_types::problem::{Code, Problem};
use tessera_types::sync::{
    Assignment, CopyState, Held, LogChunk, LogChunkAnswer, LogLine, LogRequest, Registered,
    Registration, Report, ReportRequest, ReportResponse, SyncRequest, SyncResponse,
    TenantLogRequest,
};
use tessera_types::{Epoch, Name, Revision, Timestamp, Uid};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The control plane. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Plane {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
    lease_ms: u64,
}

#[derive(Default)]
struct State {
    down: bool,
    superseded: bool,
    calls: usize,
    registration: Option<Registration>,
    registrations: usize,
    revision: u64,
    assignments: BTreeMap<Uid, Assignment>,
    reports: Vec<Report>,
    body_bytes_max: Option<usize>,
    log_requests: Vec<LogRequest>,
    tenant_log_requests: Vec<TenantLogRequest>,
    log: Vec<LogLine>,
    log_error: Option<String>,
    log_ended: bool,
    log_wanted: bool,
    left: bool,
    /// The heartbeats that were answered with nothing, as the agent had it.
    unchanged: usize,
    /// What each heartbeat said to have told.
    syncs: Vec<Option<Timestamp>>,
    /// No report is answered.
    deaf: bool,
    /// The next registration is heard, and not answered.
    is_mute: bool,
    /// How long an agent waited for a registration that was not answered.
    waited: Option<Duration>,
}

impl State {
    fn held(&self) -> u64 {
        Held::digest(self.assignments.values().map(|one| one.held().expect("it has a spec")))
    }

    /// A clock that goes on with every call.
    fn at(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.calls).unwrap())
    }
}

impl Plane {
    pub(crate) fn new(lease_ms: u64) -> Self {
        Self { state: Arc::default(), news: Arc::default(), lease_ms }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        state.revision += 1;
        let result = change(&mut state);
        drop(state);
        self.news.notify_waiters();
        result
    }

    /// Places a workload, as its next epoch.
    pub(crate) fn place(&self, id: u64, spec: serde_json::Value) {
        self.change(|state| {
            let epoch = state.assignments.get(&Uid(id)).map_or(Epoch(1), |a| a.epoch.next());
            let assignment = Assignment {
                id: Uid(id),
                namespace: Name::default_namespace(),
                name: Name::new(&format!("w{id}")).unwrap(),
                epoch,
                generation: epoch.0,
                stop: false,
                report_seq: 0,
                spec: Some(Arc::new(serde_json::from_value(spec).unwrap())),
            };
            state.assignments.insert(Uid(id), assignment);
        });
    }

    pub(crate) fn ask_to_stop(&self, id: u64) {
        self.change(|state| {
            if let Some(assignment) = state.assignments.get_mut(&Uid(id)) {
                assignment.stop = true;
            }
        });
    }

    pub(crate) fn unassign(&self, id: u64) {
        self.change(|state| state.assignments.remove(&Uid(id)));
    }

    /// Larger calls are refused from now on.
    pub(crate) fn limit_bodies(&self, bytes: usize) {
        self.change(|state| state.body_bytes_max = Some(bytes));
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.change(|state| state.down = down);
    }

    /// Whether it answers no report, though it answers heartbeats.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.change(|state| state.deaf = deaf);
    }

    /// Forgets the agent, and does not answer its next registration.
    pub(crate) fn forget_and_be_mute(&self) {
        self.change(|state| (state.registration, state.is_mute) = (None, true));
    }

    /// How long an agent waited for a registration that was not answered, once it has given up.
    pub(crate) fn waited(&self) -> Option<Duration> {
        self.state().waited
    }

    /// What the heartbeats so far said to have told.
    pub(crate) fn syncs(&self) -> Vec<Option<Timestamp>> {
        self.state().syncs.clone()
    }

    /// Another agent of the same installation takes the place of this one.
    pub(crate) fn supersede(&self) {
        self.change(|state| state.superseded = true);
    }

    /// Calls of any sort so far.
    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    pub(crate) fn forget_session(&self) {
        self.change(|state| state.registration = None);
    }

    pub(crate) fn registrations(&self) -> usize {
        self.state().registrations
    }

    pub(crate) fn registration(&self) -> Registration {
        self.state().registration.clone().expect("the agent has registered")
    }

    /// Whether the agent has said that it ends and leaves nothing running.
    pub(crate) fn was_left(&self) -> bool {
        self.state().left
    }

    pub(crate) fn read_log(&self, id: u64, request: &str, follow: bool) {
        self.change(|state| {
            state.log_wanted = true;
            state.log_requests.push(LogRequest {
                request: request.to_owned(),
                namespace: Name::default_namespace(),
                name: Name::new(&format!("w{id}")).unwrap(),
                tail: None,
                since: None,
                follow,
            });
        });
    }

    pub(crate) fn read_tenant_log(&self, id: u64, request: &str) {
        self.change(|state| {
            state.log_wanted = true;
            state.tenant_log_requests.push(TenantLogRequest {
                request: request.to_owned(),
                id: Uid(id),
                service: None,
                tail: None,
                since: None,
                follow: true,
            });
        });
    }

    /// How many heartbeats were answered with nothing, as the agent had it.
    pub(crate) fn unchanged(&self) -> usize {
        self.state().unchanged
    }

    /// Why the log could not be read, if so.
    pub(crate) fn log_error(&self) -> Option<String> {
        self.state().log_error.clone()
    }

    /// What came of the log so far, and whether it has ended.
    pub(crate) fn log(&self) -> (Vec<String>, bool) {
        let state = self.state();
        (state.log.iter().map(|line| line.text.clone()).collect(), state.log_ended)
    }

    pub(crate) fn reports(&self, id: u64) -> Vec<Report> {
        self.state().reports.iter().filter(|report| report.id == Uid(id)).cloned().collect()
    }

    /// Waits until the newest report of a workload is as wanted.
    pub(crate) async fn until(
        &self,
        id: u64,
        what: &str,
        wanted: impl Fn(&Report) -> bool,
    ) -> Report {
        let poll = async {
            loop {
                if let Some(report) = self.reports(id).pop().filter(|report| wanted(report)) {
                    return report;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        match timeout(PATIENCE, poll).await {
            Ok(report) => report,
            Err(_) => panic!("{what} was never reported; reports: {:#?}", self.reports(id)),
        }
    }

    pub(crate) async fn until_state(&self, id: u64, state: CopyState) -> Report {
        self.until(id, state.as_str(), |report| report.state == state).await
    }

    fn answers(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state();
        state.calls += 1;
        if state.down {
            return Err(Error::Unreachable("it is down".to_owned()));
        }
        if state.superseded {
            let problem = Problem::new(Code::Superseded, "another agent has its place");
            return Err(Error::Refused(Box::new(problem)));
        }
        Ok(state)
    }

    fn check(&self, session: &str) -> Result<(), Error> {
        let state = self.answers()?;
        match &state.registration {
            Some(registration) if registration.session == session => Ok(()),
            _ => Err(Error::Refused(Box::new(Problem::new(Code::NotRegistered, "register first")))),
        }
    }

    fn lease(&self) -> tessera_types::Duration {
        tessera_types::Duration::from_millis(self.lease_ms)
    }

    /// An answer, if there is anything new.
    fn answer(&self, body: &SyncRequest) -> Option<SyncResponse> {
        let since = body.since;
        let mut state = self.state();
        let unchanged = since == Revision::ZERO && body.held == Some(state.held());
        state.unchanged += usize::from(unchanged);
        let log_requests = std::mem::take(&mut state.log_requests);
        let tenant_log_requests = std::mem::take(&mut state.tenant_log_requests);
        let asks = !log_requests.is_empty() || !tenant_log_requests.is_empty();
        let news = state.revision > since.0 || since == Revision::ZERO;
        (news || asks).then(|| SyncResponse {
            lease: self.lease(),
            at: state.at(),
            revision: Revision(state.revision),
            since: Revision::ZERO,
            unchanged,
            assignments: (!unchanged).then(|| state.assignments.values().cloned().collect()),
            tenants: None,
            log_requests,
            tenant_log_requests,
        })
    }
}

/// Waits for something that is not reported.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, poll).await.is_ok(), "{what} did not come to be");
}

/// A call that is not answered: how long it takes is known when it is given up.
struct Waits<'a> {
    plane: &'a Plane,
    since: Instant,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.plane.state().waited = Some(self.since.elapsed());
    }
}

impl Control for Plane {
    async fn register(&self, _: &Name, body: &Registration) -> Result<Registered, Error> {
        if std::mem::take(&mut self.state().is_mute) {
            let _waits = Waits { plane: self, since: Instant::now() };
            return pending().await;
        }
        let mut state = self.answers()?;
        state.registration = Some(body.clone());
        state.registrations += 1;
        Ok(Registered { node_id: Uid(99), lease: self.lease() })
    }

    async fn sync(&self, _: &Name, body: &SyncRequest) -> Result<SyncResponse, Error> {
        {
            let mut state = self.state();
            state.left |= body.leaving;
            state.syncs.push(body.told);
        }
        let wait = async {
            loop {
                let news = self.news.notified();
                self.check(&body.session)?;
                if let Some(answer) = self.answer(body) {
                    return Ok(answer);
                }
                news.await;
            }
        };
        timeout(body.wait.as_std(), wait).await.unwrap_or_else(|_| {
            let (revision, lease) = (body.since, self.lease());
            Ok(SyncResponse {
                lease,
                at: self.state().at(),
                revision,
                since: Revision::ZERO,
                unchanged: false,
                assignments: None,
                tenants: None,
                log_requests: Vec::new(),
                tenant_log_requests: Vec::new(),
            })
        })
    }

    async fn report(&self, _: &Name, body: &ReportRequest) -> Result<ReportResponse, Error> {
        self.check(&body.session)?;
        let mut state = self.state();
        if state.deaf {
            return Err(Error::Unreachable("it does not listen".to_owned()));
        }
        let size = serde_json::to_vec(body).unwrap().len();
        if state.body_bytes_max.is_some_and(|max| size > max) {
            return Err(Error::Refused(Box::new(Problem::new(Code::TooLarge, "too large"))));
        }
        for report in &body.reports {
            if let Some(assignment) = state.assignments.get_mut(&report.id)
                && assignment.epoch == report.epoch
                && assignment.report_seq < report.seq
            {
                assignment.report_seq = report.seq;
                state.reports.push(report.clone());
            }
        }
        Ok(ReportResponse::default())
    }

    async fn log_chunk(&self, _: &Name, _: &str, body: &LogChunk) -> Result<LogChunkAnswer, Error> {
        self.check(&body.session)?;
        let mut state = self.state();
        state.log.extend(body.lines.iter().cloned());
        state.log_ended |= body.end;
        state.log_error = body.error.clone();
        Ok(LogChunkAnswer { wanted: state.log_wanted, taken: true })
    }
}
