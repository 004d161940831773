//! How a service is told where it listens, and what it is called.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;

/// Reads where a service listens: an address and a port, or `localhost` and a port.
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

/// Reads a name under which a service may be called: a name or an address, without a port.
///
/// # Errors
/// What it should be instead.
pub fn allowed_host(text: &str) -> Result<String, String> {
    let host = text.trim_start_matches('[').trim_end_matches(']');
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_host = !host.is_empty() && host.chars().all(is_name);
    if is_host || host.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    Err("write a name or an address, without http:// and without a port".to_owned())
}

/// Where this machine reaches what listens there: every address is none to call.
#[must_use]
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Tells that an address is taken, where a state folder would have to be made first: a
/// start that is refused for its address leaves none behind. Where there is one, whoever
/// uses it says more than that the address is in use.
///
/// # Errors
/// Why nothing can listen there.
pub fn refuse_taken(listen: SocketAddr, state_dir: &Path) -> io::Result<()> {
    if state_dir.exists() { Ok(()) } else { TcpListener::bind(listen).map(drop) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_called_on_loopback() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:7"), "127.0.0.1:7");
        assert_eq!(at("[::]:7"), "[::1]:7");
        assert_eq!(at("192.0.2.1:7"), "192.0.2.1:7");
    }

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
