//! A simulated machine: the real agent core on it, and what the core's actions
//! do there. Runs outlive the agent, as real ones do under their supervisors.

mod disk;
mod fate;
mod news;
mod runs;
mod supervisor;

use std::collections::{BTreeMap, BTreeSet};

use tessera_agent::core::{
    Action, Adopted, AgentCore, CopyId, Heartbeat, Launch, Progress, RunEnd, RunEvent, RunId,
    Unwritten,
};
use tessera_types::node::Capacity;
use tessera_types::workload::{ExitOutcome, Instance, OnDisconnect, WorkloadSpec};
use tessera_types::{BootTime, Bytes, Duration, Millicores, Name, Timestamp, Uid};

pub(crate) use self::fate::Fate;
use self::runs::end;
use crate::clock::Clock;
use crate::control::LEASE;
use crate::tenants::Tenants;

/// One start of one copy on the machine.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) spec: std::sync::Arc<WorkloadSpec>,
    /// By the machine's clock.
    pub(crate) launched_at: Timestamp,
    pub(crate) started: Option<Instance>,
    /// When what happens next to it happens.
    pub(crate) next: Timestamp,
    pub(crate) phase: Phase,
    pub(crate) lease_until: Option<BootTime>,
    pub(crate) not_after: Option<Timestamp>,
    pub(crate) end: Option<RunEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Running,
    Stopping,
    /// Its supervisor is gone, and nobody has noticed.
    Abandoned,
    Ended,
}

impl Run {
    /// Whether a process of it exists.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Stopping)
    }

    /// When its supervisor has killed it for its lease. To kill what runs takes a while, which
    /// the control plane leaves it.
    fn killed_by(&self, id: RunId) -> Option<BootTime> {
        let takes_ms = if self.is_alive() { id.copy.id.0 * 997 % KILL_MS_MAX } else { 0 };
        Some(self.lease_until?.plus(Duration::from_millis(takes_ms)))
    }
}

/// Any other call than a heartbeat is given up after this, as by the real agent.
pub(crate) const CALL_TIME: Duration = Duration::from_secs(15);

/// A supervisor has killed its run within this.
const KILL_MS_MAX: u64 = 2500;

/// A simulated machine.
pub(crate) struct Machine {
    pub(crate) name: Name,
    pub(crate) cpu: u64,
    pub(crate) agent: Option<AgentCore>,
    /// This start of the agent; counts.
    pub(crate) session: u64,
    pub(crate) is_registered: bool,
    pub(crate) is_frozen: bool,
    pub(crate) is_cut_off: bool,
    /// It is not heard, or hears nothing.
    pub(crate) is_mute: bool,
    pub(crate) is_deaf: bool,
    /// Nothing fails on it any more.
    pub(crate) is_at_peace: bool,
    /// Its node was deleted, and with it what was known of what it has.
    pub(crate) was_deleted: bool,
    /// Which installation of an agent it has; counts.
    pub(crate) installation: u64,
    /// The agent is killed after so many more of its actions.
    pub(crate) dies_after: Option<u32>,
    pub(crate) sync_sent_at: Option<Timestamp>,
    /// The last call was given up.
    pub(crate) has_failed: bool,
    /// When the last call was answered, by the control plane's clock.
    pub(crate) answered_at: Option<Timestamp>,
    pub(crate) report_sent_at: Option<Timestamp>,
    pub(crate) runs: BTreeMap<RunId, Run>,
    pub(crate) disk: BTreeMap<CopyId, Progress>,
    /// Most of what is to be written there is not.
    pub(crate) is_disk_full: bool,
    /// What the agent knows of these is newer than what is there.
    pub(crate) unsaved: BTreeSet<CopyId>,
    /// As the agent has it.
    unwritten: Unwritten,
    pub(crate) tenants: Tenants,
    lease_until: BootTime,
    pids: u32,
    pub(crate) clock: Clock,
    /// What of the clock's being set the agent has not noticed yet.
    unnoticed_ms: i64,
    /// What becomes of the programs on it.
    pub(crate) fate: Fate,
    /// Actions of its agents so far, and jobs for tenants.
    pub(crate) actions: u64,
    /// Runs of which a killed agent had written a new end down, and had not told it yet.
    pub(crate) untold: BTreeSet<RunId>,
    /// The agent dies right after this one.
    pub(crate) dies_at: Option<u64>,
    /// It has, and nobody has noticed.
    pub(crate) has_died: bool,
    /// How often a run was launched, has started or was told to stop.
    pub(crate) turns: u64,
    /// The supervisor of that run dies right after this one.
    pub(crate) abandons_at: Option<u64>,
    /// It has, and nobody has noted it.
    pub(crate) has_abandoned: Option<RunId>,
}

impl Machine {
    pub(crate) fn new(name: Name, cpu: u64, clock: Clock, tenants: Tenants) -> Self {
        Self {
            name,
            cpu,
            agent: Some(AgentCore::new().with_capacity(capacity(cpu))),
            session: 1,
            is_registered: false,
            is_frozen: false,
            is_cut_off: false,
            is_mute: false,
            is_deaf: false,
            is_at_peace: false,
            was_deleted: false,
            installation: 1,
            dies_after: None,
            sync_sent_at: None,
            has_failed: false,
            answered_at: None,
            report_sent_at: None,
            runs: BTreeMap::new(),
            disk: BTreeMap::new(),
            is_disk_full: false,
            unsaved: BTreeSet::new(),
            unwritten: Unwritten::default(),
            tenants,
            lease_until: BootTime::default(),
            pids: 0,
            clock,
            unnoticed_ms: 0,
            fate: Fate::Declared,
            actions: 0,
            untold: BTreeSet::new(),
            dies_at: None,
            has_died: false,
            turns: 0,
            abandons_at: None,
            has_abandoned: None,
        }
    }

    /// The agent has done something.
    fn has_acted(&mut self, now: Timestamp) {
        self.actions += 1;
        if self.dies_at == Some(self.actions) {
            self.kill_agent(now);
            self.has_died = true;
        }
    }

    /// The agent is killed; its runs go on.
    pub(crate) fn kill_agent(&mut self, now: Timestamp) {
        self.agent = None;
        self.tenants.kill_agent(now, &self.clock);
        self.is_registered = false;
    }

    /// A new agent takes over what is there.
    pub(crate) fn start_agent(&mut self, now: Timestamp) {
        let adopted = self
            .runs
            .iter()
            .map(|(run, state)| Adopted {
                run: *run,
                instance: state.started.clone(),
                end: state.end.clone(),
            })
            .collect();
        let saved = self.disk.values().cloned().collect();
        let agent = AgentCore::restore(self.clock.wall(now), saved, adopted);
        self.agent = Some(agent.with_capacity(capacity(self.cpu)));
        self.tenants.start_agent(now, &self.clock);
        self.session += 1;
        self.is_registered = false;
        self.is_frozen = false;
        self.sync_sent_at = None;
        self.has_failed = false;
        self.answered_at = None;
        self.report_sent_at = None;
        self.lease_until = BootTime::default();
        self.unnoticed_ms = 0;
        self.untold.clear();
        self.unwritten = Unwritten::default();
        // What is written there is what this agent knows; but for runs that are not there.
        let runs = &self.runs;
        self.unsaved.retain(|copy| runs.keys().any(|run| run.copy == *copy));
        self.act(now);
    }

    /// The agent, if it can act. If the clock was set, it hears of that first.
    pub(crate) fn awake(&mut self, now: Timestamp) -> Option<(&mut AgentCore, Timestamp)> {
        if self.is_frozen {
            return None;
        }
        let agent = self.agent.as_mut()?;
        let wall = self.clock.wall(now);
        match std::mem::take(&mut self.unnoticed_ms) {
            0 => {}
            by_ms => {
                agent.clock_set(wall, by_ms);
                self.tenants.clock_set(by_ms);
            }
        }
        Some((agent, wall))
    }

    /// Whether what the control plane says reaches its agent, and is done.
    pub(crate) fn can_be_told(&self) -> bool {
        let is_away = self.is_cut_off || self.is_mute || self.is_deaf;
        let is_stuck = self.agent.is_none() || self.is_frozen || self.is_disk_full;
        self.is_registered && !is_away && !is_stuck
    }

    /// Sets the wall clock to show so much more than it should.
    pub(crate) fn set_clock(&mut self, ms: i64) {
        self.unnoticed_ms += ms - self.clock.is_set_by_ms();
        self.clock.set(ms);
    }

    /// How long this call takes at most, and how long it may wait for news.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        Heartbeat::next(LEASE, self.has_failed)
    }

    /// An answered sync: the lease runs from when it was sent.
    pub(crate) fn renew(&mut self, until: BootTime) {
        self.lease_until = until;
        for run in self.runs.values_mut().filter(|run| run.lease_until.is_some()) {
            run.lease_until = Some(until);
        }
    }

    /// Does what the core asks for.
    pub(crate) fn act(&mut self, now: Timestamp) {
        loop {
            let actions = self.awake(now).map(|(agent, _)| agent.take_actions());
            let actions = actions.unwrap_or_default();
            if actions.is_empty() {
                return;
            }
            let mut left = actions.into_iter();
            while let Some(action) = left.next() {
                if self.dies_before_this() {
                    self.kill_agent(now);
                    return self.leave_untold(std::iter::once(action).chain(left));
                }
                self.do_action(action, now);
                self.has_acted(now);
                if self.agent.is_none() {
                    return self.leave_untold(left);
                }
            }
        }
    }

    /// The agent was killed before it did these.
    fn leave_untold(&mut self, left: impl Iterator<Item = Action>) {
        self.untold.extend(left.filter_map(|action| match action {
            Action::SetNotAfter { run, .. } => Some(run),
            _ => None,
        }));
    }

    /// Whether the agent is killed between two of its actions.
    fn dies_before_this(&mut self) -> bool {
        let left = self.dies_after.map(|left| left.checked_sub(1));
        self.dies_after = left.flatten();
        left == Some(None)
    }

    /// The machine loses its power, and with it all that ran.
    pub(crate) fn lose_power(&mut self, now: Timestamp) {
        self.kill_agent(now);
        let wall = self.clock.wall(now);
        for run in self.runs.values_mut().filter(|run| run.end.is_none()) {
            end(run, wall, ExitOutcome::SupervisorLost, false);
        }
        self.tenants.ground.restart_manager(now);
        self.clock.reboot(now);
    }

    /// The machine is set up anew: nothing that was on it is there any more.
    pub(crate) fn set_up_anew(&mut self, now: Timestamp) {
        self.lose_power(now);
        self.runs.clear();
        self.disk.clear();
        self.unsaved.clear();
        self.installation += 1;
    }

    fn do_action(&mut self, action: Action, now: Timestamp) {
        let fate = self.fate;
        match action {
            Action::Save { progress, .. } => self.save(*progress),
            Action::Start(launch) => {
                match self.unwritten.may_start(launch.run, self.clock.wall(now)) {
                    Ok(()) => self.start(launch, now),
                    Err(end) => {
                        if let Some((agent, wall)) = self.awake(now) {
                            agent.event(wall, launch.run, RunEvent::Ended(end));
                        }
                    }
                }
            }
            Action::Stop { run: id, stop } => {
                if let Some(run) = self.runs.get_mut(&id)
                    && matches!(run.phase, Phase::Starting | Phase::Running)
                {
                    run.phase = Phase::Stopping;
                    run.next = now.plus(fate.time_to_stop(id, stop.grace));
                    self.has_turned(id, now);
                }
            }
            Action::SetNotAfter { run, at } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.not_after = at;
                }
            }
            Action::Probe { run, .. } => {
                let is_there = self.runs.get(&run).is_some_and(|it| it.phase != Phase::Abandoned);
                let healthy = is_there && (self.is_at_peace || fate.is_healthy(run, now));
                let result = if healthy { Ok(()) } else { Err("no answer".to_owned()) };
                if let Some((agent, wall)) = self.awake(now) {
                    agent.event(wall, run, RunEvent::Probed(result));
                }
            }
            Action::Remove { run } => {
                if self.unwritten.may_remove(run) {
                    self.runs.remove(&run);
                }
            }
            Action::Forget { copy } => self.forget(copy),
        }
    }

    fn start(&mut self, launch: Launch, now: Timestamp) {
        let must_stop = launch.spec.on_disconnect == OnDisconnect::Stop;
        let run = Run {
            not_after: launch.spec.not_after,
            lease_until: must_stop.then_some(self.lease_until),
            spec: launch.spec,
            launched_at: self.clock.wall(now),
            started: None,
            next: now.plus(self.fate.time_to_start(launch.run)),
            phase: Phase::Starting,
            end: None,
        };
        self.runs.insert(launch.run, run);
        self.has_turned(launch.run, now);
    }

    /// When something happens on this machine by itself.
    pub(crate) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        let runs = self.runs.iter().filter(|(_, run)| run.phase != Phase::Ended);
        let of_runs = runs.flat_map(|(id, run)| {
            if run.phase == Phase::Abandoned {
                return [self.finds_at(run.next), None, None].into_iter().flatten();
            }
            let lease = run.killed_by(*id).map(|until| self.clock.when_boot(now, until));
            let window = run.not_after.map(|end| self.clock.when_wall(now, end));
            [Some(run.next), lease, window].into_iter().flatten()
        });
        let agent = self.agent.as_ref().filter(|_| !self.is_frozen);
        let of_agent = agent.and_then(|agent| agent.next_wakeup(self.clock.wall(now)));
        let of_agent = of_agent.map(|at| self.clock.when_wall(now, at));
        let of_tenants = agent.and_then(|_| self.tenants.next_at(now, &self.clock));
        of_runs.chain(of_agent).chain(of_tenants).min()
    }

    /// Lets happen what happens by `now`.
    pub(crate) fn advance(&mut self, now: Timestamp, crashes: bool) {
        let ids: Vec<_> = self.runs.keys().copied().collect();
        for id in ids {
            if let Some(event) = self.advance_run(id, now, crashes)
                && let Some((agent, wall)) = self.awake(now)
            {
                agent.event(wall, id, event);
            }
        }
        if let Some((agent, wall)) = self.awake(now) {
            agent.tick(wall);
        }
        self.act(now);
        if !self.is_frozen {
            let begun = self.tenants.jobs_begun;
            self.tenants.advance(now, &self.clock);
            if self.tenants.jobs_begun > begun {
                self.has_acted(now);
            }
        }
    }

    /// What the agent found out only now that it is awake again.
    pub(crate) fn wake_up(&mut self, now: Timestamp) {
        self.is_frozen = false;
        let mut events = Vec::new();
        for (id, run) in &self.runs {
            match (&run.end, &run.started) {
                (Some(end), _) => events.push((*id, RunEvent::Ended(end.clone()))),
                (None, Some(instance)) => {
                    events.push((*id, RunEvent::Started(instance.clone())));
                }
                (None, None) => {}
            }
        }
        let Some((agent, wall)) = self.awake(now) else { return };
        events.into_iter().for_each(|(id, event)| agent.event(wall, id, event));
        agent.tick(wall);
        self.act(now);
    }

    /// The runs of a workload of which a process exists.
    pub(crate) fn alive(&self, workload: Uid) -> impl Iterator<Item = (&RunId, &Run)> {
        self.runs.iter().filter(move |(id, run)| id.copy.id == workload && run.is_alive())
    }
}

/// What a machine of this size says that it has: small ones run short of processors, and large
/// ones of places.
pub(crate) fn capacity(cpu: u64) -> Capacity {
    let workloads = if cpu < 5000 { 20 } else { 4 };
    Capacity { cpu: Millicores(cpu), memory: Bytes(1 << 30), workloads }
}
