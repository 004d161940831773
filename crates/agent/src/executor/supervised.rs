//! Runs with a supervisor each: they outlive the agent, and the next one finds them again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use tessera_types::api::Used;
use tessera_types::node::Executors;
use tessera_types::workload::{HealthCheck, OnDisconnect, Stop};
use tessera_types::{Name, Timestamp};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::warn;

use super::attend::{Attendant, Handle, Order, instance, run_end};
use super::containers::Runtime;
use super::declared::{resources, run_kind, stop_spec};
use super::probe::{Inside, probe};
use super::usage::Meter;
use super::{Events, Executor};
use crate::cgroup::CgroupParent;
use crate::clock::now;
use crate::containers::ContainerSocket;
use crate::core::{Adopted, Launch, RunEnd, RunEvent, RunId};
use crate::logs::LogLimits;
use crate::supervisor::{Lease, LogSpec, RunHandle, RunKind, RunSpec, Supervisor, SupervisorError};

/// Where and how runs are supervised.
#[derive(Clone, Debug)]
pub struct SupervisedOptions {
    /// The node's name.
    pub node: Name,
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
    /// Where the container runtime is.
    pub container_socket: ContainerSocket,
}

/// Runs workloads under supervisors.
#[derive(Debug)]
pub struct Supervised {
    options: SupervisedOptions,
    events: Events,
    http: reqwest::Client,
    runs: HashMap<RunId, Tracked>,
    meter: Meter,
    containers: Runtime,
}

/// A run and the task that attends to it.
#[derive(Debug)]
struct Tracked {
    orders: UnboundedSender<Order>,
    handle: Handle,
    kind: RunKind,
    leased: bool,
}

impl Tracked {
    /// Where commands that check its health are run.
    fn inside(&self, exe: &Path) -> Option<Inside> {
        let run = self.handle.get()?;
        match &self.kind {
            RunKind::Process(_) => Some(Inside::Process { run: run.clone(), exe: exe.to_owned() }),
            RunKind::Container(container) => {
                let id = run.started()?.container_id?;
                Some(Inside::Container { socket: container.socket.clone(), id })
            }
        }
    }
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
            containers: Runtime::look(options.container_socket.clone()).await,
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
        let tracked = Tracked {
            orders,
            handle: Handle::default(),
            kind: spec.kind.clone(),
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

    fn run_spec(&self, launch: &Launch, kind: RunKind, lease: Lease) -> RunSpec {
        let spec = &launch.spec;
        RunSpec {
            run_id: format!("{}.{}", self.options.installation, launch.run),
            kind,
            resources: resources(spec.resources),
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
        let container = self.containers.found().map(|runtime| runtime.name);
        Executors { process: true, container, simulated: false, limits }
    }

    fn start(&mut self, launch: Launch, lease: Lease) {
        let runtime = self.containers.found();
        let socket = runtime.as_ref().map(|runtime| runtime.socket.as_path());
        let Some(kind) = run_kind(&launch, &self.options.node, socket) else {
            let end = no_runtime(&self.options.container_socket);
            let _agent_is_ending = self.events.send((launch.run, RunEvent::Ended(end)));
            return;
        };
        let spec = self.run_spec(&launch, kind, lease);
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
        let inside = self.runs.get(&run).and_then(|tracked| tracked.inside(&self.options.exe));
        let (http, events) = (self.http.clone(), self.events.clone());
        tokio::spawn(async move {
            let result = probe(&check, inside.as_ref(), &http).await;
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

/// A runtime that is to be found may still come up, as after the machine was started.
fn no_runtime(wanted: &ContainerSocket) -> RunEnd {
    let message = "no container runtime answers on this node: start Docker or Podman there, or \
                   place the workload on a node that has one";
    RunEnd::start_failed(now(), message.to_owned(), *wanted == ContainerSocket::None)
}
