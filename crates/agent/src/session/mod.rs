//! The loop of one node: it tells the core what happens, and does what the core says.
//!
//! There is one task for each node, and everything that takes time runs beside it: calls to the control plane
//! ([`link`]), processes ([`executor`](crate::executor)), logs that somebody reads ([`logs`]). The loop itself never
//! waits for any of them, so a node that is cut off restarts its workloads and closes their windows as ever.
//!
//! The lease: a sync that was answered entitles the node to the copies that are declared `on_disconnect: stop` until
//! the lease's end, counted from when the sync was *sent*. Only such an answer renews their supervisors. They kill
//! on their own when it lapses, so that it does not matter whether this task lives, hangs or is frozen.

mod link;
mod logs;
mod pace;
mod posting;
mod tenants;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tessera_types::problem::Code;
use tessera_types::sync::{
    LogRequest, RefusedReport, Registration, Report, ReportResponse, SyncResponse,
    TenantLogRequest, Usage, WorkloadUsage,
};
use tessera_types::{Name, Revision, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use self::link::{Heard, Known, Link, Reports, Synced};
use self::logs::{LogRequests, Sender, Source};
use self::posting::Posting;
use self::tenants::Tenants;
use crate::clock::{SetDetector, now};
use crate::control::Control;
use crate::core::{Action, AgentCore, Listed, Progress, RunEnd, RunEvent, RunId, Unwritten};
use crate::executor::Executor;
use crate::logs::{ReadOptions, Retention, retention};
use crate::machine::MachineMeter;
use crate::state_dir::ProgressStore;
use crate::supervisor::{BootInstant, Lease};
use crate::tenants::Hands;
use crate::tenants::core::TenantsCore;

/// The clock may be set while the loop sleeps; it looks at least this often.
const SLEEP_MAX: Duration = Duration::from_secs(10);
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);
const TRIM_INTERVAL: Duration = Duration::from_secs(3600);
const TRIM_FIRST: Duration = Duration::from_secs(60);
/// Beyond the longest grace: SIGKILL takes a moment.
const HALT_SLACK: Duration = Duration::from_secs(10);
/// When nothing runs any more: for the last reports, and to clean up.
const LAST_WORK: Duration = Duration::from_secs(2);
const CLEAN_UP_LOOK: Duration = Duration::from_millis(10);
/// Why there is no log.
const SIMULATED: &str = "the node is simulated: it has no logs";
/// Logs of workloads that are gone: two weeks, and two gigabytes together.
const KEPT_LOGS: Retention =
    Retention { max_total_bytes: 2 << 30, max_age: Duration::from_secs(14 * 24 * 3600) };

/// An order to the loop.
#[derive(Debug)]
pub(crate) enum Command {
    /// End; the sender is told when it is done.
    Shutdown {
        /// Whether the workloads are stopped first.
        stop_workloads: bool,
        /// Told when it is done.
        done: oneshot::Sender<()>,
    },
}

/// What a node consists of.
pub(crate) struct NodeParts<C> {
    pub(crate) name: Name,
    pub(crate) registration: Registration,
    pub(crate) control: C,
    pub(crate) core: AgentCore,
    pub(crate) tenants: TenantsCore,
    pub(crate) hands: Hands,
    pub(crate) executor: Box<dyn Executor>,
    pub(crate) events: mpsc::UnboundedReceiver<(RunId, RunEvent)>,
    pub(crate) commands: mpsc::Receiver<Command>,
    /// Nothing is saved where there is none.
    pub(crate) progress: Option<ProgressStore>,
    /// The folder of the logs, if there are any.
    pub(crate) logs_dir: Option<PathBuf>,
}

/// One node.
pub(crate) struct Node<C> {
    name: Name,
    core: AgentCore,
    tenants: Tenants,
    /// Whether the next report is one of tenants, if both sorts have something to tell.
    tenants_turn: bool,
    executor: Box<dyn Executor>,
    events: mpsc::UnboundedReceiver<(RunId, RunEvent)>,
    commands: mpsc::Receiver<Command>,
    progress: Option<ProgressStore>,
    unwritten: Unwritten,
    logs_dir: Option<PathBuf>,
    link: Link<C>,
    lease: Lease,
    clock: SetDetector,
    machine: MachineMeter,
    measure_at: Instant,
    trim_at: Instant,
    log_requests: LogRequests,
    posting: Posting,
    ending: Option<Shutdown>,
}

/// An end that is under way.
struct Shutdown {
    stop_workloads: bool,
    deadline: Instant,
    done: oneshot::Sender<()>,
}

fn is_too_large(error: &tessera_client::Error) -> bool {
    error.problem().is_some_and(|problem| problem.code == Code::TooLarge)
}

fn read_options(tail: Option<u32>, since: Option<Timestamp>, follow: bool) -> ReadOptions {
    ReadOptions { tail: tail.map(|lines| lines as usize), since: since.map(Into::into), follow }
}

impl<C: Control> Node<C> {
    pub(crate) fn new(parts: NodeParts<C>) -> Self {
        let now = Instant::now();
        Self {
            link: Link::new(parts.control, parts.name.clone(), parts.registration),
            tenants: Tenants::new(parts.name.clone(), parts.tenants, parts.hands),
            tenants_turn: false,
            name: parts.name,
            core: parts.core,
            executor: parts.executor,
            events: parts.events,
            commands: parts.commands,
            progress: parts.progress,
            unwritten: Unwritten::default(),
            logs_dir: parts.logs_dir,
            lease: Lease { lease_ms: 0, granted_at: BootInstant::now() },
            clock: SetDetector::new(),
            machine: MachineMeter::default(),
            measure_at: now,
            trim_at: now + TRIM_FIRST,
            log_requests: LogRequests::default(),
            posting: Posting::new(now),
            ending: None,
        }
    }

    /// Runs the node until it is told to end, or until another agent has taken its place: then it does nothing
    /// more at all, and says so by answering `false`. Dropping the command channel leaves the workloads running, too.
    pub(crate) async fn run(mut self) -> bool {
        loop {
            let now = self.now();
            self.core.tick(now);
            self.carry_out();
            self.tenants.work(now);
            if self.is_done() {
                break;
            }
            self.keep_calling();
            let wake = self.wake_at();
            tokio::select! {
                command = self.commands.recv(), if self.ending.is_none() => match command {
                    Some(Command::Shutdown { stop_workloads, done }) => self.shut_down(stop_workloads, done),
                    None => break,
                },
                Some((run, event)) = self.events.recv() => self.happened(run, event),
                heard = self.link.next() => self.heard(heard),
                done = self.tenants.next() => {
                    let now = self.now();
                    self.tenants.done(now, done);
                }
                () = sleep_until(wake) => {}
            }
            if self.link.is_superseded() {
                break;
            }
            self.trim_logs();
        }
        let superseded = self.link.is_superseded();
        if !superseded && self.leaves_nothing() {
            self.link.leave().await;
        }
        if let Some(ending) = self.ending.take() {
            let _nobody_waits = ending.done.send(());
        }
        !superseded
    }

    /// The time for the core. If the clock was set, the core hears of that first.
    fn now(&mut self) -> Timestamp {
        if let Some(by_ms) = self.clock.check() {
            info!(target: "tessera::agent", node = %self.name, by_ms, "the clock was set");
            self.core.clock_set(now(), by_ms);
            self.tenants.clock_set(by_ms);
        }
        now()
    }

    fn wake_at(&self) -> Instant {
        let wall = now();
        let until = |at: Timestamp| {
            // A whole millisecond more, so that it is due when the sleep ends.
            at.since(wall).as_std().saturating_add(Duration::from_millis(1))
        };
        let wakeups = [self.core.next_wakeup(wall), self.tenants.next_wakeup()];
        let due = wakeups.into_iter().flatten().min().map_or(SLEEP_MAX, until).min(SLEEP_MAX);
        let cleans_up = self.ending.is_some() && self.core.live_runs().next().is_none();
        let due = if cleans_up { due.min(CLEAN_UP_LOOK) } else { due };
        let wake = Instant::now() + due;
        let posts = [self.posting.next_after(Instant::now()), self.tenants.next_post()];
        let wake = posts.into_iter().flatten().fold(wake, Instant::min);
        self.ending.as_ref().map_or(wake, |ending| wake.min(ending.deadline))
    }

    fn happened(&mut self, run: RunId, event: RunEvent) {
        let now = self.now();
        self.core.event(now, run, event);
        // What happened meanwhile is taken in as well, so that it is saved and reported in one go.
        while let Ok((run, event)) = self.events.try_recv() {
            self.core.event(now, run, event);
        }
    }

    // Towards the node.

    fn carry_out(&mut self) {
        let mut not_started = Vec::new();
        loop {
            for action in self.core.take_actions() {
                not_started.extend(self.act(action));
            }
            if not_started.is_empty() {
                return;
            }
            let now = self.now();
            for (run, end) in not_started.drain(..) {
                self.core.event(now, run, RunEvent::Ended(end));
            }
        }
    }

    /// Does it; what was not started instead has ended by that.
    fn act(&mut self, action: Action) -> Option<(RunId, RunEnd)> {
        match action {
            Action::Save { progress, news } => self.save(&progress, news),
            Action::Start(launch) => {
                let now = self.now();
                match self.unwritten.may_start(launch.run, now) {
                    Ok(()) => self.executor.start(launch, self.lease),
                    Err(end) => return Some((launch.run, end)),
                }
            }
            Action::Stop { run, stop } => self.executor.stop(run, &stop),
            Action::SetNotAfter { run, at } => self.executor.set_not_after(run, at),
            Action::Probe { run, check } => self.executor.probe(run, check),
            Action::Remove { run } => {
                if self.unwritten.may_remove(run) {
                    self.executor.remove(run);
                }
            }
            Action::Forget { copy } => {
                self.unwritten
                    .forgotten(copy)
                    .into_iter()
                    .for_each(|run| self.executor.remove(run));
                let forgotten =
                    self.progress.as_ref().map_or(Ok(()), |progress| progress.forget(copy));
                if let Err(error) = forgotten {
                    warn!(target: "tessera::agent", node = %self.name, %copy, %error, "cannot forget a copy");
                }
            }
        }
        None
    }

    fn save(&mut self, progress: &Progress, news: bool) {
        if news {
            info!(
                target: "tessera::agent", node = %self.name,
                workload = %format_args!("{}/{}", progress.namespace, progress.name),
                epoch = %progress.copy.epoch, state = %progress.state, "{}", progress.reason
            );
        }
        let saved = self.progress.as_ref().map_or(Ok(()), |store| store.save(progress));
        let to_remove = self.unwritten.tried(progress.copy, saved.is_ok());
        to_remove.into_iter().for_each(|run| self.executor.remove(run));
        if let Err(error) = saved {
            warn!(
                target: "tessera::agent", node = %self.name, copy = %progress.copy, %error,
                "cannot save how far a copy is; a restart of the agent may not know of it"
            );
        }
    }

    // Towards the control plane.

    fn keep_calling(&mut self) {
        if self.link.is_idle() {
            self.link.offer(self.executor.executors());
            if self.link.is_registered() {
                let usage = self.measure();
                let all_told = self.posting.is_all_told(self.core.unreported());
                self.link.sync(self.known(), all_told, usage);
            } else {
                self.link.register();
            }
        }
        if self.link.can_report()
            && let Some(reports) = self.next_reports()
        {
            self.link.report(reports);
        }
    }

    /// What to ask the control plane with.
    fn known(&self) -> Known {
        let since = self.tenants.since(self.core.since());
        let held = (since == Revision::ZERO).then(|| self.core.held()).flatten();
        Known { since, held }
    }

    fn next_reports(&mut self) -> Option<Reports> {
        let now = self.now();
        let workloads = self.posting.choose(Instant::now(), self.core.due_reports(now));
        let tenants = self.tenants.to_post();
        if tenants.is_empty() || (!workloads.is_empty() && !self.tenants_turn) {
            self.tenants_turn = true;
            return (!workloads.is_empty()).then_some(Reports::Workloads(workloads));
        }
        self.tenants_turn = false;
        Some(Reports::Tenants(tenants))
    }

    fn measure(&mut self) -> Option<Usage> {
        let now = Instant::now();
        if self.executor.executors().simulated || now < self.measure_at {
            return None;
        }
        self.measure_at = now + MEASURE_INTERVAL;
        let node = self.machine.measure()?;
        let of_run = |(run, used): (RunId, _)| WorkloadUsage { id: run.copy.id, used };
        Some(Usage { node, workloads: self.executor.usage().into_iter().map(of_run).collect() })
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Registered(Ok(_)) => {
                self.core.registered();
                self.tenants.registered();
            }
            Heard::Synced(Synced { sent_at, result: Ok(answer), .. }) => {
                self.synced(sent_at, &answer);
            }
            Heard::Reported(Reports::Workloads(reports), Ok(answer)) => {
                self.reported(&reports, &answer);
            }
            Heard::Reported(Reports::Tenants(reports), Ok(answer)) => {
                self.tenants.reported(&reports, &answer);
            }
            Heard::Reported(reports, Err(error)) if is_too_large(&error) => match reports {
                Reports::Workloads(reports) => self.too_large(&reports),
                Reports::Tenants(reports) => self.tenants.too_large(&reports),
            },
            Heard::Registered(Err(_)) | Heard::Synced(_) | Heard::Reported(_, Err(_)) => {}
        }
    }

    fn too_large(&mut self, reports: &[Report]) {
        if let Some(report) = self.posting.too_large(reports) {
            warn!(target: "tessera::agent", node = %self.name, workload = %report.id, seq = report.seq, "a report is too large for the control plane");
            self.core.too_large(report);
        }
    }

    fn reported(&mut self, reports: &[Report], answer: &ReportResponse) {
        self.core.acknowledged(reports, answer);
        self.posting.answered(Instant::now(), reports, answer);
        for RefusedReport { id, seq, reason, .. } in &answer.refused {
            warn!(target: "tessera::agent", node = %self.name, workload = %id, seq, reason, "the control plane refuses a report");
        }
        if !answer.postponed.is_empty() {
            debug!(target: "tessera::agent", node = %self.name, postponed = ?answer.postponed, "some reports are posted again");
        }
        if !answer.stale.is_empty() {
            debug!(target: "tessera::agent", node = %self.name, stale = ?answer.stale, "some reports were refused");
            self.link.interrupt();
        }
    }

    fn synced(&mut self, sent_at: BootInstant, answer: &SyncResponse) {
        self.lease = Lease { lease_ms: answer.lease.as_millis(), granted_at: sent_at };
        self.executor.renew(self.lease);
        let left = self.lease.until().since(BootInstant::now());
        let left = tessera_types::Duration::from_millis(left.as_millis() as u64);
        let wall = self.now();
        let listed = answer.assignments.as_deref().map(|assignments| Listed {
            since: answer.since,
            revision: answer.revision,
            assignments,
        });
        if answer.unchanged {
            self.core.unchanged(answer.revision);
        }
        self.core.synced(wall, wall.plus(left), listed);
        self.tenants.assigned(wall, answer.revision, answer.tenants.as_deref());
        self.send_logs(answer);
    }

    /// Begins to send the logs that are asked for.
    fn send_logs(&mut self, answer: &SyncResponse) {
        for LogRequest { request, namespace, name, tail, since, follow } in &answer.log_requests {
            let source = match self.executor.log_dir(namespace, name) {
                Some(dir) => Source::Folder(dir),
                None => Source::Nowhere(SIMULATED.to_owned()),
            };
            self.send_log(request, source, read_options(*tail, *since, *follow));
        }
        for TenantLogRequest { request, id, service, tail, since, follow } in
            &answer.tenant_log_requests
        {
            let source = match self.tenants.unit(*id, service.as_ref()) {
                _ if self.executor.executors().simulated => Source::Nowhere(SIMULATED.to_owned()),
                Ok(unit) => Source::Journal(unit),
                Err(why) => Source::Nowhere(why),
            };
            self.send_log(request, source, read_options(*tail, *since, *follow));
        }
    }

    fn send_log(&mut self, request: &str, source: Source, options: ReadOptions) {
        if !self.log_requests.take(request) {
            return;
        }
        let sender = Sender {
            control: self.link.control().clone(),
            node: self.name.clone(),
            session: self.link.session().to_owned(),
            request: request.to_owned(),
            sent: 0,
        };
        tokio::spawn(sender.run(source, options));
    }

    // The logs of workloads that are gone.

    fn trim_logs(&mut self) {
        let now = Instant::now();
        let Some(root) = self.logs_dir.clone().filter(|_| now >= self.trim_at) else { return };
        self.trim_at = now + TRIM_INTERVAL;
        let dir = |copy: &Progress| self.executor.log_dir(&copy.namespace, &copy.name);
        let live: HashSet<PathBuf> = self.core.copies().filter_map(dir).collect();
        tokio::task::spawn_blocking(move || {
            match retention(&root, KEPT_LOGS, SystemTime::now(), |dir| live.contains(dir)) {
                Ok(trimmed) => {
                    debug!(target: "tessera::agent", folders = trimmed.folders.len(), bytes = trimmed.bytes, "old logs removed");
                }
                Err(error) => warn!(target: "tessera::agent", %error, "cannot remove old logs"),
            }
        });
    }

    // The end.

    fn shut_down(&mut self, stop_workloads: bool, done: oneshot::Sender<()>) {
        let mut deadline = Instant::now();
        if stop_workloads {
            let now = self.now();
            self.core.halt(now);
            let graces = self.core.copies().map(|copy| copy.spec.stop.grace.as_std());
            deadline += graces.max().unwrap_or_default() + HALT_SLACK;
        }
        self.ending = Some(Shutdown { stop_workloads, deadline, done });
    }

    /// Whether nothing is running on the node when this agent has ended: what is simulated ends with it.
    fn leaves_nothing(&self) -> bool {
        let all_stopped =
            |ending: &Shutdown| ending.stop_workloads && self.core.live_runs().next().is_none();
        let simulated = self.executor.executors().simulated;
        self.ending.as_ref().is_some_and(|ending| simulated || all_stopped(ending))
    }

    /// Whether the end has come: at once where the workloads go on, else when they are gone and that is reported.
    fn is_done(&mut self) -> bool {
        let running = self.core.live_runs().count();
        let unsaid = self.link.is_registered() && self.core.has_reports();
        let busy = unsaid || !self.executor.is_idle();
        let Some(ending) = &mut self.ending else { return false };
        if !ending.stop_workloads || (running == 0 && !busy) {
            return true;
        }
        let now = Instant::now();
        if running == 0 {
            ending.deadline = ending.deadline.min(now + LAST_WORK);
        }
        let late = now >= ending.deadline;
        if late && running > 0 {
            warn!(target: "tessera::agent", node = %self.name, running, "some workloads could not be stopped in time");
        }
        late
    }
}
