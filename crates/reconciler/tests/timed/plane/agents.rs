//! The nodes of a plane, with agents that do as a script says.

use super::{LEASE, Plane, Run};
use tessera_reconciler::{Answer, Tabled, apply_reports, registered};
use tessera_types::node::{Capacity, Executors};
use tessera_types::sync::{CopyState, Registration, Report};
use tessera_types::workload::{Exit, ExitOutcome, WorkloadStatus};
use tessera_types::{
    Bytes, Duration, Host, Job, Labels, Millicores, Name, Object, Pod, SessionPart, Timestamp, Uid,
    WaitReason, Workload,
};

const HEARTBEAT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(super) struct Copy {
    seq: u64,
    state: CopyState,
    /// It is up by then.
    up: Option<Timestamp>,
    ends: Option<(Timestamp, i32, &'static str)>,
    not_after: Option<Timestamp>,
    /// It is being stopped, and has ended by then.
    stopped_at: Option<Timestamp>,
}

impl Plane {
    /// A node with so many millicores.
    pub(crate) fn node(&mut self, name: &str, cpu: u64) {
        let name = Name::new(name).unwrap();
        let registration = Registration {
            agent_id: name.to_string(),
            session: "1".to_owned(),
            start: 0,
            version: "test".to_owned(),
            capacity: Capacity { cpu: Millicores(cpu), memory: Bytes(1 << 40), workloads: 10_000 },
            labels: Labels::from([("node".to_owned(), name.to_string())]),
            executors: Executors { process: true, ..Executors::default() },
        };
        let write = registered(None, &name, &registration, self.now.wall).unwrap();
        self.commit(vec![write]);
        let id = self.world.nodes.find(None, &name).unwrap().id;
        self.nodes.insert(name, id);
        self.hear();
        self.settle();
    }

    pub(crate) fn cut_off(&mut self, node: &str) {
        self.offline.insert(Name::new(node).unwrap());
    }

    pub(crate) fn reconnect(&mut self, node: &str) {
        self.offline.remove(&Name::new(node).unwrap());
        self.hear();
    }

    pub(super) fn hear(&mut self) {
        for (name, id) in &self.nodes {
            if self.offline.contains(name) {
                continue;
            }
            self.heard.insert(name.clone());
            if self.world.heard(*id, self.now.boot, LEASE) {
                self.reconciler.wake(*id);
            }
        }
        self.heartbeat_at = self.now.boot.plus(HEARTBEAT);
    }

    /// What goes on on the nodes takes as long as ever, whatever their clocks show.
    pub(super) fn agents_set_back(&mut self, by: Duration) {
        for copy in self.copies.values_mut() {
            let ends = copy.ends.as_mut().map(|(at, ..)| at);
            let times = copy.up.iter_mut().chain(ends).chain(&mut copy.stopped_at);
            times.for_each(|at| *at = at.minus(by));
        }
    }

    /// All that the agents have to do. True if there was anything.
    pub(super) fn step_agents(&mut self) -> bool {
        let mut is_news = false;
        for (name, id) in self.nodes.clone() {
            let workloads: Vec<_> = self.world.workloads_on(id).cloned().collect();
            if self.offline.contains(&name) {
                continue;
            }
            let reports: Vec<_> =
                workloads.iter().filter_map(|workload| self.step_copy(workload)).collect();
            let writes = apply_reports(&self.world, &name, &reports, self.now.wall).writes;
            is_news |= !writes.is_empty();
            if !writes.is_empty() {
                assert_eq!(self.commit(writes), Answer::Written);
                self.is_crashed = false;
            }
            if self.heard.remove(&name) {
                self.world.told(id, self.now.wall);
                is_news |= self.wake_who_waits_for_news();
            }
        }
        is_news
    }

    /// They would look within a second by themselves; here they do at once, so that what
    /// is settled is settled.
    fn wake_who_waits_for_news(&mut self) -> bool {
        let mut waiting = Vec::new();
        self.add_waiting::<Job>(&mut waiting);
        self.add_waiting::<Pod>(&mut waiting);
        self.add_waiting::<SessionPart>(&mut waiting);
        self.add_waiting::<Host>(&mut waiting);
        waiting.iter().for_each(|id| self.reconciler.wake(*id));
        !waiting.is_empty()
    }

    fn add_waiting<K: Tabled>(&self, waiting: &mut Vec<Uid>) {
        let waits = |object: &&std::sync::Arc<Object<K>>| {
            object.waiting_for.as_ref().is_some_and(|it| it.reason == WaitReason::Agent)
        };
        waiting.extend(self.world.table::<K>().iter().filter(waits).map(|object| object.id));
    }

    fn step_copy(&mut self, workload: &Object<Workload>) -> Option<Report> {
        let key = (workload.id, workload.observed.epoch.0);
        let is_to_stop = workload.status == WorkloadStatus::Stopping;
        if !self.copies.contains_key(&key) && !is_to_stop {
            self.start(workload, key);
        }
        let now = self.now.wall;
        let copy = self.copies.entry(key).or_insert(Copy {
            seq: 0,
            state: CopyState::Provisioning,
            up: None,
            ends: None,
            not_after: None,
            stopped_at: None,
        });
        let lingers = self.lingers.iter().find(|(name, _)| workload.name.as_str().contains(*name));
        copy.not_after = workload.spec.not_after;
        let mut at = now;
        if let Some(up) = copy.up.take_if(|up| *up <= now) {
            (copy.state, copy.seq, at) = (CopyState::Running, copy.seq + 1, up);
        }
        let mut last_exit = None;
        let mut exit = |outcome: ExitOutcome, line: &str| {
            let last_lines = vec![line.to_owned()];
            last_exit = Some(Exit { at: now, outcome, last_lines });
        };
        if !copy.state.is_final() {
            // What ended by itself before is not stopped.
            let ended = copy.ends.map(|(at, ..)| at).filter(|at| *at <= now);
            let is_over = copy
                .not_after
                .is_some_and(|end| end <= now && ended.is_none_or(|ended| end <= ended));
            let time = lingers.map_or(Duration::ZERO, |(_, time)| *time);
            if (is_to_stop || is_over) && now < *copy.stopped_at.get_or_insert(now.plus(time)) {
                return None;
            }
            if is_to_stop {
                exit(ExitOutcome::Signaled { signal: 15 }, "");
                copy.state = CopyState::Stopped;
                copy.seq += 1;
            } else if is_over {
                exit(ExitOutcome::WindowClosed, "");
                copy.state = CopyState::Stopped;
                copy.seq += 1;
            } else if let Some((_, code, line)) = copy.ends.filter(|(at, ..)| *at <= now) {
                exit(ExitOutcome::Exited { code }, line);
                copy.state = if code == 0 { CopyState::Completed } else { CopyState::Failed };
                copy.seq += 1;
            }
        }
        (copy.seq > workload.observed.report_seq).then(|| Report {
            id: workload.id,
            epoch: workload.observed.epoch,
            seq: copy.seq,
            at,
            state: copy.state,
            reason: "as the script says".to_owned(),
            restarts: 0,
            instance: None,
            next_start_at: None,
            last_exit,
            health: None,
            trouble: None,
        })
    }

    fn start(&mut self, workload: &Object<Workload>, key: (Uid, u64)) {
        let name = workload.name.to_string();
        let run = self.runs.entry(name.clone()).or_default();
        *run += 1;
        let at = |after| self.now.wall.plus(after);
        let (state, up, ends) = match (self.script)(&name, *run) {
            Run::Stays => (CopyState::Running, None, None),
            Run::Hangs => (CopyState::Provisioning, None, None),
            Run::Starts(after) => (CopyState::Provisioning, Some(at(after)), None),
            Run::Ends(after, code, line) => {
                (CopyState::Running, None, Some((at(after), code, line)))
            }
        };
        self.started.push((name, self.now.wall));
        let not_after = workload.spec.not_after;
        self.copies.insert(key, Copy { seq: 1, state, up, ends, not_after, stopped_at: None });
    }

    pub(super) fn agent_times(&self) -> Vec<Timestamp> {
        let live = self.copies.iter().filter(|((id, _), copy)| {
            !copy.state.is_final() && self.world.workloads.get(*id).is_some()
        });
        let times = live.flat_map(|(_, copy)| {
            [copy.up, copy.ends.map(|(at, ..)| at), copy.not_after, copy.stopped_at]
        });
        times.flatten().filter(|at| *at > self.now.wall).collect()
    }
}
