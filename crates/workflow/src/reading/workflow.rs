//! The document as a whole.

use std::collections::BTreeMap;

use tessera_manifest::{Node, Value, code, quoted};

use super::reader::Reader;
use super::scope::{Place, Scope};
use crate::definition::{Header, Workflow};
use crate::expression::Mode;

/// Editors find the schema by `$schema`; it says nothing here.
const KNOWN: [&str; 9] =
    ["document", "input", "use", "do", "timeout", "output", "schedule", "evaluate", "$schema"];

/// The DSL that is supported, without its patch number.
const DSL: &str = "1.0.";
/// The longest namespace or name.
const NAME_CHARS_MAX: usize = 63;

impl<'d> Reader<'d> {
    /// A workflow.
    pub(super) fn workflow(&mut self) -> Option<Workflow> {
        let root = self.document().root();
        self.map(root, "a workflow, which is a map", &KNOWN)?;
        self.numbers(root);
        let header = self.required(root, "document").and_then(|it| self.header(it));
        let evaluate = self.optional(root.get("evaluate"), Self::evaluate);
        if let Some(schedule) = root.get("schedule") {
            let hint = "start runs from outside: by a person, an event or a pipeline";
            let message = "schedules are not supported";
            self.wrong(schedule, super::code::UNSUPPORTED, message, hint);
        }
        let uses = self.optional(root.get("use"), Self::take_uses);
        let (scope, place) = (Scope::default(), Place::WorkflowInput);
        let input = self.shape(root.get("input"), "from", &scope, place);
        let tasks = self
            .required_or(root, "do", Some("the tasks: `do: [ … ]`"))
            .and_then(|it| self.task_list(it, "/do", &scope));
        let output = self.shape(root.get("output"), "as", &scope, Place::WorkflowOutput);
        let timeout = self.optional(root.get("timeout"), |reader, it| reader.timeout(it, &scope));
        let extensions = root.get("use").and_then(|it| it.get("extensions"));
        let extensions = self.optional(extensions, Self::extensions);
        let unused = self.check_unused();
        evaluate?;
        uses?;
        unused?;
        Some(Workflow {
            header: header?,
            input: input?,
            output: output?,
            timeout: timeout?,
            tasks: tasks?,
            extensions: extensions?.unwrap_or_default(),
            secrets: self.uses.secrets.iter().cloned().collect(),
            definition: self.whole.clone(),
            hash: super::json::hash(root).into(),
        })
    }

    fn header(&mut self, node: &'d Node) -> Option<Header> {
        let known = ["dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata"];
        self.map(node, "a map of what the workflow is", &known)?;
        let dsl =
            self.required_or(node, "dsl", Some("as in dsl: '1.0.3'")).and_then(|it| self.dsl(it));
        let namespace = self.required(node, "namespace").and_then(|it| self.dns_name(it));
        let name = self.required(node, "name").and_then(|it| self.dns_name(it));
        let version = self
            .required_or(node, "version", Some("as in version: '0.1.0'"))
            .and_then(|it| self.semantic_version(it));
        let title = self.optional(node.get("title"), Self::text);
        let summary = self.optional(node.get("summary"), Self::text);
        let tags = self.optional(node.get("tags"), Self::tags);
        if let Some(metadata) = node.get("metadata") {
            self.open_map(metadata, "a map")?;
        }
        Some(Header {
            dsl: dsl?.to_owned(),
            namespace: namespace?.to_owned(),
            name: name?.to_owned(),
            version: version?.to_owned(),
            title: title?.map(str::to_owned),
            summary: summary?.map(str::to_owned),
            tags: tags?.unwrap_or_default(),
        })
    }

    fn dsl(&mut self, node: &'d Node) -> Option<&'d str> {
        let version = self.semantic_version(node)?;
        if !version.starts_with(DSL) {
            let message = format!("version {} of the DSL is not supported", quoted(version));
            let hint = format!("{DSL}x is");
            self.wrong(node, super::code::UNSUPPORTED_VERSION, message, hint);
            return None;
        }
        Some(version)
    }

    fn semantic_version(&mut self, node: &'d Node) -> Option<&'d str> {
        let text = match &node.value {
            // 1.0 is a number, and would lose its zero.
            Value::Number(_) => {
                return self.wrong_type(node, "a version, which is text", Some("as in '1.0.0'"));
            }
            _ => self.text(node)?,
        };
        if semver::Version::parse(text).is_err() {
            let message = format!("{} is no semantic version", quoted(text));
            self.wrong(node, code::INVALID_VALUE, message, "write it as '1.0.0'");
            return None;
        }
        Some(text)
    }

    /// A name as in DNS, in capital letters too.
    fn dns_name(&mut self, node: &'d Node) -> Option<&'d str> {
        let text = self.text(node)?;
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let right = text.len() <= NAME_CHARS_MAX
            && ends(text.chars().next())
            && ends(text.chars().last())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !right {
            let message = format!("{} is no name", quoted(text));
            let hint = "use letters, digits and `-` between them, 63 at most";
            self.wrong(node, code::INVALID_VALUE, message, hint);
        }
        right.then_some(text)
    }

    /// Tags are text; what else is written stands for itself.
    fn tags(&mut self, node: &'d Node) -> Option<BTreeMap<String, String>> {
        let entries = self.open_map(node, "a map of text")?;
        let text = |node: &Node| match node.as_str() {
            Some(text) => text.to_owned(),
            None => super::json::plain(node).to_string(),
        };
        Some(entries.iter().map(|it| (it.key.clone(), text(&it.value))).collect())
    }

    fn evaluate(&mut self, node: &'d Node) -> Option<()> {
        self.map(node, "a map of `language` and `mode`", &["language", "mode"])?;
        let language = self.optional(node.get("language"), |reader, it| {
            let language = reader.text(it)?;
            if language != "jq" {
                let message = format!("expressions in {} are not supported", quoted(language));
                reader.wrong(it, super::code::UNSUPPORTED, message, "write them in jq");
                return None;
            }
            Some(())
        });
        let mode =
            self.optional(node.get("mode"), |reader, it| reader.word(it, &["strict", "loose"]));
        if mode.flatten() == Some(1) {
            self.mode = Mode::Loose;
        }
        language?;
        mode.map(drop)
    }

    /// Reports numbers that JSON does not have.
    pub(super) fn numbers(&mut self, node: &'d Node) {
        if let Value::Number(tessera_manifest::Number::Float(it)) = node.value
            && !it.is_finite()
        {
            let message = "infinities and what is not a number are no data";
            self.wrong(node, code::INVALID_NUMBER, message, "put it in quotes if it is text");
            self.broken.insert(node);
        }
        for child in node.elements().iter().chain(node.entries().iter().map(|it| &it.value)) {
            self.numbers(child);
        }
    }
}
