//! Keeps one container from its creation to its removal. This is what talks to the API.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};

use super::explain::{Step, explain};
use super::main_process::MainProcess;
use super::output::{Carrier, Notices, PipeEnds, Pipes};
use super::{Events, Resources, Shared, Signal};
use crate::containers::{ApiError, ContainerApi, ContainerSpec, State, container_name, creation};
use crate::supervisor::events::Event;
use crate::supervisor::fault::{StartFailure, StartFault};
use crate::supervisor::spec::Outcome;

const RETRY: Duration = Duration::from_secs(1);
/// The runtime notices the end of a container a moment after the kernel. If it says nothing for so
/// long, it does not know.
const END_TIME: Duration = Duration::from_secs(10);
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(500);

/// The exit code of a process that was ended by a signal is this and the signal's number, as shells
/// have it. Runtimes know nothing more precise.
const CODE_OF_SIGNALS: i32 = 128;
const SIGNALS_MAX: i32 = 31;
/// For an end of which nobody can say how it was.
const CODE_UNKNOWN: i32 = 255;

pub(super) struct Keeper {
    pub(super) api: ContainerApi,
    pub(super) run_id: String,
    pub(super) spec: ContainerSpec,
    pub(super) resources: Resources,
    pub(super) shared: Arc<Shared>,
    pub(super) events: Events,
    pub(super) signals: UnboundedReceiver<Signal>,
}

/// A container that was started.
struct Running {
    id: String,
    output: Carrier,
    notices: Notices,
}

impl Keeper {
    /// From start to end. It returns when there is no container any more.
    pub(super) async fn run(mut self, ends: PipeEnds) {
        match self.launch(ends).await {
            Ok(running) => {
                self.live(&running.id).await;
                let outcome = self.outcome(&running).await;
                running.output.finish().await;
                self.shared.alive.store(false, Ordering::Release);
                self.events.send(Event::Ended(outcome));
                self.remove().await;
            }
            Err(failure) => {
                if failure.may_exist {
                    self.remove().await;
                }
                self.shared.alive.store(false, Ordering::Release);
                self.events.send(Event::StartFailed(failure.why));
            }
        }
    }

    async fn launch(&mut self, ends: PipeEnds) -> Result<Running, Failure> {
        let pipes = Pipes::new(ends).map_err(|error| Failure::before(&error))?;
        let notices = pipes.notices.clone();
        let order = creation(&self.run_id, &self.spec, self.resources);
        let created = self.api.create(&container_name(&self.run_id), &order).await;
        let id = created.map_err(|error| self.failure(Step::Create, &error))?;
        // From before its start, so that nothing is missed.
        let stream = self.api.attach(&id).await;
        let stream = stream.map_err(|error| self.failure(Step::Start, &error))?;
        let output = Carrier::start(self.api.clone(), id.clone(), pipes, stream);
        if self.shared.killed.load(Ordering::Acquire) {
            return Err(Failure::stopped());
        }
        tokio::select! {
            started = self.api.start(&id) => {
                started.map_err(|error| self.failure(Step::Start, &error))?;
            }
            // The answer may be late, and the container run already.
            () = self.shared.kill.notified() => return Err(Failure::stopped()),
        }
        let state = look(&self.api, &id).await;
        let state = state.map_err(|error| self.failure(Step::Inspect, &error))?;
        let _first = self.shared.main.set(MainProcess::find(&id, state.pid));
        self.events.send(Event::Started { pid: state.pid, container_id: Some(id.clone()) });
        Ok(Running { id, output, notices })
    }

    fn failure(&self, step: Step, error: &ApiError) -> Failure {
        let may_exist = step != Step::Create || !error.is_without_effect();
        Failure { why: explain(step, &self.spec, error), may_exist }
    }

    /// Passes signals on until the container does not run any more.
    async fn live(&mut self, id: &str) {
        let shared = Arc::clone(&self.shared);
        let api = self.api.clone();
        let mut ended = Box::pin(until_end(&api, id, &shared));
        loop {
            let signal = tokio::select! {
                () = &mut ended => return,
                () = shared.kill.notified() => Signal::KILL,
                Some(signal) = self.signals.recv() => signal,
            };
            tokio::select! {
                () = &mut ended => return,
                () = send(&api, id, signal, &shared) => {}
            }
        }
    }

    async fn outcome(&self, running: &Running) -> Outcome {
        if self.shared.main.get().is_some_and(MainProcess::oom_killed) {
            self.shared.oom_killed.store(true, Ordering::Release);
        }
        let deadline = Instant::now() + END_TIME;
        let mut pause = LOOK_MIN;
        loop {
            let problem = match self.api.inspect(&running.id).await {
                Ok(state) if state.has_ended() => {
                    self.shared.oom_killed.fetch_or(state.oom_killed, Ordering::AcqRel);
                    return outcome_of(state.exit_code);
                }
                Ok(state) => format!("it says that it is {}", state.status),
                Err(error) if error.is_missing() => {
                    running.notices.say("the container was removed by somebody else");
                    return killed();
                }
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                return self.unknown(running, &problem);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_MAX);
        }
    }

    fn unknown(&self, running: &Running, problem: &str) -> Outcome {
        if self.shared.killed.load(Ordering::Acquire) {
            return killed();
        }
        running
            .notices
            .say(&format!("the container has ended, and its runtime does not say how: {problem}"));
        Outcome::Exited { code: CODE_UNKNOWN }
    }

    /// Removes the container, however long that takes.
    async fn remove(&self) {
        while self.api.remove_run(&self.run_id).await.is_err() {
            sleep(RETRY).await;
        }
    }
}

/// Why a container was not started.
struct Failure {
    why: StartFailure,
    /// There may be a container all the same, even one that runs.
    may_exist: bool,
}

impl Failure {
    fn before(error: &io::Error) -> Self {
        let why = StartFailure::machine(format!("cannot carry its output: {error}"));
        Self { why, may_exist: false }
    }

    fn stopped() -> Self {
        let message = "it was stopped before it could be started";
        Self { why: StartFailure::new(StartFault::TooLate, message), may_exist: true }
    }
}

async fn until_end(api: &ContainerApi, id: &str, shared: &Shared) {
    if let Some(ended) = shared.main.get().and_then(MainProcess::watch)
        && ended.await.is_ok()
    {
        return;
    }
    while let Err(error) = api.wait(id).await {
        if error.is_missing() {
            return;
        }
        sleep(RETRY).await;
    }
}

async fn send(api: &ContainerApi, id: &str, signal: Signal, shared: &Shared) {
    let Err(error) = api.signal(id, &signal.to_string()).await else { return };
    if !error.is_not_running()
        && let Some(main) = shared.main.get()
    {
        let _already_gone = main.signal(signal);
    }
}

fn outcome_of(code: i32) -> Outcome {
    match code - CODE_OF_SIGNALS {
        number @ 1..=SIGNALS_MAX => {
            Outcome::Signaled { signal: Signal::from_raw(number), core: false }
        }
        _ => Outcome::Exited { code },
    }
}

fn killed() -> Outcome {
    Outcome::Signaled { signal: Signal::KILL, core: false }
}

/// What the runtime knows of a container that it has started. Podman reads files of its processes,
/// and fails where they end meanwhile, which says nothing about the start.
async fn look(api: &ContainerApi, id: &str) -> Result<State, ApiError> {
    let deadline = Instant::now() + END_TIME;
    loop {
        match api.inspect(id).await {
            Err(ApiError::Refused { status: 500.., .. }) if Instant::now() < deadline => {
                sleep(LOOK_MIN).await;
            }
            looked => return looked,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_look_that_fails_as_the_container_ends_is_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let runtime = tokio::spawn(async move {
            let ended = r#"{"State": {"Status": "exited", "ExitCode": 0}}"#;
            let fails = r#"{"message": "read /proc/21264/cgroup: no such process"}"#;
            let (fails, ended) = (("500 Error", fails), ("200 OK", ended));
            for (status, body) in [fails, fails, ended] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _request = stream.read(&mut [0; 1024]).await.unwrap();
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n");
                let answer = format!("{head}connection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let state = look(&ContainerApi::new(&socket), "abc").await.unwrap();
        assert!(state.has_ended());
        runtime.await.unwrap();
    }

    #[test]
    fn a_signal_is_recognised_by_its_exit_code() {
        assert_eq!(outcome_of(137), killed());
        let term = Outcome::Signaled { signal: Signal::TERM, core: false };
        assert_eq!(outcome_of(143), term);
        for code in [0, 1, 127, 128, 160, 255] {
            assert_eq!(outcome_of(code), Outcome::Exited { code });
        }
    }
}
