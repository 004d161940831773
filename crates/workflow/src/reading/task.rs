//! Tasks and lists of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use tessera_manifest::{Node, Value, code, hint_for_name, nearest, quoted};

use super::reader::{Reader, list, shared};
use super::scope::{Place, Scope};
use crate::definition::{Case, For, Fork, Kind, Raise, Task, TaskList};
use crate::expression::{Template, is_expression};

/// The fields that every task may have.
const COMMON: [&str; 7] = ["if", "input", "output", "export", "timeout", "then", "metadata"];

/// What a task can do, each with the fields that come with it.
const KINDS: [(&str, &[&str]); 12] = [
    ("call", &["call", "with"]),
    ("emit", &["emit"]),
    ("for", &["for", "while", "do"]),
    ("fork", &["fork"]),
    ("listen", &["listen", "foreach"]),
    ("raise", &["raise"]),
    ("run", &["run"]),
    ("set", &["set"]),
    ("switch", &["switch"]),
    ("try", &["try", "catch"]),
    ("wait", &["wait"]),
    ("do", &["do"]),
];

/// Where `then` may lead.
pub(super) enum Targets<'a, 'd> {
    /// To the tasks of this list.
    List(&'a BTreeSet<&'d str>),
    /// Nowhere: the tasks run beside each other.
    Branches,
    /// Nowhere: the task stands alone.
    Function,
}

/// A name as a step of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl<'d> Reader<'d> {
    /// A list of tasks that run one after the other. `at` is its reference.
    pub(super) fn task_list(
        &mut self,
        node: &'d Node,
        at: &str,
        scope: &Scope,
    ) -> Option<TaskList> {
        let names = self.task_names(node)?;
        let tasks = self.tasks_of(node, at, scope, &Targets::List(&names))?;
        self.warn_of_unreachable(node, &tasks);
        Some(tasks)
    }

    /// The names in a list of tasks; those of what is no task are left out.
    fn task_names(&mut self, node: &'d Node) -> Option<BTreeSet<&'d str>> {
        let all = self.task_elements(node)?;
        Some(all.iter().flat_map(Node::entries).map(|entry| entry.key.as_str()).collect())
    }

    fn task_elements(&mut self, node: &'d Node) -> Option<&'d [Node]> {
        match &node.value {
            Value::Seq(all) => Some(all),
            Value::Map(_) => {
                let hint = "put `- ` before the name of each task, and indent what is below it";
                self.wrong_type(node, "a list of tasks", Some(hint))
            }
            _ => self.wrong_type(node, "a list of tasks", None),
        }
    }

    fn tasks_of(
        &mut self,
        node: &'d Node,
        at: &str,
        scope: &Scope,
        targets: &Targets<'_, 'd>,
    ) -> Option<TaskList> {
        let all = self.task_elements(node)?;
        let mut names = BTreeSet::new();
        let mut index = 0;
        let tasks = self.all(all.iter(), |reader, node| {
            let reference = format!("{at}/{index}");
            index += 1;
            let entry = reader.named(node, "a task")?;
            let name = entry.key.as_str();
            if !names.insert(name) {
                let message = format!("a second task called {} in this list", quoted(name));
                let hint = Some("give it another name; `then` could mean either".to_owned());
                reader.wrong_at(node, entry.key_span, super::code::DUPLICATE_NAME, message, hint);
            }
            if matches!(name, "continue" | "exit" | "end") {
                let message = format!("`then: {name}` does not reach the task of this name");
                let hint = "give it another name";
                reader.warn(node, Some(entry.key_span), super::code::RESERVED_NAME, message, hint);
            }
            let reference = format!("{reference}/{}", escaped(name));
            reader.task(name, &entry.value, reference, scope, targets)
        });
        tasks.map(Arc::from)
    }

    /// One task.
    pub(super) fn task(
        &mut self,
        name: &str,
        node: &'d Node,
        reference: String,
        scope: &Scope,
        targets: &Targets<'_, 'd>,
    ) -> Option<Arc<Task>> {
        self.open_map(node, "a task, which is a map")?;
        self.tasks.push(node);
        let kind = self.kind_of(node);
        let condition =
            self.optional(node.get("if"), |reader, it| reader.expression(it, scope, Place::Input));
        let input = self.shape(node.get("input"), "from", scope, Place::Input);
        let output = self.shape(node.get("output"), "as", scope, Place::Output);
        let export = self.shape(node.get("export"), "as", scope, Place::Export);
        let timeout = self.optional(node.get("timeout"), |reader, it| reader.timeout(it, scope));
        let then = self.optional(node.get("then"), |reader, it| reader.flow(it, targets));
        if let Some(metadata) = node.get("metadata") {
            self.open_map(metadata, "a map")?;
        }
        let definition = self.definition(&reference);
        let kind = kind.and_then(|kind| self.kind(kind, node, &reference, scope, targets));
        Some(Arc::new(Task {
            name: shared(name),
            reference: reference.into(),
            condition: condition?,
            input: input?,
            output: output?,
            export: export?,
            timeout: timeout?,
            then: then?.unwrap_or_default(),
            kind: kind?,
            definition,
        }))
    }

    /// What a task does, by the fields that it has.
    fn kind_of(&mut self, node: &'d Node) -> Option<&'static str> {
        let has = |kind: &&(&'static str, _)| node.get(kind.0).is_some();
        let mut found = KINDS.iter().filter(has).filter(|kind| {
            // `for` brings a `do` along.
            kind.0 != "do" || node.get("for").is_none()
        });
        let first = found.next();
        let second = found.next();
        let Some((kind, fields)) = first else {
            self.no_kind(node);
            return None;
        };
        if let Some((second, _)) = second {
            let span = node.entries().iter().find(|it| it.key == *second).map(|it| it.key_span);
            let message = format!("a task does one thing, and here are {}", list(&[kind, second]));
            let hint = Some("make two tasks of it".to_owned());
            self.wrong_at(node, span.unwrap_or(node.span), code::INVALID_VALUE, message, hint);
            return None;
        }
        let known: Vec<&str> = fields.iter().chain(&COMMON).copied().collect();
        self.only(node, &known);
        Some(kind)
    }

    fn no_kind(&mut self, node: &'d Node) {
        let kinds = KINDS.map(|(kind, _)| kind);
        let all: Vec<&str> = kinds.iter().chain(&COMMON).copied().collect();
        let unknown = node.entries().iter().find(|entry| !all.contains(&entry.key.as_str()));
        if let Some(entry) = unknown {
            let free = nearest(&entry.key, &kinds);
            let message = format!("unknown field {}", quoted(&entry.key));
            let hint = hint_for_name(free, &kinds, "a task has one of");
            self.wrong_at(node, entry.key_span, code::UNKNOWN_FIELD, message, hint);
            return;
        }
        let message = "this task does nothing";
        let hint = format!("a task has one of {}", list(&kinds));
        self.wrong(node, code::MISSING_FIELD, message, hint);
    }

    fn kind(
        &mut self,
        kind: &str,
        node: &'d Node,
        at: &str,
        scope: &Scope,
        targets: &Targets<'_, 'd>,
    ) -> Option<Kind> {
        let what = node.get(kind)?;
        match kind {
            "call" => self.call(node, what, scope, at).map(Kind::Call),
            "do" => self.task_list(what, &format!("{at}/do"), scope).map(Kind::Do),
            "emit" => self.emit(what, scope).map(Kind::Emit),
            "for" => self.for_each_item(node, what, at, scope).map(Kind::For),
            "fork" => self.fork(what, at, scope).map(Kind::Fork),
            "listen" => self.listen(node, what, at, scope).map(Kind::Listen),
            "raise" => self.raise(what, scope).map(Kind::Raise),
            "run" => self.run(what, scope).map(Kind::Run),
            "set" => self.set(what, scope).map(Kind::Set),
            "switch" => self.switch(what, scope, targets).map(Kind::Switch),
            "try" => self.try_catch(node, what, at, scope, targets).map(Kind::Try),
            _ => self.period(what, scope).map(Kind::Wait),
        }
    }

    fn for_each_item(
        &mut self,
        task: &'d Node,
        node: &'d Node,
        at: &str,
        scope: &Scope,
    ) -> Option<For> {
        let fields =
            self.map(node, "a map such as { each: item, in: .items }", &["each", "in", "at"]);
        let each = self.optional(node.get("each"), Self::variable);
        let index = self.optional(node.get("at"), Self::variable);
        let collection = fields
            .and_then(|_| self.required(node, "in"))
            .and_then(|it| self.collection(it, scope));
        let (each, index) = match (each, index) {
            (Some(each), Some(index)) => {
                let (each, index) = (each.unwrap_or("item"), index.unwrap_or("index"));
                (each, self.differ(node, each, index)?)
            }
            _ => ("item", "index"),
        };
        let inside = scope.with([each, index]);
        let condition = self.optional(task.get("while"), |reader, it| {
            reader.expression(it, &inside, Place::Definition)
        });
        let tasks = self
            .required_or(task, "do", Some("what is done for each item"))
            .and_then(|it| self.task_list(it, &format!("{at}/do"), &inside));
        Some(For {
            each: shared(each),
            at: shared(index),
            collection: collection?,
            condition: condition?,
            tasks: tasks?,
        })
    }

    /// That the variables of an item and of its index are two; the second is returned.
    pub(super) fn differ<'n>(
        &mut self,
        node: &'d Node,
        each: &str,
        index: &'n str,
    ) -> Option<&'n str> {
        if each != index {
            return Some(index);
        }
        let message = format!("the item and its index are both called {}", quoted(index));
        let at = node.get("at").or(node.get("each")).or(node.get("item")).unwrap_or(node);
        self.wrong(at, code::INVALID_VALUE, message, "give them different names");
        None
    }

    fn collection(&mut self, node: &'d Node, scope: &Scope) -> Option<Template> {
        match &node.value {
            Value::String(_) => {
                self.expression(node, scope, Place::Definition).map(Template::Expression)
            }
            Value::Seq(all) => {
                let hint = "the items of a list in the document are maps; write another list as an \
                            expression: `${ [1, 2, 3] }`";
                let maps = self.all(all.iter(), |reader, it| match &it.value {
                    Value::Map(_) => Some(()),
                    _ => reader.wrong_type(it, "a map", Some(hint)),
                });
                let template = self.template(node, scope, Place::Definition);
                maps.and(template)
            }
            _ => self.wrong_type(node, "an expression, or a list of maps", None),
        }
    }

    fn fork(&mut self, node: &'d Node, at: &str, scope: &Scope) -> Option<Fork> {
        self.map(node, "a map of `branches` and `compete`", &["branches", "compete"])?;
        let compete = self.optional(node.get("compete"), Self::boolean);
        let branches = self.required(node, "branches").and_then(|it| {
            self.tasks_of(it, &format!("{at}/fork/branches"), scope, &Targets::Branches)
        });
        Some(Fork { branches: branches?, compete: compete?.unwrap_or_default() })
    }

    fn set(&mut self, node: &'d Node, scope: &Scope) -> Option<Template> {
        match &node.value {
            Value::String(_) => {
                self.expression(node, scope, Place::Definition).map(Template::Expression)
            }
            Value::Map(all) if all.is_empty() => {
                let hint = "name at least one field, or write the expression `${ {} }`";
                self.wrong(node, code::INVALID_VALUE, "nothing to set", hint);
                None
            }
            Value::Map(_) => self.template(node, scope, Place::Definition),
            _ => self.wrong_type(node, "a map, or an expression", None),
        }
    }

    fn raise(&mut self, node: &'d Node, scope: &Scope) -> Option<Raise> {
        self.map(node, "a map of `error`", &["error"])?;
        let error = self.required(node, "error")?;
        self.error(error, scope).map(|error| Raise { error })
    }

    fn switch(
        &mut self,
        node: &'d Node,
        scope: &Scope,
        targets: &Targets<'_, 'd>,
    ) -> Option<Vec<Case>> {
        let all = self.elements(node, "a list of cases: `- name: { when, then }`")?;
        if all.is_empty() {
            self.wrong(node, code::INVALID_VALUE, "a switch without cases", None);
            return None;
        }
        let (mut names, mut default) = (BTreeSet::new(), None::<&str>);
        let cases = self.all(all.iter(), |reader, node| {
            let entry = reader.named(node, "a case")?;
            let name = entry.key.as_str();
            if !names.insert(name) {
                let message = format!("a second case called {}", quoted(name));
                let hint = Some("give it another name".to_owned());
                reader.wrong_at(node, entry.key_span, super::code::DUPLICATE_NAME, message, hint);
            }
            let case = reader.case(name, &entry.value, scope, targets);
            if entry.value.get("when").is_none() {
                if let Some(first) = default {
                    let message =
                        format!("a second case without `when`; {} is the default", quoted(first));
                    let hint = Some("add `when`, or remove one of them".to_owned());
                    reader.wrong_at(node, entry.key_span, code::INVALID_VALUE, message, hint);
                }
                default.get_or_insert(name);
            }
            case
        });
        let mut cases = cases?;
        // The default applies when no other case does, wherever it stands.
        cases.sort_by_key(|case| case.when.is_none());
        Some(cases)
    }

    fn case(
        &mut self,
        name: &str,
        node: &'d Node,
        scope: &Scope,
        targets: &Targets<'_, 'd>,
    ) -> Option<Case> {
        self.map(node, "a map of `when` and `then`", &["when", "then"])?;
        let when = self.optional(node.get("when"), |reader, it| {
            reader.expression(it, scope, Place::Definition)
        });
        let then = self.required(node, "then").and_then(|it| self.flow(it, targets));
        Some(Case { name: shared(name), when: when?, then: then? })
    }

    /// Text that is an expression or a JSON pointer.
    pub(super) fn pointer(&mut self, node: &'d Node, scope: &Scope) -> Option<Template> {
        let text = self.text(node)?;
        if !is_expression(text) && !text.is_empty() && !text.starts_with('/') {
            let message = format!("{} is no JSON pointer", quoted(text));
            self.wrong(node, code::INVALID_VALUE, message, "write it as /do/0/name");
            return None;
        }
        self.template(node, scope, Place::Definition)
    }
}
