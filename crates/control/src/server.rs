//! Starting and stopping a control plane.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dropshot::{BuildError, ConfigDropshot, HandlerTaskMode, HttpServer, ServerBuilder};
use parking_lot::RwLock;
use tessera_api::tessera_api_mod;
use tessera_reconciler::World;
use tessera_store::{OpenError, Store};
use tessera_types::{Committed, KindName, limits};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::agents::Agents;
use crate::clock;
use crate::handlers::Handlers;
use crate::log_broker::LogBroker;
use crate::metrics::Metrics;
use crate::nodelay;
use crate::options::Options;
use crate::plane::{LoopMessage, Plane};
use crate::reconcile_loop;
use crate::request_log;

/// Requests under way may take so long to end when the control plane stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Why a control plane could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that others can reach.
    #[error(
        "{0} is not loopback, and there is no authentication yet: whoever reaches it can run anything on every node. Listen on 127.0.0.1, or say --insecure-listen if the network is closed"
    )]
    NotLoopback(SocketAddr),
    /// The address is in use, or not one of this machine.
    #[error(
        "cannot listen on {address}: {reason}; is another control plane running? Choose another address with --listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        reason: String,
    },
    /// The state folder.
    #[error("cannot use the state folder {}: {source}; choose another with --state-dir", path.display())]
    StateDir {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
}

impl StartError {
    /// The sort of error, stable for programs: `docs/reference/errors.md` lists
    /// them.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotLoopback(_) => "not_loopback",
            Self::Listen { .. } => "listen",
            Self::StateDir { .. } => "state_dir",
            Self::Store(OpenError::Locked { .. }) => "store_in_use",
            Self::Store(OpenError::Newer { .. }) => "store_newer",
            Self::Store(OpenError::NotADatabase { .. }) => "store_foreign",
            Self::Store(OpenError::Damaged { .. }) => "store_damaged",
            Self::Store(OpenError::Io { .. } | OpenError::Failed { .. }) => "store",
        }
    }
}

/// A control plane that runs.
pub struct Control {
    plane: Arc<Plane>,
    server: HttpServer<Arc<Plane>>,
    reconcile_loop: JoinHandle<()>,
}

impl Control {
    /// Opens the store, loads the world, and begins to reconcile and to serve.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        if !options.listen.ip().is_loopback() {
            if !options.insecure_listen {
                return Err(StartError::NotLoopback(options.listen));
            }
            tracing::warn!(target: "tessera", listen = %options.listen, "THE API IS OPEN TO THE NETWORK WITHOUT AUTHENTICATION: whoever reaches it can run anything on every node");
        }
        let (to_loop, messages) = mpsc::unbounded_channel();
        let plane = Arc::new(assemble(options, to_loop)?);
        let server = match serve(&plane) {
            Ok(server) => server,
            Err(error) => {
                plane.store.close().await;
                return Err(error);
            }
        };
        match nodelay::for_listener(server.local_addr()) {
            Ok(true) => {}
            // Watches are slower then, and nothing else.
            Ok(false) => tracing::debug!(target: "tessera", "the API's socket was not found"),
            Err(error) => tracing::debug!(target: "tessera", %error, "TCP_NODELAY cannot be set"),
        }
        let reconcile_loop = tokio::spawn(reconcile_loop::run(Arc::clone(&plane), messages));
        tracing::info!(target: "tessera", listen = %server.local_addr(), state_dir = %plane.options.state_dir.display(), revision = %plane.store.revision(), "the control plane is ready");
        Ok(Self { plane, server, reconcile_loop })
    }

    /// Where the API listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Ends what waits, stops serving and reconciling, and closes the store.
    pub async fn stop(self) {
        self.plane.stopping.cancel();
        if tokio::time::timeout(DRAIN_WITHIN, self.server.close()).await.is_err() {
            tracing::warn!(target: "tessera", "some requests did not end in time");
        }
        // The loop ends with the token above; it fails only if it panicked.
        if let Err(error) = self.reconcile_loop.await {
            tracing::error!(target: "tessera", %error, "the reconcile loop had died");
        }
        self.plane.store.close().await;
        tracing::info!(target: "tessera", "the control plane has stopped");
    }
}

/// Opens the store, loads the world, and connects the two.
fn assemble(
    options: Options,
    to_loop: mpsc::UnboundedSender<LoopMessage>,
) -> Result<Plane, StartError> {
    std::fs::create_dir_all(&options.state_dir)
        .map_err(|source| StartError::StateDir { path: options.state_dir.clone(), source })?;
    let world = Arc::new(RwLock::new(World::default()));
    let agents = Arc::new(Agents::default());
    let observer = observer(Arc::clone(&world), Arc::clone(&agents), to_loop.clone());
    let path = options.state_dir.join("control.db");
    let store: Arc<dyn Store> =
        Arc::new(tessera_store::sqlite::open(&path, tessera_store::Options::default(), observer)?);
    let snapshot = store.snapshot();
    let mut loaded = World::load(snapshot.revision, snapshot.resources);
    loaded.started(clock::boot(), options.lease);
    *world.write() = loaded;
    Ok(Plane {
        options,
        store,
        world,
        agents,
        logs: LogBroker::default(),
        metrics: Metrics::new(),
        to_loop,
        stopping: CancellationToken::new(),
    })
}

/// Takes each commit into the world before its committer is answered.
fn observer(
    world: Arc<RwLock<World>>,
    agents: Arc<Agents>,
    to_loop: mpsc::UnboundedSender<LoopMessage>,
) -> tessera_store::Observer {
    Box::new(move |committed: &Arc<Committed>| {
        let concerned: Vec<_> = {
            let mut world = world.write();
            let concerned = world.apply(committed);
            let name = |id| world.nodes.get(id).map(|node| (id, node.name.clone()));
            concerned.into_iter().filter_map(name).collect()
        };
        for change in &committed.changes {
            if change.after.is_none() && change.key.kind == KindName::Node {
                agents.removed(&change.key.name, change.id);
            }
        }
        for (id, name) in concerned {
            agents.ring(id, &name);
        }
        // The loop is gone only when all stops.
        let _ = to_loop.send(LoopMessage::Committed(Arc::clone(committed)));
    })
}

fn serve(plane: &Arc<Plane>) -> Result<HttpServer<Arc<Plane>>, StartError> {
    let api = tessera_api_mod::api_description::<Handlers>()
        .expect("the description is valid: the tests of tessera-api build it");
    let config = ConfigDropshot {
        bind_address: plane.options.listen,
        default_request_body_max_bytes: limits::BODY_BYTES_MAX,
        default_handler_task_mode: HandlerTaskMode::CancelOnDisconnect,
        ..ConfigDropshot::default()
    };
    let log = request_log::logger(plane.metrics.clone());
    ServerBuilder::new(api, Arc::clone(plane), log).config(config).start().map_err(|error| {
        let reason = match &error {
            BuildError::BindError { error, .. } => error.to_string(),
            other => other.to_string(),
        };
        StartError::Listen { address: plane.options.listen, reason }
    })
}
