//! A picture of a workflow: a flowchart in Mermaid's language.
//!
//! Every task is one box, and one with tasks in it is a box around them; so an arrow always leads
//! from a task to a task. What a list does after its last task is the arrow of the box around it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::definition::{
    Call, Case, Catch, Consumption, Flow, Kind, Period, Process, Task, Try, Until, Workflow,
};

/// The longest label, in characters.
const LABEL_CHARS_MAX: usize = 60;

/// The flowchart of a workflow.
#[must_use]
pub fn mermaid(workflow: &Workflow) -> String {
    let mut picture = Picture::default();
    picture.line("flowchart TD");
    picture.depth = 1;
    picture.line("start([start])");
    let ids = picture.boxes(&workflow.tasks);
    picture.line("finish([end])");
    let first = ids.first().map_or("finish", String::as_str);
    picture.arrow("start", first, "");
    picture.arrows(&workflow.tasks, &ids, "finish");
    for arrow in std::mem::take(&mut picture.arrows) {
        picture.line(&arrow);
    }
    picture.text
}

#[derive(Default)]
struct Picture {
    text: String,
    depth: usize,
    boxes: usize,
    /// Arrows come last: a box belongs to where it is first named.
    arrows: Vec<String>,
}

impl Picture {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{:1$}{line}", "", 2 * self.depth);
    }

    fn id(&mut self) -> String {
        self.boxes += 1;
        format!("t{}", self.boxes)
    }

    fn arrow(&mut self, from: &str, to: &str, label: &str) {
        let label = if label.is_empty() { String::new() } else { format!("|{}|", quoted(label)) };
        self.arrows.push(format!("{from} -->{label} {to}"));
    }

    fn dotted(&mut self, from: &str, to: &str, label: &str) {
        self.arrows.push(format!("{from} -.->|{}| {to}", quoted(label)));
    }

    /// The boxes of a list, by their ids.
    fn boxes(&mut self, tasks: &[Arc<Task>]) -> Vec<String> {
        tasks.iter().map(|task| self.task(task)).collect()
    }

    /// A box with tasks in it that run one after the other.
    fn list(&mut self, id: &str, label: &str, tasks: &[Arc<Task>]) -> Vec<String> {
        self.around(id, label, |picture| {
            let ids = picture.boxes(tasks);
            let leaves = tasks.iter().any(|task| exits(task));
            let exit = format!("{id}_exit");
            if leaves {
                picture.line(&format!("{exit}(( ))"));
            }
            if tasks.is_empty() {
                // A box needs something in it.
                picture.line(&format!("{id}_nothing[\" \"]"));
            }
            picture.arrows(tasks, &ids, &exit);
            ids
        })
    }

    fn around<T>(&mut self, id: &str, label: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.line(&format!("subgraph {id}[{}]", quoted(label)));
        self.depth += 1;
        let done = inside(self);
        self.depth -= 1;
        self.line("end");
        done
    }

    fn task(&mut self, task: &Task) -> String {
        let id = self.id();
        let label = label(task);
        match &task.kind {
            Kind::Do(tasks) => drop(self.list(&id, &label, tasks)),
            Kind::For(it) => {
                let ids = self.list(&id, &label, &it.tasks);
                self.again(&ids, "next");
            }
            Kind::Fork(it) => self.around(&id, &label, |picture| {
                picture.boxes(&it.branches);
            }),
            Kind::Listen(it) if it.each.as_ref().is_some_and(|each| each.tasks.is_some()) => {
                let tasks = it.each.as_ref().and_then(|each| each.tasks.clone());
                let ids = self.list(&id, &label, &tasks.unwrap_or_default());
                self.again(&ids, "next event");
            }
            Kind::Switch(_) => self.line(&format!("{id}{{{}}}", quoted(&label))),
            Kind::Try(it) => self.try_catch(&id, &label, it),
            Kind::Wait(_) => self.line(&format!("{id}({})", quoted(&label))),
            Kind::Emit(_) | Kind::Listen(_) => self.line(&format!("{id}>{}]", quoted(&label))),
            Kind::Raise(_) => self.line(&format!("{id}{{{{{}}}}}", quoted(&label))),
            Kind::Call(_) | Kind::Run(_) | Kind::Set(_) => {
                self.line(&format!("{id}[{}]", quoted(&label)));
            }
        }
        id
    }

    fn again(&mut self, ids: &[String], label: &str) {
        if let (Some(first), Some(last)) = (ids.first(), ids.last()) {
            self.dotted(last, first, label);
        }
    }

    fn try_catch(&mut self, id: &str, label: &str, it: &Try) {
        let (body, catch) = (format!("{id}_try"), format!("{id}_catch"));
        self.around(id, label, |picture| {
            picture.list(&body, "try", &it.tasks);
            let words = caught(&it.catch);
            match &it.catch.tasks {
                Some(tasks) => drop(picture.list(&catch, &words, tasks)),
                None => picture.line(&format!("{catch}[{}]", quoted(&words))),
            }
        });
        self.dotted(&body, &catch, "error");
        if it.catch.retry.is_some() {
            self.dotted(&catch, &body, "retry");
        }
    }

    /// The arrows between the tasks of a list; `exit` is where those lead that leave it.
    fn arrows(&mut self, tasks: &[Arc<Task>], ids: &[String], exit: &str) {
        let at: BTreeMap<&str, &String> =
            tasks.iter().zip(ids).map(|(task, id)| (&*task.name, id)).collect();
        for (index, (task, id)) in tasks.iter().zip(ids).enumerate() {
            // After the last task of a list, what is around it goes on.
            let next = ids.get(index + 1).map(String::as_str);
            let next = next.or((exit == "finish").then_some(exit));
            let target = |flow: &Flow| match flow {
                Flow::Continue => next.map(str::to_owned),
                Flow::Exit => Some(exit.to_owned()),
                Flow::End => Some("finish".to_owned()),
                Flow::Task(name) => at.get(&**name).map(|id| (*id).clone()),
            };
            if let (Some(_), Some(next)) = (&task.condition, next)
                && !goes_on(task)
            {
                self.arrow(id, next, "skipped");
            }
            for (label, flow) in ways(task) {
                if let Some(to) = target(flow) {
                    let from = if label == "caught" { format!("{id}_catch") } else { id.clone() };
                    self.arrow(&from, &to, &label);
                }
            }
        }
    }
}

/// The ways out of a task, with what stands at them.
fn ways(task: &Task) -> Vec<(String, &Flow)> {
    match &task.kind {
        Kind::Raise(_) => Vec::new(),
        Kind::Switch(cases) => {
            let way = |case: &Case| match &case.when {
                Some(when) => format!("{}: {}", case.name, when.source().trim()),
                None => case.name.to_string(),
            };
            let mut ways: Vec<_> = cases.iter().map(|case| (way(case), &case.then)).collect();
            if cases.iter().all(|case| case.when.is_some()) {
                ways.push(("otherwise".to_owned(), &task.then));
            }
            ways
        }
        Kind::Try(it) => {
            let caught = it.catch.then.iter().map(|then| ("caught".to_owned(), then));
            std::iter::once((String::new(), &task.then)).chain(caught).collect()
        }
        _ => vec![(String::new(), &task.then)],
    }
}

/// Whether the next task follows a task whatever is done in it, so that it being skipped is
/// no way of its own.
fn goes_on(task: &Task) -> bool {
    ways(task).iter().any(|(label, flow)| label.is_empty() && **flow == Flow::Continue)
}

/// Whether a task leaves its list early.
fn exits(task: &Task) -> bool {
    ways(task).iter().any(|(_, flow)| **flow == Flow::Exit)
}

/// A task's name and what it does.
fn label(task: &Task) -> String {
    let mut label = format!("{}: {}", task.name, what(&task.kind));
    if let Some(condition) = &task.condition {
        let _ = write!(label, "\nif {}", condition.source().trim());
    }
    label
}

fn what(kind: &Kind) -> String {
    match kind {
        Kind::Call(call) => format!("call {}", called(call)),
        Kind::Do(_) => "do".to_owned(),
        Kind::Emit(_) => "emit".to_owned(),
        Kind::For(it) => match &it.condition {
            Some(condition) => format!("for each {}, while {}", it.each, condition.source().trim()),
            None => format!("for each {}", it.each),
        },
        Kind::Fork(it) if it.compete => "fork, the first wins".to_owned(),
        Kind::Fork(_) => "fork".to_owned(),
        Kind::Listen(it) => format!("listen to {}", listened(&it.to)),
        Kind::Raise(_) => "raise".to_owned(),
        Kind::Run(it) => match it.process {
            Process::Shell(_) => "run shell".to_owned(),
            Process::Script(_) => "run script".to_owned(),
            Process::Container(_) => "run container".to_owned(),
            Process::Workflow(_) => "run workflow".to_owned(),
        },
        Kind::Set(_) => "set".to_owned(),
        Kind::Switch(_) => "switch".to_owned(),
        Kind::Try(_) => "try".to_owned(),
        Kind::Wait(Period::Fixed(it)) => format!("wait {}", it.to_string().to_lowercase()),
        Kind::Wait(Period::Computed(_)) => "wait".to_owned(),
    }
}

fn called(call: &Call) -> &str {
    match call {
        Call::Http(_) => "http",
        Call::OpenApi(_) => "openapi",
        Call::Function { name, .. } | Call::Cataloged { name, .. } | Call::Adapter { name, .. } => {
            name
        }
    }
}

fn listened(to: &Consumption) -> String {
    match to {
        Consumption::One(_) => "one event".to_owned(),
        Consumption::All(filters) => format!("all of {} events", filters.len()),
        Consumption::Any { until: None, .. } => "any event".to_owned(),
        Consumption::Any { until: Some(Until::Condition(it)), .. } => {
            format!("events until {}", it.source().trim())
        }
        Consumption::Any { until: Some(Until::Consumed(_)), .. } => {
            "events until others come".to_owned()
        }
    }
}

fn caught(catch: &Catch) -> String {
    match &catch.when {
        Some(when) => format!("catch when {}", when.source().trim()),
        None => "catch".to_owned(),
    }
}

/// A label in quotes, with what has a meaning in Mermaid as entities.
fn quoted(label: &str) -> String {
    let mut text = String::from('"');
    for (index, c) in label.trim().chars().enumerate() {
        if index == LABEL_CHARS_MAX {
            text.push('…');
            break;
        }
        match c {
            '\n' => text.push_str("<br>"),
            '"' => text.push_str("#quot;"),
            c if c.is_control() => text.push(' '),
            '#' | '&' | '<' | '>' | '`' | '\\' | '|' | '{' | '}' | '[' | ']' | '(' | ')' | ';' => {
                let _ = write!(text, "#{};", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
