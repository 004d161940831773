//! How a control plane is started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tessera_types::Duration;
use tessera_types::engine::EVENT_SOURCE;

/// Where it listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7070);

/// Where it keeps its state unless told otherwise. `tessera up`, which has a node as
/// well, has a folder of another name: neither finds what the other declared.
pub const DEFAULT_STATE_DIR: &str = ".tessera-control";

/// How long a session that is over is kept unless told otherwise.
pub const DEFAULT_KEEP_FINISHED: Duration = Duration::from_secs(7 * 24 * 3600);

/// How a control plane is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the API listens; port 0 for any that is free.
    pub listen: SocketAddr,
    /// Allows an address that is not loopback, although there is no
    /// authentication yet.
    pub insecure_listen: bool,
    /// Further names under which it may be called, such as that of a proxy. See
    /// [`crate::allowed_host`].
    pub allowed_hosts: Vec<String>,
    /// The sources whose events are let in; one that ends with `*` stands for all
    /// that begin so.
    pub event_sources: Vec<String>,
    /// Where the engine is that runs the jobs of pipelines, if there is one.
    pub engine: Option<String>,
    /// Where the engine sends its events; to this control plane's own address unless
    /// given.
    pub engine_callback: Option<String>,
    /// The source of the engine's events. Nobody else says what becomes of jobs.
    pub engine_source: String,
    /// How often the engine is asked for each job that it has: so an event that was lost
    /// is found.
    pub engine_check_every: Duration,
    /// Begins no pipeline with jobs; those under way go on.
    pub no_engine: bool,
    /// Folders and files with definitions that are seeded at the start, before
    /// anything is served.
    pub seeds: Vec<PathBuf>,
    /// The folder that the store is in.
    pub state_dir: PathBuf,
    /// How long a node counts as reachable after it was last heard of.
    pub lease: Duration,
    /// How long a session that is over is kept, with all that belongs to it.
    pub keep_finished: Duration,
    /// How long the agent that sends a log may say nothing, before its reader is
    /// told. Agents say something every five seconds.
    pub log_silence: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            insecure_listen: false,
            allowed_hosts: Vec::new(),
            event_sources: Vec::new(),
            engine: None,
            engine_callback: None,
            engine_source: EVENT_SOURCE.to_owned(),
            engine_check_every: Duration::from_secs(10),
            no_engine: false,
            seeds: Vec::new(),
            state_dir: PathBuf::from(DEFAULT_STATE_DIR),
            lease: Duration::from_secs(15),
            keep_finished: DEFAULT_KEEP_FINISHED,
            log_silence: Duration::from_secs(20),
        }
    }
}
