//! A tenant that does as it is told, for the conformance suite in `sdk/conformance`.

use std::path::Path;
use std::time::Duration;

use tessera_lifecycle::{Context, Done, Failure, LifecycleApp};

fn main() {
    let mut app = LifecycleApp::new(|context| act(&variable("PROBE"), context));
    for migration in variable("PROBE_MIGRATIONS").split(',').filter(|text| !text.is_empty()) {
        let (id, what) = migration.split_once('=').unwrap_or((migration, "done"));
        let (name, what) = (id.to_owned(), what.to_owned());
        app = app.migration(id, move |context| {
            println!("migrating {name}");
            act(&what, context)
        });
    }
    app.main()
}

fn act(what: &str, context: &Context) -> Result<Ending, Failure> {
    let (what, argument) = what.split_once(':').unwrap_or((what, ""));
    match what {
        "" | "done" => {}
        "rows" => return Ok(Ending::Done(Done::with_rows(argument.parse()?))),
        "told" => context.rows(argument.parse()?),
        "code" => return Ok(Ending::Code(argument.parse()?)),
        "fail" => {
            let (code, text) = argument.split_once(':').unwrap_or((argument, ""));
            return Err(Failure::new(code.parse()?, text));
        }
        "error" => return Err(std::io::Error::other(argument.to_owned()).into()),
        "crash" => panic!("as it was told"),
        "kill" => kill()?,
        "wait" => wait(Path::new(argument))?,
        "show" => show(context),
        other => return Err(Failure::new(100, format!("PROBE has the unknown {other}"))),
    }
    Ok(Ending::Done(Done::new()))
}

/// A run gives one or the other; the probe gives what it is told.
enum Ending {
    Done(Done),
    Code(i32),
}

impl tessera_lifecycle::IntoOutcome for Ending {
    fn into_outcome(self) -> tessera_lifecycle::Outcome {
        match self {
            Self::Done(done) => done.into_outcome(),
            Self::Code(code) => code.into_outcome(),
        }
    }
}

fn kill() -> rustix::io::Result<()> {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
}

fn wait(file: &Path) -> std::io::Result<()> {
    std::fs::write(file.with_added_extension("waiting"), "")?;
    while !file.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn show(context: &Context) {
    let arguments: Vec<_> = context.arguments().iter().map(|a| a.to_string_lossy()).collect();
    println!("tenant {} {}", context.manifest().name, context.manifest().version);
    println!("service {}", context.service().unwrap_or("-"));
    println!("dry-run {} {}", context.is_dry_run(), variable("TESSERA_DRY_RUN"));
    println!("arguments {}", arguments.join(" "));
    context.log("logged");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
