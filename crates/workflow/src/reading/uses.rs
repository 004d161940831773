//! `use`: the reusable parts of a document, and references to them.
//!
//! A part is decoded where it is used, since the variables that its expressions may use are those
//! of that place; uses with the same variables share one. Parts that nothing uses are decoded once
//! to be checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_manifest::{Node, Value, hint_for_name, nearest, quoted};

use super::reader::{Index, Reader, shared};
use super::scope::Scope;
use super::task::Targets;
use crate::definition::{Authentication, ErrorSpec, Extends, Extension, Period, Retry, Task};

/// Functions that call one another, at most.
const CALLS_DEEP_MAX: usize = 16;

/// The sections whose parts are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Authentications,
    Catalogs,
    Errors,
    Functions,
    Retries,
    Timeouts,
}

impl Section {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Authentications, "authentications"),
        (Self::Catalogs, "catalogs"),
        (Self::Errors, "errors"),
        (Self::Functions, "functions"),
        (Self::Retries, "retries"),
        (Self::Timeouts, "timeouts"),
    ];

    fn one(self) -> &'static str {
        match self {
            Self::Authentications => "authentication",
            Self::Catalogs => "catalog",
            Self::Errors => "error",
            Self::Functions => "function",
            Self::Retries => "retry policy",
            Self::Timeouts => "timeout",
        }
    }
}

type Memo<'d, T> = BTreeMap<(&'d str, Scope), Option<Arc<T>>>;

/// The reusable parts.
#[derive(Default)]
pub(super) struct Uses<'d> {
    parts: BTreeMap<Section, Index<'d>>,
    pub(super) secrets: BTreeSet<Arc<str>>,
    used: BTreeSet<(Section, &'d str)>,
    functions: BTreeMap<&'d str, Option<Arc<Task>>>,
    calling: Vec<&'d str>,
    retries: Memo<'d, Retry>,
    errors: Memo<'d, ErrorSpec>,
    authentications: Memo<'d, Authentication>,
}

impl<'d> Reader<'d> {
    /// Takes in `use`, so that what follows can refer to it.
    pub(super) fn take_uses(&mut self, node: &'d Node) -> Option<()> {
        let known = [
            "authentications",
            "catalogs",
            "errors",
            "extensions",
            "functions",
            "retries",
            "secrets",
            "timeouts",
        ];
        self.map(node, "a map of reusable parts", &known)?;
        let mut complete = Some(());
        for (section, name) in Section::ALL {
            let Some(part) = node.get(name) else { continue };
            match self.open_map(part, "a map of names") {
                Some(entries) => {
                    let entries = entries.iter().map(|it| (it.key.as_str(), &it.value));
                    self.uses.parts.insert(section, entries.collect());
                }
                None => complete = None,
            }
        }
        let secrets = self.optional(node.get("secrets"), |reader, node| {
            let all = reader.elements(node, "a list of names")?;
            reader.all(all.iter(), |reader, node| reader.text(node).map(shared))
        })?;
        self.uses.secrets = secrets.into_iter().flatten().collect();
        complete
    }

    /// Decodes the reusable parts that nothing used, so that they are checked too.
    pub(super) fn check_unused(&mut self) -> Option<()> {
        let mut complete = Some(());
        let parts: Vec<_> = self.uses.parts.iter().map(|(at, all)| (*at, all.clone())).collect();
        for (section, index) in parts {
            for (name, node) in index {
                if self.uses.used.contains(&(section, name)) {
                    continue;
                }
                let scope = Scope::default();
                let read = match section {
                    Section::Authentications => self.policy(node, &scope).map(drop),
                    Section::Catalogs => self.catalog(node).map(drop),
                    Section::Errors => self.error_spec(node, &scope).map(drop),
                    Section::Functions => self.function(name, node).map(drop),
                    Section::Retries => self.retry_policy(node, &scope.with(["error"])).map(drop),
                    Section::Timeouts => self.timeout_after(node, &scope).map(drop),
                };
                complete = complete.and(read);
            }
        }
        complete
    }

    /// The part of a section that a text names.
    fn part(&mut self, section: Section, node: &'d Node) -> Option<(&'d str, &'d Node)> {
        let name = self.text(node)?;
        let found = self.find(section, name);
        if found.is_none() {
            self.unknown(section, node, name, None);
        }
        found.map(|part| (name, part))
    }

    /// A part of a section, which counts as used then.
    pub(super) fn find(&mut self, section: Section, name: &str) -> Option<&'d Node> {
        let (name, part) = self.uses.parts.get(&section)?.get_key_value(name)?;
        self.uses.used.insert((section, name));
        Some(part)
    }

    /// Reports a name that a section does not have.
    pub(super) fn unknown(
        &mut self,
        section: Section,
        node: &'d Node,
        name: &str,
        hint: Option<String>,
    ) {
        if self.is_full() {
            return;
        }
        let known = self.uses.parts.get(&section).into_iter().flat_map(BTreeMap::keys);
        let known: Vec<&str> = known.copied().collect();
        let hint = hint.or_else(|| hint_for_name(nearest(name, &known), &known, "there are"));
        let (_, of) = Section::ALL[section as usize];
        let hint = hint.unwrap_or_else(|| format!("define it in `use.{of}`"));
        let message = format!("no {} is called {}", section.one(), quoted(name));
        self.wrong(node, super::code::UNKNOWN_REFERENCE, message, hint);
    }

    /// Reports a secret that `use.secrets` does not have.
    pub(super) fn secret(&mut self, node: &'d Node, name: &str) -> Option<Arc<str>> {
        if let Some(known) = self.uses.secrets.get(name) {
            return Some(known.clone());
        }
        if self.is_full() {
            return None;
        }
        let secrets = self.uses.secrets.clone();
        let known: Vec<&str> = secrets.iter().map(|it| &**it).collect();
        let hint = match nearest(name, &known) {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None => "add it to `use.secrets`".to_owned(),
        };
        let message = format!("no secret is called {}", quoted(name));
        self.wrong(node, super::code::UNKNOWN_REFERENCE, message, hint);
        None
    }

    /// `timeout`: a name or `{ after }`.
    pub(super) fn timeout(&mut self, node: &'d Node, scope: &Scope) -> Option<Period> {
        let part = match &node.value {
            Value::String(name) => match self.find(Section::Timeouts, name) {
                Some(part) => part,
                None => {
                    self.unknown(Section::Timeouts, node, name, as_period(name));
                    return None;
                }
            },
            _ => node,
        };
        self.timeout_after(part, scope)
    }

    fn timeout_after(&mut self, node: &'d Node, scope: &Scope) -> Option<Period> {
        self.map(node, "a map such as { after: PT30S }, or the name of a timeout", &["after"])?;
        let after = self.required(node, "after")?;
        self.period(after, scope)
    }

    /// `retry`: a name or a policy.
    pub(super) fn retry(&mut self, node: &'d Node, scope: &Scope) -> Option<Arc<Retry>> {
        if node.as_str().is_none() {
            return self.retry_policy(node, scope).map(Arc::new);
        }
        let (name, part) = self.part(Section::Retries, node)?;
        let key = (name, scope.clone());
        if let Some(known) = self.uses.retries.get(&key) {
            return known.clone();
        }
        let read = self.retry_policy(part, scope).map(Arc::new);
        self.uses.retries.insert(key, read.clone());
        read
    }

    /// `raise.error`: a name or an error.
    pub(super) fn error(&mut self, node: &'d Node, scope: &Scope) -> Option<Arc<ErrorSpec>> {
        if node.as_str().is_none() {
            return self.error_spec(node, scope).map(Arc::new);
        }
        let (name, part) = self.part(Section::Errors, node)?;
        let key = (name, scope.clone());
        if let Some(known) = self.uses.errors.get(&key) {
            return known.clone();
        }
        let read = self.error_spec(part, scope).map(Arc::new);
        self.uses.errors.insert(key, read.clone());
        read
    }

    /// `authentication.use`: the name of a policy.
    pub(super) fn used_policy(
        &mut self,
        node: &'d Node,
        scope: &Scope,
    ) -> Option<Arc<Authentication>> {
        let (name, part) = self.part(Section::Authentications, node)?;
        let key = (name, scope.clone());
        if let Some(known) = self.uses.authentications.get(&key) {
            return known.clone();
        }
        let read = self.policy(part, scope).map(Arc::new);
        self.uses.authentications.insert(key, read.clone());
        read
    }

    /// A function that is called at `node`.
    pub(super) fn called_function(&mut self, name: &str, node: &'d Node) -> Option<Arc<Task>> {
        let part = self.find(Section::Functions, name)?;
        if self.uses.calling.contains(&name) || self.uses.calling.len() >= CALLS_DEEP_MAX {
            let chain: Vec<_> = self.uses.calling.iter().copied().chain([name]).collect();
            let from = chain.iter().position(|it| *it == name).unwrap_or_default();
            let shown: Vec<_> = chain[from..].iter().map(|it| quoted(it)).collect();
            let circle = from + 1 < chain.len();
            let message = match circle {
                true => {
                    format!("the function {} calls itself: {}", quoted(name), shown.join(" → "))
                }
                false => format!("functions call one another more than {CALLS_DEEP_MAX} deep"),
            };
            let hint = "run a workflow of its own for what repeats itself, or use `for`";
            self.wrong(node, super::code::RECURSION, message, hint);
            return None;
        }
        self.function(name, part)
    }

    fn function(&mut self, name: &str, part: &'d Node) -> Option<Arc<Task>> {
        if let Some(known) = self.uses.functions.get(name) {
            return known.clone();
        }
        let index = self.uses.parts.get(&Section::Functions)?;
        let (name, _) = index.get_key_value(name)?;
        let name = *name;
        let reference = format!("/use/functions/{}", super::task::escaped(name));
        self.uses.calling.push(name);
        let task = self.task(name, part, reference, &Scope::default(), &Targets::Function);
        self.uses.calling.pop();
        self.uses.functions.insert(name, task.clone());
        task
    }

    /// `use.extensions`.
    pub(super) fn extensions(&mut self, node: &'d Node) -> Option<Vec<Extension>> {
        let all = self.elements(node, "a list of extensions")?;
        let mut names = BTreeSet::new();
        let mut index = 0;
        self.all(all.iter(), |reader, node| {
            let at = index;
            index += 1;
            let entry = reader.named(node, "an extension")?;
            if !names.insert(entry.key.as_str()) {
                let message = format!("a second extension called {}", quoted(&entry.key));
                let hint = Some("give it another name".to_owned());
                reader.wrong_at(node, entry.key_span, super::code::DUPLICATE_NAME, message, hint);
                return None;
            }
            let at = format!("/use/extensions/{at}/{}", super::task::escaped(&entry.key));
            reader.extension(&entry.key, &entry.value, &at)
        })
    }

    fn extension(&mut self, name: &str, node: &'d Node, at: &str) -> Option<Extension> {
        self.map(node, "an extension", &["extend", "when", "before", "after"])?;
        let scope = Scope::default();
        let extends = self.required(node, "extend").and_then(|node| self.extends(node));
        let when = self.optional(node.get("when"), |reader, node| {
            reader.expression(node, &scope, super::scope::Place::Input)
        });
        let mut tasks = |key: &str| {
            let list = self.optional(node.get(key), |reader, node| {
                reader.task_list(node, &format!("{at}/{key}"), &scope)
            });
            list.map(|list| list.unwrap_or_else(|| Arc::from([])))
        };
        let (before, after) = (tasks("before"), tasks("after"));
        Some(Extension {
            name: shared(name),
            extends: extends?,
            when: when?,
            before: before?,
            after: after?,
        })
    }

    fn extends(&mut self, node: &'d Node) -> Option<Extends> {
        const WORDS: [(&str, Extends); 12] = [
            ("all", Extends::All),
            ("call", Extends::Call),
            ("composite", Extends::Composite),
            ("emit", Extends::Emit),
            ("for", Extends::For),
            ("listen", Extends::Listen),
            ("raise", Extends::Raise),
            ("run", Extends::Run),
            ("set", Extends::Set),
            ("switch", Extends::Switch),
            ("try", Extends::Try),
            ("wait", Extends::Wait),
        ];
        let at = self.word(node, &WORDS.map(|(word, _)| word))?;
        Some(WORDS[at].1)
    }

    /// A catalog's endpoint, which cannot be an expression.
    pub(super) fn catalog(&mut self, node: &'d Node) -> Option<&'d Node> {
        self.map(node, "a catalog: { endpoint }", &["endpoint"])?;
        let endpoint = self.required(node, "endpoint")?;
        self.endpoint(endpoint, &Scope::default())?;
        let uri = endpoint.get("uri").unwrap_or(endpoint);
        if uri.as_str().is_some_and(|uri| uri.contains("${")) {
            let message = "a catalog's endpoint cannot be an expression";
            self.wrong(uri, super::code::UNSUPPORTED, message, "write the URI of its root");
            return None;
        }
        Some(endpoint)
    }
}

/// Whether a name could be that of an adapter's function: `fleet.deploy`.
pub(super) fn is_adapter(name: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    name.contains('.') && name.split('.').all(is_word)
}

/// What to write instead of a length of time that stands where a timeout's name is expected.
fn as_period(text: &str) -> Option<String> {
    const UNITS: [(u64, &str); 4] =
        [(86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1000, "seconds")];
    let ms = text.parse::<tessera_types::Duration>().ok()?.as_millis();
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| ms > 0 && ms % unit == 0)?;
    Some(format!("write {{ after: {{ {name}: {} }} }}", ms / unit))
}
