//! Starting and stopping a control plane.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dropshot::{BuildError, ConfigDropshot, HandlerTaskMode, HttpServer, ServerBuilder};
use parking_lot::RwLock;
use tessera_api::{register_kinds, tessera_api_mod};
use tessera_client::Engine;
use tessera_reconciler::World;
use tessera_serving::{Ended, Front, Service, nodelay};
use tessera_store::{Observer, OpenError, Store};
use tessera_types::{Committed, KindName, limits};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::agents::Agents;
use crate::clock;
use crate::engine_link::{self, EngineBell};
use crate::fanout::Fanout;
use crate::handlers::{DOCUMENT, Handlers};
use crate::health::{Died, Health, supervise};
use crate::log_broker::LogBroker;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::plane::{LoopMessage, Plane, Rush};
use crate::reconcile_loop;
use crate::seeds;

/// Searches for an earliest start that run at once: each takes a processor.
const SEARCHES_MAX: usize = 2;
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
    /// The address of the engine.
    #[error("cannot use the engine: {0}; give its address with --engine, as http://127.0.0.1:7080")]
    Engine(String),
    /// What is to be seeded cannot be read, or was refused.
    #[error("cannot seed: {0}")]
    Seed(String),
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
            Self::Engine(_) => "engine",
            Self::Seed(_) => "seed",
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
    pub(crate) plane: Arc<Plane>,
    server: HttpServer<Arc<Front<Plane>>>,
    supervision: JoinHandle<()>,
    link: Option<JoinHandle<()>>,
}

impl Control {
    /// Opens the store, loads the world, and begins to reconcile and to serve.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        Self::start_with(options, open_store, reconcile_loop::run).await
    }

    /// As [`Control::start`], with another store or loop for tests.
    pub(crate) async fn start_with<F: Future<Output = ()> + Send + 'static>(
        options: Options,
        open: impl FnOnce(&Path, Observer) -> Result<Arc<dyn Store>, OpenError>,
        run: impl FnOnce(Arc<Plane>, mpsc::UnboundedReceiver<LoopMessage>) -> F,
    ) -> Result<Self, StartError> {
        if !options.listen.ip().is_loopback() {
            if !options.insecure_listen {
                return Err(StartError::NotLoopback(options.listen));
            }
            tracing::warn!(target: "tessera", listen = %options.listen, "THE API IS OPEN TO THE NETWORK WITHOUT AUTHENTICATION: whoever reaches it can run anything on every node");
        }
        check_address(&options)?;
        let engine = engine_link::client(&options).map_err(StartError::Engine)?;
        // Read first: a mistake in a file changes nothing.
        let definitions = seeds::read(&options.seeds).map_err(StartError::Seed)?;
        let (to_loop, messages) = mpsc::unbounded_channel();
        let plane = Arc::new(assemble(options, engine.clone(), to_loop, open)?);
        let started = match seeds::load(&plane, definitions).await {
            Ok(()) => serve(&plane),
            Err(refused) => Err(StartError::Seed(refused)),
        };
        let server = match started {
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
        let link = engine.map(|engine| {
            let link = engine_link::Link::new(&plane, engine, server.local_addr());
            tokio::spawn(link.run())
        });
        let fanout = Arc::clone(&plane.fanout);
        tokio::spawn(fanout.run(Arc::clone(&plane.store), plane.stopping.clone()));
        let looping = tokio::spawn(run(Arc::clone(&plane), messages));
        let supervised = Arc::clone(&plane);
        let supervision = tokio::spawn(async move { supervise(&supervised, looping).await });
        tracing::info!(target: "tessera", listen = %server.local_addr(), state_dir = %plane.options.state_dir.display(), revision = %plane.store.revision(), "the control plane is ready");
        Ok(Self { plane, server, supervision, link })
    }

    /// Where the API listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Waits until a part has died that nothing works without, which is to say for
    /// ever if all goes well. Then the control plane is to be stopped.
    pub async fn died(&self) -> Died {
        self.plane.health.until_died().await
    }

    /// Ends what waits, stops serving and reconciling, and closes the store.
    pub async fn stop(self) {
        self.plane.stopping.cancel();
        if tokio::time::timeout(DRAIN_WITHIN, self.server.close()).await.is_err() {
            tracing::warn!(target: "tessera", "some requests did not end in time");
        }
        // The loop ends with the token above. Whether it had died was said already.
        let _ = self.supervision.await;
        if let Some(link) = self.link {
            let _ = link.await;
        }
        self.plane.store.close().await;
        tracing::info!(target: "tessera", "the control plane has stopped");
    }
}

impl Service for Control {
    type Options = Options;

    async fn start(options: Options) -> Result<Self, Ended> {
        Self::start(options).await.map_err(|error| Ended::of(error.code(), &error))
    }

    fn listens_on(&self) -> SocketAddr {
        self.local_addr()
    }

    async fn ended(&self) -> Ended {
        let died = self.died().await;
        Ended::of(died.code(), &died)
    }

    async fn stop(self) {
        self.stop().await;
    }
}

fn check_address(options: &Options) -> Result<(), StartError> {
    tessera_serving::refuse_taken(options.listen, &options.state_dir)
        .map_err(|error| StartError::Listen { address: options.listen, reason: error.to_string() })
}

/// Opens the store, loads the world, and connects the two.
fn assemble(
    options: Options,
    engine: Option<Engine>,
    to_loop: mpsc::UnboundedSender<LoopMessage>,
    open: impl FnOnce(&Path, Observer) -> Result<Arc<dyn Store>, OpenError>,
) -> Result<Plane, StartError> {
    std::fs::create_dir_all(&options.state_dir)
        .map_err(|source| StartError::StateDir { path: options.state_dir.clone(), source })?;
    let world = Arc::new(RwLock::new(World::default()));
    let agents = Arc::new(Agents::default());
    let engine = Arc::new(EngineBell::new(engine));
    let observer =
        observer(Arc::clone(&world), Arc::clone(&agents), Arc::clone(&engine), to_loop.clone());
    let path = options.state_dir.join("control.db");
    let store = open(&path, observer)?;
    let snapshot = store.snapshot();
    let mut loaded = World::load(snapshot.revision, snapshot.resources);
    loaded.started(clock::boot(), options.lease);
    loaded.keep_finished_for(options.keep_finished);
    let asked_by = clock::both().plus(limits::ENGINE_ASKED_WITHIN);
    loaded.use_engine(engine_link::usable(&options), asked_by);
    *world.write() = loaded;
    Ok(Plane {
        options,
        fanout: Arc::new(Fanout::new(store.revision())),
        store,
        world,
        booking: tokio::sync::Mutex::default(),
        searches: Semaphore::new(SEARCHES_MAX),
        agents,
        logs: LogBroker::new(clock::now()),
        watch_places: Arc::new(Semaphore::new(limits::WATCHERS_MAX)),
        metrics: Metrics::new(),
        to_loop,
        engine,
        health: Health::new(),
        rush: Rush::default(),
        stopping: CancellationToken::new(),
    })
}

fn open_store(path: &Path, observer: Observer) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(tessera_store::sqlite::open(path, tessera_store::Options::default(), observer)?))
}

/// Takes each commit into the world before its committer is answered.
fn observer(
    world: Arc<RwLock<World>>,
    agents: Arc<Agents>,
    engine: Arc<EngineBell>,
    to_loop: mpsc::UnboundedSender<LoopMessage>,
) -> Observer {
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
        for change in &committed.changes {
            if engine_link::may_concern(change.after.as_ref()) {
                engine.ring(change.key.clone());
            }
        }
        // The loop is gone only when all stops.
        let _ = to_loop.send(LoopMessage::Committed(Arc::clone(committed)));
    })
}

fn serve(plane: &Arc<Plane>) -> Result<HttpServer<Arc<Front<Plane>>>, StartError> {
    let mut api = tessera_api_mod::api_description::<Handlers>()
        .expect("the description is valid: the tests of tessera-api build it");
    register_kinds::<Handlers>(&mut api)
        .expect("the description is valid: the tests of tessera-api build it");
    let config = ConfigDropshot {
        bind_address: plane.options.listen,
        default_request_body_max_bytes: limits::BODY_BYTES_MAX,
        default_handler_task_mode: HandlerTaskMode::CancelOnDisconnect,
        ..ConfigDropshot::default()
    };
    let log = tessera_serving::logger(plane.metrics.clone());
    let Options { listen, allowed_hosts, .. } = &plane.options;
    let front = Front::new(Arc::clone(plane), "control plane", *listen, allowed_hosts, DOCUMENT);
    let front = Arc::new(front);
    ServerBuilder::new(api, front, log).config(config).start().map_err(|error| {
        let reason = match &error {
            BuildError::BindError { error, .. } => error.to_string(),
            other => other.to_string(),
        };
        StartError::Listen { address: plane.options.listen, reason }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tessera_types::limits::WATCHERS_MAX;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    pub(crate) fn options(folder: &Path) -> Options {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Options { listen, state_dir: folder.to_owned(), ..Options::default() }
    }

    /// The status line, headers and body of an answer.
    pub(crate) async fn ask(control: &Control, request: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(control.local_addr()).await.unwrap();
        let headers = "host: localhost\r\nconnection: close\r\ncontent-type: application/json";
        let length = body.len();
        let text =
            format!("{request} HTTP/1.1\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// The control plane says that it is not ready, and can still be stopped.
    async fn is_seen(control: Control, reason: &str) {
        let ready = ask(&control, "GET /readyz", "").await;
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains(reason), "{ready}");
        assert!(ask(&control, "GET /healthz", "").await.starts_with("HTTP/1.1 200"));
        control.stop().await;
    }

    #[tokio::test]
    async fn a_start_whose_address_is_taken_leaves_no_folder_behind() {
        let folder = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let state_dir = folder.path().join("state");
        let listen = taken.local_addr().unwrap();
        let options = Options { listen, state_dir: state_dir.clone(), ..Options::default() };
        let refused = Control::start(options).await.err().unwrap();
        assert_eq!(refused.code(), "listen");
        assert!(!state_dir.exists());
    }

    #[tokio::test]
    async fn a_parameter_that_there_is_not_is_refused_and_nothing_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::start(options(folder.path())).await.unwrap();
        let workload = r#"{"spec": {"command": "x"}}"#;
        let refused = ask(&control, "PUT /v1/workloads/web?dry-run=true", workload).await;
        assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
        assert!(refused.contains("did you mean `dry_run`?"), "{refused}");
        assert!(ask(&control, "GET /v1/workloads/web", "").await.starts_with("HTTP/1.1 404"));
        let refused = ask(&control, "GET /v1/top?all", "").await;
        assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
        assert!(ask(&control, "GET /v1/workloads?limit=3&", "").await.starts_with("HTTP/1.1 200"));
        control.stop().await;
    }

    #[tokio::test]
    async fn a_loop_that_dies_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let run = async |_, mut messages: mpsc::UnboundedReceiver<LoopMessage>| {
            messages.recv().await;
            panic!("a fault for the test");
        };
        let control = Control::start_with(options(folder.path()), open_store, run).await.unwrap();
        assert!(ask(&control, "GET /readyz", "").await.starts_with("HTTP/1.1 200"));
        control.plane.tell_loop(LoopMessage::Wake(tessera_types::Uid(1)));
        assert_eq!(control.died().await, Died::Loop("a fault for the test".to_owned()));
        is_seen(control, "the reconcile loop has died (a fault for the test)").await;
    }

    #[tokio::test]
    async fn a_writer_that_dies_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let fuse = Arc::new(AtomicBool::new(false));
        let blown = Arc::clone(&fuse);
        let open = |path: &Path, observer: Observer| {
            let faulty = move |committed: &Arc<Committed>| {
                assert!(!blown.load(Ordering::SeqCst), "a fault for the test");
                observer(committed);
            };
            open_store(path, Box::new(faulty))
        };
        let control =
            Control::start_with(options(folder.path()), open, reconcile_loop::run).await.unwrap();
        fuse.store(true, Ordering::SeqCst);
        let workload = r#"{"spec": {"command": "x"}}"#;
        let refused = ask(&control, "PUT /v1/workloads/web", workload).await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
        assert_eq!(control.died().await, Died::Store);
        is_seen(control, "the store's writer has died").await;
    }

    #[tokio::test]
    async fn a_control_plane_that_stops_in_order_has_not_died() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::start(options(folder.path())).await.unwrap();
        let plane = Arc::clone(&control.plane);
        control.stop().await;
        assert_eq!(plane.health.died(), None);
    }

    #[tokio::test]
    async fn more_watches_than_allowed_are_refused_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::start(options(folder.path())).await.unwrap();
        let places = Arc::clone(&control.plane.watch_places);
        let all = places.try_acquire_many(WATCHERS_MAX as u32).unwrap();
        let refused = ask(&control, "GET /v1/watch", "").await;
        assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
        for part in ["retry-after: ", "too_many_requests", "1024 watches"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        drop(all);
        let mut stream = TcpStream::connect(control.local_addr()).await.unwrap();
        stream.write_all(b"GET /v1/watch HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        control.stop().await;
    }
}
