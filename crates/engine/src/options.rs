//! How an engine is started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tessera_types::engine::EVENT_SOURCE;
use tessera_types::{Bytes, Duration};

use crate::control_address::ControlAddress;

/// Where it listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7080);

/// Where it keeps its state unless told otherwise.
pub const DEFAULT_STATE_DIR: &str = ".tessera-engine";

/// What the data of all runs may take unless told otherwise.
pub const DEFAULT_MEMORY_MAX: Bytes = Bytes(512 << 20);

/// How an engine is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the API listens; port 0 for any that is free.
    pub listen: SocketAddr,
    /// Allows an address that is not loopback, although there is no authentication yet.
    pub insecure_listen: bool,
    /// Further names under which it may be called.
    pub allowed_hosts: Vec<String>,
    /// The folder that the journal is in.
    pub state_dir: PathBuf,
    /// A folder of scenarios: `NAME.VERSION.yaml`.
    pub scenarios: Option<PathBuf>,
    /// A folder of secrets, a file each, which only the owner may read.
    pub secrets: Option<PathBuf>,
    /// Jobs that run at the same time; one that waits for time or an event does not count.
    pub jobs_max: usize,
    /// Bytes that the data of all runs may take, about; beyond that those that wait for time or an
    /// event are dropped from memory.
    pub memory_max: Bytes,
    /// Jobs that wait for their turn; more are refused.
    pub queue_max: usize,
    /// For how long jobs are kept after their end.
    pub keep: Duration,
    /// Jobs that are kept after their end; the oldest beyond them are forgotten earlier.
    pub jobs_kept_max: usize,
    /// Where the control plane is, for the adapter `fleet`.
    pub control: Option<ControlAddress>,
    /// The `source` of events about jobs.
    pub event_source: String,
    /// The sources whose events jobs that listen are given; one that ends with `*` stands
    /// for all that begin so. None of them for all events.
    pub event_sources: Vec<String>,
    /// Where events that jobs emit are sent, besides to jobs that listen.
    pub event_sink: Option<url::Url>,
    /// How often an event about a job is sent before it is given up.
    pub event_attempts: u32,
    /// Hosts that are sent to an address, as `HOST=ADDRESS`.
    pub resolve: Vec<tessera_effects::Resolve>,
    /// Files with further certificates that are trusted.
    pub ca: Vec<PathBuf>,
    /// What goes wrong with commits.
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<crate::faults::Faults>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            insecure_listen: false,
            allowed_hosts: Vec::new(),
            state_dir: PathBuf::from(DEFAULT_STATE_DIR),
            scenarios: None,
            secrets: None,
            jobs_max: 512,
            memory_max: DEFAULT_MEMORY_MAX,
            queue_max: 100_000,
            keep: Duration::from_secs(7 * 24 * 3600),
            jobs_kept_max: 200_000,
            control: None,
            event_source: EVENT_SOURCE.to_owned(),
            event_sources: Vec::new(),
            event_sink: None,
            event_attempts: 20,
            resolve: Vec::new(),
            ca: Vec::new(),
            #[cfg(test)]
            faults: std::sync::Arc::default(),
        }
    }
}
