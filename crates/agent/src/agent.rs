//! The agent as a whole: from its options to running nodes, and back to nothing.

use std::path::PathBuf;
use std::sync::Arc;

use tessera_client::Api;
use tessera_types::node::Capacity;
use tessera_types::sync::Registration;
use tessera_types::{Duration, Invalid, Labels, Name, Validate};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::cgroup::CgroupParent;
use crate::clock::now;
use crate::containers::ContainerSocket;
use crate::control::Control;
use crate::core::AgentCore;
use crate::error::StartError;
use crate::executor::{Executor, Simulated, Supervised, SupervisedOptions};
use crate::logs::LogLimits;
use crate::machine::{CapacityOverrides, capacity, default_state_dir, fingerprint};
use crate::session::{Command, Node, NodeParts};
use crate::state_dir::{StateDir, random_id};
use crate::supervisor::own_executable;
use crate::tenants::core::TenantsCore;
use crate::tenants::{self, Hands, NoteStore, OnSystemd};

/// Labels that every agent gives its node.
const OWN_LABELS: [&str; 3] = ["node", "os", "arch"];
/// How long a simulated run takes to come up.
const SIMULATED_START: Duration = Duration::from_millis(20);

/// As much of the agent's identity as tells two of one machine apart.
const INSTALLATION_CHARS: usize = 8;

/// What an agent is to be.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The node's name.
    pub name: Name,
    /// The control plane's address.
    pub server: String,
    /// Where the node keeps its state.
    pub state_dir: PathBuf,
    /// Labels beside those that every agent gives: `node`, `os` and `arch`.
    pub labels: Labels,
    /// What the node offers, where that is not what the machine has.
    pub capacity: CapacityOverrides,
    /// Whether it only behaves as if.
    pub simulated: bool,
    /// Where the API of the container runtime is.
    pub container_socket: ContainerSocket,
    /// How often what is installed of tenants is compared with what is declared.
    pub tenant_interval: Duration,
    /// A binary that serves [`supervisor::dispatch`](crate::supervisor::dispatch), to supervise runs.
    pub exe: PathBuf,
}

impl AgentOptions {
    /// The usual options of a node.
    #[must_use]
    pub fn new(name: Name, server: &str) -> Self {
        Self {
            state_dir: default_state_dir(&name),
            name,
            server: server.to_owned(),
            labels: Labels::new(),
            capacity: CapacityOverrides::default(),
            simulated: false,
            container_socket: ContainerSocket::default(),
            tenant_interval: tenants::INTERVAL,
            exe: own_executable(),
        }
    }

    fn check(&self) -> Result<(), StartError> {
        if let Some(own) = OWN_LABELS.into_iter().find(|own| self.labels.contains_key(*own)) {
            return Err(StartError::ReservedLabel(own.to_owned()));
        }
        let mut problems: Vec<Invalid> = Vec::new();
        self.node_labels(&self.name).validate("label", &mut problems);
        problems.first().map_or(Ok(()), |problem| Err(StartError::Label(problem.to_string())))
    }

    fn node_labels(&self, name: &Name) -> Labels {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let own = [name.as_str(), os, arch].map(str::to_owned);
        OWN_LABELS.map(str::to_owned).into_iter().zip(own).chain(self.labels.clone()).collect()
    }
}

/// Starts agents.
#[derive(Debug)]
pub struct Agent;

/// Running nodes of one process. Dropping it ends them and leaves their workloads running.
#[derive(Debug)]
pub struct AgentHandle {
    nodes: Vec<RunningNode>,
    superseded: Arc<Notify>,
    /// Kept so that no other agent uses the folder meanwhile.
    _state: StateDir,
}

#[derive(Debug)]
struct RunningNode {
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

impl Agent {
    /// Starts the agent of one node. The control plane need not be there yet.
    ///
    /// # Errors
    /// [`StartError`] when the options or the state folder cannot be used.
    pub async fn start(options: AgentOptions) -> Result<AgentHandle, StartError> {
        let api = Api::new(&options.server).map_err(StartError::Server)?;
        Self::start_with(options, api).await
    }

    /// As [`Agent::start`], with a control plane that need not be behind an address.
    ///
    /// # Errors
    /// [`StartError`] when the options or the state folder cannot be used.
    pub async fn start_with<C: Control>(
        options: AgentOptions,
        control: C,
    ) -> Result<AgentHandle, StartError> {
        options.check()?;
        let state = StateDir::open(&options.state_dir)?;
        let identity = Identity::of(&state)?;
        let superseded = Arc::<Notify>::default();
        let node = if options.simulated {
            start_simulated(&options, options.name.clone(), identity, control, &superseded)?
        } else {
            Box::pin(start_supervised(&options, &state, identity, control, &superseded)).await?
        };
        Ok(AgentHandle { nodes: vec![node], superseded, _state: state })
    }

    /// Starts `count` simulated nodes, named as `options` say and numbered: `node-0001` and so on.
    ///
    /// # Errors
    /// [`StartError`] when the options or the state folder cannot be used, or the names would be too long.
    pub fn start_simulated_nodes(
        options: &AgentOptions,
        count: u32,
    ) -> Result<AgentHandle, StartError> {
        options.check()?;
        let api = Api::new(&options.server).map_err(StartError::Server)?;
        let state = StateDir::open(&options.state_dir)?;
        let identity = Identity::of(&state)?;
        let superseded = Arc::<Notify>::default();
        let start = |number: u32| {
            let name = format!("{}-{number:04}", options.name);
            let name = Name::new(&name).map_err(|error| StartError::Name(error.to_string()))?;
            let agent_id = format!("{}-{number}", identity.agent_id);
            let identity = Identity { agent_id, ..identity };
            start_simulated(options, name, identity, api.clone(), &superseded)
        };
        let nodes = (1..=count).map(start).collect::<Result<_, _>>()?;
        Ok(AgentHandle { nodes, superseded, _state: state })
    }
}

impl AgentHandle {
    /// Waits until another agent has taken the place of one of the nodes. That node has ended by then, and stopped
    /// nothing. It is told once.
    pub async fn superseded(&self) {
        self.superseded.notified().await;
    }

    /// Ends the nodes. With `stop_workloads` all their runs are stopped first, each as it is declared and all at
    /// once; they start again with the next agent. Without, they just go on.
    pub async fn shutdown(self, stop_workloads: bool) {
        let mut answers = Vec::new();
        for node in &self.nodes {
            let (done, answer) = oneshot::channel();
            if node.commands.send(Command::Shutdown { stop_workloads, done }).await.is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            let _ended_by_itself = answer.await;
        }
        for node in self.nodes {
            let _panicked = node.task.await;
        }
    }
}

/// Which installation of an agent it is, and which start of that.
struct Identity {
    agent_id: String,
    start: u64,
}

impl Identity {
    /// As the state folder has it.
    fn of(state: &StateDir) -> Result<Self, StartError> {
        let start = state.next_start();
        Ok(Self { agent_id: state.agent_id(fingerprint().as_deref())?, start })
    }
}

fn start_simulated<C: Control>(
    options: &AgentOptions,
    name: Name,
    identity: Identity,
    control: C,
    superseded: &Arc<Notify>,
) -> Result<RunningNode, StartError> {
    let (events, received) = mpsc::unbounded_channel();
    let executor = Box::new(Simulated::new(events, SIMULATED_START));
    let registration = registration(options, &name, identity, executor.as_ref())?;
    let core = AgentCore::new().with_capacity(registration.capacity);
    Ok(spawn(superseded, |commands| NodeParts {
        name,
        registration,
        control,
        core,
        tenants: TenantsCore::restore(now(), Vec::new(), options.tenant_interval),
        hands: Hands::simulated(),
        executor,
        events: received,
        commands,
        progress: None,
        logs_dir: None,
    }))
}

async fn start_supervised<C: Control>(
    options: &AgentOptions,
    state: &StateDir,
    identity: Identity,
    control: C,
    superseded: &Arc<Notify>,
) -> Result<RunningNode, StartError> {
    let (events, received) = mpsc::unbounded_channel();
    let installation: String = identity.agent_id.chars().take(INSTALLATION_CHARS).collect();
    let supervised = SupervisedOptions {
        node: options.name.clone(),
        container_socket: options.container_socket.clone(),
        runs_dir: state.runs(),
        logs_dir: state.logs(),
        log_limits: LogLimits::default(),
        exe: options.exe.clone(),
        // Not shared with an agent of another control plane whose node has the same name: the last
        // that ends removes them.
        cgroup: CgroupParent::prepare(&format!("{}.{installation}", options.name)),
        installation,
    };
    let progress = state.progress()?;
    let (executor, adopted) = Supervised::open(supervised, events).await?;
    let core = AgentCore::restore(now(), progress.load()?, adopted);
    let (tenants, hands) = restore_tenants(options, state)?;
    let executor = Box::new(executor);
    let registration = registration(options, &options.name, identity, executor.as_ref())?;
    let core = core.with_capacity(registration.capacity);
    Ok(spawn(superseded, |commands| NodeParts {
        name: options.name.clone(),
        registration,
        control,
        core,
        tenants,
        hands,
        executor,
        events: received,
        commands,
        progress: Some(progress),
        logs_dir: Some(state.logs()),
    }))
}

/// What earlier agents installed, and who looks after it.
fn restore_tenants(
    options: &AgentOptions,
    state: &StateDir,
) -> Result<(TenantsCore, Hands), StartError> {
    let dir = state.tenant_notes();
    let failed = |source| StartError::StateDir { path: dir.clone(), source };
    let notes = NoteStore::open(dir.clone()).map_err(failed)?;
    let known = notes.load().map_err(failed)?;
    let core = TenantsCore::restore(now(), known, options.tenant_interval);
    Ok((core, Hands::new(notes, OnSystemd::new(state.path().to_owned()))))
}

fn registration(
    options: &AgentOptions,
    name: &Name,
    identity: Identity,
    executor: &dyn Executor,
) -> Result<Registration, StartError> {
    let capacity: Capacity = capacity(options.capacity);
    let Identity { agent_id, start } = identity;
    Ok(Registration {
        agent_id,
        start,
        session: random_id().map_err(StartError::Random)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capacity,
        labels: options.node_labels(name),
        executors: executor.executors(),
    })
}

fn spawn<C: Control>(
    superseded: &Arc<Notify>,
    parts: impl FnOnce(mpsc::Receiver<Command>) -> NodeParts<C>,
) -> RunningNode {
    let (commands, received) = mpsc::channel(1);
    let node = Box::new(Node::new(parts(received)));
    let superseded = Arc::clone(superseded);
    let task = tokio::spawn(async move {
        if !node.run().await {
            superseded.notify_one();
        }
    });
    RunningNode { commands, task }
}
