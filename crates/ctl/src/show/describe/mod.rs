//! Descriptions: all that a person wants to know of one resource, in blocks of
//! aligned lines.

mod host;
mod session;
mod tenant;
mod timed;

use std::fmt::{self, Write as _};

use tessera_types::api::NodeTop;
use tessera_types::workload::{HealthCheck, WorkloadSpec};
use tessera_types::{
    Kind, KindName, Node, Object, Resource, Timestamp, Workload, limits, with_object,
};

use super::workload::{last_exit, runs};
use super::{Beside, cores, labels, memory};
use crate::moment::{age, near, stamp, until};
use crate::style::{Style, Tone, printable, told, tone_of_status};
use crate::tree::Tree;

pub(crate) use self::host::amounts;

/// Between a field's name and its value.
const FIELD_WIDTH: usize = 14;

/// A description being written.
struct Page {
    text: String,
    style: Style,
    now: Timestamp,
}

impl Page {
    fn heading(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let _ = writeln!(self.text, "{}", self.style.paint(Tone::Strong, title));
    }

    fn field(&mut self, name: &str, value: impl fmt::Display) {
        self.toned(name, value, Tone::Plain);
    }

    fn toned(&mut self, name: &str, value: impl fmt::Display, tone: Tone) {
        let value = self.style.paint(tone, &printable(&value.to_string()));
        // A name that is longer, such as that of a phase, keeps its distance.
        let gap = if name.len() < FIELD_WIDTH { "" } else { "  " };
        let _ = writeln!(self.text, "  {name:FIELD_WIDTH$}{gap}{value}");
    }

    fn optional(&mut self, name: &str, value: Option<impl fmt::Display>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    /// A point in time: exactly, and at a glance.
    fn time(&mut self, name: &str, at: Timestamp) {
        if at >= Timestamp::MAX {
            return self.field(name, "never");
        }
        self.field(name, format!("{} ({})", stamp(at), near(at, self.now)));
    }

    fn optional_time(&mut self, name: &str, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.time(name, at);
        }
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "  {text}");
    }

    fn quote(&mut self, lines: &[String]) {
        for line in lines {
            let _ = writeln!(self.text, "  | {}", printable(line));
        }
    }

    fn since(&self, at: Timestamp) -> String {
        format!("since {} ({})", stamp(at), age(at, self.now))
    }
}

/// A resource in full, with what belongs to it.
pub(crate) fn describe(
    resource: &Resource,
    beside: &Beside,
    tree: &Tree,
    style: Style,
    now: Timestamp,
) -> String {
    let mut page = Page { text: String::new(), style, now };
    page.heading(&resource.key().to_string());
    with_object!(resource, object => state(&mut page, object));
    match resource {
        Resource::Workload(workload) => of_workload(&mut page, workload),
        Resource::Node(node) => of_node(&mut page, node, beside.tops.get(&node.name)),
        Resource::Session(it) => session::of_session(&mut page, it),
        Resource::SessionPart(it) => session::of_part(&mut page, it),
        Resource::Pod(it) => session::of_pod(&mut page, it),
        Resource::Job(it) => session::of_job(&mut page, it),
        Resource::Report(it) => session::of_report(&mut page, it),
        Resource::Host(it) => host::of_host(&mut page, it, beside),
        Resource::Tenant(it) => tenant::of_tenant(&mut page, it),
        other => {
            if let Some(known) = super::definition::known(other) {
                host::of_definition(&mut page, other, &known);
            }
        }
    }
    belongings(&mut page, resource, tree);
    with_object!(resource, object => history(&mut page, object));
    page.text
}

/// What every resource has: its status and what it waits for.
fn state<K: Kind>(page: &mut Page, object: &Object<K>) {
    let status = object.status.to_string();
    let painted = page.style.paint(tone_of_status(&status), &status);
    let since = page.since(object.status_since);
    let _ = writeln!(page.text, "  {:FIELD_WIDTH$}{painted} {since}", "status");
    if let Some(at) = object.deletion_requested_at {
        let text = format!("requested {} ago", age(at, page.now));
        page.toned("deletion", text, Tone::Busy);
    }
    if let Some(waiting) = &object.waiting_for {
        page.toned("waits for", told(&waiting.message), Tone::Busy);
        let since = page.since(waiting.since);
        let until = waiting
            .until
            .map(|at| format!(", decided by {} ({})", stamp(at), until(at, page.now)))
            .unwrap_or_default();
        page.field("", format!("{since}{until}"));
    }
    page.field("desired", object.desired_status);
    page.field("generation", format!("{} (revision {})", object.generation, object.revision));
    page.optional(
        "owner",
        object.owner.as_ref().map(|owner| format!("{}/{}", owner.kind.singular(), owner.name)),
    );
    page.field("labels", labels(&object.labels));
    page.field("id", object.id);
    page.field(
        "created",
        format!("{} ({} ago)", stamp(object.created_at), age(object.created_at, page.now)),
    );
}

fn of_workload(page: &mut Page, workload: &Object<Workload>) {
    placement(page, workload);
    spec(page, &workload.spec);
    if let Some(exit) = &workload.observed.last_exit {
        page.heading("last exit");
        let tone = if exit.outcome.is_success() { Tone::Plain } else { Tone::Bad };
        let text = page.style.paint(tone, &last_exit(exit, page.now));
        let _ = writeln!(page.text, "  {text}");
        page.quote(&exit.last_lines);
    }
}

fn placement(page: &mut Page, workload: &Object<Workload>) {
    let observed = &workload.observed;
    page.heading("runs on");
    match (&observed.assigned, &observed.last_node) {
        (Some(assigned), _) => {
            page.field("node", format!("{} {}", assigned.node, page.since(assigned.since)));
            if observed.placed_generation < observed.launch_generation {
                let old = observed.placed_generation;
                let text = format!(
                    "of generation {old}: it is replaced by one of {}",
                    workload.generation
                );
                page.toned("copy", text, Tone::Busy);
            }
        }
        (None, Some(node)) => page.field("node", format!("none; the last was {node}")),
        (None, None) => page.field("node", "none"),
    }
    if let Some(instance) = &observed.instance {
        page.optional("pid", instance.pid);
        page.optional("container", instance.container_id.as_ref());
        page.field(
            "started",
            format!("{} ({} ago)", stamp(instance.started_at), age(instance.started_at, page.now)),
        );
    }
    let next = observed.next_start_at.map(|at| format!("; next start {}", until(at, page.now)));
    page.field("restarts", format!("{}{}", observed.restarts, next.unwrap_or_default()));
    page.optional("health", observed.health);
    if let Some(trouble) = &observed.trouble {
        page.toned("trouble", trouble, Tone::Bad);
    }
}

/// What was declared, in short. Values of the environment can be secrets and are
/// left to `get -o yaml`.
fn spec(page: &mut Page, spec: &WorkloadSpec) {
    page.heading("spec");
    page.field("runs", runs(spec));
    page.optional("working dir", spec.working_dir.as_ref());
    let names: Vec<_> = spec.env.keys().map(String::as_str).collect();
    page.optional("env", (!names.is_empty()).then(|| names.join(", ")));
    let resources = spec.resources;
    page.optional("cpu", (resources.cpu.0 > 0).then(|| cores(resources.cpu)));
    page.optional("memory", (resources.memory.0 > 0).then_some(resources.memory));
    page.field("restart", restart(spec));
    let constraints: Vec<_> = spec.constraints.iter().map(ToString::to_string).collect();
    page.optional("constraints", (!constraints.is_empty()).then(|| constraints.join(", ")));
    page.optional("spread by", spec.spread_by.as_ref());
    page.optional("health check", spec.health.as_ref().map(health_check));
    page.field("stop", format!("{}, SIGKILL after {}", spec.stop.signal, spec.stop.grace));
    for port in &spec.ports {
        let outside = port.host_port.filter(|host| *host != port.port);
        let outside =
            outside.map(|host| format!(" on port {host} of the node")).unwrap_or_default();
        page.field("port", format!("{}/{}{outside}", port.port, port.protocol));
    }
    for mount in &spec.mounts {
        let mode = if mount.read_only { " (read only)" } else { "" };
        page.field("mount", format!("{} at {}{mode}", mount.source, mount.target));
    }
    page.optional("not before", spec.not_before);
    page.optional("not after", spec.not_after);
}

fn restart(spec: &WorkloadSpec) -> String {
    let policy = serde_json::to_value(spec.restart.policy).unwrap_or_default();
    let policy = policy.as_str().unwrap_or("always").to_owned();
    match spec.restart.attempts_max {
        Some(attempts) => format!("{policy}, at most {attempts} in a row"),
        None => policy,
    }
}

fn health_check(check: &HealthCheck) -> String {
    let probe = match (&check.exec, &check.http, &check.tcp) {
        (Some(command), _, _) => format!("`{}`", command.join(" ")),
        (_, Some(http), _) => format!("GET http://127.0.0.1:{}{}", http.port, http.path),
        (_, _, Some(tcp)) => format!("tcp port {}", tcp.port),
        (None, None, None) => "none".to_owned(),
    };
    format!("{probe} every {}, {} failures end the run", check.interval, check.retries)
}

fn of_node(page: &mut Page, node: &Object<Node>, top: Option<&NodeTop>) {
    let observed = &node.observed;
    page.heading("machine");
    page.field("runs", &observed.executors);
    page.field("limits", if observed.executors.limits { "enforced" } else { "not enforced" });
    page.field("agent", &observed.agent_version);
    page.field("its labels", labels(&observed.agent_labels));
    page.optional(
        "heard of",
        top.and_then(|top| top.last_heard_at).map(|at| format!("{} ago", age(at, page.now))),
    );
    page.heading("capacity");
    let all = node.allocatable();
    let mut amount = |name: &str, all: String, set_aside: Option<String>, used: Option<String>| {
        let set_aside = set_aside.map(|text| format!(", {text} set aside")).unwrap_or_default();
        let used = used.map(|text| format!(", {text} used")).unwrap_or_default();
        page.field(name, format!("{all}{set_aside}{used}"));
    };
    let allocated = top.map(|top| top.allocated);
    let used = top.and_then(|top| top.used);
    amount("cpu", cores(all.cpu), allocated.map(|it| cores(it.cpu)), used.map(|it| cores(it.cpu)));
    amount(
        "memory",
        memory(all.memory),
        allocated.map(|it| memory(it.memory)),
        used.map(|it| memory(it.memory)),
    );
    amount(
        "workloads",
        all.workloads.to_string(),
        allocated.map(|it| it.workloads.to_string()),
        None,
    );
}

/// What belongs to it, down to the last.
fn belongings(page: &mut Page, resource: &Resource, tree: &Tree) {
    let branches = tree.walk(resource);
    if branches.len() < 2 {
        return;
    }
    page.heading("has");
    for branch in &branches[1..] {
        let child = &branch.resource;
        let status = page.style.paint(tone_of_status(child.status()), child.status());
        let name = format!("{}{}/{}", branch.lines, child.kind().singular(), child.name());
        let waiting = with_object!(child, object => object.waiting_for.as_ref());
        let waiting = waiting.map(|waiting| format!(", waits for {}", told(&waiting.message)));
        page.line(&format!("{name} {status}{}", waiting.unwrap_or_default()));
    }
}

fn history<K: Kind>(page: &mut Page, object: &Object<K>) {
    let kept = object.state_history.len();
    if kept == 0 {
        return;
    }
    let rest = match kept >= limits::HISTORY_TAIL_MAX {
        true => format!(
            " (the last {kept}; all: tesseractl history {} {})",
            kind_word(K::KIND),
            object.name
        ),
        false => String::new(),
    };
    page.heading(&format!("history{rest}"));
    for transition in object.state_history.iter() {
        let to = transition.to.to_string();
        let to = page.style.paint(tone_of_status(&to), &to);
        // One that changes no status is a note.
        let moved = match transition.from {
            Some(from) if from != transition.to => format!("{from} → {to}"),
            _ => to,
        };
        let (at, by) = (stamp(transition.at), &transition.by);
        let reason = told(&transition.reason);
        let _ = writeln!(page.text, "  {at}  {moved}: {reason} ({by})");
    }
}

fn kind_word(kind: KindName) -> &'static str {
    kind.singular()
}
