//! Runs with a supervisor each: they outlive the agent, and the next one finds them again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tessera_types::api::Used;
use tessera_types::node::Executors;
use tessera_types::workload::{HealthCheck, OnDisconnect, Stop};
use tessera_types::{Name, Timestamp};
use tracing::warn;

use super::attend::{Attendant, Handle, instance, run_end};
use super::containers::Runtime;
use super::declared::{resources, run_kind, stop_spec};
use super::orders::{Order, Orders, orders};
use super::probe::{Inside, probe};
use super::unreadable::Lost;
use super::usage::Meter;
use super::{Events, Executor};
use crate::cgroup::CgroupParent;
use crate::clock::now;
use crate::containers::ContainerSocket;
use crate::core::{Adopted, Launch, RunEnd, RunEvent, RunId};
use crate::logs::LogLimits;
use crate::supervisor::{
    Lease, LogSpec, RunHandle, RunKind, RunSpec, Supervisor, SupervisorError, Unreadable,
};

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
    /// Shared with everyone who attends to a run.
    busy: Arc<()>,
}

/// A run and the task that attends to it.
#[derive(Debug)]
struct Tracked {
    orders: Orders,
    handle: Handle,
    /// Whether it was started under a lease; its handle says it, too, once there is one.
    leased: bool,
}

impl Tracked {
    fn is_leased(&self) -> bool {
        self.leased || self.handle.get().is_some_and(|run| run.spec().lease.is_some())
    }

    /// Where commands that check its health are run.
    fn inside(&self, exe: &Path) -> Option<Inside> {
        let run = self.handle.get()?;
        match &run.spec().kind {
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
        let mut supervised = Self {
            busy: Arc::default(),
            containers: Runtime::look(options.container_socket.clone()).await,
            options,
            events,
            http: probing_client(),
            runs: HashMap::new(),
            meter: Meter::default(),
        };
        let mut adopted: Vec<_> =
            scan.runs.into_iter().filter_map(|run| supervised.adopt(run)).collect();
        let unreadable = scan.failed.into_iter();
        adopted.extend(unreadable.filter_map(|found| supervised.adopt_unreadable(found)));
        Ok((supervised, adopted))
    }

    /// A run of which nothing is known but its name: it is there until the opposite is certain.
    fn adopt_unreadable(&mut self, Unreadable { dir, error }: Unreadable) -> Option<Adopted> {
        let run_id = dir.file_name()?.to_string_lossy().into_owned();
        let run = run_of(&run_id, &dir)?;
        warn!(target: "tessera::agent", dir = %dir.display(), %error, "the folder of a run cannot be read; it is looked at again, and its workload not started anew until it is certain that nothing of the run is left");
        let attendant = self.track(run, false);
        let shared = self.runs.get(&run)?.handle.clone();
        let (options, containers) = (self.options.clone(), self.containers.clone());
        let lost = Lost { dir, run_id, options, containers };
        tokio::spawn(attendant.attend_unreadable(lost, error, shared));
        Some(Adopted { run, instance: None, end: None })
    }

    fn adopt(&mut self, handle: RunHandle) -> Option<Adopted> {
        let run = run_of(handle.run_id(), handle.dir())?;
        let end = handle.exit().ok().flatten().map(|record| run_end(&record));
        let adopted = Adopted { run, instance: instance(&handle), end };
        let attendant = self.track(run, handle.spec().lease.is_some());
        let tracked = self.runs.get(&run)?;
        let handle = tracked.handle.get_or_init(|| handle).clone();
        if adopted.end.is_some() {
            tokio::spawn(attendant.remove(handle));
        } else {
            tokio::spawn(attendant.attend(handle));
        }
        Some(adopted)
    }

    fn track(&mut self, run: RunId, leased: bool) -> Attendant {
        let (orders, received) = orders();
        self.runs.insert(run, Tracked { orders, handle: Handle::default(), leased });
        Attendant {
            run,
            events: self.events.clone(),
            orders: received,
            trouble: None,
            _busy: Arc::clone(&self.busy),
        }
    }

    fn order(&self, run: RunId, order: Order) {
        if let Some(tracked) = self.runs.get(&run) {
            tracked.orders.send(order);
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
        let attendant = self.track(launch.run, spec.lease.is_some());
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
        for tracked in self.runs.values().filter(|tracked| tracked.is_leased()) {
            tracked.orders.send(Order::Renew(lease));
        }
    }

    fn usage(&mut self) -> Vec<(RunId, Used)> {
        let running =
            self.runs.iter().filter_map(|(run, tracked)| Some((*run, tracked.handle.get()?)));
        self.meter.measure(running)
    }

    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.busy) == 1
    }

    fn log_dir(&self, namespace: &Name, name: &Name) -> Option<PathBuf> {
        Some(self.options.logs_dir.join(namespace.as_str()).join(name.as_str()))
    }
}

/// An agent that ends without runs leaves no control groups behind. Runs that outlive it keep them.
impl Drop for Supervised {
    fn drop(&mut self) {
        if self.is_idle() {
            self.options.cgroup.remove();
        }
    }
}

/// The run that a folder is named after, behind the installation's name. Others are left alone.
fn run_of(run_id: &str, dir: &Path) -> Option<RunId> {
    let run = run_id.split_once('.').map_or(run_id, |(_, run)| run).parse::<RunId>();
    let left_alone = |error: &_| {
        warn!(target: "tessera::agent", dir = %dir.display(), %error, "a run is left alone");
    };
    run.inspect_err(left_alone).ok()
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
