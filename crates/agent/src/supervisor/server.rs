//! The supervisor's end of the control socket.
//!
//! Connections come and go with agents. One may also simply stay open: its end says that the run
//! has ended, and that its record is complete.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use super::protocol::{Answer, REQUEST_BYTES_MAX, Request};

/// More connections than any agent needs; beyond that new ones are closed at once.
const CONNECTIONS_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Server {
    listener: UnixListener,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Server {
    pub(super) fn new(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, connections: Vec::new() })
    }

    /// What to wait for.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let streams = self.connections.iter().map(|connection| connection.stream.as_fd());
        std::iter::once(self.listener.as_fd()).chain(streams)
    }

    /// Accepts and answers whatever is there, without waiting.
    pub(super) fn serve(&mut self, mut answer: impl FnMut(Request) -> Answer) {
        while let Ok((stream, _)) = self.listener.accept() {
            let usable = stream.set_nonblocking(true).is_ok();
            if usable && self.connections.len() < CONNECTIONS_MAX {
                self.connections.push(Connection { stream, received: Vec::new() });
            }
        }
        self.connections.retain_mut(|connection| connection.serve(&mut answer).is_ok());
    }
}

impl Connection {
    /// # Errors
    /// When the connection has ended, for whatever reason.
    fn serve(&mut self, answer: &mut impl FnMut(Request) -> Answer) -> io::Result<()> {
        let mut block = [0; 1024];
        loop {
            match self.stream.read(&mut block) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.received.extend_from_slice(&block[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.answer_lines(answer)?;
            if self.received.len() > REQUEST_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
    }

    fn answer_lines(&mut self, answer: &mut impl FnMut(Request) -> Answer) -> io::Result<()> {
        while let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.received.drain(..=end).collect();
            let reply = match serde_json::from_slice(&line) {
                Ok(request) => answer(request),
                Err(error) => Answer::Refused { message: format!("not a request: {error}") },
            };
            let mut reply = serde_json::to_vec(&reply)?;
            reply.push(b'\n');
            self.stream.write_all(&reply)?;
        }
        Ok(())
    }
}
