//! Reads YAML: the parser's events become the tree.
//!
//! Anchors and aliases are copies, merges (`<<`) are resolved here, and tags are refused: nothing
//! of YAML beyond plain data reaches a type. After a syntax error the reader goes on with the next
//! document.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};

use super::entries::Entries;
use super::schema::{self, NumberFault};
use super::{Sink, Stop};
use crate::decode::wording::quoted;
use crate::problem::code;
use crate::tree::{Entry, Node, Span, Value};

/// Reads every document; those with a syntax error are left out.
pub(super) fn read(sink: &mut Sink<'_>) -> Vec<Node> {
    let depth_max = sink.limits.depth_allowed();
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: depth_max + 1,
        block_nesting_limit: depth_max + 1,
    };
    let parser = Parser::new_from_str_with_options(sink.source(), options);
    let mut reader = Reader {
        parser,
        sink,
        anchors: HashMap::new(),
        copied: Copied::default(),
        in_refused_key: false,
    };
    let mut roots = Vec::new();
    loop {
        match reader.document() {
            Ok(Some(root)) => {
                if reader.sink.push(&mut roots, root).is_err() {
                    return roots;
                }
            }
            Err(Broken::Document) if reader.next_document() => {}
            Ok(None) | Err(_) => return roots,
        }
    }
}

/// Why a document could not be read; the problem is reported already.
enum Broken {
    /// The next document may be fine.
    Document,
    /// Nothing more can be read.
    Source,
}

impl From<Stop> for Broken {
    fn from(_: Stop) -> Self {
        Self::Source
    }
}

/// How much anchors and aliases have copied in this source.
#[derive(Default, Clone, Copy)]
struct Copied {
    nodes: usize,
    bytes: usize,
}

/// An anchored value and what a copy of it costs.
struct Anchored {
    node: Node,
    cost: Copied,
    depth: usize,
}

/// A key of a map.
enum Key {
    Text(String),
    Merge,
    /// Reported already; the value under it is read and dropped.
    Refused,
}

struct Reader<'s, 'a> {
    parser: Parser<'a, StrInput<'a>>,
    sink: &'s mut Sink<'a>,
    anchors: HashMap<usize, Anchored>,
    copied: Copied,
    /// Whether this is inside a key that was refused, so that keys in it are not worth a word.
    in_refused_key: bool,
}

impl<'a> Reader<'_, 'a> {
    /// The next document that is not empty, or `None` at the end.
    fn document(&mut self) -> Result<Option<Node>, Broken> {
        loop {
            match self.event()? {
                (Event::StreamEnd, _) => return Ok(None),
                (Event::DocumentStart(..), _) => {
                    self.anchors.clear();
                    self.in_refused_key = false;
                    let (event, span) = self.event()?;
                    let empty = is_empty(&event, span);
                    let root = self.node(event, span, 1)?;
                    if !empty {
                        return Ok(Some(root));
                    }
                }
                _ => {}
            }
        }
    }

    fn event(&mut self) -> Result<(Event<'a>, Span), Broken> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, bytes_of(span))),
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Err(error)) => {
                super::yaml_errors::report(self.sink, &error);
                self.sink.go_on()?;
                Err(Broken::Document)
            }
        }
    }

    /// Skips to the document after a broken one.
    fn next_document(&mut self) -> bool {
        matches!(self.parser.proceed_next_document(), Ok(true))
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Broken> {
        self.sink.enter(span, depth)?;
        if event.tag().is_some() {
            let hint = "remove the tag; quote a value that should be text";
            self.sink.report(span, code::UNSUPPORTED_TAG, "YAML tags are not supported", hint);
        }
        let anchor = event.anchor_id();
        let node = match event {
            Event::Scalar(text, style, ..) => self.scalar(&text, style, span),
            Event::SequenceStart(..) => self.sequence(span, depth)?,
            Event::MappingStart(..) => self.mapping(span, depth)?,
            Event::Alias(id) => self.alias(id, span, depth)?,
            Event::UnresolvedAlias(name) => self.unknown_anchor(&name, span),
            _ => Node::new(span, Value::Null),
        };
        if let Some(id) = anchor {
            self.remember(id, &node)?;
        }
        Ok(node)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Node {
        if style != ScalarStyle::Plain {
            return Node::new(span, Value::String(text.to_owned()));
        }
        let value = schema::resolve(text).unwrap_or_else(|fault| {
            self.report_number(text, fault, span);
            Value::Null
        });
        Node::new(span, value)
    }

    fn report_number(&mut self, text: &str, fault: NumberFault, span: Span) {
        let (message, hint) = match fault {
            NumberFault::Range => (
                format!("the number {} does not fit in 64 bits", quoted(text)),
                "put it in quotes if it is text".to_owned(),
            ),
            NumberFault::LeadingZero => (
                format!("the number {} has a leading zero, which some read as octal", quoted(text)),
                "write 0o… for an octal number, or put it in quotes if it is text".to_owned(),
            ),
        };
        self.sink.report(span, code::INVALID_NUMBER, message, &hint);
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Result<Node, Broken> {
        let (mut elements, mut last) = (Vec::new(), start.end);
        loop {
            let (event, span) = self.event()?;
            if event == Event::SequenceEnd {
                return Ok(Node::new(extent(start, span, last), Value::Seq(elements)));
            }
            let element = self.node(event, span, depth + 1)?;
            last = last.max(span.end).max(element.span.end);
            elements.push(element);
        }
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<Node, Broken> {
        let (mut entries, mut merged, mut last) = (Entries::default(), Vec::new(), start.end);
        loop {
            let (event, key_span) = self.event()?;
            if event == Event::MappingEnd {
                merged.into_iter().for_each(|entry| entries.merge(entry));
                return Ok(Node::new(
                    extent(start, key_span, last),
                    Value::Map(entries.into_vec()),
                ));
            }
            let key = self.key(event, key_span, depth)?;
            let (event, span) = self.event()?;
            let value = self.node(event, span, depth + 1)?;
            last = last.max(span.end).max(value.span.end);
            match key {
                Key::Text(key) => entries.insert(key, key_span, value, self.sink),
                Key::Merge => self.merge(value, span, &mut merged),
                Key::Refused => {}
            }
        }
    }

    fn key(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Key, Broken> {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, 0, None) if text == "<<" => Ok(Key::Merge),
            Event::Scalar(text, _, 0, None) if span.start < span.end => {
                Ok(Key::Text(text.into_owned()))
            }
            event => {
                if !self.in_refused_key {
                    self.refuse_key(&event, span);
                }
                let around = std::mem::replace(&mut self.in_refused_key, true);
                self.node(event, span, depth + 1)?;
                self.in_refused_key = around;
                Ok(Key::Refused)
            }
        }
    }

    fn refuse_key(&mut self, event: &Event<'a>, span: Span) {
        let (message, hint) = match event {
            Event::Scalar(_, _, 0, None) => {
                ("a key is missing before `:`", "write the key, or put text with `:` in quotes")
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => (
                "a key must be text, not a list or a map",
                "put text that holds braces or brackets in quotes",
            ),
            _ => ("a key must be plain text", "write the key out, without anchor, alias or tag"),
        };
        self.sink.report(span, code::INVALID_KEY, message, hint);
    }

    /// Takes over the entries of one map or of several; the first that has a key wins.
    fn merge(&mut self, value: Node, at: Span, merged: &mut Vec<Entry>) {
        match value.value {
            Value::Map(entries) => merged.extend(entries),
            Value::Seq(maps) if maps.iter().all(|map| matches!(map.value, Value::Map(_))) => {
                maps.into_iter().for_each(|map| self.merge(map, at, merged));
            }
            _ => {
                let hint = "write `<<: *name`, where the anchor `&name` marks a map";
                self.sink.report(at, code::INVALID_KEY, "`<<` merges maps only", hint);
            }
        }
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Node, Broken> {
        let Some(anchored) = self.anchors.get(&id) else {
            let hint = "write the value out; an alias cannot stand inside its own anchor";
            self.sink.report(span, code::INVALID_ALIAS, "an alias that contains itself", hint);
            return Ok(Node::new(span, Value::Null));
        };
        let (cost, below) = (anchored.cost, anchored.depth);
        self.sink.admit_depth(span, depth + below - 1)?;
        self.sink.admit_nodes(span, cost.nodes)?;
        self.charge(cost, span)?;
        Ok(self.anchors[&id].node.clone())
    }

    fn unknown_anchor(&mut self, name: &str, span: Span) -> Node {
        let message = format!("no anchor &{name} before this alias");
        let hint = "mark a value above with the anchor, or put text that starts with `*` in quotes";
        self.sink.report(span, code::INVALID_ALIAS, message, hint);
        Node::new(span, Value::Null)
    }

    /// Keeps a value for its aliases. That is a copy, too, and is charged as one.
    fn remember(&mut self, id: usize, node: &Node) -> Result<(), Broken> {
        let (cost, depth) = measure(node);
        self.charge(cost, node.span)?;
        self.anchors.insert(id, Anchored { node: node.clone(), cost, depth });
        Ok(())
    }

    fn charge(&mut self, cost: Copied, at: Span) -> Result<(), Stop> {
        self.copied.nodes = self.copied.nodes.saturating_add(cost.nodes);
        self.copied.bytes = self.copied.bytes.saturating_add(cost.bytes);
        let limits = self.sink.limits;
        if self.copied.nodes <= limits.alias_nodes_max
            && self.copied.bytes <= limits.alias_bytes_max
        {
            return Ok(());
        }
        let message = format!(
            "anchors and aliases copy more than {} values or {} bytes of text",
            limits.alias_nodes_max, limits.alias_bytes_max
        );
        self.sink.report(
            at,
            code::TOO_LARGE,
            message,
            "write the values out, or use fewer aliases",
        );
        Err(Stop)
    }
}

fn bytes_of(span: granit_parser::Span) -> Span {
    span.byte_range().map_or(Span::default(), |range| Span::new(range.start, range.end))
}

/// Whether a document's only event says that nothing was written.
fn is_empty(event: &Event<'_>, span: Span) -> bool {
    matches!(event, Event::Scalar(_, ScalarStyle::Plain, 0, None)) && span.start == span.end
}

/// The extent of a list or map. One in block style ends where its last value does: its end event
/// stands at whatever follows.
fn extent(start: Span, end: Span, last: usize) -> Span {
    let flow = start.start < start.end;
    Span::new(start.start, if flow { end.end } else { last })
}

/// What a copy of a value costs, and how deep it is.
fn measure(node: &Node) -> (Copied, usize) {
    let own = match &node.value {
        Value::String(text) => text.len(),
        Value::Map(entries) => entries.iter().map(|entry| entry.key.len()).sum(),
        _ => 0,
    };
    let mut cost = Copied { nodes: 1, bytes: own };
    let mut depth = 0;
    for (below, depth_below) in node.children().map(measure) {
        cost.nodes += below.nodes;
        cost.bytes += below.bytes;
        depth = depth.max(depth_below);
    }
    (cost, depth + 1)
}
