//! The supervisor's one loop: it waits for whatever happens and hands it to [`Run`].

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::clock::BootInstant;
use super::events::Events;
use super::life::Now;
use super::run::Run;
use super::run_dir::RunDir;
use super::runtime::Runtime;
use super::server::Server;
use super::spec::RunSpec;
use super::timers::Timers;

/// When everything is dead, its last output is there already; somebody else may hold the pipe open,
/// though.
const DRAIN_MS: u64 = 500;
const RECORD_RETRY_MS: u64 = 1_000;

pub(super) struct Control<R> {
    run: Run<R>,
    events: Events,
    server: Server,
    timers: Timers,
    /// Readable when the supervisor itself was asked to end.
    terminated: UnixStream,
}

impl<R: Runtime> Control<R> {
    /// `notify` is closed as soon as the program was executed, or never will be.
    pub(super) fn new(
        dir: RunDir,
        spec: &RunSpec,
        runtime: R,
        notify: OwnedFd,
    ) -> io::Result<Self> {
        Ok(Self {
            server: Server::new(dir.bind()?)?,
            run: Run::new(dir, spec, runtime, notify),
            events: Events::new()?,
            timers: Timers::new()?,
            terminated: catch_termination()?,
        })
    }

    /// Runs it from start to end, and returns when nothing of it is left and its record is written.
    pub(super) fn run(mut self, spec: &RunSpec) -> io::Result<()> {
        self.run.start(spec, &self.events);
        while !self.run.is_over() {
            self.step(None)?;
        }
        let drained_by = BootInstant::now().plus_ms(DRAIN_MS);
        while self.run.has_output() && BootInstant::now() < drained_by {
            self.step(Some(drained_by))?;
        }
        self.run.release();
        while !self.run.write_record() {
            self.step(Some(BootInstant::now().plus_ms(RECORD_RETRY_MS)))?;
        }
        Ok(())
    }

    /// Waits for something to happen, at most until `latest`, and deals with it.
    fn step(&mut self, latest: Option<BootInstant>) -> io::Result<()> {
        let (boot, wall) = self.run.wake_at();
        self.timers.set(boot.into_iter().chain(latest).min(), wall)?;
        self.wait()?;
        // Deadlines come first: no request may outrun them.
        self.run.tick(Now::read());
        for event in self.events.take() {
            self.run.handle(event, Now::read());
        }
        if self.terminated.read(&mut [0; 8]).is_ok() {
            self.run.terminate(Now::read());
        }
        self.server.serve(|request| self.run.answer(request, Now::read()));
        Ok(())
    }

    fn wait(&self) -> io::Result<()> {
        let own = [self.events.fd(), self.terminated.as_fd()];
        let sources = self.timers.fds().into_iter().chain(own).chain(self.server.fds());
        let mut fds: Vec<PollFd<'_>> =
            sources.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// SIGTERM must not kill the supervisor, and by that the workload, without its grace: it comes when
/// the machine shuts down.
fn catch_termination() -> io::Result<UnixStream> {
    let (terminated, signalled) = UnixStream::pair()?;
    terminated.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, signalled)?;
    Ok(terminated)
}
