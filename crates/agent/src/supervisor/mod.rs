//! One small process beside every run, which keeps the run alive when the agent is not.
//!
//! A *run* is one start of one workload copy. Its supervisor is the agent's own executable started
//! again. It starts the workload, writes down what it prints and how it ends, stops it when told,
//! and kills it when its lease lapses or its window closes. It knows nothing of restarts or of the
//! control plane: one supervisor, one process, one exit. Killing or freezing the agent does not
//! touch it; a new agent finds it through its folder.
//!
//! ```text
//!   agent ── start ──▶ supervise <run dir> ── spawn ──▶ launch <run dir> ── exec ──▶ the workload
//!     └── control.sock ──▶┘   │  reads stdout, stderr ◀──────────────────────────────┘
//!                             └── started.json, exit.json, the log
//! ```
//!
//! The run's folder (mode 0700) is the whole contract between the two sides:
//!
//! | file | written by | meaning |
//! |---|---|---|
//! | `spec.json` | agent | the [`RunSpec`]; may hold secrets, so mode 0600 |
//! | `lock` | agent, then supervisor | held with `flock` for as long as the supervisor lives |
//! | `started.json` | supervisor | [`Started`]: the program was executed, under this pid |
//! | `exit.json` | supervisor | [`ExitRecord`]: it is over, and nothing of it is left |
//! | `trouble.json` | supervisor | [`Trouble`]: something in it survives SIGKILL |
//! | `control.sock` | supervisor | requests as JSON lines; the stream ends when the run has ended |
//! | `supervisor.err` | supervisor | what it said if it failed itself |
//!
//! The lock is created and locked by the agent, and the locked file is handed to the supervisor, so
//! that from before the folder appears until the supervisor is gone there is no moment in which it
//! looks abandoned. Where it is free and there is no `exit.json`, the supervisor was killed: see
//! [`RunHandle::open`].
//!
//! A command that checks the run's health has a process of its own beside it, see `check`.
//!
//! In here, `life` decides (pure), `control` and `run` do, `process` is the runtime for plain
//! processes and `container` that for containers, and `handle` is the agent's side.

mod check;
mod clock;
mod container;
mod control;
mod events;
mod fault;
mod handle;
mod launch;
mod life;
mod oom;
mod output;
mod process;
mod procfs;
mod protocol;
mod recover;
mod run;
mod run_dir;
mod runtime;
mod server;
mod signal;
mod spec;
mod supervise;
mod timers;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

pub use clock::BootInstant;
pub use fault::StartFault;
pub use handle::{RunHandle, Scan, Supervisor, SupervisorError, Unreadable};
pub(crate) use launch::RUN_VARIABLE;
pub use launch::launch_main;
#[cfg(feature = "fuzzing")]
pub(crate) use procfs::parse_stat;
#[cfg(feature = "fuzzing")]
pub(crate) use protocol::{Answer, Request};
pub use protocol::{Phase, Status};
pub use signal::{Signal, UnknownSignal};
pub use spec::{
    ExitReason, ExitRecord, Lease, LogSpec, Outcome, ProcessSpec, Resources, RunKind, RunSpec,
    Started, StopSpec, Trouble,
};
pub use supervise::supervise_main;

/// Serves the hidden subcommands `supervise <run dir>`, `launch <run dir> <supervisor pid> <oom
/// score>` and `check <run dir> <milliseconds> <command> <arguments>`.
///
/// Call it first thing in `main`, before a runtime, logging or an argument parser costs time and
/// memory. It answers `None` when the arguments are for the program itself.
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let command = args.next()?;
    if command == SUPERVISE {
        Some(supervise_main(Path::new(&args.next()?)))
    } else if command == LAUNCH {
        let dir = args.next()?;
        let parent = args.next()?.to_str()?.parse().ok()?;
        let oom_score = args.next()?.to_str()?.parse().ok()?;
        Some(launch_main(Path::new(&dir), parent, oom_score))
    } else if command == CHECK {
        let dir = args.next()?;
        let limit = Duration::from_millis(args.next()?.to_str()?.parse().ok()?);
        let command: Vec<OsString> = args.collect();
        Some(check::check_main(Path::new(&dir), limit, &command))
    } else {
        None
    }
}

/// The running executable, also when its file was replaced on disk by an upgrade.
pub fn own_executable() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

const SUPERVISE: &str = "supervise";
const LAUNCH: &str = "launch";
const CHECK: &str = "check";
