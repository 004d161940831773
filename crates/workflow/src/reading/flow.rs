//! Expressions, data, time and flow: the parts that all tasks share.

use std::collections::BTreeSet;
use std::sync::Arc;

use tessera_manifest::{Node, Number, Value, code, hint_for_name, nearest, quoted};

use super::reader::Reader;
use super::scope::{Place, Scope, VARIABLES, secrets};
use super::task::Targets;
use crate::definition::{FIELDS, Flow, JsonSchema, Period, Schema, Shape, bounded, parse_duration};
use crate::expression::{Expression, Mode, NOW, Piece, SyntaxError, Template, is_expression};
use tessera_manifest::Span;

/// How many expressions there are, and how much text they have. Each takes time and memory when it
/// is compiled.
#[derive(Clone, Copy, Default)]
pub(super) struct Expressions {
    count: usize,
    bytes: usize,
}

impl Expressions {
    const MAX: Self = Self { count: 1_000, bytes: 256 * 1024 };

    fn count(&mut self, node: &Node, all: bool) {
        if let Some(text) = node.as_str() {
            let count = text.matches("${").count().max(usize::from(all));
            self.count += count;
            self.bytes += if count > 0 { text.len() } else { 0 };
        }
        node.elements().iter().for_each(|it| self.count(it, all));
        node.entries().iter().for_each(|it| self.count(&it.value, all));
    }
}

impl<'d> Reader<'d> {
    /// A field that is an expression by its nature, with `${ }` around it or without.
    pub(super) fn expression(
        &mut self,
        node: &'d Node,
        scope: &Scope,
        place: Place,
    ) -> Option<Expression> {
        if node.as_str().is_none() {
            return self.wrong_type(node, "an expression, which is text", None);
        }
        self.count_expressions(node, node, true)?;
        let read = Expression::read(node, &names(scope, place));
        let expression = self.compiled(node, read)?;
        self.known_secrets(node, &expression)?;
        Some(expression)
    }

    /// A value in which text may be an expression.
    pub(super) fn template(
        &mut self,
        node: &'d Node,
        scope: &Scope,
        place: Place,
    ) -> Option<Template> {
        self.template_of(node, node, scope, place)
    }

    /// A value that stands at `node`, and is read as `value`.
    pub(super) fn template_of(
        &mut self,
        node: &'d Node,
        value: &Node,
        scope: &Scope,
        place: Place,
    ) -> Option<Template> {
        self.count_expressions(node, value, self.mode == Mode::Loose)?;
        let read = Template::read(value, &names(scope, place), self.mode);
        let template = self.compiled(node, read)?;
        self.secrets_of(node, &template)?;
        self.look_for_lost_expressions(node, scope);
        Some(template)
    }

    /// Refuses more expressions than are compiled for one document. Where `all`, any text may be
    /// one.
    fn count_expressions(&mut self, node: &'d Node, value: &Node, all: bool) -> Option<()> {
        let before = self.expressions;
        self.expressions.count(value, all);
        let (now, max) = (self.expressions, Expressions::MAX);
        if now.count <= max.count && now.bytes <= max.bytes {
            return Some(());
        }
        // Told once: it is the document that is too large, and not the values after this one.
        if before.count <= max.count && before.bytes <= max.bytes {
            let message = format!(
                "the document has more than {} expressions, or more than {} KiB of them, counting \
                 those of reusable parts wherever they are used",
                max.count,
                max.bytes / 1024
            );
            let hint = "work on lists with one expression, or divide it into several workflows";
            self.wrong(node, code::TOO_LARGE, message, hint);
        }
        None
    }

    fn compiled<T>(
        &mut self,
        node: &'d Node,
        read: Result<T, Vec<(Span, SyntaxError)>>,
    ) -> Option<T> {
        match read {
            Ok(it) => Some(it),
            Err(errors) => {
                for (span, error) in errors {
                    let holder = holder(node, span);
                    self.wrong_at(holder, span, super::code::EXPRESSION, error.message, error.hint);
                }
                None
            }
        }
    }

    fn secrets_of(&mut self, node: &'d Node, template: &Template) -> Option<()> {
        let mut known = Some(());
        let mut check = |reader: &mut Self, node, template| {
            known = known.and(reader.secrets_of(node, template));
        };
        match template {
            Template::Constant(_) => {}
            Template::Expression(it) | Template::Loose(it) => return self.known_secrets(node, it),
            Template::Text(pieces) => {
                for piece in pieces.iter() {
                    if let Piece::Expression(it) = piece {
                        known = known.and(self.known_secrets(node, it));
                    }
                }
            }
            Template::List(all) => {
                let pairs = node.elements().iter().zip(all.iter());
                pairs.for_each(|(node, it)| check(self, node, it));
            }
            Template::Object(all) => {
                let pairs = node.entries().iter().zip(all.iter());
                pairs.for_each(|(entry, (_, it))| check(self, &entry.value, it));
            }
        }
        known
    }

    fn known_secrets(&mut self, node: &'d Node, expression: &Expression) -> Option<()> {
        let mut known = Some(());
        for name in secrets(expression.source()) {
            known = known.and(self.secret(node, &name).map(drop));
        }
        known
    }

    /// Warns of text that looks like an expression and is none, as `body: .order`.
    fn look_for_lost_expressions(&mut self, node: &'d Node, scope: &Scope) {
        if self.mode == Mode::Loose {
            return;
        }
        for child in node.elements().iter().chain(node.entries().iter().map(|it| &it.value)) {
            self.look_for_lost_expressions(child, scope);
        }
        let Some(text) = node.as_str() else { return };
        let variable = text.strip_prefix('$').is_some_and(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = &rest[..end.unwrap_or(rest.len())];
            VARIABLES.contains(&name) || scope.at(Place::Input).iter().any(|it| **it == *name)
        });
        let field = text.strip_prefix('.').is_some_and(|rest| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
            rest.starts_with(|c: char| c.is_ascii_alphabetic()) && rest.chars().all(is_part)
        });
        if variable || field {
            let message = format!("{} is text here, not an expression", quoted(text));
            let hint = "write it in ${ } if it should be evaluated";
            self.warn(node, None, super::code::LOST_EXPRESSION, message, hint);
        }
    }

    /// Text, which may hold expressions.
    pub(super) fn text_template(&mut self, node: &'d Node, scope: &Scope) -> Option<Template> {
        self.text(node)?;
        self.template(node, scope, Place::Definition)
    }

    /// A map, or an expression that gives one.
    pub(super) fn map_template(&mut self, node: &'d Node, scope: &Scope) -> Option<Template> {
        match &node.value {
            Value::Map(_) => {}
            Value::String(text) if is_expression(text) => {}
            _ => return self.wrong_type(node, "a map, or an expression in ${ }", None),
        }
        self.template(node, scope, Place::Definition)
    }

    /// A map, which may hold expressions.
    pub(super) fn plain_map_template(&mut self, node: &'d Node, scope: &Scope) -> Option<Template> {
        self.open_map(node, "a map")?;
        self.template(node, scope, Place::Definition)
    }

    /// A map of what becomes text, each of which may hold expressions; or an expression that gives
    /// one. With `lists`, several of them may have the same name.
    pub(super) fn pairs_template(
        &mut self,
        node: &'d Node,
        lists: bool,
        scope: &Scope,
    ) -> Option<Template> {
        let mut right = Some(());
        for entry in node.entries() {
            let one = std::slice::from_ref(&entry.value);
            let all = match &entry.value.value {
                Value::Seq(all) if lists => all.as_slice(),
                _ => one,
            };
            for node in all {
                if matches!(node.value, Value::Seq(_) | Value::Map(_)) {
                    right = self.wrong_type(node, "text", None);
                }
            }
        }
        let template = self.map_template(node, scope);
        right.and(template)
    }

    /// A list of text, each of which may hold expressions.
    pub(super) fn text_list_template(&mut self, node: &'d Node, scope: &Scope) -> Option<Template> {
        let all = self.elements(node, "a list of text")?;
        let texts = self.all(all.iter(), Self::text);
        let template = self.template(node, scope, Place::Definition);
        texts.and(template)
    }

    /// `input`, `output` or `export`; `key` is `from` or `as`.
    pub(super) fn shape(
        &mut self,
        node: Option<&'d Node>,
        key: &'static str,
        scope: &Scope,
        place: Place,
    ) -> Option<Shape> {
        let Some(node) = node else { return Some(Shape::default()) };
        self.map(node, &format!("a map of `schema` and `{key}`"), &["schema", key])?;
        let schema = self.optional(node.get("schema"), |reader, node| reader.schema(node, scope));
        let shape = self.optional(node.get(key), |reader, node| match &node.value {
            Value::String(_) => reader.expression(node, scope, place).map(Template::Expression),
            Value::Map(_) => reader.template(node, scope, place),
            _ => reader.wrong_type(node, "an expression or a map", None),
        });
        Some(Shape { schema: schema?, shape: shape? })
    }

    /// A schema of data.
    fn schema(&mut self, node: &'d Node, scope: &Scope) -> Option<Schema> {
        self.map(node, "a schema", &["format", "document", "resource"])?;
        let format = self.optional(node.get("format"), |reader, node| {
            let format = reader.text(node)?;
            let known = format == "json" || format.starts_with("json:");
            if !known {
                let message = format!("schemas in the format {} are not supported", quoted(format));
                reader.wrong(node, super::code::UNSUPPORTED, message, "use JSON Schema: `json`");
            }
            known.then_some(())
        });
        let (field, part) = self.one_field(node, "a schema", &["document", "resource"])?;
        format?;
        if field == "resource" {
            return self.resource(part, scope).map(Schema::Resource);
        }
        match JsonSchema::new(&super::json::plain(part)) {
            Ok(schema) => Some(Schema::Inline(Arc::new(schema))),
            Err(error) => {
                let message = format!("this is no JSON schema that can be used: {error}");
                self.wrong(part, super::code::INVALID_SCHEMA, message, None);
                None
            }
        }
    }

    /// A length of time: an object, ISO 8601, or an expression for either.
    pub(super) fn period(&mut self, node: &'d Node, scope: &Scope) -> Option<Period> {
        match &node.value {
            Value::Map(_) => self.period_of_fields(node).map(Period::Fixed),
            Value::String(text) if is_expression(text) => {
                self.template(node, scope, Place::Definition).map(Period::Computed)
            }
            Value::String(text) => match parse_duration(text) {
                Ok(duration) => Some(Period::Fixed(duration)),
                Err(error) => {
                    let hint = "write it as PT1H30M or P1D, or as an object such as { minutes: 5 }";
                    self.wrong(node, code::INVALID_VALUE, error, hint);
                    None
                }
            },
            Value::Number(_) => {
                let hint = "say the unit, as in { seconds: 30 } or PT30S";
                self.wrong_type(node, "a duration", Some(hint))
            }
            _ => self.wrong_type(node, "a duration", None),
        }
    }

    fn period_of_fields(&mut self, node: &'d Node) -> Option<tessera_types::Duration> {
        let entries = self.map(node, "a duration", &FIELDS.map(|(name, _)| name))?;
        if entries.is_empty() {
            let hint = "write at least one of days, hours, minutes, seconds, milliseconds";
            self.wrong(node, code::INVALID_VALUE, "an empty duration", hint);
            return None;
        }
        let mut ms = Some(0_u128);
        for (name, unit) in FIELDS {
            let Some(part) = node.get(name) else { continue };
            let is_fraction =
                matches!(part.value, Value::Number(Number::Float(it)) if it > 0.0 && unit > 1);
            let finer = is_fraction.then_some("write what is less than one in a smaller unit");
            let part = self.whole_or(part, u64::MAX, "a whole number from 0", finer);
            let part = part.map(u128::from);
            ms = ms.zip(part).map(|(ms, part)| ms.saturating_add(part * u128::from(unit)));
        }
        match bounded(ms?) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.wrong(node, code::INVALID_VALUE, error, None);
                None
            }
        }
    }

    /// `then`.
    pub(super) fn flow(&mut self, node: &'d Node, targets: &Targets<'_, 'd>) -> Option<Flow> {
        let name = self.text(node)?;
        match name {
            "continue" => return Some(Flow::Continue),
            "exit" => return Some(Flow::Exit),
            "end" => return Some(Flow::End),
            _ => {}
        }
        let none = BTreeSet::new();
        let (known, hint) = match targets {
            Targets::List(names) => (*names, None),
            Targets::Branches => {
                (&none, Some("branches run beside each other; none comes after another"))
            }
            Targets::Function => (&none, Some("a function has no tasks beside it")),
        };
        if known.contains(name) {
            return Some(Flow::Task(name.into()));
        }
        if self.is_full() {
            return None;
        }
        let known: Vec<&str> = known.iter().copied().collect();
        let words: Vec<_> = known.iter().copied().chain(["continue", "exit", "end"]).collect();
        let near = nearest(name, &words).map(|near| format!("did you mean {}?", quoted(near)));
        let hint = near
            .or(hint.map(str::to_owned))
            .or_else(|| hint_for_name(None, &known, "`then` reaches the tasks of its own list:"));
        let message = format!("no task in this list is called {}", quoted(name));
        self.wrong(node, super::code::UNKNOWN_TASK, message, hint);
        None
    }

    /// The name of a variable that the document makes.
    pub(super) fn variable(&mut self, node: &'d Node) -> Option<&'d str> {
        let name = self.text(node)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !name.chars().all(is_part) {
            let bare = name.trim_start_matches('$');
            let hint = match !bare.is_empty() && bare.chars().all(is_part) {
                true => format!("write it without `$`: {bare}"),
                false => "use letters, digits and `_`, and begin with a letter".to_owned(),
            };
            let message = format!("{} is no name of a variable", quoted(name));
            self.wrong(node, code::INVALID_VALUE, message, hint);
            return None;
        }
        if VARIABLES.contains(&name) {
            let message = format!("this hides the variable `${name}` of the run");
            self.warn(node, None, super::code::HIDDEN_VARIABLE, message, "use another name");
        }
        Some(name)
    }
}

/// What an expression may use at a place: its variables, and the clock of the run.
fn names(scope: &Scope, place: Place) -> Vec<Arc<str>> {
    let mut names = scope.at(place);
    names.push(NOW.into());
    names
}

/// The innermost value below a node that a span lies in.
fn holder(node: &Node, span: Span) -> &Node {
    let children = node.elements().iter().chain(node.entries().iter().map(|entry| &entry.value));
    let inner = children.into_iter().find(|child| {
        child.span.start <= span.start && span.end <= child.span.end.max(child.span.start)
    });
    inner.map_or(node, |inner| holder(inner, span))
}
