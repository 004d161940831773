//! How a control plane is started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tessera_types::Duration;

/// Where it listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7070);

/// How a control plane is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the API listens; port 0 for any that is free.
    pub listen: SocketAddr,
    /// Allows an address that is not loopback, although there is no
    /// authentication yet.
    pub insecure_listen: bool,
    /// The folder that the store is in.
    pub state_dir: PathBuf,
    /// How long a node counts as reachable after it was last heard of.
    pub lease: Duration,
    /// How long the agent that sends a log may say nothing, before its reader is
    /// told. Agents say something every five seconds.
    pub log_silence: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            insecure_listen: false,
            state_dir: PathBuf::from(".tessera"),
            lease: Duration::from_secs(15),
            log_silence: Duration::from_secs(20),
        }
    }
}
