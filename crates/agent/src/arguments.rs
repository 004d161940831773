//! The command line of `tessera-agent`.

use std::path::PathBuf;

use clap::Parser;
use tessera_agent::{
    AgentOptions, CapacityOverrides, ContainerSocket, default_state_dir, host_name,
};
use tessera_types::{Bytes, Duration, Labels, Millicores, Name};

/// Runs Tessera's workloads on this machine.
///
/// The agent registers its node with the control plane, starts and supervises the workloads that are placed on it,
/// and reports what becomes of them. It needs no inbound port. When it ends, by a signal or a crash, its workloads go
/// on, and the next agent with the same state folder takes them over.
#[derive(Debug, Parser)]
#[command(name = "tessera-agent", version, max_term_width = 100)]
#[command(after_help = "\
Environment:
  RUST_LOG  What is logged to standard error, such as `info` (the default) or `tessera=debug`.

Exit codes:
  0  It was asked to end.
  1  It could not start, or another agent has taken its place; standard error says why.
  2  The command line is wrong.")]
pub(crate) struct Arguments {
    /// The control plane's address
    #[arg(long, value_name = "URL", default_value = tessera_client::DEFAULT_URL, env = "TESSERA_SERVER")]
    server: String,

    /// The node's name: lower-case letters, digits and `-` [default: the host's name]
    #[arg(long)]
    name: Option<Name>,

    /// Where the node keeps its state: runs, logs, its identity [default: ./.tessera-agent/<NAME>]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// A label of the node, beside `node`, `os` and `arch`; may be given many times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,

    /// Processor time that workloads may use, in cores (`1.5`) or millicores (`1500m`) [default: all]
    #[arg(long, value_name = "CORES")]
    cpu: Option<Millicores>,

    /// Memory that workloads may use, such as `8GiB` [default: all]
    #[arg(long, value_name = "SIZE")]
    memory: Option<Bytes>,

    /// How many workloads the node takes [default: 500]
    #[arg(long, value_name = "N")]
    workloads_max: Option<u32>,

    /// The socket of the container runtime (Docker or Podman); `none` to run no containers [default: the usual places]
    #[arg(long, value_name = "PATH")]
    container_socket: Option<PathBuf>,

    /// How often tenants are compared with what is declared, at least `1s`
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = interval)]
    tenant_interval: Duration,

    /// Start nothing, and behave like a node that does
    #[arg(long)]
    simulated: bool,

    /// Be so many simulated nodes, named <NAME>-0001 and so on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=9999))]
    simulated_nodes: Option<u32>,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The node, or the pattern of the simulated ones.
    pub(crate) options: AgentOptions,
    /// How many simulated nodes, where it is not one node.
    pub(crate) simulated_nodes: Option<u32>,
}

impl Arguments {
    /// The options, with what was not given filled in.
    pub(crate) fn wanted(self) -> Result<Wanted, String> {
        let name = self.name.map_or_else(host_name, Ok).map_err(|error| {
            format!("this host's name cannot be the node's: {error}; give one with --name")
        })?;
        let options = AgentOptions {
            state_dir: self.state_dir.unwrap_or_else(|| default_state_dir(&name)),
            labels: self.labels.into_iter().collect::<Labels>(),
            capacity: CapacityOverrides {
                cpu: self.cpu,
                memory: self.memory,
                workloads: self.workloads_max,
            },
            simulated: self.simulated || self.simulated_nodes.is_some(),
            container_socket: container_socket(self.container_socket),
            tenant_interval: self.tenant_interval,
            ..AgentOptions::new(name, &self.server)
        };
        Ok(Wanted { options, simulated_nodes: self.simulated_nodes })
    }
}

fn container_socket(path: Option<PathBuf>) -> ContainerSocket {
    match path {
        None => ContainerSocket::Find,
        Some(none) if none.as_os_str() == "none" => ContainerSocket::None,
        Some(path) => ContainerSocket::Path(path),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is written as key=value, such as zone=a".to_owned()),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval: Duration = text.parse().map_err(|error| format!("{error}"))?;
    if interval < Duration::from_secs(1) {
        return Err("a second is the least".to_owned());
    }
    Ok(interval)
}
