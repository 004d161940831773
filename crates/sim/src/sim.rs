//! The run: events in the order of their times, faults among them, and then
//! peace.

mod faults;
mod jobs;
mod network;
mod tenants;
mod turns;

use std::collections::BTreeMap;

use tessera_agent::core::AgentCore;
use tessera_types::{Duration, Name, Timestamp};

use self::faults::Mend;
use self::jobs::EngineEvent;
use crate::check::jobs::Tries;
use crate::check::quiet::Quiet;
use crate::check::timed::Seen;
use crate::check::watchers::Watchers;
use crate::check::{self, Placed};
use crate::clock::{BEGIN, Clock};
use crate::control::Control;
use crate::disk::Disk;
use crate::engine::Engine;
use crate::machine::Machine;
use crate::message::{ToAgent, ToControl};
use crate::people::People;
use crate::rng::Rng;
use crate::tenants::Tenants;

/// What a run is like.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The seed; the same seed is the same run.
    pub seed: u64,
    /// Machines.
    pub nodes: u64,
    /// How long people and fate are active.
    pub busy: Duration,
    /// How long everything then has to come to be.
    pub calm: Duration,
    /// Whether there are faults.
    pub faults: bool,
}

impl Config {
    /// The usual run of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let (busy, calm) = (Duration::from_secs(600), Duration::from_secs(900));
        Self { seed, nodes: 2 + seed % 4, busy, calm, faults: !seed.is_multiple_of(7) }
    }
}

/// What a run without a failure came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Events.
    pub events: u64,
    /// Commits.
    pub revision: u64,
    /// What happened, line by line.
    pub trace: Vec<String>,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that replays it.
    pub seed: u64,
    /// Which.
    pub what: String,
    /// The last lines of what happened.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        self.trace.iter().rev().take(60).rev().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A message reaches the control plane.
    Up(usize, u64, ToControl),
    /// A message reaches an agent.
    Down(usize, u64, ToAgent),
    /// Somebody does something.
    Operate,
    /// Somebody does something about tenants, or to them.
    Tenants,
    /// Something breaks.
    Break,
    /// Something that broke is mended.
    Mend(Mend),
    /// Something between the control plane and the engine.
    Engine(EngineEvent),
}

/// What failed with the disk is tried again within this.
const DISK_RECOVERY: Duration = Duration::from_secs(40);

struct Sim {
    config: Config,
    rng: Rng,
    tenant_rng: Rng,
    now: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Event>,
    made: u64,
    disk: Disk,
    /// Until then commits take their time.
    slow_until: Timestamp,
    watchers: Watchers,
    quiet: Quiet,
    /// Workloads whose bad specs were mended in the end.
    mended: Vec<Name>,
    people: People,
    control: Option<Control>,
    control_clock: Clock,
    machines: Vec<Machine>,
    engine: Engine,
    /// What was declared for each placement when it was made.
    placed: Placed,
    /// What was seen of timed resources.
    seen: Seen,
    /// What was seen of jobs.
    tries: Tries,
    /// When the disk last refused to write.
    disk_failed_at: Timestamp,
    peace_at: Timestamp,
    trace: Vec<String>,
}

/// Runs one seed.
///
/// # Errors
/// [`Failure`] when an invariant does not hold.
pub fn run(config: Config) -> Result<Outcome, Failure> {
    let mut sim = Sim::new(config);
    match sim.live() {
        Ok(events) => {
            let revision = sim.control.as_ref().map_or(0, |control| control.world.revision().0);
            Ok(Outcome { events, revision, trace: sim.trace })
        }
        Err(what) => Err(Failure { seed: config.seed, what, trace: sim.trace }),
    }
}

impl Sim {
    fn new(config: Config) -> Self {
        let mut rng = Rng::new(config.seed);
        let now = BEGIN;
        let disk = Disk::default();
        let control_clock = Clock::new(&mut rng);
        let control = Some(Control::start(&disk, control_clock.clone(), now));
        let machines = (0..config.nodes)
            .map(|i| {
                let name = Name::new(&format!("n{i}")).expect("a DNS label");
                let cpu = rng.between(2, 6) * 1000;
                let clock = Clock::new(&mut rng);
                let tenants = Tenants::new(Rng::new(config.seed ^ (0x7E4A << 32) ^ i), &clock);
                Machine::new(name, cpu, clock, tenants)
            })
            .collect();
        let peace_at = now.plus(config.busy);
        let (queue, trace) = (BTreeMap::new(), Vec::new());
        Self {
            config,
            rng,
            // Of its own, so that a seed is much the same without tenants.
            tenant_rng: Rng::new(config.seed ^ 0x7E4A_4175),
            now,
            queue,
            made: 0,
            disk,
            slow_until: now,
            watchers: Watchers::new(Rng::new(config.seed ^ 0x3A7C), now),
            quiet: Quiet::new(Rng::new(config.seed ^ 0x9A1E), now),
            mended: Vec::new(),
            people: People::default(),
            control,
            control_clock,
            machines,
            engine: Engine::default(),
            placed: Placed::default(),
            seen: Seen::default(),
            tries: Tries::default(),
            disk_failed_at: Timestamp::EPOCH,
            peace_at,
            trace,
        }
    }

    /// Adds to the trace what the agents and the control plane think.
    fn explain(&mut self) {
        let mut lines = Vec::new();
        for machine in &self.machines {
            for (id, run) in &machine.runs {
                lines.push(format!("{}: run {id} is {:?}", machine.name, run.phase));
            }
            for copy in machine.agent.iter().flat_map(AgentCore::copies) {
                let (id, state, ending) = (copy.copy, copy.state, copy.ending);
                lines.push(format!(
                    "{}: copy {id} is {state}, ending {ending:?}, live {}",
                    machine.name, copy.live
                ));
            }
        }
        for workload in self.control.iter().flat_map(|control| control.world.workloads.iter()) {
            let at = workload.observed.assigned.as_ref().map(|assigned| &assigned.node);
            let (id, epoch) = (workload.id, workload.observed.epoch);
            lines.push(format!(
                "control: {id}-{epoch} is {} on {at:?}, {}",
                workload.status, workload.spec.resources.cpu
            ));
        }
        lines.iter().for_each(|line| self.note(line));
    }

    fn note(&mut self, line: &str) {
        self.trace.push(format!(
            "{:>10} {line}",
            self.now.since(self.peace_at.minus(self.config.busy)).as_millis()
        ));
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.made += 1;
        self.queue.insert((self.now.plus(Duration::from_millis(ms)), self.made), event);
    }

    fn is_peace(&self) -> bool {
        self.now >= self.peace_at
    }

    fn live(&mut self) -> Result<u64, String> {
        self.after(10, Event::Operate);
        self.after(2000, Event::Tenants);
        if self.config.faults {
            self.after(5000, Event::Break);
            self.after(20_000, Event::Engine(EngineEvent::Dies));
        }
        let end = self.peace_at.plus(self.config.calm);
        let mut events = 0;
        let mut was_peace = false;
        while self.now < end {
            events += 1;
            if events > 200_000 {
                return Err("it does not come to rest".to_owned());
            }
            self.step(end)?;
            if self.is_peace() && !was_peace {
                was_peace = true;
                self.make_peace();
            }
            self.check().inspect_err(|_| self.explain())?;
        }
        self.judge()?;
        Ok(events)
    }

    fn check(&mut self) -> Result<(), String> {
        self.check_history()?;
        if let Some(control) = &self.control {
            if self.seen.is_behind(control) {
                self.placed.take_in(control);
                check::placed_fits(control)?;
            }
            let was_writable = self.now.since(self.disk_failed_at) > DISK_RECOVERY;
            if was_writable && control.is_quiet(self.now) {
                check::silent_nodes_are_offline(control, self.now)?;
                self.quiet.check(control, &self.disk, self.now)?;
            }
            self.seen.check(control, self.now)?;
            self.tries.check(&control.world, &self.engine)?;
            if was_writable && control.is_quiet(self.now) {
                check::timed::nothing_outlives_its_deadline(control, self.now)?;
            }
        }
        check::tenants::always(self.control.as_ref(), &self.machines)?;
        check::always(&self.machines, &self.placed, self.now)
    }

    /// The next thing that happens, and what follows from it at once.
    fn step(&mut self, end: Timestamp) -> Result<(), String> {
        let now = self.now;
        let next_event = self.queue.first_key_value().map(|((at, _), _)| *at);
        let next_machine = self.machines.iter().filter_map(|machine| machine.next_at(now)).min();
        let next_control = self.control.as_ref().and_then(|control| control.next_at(now));
        let next_call = (0..self.machines.len()).filter_map(|i| self.next_call(i)).min();
        let next_engine = self.next_of_engine();
        let next = [next_event, next_machine, next_control, next_call, next_engine];
        let next = next.into_iter().flatten().min();
        self.now = next.unwrap_or(end).clamp(now, end);
        if next_event.is_some_and(|at| at <= self.now)
            && let Some((_, event)) = self.queue.pop_first()
        {
            self.happen(event)?;
        }
        let crashes = !self.is_peace();
        for machine in &mut self.machines {
            machine.advance(self.now, crashes, &mut self.rng);
        }
        self.reconcile();
        self.bury();
        self.drive_engine();
        (0..self.machines.len()).for_each(|i| self.call(i));
        Ok(())
    }

    fn reconcile(&mut self) {
        self.begin_turn();
        let Some(control) = &mut self.control else { return };
        while control.is_due(self.now) {
            let pass = control.plan(self.now);
            // A crash between a plan and its commit, and right after it.
            if self.config.faults
                && self.now < self.peace_at
                && self.rng.percent(1)
                && self.rng.percent(20)
            {
                let committed = self.rng.percent(50);
                if committed {
                    control.commit_pass(pass, self.now);
                }
                return self.crash_control(&format!("in a pass, committed: {committed}"));
            }
            let slow = turns::pause(self.slow_until, self.now, &mut self.rng);
            let Some(pass) = control.hold(pass, slow) else { continue };
            control.commit_pass(pass, self.now);
            if self.now >= self.peace_at {
                continue;
            }
            if control.is_due(self.now) && self.rng.percent(5) {
                break;
            }
        }
        let Some(control) = &mut self.control else { return };
        for (name, session, answer) in control.answers(self.now) {
            let to = self.machines.iter().position(|machine| machine.name == name);
            if let Some(to) = to {
                self.send_down(to, session, &answer);
            }
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Up(from, session, message) => self.reach_control(from, session, message),
            Event::Down(to, session, message) => self.reach_agent(to, session, message),
            Event::Operate | Event::Break if self.is_peace() => {}
            Event::Tenants => self.operate_tenants(),
            Event::Operate => {
                self.operate();
                let ms = self.rng.between(10, 10_000);
                self.after(ms, Event::Operate);
            }
            Event::Break => {
                self.break_something();
                let ms = self.rng.between(1000, 30_000);
                self.after(ms, Event::Break);
            }
            Event::Mend(mend) => self.mend(mend),
            Event::Engine(event) => return self.happen_to_engine(event),
        }
        Ok(())
    }

    fn crash_control(&mut self, when: &str) {
        self.control = None;
        self.note(&format!("the control plane crashes {when}"));
        let ms = self.rng.between(10, 20_000);
        self.after(ms, Event::Mend(Mend::Control));
    }

    fn judge(&mut self) -> Result<(), String> {
        let summary = self.engine.summary();
        self.note(&summary);
        self.judge_history()?;
        let control = self.control.as_mut().ok_or("there is no control plane in the end")?;
        check::world_is_the_stores(control)?;
        check::converged(control, &self.machines, self.now)?;
        check::tenants::converged(control, &self.machines, self.now)?;
        check::timed::converged(control, self.now)?;
        check::jobs::converged(&control.world, &self.engine, control.clock.wall(self.now))?;
        control.reconciler.resync(&control.world);
        let now = control.clock.now(self.now);
        let pass = control.reconciler.pass(&control.world, now, usize::MAX);
        match pass.writes.first() {
            Some((_, write)) => Err(format!("a settled system wants to write {write:?}")),
            None => Ok(()),
        }
    }
}
