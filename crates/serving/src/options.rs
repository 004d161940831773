//! How a service is told where it listens, and what it is called.

use std::net::SocketAddr;

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
