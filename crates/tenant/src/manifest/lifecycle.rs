//! Reads `[lifecycle]` and `[services.*]`: how a tenant is operated.

use std::collections::BTreeMap;

use tessera_manifest::{Node, Span, Value, hint_for_name, nearest, quoted};
use tessera_types::Name;

use super::reader::{Reader, all};
use super::text::suggestion;
use super::{FurtherService, Lifecycle, Resources, Subcommands, TIMEOUT, VERBS, code};

/// The fields of `[lifecycle]`.
pub(super) const LIFECYCLE: [&str; 7] =
    ["entrypoint", "subcommands", "timeout", "image", "volumes", "environment", "resources"];
/// The fields of a service.
const SERVICE: [&str; 8] = [
    "schedule",
    "verb_arguments",
    "entrypoint",
    "timeout",
    "image",
    "volumes",
    "environment",
    "resources",
];

/// What variables of Tessera begin with.
const RESERVED: &str = "TESSERA_";

/// With what systemd lets a command line begin to change how it is run.
const PREFIXES: [char; 6] = ['-', '@', ':', '+', '!', '|'];

impl<'d> Reader<'d> {
    pub(super) fn lifecycle(&mut self, node: &'d Node, root: &'d Node) -> Option<Lifecycle> {
        self.section(node, root, &LIFECYCLE)?;
        let entrypoint =
            self.required(node, "entrypoint", "entrypoint = [\"python3\", \"app.py\"]");
        let entrypoint = entrypoint.and_then(|node| self.entrypoint(node));
        let subcommands = self.required(node, "subcommands", &subcommands_hint());
        let subcommands = subcommands.and_then(|node| self.subcommands(node));
        let timeout = self.optional(node, "timeout", |this, node| this.duration(node, "30m"));
        let image = self.optional(node, "image", Self::image);
        let volumes = self.optional(node, "volumes", Self::volumes);
        let environment = self.optional(node, "environment", Self::environment);
        let resources = self.optional(node, "resources", Self::resources);
        Some(Lifecycle {
            entrypoint: entrypoint?,
            subcommands: subcommands?,
            timeout: timeout?.unwrap_or(TIMEOUT),
            image: image?,
            volumes: volumes?.unwrap_or_default(),
            environment: environment?.unwrap_or_default(),
            resources: resources?.unwrap_or_default(),
        })
    }

    pub(super) fn services(
        &mut self,
        node: &'d Node,
        root: &'d Node,
    ) -> Option<BTreeMap<Name, FurtherService>> {
        let entries = self.open_table(node)?;
        let services = all(entries.iter().map(|entry| {
            let suffix = Name::new(&entry.key);
            if let Err(error) = &suffix {
                let message = format!("the suffix of a service: {error}");
                let hint = suggestion(&entry.key);
                self.wrong_at(&entry.value, entry.key_span, code::INVALID_NAME, message, hint);
            }
            let service = self.service(&entry.value, root);
            Some((suffix.ok()?, service?))
        }));
        services.map(|services| services.into_iter().collect())
    }

    fn service(&mut self, node: &'d Node, root: &'d Node) -> Option<FurtherService> {
        self.section(node, root, &SERVICE)?;
        let schedule = self.required(node, "schedule", "schedule = \"*-*-* 02:00:00 UTC\"");
        let schedule = schedule.and_then(|node| self.schedule(node));
        let verb_arguments = self.optional(node, "verb_arguments", Self::arguments);
        let entrypoint = self.optional(node, "entrypoint", Self::entrypoint);
        let timeout = self.optional(node, "timeout", |this, node| this.duration(node, "30m"));
        let image = self.optional(node, "image", Self::image);
        let volumes = self.optional(node, "volumes", Self::volumes);
        let environment = self.optional(node, "environment", Self::environment);
        let resources = self.optional(node, "resources", Self::resources);
        Some(FurtherService {
            schedule: schedule?.0,
            verb_arguments: verb_arguments?.unwrap_or_default(),
            entrypoint: entrypoint?,
            timeout: timeout?,
            image: image?,
            volumes: volumes?,
            environment: environment?.unwrap_or_default(),
            resources: resources?.unwrap_or_default(),
        })
    }

    fn entrypoint(&mut self, node: &'d Node) -> Option<Vec<String>> {
        if let Value::String(text) = &node.value {
            let words: Vec<_> = text.split_whitespace().collect();
            let verb = words.last().filter(|last| words.len() > 1 && VERBS.contains(*last));
            let hint = match verb {
                Some(verb) => {
                    let words = list_of(&words[..words.len() - 1]);
                    format!("write it as a list, without the verb {}: {words}", quoted(verb))
                }
                None => format!("write it as a list: {}", list_of(&words)),
            };
            return self.wrong_type(node, "a list of strings", Some(hint));
        }
        let arguments = self.arguments(node)?;
        let elements = node.elements();
        let mut refuse = |at: Option<&Node>, message: String, hint: String| {
            self.wrong(at.unwrap_or(node), code::INVALID_ENTRYPOINT, message, hint);
        };
        let (Some(program), Some(last)) = (arguments.first(), arguments.last()) else {
            let hint = "write the program and its arguments, such as [\"python3\", \"app.py\"]";
            refuse(None, "it names no program".to_owned(), hint.to_owned());
            return None;
        };
        if program.trim().is_empty() || program.starts_with(PREFIXES) {
            let message = format!("{} is not the name or the path of a program", quoted(program));
            refuse(elements.first(), message, "begin with a letter, `/` or `./`".to_owned());
            return None;
        }
        if arguments.len() > 1 && VERBS.contains(&last.as_str()) {
            let message = format!("it ends in the verb {}, and a verb is appended", quoted(last));
            refuse(elements.last(), message, format!("remove {}", quoted(last)));
            return None;
        }
        if arguments.len() == 1 && program.trim().contains(' ') {
            let words: Vec<_> =
                program.split_whitespace().map(|word| format!("{word:?}")).collect();
            let message =
                format!("{} is the name of one program, with its blanks", quoted(program));
            let hint = format!("if these are a program and arguments: [{}]", words.join(", "));
            self.warn(&elements[0], code::SHELL_TEXT, message, hint);
        }
        elements.iter().zip(&arguments).for_each(|(node, word)| self.shell_text(node, word));
        Some(arguments)
    }

    /// Warns of what a shell expands, as that of cron does.
    fn shell_text(&mut self, node: &Node, text: &str) {
        if let Some(part) = expanded_by_shells(text) {
            let message = format!("{} arrives as it is: no shell reads it", quoted(part));
            let hint = "write the value in full".to_owned();
            self.warn(node, code::SHELL_TEXT, message, hint);
        }
    }

    fn arguments(&mut self, node: &'d Node) -> Option<Vec<String>> {
        if let Value::String(text) = &node.value {
            let hint = list_of(&text.split_whitespace().collect::<Vec<_>>());
            let hint = format!("write it as a list: {hint}");
            return self.wrong_type(node, "a list of strings", Some(hint));
        }
        let elements = self.elements(node, "strings")?;
        all(elements.iter().map(|node| self.argument(node)))
    }

    /// Text that a unit can hold: of one line.
    fn argument(&mut self, node: &'d Node) -> Option<String> {
        let text = self.text(node)?;
        if text.chars().any(char::is_control) {
            let message = "a control character, such as the end of a line, cannot stand in a unit";
            let hint = "leave it to the program, or to a file that it reads".to_owned();
            self.wrong(node, code::INVALID_ENTRYPOINT, message, hint);
            return None;
        }
        Some(text.to_owned())
    }

    /// Exactly the four verbs, in any order.
    fn subcommands(&mut self, node: &'d Node) -> Option<Subcommands> {
        let elements = self.elements(node, "strings")?;
        let mut listed: Vec<&str> = Vec::new();
        let mut meant: Vec<&str> = Vec::new();
        let mut good = true;
        for element in elements {
            let Some(text) = self.text(element) else {
                good = false;
                continue;
            };
            let (code, message, hint) = if listed.contains(&text) {
                let message = format!("{} is listed twice", quoted(text));
                (code::DUPLICATE_NAME, message, Some("remove one of the two".to_owned()))
            } else if VERBS.contains(&text) {
                listed.push(text);
                continue;
            } else {
                let near = nearest(text, &VERBS);
                meant.extend(near);
                let message = format!("{} is none of the four verbs", quoted(text));
                let hint = hint_for_name(near, &VERBS, "the set is closed:");
                (code::UNKNOWN_SUBCOMMAND, message, hint)
            };
            self.wrong(element, code, message, hint);
            good = false;
        }
        let missing = VERBS.iter().filter(|verb| !listed.contains(verb) && !meant.contains(verb));
        let missing: Vec<String> = missing.map(|verb| quoted(verb)).collect();
        if !missing.is_empty() && !self.document.is_broken(node) {
            let message = format!("missing {}", missing.join(", "));
            let start = Span::new(node.span.start, node.span.start);
            let span = self.document.key_span(node).unwrap_or(start);
            self.wrong_at(node, span, code::MISSING_SUBCOMMAND, message, subcommands_hint());
        }
        let listed = listed.into_iter().map(str::to_owned);
        (good && missing.is_empty()).then(|| Subcommands(listed.collect()))
    }

    fn environment(&mut self, node: &'d Node) -> Option<BTreeMap<String, String>> {
        let entries = self.open_table(node)?;
        let variables = all(entries.iter().map(|entry| {
            let wrong = wrong_variable(&entry.key);
            let name = wrong.is_none().then(|| entry.key.clone());
            if let Some((message, hint)) = wrong {
                let code = code::INVALID_ENVIRONMENT;
                self.wrong_at(&entry.value, entry.key_span, code, message, hint);
            }
            let value = self.argument(&entry.value);
            value.iter().for_each(|value| self.shell_text(&entry.value, value));
            Some((name?, value?))
        }));
        variables.map(|variables| variables.into_iter().collect())
    }

    fn resources(&mut self, node: &'d Node) -> Option<Resources> {
        self.table(node, &["cpu", "memory"], |_| None)?;
        let cpu = self.optional(node, "cpu", Self::cpu);
        let memory = self.optional(node, "memory", Self::memory);
        Some(Resources { cpu: cpu?, memory: memory? })
    }
}

/// Words as a list of a manifest.
fn list_of(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", words.join(", "))
}

fn subcommands_hint() -> String {
    format!("subcommands = {VERBS:?}")
}

/// What is wrong with the name of a variable, and what to do.
fn wrong_variable(name: &str) -> Option<(String, Option<String>)> {
    if name.starts_with(RESERVED) {
        let message = format!("{} is not a tenant's to set", quoted(name));
        return Some((message, Some(format!("choose a name without {}", quoted(RESERVED)))));
    }
    if is_variable(name) {
        return None;
    }
    let message = format!(
        "{} is not the name of a variable: that is upper-case letters, digits and `_`, and does \
         not begin with a digit",
        quoted(name)
    );
    let upper = super::text::joined_words(name, '_').to_uppercase();
    let meant = is_variable(&upper) && !upper.starts_with(RESERVED);
    Some((message, meant.then(|| format!("did you mean {}?", quoted(&upper)))))
}

/// A home or a variable in a text, as a shell reads it.
fn expanded_by_shells(text: &str) -> Option<&str> {
    if text == "~" || text.starts_with("~/") {
        return Some(text);
    }
    let at = text.find('$')?;
    let name = text[at + 1..].trim_start_matches('{');
    is_variable(name.get(..1)?).then_some(&text[at..])
}

fn is_variable(name: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    name.bytes().next().is_some_and(first)
        && name.bytes().all(|byte| first(byte) || byte.is_ascii_digit())
}
