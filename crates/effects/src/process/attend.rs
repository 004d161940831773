//! A process from its start to its end.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use tessera_workflow::machine::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Finished, Launch, Unattended};
use crate::fault;
use crate::settings::Limits;

/// How long what a process wrote before its end is waited for. Something that left its group may
/// hold the pipe forever.
const DRAIN_MAX: Duration = Duration::from_secs(1);
const CHUNK_BYTES: usize = 16 << 10;

/// Runs a process to its end. Cancelling ends it, and so does dropping the future.
pub(super) async fn run(
    launch: Launch,
    limits: &Arc<Limits>,
    cancelled: &CancellationToken,
) -> Result<Finished, Error> {
    let stop = cancelled.child_token();
    let _stops_when_dropped = stop.clone().drop_guard();
    let limits = Arc::clone(limits);
    let attending = tokio::spawn(attend(launch, limits, stop));
    attending.await.map_err(|error| fault::runtime(error.to_string()))?
}

/// Starts a process that nobody waits for. What it writes is lost.
pub(super) fn start(mut launch: Launch) -> Result<(), Error> {
    launch.command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawn(&mut launch)?;
    tokio::spawn(async move {
        let fed = feed(&mut child, launch.stdin.take());
        let _ended = child.wait().await;
        fed.abort();
        drop(launch.file);
    });
    Ok(())
}

/// A process group. What of it is left when this is dropped is ended, if it is to be: the runtime may
/// end before the task does.
struct Group {
    id: Option<Pid>,
    unattended: Unattended,
}

impl Group {
    fn of(child: &Child, unattended: Unattended) -> Self {
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Self { id, unattended }
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // That it is gone already is what is wanted.
            let _gone = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.unattended == Unattended::Ends {
            self.signal(Signal::KILL);
        }
    }
}

async fn attend(
    mut launch: Launch,
    limits: Arc<Limits>,
    stop: CancellationToken,
) -> Result<Finished, Error> {
    launch.command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(&mut launch)?;
    let group = Group::of(&child, launch.unattended);
    let fed = feed(&mut child, launch.stdin.take());
    let overflow = CancellationToken::new();
    let read = |max| Output::read(max, overflow.clone());
    let stdout = child.stdout.take().map(|it| read(limits.output_bytes_max).of(it));
    let stderr = child.stderr.take().map(|it| read(limits.output_bytes_max).of(it));
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = overflow.cancelled() => None,
        () = stop.cancelled() => None,
    };
    fed.abort();
    let Some(status) = ended else {
        end(&mut child, &group, limits.grace).await;
        return Err(match stop.is_cancelled() {
            true => fault::cancelled(),
            false => too_much(&limits),
        });
    };
    let status = status.map_err(|error| fault::runtime(fault::chain(&error)))?;
    // What it left behind in its group ends with it; the group's number is not used again so soon.
    drop(group);
    let stdout = finish(stdout).await;
    let stderr = finish(stderr).await;
    if overflow.is_cancelled() {
        return Err(too_much(&limits));
    }
    Ok(Finished { code: code(status), stdout, stderr })
}

fn too_much(limits: &Limits) -> Error {
    let max = limits.output_bytes_max;
    fault::runtime(format!("the process wrote more than {max} bytes and was ended"))
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn spawn(launch: &mut Launch) -> Result<Child, Error> {
    launch.command.spawn().map_err(|error| {
        let program = launch.command.as_std().get_program().display().to_string();
        let why = fault::chain(&error);
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                fault::configuration(format!("{program} cannot be started: {why}"))
            }
            _ => fault::runtime(format!("{program} cannot be started: {why}")),
        }
    })
}

/// Writes what the process reads. It need not read it.
fn feed(child: &mut Child, text: Option<Arc<str>>) -> JoinHandle<()> {
    let stdin = child.stdin.take();
    tokio::spawn(async move {
        if let (Some(mut stdin), Some(text)) = (stdin, text) {
            let _not_read = stdin.write_all(text.as_bytes()).await;
        }
    })
}

/// Ends a process and its group.
async fn end(child: &mut Child, group: &Group, grace: Duration) {
    group.signal(Signal::TERM);
    if tokio::time::timeout(grace, child.wait()).await.is_err() {
        group.signal(Signal::KILL);
        let _ended = child.wait().await;
    }
}

/// What a process has written so far.
struct Output {
    max: usize,
    overflow: CancellationToken,
}

type Reading = (Arc<Mutex<Vec<u8>>>, JoinHandle<()>);

impl Output {
    fn read(max: usize, overflow: CancellationToken) -> Self {
        Self { max, overflow }
    }

    fn of(self, mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Reading {
        let written = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&written);
        let reading = tokio::spawn(async move {
            let mut chunk = vec![0; CHUNK_BYTES];
            while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
                let mut written = into.lock();
                written.extend_from_slice(&chunk[..count]);
                if written.len() > self.max {
                    self.overflow.cancel();
                    return;
                }
            }
        });
        (written, reading)
    }
}

/// All that was written, as text; what is no UTF-8 is replaced.
async fn finish(reading: Option<Reading>) -> String {
    let Some((written, mut reading)) = reading else { return String::new() };
    if tokio::time::timeout(DRAIN_MAX, &mut reading).await.is_err() {
        reading.abort();
    }
    let written = std::mem::take(&mut *written.lock());
    String::from_utf8(written)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
