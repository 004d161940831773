//! The engine of `tessera up`: it runs the jobs of pipelines, beside the control plane.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use tessera_control::DEFAULT_LISTEN as CONTROL_LISTEN;
use tessera_engine::{ControlAddress, DEFAULT_LISTEN, Engine, Options, StartError, listen_address};
use tesseractl::Failure;

use crate::up::Arguments;

/// What `tessera up` is told of its engine.
#[derive(Debug, Args)]
pub(crate) struct EngineArguments {
    /// Where the engine's API listens [default: 127.0.0.1:7080, or any free port where --listen names another than the usual address]
    #[arg(long, env = "TESSERA_ENGINE_LISTEN", value_name = "ADDRESS", value_parser = listen_address)]
    engine_listen: Option<SocketAddr>,
    /// A folder of scenarios for the engine, as NAME.VERSION.yaml; one with the name of a built-in one takes its place
    #[arg(long, value_name = "FOLDER")]
    scenarios: Option<PathBuf>,
    /// A folder of secrets for the engine, a file each, which only the owner may read
    #[arg(long, value_name = "FOLDER")]
    secrets: Option<PathBuf>,
    /// Begin no pipeline with jobs; those under way go on, and so does the engine
    #[arg(long)]
    pub(crate) no_engine: bool,
}

/// Starts the engine. `control` is told later where the control plane is, which has to
/// know where the engine is.
pub(crate) async fn start(
    arguments: &Arguments,
    control: ControlAddress,
) -> Result<Engine, Failure> {
    let EngineArguments { scenarios, secrets, .. } = &arguments.engine;
    let options = Options {
        listen: listen(arguments),
        insecure_listen: arguments.insecure_listen,
        state_dir: arguments.state_dir.join("engine"),
        scenarios: scenarios.clone(),
        secrets: secrets.clone(),
        control: Some(control),
        ..Options::default()
    };
    let engine = Engine::start(options).await;
    engine.map_err(|error| Failure::Start { code: error.code(), message: in_words(&error) })
}

/// Two of them on one machine differ in `--listen`, and so in the engine's port.
fn listen(arguments: &Arguments) -> SocketAddr {
    let usual = match arguments.listen {
        CONTROL_LISTEN => DEFAULT_LISTEN,
        _ => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    arguments.engine.engine_listen.unwrap_or(usual)
}

/// Where the engine listens is another option here.
fn in_words(error: &StartError) -> String {
    match error {
        StartError::Listen { address, reason } => format!(
            "the engine cannot listen on {address}: {reason}; is another engine running? Choose another address with --engine-listen"
        ),
        other => other.to_string(),
    }
}
