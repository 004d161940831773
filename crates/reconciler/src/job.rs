//! The manager of jobs: each runs once, as a workload that is never started a
//! second time, in the window of the resource that owns it.
//!
//! A job whose node is lost has failed: whether its program ran to its end is
//! not known, and running it again is a new try with a job of its own. Its
//! workload is declared so that at most one copy of it is ever alive.

use std::sync::Arc;

use tessera_types::catalogue::{JobDefinitionSpec, JobResultFrom, Pinned};
use tessera_types::job::{DesiredJobStatus, JobResult, JobStatus};
use tessera_types::workload::{OnDisconnect, Restart, RestartPolicy, WorkloadStatus};
use tessera_types::{
    Actor, Edit, IllegalTransition, Job, Kind, KindName, Name, Now, Object, OwnerRef, ResourceKey,
    Timestamp, WaitReason, Workload, Write,
};

use crate::manager::{Manager, Plan};
use crate::news::Unknown;
use crate::timed::{env, env_of, in_the_way, log_of};
use crate::workload::is_closed_by_node;
use crate::world::World;

/// Reconciles jobs.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobManager;

impl Manager for JobManager {
    type Kind = Job;

    fn reconcile(&self, job: &Arc<Object<Job>>, world: &World, now: Now) -> Plan {
        let look = Look { job, world, now: now.wall, clocks: now };
        look.go().unwrap_or_else(|illegal| {
            debug_assert!(false, "{illegal}");
            Plan::nothing()
        })
    }
}

struct Look<'a> {
    job: &'a Arc<Object<Job>>,
    world: &'a World,
    now: Timestamp,
    /// The same on both clocks.
    clocks: Now,
}

/// How a job ended.
enum End {
    Succeeded(Option<JobResult>),
    Failed(String),
    Cancelled(&'static str),
}

/// Its node stops it at its deadline, or it is known to run still.
const TOO_LONG: &str = "it took too long";

type Planned = Result<Plan, IllegalTransition>;

impl Look<'_> {
    fn go(&self) -> Planned {
        if self.job.status.is_over() {
            return Ok(self.over());
        }
        if let Some(end) = self.end() {
            return self.conclude(end);
        }
        match (&self.job.observed.definition, self.job.status) {
            (Some(definition), JobStatus::Pending) => self.start(definition),
            _ => Ok(self.wait()),
        }
    }

    fn workload(&self) -> Option<&Arc<Object<Workload>>> {
        self.world.owned::<Workload>(self.job.id).next()
    }

    /// Whether it is over, and how.
    fn end(&self) -> Option<End> {
        if self.job.deletion_requested_at.is_some() {
            return Some(End::Cancelled("it is being deleted"));
        }
        if self.job.desired_status == DesiredJobStatus::Cancelled {
            return Some(End::Cancelled("it is not wanted any more"));
        }
        if self.owner_is_gone() {
            return Some(End::Cancelled("what it belongs to is gone"));
        }
        if self.job.status == JobStatus::Running && self.workload().is_none() {
            return Some(End::Failed("its workload is gone".to_owned()));
        }
        let by_workload = self.workload().and_then(|workload| self.end_of(workload));
        let is_too_late = || self.is_late() && self.unknown().is_none();
        by_workload.or_else(|| is_too_late().then(|| End::Failed(TOO_LONG.to_owned())))
    }

    fn owner_is_gone(&self) -> bool {
        let owner = self.job.owner.as_ref();
        owner.is_some_and(|owner| self.world.get(owner.kind, owner.id).is_none())
    }

    fn is_late(&self) -> bool {
        self.job.observed.deadline.is_some_and(|deadline| deadline <= self.now)
    }

    /// What has to be known before it has taken too long.
    fn unknown(&self) -> Option<Unknown> {
        let deadline = self.job.observed.deadline?;
        Unknown::of(self.workload(), deadline, self.world, self.clocks)
    }

    fn end_of(&self, workload: &Object<Workload>) -> Option<End> {
        let exit = workload.observed.last_exit.as_ref();
        match workload.status {
            WorkloadStatus::Completed => {
                let lines = exit.map(|exit| exit.last_lines.as_slice()).unwrap_or_default();
                Some(self.result(workload, lines.last().map(String::as_str)))
            }
            WorkloadStatus::Failed => Some(End::Failed(match exit {
                None => "its program could not run".to_owned(),
                Some(exit) => format!("its program {}: {}", exit.outcome, log_of(workload)),
            })),
            WorkloadStatus::Lost => Some(End::Failed(
                "its node is Offline: whether it did its work is not known".into(),
            )),
            WorkloadStatus::Stopped if is_closed_by_node(workload) => {
                Some(End::Failed(TOO_LONG.to_owned()))
            }
            WorkloadStatus::Stopped => Some(End::Failed("its program was stopped".to_owned())),
            _ => None,
        }
    }

    /// What a program that has done its work says.
    fn result(&self, workload: &Object<Workload>, last_line: Option<&str>) -> End {
        let from = self.job.observed.definition.as_ref().map(|pinned| pinned.spec.result);
        if from != Some(JobResultFrom::LastLine) {
            return End::Succeeded(None);
        }
        let line = last_line.unwrap_or_default();
        match serde_json::from_str::<serde_json::Value>(line) {
            Ok(output @ serde_json::Value::Object(_)) => {
                let number = |name: &str| output.get(name).and_then(serde_json::Value::as_f64);
                let (score, max_score) = (number("score"), number("max_score"));
                End::Succeeded(Some(JobResult { score, max_score, output }))
            }
            _ => End::Failed(format!(
                "the last line that its program wrote is not a JSON object: {}",
                log_of(workload)
            )),
        }
    }

    fn conclude(&self, end: End) -> Planned {
        let mut edit = Edit::of(self.job, self.now);
        let by = Actor::RECONCILER;
        match end {
            End::Succeeded(result) => {
                edit.object.observed.result = result;
                if self.job.status == JobStatus::Pending {
                    edit.transition(JobStatus::Running, by.clone(), "not observed")?;
                }
                edit.transition(JobStatus::Succeeded, by, "its program has done its work")?;
            }
            End::Failed(message) => {
                edit.transition(JobStatus::Failed, by, message.as_str())?;
                edit.object.observed.message = Some(message);
            }
            End::Cancelled(reason) => {
                edit.transition(JobStatus::Cancelled, by, reason)?;
                edit.object.observed.message = Some(reason.to_owned());
            }
        }
        let mut plan = Plan::of(edit);
        plan.writes.extend(self.remove_workload());
        Ok(plan)
    }

    fn start(&self, definition: &Pinned<JobDefinitionSpec>) -> Planned {
        if self.workload().is_some() {
            let mut edit = Edit::of(self.job, self.now);
            edit.transition(JobStatus::Running, Actor::RECONCILER, "its workload is there")?;
            return Ok(Plan::of(edit).look_again_at(self.job.observed.deadline));
        }
        let workload = self.make(definition);
        let other = self.world.workloads.find(workload.namespace.as_ref(), &workload.name);
        if let Some(other) = other {
            return self.conclude(End::Failed(in_the_way(self.world, other)));
        }
        let mut edit = Edit::of(self.job, self.now);
        let name = workload.name.clone();
        edit.transition(
            JobStatus::Running,
            Actor::RECONCILER,
            format!("it runs as workload/{name}"),
        )?;
        edit.object.observed.workload = Some(name);
        let mut plan = Plan::of(edit).look_again_at(self.job.observed.deadline);
        plan.writes.push(Write::create(workload));
        Ok(plan)
    }

    fn make(&self, definition: &Pinned<JobDefinitionSpec>) -> Object<Workload> {
        let job = self.job;
        let mut spec = definition.spec.workload.clone();
        spec.restart = Restart { policy: RestartPolicy::Never, ..Restart::default() };
        spec.on_disconnect = OnDisconnect::Stop;
        spec.not_after = job.observed.deadline;
        spec.env.extend(env_of(self.world, job));
        spec.env.extend(job.spec.env.clone());
        spec.env.insert(env::JOB.to_owned(), job.name.to_string());
        spec.env.insert(env::ATTEMPT.to_owned(), job.spec.attempt.to_string());
        let name = Name::new(&format!("job-{}", job.name)).unwrap_or_else(|_| job.name.clone());
        let key = ResourceKey::new(KindName::Workload, job.namespace.clone(), name);
        let mut workload =
            Object::<Workload>::new(&key, Arc::new(spec), Actor::RECONCILER, self.now);
        workload.owner = Some(OwnerRef { kind: Job::KIND, name: job.name.clone(), id: job.id });
        workload
    }

    fn wait(&self) -> Plan {
        let mut edit = Edit::of(self.job, self.now);
        if let Some(unknown) = self.unknown().filter(|_| self.is_late()) {
            let until = unknown.shown(self.job.waiting_for.as_ref(), self.clocks);
            edit.wait_for(WaitReason::Agent, &unknown.what, until);
            return Plan::of(edit).look_again_at(Some(Unknown::look_again_at(self.clocks)));
        }
        let message = match self.workload() {
            Some(workload) => match &workload.waiting_for {
                Some(waiting) => format!("workload/{}: {}", workload.name, waiting.message),
                None => format!("workload/{} to do its work", workload.name),
            },
            None => "its definition".to_owned(),
        };
        edit.wait_for(WaitReason::Phase, &message, self.job.observed.deadline);
        let mut plan = Plan::of(edit).look_again_at(self.job.observed.deadline);
        plan.writes.extend(self.follow());
        plan
    }

    /// Keeps the window of its workload at its deadline; nothing is restarted.
    fn follow(&self) -> Option<Write> {
        let workload = self.workload()?;
        let mut edit = Edit::of(workload, self.now);
        if workload.spec.not_after != self.job.observed.deadline {
            let spec = Arc::make_mut(&mut edit.object.spec);
            spec.not_after = self.job.observed.deadline;
            edit.object.generation += 1;
            Workload::declared(&mut edit.object, &workload.spec);
        }
        edit.finish().map(Write::update)
    }

    /// It is over: its workload goes, and so does it once that is asked for or
    /// what it belongs to is gone.
    fn over(&self) -> Plan {
        let is_unwanted = self.job.deletion_requested_at.is_some() || self.owner_is_gone();
        if self.workload().is_none() && is_unwanted {
            let reason = "deleted as asked";
            return Plan::write(Write::delete(self.job, Actor::RECONCILER, reason, self.now));
        }
        let mut plan = Plan::nothing();
        if is_unwanted {
            let mut edit = Edit::of(self.job, self.now);
            edit.wait_for(WaitReason::Children, "its workload to be gone", None);
            plan = Plan::of(edit);
        }
        plan.writes.extend(self.remove_workload());
        plan
    }

    fn remove_workload(&self) -> Option<Write> {
        let mut edit = Edit::of(self.workload()?, self.now);
        edit.object.deletion_requested_at.get_or_insert(self.now);
        edit.finish().map(Write::update)
    }
}
