//! `tessera up`: a control plane, an engine and one node in this process.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tessera_agent::{Agent, AgentHandle, AgentOptions, ContainerSocket};
use tessera_client::Api;
use tessera_control::{
    Control, DEFAULT_KEEP_FINISHED, DEFAULT_LISTEN, Options, allowed_host, listen_address,
    reachable,
};
use tessera_engine::{ControlAddress, Engine};
use tessera_types::{Duration as Period, KindName, Name, Resource, ResourceKey};
use tesseractl::converge::{Board, Goal, for_stdout, wait};
use tesseractl::manifests::{self, Declaration, Namespace, Sources};
use tesseractl::{Exit, Failure, Follow, Scope, Style, When, story};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::ending::Ending;
use crate::engine::{self, EngineArguments};
use crate::hints;

/// Run a control plane, an engine and a node on this machine
///
/// Applies the given files once its node is Ready, shows how what they declare comes to
/// be, tells what happens to the sessions among it until they are over, and runs until
/// Ctrl-C, or until its terminal is closed, which stops the workloads and then the rest: a session that goes on fails
/// where they are never to be restarted, unless --keep-running is given. Its state
/// stays: the next start goes on from there. Where it ends because a part of it has
/// failed, the workloads go on.
#[derive(Debug, Parser)]
#[command(name = "up", bin_name = "tessera up", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// A file or folder with what to declare, or `-` for standard input; may be given many times
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A folder or file with definitions to load into the catalogue at the start; may be given many times
    #[arg(long = "seed", value_name = "PATH")]
    seeds: Vec<PathBuf>,
    /// End when the sessions that were declared are over; the exit code says whether they took place
    #[arg(long)]
    until_over: bool,
    /// The folder for its state
    #[arg(long, env = "TESSERA_STATE_DIR", default_value = ".tessera", value_name = "FOLDER")]
    pub(crate) state_dir: PathBuf,
    /// Where the API listens
    #[arg(long, env = "TESSERA_LISTEN", default_value_t = DEFAULT_LISTEN, value_name = "ADDRESS", value_parser = listen_address)]
    pub(crate) listen: SocketAddr,
    /// Allow an address that is not loopback; there is no authentication yet
    #[arg(long)]
    pub(crate) insecure_listen: bool,
    /// A further name under which it may be called, such as that of a proxy; may be given many times
    #[arg(long = "allowed-host", value_name = "HOST", value_parser = allowed_host)]
    allowed_hosts: Vec<String>,
    /// A source whose events are let in, such as `https://lms.example`; with * at its end all that begin so
    #[arg(long = "event-source", value_name = "SOURCE")]
    event_sources: Vec<String>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
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
    /// How long a session that is over is kept, with all that belongs to it; then it is removed
    #[arg(long, default_value_t = DEFAULT_KEEP_FINISHED, value_name = "DURATION")]
    keep_finished: Period,
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
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
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
    /// That its terminal is closed. None where that is ignored, as under nohup.
    hangup: Option<Signal>,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        let hangup = (!ignores_hangup()).then(|| signal(SignalKind::hangup())).transpose()?;
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)?, hangup })
    }

    async fn asked(&mut self) {
        let closed = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = closed => {}
        }
    }
}

/// Whether whoever started this process wants it to outlive the terminal. See proc(5).
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0)
}

async fn up(arguments: &Arguments, declarations: &[Declaration]) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let parts = Box::pin(Parts::start(arguments)).await?;
    // Where a part has failed, nobody wanted the workloads to end.
    let mut has_failed = false;
    let served = tokio::select! {
        () = stop.asked() => Ok(()),
        () = parts.agent.superseded() => {
            has_failed = true;
            Err(failed(
                "another agent has taken this node's place; it needs a state folder of its own"
                    .to_owned(),
            ))
        }
        served = serve(arguments, &parts, declarations) => served,
        died = parts.control.died() => {
            has_failed = true;
            Err(Failure::Start { code: died.code(), message: died.to_string() })
        }
        died = parts.engine.died() => {
            has_failed = true;
            Err(Failure::Start { code: died.code(), message: died.to_string() })
        }
    };
    let keep_running = arguments.keep_running || has_failed;
    end(keep_running, parts, &mut stop).await?;
    served
}

/// What runs in this process.
struct Parts {
    engine: Engine,
    control: Control,
    agent: AgentHandle,
}

impl Parts {
    /// Starts all of them, or none.
    async fn start(arguments: &Arguments) -> Result<Self, Failure> {
        let address = ControlAddress::default();
        let first = !arguments.state_dir.exists();
        let engine = engine::start(arguments, address.clone()).await?;
        let control = match start_control(arguments, engine.local_addr()).await {
            Ok(control) => control,
            Err(failure) => {
                engine.stop().await;
                if first {
                    leave_nothing(arguments);
                }
                return Err(failure);
            }
        };
        let url = format!("http://{}", reachable(control.local_addr()));
        let told = address.tell(&url).map_err(failed);
        let started = match told {
            Ok(()) => start_agent(arguments, &url).await,
            Err(failure) => Err(failure),
        };
        match started {
            Ok(agent) => Ok(Self { engine, control, agent }),
            Err(failure) => {
                control.stop().await;
                engine.stop().await;
                Err(failure)
            }
        }
    }

    /// Where this machine reaches the API.
    fn address(&self) -> SocketAddr {
        reachable(self.control.local_addr())
    }

    /// First the node, then the control plane, which so hears how the workloads ended,
    /// then the engine, which the control plane may still speak with.
    async fn stop(self, stop_workloads: bool) {
        self.agent.shutdown(stop_workloads).await;
        self.control.stop().await;
        self.engine.stop().await;
    }
}

/// A first start that is refused makes no state: the engine, which starts before the
/// control plane, has had no job yet.
fn leave_nothing(arguments: &Arguments) {
    let removed = std::fs::remove_dir_all(engine::state_dir(arguments))
        .and_then(|()| std::fs::remove_dir(&arguments.state_dir));
    if let Err(error) = removed {
        tracing::warn!(target: "tessera", state_dir = %arguments.state_dir.display(), %error, "what the start that failed has made is still there");
    }
}

async fn start_control(arguments: &Arguments, engine: SocketAddr) -> Result<Control, Failure> {
    let options = Options {
        listen: arguments.listen,
        insecure_listen: arguments.insecure_listen,
        allowed_hosts: arguments.allowed_hosts.clone(),
        event_sources: arguments.event_sources.clone(),
        engine: Some(format!("http://{}", reachable(engine))),
        no_engine: arguments.engine.no_engine,
        seeds: arguments.seeds.clone(),
        state_dir: arguments.state_dir.clone(),
        keep_finished: arguments.keep_finished,
        ..Options::default()
    };
    Control::start(options)
        .await
        .map_err(|error| Failure::Start { code: error.code(), message: error.to_string() })
}

async fn start_agent(arguments: &Arguments, url: &str) -> Result<AgentHandle, Failure> {
    let container_socket = match &arguments.container_socket {
        None => ContainerSocket::Find,
        Some(path) if path.as_os_str() == "none" => ContainerSocket::None,
        Some(path) => ContainerSocket::Path(path.clone()),
    };
    let options = AgentOptions {
        state_dir: arguments.state_dir.join("node"),
        simulated: arguments.simulated,
        container_socket,
        ..AgentOptions::new(arguments.name.clone(), url)
    };
    Agent::start(options)
        .await
        .map_err(|error| Failure::Start { code: error.code(), message: error.to_string() })
}

/// Declares what was given, shows how it comes to be, and then waits for ever.
async fn serve(
    arguments: &Arguments,
    parts: &Parts,
    declarations: &[Declaration],
) -> Result<(), Failure> {
    say(&format!(
        "The API listens on http://{}; state is in {}.",
        parts.control.local_addr(),
        arguments.state_dir.display()
    ))?;
    say(&format!("The engine listens on http://{}.", parts.engine.local_addr()))?;
    let address = parts.address();
    let api = Api::new(&format!("http://{address}"))?;
    let sessions = story::sessions(declarations.iter().map(|declaration| &declaration.key));
    // Followed from before anything is declared, so that nothing is missed.
    let mut follow = match sessions.is_empty() {
        true => None,
        false => Some(Follow::start(&api, story::scope(&sessions)).await?),
    };
    let mut applied = Vec::new();
    let declared = declare(arguments, &api, declarations, &mut applied).await;
    if let Err(failure) = &declared {
        match failure.exit() {
            Exit::Failed | Exit::Conflict if !arguments.until_over => complain(failure),
            _ => return declared,
        };
    }
    say("\nTry next, in another terminal:")?;
    for command in hints::commands(address, parts.engine.local_addr(), declarations) {
        say(&format!("  {command}"))?;
    }
    say("\nCtrl-C stops it.")?;
    if let Some(follow) = &mut follow {
        say("")?;
        let told = tell(follow, &story::sessions(&applied)).await;
        match told.as_ref().map_err(Failure::exit) {
            _ if arguments.until_over => return told,
            Ok(()) | Err(Exit::Failed) => {}
            Err(_) => return told,
        }
    } else if arguments.until_over {
        return Ok(());
    }
    std::future::pending().await
}

/// Shows what happens to sessions until all are over.
async fn tell(follow: &mut Follow, sessions: &[ResourceKey]) -> Result<(), Failure> {
    let style = Style::of(When::Auto, &std::io::stdout());
    story::tell(follow, sessions, None, style, |line| {
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes())?;
        Ok(out.flush()?)
    })
    .await
}

/// Waits until this node is Ready: what is declared then finds its capacity.
async fn until_ready(arguments: &Arguments, api: &Api) -> Result<(), Failure> {
    let key = ResourceKey::new(KindName::Node, None, arguments.name.clone());
    let mut follow = Follow::start(api, Scope::around([&key])).await?;
    let is_ready = |node: Option<&Resource>| match node {
        // One that is kept from taking anything is as it should be, too.
        Some(node) => matches!(node.status(), "Ready" | "Cordoned" | "Draining" | "Drained"),
        None => false,
    };
    while !is_ready(follow.known().get(&key)) {
        follow.next().await?;
    }
    Ok(())
}

/// Declares what was given and waits until it has come about. What was taken stands
/// in `applied` then, even where the rest failed.
async fn declare(
    arguments: &Arguments,
    api: &Api,
    declarations: &[Declaration],
    applied: &mut Vec<ResourceKey>,
) -> Result<(), Failure> {
    if declarations.is_empty() {
        return Ok(());
    }
    until_ready(arguments, api).await?;
    // Followed from before anything is declared, so that nothing is missed.
    let scope = Scope::around(declarations.iter().map(|declaration| &declaration.key));
    let mut follow = Follow::start(api, scope).await?;
    let mut goals = Vec::new();
    let mut refused = None;
    tesseractl::apply(api, declarations, |declaration, result| {
        match (&result.problem, result.outcome, Goal::of(result, follow.known())) {
            (Some(problem), ..) => refused = Some(problem.clone()),
            (None, Some(outcome), Some(goal)) => {
                let note = result.note.as_ref().map(|note| format!(": {note}"));
                say(&format!("{} {outcome}{}", declaration.key, note.unwrap_or_default()))?;
                goals.push((declaration.key.clone(), goal));
                applied.push(declaration.key.clone());
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

/// Ends in order: first the workloads, then the rest. A second signal does not wait for that. Nobody
/// may be left to read what it says, and that keeps it from nothing.
async fn end(keep_running: bool, parts: Parts, stop: &mut Stop) -> Result<(), Failure> {
    let _ = say(match keep_running {
        true => {
            "\nStopping; the workloads go on, but for those that are declared on_disconnect: stop."
        }
        false => "\nStopping the workloads, then the rest; Ctrl-C again does not wait.",
    });
    let mut ending = Ending::begin(Api::new(&format!("http://{}", parts.address()))?);
    tokio::select! {
        () = parts.stop(!keep_running) => {
            let _ = say("Stopped. The state is kept; the next start goes on from there.");
            Ok(())
        }
        () = tell_what_is_left(keep_running, &mut ending) => Ok(()),
        () = stop.asked() => {
            if let Some(left) = ending.abandoned().filter(|_| !keep_running) {
                let _ = say(&left);
            }
            Err(Failure::Told(Exit::Interrupted))
        }
    }
}

/// Tells what is waited for; never ends.
async fn tell_what_is_left(keep_running: bool, ending: &mut Ending) {
    if keep_running {
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
