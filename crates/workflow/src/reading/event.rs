//! Events: `emit` and `listen`.

use std::sync::Arc;

use tessera_manifest::{Node, Value, code};

use super::reader::{Reader, shared};
use super::scope::{Place, Scope};
use crate::definition::{
    Consumption, Correlation, Emit, EventFilter, ForEach, Listen, ReadAs, Until,
};
use crate::expression::is_expression;

/// Attributes of events that are text.
const TEXTS: [&str; 4] = ["id", "type", "subject", "datacontenttype"];
/// Attributes of events that are URIs.
const URIS: [&str; 2] = ["source", "dataschema"];

impl<'d> Reader<'d> {
    /// `emit`.
    pub(super) fn emit(&mut self, node: &'d Node, scope: &Scope) -> Option<Emit> {
        self.map(node, "a map of `event`", &["event"])?;
        let event = self.required(node, "event")?;
        self.map(event, "a map of `with`", &["with"])?;
        let with = self.required_or(event, "with", Some("put the event's attributes there"))?;
        self.open_map(with, "a map of the event's attributes")?;
        let kind = self.required(with, "type").map(drop);
        let attributes = self.attributes(with, scope);
        let event = self.template(with, scope, Place::Definition);
        kind.and(attributes)?;
        Some(Emit { event: event? })
    }

    /// The types of an event's attributes.
    fn attributes(&mut self, with: &'d Node, scope: &Scope) -> Option<()> {
        let mut right = Some(());
        for name in TEXTS {
            let read = self.optional(with.get(name), Self::text);
            right = right.and(read.map(drop));
        }
        for name in URIS {
            let read = self.optional(with.get(name), |reader, it| reader.uri(it, scope));
            right = right.and(read.map(drop));
        }
        let read = self.optional(with.get("time"), |reader, it| {
            let text = reader.text(it)?;
            if !is_expression(text) && text.parse::<tessera_types::Timestamp>().is_err() {
                let message = format!("{} is no time", tessera_manifest::quoted(text));
                let hint = "write it as RFC 3339, such as 2026-05-01T08:00:00Z";
                reader.wrong(it, code::INVALID_VALUE, message, hint);
                return None;
            }
            Some(())
        });
        right.and(read.map(drop))
    }

    /// `listen` with its `foreach`.
    pub(super) fn listen(
        &mut self,
        task: &'d Node,
        node: &'d Node,
        at: &str,
        scope: &Scope,
    ) -> Option<Listen> {
        self.map(node, "a map of `to` and `read`", &["to", "read"])?;
        let to = self.required(node, "to").and_then(|it| self.consumption(it, scope, true));
        let read = self.optional(node.get("read"), Self::read_as);
        let each = self.optional(task.get("foreach"), |reader, it| {
            reader.for_each_event(it, &format!("{at}/foreach"), scope)
        });
        Some(Listen { to: to?, read: read?.unwrap_or_default(), each: each? })
    }

    fn read_as(&mut self, node: &'d Node) -> Option<ReadAs> {
        const WORDS: [(&str, ReadAs); 3] =
            [("data", ReadAs::Data), ("envelope", ReadAs::Envelope), ("raw", ReadAs::Raw)];
        let at = self.word(node, &WORDS.map(|(word, _)| word))?;
        Some(WORDS[at].1)
    }

    /// `foreach`, of `listen` and of subscriptions.
    pub(super) fn for_each_event(
        &mut self,
        node: &'d Node,
        at: &str,
        scope: &Scope,
    ) -> Option<ForEach> {
        let known = ["item", "at", "do", "output", "export"];
        self.open_map(node, "a map")?;
        self.only(node, &known);
        let item = self.optional(node.get("item"), Self::variable)?.unwrap_or("item");
        let index = self.optional(node.get("at"), Self::variable)?.unwrap_or("index");
        let index = self.differ(node, item, index)?;
        let inside = scope.with([item, index]);
        let tasks = self.optional(node.get("do"), |reader, it| {
            reader.task_list(it, &format!("{at}/do"), &inside)
        });
        let output = self.shape(node.get("output"), "as", &inside, Place::Output);
        let export = self.shape(node.get("export"), "as", &inside, Place::Export);
        Some(ForEach {
            item: shared(item),
            at: shared(index),
            tasks: tasks?,
            output: output?,
            export: export?,
        })
    }

    /// Which events complete a `listen`.
    fn consumption(&mut self, node: &'d Node, scope: &Scope, until: bool) -> Option<Consumption> {
        let kinds = ["all", "any", "one"];
        let what = "a map of `one`, `any` or `all`";
        self.map(node, what, &["all", "any", "one", "until"])?;
        let (kind, filters) = self.one_field(node, "what is listened to", &kinds)?;
        let read_until = match node.get("until") {
            Some(it) if kind != "any" || !until => {
                let message = match until {
                    true => "`until` goes with `any` only",
                    false => "what ends the listening cannot have an `until` itself",
                };
                self.wrong(it, code::INVALID_VALUE, message, "remove it");
                None
            }
            it => self.optional(it, |reader, it| reader.until(it, scope)),
        };
        let consumption = match kind {
            "one" => self.event_filter(filters, scope).map(Consumption::One),
            _ => {
                let all = self.elements(filters, "a list of filters")?;
                let filters = self.all(all.iter(), |reader, it| reader.event_filter(it, scope))?;
                match kind {
                    "all" => Some(Consumption::All(filters)),
                    _ => return Some(Consumption::Any { filters, until: read_until? }),
                }
            }
        };
        read_until?;
        consumption
    }

    fn until(&mut self, node: &'d Node, scope: &Scope) -> Option<Until> {
        match &node.value {
            Value::String(_) => {
                self.expression(node, scope, Place::Definition).map(Until::Condition)
            }
            _ => {
                let consumed = self.consumption(node, scope, false)?;
                Some(Until::Consumed(Box::new(consumed)))
            }
        }
    }

    fn event_filter(&mut self, node: &'d Node, scope: &Scope) -> Option<EventFilter> {
        self.map(node, "a filter: { with, correlate }", &["with", "correlate"])?;
        let with = self.required(node, "with").and_then(|it| {
            let entries = self.open_map(it, "a map of attributes")?;
            if entries.is_empty() {
                let hint = "name at least one attribute; `any: []` listens to every event";
                self.wrong(it, code::INVALID_VALUE, "an empty filter", hint);
                return None;
            }
            let attributes = self.attributes(it, scope);
            let with = entries.iter().map(|entry| {
                let template = self.template(&entry.value, scope, Place::Definition);
                template.map(|template| (shared(&entry.key), template))
            });
            let with: Vec<_> = with.collect();
            attributes?;
            with.into_iter().collect::<Option<Vec<_>>>()
        });
        let correlate = self.optional(node.get("correlate"), |reader, it| {
            let entries = reader.open_map(it, "a map of names")?;
            let all = entries.iter().map(|entry| {
                let one = reader.correlation(&entry.value, scope);
                one.map(|one| (Arc::from(entry.key.as_str()), one))
            });
            let all: Vec<_> = all.collect();
            all.into_iter().collect::<Option<Vec<_>>>()
        });
        Some(EventFilter { with: with?, correlate: correlate?.unwrap_or_default() })
    }

    fn correlation(&mut self, node: &'d Node, scope: &Scope) -> Option<Correlation> {
        self.map(node, "a map of `from` and `expect`", &["from", "expect"])?;
        let from = self
            .required(node, "from")
            .and_then(|it| self.expression(it, scope, Place::Definition));
        let expect = self.optional(node.get("expect"), |reader, it| {
            reader.text(it)?;
            reader.template(it, scope, Place::Definition)
        });
        Some(Correlation { from: from?, expect: expect? })
    }
}
