//! The table of targets, and what several of them share.
//!
//! A further target is one more entry in [`TARGETS`], a file of one line in `fuzz/fuzz_targets`,
//! and a folder of seeds in `fuzz/corpus`; the tests say which of these is missing.

mod body;
mod calendar;
mod events;
mod expression;
mod journal;
mod lifecycle;
mod manifest;
mod messages;
mod node;
mod run_of_workflow;
mod services;
mod stored;
mod stream;
mod tenant;
mod texts;
mod units;
mod workflow;

use tessera_manifest::{Format, Problem};

/// Something that is fed with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its file in `fuzz/fuzz_targets` and of its folders.
    pub name: &'static str,
    /// What is looked at, for people.
    pub what: &'static str,
    /// The longest input, in bytes.
    pub bytes_max: usize,
    /// Panics when what must hold does not.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "manifest",
        what: "YAML, JSON and TOML: problems have places, and what is read is what was written",
        bytes_max: 4096,
        run: manifest::run,
    },
    Target {
        name: "workflow",
        what: "workflow documents, functions and schemas: problems have places, pictures can be drawn",
        bytes_max: 4096,
        run: workflow::run,
    },
    Target {
        name: "run",
        what: "runs of workflows: bounded, and the journal replayed gives the same run",
        bytes_max: 4096,
        run: run_of_workflow::run,
    },
    Target {
        name: "expression",
        what: "jq: mistakes have places, the same program gives the same, within its budget",
        bytes_max: 512,
        run: expression::run,
    },
    Target {
        name: "events",
        what: "CloudEvents in each content mode: a problem or whole events, the same read again",
        bytes_max: 4096,
        run: events::run,
    },
    Target {
        name: "calendar",
        what: "calendar expressions: the normal form means the same, times only go forward",
        bytes_max: 256,
        run: calendar::run,
    },
    Target {
        name: "tenant",
        what: "tenants' manifests and registries: problems have places, units can be made, secrets stay",
        bytes_max: 4096,
        run: tenant::run,
    },
    Target {
        name: "texts",
        what: "names, durations, times, quantities, selectors, ids: written and read they are the same",
        bytes_max: 256,
        run: texts::run,
    },
    Target {
        name: "units",
        what: "what systemd's programs say, and units written by hand",
        bytes_max: 4096,
        run: units::run,
    },
    Target {
        name: "body",
        what: "bodies of the API: what is declared can be reconciled, comes to rest, and is as declared",
        bytes_max: 4096,
        run: body::run,
    },
    Target {
        name: "messages",
        what: "bodies of agents, queries of lists: refused or within their limits",
        bytes_max: 4096,
        run: messages::run,
    },
    Target {
        name: "stored",
        what: "rows of the store: read, written and read again they are the same",
        bytes_max: 4096,
        run: stored::run,
    },
    Target {
        name: "stream",
        what: "server-sent events, log lines, frames, journals: however they are cut",
        bytes_max: 1024,
        run: stream::run,
    },
    Target {
        name: "node",
        what: "/proc, images, records of supervisors and of earlier agents",
        bytes_max: 2048,
        run: node::run,
    },
    Target {
        name: "services",
        what: "OpenAPI documents, challenges and tokens of services that are called",
        bytes_max: 4096,
        run: services::run,
    },
    Target {
        name: "journal",
        what: "what the engine stores of jobs: the same when written again, any entries can be replayed",
        bytes_max: 4096,
        run: journal::run,
    },
    Target {
        name: "lifecycle",
        what: "what programs of tenants wrote of their runs, and their manifests as those read them",
        bytes_max: 4096,
        run: lifecycle::run,
    },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Gives the bytes to the target of this name. Longer inputs than it takes are left alone.
///
/// # Panics
/// When what must hold does not, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = target(name).expect("the callers are files named after targets");
    if bytes.len() <= target.bytes_max {
        (target.run)(bytes);
    }
}

/// The first byte, which chooses between the forms of an input, and the text after it; none for
/// what is no text.
fn chosen(bytes: &[u8]) -> Option<(u8, &str)> {
    let (first, rest) = bytes.split_first()?;
    Some((*first, std::str::from_utf8(rest).ok()?))
}

/// The format that a first byte means: `j` and `t` are JSON and TOML.
fn format(first: u8) -> Format {
    match first {
        b'j' => Format::Json,
        b't' => Format::Toml,
        _ => Format::Yaml,
    }
}

/// There are problems, each of which stands somewhere in the text and can be shown.
fn have_places(problems: &[Problem], text: &str) {
    assert!(!problems.is_empty(), "it failed without a problem");
    let lines = text.split(['\n', '\r']).count();
    for problem in problems {
        assert!((1..=lines).contains(&problem.line), "{problem}");
        assert!(problem.column >= 1, "{problem}");
        assert!(!problem.message.is_empty() && !problem.code.is_empty());
        let shown = problem.render();
        assert!(!shown.contains('\u{1b}'), "an escape sequence gets through: {shown:?}");
    }
}
