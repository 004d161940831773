//! `tessera-control`: the control plane as a program of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tessera_control::{
    Control, DEFAULT_KEEP_FINISHED, DEFAULT_LISTEN, DEFAULT_STATE_DIR, Options, allowed_host,
    listen_address,
};
use tessera_types::Duration;
use tessera_types::engine::EVENT_SOURCE;

/// Many threads make and drop much that is small, which the system's allocator is slow at; see
/// docs/rfd/0028-volume.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    #[arg(long, env = "TESSERA_ENGINE", value_name = "URL")]
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
    tessera_serving::run::<Control>(options)
}
