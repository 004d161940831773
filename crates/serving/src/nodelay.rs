//! Turns Nagle's algorithm off for every connection to the API.
//!
//! A watch writes small pieces one after the other, and Nagle's algorithm holds
//! the second back until the first is acknowledged, which a reader's kernel puts
//! off by 40 ms. Dropshot neither turns it off nor gives access to its sockets.
//! But on Linux a connection inherits the option from the socket it was accepted
//! on, and a process may duplicate its own descriptors by number.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::net::{getsockname, sockopt};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// Turns it off for the connections to come of the socket that listens on
/// `address`; says whether there was one.
///
/// # Errors
/// When the process's own files cannot be looked at.
pub fn for_listener(address: SocketAddr) -> std::io::Result<bool> {
    let me = pidfd_open(getpid(), PidfdFlags::empty())?;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // What was closed meanwhile, or is no socket, is not it.
        let Ok(fd) = pidfd_getfd(&me, number, PidfdGetfdFlags::empty()) else { continue };
        if listens_on(&fd, address) {
            sockopt::set_tcp_nodelay(&fd, true)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn listens_on(fd: &OwnedFd, address: SocketAddr) -> bool {
    let is_listening = sockopt::socket_acceptconn(fd).unwrap_or(false);
    is_listening
        && getsockname(fd).ok().and_then(|name| SocketAddr::try_from(name).ok()) == Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn accepted_connections_inherit_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(for_listener(address).unwrap());
        let _client = TcpStream::connect(address).unwrap();
        assert!(listener.accept().unwrap().0.nodelay().unwrap());
    }
}
