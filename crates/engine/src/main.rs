//! `tessera-engine`: the engine as a program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tessera_engine::{
    ControlAddress, DEFAULT_LISTEN, DEFAULT_MEMORY_MAX, DEFAULT_STATE_DIR, Engine, Options,
    allowed_host, listen_address,
};
use tessera_types::engine::EVENT_SOURCE;
use tessera_types::{Bytes, Duration};

/// The engine of Tessera: it runs scenarios as durable jobs
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where the API listens
    #[arg(long, env = "TESSERA_ENGINE_LISTEN", default_value_t = DEFAULT_LISTEN, value_name = "ADDRESS", value_parser = listen_address)]
    listen: SocketAddr,
    /// Allow an address that is not loopback; there is no authentication yet
    #[arg(long)]
    insecure_listen: bool,
    /// A further name under which it may be called, such as that of a proxy; may be given many times
    #[arg(long = "allowed-host", value_name = "HOST", value_parser = allowed_host)]
    allowed_hosts: Vec<String>,
    /// The folder for its state
    #[arg(long, env = "TESSERA_ENGINE_STATE_DIR", default_value = DEFAULT_STATE_DIR, value_name = "FOLDER")]
    state_dir: PathBuf,
    /// A folder of scenarios, as NAME.VERSION.yaml; one with the name of a built-in one takes its place
    #[arg(long, value_name = "FOLDER")]
    scenarios: Option<PathBuf>,
    /// A folder of secrets, a file each, which only the owner may read
    #[arg(long, value_name = "FOLDER")]
    secrets: Option<PathBuf>,
    /// How many jobs may run at the same time; one that waits for time or an event does not count
    #[arg(long, default_value_t = 512, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    jobs_max: u32,
    /// How much memory the data of all runs may take, about; beyond that those that wait for time or an event are
    /// dropped from it, and replayed when they are due
    #[arg(long, default_value_t = DEFAULT_MEMORY_MAX, value_name = "BYTES")]
    memory_max: Bytes,
    /// How many jobs may wait for their turn
    #[arg(long, default_value_t = 100_000, value_name = "NUMBER")]
    queue_max: usize,
    /// How long jobs are kept after their end
    #[arg(long, default_value = "7d", value_name = "DURATION")]
    keep: Duration,
    /// How many jobs are kept after their end; the oldest beyond them are forgotten earlier
    #[arg(long, default_value_t = 200_000, value_name = "NUMBER")]
    jobs_kept_max: usize,
    /// Where the control plane is, for the adapter `fleet`
    #[arg(long, env = "TESSERA_SERVER", value_name = "URL", value_parser = ControlAddress::known)]
    control: Option<ControlAddress>,
    /// What events about jobs name as their source
    #[arg(long, default_value = EVENT_SOURCE, value_name = "SOURCE")]
    event_source_name: String,
    /// A source whose events jobs that listen are given; with * at its end all that begin so; all unless given
    #[arg(long = "event-source", value_name = "SOURCE")]
    event_sources: Vec<String>,
    /// Where events that jobs emit are sent, besides to jobs that listen
    #[arg(long, value_name = "URL")]
    event_sink: Option<url::Url>,
    /// How often an event about a job is sent before it is given up
    #[arg(long, default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    event_attempts: u32,
    /// Send a host to an address: HOST=ADDRESS or HOST=ADDRESS:PORT; may be given many times
    #[arg(long, value_name = "HOST=ADDRESS")]
    resolve: Vec<tessera_effects::Resolve>,
    /// A file with a further certificate (PEM) that is trusted; may be given many times
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
}

impl Args {
    fn into_options(self) -> Options {
        Options {
            listen: self.listen,
            insecure_listen: self.insecure_listen,
            allowed_hosts: self.allowed_hosts,
            state_dir: self.state_dir,
            scenarios: self.scenarios,
            secrets: self.secrets,
            jobs_max: self.jobs_max as usize,
            memory_max: self.memory_max,
            queue_max: self.queue_max,
            keep: self.keep,
            jobs_kept_max: self.jobs_kept_max,
            control: self.control,
            event_source: self.event_source_name,
            event_sources: self.event_sources,
            event_sink: self.event_sink,
            event_attempts: self.event_attempts,
            resolve: self.resolve,
            ca: self.ca,
        }
    }
}

fn main() -> ExitCode {
    tessera_serving::run::<Engine>(Args::parse().into_options())
}
