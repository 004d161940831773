//! A node and a control plane around the core, as plain data: runs that outlive the agent, a disk that survives it,
//! messages that are lost, repeated or late. Every action of the core is checked against the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_agent::core::{
    Action, Adopted, AgentCore, CopyId, Launch, Listed, Progress, REPORTS_KEPT_MAX, RunEnd,
    RunEvent, RunId,
};
use tessera_types::sync::{Assignment, CopyState, Held, Report, ReportResponse};
use tessera_types::workload::{ExitOutcome, Instance, OnDisconnect, Stop, WorkloadSpec};
use tessera_types::{Duration, Epoch, Name, Revision, Timestamp, Uid};

const LEASE: Duration = Duration::from_secs(15);

/// A run as its supervisor sees it.
#[derive(Debug)]
pub(crate) struct Run {
    spec: Arc<WorkloadSpec>,
    instance: Option<Instance>,
    /// A stop was asked for, and SIGKILL comes then.
    kill_at: Option<Timestamp>,
    end: Option<RunEnd>,
}

/// What the control plane wants of one workload.
#[derive(Clone, Debug)]
struct Declared {
    epoch: Epoch,
    generation: u64,
    spec: Arc<WorkloadSpec>,
    assigned: bool,
    stop: bool,
}

/// The node, its agent, and the control plane.
#[derive(Debug)]
pub(crate) struct World {
    now: Timestamp,
    pub(crate) agent: Option<AgentCore>,
    runs: BTreeMap<RunId, Run>,
    disk: BTreeMap<CopyId, Progress>,
    declared: BTreeMap<Uid, Declared>,
    lists: Vec<(Revision, Vec<Assignment>)>,
    /// The newest list when the agent started: what it is answered cannot be older.
    newest_at_start: usize,
    /// The newest report that the control plane has applied.
    applied: BTreeMap<CopyId, Report>,
    /// Everything that was ever sent, to see that a number is never used twice.
    sent: BTreeMap<(CopyId, u64), Report>,
    /// Copies that are known to the disk as ended or ending.
    ending: BTreeSet<CopyId>,
    started_ever: BTreeSet<RunId>,
    /// The agent crashes after so many more actions.
    pub(crate) crash_after: Option<usize>,
}

/// The specs that the test declares.
pub(crate) fn specs() -> Vec<Arc<WorkloadSpec>> {
    let spec = |value: serde_json::Value| Arc::new(serde_json::from_value(value).unwrap());
    let backoff = serde_json::json!({"initial": "1s", "max": "8s", "reset_after": "30s"});
    vec![
        spec(serde_json::json!({"command": "a", "restart": {"backoff": backoff}})),
        spec(
            serde_json::json!({"command": "a", "restart": {"policy": "on_failure", "backoff": backoff}}),
        ),
        spec(serde_json::json!({"command": "a", "restart": "never"})),
        spec(
            serde_json::json!({"command": "a", "restart": {"attempts_max": 2, "backoff": backoff}}),
        ),
        spec(serde_json::json!({
            "command": "a", "restart": {"backoff": backoff},
            "health": {"tcp": {"port": 1}, "start_period": "3s", "interval": "2s", "retries": 2},
        })),
        spec(serde_json::json!({
            "command": "a", "restart": {"backoff": backoff}, "on_disconnect": "stop",
        })),
        spec(serde_json::json!({
            "command": "a", "restart": {"backoff": backoff}, "not_after": "1970-01-01T00:01:00Z",
        })),
        spec(serde_json::json!({
            "command": "a", "restart": {"backoff": backoff}, "not_before": "1970-01-01T00:00:30Z",
        })),
    ]
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            now: Timestamp::EPOCH,
            agent: None,
            runs: BTreeMap::new(),
            disk: BTreeMap::new(),
            declared: BTreeMap::new(),
            lists: vec![(Revision(0), Vec::new())],
            newest_at_start: 0,
            applied: BTreeMap::new(),
            sent: BTreeMap::new(),
            ending: BTreeSet::new(),
            started_ever: BTreeSet::new(),
            crash_after: None,
        };
        world.restart_agent();
        world
    }

    // The control plane.

    pub(crate) fn place(&mut self, workload: u64, spec: &Arc<WorkloadSpec>) {
        let declared = self.declared.entry(Uid(workload)).or_insert_with(|| Declared {
            epoch: Epoch(0),
            generation: 0,
            spec: spec.clone(),
            assigned: false,
            stop: false,
        });
        declared.epoch = declared.epoch.next();
        declared.generation += 1;
        declared.spec = spec.clone();
        declared.assigned = true;
        declared.stop = false;
        self.publish();
    }

    pub(crate) fn change_spec(&mut self, workload: u64, spec: &Arc<WorkloadSpec>) {
        if let Some(declared) = self.declared.get_mut(&Uid(workload))
            && spec.launches_like(&declared.spec)
        {
            declared.generation += 1;
            declared.spec = spec.clone();
            self.publish();
        }
    }

    pub(crate) fn ask_to_stop(&mut self, workload: u64) {
        if let Some(declared) = self.declared.get_mut(&Uid(workload)) {
            declared.stop = true;
            declared.generation += 1;
            self.publish();
        }
    }

    pub(crate) fn unassign(&mut self, workload: u64) {
        if let Some(declared) = self.declared.get_mut(&Uid(workload)) {
            declared.assigned = false;
            self.publish();
        }
    }

    fn publish(&mut self) {
        let list = self.declared.iter().filter(|(_, declared)| declared.assigned);
        let list = list.map(|(id, declared)| self.assignment(*id, declared)).collect();
        let revision = Revision(self.lists.len() as u64);
        self.lists.push((revision, list));
    }

    fn assignment(&self, id: Uid, declared: &Declared) -> Assignment {
        let copy = CopyId { id, epoch: declared.epoch };
        Assignment {
            id,
            namespace: Name::default_namespace(),
            name: Name::new("web").unwrap(),
            epoch: declared.epoch,
            generation: declared.generation,
            stop: declared.stop,
            report_seq: self.applied.get(&copy).map_or(0, |report| report.seq),
            spec: Some(declared.spec.clone()),
        }
    }

    /// A list, with the reports that are applied.
    fn list(&self, index: usize) -> (Revision, Vec<Assignment>) {
        let (revision, mut list) = self.lists[index].clone();
        for assignment in &mut list {
            let copy = CopyId { id: assignment.id, epoch: assignment.epoch };
            assignment.report_seq = self.applied.get(&copy).map_or(0, |report| report.seq);
        }
        (revision, list)
    }

    /// The agent registers anew, and says what it has: it is told all, unless that is it.
    pub(crate) fn register(&mut self) {
        self.newest_at_start = self.lists.len() - 1;
        let (revision, list) = self.list(self.newest_at_start);
        let (now, lease_until) = (self.now, self.now.plus(LEASE));
        if let Some(agent) = &mut self.agent {
            agent.registered();
            if agent.held() == Some(held(&list)) {
                agent.unchanged(revision);
                assert_eq!(agent.since(), revision);
                agent.synced(now, lease_until, None);
            } else {
                agent.synced(now, lease_until, Some(Listed::all(revision, &list)));
            }
        }
        self.perform();
    }

    /// A sync is answered: with the newest list, or with one that was under way for a while. Where the agent may
    /// know the specs, they are left out.
    pub(crate) fn sync(&mut self, age: usize, with_specs: bool) {
        let now = self.now;
        let index = self.lists.len().saturating_sub(1 + age).max(self.newest_at_start);
        let (revision, mut list) = self.list(index);
        if let Some(agent) = &mut self.agent {
            let known = agent.since();
            let mut since = Revision::ZERO;
            if !with_specs && known != Revision::ZERO {
                let between = self.lists.get(known.0 as usize..=index).unwrap_or_default();
                match between.first().filter(|_| nothing_goes(between)) {
                    // Every other time, as what is left out is left out of this.
                    Some((_, before)) if revision.0.is_multiple_of(2) => {
                        since = known;
                        list.retain(|it| before.iter().all(|before| is_news(before, it)));
                    }
                    _ => list.iter_mut().for_each(|assignment| assignment.spec = None),
                }
            }
            let listed = Listed { since, revision, assignments: &list };
            agent.synced(now, now.plus(LEASE), Some(listed));
        }
        self.perform();
    }

    /// Reports are posted. They may be lost on the way there, or their acknowledgement on the way back.
    pub(crate) fn post_reports(&mut self, arrives: bool, acknowledged: bool) {
        let Some(reports) = self.agent.as_ref().map(|agent| agent.reports(100)) else { return };
        let mut last: BTreeMap<CopyId, u64> = BTreeMap::new();
        for report in &reports {
            let copy = CopyId { id: report.id, epoch: report.epoch };
            let before = self.sent.insert((copy, report.seq), report.clone());
            assert!(
                before.is_none_or(|before| without_lines(&before) == without_lines(report)),
                "{copy}: number {} twice",
                report.seq
            );
            assert!(
                last.insert(copy, report.seq).is_none_or(|seq| seq < report.seq),
                "{copy}: not in order"
            );
            assert!(!report.reason.is_empty());
            let newer = self.applied.get(&copy).is_none_or(|applied| applied.seq < report.seq);
            if arrives && newer {
                self.apply(copy, report);
            }
        }
        if arrives
            && acknowledged
            && let Some(agent) = &mut self.agent
        {
            agent.acknowledged(&reports, &ReportResponse::default());
        }
    }

    /// What was written last is told once, and known from then on.
    fn apply(&mut self, copy: CopyId, report: &Report) {
        let mut report = report.clone();
        if let Some(exit) = &mut report.last_exit {
            let known = self.applied.get(&copy).and_then(|before| before.last_exit.as_ref());
            let known =
                known.filter(|known| (known.at, &known.outcome) == (exit.at, &exit.outcome));
            if let (true, Some(known)) = (exit.last_lines.is_empty(), known) {
                exit.last_lines.clone_from(&known.last_lines);
            }
            // One that was lost, or was never there (perhaps until its window closed), has written nothing.
            let is_silent = matches!(
                exit.outcome,
                ExitOutcome::SupervisorLost
                    | ExitOutcome::StartFailed { .. }
                    | ExitOutcome::WindowClosed
            );
            assert!(is_silent || exit.last_lines == ["bye"], "{copy}: {exit:?}");
        }
        self.applied.insert(copy, report);
    }

    // The node.

    pub(crate) fn crash_agent(&mut self) {
        self.agent = None;
        self.crash_after = None;
    }

    pub(crate) fn restart_agent(&mut self) {
        let saved = self.disk.values().cloned().collect();
        let adopt = |(run, there): (&RunId, &Run)| Adopted {
            run: *run,
            instance: there.instance.clone(),
            end: there.end.clone(),
        };
        let adopted = self.runs.iter().map(adopt).collect();
        self.crash_after = None;
        self.newest_at_start = self.lists.len() - 1;
        self.agent = Some(AgentCore::restore(self.now, saved, adopted));
        self.perform();
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.plus(time);
        while self.now < end {
            let now = self.now;
            let wake = self.agent.as_ref().and_then(|agent| agent.next_wakeup(now));
            let kill = self
                .runs
                .values()
                .filter(|run| run.end.is_none())
                .filter_map(|run| run.kill_at)
                .min();
            let next = [wake, kill].into_iter().flatten().min().unwrap_or(end).max(now);
            // Where something is due at once, a millisecond passes so that a livelock would be seen as such.
            self.now = next.max(now.plus(Duration::from_millis(1))).min(end);
            self.kill_overdue();
            self.tick();
        }
    }

    fn tick(&mut self) {
        let now = self.now;
        if let Some(agent) = &mut self.agent {
            agent.tick(now);
        }
        self.perform();
    }

    fn kill_overdue(&mut self) {
        let now = self.now;
        let overdue = |(run, there): (&RunId, &Run)| {
            (there.end.is_none() && there.kill_at.is_some_and(|at| at <= now)).then_some(*run)
        };
        let overdue: Vec<RunId> = self.runs.iter().filter_map(overdue).collect();
        for run in overdue {
            self.end_run(run, ExitOutcome::Signaled { signal: 9 });
        }
    }

    /// The `n`th run that satisfies `which`, if there is any.
    fn pick(&self, n: usize, which: impl Fn(&Run) -> bool) -> Option<RunId> {
        let found: Vec<RunId> =
            self.runs.iter().filter(|(_, run)| which(run)).map(|(id, _)| *id).collect();
        (!found.is_empty()).then(|| found[n % found.len()])
    }

    pub(crate) fn start_succeeds(&mut self, n: usize) {
        let Some(id) = self.pick(n, |run| run.end.is_none() && run.instance.is_none()) else {
            return;
        };
        let instance =
            Instance { pid: Some(1000 + id.attempt), container_id: None, started_at: self.now };
        if let Some(run) = self.runs.get_mut(&id) {
            run.instance = Some(instance.clone());
        }
        self.tell(id, RunEvent::Started(instance));
    }

    pub(crate) fn start_fails(&mut self, n: usize, permanent: bool) {
        let Some(id) = self.pick(n, |run| run.end.is_none() && run.instance.is_none()) else {
            return;
        };
        let end = RunEnd::start_failed(self.now, "no such file".to_owned(), permanent);
        self.record_end(id, end);
    }

    pub(crate) fn exit(&mut self, n: usize, code: i32) {
        if let Some(id) = self.pick(n, |run| run.end.is_none() && run.instance.is_some()) {
            self.end_run(id, ExitOutcome::Exited { code });
        }
    }

    pub(crate) fn lapse_lease(&mut self, n: usize) {
        let leased = |run: &Run| run.end.is_none() && run.spec.on_disconnect == OnDisconnect::Stop;
        if let Some(id) = self.pick(n, leased) {
            self.end_run(id, ExitOutcome::Disconnected);
        }
    }

    pub(crate) fn probe(&mut self, n: usize, passes: bool) {
        if let Some(id) = self.pick(n, |run| run.end.is_none() && run.instance.is_some()) {
            let result = if passes { Ok(()) } else { Err("refused".to_owned()) };
            self.tell(id, RunEvent::Probed(result));
        }
    }

    fn end_run(&mut self, id: RunId, outcome: ExitOutcome) {
        let requested = self.runs.get(&id).is_some_and(|run| run.kill_at.is_some());
        let end = RunEnd {
            at: self.now,
            outcome,
            requested,
            permanent: false,
            last_lines: vec!["bye".to_owned()],
        };
        self.record_end(id, end);
    }

    fn record_end(&mut self, id: RunId, end: RunEnd) {
        if let Some(run) = self.runs.get_mut(&id) {
            run.end = Some(end.clone());
        }
        self.tell(id, RunEvent::Ended(end));
    }

    fn tell(&mut self, run: RunId, event: RunEvent) {
        let now = self.now;
        if let Some(agent) = &mut self.agent {
            agent.event(now, run, event);
        }
        self.perform();
    }

    // What the agent does.

    fn perform(&mut self) {
        let Some(actions) = self.agent.as_mut().map(AgentCore::take_actions) else { return };
        for action in actions {
            if let Some(left) = &mut self.crash_after {
                if *left == 0 {
                    return self.crash_agent();
                }
                *left -= 1;
            }
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Save { progress, .. } => self.save(*progress),
            Action::Start(launch) => self.start(launch),
            Action::Stop { run, stop } => self.stop(run, &stop),
            Action::Remove { run } => {
                let removed = self.runs.remove(&run);
                assert!(removed.is_none_or(|run| run.end.is_some()), "{run} was removed alive");
            }
            Action::Forget { copy } => {
                assert!(
                    !self.runs.iter().any(|(id, run)| id.copy == copy && run.end.is_none()),
                    "{copy} lives"
                );
                self.disk.remove(&copy);
            }
            Action::SetNotAfter { .. } | Action::Probe { .. } => {}
        }
    }

    fn save(&mut self, progress: Progress) {
        let copy = progress.copy;
        assert!(progress.reports.len() <= REPORTS_KEPT_MAX);
        if let Some(before) = self.disk.get(&copy) {
            assert!(progress.seq >= before.seq, "{copy}: the number of its reports went back");
            if before.state.is_final() {
                assert_eq!(before.state, progress.state, "{copy}: a final state is final");
            }
        }
        if progress.state == CopyState::BackingOff
            && let Some(at) = progress.next_start_at
        {
            let backoff = &progress.spec.restart.backoff;
            assert!(at <= self.now.plus(backoff.max), "{copy}: pauses beyond its ceiling");
        }
        if progress.ending.is_some() || progress.state.is_final() {
            self.ending.insert(copy);
        }
        self.disk.insert(copy, progress);
    }

    fn start(&mut self, launch: Launch) {
        let run = launch.run;
        let alive = |(id, other): (&RunId, &Run)| id.copy.id == run.copy.id && other.end.is_none();
        assert!(!self.runs.iter().any(alive), "{run}: there is a live run of the workload already");
        assert!(self.started_ever.insert(run), "{run} was started before");
        assert!(!self.ending.contains(&run.copy), "{run}: its copy has ended or was told to");
        let saved = &self.disk[&run.copy];
        assert!(saved.attempt == run.attempt && saved.live, "{run} is not on the disk");
        assert!(launch.spec.not_before.is_none_or(|at| at <= self.now), "{run} starts too early");
        assert!(launch.spec.not_after.is_none_or(|at| at > self.now), "{run} starts too late");
        let there = Run { spec: launch.spec, instance: None, kill_at: None, end: None };
        self.runs.insert(run, there);
    }

    fn stop(&mut self, run: RunId, stop: &Stop) {
        let kill_at = self.now.plus(stop.grace);
        if let Some(run) = self.runs.get_mut(&run) {
            run.kill_at = Some(run.kill_at.map_or(kill_at, |at| at.min(kill_at)));
        }
    }

    // The end.

    /// Faults stop: whatever was asked for is done, and what the control plane believes is so.
    pub(crate) fn settle(&mut self) {
        self.crash_after = None;
        if self.agent.is_none() {
            self.restart_agent();
        }
        for _ in 0..60 {
            self.register();
            self.post_reports(true, true);
            while self.pick(0, |run| run.end.is_none() && run.instance.is_none()).is_some() {
                self.start_succeeds(0);
            }
            (0..self.runs.len()).for_each(|n| self.probe(n, true));
            self.pass(Duration::from_secs(2));
        }
        self.check_converged();
    }

    fn check_converged(&self) {
        let agent = self.agent.as_ref().expect("it was restarted before");
        assert!(!agent.has_reports());
        let alive: BTreeSet<RunId> =
            self.runs.iter().filter(|(_, run)| run.end.is_none()).map(|(id, _)| *id).collect();
        assert_eq!(alive.len(), self.runs.len(), "ended runs are removed: {:?}", self.runs);
        let wanted: BTreeSet<CopyId> = self
            .declared
            .iter()
            .filter(|(_, declared)| declared.assigned)
            .map(|(id, declared)| CopyId { id: *id, epoch: declared.epoch })
            .collect();
        assert_eq!(self.disk.keys().copied().collect::<BTreeSet<_>>(), wanted);
        for copy in wanted {
            let progress = &self.disk[&copy];
            let run = alive.iter().find(|run| run.copy == copy);
            assert_eq!(run.is_some(), progress.state == CopyState::Running, "{progress:?}");
            assert!(run.is_some() || progress.state.is_final(), "{progress:?}");
            assert!(!self.declared[&copy.id].stop || run.is_none(), "{progress:?}");
            let applied = &self.applied[&copy];
            assert_eq!((applied.state, applied.seq), (progress.state, progress.seq));
            assert_eq!(applied.instance, progress.instance);
        }
    }
}

/// As the control plane counts it.
fn held(list: &[Assignment]) -> u64 {
    Held::digest(list.iter().map(|one| one.held().expect("it has a spec")))
}

fn without_lines(report: &Report) -> Report {
    let mut report = report.clone();
    report.last_exit.iter_mut().for_each(|exit| exit.last_lines.clear());
    report
}

/// Whether each list has what the one before it has.
fn nothing_goes(lists: &[(Revision, Vec<Assignment>)]) -> bool {
    lists.windows(2).all(|pair| {
        let stays = |it: &Assignment| pair[1].1.iter().any(|after| after.id == it.id);
        pair[0].1.iter().all(stays)
    })
}

/// Whether this is not what an agent knows that knows the other one.
fn is_news(before: &Assignment, after: &Assignment) -> bool {
    (before.id, before.epoch, before.generation, before.stop)
        != (after.id, after.epoch, after.generation, after.stop)
}
