//! Tenants on a simulated machine: the agent's real core of them, and its jobs, each of which
//! takes a while, so that the agent can be killed before, in and after it.

mod ground;

use tessera_agent::tenants::INTERVAL;
use tessera_agent::tenants::core::{Done, Job, TenantsCore};
use tessera_types::sync::{TenantAssignment, TenantReport};
use tessera_types::{Duration, Revision, Timestamp};

use crate::clock::{BEGIN, Clock};
use crate::rng::Rng;

pub(crate) use self::ground::Ground;

/// The tenants of a machine, and what its agent knows of them.
pub(crate) struct Tenants {
    pub(crate) ground: Ground,
    /// That of the agent, if one lives.
    core: Option<TenantsCore>,
    under_way: Option<UnderWay>,
    rng: Rng,
    /// When the agent last said something of tenants.
    pub(crate) reported_at: Timestamp,
    /// What an agent must never be told.
    pub(crate) wrong: Option<String>,
    /// Jobs that it has begun.
    pub(crate) jobs_begun: u64,
}

/// A job of which the agent has not heard.
struct UnderWay {
    job: Job,
    /// What came of it, if it is done.
    done: Option<Done>,
    until: Timestamp,
}

impl Tenants {
    pub(crate) fn new(rng: Rng, clock: &Clock) -> Self {
        let mut tenants = Self {
            ground: Ground::default(),
            core: None,
            under_way: None,
            rng,
            reported_at: BEGIN,
            wrong: None,
            jobs_begun: 0,
        };
        tenants.start_agent(BEGIN, clock);
        tenants
    }

    pub(crate) fn start_agent(&mut self, now: Timestamp, clock: &Clock) {
        self.core = Some(TenantsCore::restore(clock.wall(now), self.ground.notes(), INTERVAL));
    }

    pub(crate) fn kill_agent(&mut self, now: Timestamp, clock: &Clock) {
        self.core = None;
        if let Some(UnderWay { job, done: None, .. }) = self.under_way.take()
            && self.rng.percent(50)
        {
            self.ground.cut_off(job, now, clock, &mut self.rng);
        }
    }

    /// What to ask the control plane with, where the list of workloads is of this revision.
    pub(crate) fn since(&self, workloads: Revision) -> Revision {
        self.core.as_ref().map_or(Revision::ZERO, |core| core.since(workloads))
    }

    pub(crate) fn registered(&mut self) {
        self.core.iter_mut().for_each(TenantsCore::registered);
    }

    pub(crate) fn clock_set(&mut self, by_ms: i64) {
        self.core.iter_mut().for_each(|core| core.clock_set(by_ms));
    }

    /// The agent is told of all tenants of its node.
    pub(crate) fn listed(&mut self, wall: Timestamp, at: Revision, list: &[TenantAssignment]) {
        let Some(core) = &mut self.core else { return };
        core.assigned(wall, at, list);
        if core.is_incomplete() {
            self.wrong = Some(format!("an agent has not all specs of {list:?}"));
        }
    }

    /// When the agent does something by itself.
    pub(crate) fn next_at(&self, now: Timestamp, clock: &Clock) -> Option<Timestamp> {
        match &self.under_way {
            Some(under_way) => Some(under_way.until),
            None => Some(clock.when_wall(now, self.core.as_ref()?.next_wakeup()?)),
        }
    }

    /// Hears of the job that is over, and begins the next.
    pub(crate) fn advance(&mut self, now: Timestamp, clock: &Clock) {
        let Some(core) = &mut self.core else { return };
        let (ground, rng, wall) = (&mut self.ground, &mut self.rng, clock.wall(now));
        if let Some(UnderWay { job, done, .. }) = self.under_way.take_if(|it| it.until <= now) {
            let done = done.unwrap_or_else(|| ground.carry_out(job, now, clock, rng));
            core.done(wall, done);
        }
        if let Some(job) = core.next(wall) {
            // It is done at once and heard of later, or the other way round.
            let is_quick = rng.percent(50);
            let done = is_quick.then(|| ground.carry_out(job.clone(), now, clock, rng));
            let until = now.plus(Duration::from_millis(rng.between(1, 500)));
            self.under_way = Some(UnderWay { job, done, until });
            self.jobs_begun += 1;
        }
    }

    /// What the agent has to say.
    pub(crate) fn reports(&self) -> Vec<TenantReport> {
        self.core.iter().flat_map(TenantsCore::unreported).cloned().collect()
    }

    /// What it said was dealt with.
    pub(crate) fn acknowledged(&mut self, reports: &[TenantReport]) {
        if let Some(core) = &mut self.core {
            reports.iter().for_each(|report| core.acknowledged(report));
        }
    }
}
