//! A service as a program: its log, its limits, its signals, and how it ends.

use std::fmt::Display;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Why a service could not start, or cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The sort of error, stable for programs.
    pub code: &'static str,
    /// What it is, and what to do.
    pub why: String,
}

impl Ended {
    /// One of this code, for this error.
    pub fn of(code: &'static str, why: &impl Display) -> Self {
        Self { code, why: why.to_string() }
    }
}

/// Something that serves until it is told to stop.
pub trait Service: Sized {
    /// How it is started.
    type Options;

    /// Whether it has something to read again on SIGHUP, which otherwise ends it as it ends
    /// any program.
    const RELOADS: bool = false;

    /// Starts it; nothing runs where that fails.
    fn start(options: Self::Options) -> impl Future<Output = Result<Self, Ended>>;

    /// Where it listens.
    fn listens_on(&self) -> SocketAddr;

    /// Waits until it cannot go on, which is to say for ever if all goes well.
    fn ended(&self) -> impl Future<Output = Ended>;

    /// Reads again what it was started with, where it [can](Self::RELOADS).
    fn reload(&self) {}

    /// Stops it in order.
    fn stop(self) -> impl Future<Output = ()>;
}

/// Runs a service until SIGINT or SIGTERM, or until it cannot go on. Its first line on
/// standard output says where it listens; its log goes to standard error.
#[must_use]
pub fn run<S: Service>(options: S::Options) -> ExitCode {
    log_to_stderr();
    allow_many_connections();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(until_stopped::<S>(options)),
        Err(error) => Err(format!("error: cannot start the runtime: {error}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("tessera=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// Each agent, watch, log and call of a job is a connection: with the usual soft limit of
/// 1024 open files these would run out before the limits that are answered.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::warn!(target: "tessera", %error, "the limit of open files stays as it is");
    }
}

async fn until_stopped<S: Service>(options: S::Options) -> Result<(), String> {
    let wait_for =
        |kind| signal(kind).map_err(|error| format!("error: cannot wait for signals: {error}"));
    let mut terminate = wait_for(SignalKind::terminate())?;
    let mut hangup = S::RELOADS.then(|| wait_for(SignalKind::hangup())).transpose()?;
    let in_words = |ended: Ended| format!("error[{}]: {}", ended.code, ended.why);
    let service = S::start(options).await.map_err(in_words)?;
    println!("listening on http://{}", service.listens_on());
    let ended = loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            () = again(hangup.as_mut()) => service.reload(),
            ended = service.ended() => break Err(in_words(ended)),
        }
    };
    service.stop().await;
    ended
}

/// Waits for the next signal, for ever where none is waited for.
async fn again(signals: Option<&mut Signal>) {
    match signals {
        Some(signals) => {
            signals.recv().await;
        }
        None => std::future::pending().await,
    }
}
