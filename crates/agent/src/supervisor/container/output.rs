//! Carries what a container prints from the API to the pipes from which the log is written.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::containers::{ApiError, Body, ContainerApi, Frames, State};
use crate::logs::Stream;

/// When a container has ended, what it printed last is on its way.
const DRAIN_TIME: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(300);

/// The ends of the pipes where something is written.
pub(super) struct PipeEnds {
    pub(super) out: OwnedFd,
    pub(super) err: OwnedFd,
    pub(super) notice: OwnedFd,
}

/// The same, for tokio.
pub(super) struct Pipes {
    out: Sender,
    err: Sender,
    pub(super) notices: Notices,
}

impl Pipes {
    pub(super) fn new(ends: PipeEnds) -> io::Result<Self> {
        Ok(Self {
            out: Sender::from_owned_fd(ends.out)?,
            err: Sender::from_owned_fd(ends.err)?,
            notices: Notices(Arc::new(Sender::from_owned_fd(ends.notice)?)),
        })
    }
}

/// What Tessera itself has to say in a workload's log.
#[derive(Clone)]
pub(super) struct Notices(Arc<Sender>);

impl Notices {
    pub(super) fn say(&self, text: &str) {
        // So few are said that the pipe is never full.
        let _reader_is_gone = self.0.try_write(format!("{text}\n").as_bytes());
    }
}

/// Carries the output of one container.
pub(super) struct Carrier {
    task: JoinHandle<()>,
    ended: watch::Sender<bool>,
}

impl Carrier {
    pub(super) fn start(api: ContainerApi, id: String, pipes: Pipes, stream: Body) -> Self {
        let (ended, has_ended) = watch::channel(false);
        let task =
            tokio::spawn(async move { Work { api, id, pipes, has_ended }.run(stream).await });
        Self { task, ended }
    }

    /// The container has ended: carries what is still to come, and closes the pipes.
    pub(super) async fn finish(mut self) {
        let _unread = self.ended.send(true);
        if timeout(DRAIN_TIME, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

struct Work {
    api: ContainerApi,
    id: String,
    pipes: Pipes,
    has_ended: watch::Receiver<bool>,
}

impl Work {
    async fn run(mut self, stream: Body) {
        let mut next = Some(stream);
        while let Some(stream) = next {
            if self.carry(stream).await.is_err() {
                // Nobody reads any more.
                return;
            }
            next = self.again().await;
        }
    }

    async fn carry(&mut self, mut stream: Body) -> io::Result<()> {
        let mut frames = Frames::default();
        while let Some(Ok(frame)) = stream.frame().await {
            let mut block = frame.data_ref().map_or(&[][..], |data| data);
            while let Some((from, piece)) = frames.next(&mut block) {
                match from {
                    Stream::Stdout => self.pipes.out.write_all(piece).await?,
                    Stream::Stderr | Stream::Notice => self.pipes.err.write_all(piece).await?,
                }
            }
        }
        Ok(())
    }

    /// The stream ended. If the container has not, the runtime was restarted: then there is another
    /// stream, and a gap before it.
    async fn again(&mut self) -> Option<Body> {
        loop {
            tokio::select! {
                _ = self.has_ended.wait_for(|ended| *ended) => return None,
                () = sleep(RETRY) => {}
            }
            match self.attach_again().await {
                Ok(None) => return None,
                Ok(Some(stream)) => {
                    self.pipes.notices.say(
                        "the container runtime was away; what was printed meanwhile is missing here",
                    );
                    return Some(stream);
                }
                Err(_) => {}
            }
        }
    }

    /// Attaching to a container that has ended would make Podman set it up again.
    async fn attach_again(&self) -> Result<Option<Body>, ApiError> {
        match self.api.inspect(&self.id).await {
            Ok(State { status, .. }) if status == "running" => {
                self.api.attach(&self.id).await.map(Some)
            }
            Ok(_) => Ok(None),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
