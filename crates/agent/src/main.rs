//! The agent's binary. It first serves the two hidden subcommands with which it starts itself again, before anything
//! else costs time and memory.

mod arguments;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tessera_agent::{Agent, AgentHandle, StartError, supervisor};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, Wanted};

fn main() -> ExitCode {
    if let Some(code) = supervisor::dispatch(std::env::args_os()) {
        return code;
    }
    let arguments = Arguments::parse();
    log_to_stderr();
    let wanted = arguments.wanted().map_err(|message| format!("error[invalid_name]: {message}"));
    match wanted.and_then(run) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

fn run(wanted: Wanted) -> Result<ExitCode, String> {
    let runtime = runtime(wanted.simulated_nodes.is_some())
        .map_err(|error| format!("error: cannot start the runtime: {error}"))?;
    runtime.block_on(async {
        let agent =
            start(wanted).await.map_err(|error| format!("error[{}]: {error}", error.code()))?;
        let code = tokio::select! {
            signal = wait_for_signal() => {
                signal.map_err(|error| format!("error: cannot wait for signals: {error}"))?;
                info!(target: "tessera::agent", "ends; its workloads go on");
                ExitCode::SUCCESS
            }
            // The node has said so in the log.
            () = agent.superseded() => ExitCode::FAILURE,
        };
        agent.shutdown(false).await;
        Ok(code)
    })
}

/// One node needs one thread; thousands of simulated ones are worth more.
fn runtime(many_nodes: bool) -> std::io::Result<Runtime> {
    let mut builder =
        if many_nodes { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build()
}

async fn start(wanted: Wanted) -> Result<AgentHandle, StartError> {
    match wanted.simulated_nodes {
        Some(count) => Agent::start_simulated_nodes(&wanted.options, count),
        None => Box::pin(Agent::start(wanted.options)).await,
    }
}

async fn wait_for_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
