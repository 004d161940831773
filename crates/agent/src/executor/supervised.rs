//! Runs with a supervisor each: they outlive the agent, and the next one finds them again.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use tessera_types::api::Used;
use tessera_types::node::Executors;
use tessera_types::workload::{HealthCheck, OnDisconnect, Stop, WorkloadSpec};
use tessera_types::{Name, Timestamp};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::warn;

use super::attend::{Attendant, Handle, Order, instance, run_end};
use super::probe::probe;
use super::usage::Meter;
use super::{Events, Executor};
use crate::cgroup::CgroupParent;
use crate::clock::now;
use crate::core::{Adopted, Launch, RunEnd, RunEvent, RunId};
use crate::logs::LogLimits;
use crate::supervisor::{
    Lease, LogSpec, ProcessSpec, Resources, RunHandle, RunKind, RunSpec, Signal, StopSpec,
    Supervisor, SupervisorError,
};

/// Where and how runs are supervised.
#[derive(Clone, Debug)]
pub struct SupervisedOptions {
    /// The folder of the runs' folders.
    pub runs_dir: PathBuf,
    /// The folder of the logs; the log of a workload is in `<namespace>/<name>` below it.
    pub logs_dir: PathBuf,
    /// How much of each log is kept.
    pub log_limits: LogLimits,
    /// A binary that serves [`supervisor::dispatch`](crate::supervisor::dispatch).
    pub exe: PathBuf,
    /// Precedes the names of runs. Two agents of one machine may have nodes of the same name, under
    /// different control planes, and then the same runs: their control groups must not be the same.
    pub installation: String,
    /// Where control groups are made.
    pub cgroup: CgroupParent,
}

/// Runs workloads under supervisors.
#[derive(Debug)]
pub struct Supervised {
    options: SupervisedOptions,
    events: Events,
    http: reqwest::Client,
    runs: HashMap<RunId, Tracked>,
    meter: Meter,
}

/// A run and the task that attends to it.
#[derive(Debug)]
struct Tracked {
    orders: UnboundedSender<Order>,
    handle: Handle,
    process: Option<ProcessSpec>,
    leased: bool,
}

impl Supervised {
    /// An executor that has taken over the runs that are there. What is known of them is to be given to the core.
    ///
    /// # Errors
    /// If the folder of the runs cannot be read.
    pub async fn open(
        options: SupervisedOptions,
        events: Events,
    ) -> Result<(Self, Vec<Adopted>), SupervisorError> {
        let scan = Supervisor::scan(&options.runs_dir).await?;
        for error in &scan.failed {
            warn!(target: "tessera::agent", %error, "a run cannot be taken over");
        }
        let mut supervised = Self {
            options,
            events,
            http: probing_client(),
            runs: HashMap::new(),
            meter: Meter::default(),
        };
        let adopted = scan.runs.into_iter().filter_map(|run| supervised.adopt(run)).collect();
        Ok((supervised, adopted))
    }

    fn adopt(&mut self, handle: RunHandle) -> Option<Adopted> {
        let id = handle.run_id();
        let run = id.split_once('.').map_or(id, |(_, run)| run).parse::<RunId>();
        let run = run.inspect_err(|error| {
            warn!(target: "tessera::agent", dir = %handle.dir().display(), %error, "a run is left alone");
        });
        let run = run.ok()?;
        let end = handle.exit().ok().flatten().map(|record| run_end(&record));
        let adopted = Adopted { run, instance: instance(&handle), end };
        let attendant = self.track(run, handle.spec());
        let tracked = self.runs.get(&run)?;
        let handle = tracked.handle.get_or_init(|| handle).clone();
        if adopted.end.is_some() {
            tokio::spawn(attendant.remove(handle));
        } else {
            tokio::spawn(attendant.attend(handle));
        }
        Some(adopted)
    }

    fn track(&mut self, run: RunId, spec: &RunSpec) -> Attendant {
        let (orders, received) = unbounded_channel();
        let RunKind::Process(process) = &spec.kind;
        let tracked = Tracked {
            orders,
            handle: Handle::default(),
            process: Some(process.clone()),
            leased: spec.lease.is_some(),
        };
        self.runs.insert(run, tracked);
        Attendant { run, events: self.events.clone(), orders: received, trouble: None }
    }

    fn order(&self, run: RunId, order: Order) {
        if let Some(tracked) = self.runs.get(&run) {
            let _ended_before = tracked.orders.send(order);
        }
    }

    fn run_spec(&self, launch: &Launch, process: ProcessSpec, lease: Lease) -> RunSpec {
        let spec = &launch.spec;
        let some = |amount: u64| (amount > 0).then_some(amount);
        RunSpec {
            run_id: format!("{}.{}", self.options.installation, launch.run),
            kind: RunKind::Process(process),
            resources: Resources {
                cpu_millicores: some(spec.resources.cpu.0),
                memory_bytes: some(spec.resources.memory.0),
            },
            stop: stop_spec(&spec.stop),
            lease: (spec.on_disconnect == OnDisconnect::Stop).then_some(lease),
            not_after: spec.not_after.map(Into::into),
            log: LogSpec {
                dir: self
                    .options
                    .logs_dir
                    .join(launch.namespace.as_str())
                    .join(launch.name.as_str()),
                limits: self.options.log_limits,
            },
            cgroup: self.options.cgroup.clone(),
            labels: BTreeMap::new(),
        }
    }
}

impl Executor for Supervised {
    fn executors(&self) -> Executors {
        let support = self.options.cgroup.support();
        let limits = support.limits_cpu && support.limits_memory;
        Executors { process: true, container: None, simulated: false, limits }
    }

    fn start(&mut self, launch: Launch, lease: Lease) {
        let Some(process) = process_spec(&launch.spec) else {
            let message = "this node does not run containers: give the workload a `command`, or \
                           place it on a node with a container runtime";
            let end = RunEnd::start_failed(now(), message.to_owned(), true);
            let _agent_is_ending = self.events.send((launch.run, RunEvent::Ended(end)));
            return;
        };
        let spec = self.run_spec(&launch, process, lease);
        let attendant = self.track(launch.run, &spec);
        let Some(tracked) = self.runs.get(&launch.run) else { return };
        let SupervisedOptions { runs_dir, exe, .. } = self.options.clone();
        tokio::spawn(attendant.start(runs_dir, exe, spec, tracked.handle.clone()));
    }

    fn stop(&mut self, run: RunId, stop: &Stop) {
        self.order(run, Order::Stop(stop_spec(stop)));
    }

    fn set_not_after(&mut self, run: RunId, at: Option<Timestamp>) {
        self.order(run, Order::NotAfter(at));
    }

    fn probe(&mut self, run: RunId, check: HealthCheck) {
        let process = self.runs.get(&run).and_then(|tracked| tracked.process.clone());
        let (http, events) = (self.http.clone(), self.events.clone());
        tokio::spawn(async move {
            let result = probe(&check, process.as_ref(), &http).await;
            let _agent_is_ending = events.send((run, RunEvent::Probed(result)));
        });
    }

    fn remove(&mut self, run: RunId) {
        self.order(run, Order::Remove);
        self.runs.remove(&run);
    }

    fn renew(&mut self, lease: Lease) {
        for tracked in self.runs.values().filter(|tracked| tracked.leased) {
            let _ended_before = tracked.orders.send(Order::Renew(lease));
        }
    }

    fn usage(&mut self) -> Vec<(RunId, Used)> {
        let running =
            self.runs.iter().filter_map(|(run, tracked)| Some((*run, tracked.handle.get()?)));
        self.meter.measure(running)
    }

    fn log_dir(&self, namespace: &Name, name: &Name) -> Option<PathBuf> {
        Some(self.options.logs_dir.join(namespace.as_str()).join(name.as_str()))
    }
}

/// The client of health checks: what it asks is on this machine, and an answer is judged as it is.
fn probing_client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .build()
        .expect("a client without TLS needs nothing that could be missing")
}

fn process_spec(spec: &WorkloadSpec) -> Option<ProcessSpec> {
    let command = spec.command.clone().filter(|_| spec.image.is_none())?;
    Some(ProcessSpec {
        command,
        args: spec.args.clone(),
        env: spec.env.clone(),
        working_dir: spec.working_dir.as_ref().map(PathBuf::from),
    })
}

fn stop_spec(stop: &Stop) -> StopSpec {
    let signal = stop.signal.as_str().parse().unwrap_or(Signal::TERM);
    StopSpec { signal, grace_ms: stop.grace.as_millis() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_signal_is_one_that_can_be_sent() {
        for name in ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "KILL"] {
            let stop = Stop { signal: name.parse().unwrap(), ..Stop::default() };
            assert_eq!(stop_spec(&stop).signal.to_string(), format!("SIG{name}"));
        }
    }
}
