//! Processes: `run`.

use tessera_manifest::{Node, Value, code, hint_for_name, nearest, quoted};
use tessera_types::Duration;

use super::reader::Reader;
use super::scope::{Place, Scope};
use crate::definition::{
    Container, Period, Process, Return, Run, Script, Shell, Source, SubWorkflow,
};
use crate::expression::Template;

impl<'d> Reader<'d> {
    /// `run`.
    pub(super) fn run(&mut self, node: &'d Node, scope: &Scope) -> Option<Run> {
        let kinds = ["container", "script", "shell", "workflow"];
        let known = ["container", "script", "shell", "workflow", "await", "return"];
        self.map(node, "a map of what is run", &known)?;
        let awaits = self.optional(node.get("await"), Self::boolean);
        let output = self.optional(node.get("return"), Self::returned);
        let (kind, what) = self.one_field(node, "`run`", &kinds)?;
        let process = match kind {
            "container" => self.container(what, scope).map(Process::Container),
            "script" => self.script(what, scope).map(Process::Script),
            "shell" => self.shell(what, scope).map(Process::Shell),
            _ => self.sub_workflow(what, scope).map(Process::Workflow),
        };
        Some(Run {
            process: process?,
            awaits: awaits?.unwrap_or(true),
            output: output?.unwrap_or_default(),
        })
    }

    fn returned(&mut self, node: &'d Node) -> Option<Return> {
        const WORDS: [(&str, Return); 5] = [
            ("stdout", Return::Stdout),
            ("stderr", Return::Stderr),
            ("code", Return::Code),
            ("all", Return::All),
            ("none", Return::None),
        ];
        let at = self.word(node, &WORDS.map(|(word, _)| word))?;
        Some(WORDS[at].1)
    }

    fn shell(&mut self, node: &'d Node, scope: &Scope) -> Option<Shell> {
        self.map(node, "a map of `command`", &["command", "arguments", "environment", "stdin"])?;
        let command = self.required(node, "command").and_then(|it| self.program(it, scope));
        let arguments =
            self.optional(node.get("arguments"), |reader, it| reader.text_list_template(it, scope));
        let environment = self
            .optional(node.get("environment"), |reader, it| reader.plain_map_template(it, scope));
        let stdin = self.optional(node.get("stdin"), |reader, it| reader.text_template(it, scope));
        Some(Shell {
            command: command?,
            arguments: arguments?,
            environment: environment?,
            stdin: stdin?,
        })
    }

    fn script(&mut self, node: &'d Node, scope: &Scope) -> Option<Script> {
        let known = ["language", "code", "source", "arguments", "environment", "stdin"];
        self.map(node, "a map of `language` and `code`", &known)?;
        let language = self.required(node, "language").and_then(|it| self.language(it));
        let source = self.one_field(node, "a script", &["code", "source"]);
        let source = source.and_then(|(field, it)| match field {
            "code" => self.program(it, scope).map(Source::Code),
            _ => self.resource(it, scope).map(Source::Resource),
        });
        let arguments =
            self.optional(node.get("arguments"), |reader, it| reader.text_list_template(it, scope));
        let environment = self
            .optional(node.get("environment"), |reader, it| reader.plain_map_template(it, scope));
        let stdin = self.optional(node.get("stdin"), |reader, it| reader.text_template(it, scope));
        Some(Script {
            language: language?.into(),
            source: source?,
            arguments: arguments?,
            environment: environment?,
            stdin: stdin?,
        })
    }

    /// A command or a script. Shells and JavaScript have a `${ }` of their own, `${HOME}`, which
    /// is left to them.
    fn program(&mut self, node: &'d Node, scope: &Scope) -> Option<Template> {
        let text = self.text(node)?;
        let escaped = own_parameters_escaped(text);
        if escaped == text {
            return self.template(node, scope, Place::Definition);
        }
        let escaped = Node { span: node.span, value: Value::String(escaped) };
        self.template_of(node, &escaped, scope, Place::Definition)
    }

    fn language(&mut self, node: &'d Node) -> Option<&'static str> {
        let text = self.text(node)?;
        let words = ["js", "python"];
        if let Some(word) = words.into_iter().find(|word| *word == text) {
            return Some(word);
        }
        let aliases = ["javascript", "js", "py", "python"];
        let near =
            nearest(text, &aliases).map(|near| if near.starts_with('j') { "js" } else { "python" });
        let hint = hint_for_name(near, &words, "use one of");
        let message = format!("scripts in {} are not supported", quoted(text));
        self.wrong(node, super::code::UNSUPPORTED, message, hint);
        None
    }

    fn container(&mut self, node: &'d Node, scope: &Scope) -> Option<Container> {
        const PULL: [&str; 3] = ["ifNotPresent", "always", "never"];
        let known = [
            "image",
            "name",
            "command",
            "arguments",
            "environment",
            "ports",
            "volumes",
            "stdin",
            "pullPolicy",
            "lifetime",
        ];
        self.map(node, "a map of `image`", &known)?;
        let image = self.required(node, "image").and_then(|it| self.text_template(it, scope));
        let mut text =
            |key| self.optional(node.get(key), |reader, it| reader.text_template(it, scope));
        let (name, stdin) = (text("name"), text("stdin"));
        let command = self.optional(node.get("command"), |reader, it| reader.program(it, scope));
        let mut map =
            |key| self.optional(node.get(key), |reader, it| reader.plain_map_template(it, scope));
        let (environment, ports, volumes) = (map("environment"), map("ports"), map("volumes"));
        let arguments =
            self.optional(node.get("arguments"), |reader, it| reader.text_list_template(it, scope));
        let pull = self.optional(node.get("pullPolicy"), |reader, it| reader.word(it, &PULL));
        let cleanup_after =
            self.optional(node.get("lifetime"), |reader, it| reader.lifetime(it, scope));
        Some(Container {
            image: image?,
            name: name?,
            command: command?,
            arguments: arguments?,
            environment: environment?,
            ports: ports?,
            volumes: volumes?,
            stdin: stdin?,
            pull: PULL[pull?.unwrap_or_default()].into(),
            cleanup_after: cleanup_after?.flatten(),
        })
    }

    /// How long after its end a container is removed; `Some(None)` for never.
    fn lifetime(&mut self, node: &'d Node, scope: &Scope) -> Option<Option<Period>> {
        self.map(node, "a map of `cleanup`", &["cleanup", "after"])?;
        let after = self.optional(node.get("after"), |reader, it| reader.period(it, scope));
        let cleanup = self
            .required(node, "cleanup")
            .and_then(|it| self.word(it, &["always", "never", "eventually"]))?;
        match (cleanup, node.get("after")) {
            (2, Some(_)) => after,
            (2, None) => {
                let message = "missing field `after`: when the container is removed";
                self.wrong(node, code::MISSING_FIELD, message, "as in { minutes: 30 }");
                None
            }
            (_, Some(it)) => {
                let message = "`after` goes with `cleanup: eventually` only";
                self.wrong(it, code::INVALID_VALUE, message, "remove it");
                None
            }
            (0, None) => Some(Some(Period::Fixed(Duration::ZERO))),
            (_, None) => Some(None),
        }
    }

    fn sub_workflow(&mut self, node: &'d Node, scope: &Scope) -> Option<SubWorkflow> {
        let known = ["namespace", "name", "version", "input"];
        self.map(node, "a map of `namespace`, `name` and `version`", &known)?;
        let mut text = |key, hint| {
            self.required_or(node, key, hint).and_then(|it| self.text_template(it, scope))
        };
        let (namespace, name) = (text("namespace", None), text("name", None));
        let version = text("version", Some("`latest` is the newest one"));
        let input = self.optional(node.get("input"), |reader, it| {
            reader.template(it, scope, Place::Definition)
        });
        Some(SubWorkflow { namespace: namespace?, name: name?, version: version?, input: input? })
    }
}

/// With each `${` that a name or a parameter of a shell follows at once as `$${`.
fn own_parameters_escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut parts = text.split("${");
    escaped.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let own = |it: char| it.is_ascii_alphanumeric() || "_#@*?!-".contains(it);
        let is_own = part.starts_with(own) && !escaped.ends_with('$');
        escaped.push_str(if is_own { "$${" } else { "${" });
        escaped.push_str(part);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_shell_s_or_a_script_s_own_is_no_expression() {
        for (text, expected) in [
            ("echo ${HOME} ${1:-x} ${#} ${@}", "echo $${HOME} $${1:-x} $${#} $${@}"),
            ("`${name} of ${obj.of[0]}`", "`$${name} of $${obj.of[0]}`"),
            ("echo ${ .a } ${.b} ${$c} $${D} $E $(f)", "echo ${ .a } ${.b} ${$c} $${D} $E $(f)"),
        ] {
            assert_eq!(own_parameters_escaped(text), expected);
        }
    }
}
