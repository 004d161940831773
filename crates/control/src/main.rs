//! `tessera-control`: the control plane as a program of its own.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tessera_control::{
    Control, DEFAULT_KEEP_FINISHED, DEFAULT_LISTEN, DEFAULT_STATE_DIR, Options, allowed_host,
    listen_address,
};
use tessera_types::Duration;
use tessera_types::engine::EVENT_SOURCE;
use tokio::signal::unix::{SignalKind, signal};

/// The control plane of Tessera: it keeps what is declared, and makes it so.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where the API listens
    #[arg(long, env = "TESSERA_LISTEN", default_value_t = DEFAULT_LISTEN, value_name = "ADDRESS", value_parser = listen_address)]
    listen: SocketAddr,
    /// Allow an address that is not loopback; there is no authentication yet
    #[arg(long)]
    insecure_listen: bool,
    /// A further name under which it may be called, such as that of a proxy; may be given many times
    #[arg(long = "allowed-host", value_name = "HOST", value_parser = allowed_host)]
    allowed_hosts: Vec<String>,
    /// A source whose events are let in, such as `https://lms.example`; with * at its end all that begin so
    #[arg(long = "event-source", value_name = "SOURCE")]
    event_sources: Vec<String>,
    /// Where the engine is that runs the jobs of pipelines, such as `http://127.0.0.1:7080`
    #[arg(long, env = "TESSERA_ENGINE_URL", value_name = "URL")]
    engine: Option<String>,
    /// Where the engine sends its events [default: this control plane]
    #[arg(long, value_name = "URL", requires = "engine")]
    engine_callback: Option<String>,
    /// The source of the engine's events, as its own `--event-source-name`
    #[arg(long, default_value = EVENT_SOURCE, value_name = "SOURCE")]
    engine_source: String,
    /// How often the engine is asked for each job that it has, since events can be lost
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = check_every)]
    engine_check_every: Duration,
    /// Begin no pipeline with jobs; those under way go on
    #[arg(long)]
    no_engine: bool,
    /// A folder or file with definitions to load into the catalogue at the start; may be given many times
    #[arg(long = "seed", value_name = "PATH")]
    seeds: Vec<PathBuf>,
    /// The folder for its state
    #[arg(long, env = "TESSERA_STATE_DIR", default_value = DEFAULT_STATE_DIR, value_name = "FOLDER")]
    state_dir: PathBuf,
    /// How long a node counts as reachable after it was last heard of
    #[arg(long, default_value = "15s", value_name = "DURATION", value_parser = lease)]
    lease: Duration,
    /// How long a session that is over is kept, with all that belongs to it; then it is removed
    #[arg(long, default_value_t = DEFAULT_KEEP_FINISHED, value_name = "DURATION")]
    keep_finished: Duration,
    /// How long the agent that sends a log may say nothing; for tests
    #[arg(long, hide = true, default_value = "20s", value_name = "DURATION")]
    log_silence: Duration,
}

/// Asking all the time would be all that the engine does.
fn check_every(text: &str) -> Result<Duration, String> {
    match text.parse::<Duration>().map_err(|error| error.to_string())? {
        every if every < Duration::from_millis(100) => Err("it is at least 100ms".to_owned()),
        every => Ok(every),
    }
}

/// A lease that heartbeats can keep, and that ends within a day.
fn lease(text: &str) -> Result<Duration, String> {
    match text.parse::<Duration>().map_err(|error| error.to_string())? {
        lease if lease < Duration::from_secs(1) => Err("a lease is at least 1s".to_owned()),
        lease if lease > Duration::from_secs(86_400) => Err("a lease is at most 1d".to_owned()),
        lease => Ok(lease),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    init_log();
    allow_many_connections();
    let options = Options {
        listen: args.listen,
        insecure_listen: args.insecure_listen,
        allowed_hosts: args.allowed_hosts,
        event_sources: args.event_sources,
        engine: args.engine,
        engine_callback: args.engine_callback,
        engine_source: args.engine_source,
        engine_check_every: args.engine_check_every,
        no_engine: args.no_engine,
        seeds: args.seeds,
        state_dir: args.state_dir,
        lease: args.lease,
        keep_finished: args.keep_finished,
        log_silence: args.log_silence,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(options)),
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

/// Each agent, watch and log has a connection: with the usual soft limit of 1024 open
/// files these would run out before the limits that are answered.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::warn!(target: "tessera", %error, "the limit of open files stays as it is");
    }
}

fn init_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("tessera=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

async fn run(options: Options) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| format!("error: cannot wait for signals: {error}"))?;
    let control = Control::start(options)
        .await
        .map_err(|error| format!("error[{}]: {error}", error.code()))?;
    println!("listening on http://{}", control.local_addr());
    let ended = tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
        died = control.died() => Err(format!("error[{}]: {died}", died.code())),
    };
    control.stop().await;
    ended
}
