//! The program of a tenant: reads the command line, and does what its verb says.

mod migrate;
mod recorder;
mod status;
mod tenant;
mod work;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command};

use crate::context::Context;
use crate::environment::{DRY_RUN, Environment};
use crate::outcome::{FAILED, IntoOutcome, Outcome, USAGE};
use crate::verb::{self, Call};
use tenant::Tenant;

type Work = Box<dyn Fn(&Context) -> Outcome>;

/// A tenant's program: its work, and the migrations of what it keeps.
#[must_use = "a program that does not call main does nothing"]
pub struct LifecycleApp {
    run: Work,
    migrations: Vec<Migration>,
}

struct Migration {
    id: String,
    apply: Work,
}

impl LifecycleApp {
    /// A program that does `run` when it is asked to.
    ///
    /// What `run` may give says [`IntoOutcome`]. A panic is a failure. It should return and not end
    /// the process, since nobody could record how it ended then.
    pub fn new<T: IntoOutcome>(run: impl Fn(&Context) -> T + 'static) -> Self {
        Self { run: Box::new(move |context| run(context).into_outcome()), migrations: Vec::new() }
    }

    /// Adds a migration. Migrations are applied in the order in which they are added, each once for
    /// its id; a crash may repeat the one that it interrupted.
    pub fn migration<T: IntoOutcome>(
        mut self,
        id: impl Into<String>,
        apply: impl Fn(&Context) -> T + 'static,
    ) -> Self {
        let apply: Work = Box::new(move |context| apply(context).into_outcome());
        self.migrations.push(Migration { id: id.into(), apply });
        self
    }

    /// Does what the command line says, and ends the process with the exit code that is due.
    pub fn main(self) -> ! {
        let mut words = env::args_os();
        let program = words.next().unwrap_or_else(|| "tenant".into());
        let words: Vec<_> = words.collect();
        process::exit(self.answer(&program, &words).into())
    }

    fn answer(&self, program: &OsStr, words: &[OsString]) -> u8 {
        let environment = Environment::read(|name| env::var_os(name));
        match verb::read(words) {
            Call::Help => {
                print(&usage(program));
                0
            }
            Call::Wrong(what) => {
                let _ = write!(std::io::stderr(), "{what}\n{}", usage(program));
                USAGE
            }
            Call::Work { dry, .. } if environment.must_say_dry(dry) => again_dry(program, words),
            Call::Work { arguments, .. } => {
                with_tenant(environment, |tenant| work::work(tenant, &self.run, arguments))
            }
            Call::Status { json } => {
                with_tenant(environment, |tenant| status::status(tenant, json))
            }
            Call::Migrate => {
                with_tenant(environment, |tenant| migrate::migrate(tenant, &self.migrations))
            }
        }
    }
}

fn with_tenant(environment: Environment, answer: impl FnOnce(&Tenant) -> u8) -> u8 {
    match Tenant::load(environment) {
        Ok(tenant) => answer(&tenant),
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "{}", why.trim_end());
            FAILED
        }
    }
}

/// Becomes the same program with the variable set that all it starts can see. A process cannot
/// safely change its own environment once it may have threads.
fn again_dry(program: &OsStr, words: &[OsString]) -> u8 {
    let error = match env::current_exe() {
        Ok(path) => Command::new(path).arg0(program).args(words).env(DRY_RUN, "1").exec(),
        Err(error) => error,
    };
    let _ = writeln!(std::io::stderr(), "the program cannot start itself again: {error}");
    FAILED
}

fn usage(program: &OsStr) -> String {
    let name = Path::new(program).file_name().unwrap_or(program);
    verb::usage(&name.to_string_lossy())
}

/// Writes to standard output. That nobody reads it changes nothing.
fn print(text: &str) {
    let _ = write!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush());
}
