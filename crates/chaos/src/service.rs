//! One program of the system, which is kept running as a service manager would.
//!
//! The one idea: nobody waits for it. A look from time to time starts what is down, lets go on
//! what was frozen, and notices what ended by itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tessera_e2e::Program as Process;

/// The pause before what has ended by itself is started again.
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// How long an end in order may take.
const END_PATIENCE: Duration = Duration::from_secs(40);

/// A program and how it is started.
pub(crate) struct Service {
    command: Box<dyn Fn() -> Command + Send>,
    log: PathBuf,
    starts: u32,
    started: Instant,
    process: Option<Process>,
    address: Option<SocketAddr>,
    serves: bool,
    down_until: Instant,
    frozen_until: Option<Instant>,
    ending_since: Option<Instant>,
}

/// What a look has found.
pub(crate) enum News {
    /// It was started.
    Started,
    /// It listens here.
    Listens(SocketAddr),
    /// It has ended as it was told to, so long after it was started.
    Ended(ExitStatus, Duration),
    /// It has ended by itself.
    Died(ExitStatus),
    /// It was told to end, and does not.
    Hangs,
}

impl Service {
    /// A program that is not running yet. Its logs are `log` with numbers; one that `serves`
    /// says where it listens.
    pub(crate) fn new(
        log: PathBuf,
        serves: bool,
        command: impl Fn() -> Command + Send + 'static,
    ) -> Self {
        Self {
            command: Box::new(command),
            log,
            starts: 0,
            started: Instant::now(),
            process: None,
            address: None,
            serves,
            down_until: Instant::now(),
            frozen_until: None,
            ending_since: None,
        }
    }

    /// The process, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Does what is due.
    pub(crate) fn look(&mut self, now: Instant) -> Option<News> {
        if self.frozen_until.is_some_and(|until| until <= now) {
            self.frozen_until = None;
            self.signal(Signal::CONT);
        }
        let Some(process) = &mut self.process else {
            return (self.down_until <= now).then(|| self.start());
        };
        if let Some(status) = process.ended() {
            let was_told = self.ending_since.is_some();
            self.forget();
            self.down_until = if was_told { now } else { now + AGAIN_AFTER };
            return Some(if was_told {
                News::Ended(status, self.started.elapsed())
            } else {
                News::Died(status)
            });
        }
        if self.ending_since.is_some_and(|since| now > since + END_PATIENCE) {
            self.kill(Duration::ZERO);
            return Some(News::Hangs);
        }
        if self.serves && self.address.is_none() {
            let output = process.output();
            let address = output.lines().find_map(|line| {
                line.strip_prefix("listening on http://")?.parse::<SocketAddr>().ok()
            })?;
            self.address = Some(address);
            return Some(News::Listens(address));
        }
        None
    }

    fn start(&mut self) -> News {
        self.starts += 1;
        self.started = Instant::now();
        let log = self.log.with_extension(format!("{}.log", self.starts));
        self.process = Some(Process::start((self.command)(), log));
        News::Started
    }

    fn forget(&mut self) {
        self.process = None;
        self.address = None;
        self.frozen_until = None;
        self.ending_since = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// SIGKILL; it is not started again for so long.
    pub(crate) fn kill(&mut self, down: Duration) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        self.forget();
        self.down_until = Instant::now() + down;
    }

    /// SIGTERM.
    pub(crate) fn terminate(&mut self) {
        self.ending_since = self.process.is_some().then(Instant::now);
        self.signal(Signal::TERM);
    }

    /// SIGSTOP, and SIGCONT after so long.
    pub(crate) fn freeze(&mut self, long: Duration) {
        if self.process.is_some() {
            self.frozen_until = Some(Instant::now() + long);
            self.signal(Signal::STOP);
        }
    }

    /// Nothing is wrong with it any more from the next look on.
    pub(crate) fn recover(&mut self) {
        self.down_until = Instant::now();
        if self.frozen_until.is_some() {
            self.frozen_until = Some(Instant::now());
        }
    }
}
