//! The run: events in the order of their times, faults among them, and then
//! peace.

mod act;
mod boundary;
mod faults;
mod following;
mod jobs;
mod machines;
mod network;
mod observe;
mod tenants;
mod turns;

use std::collections::BTreeMap;

use tessera_types::{Duration, Name, Timestamp, Uid};

use self::faults::Mend;
use self::jobs::EngineEvent;
use crate::acts::{Act, Acts, Class};
use crate::boundary::{Boundary, Counts};
use crate::check::hosts::MadeFrom;
use crate::check::jobs::Tries;
use crate::check::quiet::Quiet;
use crate::check::timed::Seen;
use crate::check::watchers::Watchers;
use crate::check::{self, Placed};
use crate::clock::{BEGIN, Clock};
use crate::config::{Config, Failure, Outcome};
use crate::control::Control;
use crate::disk::Disk;
use crate::engine::Engine;
use crate::machine::{Fate, Machine};
use crate::message::{ToAgent, ToControl};
use crate::people::People;
use crate::rng::Rng;
use crate::story::Narrator;
use crate::tenants::Tenants;

#[derive(Clone, Debug)]
enum Event {
    /// A message reaches the control plane.
    Up(usize, u64, ToControl),
    /// A message reaches an agent.
    Down(usize, u64, ToAgent),
    /// Somebody does something.
    Operate,
    /// Somebody does what comes next in a script.
    Script,
    /// Somebody does something about tenants, or to them.
    Tenants,
    /// Something breaks.
    Break,
    /// Somebody does something about hosts and definitions.
    Hosts,
    /// Something fails on one machine alone.
    Machine,
    /// An agent is killed.
    AgentDies(usize),
    /// Something that broke is mended.
    Mend(Mend),
    /// Something between the control plane and the engine.
    Engine(EngineEvent),
}

/// What failed with the disk is tried again within this.
const DISK_RECOVERY: Duration = Duration::from_secs(40);

/// Passes of the loop at one moment: each is to bring it closer to rest.
const PASSES_MAX: u32 = 500;

/// Events in a run that nobody could end by waiting.
const EVENTS_MAX: u64 = 200_000;

struct Sim {
    config: Config,
    acts: Acts,
    /// Which of them takes place just now.
    acting: Option<Act>,
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
    /// Until then nothing goes between it and the control plane.
    engine_is_cut_off_until: Timestamp,
    /// Steps of the script that are done.
    steps: usize,
    counts: Counts,
    /// What goes wrong once there is peace has no time to be put right.
    counts_at_peace: Option<Counts>,
    /// What was declared for each placement when it was made.
    placed: Placed,
    /// What was seen of timed resources.
    seen: Seen,
    /// What pods were made from.
    made_from: MadeFrom,
    /// What was seen of jobs.
    tries: Tries,
    rules: check::rules::Rules,
    overdue: check::overdue::Overdue,
    /// The loop has gone round and round at one moment.
    is_restless: bool,
    /// When the disk last refused to write.
    disk_failed_at: Timestamp,
    peace_at: Timestamp,
    trace: Vec<String>,
    statuses: BTreeMap<Uid, String>,
    narrator: Narrator,
}

/// Runs one seed.
///
/// # Errors
/// [`Failure`] when an invariant does not hold.
pub fn run(config: Config) -> Result<Outcome, Failure> {
    let seed = config.seed;
    let mut sim = Sim::new(config);
    let outcome = sim.live();
    sim.observe();
    let (trace, acts) = (std::mem::take(&mut sim.trace), std::mem::take(&mut sim.acts.happened));
    match outcome {
        Ok(events) => {
            let counts = sim.counts_at_peace.take().unwrap_or_else(|| sim.counts());
            let world = sim.control.iter().flat_map(|control| control.world.all());
            sim.narrator.ended(&trace, world.filter(|_| sim.config.script.is_some()));
            let revision = sim.control.as_ref().map_or(0, |control| control.world.revision().0);
            Ok(Outcome { events, revision, trace, story: sim.narrator.story, counts, acts })
        }
        Err(what) => Err(Failure { seed, what, trace, acts }),
    }
}

/// Streams of chance that are no act's.
mod stream {
    pub(super) const CONTROL_CLOCK: u64 = 1 << 56;
    pub(super) const MACHINE: u64 = 2 << 56;
    pub(super) const TENANTS: u64 = 3 << 56;
    pub(super) const REST: u64 = 4 << 56;
    pub(super) const PASS: u64 = 5 << 56;
    pub(super) const SLOW: u64 = 6 << 56;
    pub(super) const WATCHERS: u64 = 7 << 56;
    pub(super) const QUIET: u64 = 8 << 56;
    pub(super) const ENGINE_CLOCK: u64 = 9 << 56;
}

impl Sim {
    fn new(config: Config) -> Self {
        let seed = config.seed;
        let of = |stream: u64| Rng::of(seed, stream);
        let now = BEGIN;
        let disk = Disk::default();
        let control_clock = Clock::new(&mut of(stream::CONTROL_CLOCK));
        if let Some(Boundary::Commit(number)) = config.boundary {
            disk.chronicle.dies_after(number);
        }
        let control = Some(Control::start(&disk, control_clock.clone(), now));
        let machines = (0..config.nodes).map(|i| machine(&config, i)).collect();
        let peace_at = now.plus(config.busy);
        let dies_after = match config.boundary {
            Some(Boundary::Engine(number)) => Some(number),
            _ => None,
        };
        let is_steady = config.script.is_some();
        let engine = Engine::new(is_steady, dies_after, Clock::new(&mut of(stream::ENGINE_CLOCK)));
        Self {
            acts: Acts::default(),
            acting: None,
            rng: of(stream::REST),
            tenant_rng: of(stream::REST + 1),
            config,
            now,
            queue: BTreeMap::new(),
            made: 0,
            disk,
            slow_until: now,
            watchers: Watchers::new(of(stream::WATCHERS), now),
            quiet: Quiet::new(of(stream::QUIET), now),
            mended: Vec::new(),
            people: People::default(),
            control,
            control_clock,
            machines,
            engine,
            engine_is_cut_off_until: now,
            steps: 0,
            counts: Counts::default(),
            counts_at_peace: None,
            placed: Placed::default(),
            seen: Seen::default(),
            made_from: MadeFrom::default(),
            tries: Tries::default(),
            rules: check::rules::Rules::default(),
            overdue: check::overdue::Overdue::default(),
            is_restless: false,
            disk_failed_at: Timestamp::EPOCH,
            peace_at,
            trace: Vec::new(),
            statuses: BTreeMap::new(),
            narrator: Narrator::default(),
        }
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.made += 1;
        self.queue.insert((self.now.plus(Duration::from_millis(ms)), self.made), event);
    }

    fn is_peace(&self) -> bool {
        self.now >= self.peace_at
    }

    fn live(&mut self) -> Result<u64, String> {
        if self.config.script.is_some() {
            self.after(10, Event::Script);
        } else {
            self.after(10, Event::Operate);
            self.after(2000, Event::Tenants);
            self.after(8000, Event::Hosts);
        }
        if self.config.faults {
            self.after(5000, Event::Break);
            self.after(6000, Event::Machine);
            self.after(20_000, Event::Engine(EngineEvent::Dies));
            self.after(30_000, Event::Engine(EngineEvent::Stalls));
        }
        let end = self.peace_at.plus(self.config.calm);
        let mut events = 0;
        let mut was_peace = false;
        while self.now < end {
            events += 1;
            if events > EVENTS_MAX {
                return Err("it does not come to rest".to_owned());
            }
            self.step(end)?;
            self.observe();
            if self.is_peace() && !was_peace {
                was_peace = true;
                self.counts_at_peace = Some(self.counts());
                self.make_peace();
            }
            self.check().inspect_err(|_| self.explain())?;
        }
        self.judge().inspect_err(|_| self.explain())?;
        Ok(events)
    }

    fn check(&mut self) -> Result<(), String> {
        self.check_history()?;
        self.check_what_is_overdue()?;
        self.engine.check(self.now)?;
        if self.is_restless {
            return Err(format!("the loop has more than {PASSES_MAX} passes at one moment"));
        }
        if let Some(control) = &self.control {
            if self.seen.is_behind(control) {
                self.placed.take_in(control);
                check::placed_fits(control)?;
                check::quiet::backlog_is_bounded(control)?;
                self.made_from.check(&control.world)?;
            }
            let was_writable = self.now.since(self.disk_failed_at) > DISK_RECOVERY;
            if was_writable && control.is_quiet(self.now) {
                check::silent_nodes_are_offline(control, self.now)?;
                self.quiet.check(control, &self.disk, self.now)?;
            }
            self.seen.check(control, self.now)?;
            self.tries.check(&control.world, &self.engine)?;
            let is_behind = !was_writable || !control.is_quiet(self.now);
            self.rules.check(control, &self.machines, is_behind, self.now)?;
            if was_writable && control.is_quiet(self.now) {
                check::timed::nothing_outlives_its_deadline(control, self.now)?;
            }
        }
        if let Some(what) = self.config.never.and_then(|never| never(&self.trace)) {
            return Err(what);
        }
        check::tenants::always(self.control.as_ref(), &self.machines)?;
        check::always(&self.machines, &self.placed, self.now)
    }

    /// A control plane that is not there, or cannot write or tell, ends nothing.
    fn check_what_is_overdue(&mut self) -> Result<(), String> {
        let now = self.now;
        let tells = |control: &&Control| !control.is_frozen(now) && control.tells_late_until < now;
        let is_writable = now.since(self.disk_failed_at) > DISK_RECOVERY;
        match self.control.as_ref().filter(tells).filter(|_| is_writable) {
            None => self.overdue.pause(),
            Some(control) => {
                let wall = control.clock.wall(now);
                self.overdue.check(&control.world, &self.machines, wall, now)?;
            }
        }
        Ok(())
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
            self.bury_the_dead();
        }
        let crashes = !self.is_peace();
        for machine in &mut self.machines {
            machine.advance(self.now, crashes);
        }
        self.reconcile();
        self.bury();
        self.bury_the_dead();
        self.drive_engine();
        self.bury_the_dead();
        (0..self.machines.len()).for_each(|i| self.call(i));
        Ok(())
    }

    fn reconcile(&mut self) {
        self.begin_turn();
        let mut passes = 0;
        while self.control.as_ref().is_some_and(|control| control.is_due(self.now)) {
            passes += 1;
            self.is_restless |= passes > PASSES_MAX;
            if self.is_restless || !self.pass() {
                return;
            }
            // Something else may come between two passes.
            let is_due = self.control.as_ref().is_some_and(|control| control.is_due(self.now));
            if is_due
                && !self.is_peace()
                && self.config.script.is_none()
                && self.chance_of(stream::PASS).percent(5)
            {
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

    /// How long something takes that is no act.
    fn any_time(&self) -> Rng {
        self.chance_of(stream::REST)
    }

    /// What only this moment decides.
    fn chance_of(&self, stream: u64) -> Rng {
        Rng::of(self.config.seed, stream | self.now.since(BEGIN).as_millis())
    }

    /// One pass, and its commit; false when the control plane dies of it.
    fn pass(&mut self) -> bool {
        let now = self.now;
        let Some(control) = &mut self.control else { return false };
        let mut pass = Some(control.plan(now));
        // A crash between a plan and its commit, and right after it.
        let dies = |rng: &mut Rng| rng.percent(1) && rng.percent(20);
        let has_died = self.may(Class::Crash, dies, |sim| {
            let committed = sim.rng.percent(50);
            if let (true, Some(control), Some(pass)) = (committed, &mut sim.control, pass.take()) {
                control.commit_pass(pass, now);
            }
            sim.crash_control(&format!("in a pass, committed: {committed}"));
        });
        let slow = turns::pause(self.slow_until, now, &mut self.chance_of(stream::SLOW));
        if let (Some(control), Some(pass)) = (&mut self.control, pass)
            && let Some(pass) = control.hold(pass, slow)
        {
            control.commit_pass(pass, now);
        }
        has_died.is_none() && !self.disk.chronicle.is_dead()
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Up(from, session, message) => self.reach_control(from, session, message),
            Event::Down(to, session, message) => self.reach_agent(to, session, message),
            Event::Operate | Event::Hosts | Event::Break | Event::Machine | Event::AgentDies(_)
                if self.is_peace() => {}
            Event::AgentDies(i) => self.agent_dies(i),
            Event::Script => self.follow_script(),
            Event::Tenants => self.operate_tenants(),
            Event::Operate => {
                let mut pause = self.act(Class::Operator, Self::operate);
                self.after(pause.between(10, 10_000), Event::Operate);
            }
            Event::Break => {
                let mut pause = self.act(Class::Fault, Self::break_something);
                self.after(pause.between(1000, 30_000), Event::Break);
            }
            Event::Hosts => {
                let mut pause = self.act(Class::Host, Self::operate_hosts);
                self.after(pause.between(500, 30_000), Event::Hosts);
            }
            Event::Machine => {
                let mut pause = self.act(Class::Machine, Self::fail_on_a_machine);
                self.after(pause.between(1000, 40_000), Event::Machine);
            }
            Event::Mend(mend) => self.mend(mend),
            Event::Engine(event) => return self.happen_to_engine(event),
        }
        Ok(())
    }

    fn crash_control(&mut self, when: &str) {
        self.control = None;
        self.note(&format!("the control plane crashes {when}"));
        let ms = self.any_time().between(10, 20_000);
        self.after(ms, Event::Mend(Mend::Control));
    }

    fn judge(&mut self) -> Result<(), String> {
        self.script_is_over()?;
        let summary = self.engine.summary();
        self.note(&summary);
        self.judge_history()?;
        let control = self.control.as_mut().ok_or("there is no control plane in the end")?;
        check::world_is_the_stores(control)?;
        check::workloads::converged(control, &self.machines, self.now)?;
        check::tenants::converged(control, &self.machines, self.now)?;
        let wall = control.clock.wall(self.now);
        check::timed::converged(control, wall, self.quiet.clock_was_set())?;
        check::hosts::converged(&control.world, wall, self.quiet.clock_was_set())?;
        check::jobs::converged(&control.world, &self.engine, wall)?;
        control.reconciler.resync(&control.world);
        let now = control.clock.now(self.now);
        let pass = control.reconciler.pass(&control.world, now, usize::MAX);
        match pass.writes.first() {
            Some((_, write)) => Err(format!("a settled system wants to write {write:?}")),
            None => Ok(()),
        }
    }
}

/// The machine of this number, the same in every run of the seed.
fn machine(config: &Config, i: u64) -> Machine {
    let mut rng = Rng::of(config.seed, stream::MACHINE | i);
    let name = Name::new(&format!("n{i}")).expect("a DNS label");
    let cpu = if config.script.is_some() { 4 } else { rng.between(2, 6) } * 1000;
    let clock = Clock::new(&mut rng);
    let tenants = Tenants::new(Rng::of(config.seed, stream::TENANTS | i), &clock);
    let mut machine = Machine::new(name, cpu, clock, tenants);
    machine.fate = if config.script.is_some() { Fate::Declared } else { Fate::Any(config.seed) };
    match config.boundary {
        Some(Boundary::Action { machine: which, number }) if which as u64 == i => {
            machine.dies_at = Some(number);
        }
        Some(Boundary::Run { machine: which, number }) if which as u64 == i => {
            machine.abandons_at = Some(number);
        }
        _ => {}
    }
    machine
}
