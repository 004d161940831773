//! `tessera up`: a control plane and one node in this process.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tessera_agent::{Agent, AgentHandle, AgentOptions, ContainerSocket};
use tessera_client::Api;
use tessera_control::{Control, DEFAULT_LISTEN, Options, allowed_host, listen_address};
use tessera_types::{Duration as Period, Name};
use tesseractl::converge::{Board, Goal, for_stdout, wait};
use tesseractl::manifests::{self, Declaration, Namespace, Sources};
use tesseractl::{Exit, Failure, Follow, Scope, Style, When};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::ending::Ending;
use crate::hints;

/// Run a control plane and a node on this machine
///
/// Applies the given files, shows how what they declare comes to be, and runs until
/// Ctrl-C, which stops the workloads and then the rest. Its state stays: the next
/// start goes on from there.
#[derive(Debug, Parser)]
#[command(name = "up", bin_name = "tessera up", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// A file or folder with what to declare, or `-` for standard input; may be given many times
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The folder for its state
    #[arg(long, env = "TESSERA_STATE_DIR", default_value = ".tessera", value_name = "FOLDER")]
    state_dir: PathBuf,
    /// Where the API listens
    #[arg(long, env = "TESSERA_LISTEN", default_value_t = DEFAULT_LISTEN, value_name = "ADDRESS", value_parser = listen_address)]
    listen: SocketAddr,
    /// Allow an address that is not loopback; there is no authentication yet
    #[arg(long)]
    insecure_listen: bool,
    /// A further name under which it may be called, such as that of a proxy; may be given many times
    #[arg(long = "allowed-host", value_name = "HOST", value_parser = allowed_host)]
    allowed_hosts: Vec<String>,
    /// The node's name
    #[arg(long, default_value = "local")]
    name: Name,
    /// The socket of the container runtime; `none` to run no containers [default: the usual places]
    #[arg(long, value_name = "PATH")]
    container_socket: Option<PathBuf>,
    /// Only behave as if anything was run
    #[arg(long)]
    simulated: bool,
    /// How long what is declared may take to come to be, before that is said
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    timeout: Period,
    /// Leave the workloads running when it ends; the next start takes them over
    #[arg(long)]
    keep_running: bool,
}

/// Runs `tessera up`.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    log_to_stderr();
    // Read before anything is started: a mistake in a file changes nothing.
    let sources = Sources { paths: arguments.files.clone(), recursive: false };
    let declarations = match manifests::read(&sources, &Namespace::default()) {
        Ok(declarations) => declarations,
        Err(failure) => return complain(&failure),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(up(arguments, &declarations)),
        Err(error) => Err(failed(format!("cannot start the runtime: {error}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => complain(&failure),
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

fn complain(failure: &Failure) -> ExitCode {
    eprint!("{}", failure.render(Style::of(When::Auto, &std::io::stderr())));
    failure.exit().into()
}

fn failed(message: String) -> Failure {
    Failure::Failed { message, details: Vec::new() }
}

/// What asks it to end.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn up(arguments: &Arguments, declarations: &[Declaration]) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let control = start_control(arguments).await?;
    let address = control.local_addr();
    let agent = match Box::pin(start_agent(arguments, address)).await {
        Ok(agent) => agent,
        Err(failure) => {
            control.stop().await;
            return Err(failure);
        }
    };
    let served = tokio::select! {
        () = stop.asked() => Ok(()),
        () = agent.superseded() => Err(failed(
            "another agent has taken this node's place; it needs a state folder of its own".to_owned(),
        )),
        served = serve(arguments, address, declarations) => served,
        died = control.died() => {
            Err(Failure::Start { code: died.code(), message: died.to_string() })
        }
    };
    end(arguments, agent, control, &mut stop).await?;
    served
}

async fn start_control(arguments: &Arguments) -> Result<Control, Failure> {
    let options = Options {
        listen: arguments.listen,
        insecure_listen: arguments.insecure_listen,
        allowed_hosts: arguments.allowed_hosts.clone(),
        state_dir: arguments.state_dir.clone(),
        ..Options::default()
    };
    Control::start(options)
        .await
        .map_err(|error| Failure::Start { code: error.code(), message: error.to_string() })
}

async fn start_agent(arguments: &Arguments, address: SocketAddr) -> Result<AgentHandle, Failure> {
    let container_socket = match &arguments.container_socket {
        None => ContainerSocket::Find,
        Some(path) if path.as_os_str() == "none" => ContainerSocket::None,
        Some(path) => ContainerSocket::Path(path.clone()),
    };
    let options = AgentOptions {
        state_dir: arguments.state_dir.join("node"),
        simulated: arguments.simulated,
        container_socket,
        ..AgentOptions::new(arguments.name.clone(), &format!("http://{address}"))
    };
    Agent::start(options)
        .await
        .map_err(|error| Failure::Start { code: error.code(), message: error.to_string() })
}

/// Declares what was given, shows how it comes to be, and then waits for ever.
async fn serve(
    arguments: &Arguments,
    address: SocketAddr,
    declarations: &[Declaration],
) -> Result<(), Failure> {
    say(&format!(
        "The API listens on http://{address}; state is in {}.",
        arguments.state_dir.display()
    ))?;
    let api = Api::new(&format!("http://{address}"))?;
    if let Err(failure) = declare(arguments, &api, declarations).await {
        match failure.exit() {
            Exit::Failed | Exit::Conflict => complain(&failure),
            _ => return Err(failure),
        };
    }
    say("\nTry next, in another terminal:")?;
    for command in hints::commands(address, declarations) {
        say(&format!("  {command}"))?;
    }
    say("\nCtrl-C stops it.")?;
    std::future::pending().await
}

async fn declare(
    arguments: &Arguments,
    api: &Api,
    declarations: &[Declaration],
) -> Result<(), Failure> {
    if declarations.is_empty() {
        return Ok(());
    }
    // Followed from before anything is declared, so that nothing is missed.
    let scope = Scope::around(declarations.iter().map(|declaration| &declaration.key));
    let mut follow = Follow::start(api, scope).await?;
    let mut goals = Vec::new();
    let mut refused = None;
    tesseractl::apply(api, declarations, |declaration, result| {
        match (&result.problem, result.outcome, result.generation) {
            (Some(problem), ..) => refused = Some(problem.clone()),
            (None, Some(outcome), Some(generation)) => {
                say(&format!("{} {outcome}", declaration.key))?;
                goals.push((declaration.key.clone(), Goal::Converged { generation }));
            }
            _ => {}
        }
        Ok(())
    })
    .await?;
    let mut board = Board::new("converged", goals, follow.known());
    let mut progress = for_stdout(Style::of(When::Auto, &std::io::stdout()));
    let timeout = Duration::from_millis(arguments.timeout.as_millis());
    wait(&mut follow, &mut board, timeout, progress.as_mut()).await?;
    match refused {
        Some(problem) => Err(tessera_client::Error::Refused(Box::new(problem)).into()),
        None => Ok(()),
    }
}

/// Ends in order: first the workloads, then the node, then the control plane,
/// which so hears how they ended. A second signal does not wait for that. Nobody
/// may be left to read what it says, and that keeps it from nothing.
async fn end(
    arguments: &Arguments,
    agent: AgentHandle,
    control: Control,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let _ = say(match arguments.keep_running {
        true => "\nStopping; the workloads go on.",
        false => "\nStopping the workloads, then the rest; Ctrl-C again does not wait.",
    });
    let mut ending = Ending::begin(Api::new(&format!("http://{}", control.local_addr()))?);
    let in_order = async {
        agent.shutdown(!arguments.keep_running).await;
        control.stop().await;
    };
    tokio::select! {
        () = in_order => {
            let _ = say("Stopped. The state is kept; the next start goes on from there.");
            Ok(())
        }
        () = tell(arguments, &mut ending) => Ok(()),
        () = stop.asked() => {
            if let Some(left) = ending.abandoned().filter(|_| !arguments.keep_running) {
                let _ = say(&left);
            }
            Err(Failure::Told(Exit::Interrupted))
        }
    }
}

/// Tells what is waited for; never ends.
async fn tell(arguments: &Arguments, ending: &mut Ending) {
    if arguments.keep_running {
        return std::future::pending().await;
    }
    ending.tell(|line| drop(say(line))).await;
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
