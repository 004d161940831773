//! The checks. Each begins with an empty hub and tells what it saw.

use std::fs::{self, File};
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde_json::Value;
use tessera_lifecycle::Verb;
use tessera_lifecycle::hub::MIGRATIONS;
use tessera_lifecycle::telemetry::{Event, Line, Verdict as Outcome};

use crate::area::{Area, Call, Ended, Recorded};
use crate::snapshot::Snapshot;
use crate::{Options, Subject, Verdict, container};

/// A check by its name, and what must be so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) check: &'static str,
    pub(crate) what: &'static str,
}

const fn named(check: &'static str, what: &'static str) -> Named {
    Named { check, what }
}

const VERBS: Named = named("verbs", "there are four verbs, and no others");
const STATUS: Named = named("status", "before any run, status says so");
const WRITES: Named = named("dry-run", "dry-run writes nothing");
const RECORD: Named = named("record", "dry-run leaves its one record");
const EXIT_CODE: Named = named("exit-code", "the exit code of dry-run is that of its record");
const KILLED: Named = named("killed", "what is killed never ended");
const FORESEEN: Named = named("migrate-dry-run", "migrate applies nothing in a dry-run");
const MIGRATE: Named = named("migrate", "what is migrated is not migrated again");
const RUN: Named = named("run", "the exit code of run is that of its record");
const RUN_DRY: Named = named("run-dry-run", "run is a dry-run where nothing may be written");

type Prove = fn(&Subject, Options) -> io::Result<Vec<(Named, Verdict)>>;

/// All of them, the harmless first.
pub(crate) const ALL: [Prove; 6] = [verbs, status, dry_run, killed, migrate, run];

/// What is told of each.
const TOLD: [Named; 7] = [VERBS, STATUS, WRITES, RECORD, EXIT_CODE, KILLED, FORESEEN];
/// What is told of those that do the work in earnest.
const TOLD_IN_EARNEST: [Named; 3] = [MIGRATE, RUN_DRY, RUN];

/// What is told where the program cannot be started: the first check says why.
pub(crate) fn not_made(
    options: Options,
    hindrance: Verdict,
) -> impl Iterator<Item = (Named, Verdict)> {
    let [first, others @ ..] = TOLD;
    let in_earnest = TOLD_IN_EARNEST.into_iter().filter(move |_| options.in_earnest);
    let skipped = others.into_iter().chain(in_earnest);
    let why = || Verdict::skipped("the program cannot be started");
    std::iter::once((first, hindrance)).chain(skipped.map(move |named| (named, why())))
}

/// The variable that makes a run write nothing.
const DRY_RUN: (&str, &str) = ("TESSERA_DRY_RUN", "1");

/// The first and the last of the codes that are a tenant's own.
const OWN_CODES: std::ops::RangeInclusive<i32> = 3..=124;

/// How often it is looked whether a run has begun.
const LOOK: Duration = Duration::from_micros(100);
/// How often it is looked whether to go on.
const PAUSE: Duration = Duration::from_millis(50);

fn verbs(subject: &Subject, options: Options) -> io::Result<Vec<(Named, Verdict)>> {
    for words in [&["frobnicate"][..], &[], &["RUN"], &["--run"]] {
        let area = Area::new(subject)?;
        let ended = area.call(words, &[], options)?;
        let called = match words {
            [] => "without a verb".to_owned(),
            words => format!("with `{}`", words.join(" ")),
        };
        if let Some((seen, remedy)) = not_refused(&area, &ended)? {
            return Ok(vec![(VERBS, Verdict::failed(format!("{called}, {seen}"), remedy))]);
        }
    }
    Ok(vec![(VERBS, Verdict::Ok)])
}

/// How a call was not refused as it must be.
fn not_refused(area: &Area<'_>, ended: &Ended) -> io::Result<Option<(String, &'static str)>> {
    if ended.code() != Some(2) {
        let remedy = "end with 2 for whatever is not run, status, dry-run or migrate";
        return Ok(Some((ended.words(), remedy)));
    }
    let is_named = |verb: &Verb| ended.stderr.contains(verb.as_str());
    if let Some(missing) = Verb::ALL.iter().find(|verb| !is_named(verb)) {
        let seen = format!("standard error does not name {}", missing.as_str());
        return Ok(Some((seen, "list the four verbs on standard error")));
    }
    let is_recorded = area.hub_folder().join("runs.jsonl").exists();
    let remedy = "look at the verb before anything is recorded";
    Ok(is_recorded.then(|| ("it left a record in the telemetry hub".to_owned(), remedy)))
}

/// The fields of `status --json`.
const STATUS_FIELDS: [&str; 9] = [
    "tenant",
    "version",
    "health",
    "freshness_seconds",
    "last_success_at",
    "last_success_age_seconds",
    "last_run",
    "running_since",
    "text",
];

fn status(subject: &Subject, options: Options) -> io::Result<Vec<(Named, Verdict)>> {
    let area = Area::new(subject)?;
    let plain = area.call(&["status"], &[], options)?;
    let json = area.call(&["status", "--json"], &[], options)?;
    let verdict = match (not_unknown(&plain), not_json(subject, &json)) {
        (Some(seen), _) => {
            Verdict::failed(seen, "end with 1, and say in one line that it never ran")
        }
        (None, Some(seen)) => {
            let seen = format!("with --json, {seen}");
            Verdict::failed(seen, "print one JSON object on one line with the fields of status")
        }
        (None, None) => Verdict::Ok,
    };
    Ok(vec![(STATUS, verdict)])
}

fn not_unknown(ended: &Ended) -> Option<String> {
    if ended.code() != Some(1) {
        return Some(ended.words());
    }
    let lines = ended.stdout.lines().count();
    (lines != 1).then(|| format!("it printed {lines} lines"))
}

fn not_json(subject: &Subject, ended: &Ended) -> Option<String> {
    if let Some(seen) = not_unknown(ended) {
        return Some(seen);
    }
    let Ok(Value::Object(told)) = serde_json::from_str(&ended.stdout) else {
        return Some(format!("it printed no JSON object: {}", ended.stdout.trim_end()));
    };
    if let Some(missing) = STATUS_FIELDS.iter().find(|field| !told.contains_key(**field)) {
        return Some(format!("`{missing}` is missing"));
    }
    let expected = [
        ("tenant", subject.tenant.as_str()),
        ("version", subject.version.as_str()),
        ("health", "unknown"),
    ];
    let other = expected.iter().find(|(field, value)| told[*field] != *value);
    other.map(|(field, value)| format!("`{field}` is {} and not \"{value}\"", told[*field]))
}

fn dry_run(subject: &Subject, options: Options) -> io::Result<Vec<(Named, Verdict)>> {
    let area = Area::new(subject)?;
    let words = work("dry-run", subject);
    let (ended, changes) = watched(&area, &words, &[], options)?;
    let recorded = area.recorded()?;
    let record = recorded_as_dry(subject, &recorded);
    let honest = match (&record, recorded.as_slice()) {
        (Verdict::Ok, [run]) => honest(&ended, run),
        _ => Verdict::skipped("there is no record to compare it with"),
    };
    Ok(vec![(WRITES, wrote_nothing(changes)), (RECORD, record), (EXIT_CODE, honest)])
}

fn wrote_nothing(changes: Option<String>) -> Verdict {
    let remedy = "write nothing while TESSERA_DRY_RUN is 1, also in what the program starts";
    changes.map_or(Verdict::Ok, |changes| Verdict::failed(format!("it has {changes}"), remedy))
}

/// A verb with the arguments that the service has for its run.
fn work<'a>(verb: &'a str, subject: &'a Subject) -> Vec<&'a str> {
    let arguments = subject.service.verb_arguments.iter().map(String::as_str);
    std::iter::once(verb).chain(arguments).collect()
}

/// Calls the program, and gives what changed around it.
fn watched(
    area: &Area<'_>,
    words: &[&str],
    variables: &[(&str, &str)],
    options: Options,
) -> io::Result<(Ended, Option<String>)> {
    let visible = area.visible();
    let before = Snapshot::of(&visible)?;
    let ended = area.call(words, variables, options)?;
    let around = before.changes(&Snapshot::of(&visible)?);
    let inside = match ended.changed.is_empty() {
        true => None,
        false => {
            // What a start of the container itself changes is none of the program's.
            let idle = Area::new(area.subject)?.call(&["status"], &[], options)?;
            container::changes(&idle.changed, &ended.changed)
        }
    };
    let changes: Vec<_> = around.into_iter().chain(inside).collect();
    Ok((ended, (!changes.is_empty()).then(|| changes.join(", "))))
}

/// Whether the hub has one run, which is a dry-run of this service.
fn recorded_as_dry(subject: &Subject, recorded: &[Recorded]) -> Verdict {
    let [Recorded { first: Line { identity, event }, .. }] = recorded else {
        let seen = format!("there are {} runs in the telemetry hub", recorded.len());
        return Verdict::failed(seen, "record each dry-run once, as every run is");
    };
    let service = subject.service.suffix.as_ref().map(|suffix| suffix.as_str().to_owned());
    let seen = if identity.verb != Verb::DryRun {
        format!("it is recorded as `{}`", identity.verb.as_str())
    } else if identity.tenant != subject.tenant.as_str() || identity.version != subject.version {
        format!("it is recorded as one of {} {}", identity.tenant, identity.version)
    } else if identity.service != service {
        let shown = identity.service.as_deref().unwrap_or("the primary");
        format!("it is recorded as one of the service {shown}")
    } else if !matches!(event, Event::Started { .. }) {
        "its start is not recorded".to_owned()
    } else {
        return Verdict::Ok;
    };
    Verdict::failed(seen, "record verb, tenant, version and service before the work begins")
}

/// Whether the record of a run says how it ended, and it ended as a tenant may.
fn honest(ended: &Ended, recorded: &Recorded) -> Verdict {
    let Some(code) = ended.code() else {
        let remedy = "return from the work instead of ending the process";
        return Verdict::failed(ended.words(), remedy);
    };
    if !(code == 0 || code == 1 || OWN_CODES.contains(&code)) {
        let remedy = "end with 0, 1, or a code of your own from 3 to 124";
        return Verdict::failed(ended.words(), remedy);
    }
    let remedy = "record the exit code that the process ends with, and success only for 0";
    let Some(Event::Ended { exit_code, outcome, .. }) = recorded.ended.as_ref().map(|it| &it.event)
    else {
        let seen = format!("it ended with {code}, and the hub says that it never ended");
        return Verdict::failed(seen, remedy);
    };
    if i32::from(*exit_code) != code {
        let seen = format!("it ended with {code}, and the hub says {exit_code}");
        return Verdict::failed(seen, remedy);
    }
    if (*outcome == Outcome::Success) != (code == 0) {
        let said = if *outcome == Outcome::Success { "success" } else { "failure" };
        return Verdict::failed(format!("it ended with {code}, and the hub says {said}"), remedy);
    }
    Verdict::Ok
}

/// Kills a dry-run between its two lines. A process is stopped as soon as it has begun; a container
/// takes time to end, in which the lock of the hub, under which each line is written, keeps it from
/// writing the second. One that has written it already was too quick.
fn killed(subject: &Subject, options: Options) -> io::Result<Vec<(Named, Verdict)>> {
    let area = Area::new(subject)?;
    let mut call = area.start(&work("dry-run", subject), &[], options)?;
    let began = Instant::now();
    while area.recorded()?.is_empty() {
        options.go_on()?;
        if call.is_over()? || began.elapsed() > options.patience {
            return Ok(vec![(KILLED, Verdict::skipped("it was never seen to run"))]);
        }
        thread::sleep(LOOK);
    }
    let lock = File::options().append(true).create(true).open(area.hub_folder().join("lock"))?;
    if !call.freeze() && !locked(&lock, &call, options) {
        return Ok(vec![(KILLED, Verdict::skipped("it holds the lock of the hub for ever"))]);
    }
    let verdict = match ends(&area)? {
        0 => {
            call.kill();
            call.end(options)?;
            match ends(&area)? {
                0 => Verdict::Ok,
                _ => ended_too_soon(),
            }
        }
        _ if call.thaw(options)?.is_some() => {
            Verdict::skipped("it ended before it could be killed")
        }
        _ => ended_too_soon(),
    };
    Ok(vec![(KILLED, verdict)])
}

/// Takes the lock of the hub as soon as the program gives it back: who waits in line gets it before
/// one that asks again. A program that never does is ended, and has lost it with that.
fn locked(lock: &File, call: &Call, options: Options) -> bool {
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        scope.spawn(move || {
            while flock(lock, FlockOperation::LockExclusive) == Err(Errno::INTR) {}
            // Nobody listens any more where it took too long.
            let _ = sender.send(());
        });
        let began = Instant::now();
        let mut is_locked = false;
        while !is_locked && began.elapsed() < options.patience && options.go_on().is_ok() {
            is_locked = receiver.recv_timeout(PAUSE).is_ok();
        }
        if !is_locked {
            call.kill();
        }
        is_locked
    })
}

fn ended_too_soon() -> Verdict {
    let remedy = "record the end when the work has returned, and take the hub's lock for it";
    Verdict::failed("the hub says that it ended, while it still ran", remedy)
}

/// How many runs have ended.
fn ends(area: &Area<'_>) -> io::Result<usize> {
    Ok(area.recorded()?.iter().filter(|run| run.ended.is_some()).count())
}

fn migrate(subject: &Subject, options: Options) -> io::Result<Vec<(Named, Verdict)>> {
    let area = Area::new(subject)?;
    let (ended, changes) = watched(&area, &["migrate"], &[DRY_RUN], options)?;
    let remedy = "only say what would be applied while TESSERA_DRY_RUN is 1, and end with 0";
    let foreseen = if ended.code() != Some(0) {
        Verdict::failed(ended.words(), remedy)
    } else if let Some(changes) = changes {
        Verdict::failed(format!("it has {changes}"), remedy)
    } else if !applied(&area)?.is_empty() {
        Verdict::failed("it recorded migrations", remedy)
    } else {
        Verdict::Ok
    };
    let mut told = vec![(FORESEEN, foreseen)];
    if options.in_earnest {
        told.push((MIGRATE, migrate_twice(subject, options)?));
    }
    Ok(told)
}

fn migrate_twice(subject: &Subject, options: Options) -> io::Result<Verdict> {
    let area = Area::new(subject)?;
    let first = area.call(&["migrate"], &[], options)?;
    if first.code() != Some(0) {
        return Ok(Verdict::failed(first.words(), "mend what the migrations do, and try again"));
    }
    let before = applied(&area)?;
    let (second, changes) = watched(&area, &["migrate"], &[], options)?;
    let remedy = "remember in the hub what was applied, and apply each migration once";
    Ok(if second.code() != Some(0) {
        Verdict::failed(format!("the second time, {}", second.words()), remedy)
    } else if applied(&area)? != before {
        Verdict::failed("the second time, it applied migrations again", remedy)
    } else {
        wrote_nothing_again(changes, remedy)
    })
}

fn wrote_nothing_again(changes: Option<String>, remedy: &'static str) -> Verdict {
    changes.map_or(Verdict::Ok, |changes| {
        Verdict::failed(format!("the second time, it has {changes}"), remedy)
    })
}

/// What the hub has of migrations.
fn applied(area: &Area<'_>) -> io::Result<String> {
    match fs::read_to_string(area.hub_folder().join(MIGRATIONS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// The work itself, where it may be done.
fn run(subject: &Subject, options: Options) -> io::Result<Vec<(Named, Verdict)>> {
    if !options.in_earnest {
        return Ok(Vec::new());
    }
    let area = Area::new(subject)?;
    let words = work("run", subject);
    let (_, changes) = watched(&area, &words, &[DRY_RUN], options)?;
    let dry = match recorded_as_dry(subject, &area.recorded()?) {
        Verdict::Ok => wrote_nothing(changes),
        failed => failed,
    };
    let area = Area::new(subject)?;
    let ended = area.call(&words, &[], options)?;
    let run = match area.recorded()?.as_slice() {
        [run] if run.first.identity.verb == Verb::Run => honest(&ended, run),
        runs => {
            let seen = format!("there are {} runs in the telemetry hub", runs.len());
            Verdict::failed(seen, "record each run once, as a run")
        }
    };
    Ok(vec![(RUN_DRY, dry), (RUN, run)])
}
