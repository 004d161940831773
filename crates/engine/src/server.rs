//! Starting and stopping an engine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dropshot::{BuildError, ConfigDropshot, HandlerTaskMode, HttpServer, ServerBuilder};
use parking_lot::Mutex;
use tessera_api::engine_api_mod;
use tessera_effects::{Base, Events, Files, Performer, Settings};
use tessera_serving::{Ended, Front, Service, nodelay};
use tessera_store::OpenError;
use tessera_store::journal::{self, Loaded};
use tessera_types::engine::JobStatus;
use tessera_types::limits;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::desk::Desk;
use crate::document::Documents;
use crate::fleet::{Fleet, NoFleet};
use crate::handlers::{DOCUMENT, Handlers};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::plane::{Link, Plane};
use crate::publish::{Publisher, Starter};
use crate::scenarios::Scenarios;
use crate::state::JobState;
use crate::traces::Traces;
use crate::{forget, outbox, run};

/// Requests under way may take so long to end when the engine stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Threads that drive runs.
const RUN_THREADS: usize = 2;

/// Runs that are replayed at the same time.
const REPLAYS_MAX: usize = 8;

/// Why an engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that others can reach.
    #[error(
        "{0} is not loopback, and there is no authentication yet: whoever reaches it can run any scenario. Listen on 127.0.0.1, or say --insecure-listen if the network is closed"
    )]
    NotLoopback(SocketAddr),
    /// The address is in use, or not one of this machine.
    #[error(
        "cannot listen on {address}: {reason}; is another engine running? Choose another address with --listen"
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
    /// The scenarios cannot be read.
    #[error("the scenarios cannot be used:\n{0}")]
    Scenarios(String),
    /// Something that effects need cannot be used.
    #[error("{0}")]
    Effects(String),
    /// The threads for runs could not be started.
    #[error("cannot start the threads for runs: {0}")]
    Threads(std::io::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] OpenError),
}

impl StartError {
    /// The sort of error, stable for programs: `docs/reference/errors.md` lists them.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotLoopback(_) => "not_loopback",
            Self::Listen { .. } => "listen",
            Self::StateDir { .. } => "state_dir",
            Self::Scenarios(_) => "scenarios",
            Self::Effects(_) => "effects",
            Self::Threads(_) => "threads",
            Self::Journal(OpenError::Locked { .. }) => "store_in_use",
            Self::Journal(OpenError::Newer { .. }) => "store_newer",
            Self::Journal(OpenError::NotADatabase { .. }) => "store_foreign",
            Self::Journal(OpenError::Damaged { .. }) => "store_damaged",
            Self::Journal(OpenError::Io { .. } | OpenError::Failed { .. }) => "store",
        }
    }
}

/// The journal's writer has died: nothing works without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal's writer has died, so no job can go on any more; start the engine again, and report this as a bug with its log"
)]
pub struct Died;

impl Died {
    /// The sort of error, stable for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "store_died"
    }
}

/// An engine that runs.
pub struct Engine {
    plane: Arc<Plane>,
    server: HttpServer<Arc<Front<Plane>>>,
    chores: Vec<JoinHandle<()>>,
    runs: Runs,
}

/// The threads that drive runs. Where nobody waits for their end, they end by themselves:
/// a runtime that is dropped in another would wait for them, and must not.
struct Runs(Option<Runtime>);

impl Drop for Runs {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Engine {
    /// Opens the journal, lets every job go on that was under way, and begins to serve.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        if !options.listen.ip().is_loopback() {
            if !options.insecure_listen {
                return Err(StartError::NotLoopback(options.listen));
            }
            tracing::warn!(target: "tessera", listen = %options.listen, "THE API IS OPEN TO THE NETWORK WITHOUT AUTHENTICATION: whoever reaches it can run any scenario");
        }
        check_address(&options)?;
        // Read first: a mistake in a file changes nothing.
        let scenarios = Scenarios::load(options.scenarios.as_deref());
        let scenarios = Arc::new(scenarios.map_err(StartError::Scenarios)?);
        let link = Link::default();
        let performer = performer(&options, &scenarios, &link)?;
        let runs = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RUN_THREADS)
            .thread_name("runs")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let threads = runs.handle().clone();
        let runs = Runs(Some(runs));
        let plane = Arc::new(assemble(options, scenarios, performer, threads)?);
        link.set(&plane);
        let server = match serve(&plane) {
            Ok(server) => server,
            Err(error) => {
                plane.journal.close().await;
                return Err(error);
            }
        };
        if let Err(error) = nodelay::for_listener(server.local_addr()) {
            tracing::debug!(target: "tessera", %error, "TCP_NODELAY cannot be set");
        }
        let leftovers = plane.performer.look_for_leftovers();
        if leftovers > 0 {
            tracing::info!(target: "tessera::engine", leftovers, "processes are there that a crash left behind; each is ended before its step is tried again");
        }
        resume(&plane);
        let chores = vec![
            tokio::spawn(run::dispatch(Arc::clone(&plane))),
            tokio::spawn(outbox::send_all(Arc::clone(&plane))),
            tokio::spawn(forget::forget_old(Arc::clone(&plane))),
        ];
        tracing::info!(target: "tessera", listen = %server.local_addr(), state_dir = %plane.options.state_dir.display(), "the engine is ready");
        Ok(Self { plane, server, chores, runs })
    }

    /// Where the API listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    #[cfg(test)]
    pub(crate) const fn plane(&self) -> &Arc<Plane> {
        &self.plane
    }

    /// Reads the folder of scenarios again. Jobs that were submitted go on with the document that
    /// they began with. What is wrong is told in the log; such a file keeps its older version.
    pub fn reload(&self) {
        match self.plane.scenarios.reload() {
            Ok(()) => tracing::info!(target: "tessera::engine", "the scenarios were read again"),
            Err(problems) => {
                tracing::error!(target: "tessera::engine", "these scenarios cannot be used; what was read of them before stays:\n{problems}");
            }
        }
    }

    /// Waits until the journal's writer has died, which is to say for ever if all goes
    /// well. Then the engine is to be stopped.
    pub async fn died(&self) -> Died {
        self.plane.journal.ended().await;
        Died
    }

    /// Stops serving and driving runs, and closes the journal. What is under way goes on
    /// at the next start.
    pub async fn stop(mut self) {
        self.plane.stopping.cancel();
        if tokio::time::timeout(DRAIN_WITHIN, self.server.close()).await.is_err() {
            tracing::warn!(target: "tessera", "some requests did not end in time");
        }
        for chore in self.chores {
            // How it ends makes no difference any more.
            let _ = chore.await;
        }
        self.plane.journal.close().await;
        if let Some(runs) = self.runs.0.take() {
            // Processes that are under way get their signals in the meantime.
            let ended = tokio::task::spawn_blocking(move || runs.shutdown_timeout(DRAIN_WITHIN));
            let _ = ended.await;
        }
        tracing::info!(target: "tessera", "the engine has stopped");
    }
}

impl Service for Engine {
    type Options = Options;

    const RELOADS: bool = true;

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

    fn reload(&self) {
        self.reload();
    }

    async fn stop(self) {
        self.stop().await;
    }
}

fn check_address(options: &Options) -> Result<(), StartError> {
    tessera_serving::refuse_taken(options.listen, &options.state_dir)
        .map_err(|error| StartError::Listen { address: options.listen, reason: error.to_string() })
}

fn performer(
    options: &Options,
    scenarios: &Arc<Scenarios>,
    link: &Link,
) -> Result<Performer, StartError> {
    let effects = |error: String| StartError::Effects(error);
    let plain = Settings {
        resolve: options.resolve.clone(),
        ca: options.ca.clone(),
        ..Settings::default()
    };
    let outside = match &options.event_sink {
        Some(url) => {
            let settings = Settings { events: Events::To(url.clone()), ..plain.clone() };
            Some(Performer::new(settings).map_err(|error| effects(error.to_string()))?)
        }
        None => None,
    };
    let fleet: Arc<dyn tessera_effects::Adapter> = match &options.control {
        Some(control) => Arc::new(Fleet::new(control.clone())),
        None => Arc::new(NoFleet),
    };
    let folder = options.scenarios.clone();
    let settings = Settings {
        base: folder.clone().map_or(Base::Nowhere, Base::Folder),
        files: folder.map_or(Files::None, Files::Within),
        definitions: Some(Arc::clone(scenarios) as _),
        runs: Some(Arc::new(Starter(link.clone()))),
        adapters: vec![fleet],
        events: Events::Given(Arc::new(Publisher { link: link.clone(), outside })),
        ..plain
    };
    Performer::new(settings).map_err(|error| effects(error.to_string()))
}

fn assemble(
    options: Options,
    scenarios: Arc<Scenarios>,
    performer: Performer,
    runs: Handle,
) -> Result<Plane, StartError> {
    make_private(&options.state_dir)
        .map_err(|source| StartError::StateDir { path: options.state_dir.clone(), source })?;
    let path = options.state_dir.join("engine.db");
    let (journal, loaded) = journal::open(&path, &journal::Options::default())?;
    let book = book(&path, &loaded)?;
    let outbox = Outbox::load(&loaded.events, &book);
    let memory = Memory::new(usize::try_from(options.memory_max.0).unwrap_or(usize::MAX));
    Ok(Plane {
        options,
        journal,
        book: Mutex::new(book),
        scenarios,
        documents: Documents::default(),
        performer,
        outbox,
        metrics: Metrics::new(),
        memory,
        replays: Semaphore::new(REPLAYS_MAX),
        bell: tokio::sync::Notify::new(),
        door: tokio::sync::Mutex::default(),
        desk: Desk::default(),
        runs,
        traces: Traces::default(),
        outcome: Mutex::default(),
        stopping: CancellationToken::new(),
    })
}

/// What is in it (inputs and outputs of jobs) is nobody else's business.
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn book(path: &Path, loaded: &Loaded) -> Result<Book, StartError> {
    let mut book = Book::default();
    book.begin_with(loaded.next_job);
    for job in &loaded.jobs {
        let state: JobState = serde_json::from_str(&job.state).map_err(|error| {
            let what = format!("the state of job {} cannot be read: {error}", job.number);
            OpenError::Damaged { path: path.to_owned(), what }
        })?;
        if let Some(family) = &state.family {
            book.joins(family);
        }
        book.put(job.number, Arc::new(state));
    }
    Ok(book)
}

/// Lets go on what was under way, and puts the rest into the queue.
fn resume(plane: &Arc<Plane>) {
    let mut book = plane.book.lock();
    let with_status = |book: &Book, status| {
        let all = book.all().filter(|(_, state)| state.head.status == status);
        all.map(|(number, state)| (number, Arc::clone(state))).collect::<Vec<_>>()
    };
    for (number, state) in with_status(&book, JobStatus::Submitted) {
        if !state.interest.is_none() {
            book.unread.insert(number);
        }
        book.queue.push(state.submitter(), number);
    }
    let running = with_status(&book, JobStatus::Running);
    let told: Vec<_> = running.into_iter().map(|(number, _)| (number, book.runs(number))).collect();
    drop(book);
    for (number, told) in told {
        run::spawn(plane, number, told);
    }
}

fn serve(plane: &Arc<Plane>) -> Result<HttpServer<Arc<Front<Plane>>>, StartError> {
    let api = engine_api_mod::api_description::<Handlers>()
        .expect("the description is valid: the tests of tessera-api build it");
    let config = ConfigDropshot {
        bind_address: plane.options.listen,
        default_request_body_max_bytes: limits::BODY_BYTES_MAX,
        // A submission goes on although whoever sent it has gone.
        default_handler_task_mode: HandlerTaskMode::Detached,
        ..ConfigDropshot::default()
    };
    let log = tessera_serving::logger(plane.metrics.clone());
    let Options { listen, allowed_hosts, .. } = &plane.options;
    let front = Front::new(Arc::clone(plane), "engine", *listen, allowed_hosts, DOCUMENT);
    let front = Arc::new(front);
    ServerBuilder::new(api, front, log).config(config).start().map_err(|error| {
        let reason = match &error {
            BuildError::BindError { error, .. } => error.to_string(),
            other => other.to_string(),
        };
        StartError::Listen { address: plane.options.listen, reason }
    })
}
