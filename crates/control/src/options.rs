//! How a control plane is started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tessera_types::Duration;

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
    /// [`allowed_host`].
    pub allowed_hosts: Vec<String>,
    /// The sources whose events are let in; one that ends with `*` stands for all
    /// that begin so.
    pub event_sources: Vec<String>,
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
            seeds: Vec::new(),
            state_dir: PathBuf::from(DEFAULT_STATE_DIR),
            lease: Duration::from_secs(15),
            keep_finished: DEFAULT_KEEP_FINISHED,
            log_silence: Duration::from_secs(20),
        }
    }
}

/// Reads [`Options::listen`]: an address and a port, or `localhost` and a port.
///
/// # Errors
/// What it should be instead.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let address = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address = address.as_deref().unwrap_or(text);
    let example = |_| {
        let is_port = text.trim_start_matches(':').parse::<u16>().is_ok();
        let port = if is_port { text.trim_start_matches(':') } else { "7070" };
        format!("write an address and a port, such as 127.0.0.1:{port} or localhost:{port}")
    };
    address.parse().map_err(example)
}

/// Reads one of [`Options::allowed_hosts`]: a name or an address, without a port.
///
/// # Errors
/// What it should be instead.
pub fn allowed_host(text: &str) -> Result<String, String> {
    let host = text.trim_start_matches('[').trim_end_matches(']');
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_host = !host.is_empty() && host.chars().all(is_name);
    if is_host || host.parse::<std::net::IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    Err("write a name or an address, without http:// and without a port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_listen_is_an_address_or_localhost_with_a_port() {
        for (text, address) in [
            ("127.0.0.1:18702", "127.0.0.1:18702"),
            ("localhost:18702", "127.0.0.1:18702"),
            ("[::1]:0", "[::1]:0"),
        ] {
            assert_eq!(listen_address(text), Ok(address.parse().unwrap()));
        }
        for text in ["18702", ":18702", "localhost", "localhost:99999", "example.org:80", ""] {
            let error = listen_address(text).unwrap_err();
            let port = if text.contains("18702") { "18702" } else { "7070" };
            assert!(error.contains(&format!("127.0.0.1:{port}")), "{text}: {error}");
        }
    }
}
