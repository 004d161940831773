//! One run with its process and its records: does what [`Life`] orders and writes down what
//! happens.

use std::fs;
use std::os::fd::OwnedFd;

use jiff::Timestamp;

use super::clock::BootInstant;
use super::events::{Event, Events};
use super::fault::{StartFailure, StartFault};
use super::life::{Life, Now, Order, Refusal};
use super::output::{OutputTail, record};
use super::protocol::{Answer, Phase, Request, Status};
use super::run_dir::{EXIT, RunDir, STARTED, TROUBLE};
use super::runtime::Runtime;
use super::signal::Signal;
use super::spec::{ExitReason, ExitRecord, Lease, Outcome, RunSpec, Started, StopSpec, Trouble};
use crate::logs::LogWriter;

/// The exit code by which a shell says that its command was killed by SIGKILL.
const CODE_OF_SIGKILL: i32 = 128 + 9;

pub(super) struct Run<R> {
    dir: RunDir,
    runtime: R,
    life: Life,
    stop: StopSpec,
    output: OutputTail,
    has_output: bool,
    /// The agent waits for its end.
    notify: Option<OwnedFd>,
    started: Option<Started>,
    outcome: Option<Outcome>,
    trouble: Option<Trouble>,
    problem: Option<String>,
    over: bool,
    oom_killed: bool,
}

impl<R: Runtime> Run<R> {
    pub(super) fn new(dir: RunDir, spec: &RunSpec, runtime: R, notify: OwnedFd) -> Self {
        Self {
            dir,
            runtime,
            life: Life::new(spec.stop, spec.lease, spec.not_after),
            stop: spec.stop,
            output: OutputTail::default(),
            has_output: false,
            notify: Some(notify),
            started: None,
            outcome: None,
            trouble: None,
            problem: None,
            over: false,
            oom_killed: false,
        }
    }

    /// Begins the start, unless it is too late for that.
    pub(super) fn start(&mut self, spec: &RunSpec, events: &Events) {
        let now = Now::read();
        if !self.life.may_start(now) {
            let late = "its window had closed before it could be started";
            self.fail(StartFailure::new(StartFault::TooLate, late), now);
        } else if let Err(failure) = self.begin(spec, events) {
            self.fail(failure, now);
        }
    }

    fn begin(&mut self, spec: &RunSpec, events: &Events) -> Result<(), StartFailure> {
        let log = &spec.log;
        let writer = LogWriter::open(&log.dir, log.limits).map_err(|error| {
            let dir = log.dir.display();
            StartFailure::machine(format!("cannot open the log in {dir}: {error}"))
        })?;
        let output = self.runtime.start(events)?;
        record(output, writer, self.output.clone(), events.clone())
            .map_err(|error| StartFailure::machine(format!("cannot read its output: {error}")))?;
        self.has_output = true;
        Ok(())
    }

    /// It will not run; what may be there of it already is killed.
    fn fail(&mut self, StartFailure { fault, message }: StartFailure, now: Now) {
        self.outcome.get_or_insert(Outcome::StartFailed { message, fault });
        let orders = self.life.main_ended(now);
        self.obey(orders);
    }

    /// Something happened.
    pub(super) fn handle(&mut self, event: Event, now: Now) {
        match event {
            Event::Started { pid, container_id } => self.executed(pid, container_id, now),
            Event::StartFailed(failure) => self.fail(failure, now),
            Event::Ended(outcome) => {
                self.outcome.get_or_insert(outcome);
                let orders = self.life.main_ended(now);
                self.obey(orders);
            }
            Event::Reaped => {}
            Event::OutputClosed => self.has_output = false,
        }
    }

    fn executed(&mut self, pid: u32, container_id: Option<String>, now: Now) {
        let (supervisor_pid, started_at) = (std::process::id(), now.wall);
        let started = Started { pid, container_id, supervisor_pid, started_at };
        if let Err(error) = self.dir.write(STARTED, &started) {
            // Without this record a later agent would not know what runs here.
            let file = self.dir.file(STARTED);
            let message = format!("cannot write {}: {error}", file.display());
            self.fail(StartFailure::machine(message), now);
            return;
        }
        self.started = Some(started);
        self.notify = None;
        let orders = self.life.started();
        self.obey(orders);
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Now) {
        let orders = self.life.tick(now);
        self.obey(orders);
    }

    /// When `tick` is due, by either clock.
    pub(super) fn wake_at(&self) -> (Option<BootInstant>, Option<Timestamp>) {
        if self.over { (None, None) } else { (self.life.wake_at(), self.life.wake_at_wall()) }
    }

    /// The supervisor itself was asked to end: it ends when its run has ended in the way that was
    /// declared.
    pub(super) fn terminate(&mut self, now: Now) {
        let orders = self.life.stop(self.stop, now);
        self.obey(orders);
    }

    /// Somebody asks something.
    pub(super) fn answer(&mut self, request: Request, now: Now) -> Answer {
        let result = match request {
            Request::Stop { signal, grace_ms } => {
                self.begin_stop(StopSpec { signal, grace_ms }, now)
            }
            Request::Kill {} => {
                let orders = self.life.kill(now);
                self.obey(orders);
                Ok(())
            }
            Request::Renew { lease_ms, granted_at } => {
                let granted_at = granted_at.unwrap_or(now.boot);
                self.life.renew(Lease { lease_ms, granted_at }, now)
            }
            Request::NotAfter(not_after) => self.life.set_not_after(not_after),
            Request::Status {} => return Answer::Status(self.status(now)),
        };
        match result {
            Ok(()) => Answer::Done {},
            Err(refusal) => Answer::Refused { message: refusal.to_owned() },
        }
    }

    fn begin_stop(&mut self, stop: StopSpec, now: Now) -> Result<(), Refusal> {
        if stop.signal.sendable().is_none() {
            return Err("a stop cannot send a real-time signal");
        }
        let orders = self.life.stop(stop, now);
        self.obey(orders);
        Ok(())
    }

    fn obey(&mut self, orders: Vec<Order>) {
        if self.over {
            return;
        }
        for order in orders {
            match order {
                Order::Signal(signal) => self.signal(signal),
                Order::KillAll => self.runtime.kill_all(),
                Order::ReportTrouble => self.report_trouble(),
            }
        }
    }

    fn signal(&mut self, signal: Signal) {
        if let Err(error) = self.runtime.signal(signal)
            && self.outcome.is_none()
        {
            self.problem = Some(format!("cannot send {signal}: {error}"));
        }
    }

    fn report_trouble(&mut self) {
        let trouble = Trouble { unkillable: self.runtime.remaining(), at: Timestamp::now() };
        if let Err(error) = self.dir.write(TROUBLE, &trouble) {
            self.problem = Some(format!("cannot write {TROUBLE}: {error}"));
        }
        self.trouble = Some(trouble);
    }

    /// Whether nothing of it is left.
    pub(super) fn is_over(&mut self) -> bool {
        self.over = self.outcome.is_some() && self.runtime.is_gone();
        self.over
    }

    /// Whether there may be more output.
    pub(super) fn has_output(&self) -> bool {
        self.has_output
    }

    /// Gives back what was set up for the run, after a last look at it.
    pub(super) fn release(&mut self) {
        self.oom_killed = self.runtime.oom_killed();
        self.problem = self.runtime.release().err().map(|error| error.to_string());
        let _usually_none = fs::remove_file(self.dir.file(TROUBLE));
    }

    /// Writes down how it ended. Answers `false` if that must be tried again (the disk is full, for
    /// example).
    pub(super) fn write_record(&mut self) -> bool {
        let written = self.dir.write(EXIT, &self.exit_record());
        self.notify = None;
        if let Err(error) = &written {
            self.problem = Some(format!("cannot write {EXIT}: {error}"));
        }
        written.is_ok() || !self.dir.path().exists()
    }

    fn exit_record(&self) -> ExitRecord {
        let outcome = match (&self.outcome, self.life.lease_expired()) {
            (_, true) => Outcome::LeaseExpired,
            (Some(outcome), false) => outcome.clone(),
            (None, false) => Outcome::SupervisorLost,
        };
        let oom = self.oom_killed && !self.life.requested() && is_kill(&outcome);
        ExitRecord {
            started_at: self.started.as_ref().map(|started| started.started_at),
            ended_at: Timestamp::now(),
            pid: self.started.as_ref().map(|started| started.pid),
            reason: self.life.reason().or(oom.then_some(ExitReason::Oom)),
            requested: self.life.requested(),
            outcome,
            last_lines: self.output.last_lines(),
        }
    }

    fn status(&self, now: Now) -> Status {
        let unkillable = match self.trouble {
            Some(_) if !self.over => self.runtime.remaining(),
            _ => Vec::new(),
        };
        Status {
            phase: if self.over { Phase::Ended } else { self.life.phase() },
            pid: self.started.as_ref().map(|started| started.pid),
            started_at: self.started.as_ref().map(|started| started.started_at),
            unkillable,
            not_after: self.life.not_after(),
            lease_left_ms: self.life.lease_left_ms(now.boot),
            log_lines_lost: self.output.lines_lost(),
            problem: self.problem.clone(),
        }
    }
}

/// Whether an end looks like that of a process that the kernel killed for want of memory, or of the
/// shell around it.
fn is_kill(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Signaled { signal, .. } => *signal == Signal::KILL,
        Outcome::Exited { code } => *code == CODE_OF_SIGKILL,
        Outcome::StartFailed { .. } | Outcome::LeaseExpired | Outcome::SupervisorLost => false,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io;

    use super::super::runtime::Output;
    use super::super::spec::{LogSpec, ProcessSpec, Resources, RunKind};
    use super::*;
    use crate::cgroup::CgroupParent;
    use crate::logs::LogLimits;

    /// Something that survives so many kills.
    struct Stubborn {
        survives: Cell<u32>,
    }

    impl Runtime for Stubborn {
        fn start(&mut self, events: &Events) -> Result<Output, StartFailure> {
            events.send(Event::Started { pid: 1, container_id: None });
            Ok(Vec::new())
        }

        fn signal(&self, _: Signal) -> io::Result<()> {
            Ok(())
        }

        fn kill_all(&self) {
            self.survives.set(self.survives.get().saturating_sub(1));
        }

        fn remaining(&self) -> Vec<u32> {
            if self.survives.get() == 0 { vec![] } else { vec![1] }
        }

        fn oom_killed(&self) -> bool {
            false
        }

        fn release(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn started(dir: &tempfile::TempDir, survives: u32) -> Run<Stubborn> {
        let path = dir.path().to_owned();
        let (command, args, env, working_dir) = Default::default();
        let spec = RunSpec {
            run_id: "run".into(),
            kind: RunKind::Process(ProcessSpec { command, args, env, working_dir }),
            resources: Resources::default(),
            stop: StopSpec { signal: Signal::TERM, grace_ms: 1000 },
            lease: None,
            not_after: None,
            log: LogSpec { dir: path.join("log"), limits: LogLimits::default() },
            cgroup: CgroupParent::none(),
            labels: Default::default(),
        };
        let (_, notify) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let runtime = Stubborn { survives: Cell::new(survives) };
        let mut run = Run::new(RunDir::new(path), &spec, runtime, notify);
        let events = Events::new().unwrap();
        run.start(&spec, &events);
        for event in events.take() {
            run.handle(event, Now::read());
        }
        run
    }

    fn status(run: &mut Run<Stubborn>, now: Now) -> Status {
        match run.answer(Request::Status {}, now) {
            Answer::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_survives_sigkill_is_reported_until_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut run = started(&dir, 4);
        let mut now = Now::read();
        assert_eq!(status(&mut run, now).phase, Phase::Running);
        assert_eq!(run.answer(Request::Kill {}, now), Answer::Done {});
        now.boot = now.boot.plus_ms(1_000);
        run.tick(now);
        assert!(status(&mut run, now).unkillable.is_empty());
        now.boot = now.boot.plus_ms(5_000);
        run.tick(now);
        assert_eq!(status(&mut run, now).unkillable, [1]);
        let trouble: Trouble = run.dir.read(TROUBLE).unwrap().unwrap();
        assert_eq!(trouble.unkillable, [1]);

        run.handle(Event::Ended(Outcome::Exited { code: 0 }), now);
        assert!(run.is_over());
        run.release();
        assert!(status(&mut run, now).unkillable.is_empty());
        assert!(!run.dir.file(TROUBLE).exists());
    }

    #[test]
    fn a_record_that_cannot_be_written_is_kept_and_the_reason_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut run = started(&dir, 0);
        run.handle(Event::Ended(Outcome::Exited { code: 3 }), Now::read());
        assert!(run.is_over());
        // A folder in its place makes the write fail, for root too.
        fs::create_dir(dir.path().join(EXIT)).unwrap();
        assert!(!run.write_record());
        let status = status(&mut run, Now::read());
        assert_eq!(status.phase, Phase::Ended);
        assert!(status.problem.unwrap().contains(EXIT));
        fs::remove_dir(dir.path().join(EXIT)).unwrap();
        assert!(run.write_record());
        let record: ExitRecord = run.dir.read(EXIT).unwrap().unwrap();
        assert_eq!(record.outcome, Outcome::Exited { code: 3 });
    }

    #[test]
    fn a_start_that_cannot_be_recorded_is_a_failed_start() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(STARTED)).unwrap();
        let mut run = started(&dir, 1);
        assert!(run.is_over());
        assert!(matches!(run.exit_record().outcome, Outcome::StartFailed { .. }));
    }
}
