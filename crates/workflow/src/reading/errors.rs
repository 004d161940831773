//! Errors: `raise`, `try`, `catch` and `retry`.

use tessera_manifest::{Node, code};

use super::reader::{Reader, shared};
use super::scope::{Place, Scope};
use super::task::Targets;
use crate::definition::{Backoff, Catch, ErrorFilter, ErrorSpec, Period, Retry, Try, Uri};
use crate::expression::Template;

impl<'d> Reader<'d> {
    /// An error as `raise` and `use.errors` write it.
    pub(super) fn error_spec(&mut self, node: &'d Node, scope: &Scope) -> Option<ErrorSpec> {
        let known = ["type", "status", "title", "detail", "instance"];
        self.map(node, "an error, or the name of one", &known)?;
        let kind = self.required(node, "type").and_then(|it| {
            // Fields of URI templates make no sense in a type; the check of its form does.
            let uri = self.uri(it, scope)?;
            let template = self.template(it, scope, Place::Definition);
            matches!(uri, Uri::Template(_) | Uri::Expression(_)).then_some(template?)
        });
        let status = self.required(node, "status").and_then(|it| self.status(it, scope));
        let title = self.optional(node.get("title"), |reader, it| reader.text_template(it, scope));
        let detail =
            self.optional(node.get("detail"), |reader, it| reader.text_template(it, scope));
        let instance = self.optional(node.get("instance"), |reader, it| reader.pointer(it, scope));
        Some(ErrorSpec {
            kind: kind?,
            status: status?,
            title: title?,
            detail: detail?,
            instance: instance?,
        })
    }

    fn status(&mut self, node: &'d Node, scope: &Scope) -> Option<Template> {
        const STATUS_MAX: u64 = 599;
        let expected = format!("a whole number from 100 to {STATUS_MAX}");
        let status = self.whole_or(node, STATUS_MAX, &expected, None)?;
        if status < 100 {
            let message = format!("{status} is no status");
            let hint = "write one of HTTP's, such as 400 or 503";
            self.wrong(node, code::INVALID_VALUE, message, hint);
            return None;
        }
        self.template(node, scope, Place::Definition)
    }

    /// `try` with its `catch`.
    pub(super) fn try_catch(
        &mut self,
        task: &'d Node,
        node: &'d Node,
        at: &str,
        scope: &Scope,
        targets: &Targets<'_, 'd>,
    ) -> Option<Try> {
        let tasks = self.task_list(node, &format!("{at}/try"), scope);
        let hint = "write `catch: {}` to catch every error";
        let catch = self
            .required_or(task, "catch", Some(hint))
            .and_then(|it| self.catch(it, &format!("{at}/catch"), scope, targets));
        Some(Try { tasks: tasks?, catch: catch? })
    }

    fn catch(
        &mut self,
        node: &'d Node,
        at: &str,
        scope: &Scope,
        targets: &Targets<'_, 'd>,
    ) -> Option<Catch> {
        let known = ["errors", "as", "when", "exceptWhen", "retry", "do", "then"];
        self.map(node, "a map", &known)?;
        let filter = self.optional(node.get("errors"), |reader, it| reader.errors(it, scope));
        let variable = self.optional(node.get("as"), Self::variable);
        let inside = scope.with([variable.flatten().unwrap_or("error")]);
        let mut condition = |key| {
            self.optional(node.get(key), |reader, it| {
                reader.expression(it, &inside, Place::Definition)
            })
        };
        let (when, except_when) = (condition("when"), condition("exceptWhen"));
        let retry = self.optional(node.get("retry"), |reader, it| reader.retry(it, &inside));
        let tasks = self.optional(node.get("do"), |reader, it| {
            reader.task_list(it, &format!("{at}/do"), &inside)
        });
        let then = self.optional(node.get("then"), |reader, it| reader.flow(it, targets));
        Some(Catch {
            filter: filter?.unwrap_or_default(),
            variable: shared(variable?.unwrap_or("error")),
            when: when?,
            except_when: except_when?,
            retry: retry?,
            tasks: tasks?,
            then: then?,
        })
    }

    fn errors(&mut self, node: &'d Node, scope: &Scope) -> Option<ErrorFilter> {
        self.map(node, "a map of `with`", &["with"])?;
        let Some(with) = node.get("with") else { return Some(ErrorFilter::default()) };
        let known = ["type", "status", "instance", "title", "detail"];
        if self.map(with, "a map of what an error must be", &known)?.is_empty() {
            let hint = "remove `with` to catch every error";
            self.wrong(with, code::INVALID_VALUE, "an empty filter", hint);
            return None;
        }
        let mut text =
            |key| self.optional(with.get(key), |reader, it| reader.text_template(it, scope));
        let (kind, instance, title, detail) =
            (text("type"), text("instance"), text("title"), text("detail"));
        let status = self.optional(with.get("status"), |reader, it| reader.status(it, scope));
        Some(ErrorFilter {
            kind: kind?,
            status: status?,
            instance: instance?,
            title: title?,
            detail: detail?,
        })
    }

    /// A retry policy.
    pub(super) fn retry_policy(&mut self, node: &'d Node, scope: &Scope) -> Option<Retry> {
        let known = ["when", "exceptWhen", "delay", "backoff", "jitter", "limit"];
        self.map(node, "a retry policy, or the name of one", &known)?;
        let mut condition = |key| {
            self.optional(node.get(key), |reader, it| {
                reader.expression(it, scope, Place::Definition)
            })
        };
        let (when, except_when) = (condition("when"), condition("exceptWhen"));
        let delay = self.optional(node.get("delay"), |reader, it| reader.period(it, scope));
        let backoff = self.optional(node.get("backoff"), Self::backoff);
        let jitter = self.optional(node.get("jitter"), |reader, it| reader.jitter(it, scope));
        let limit = match node.get("limit") {
            Some(it) => self.limit(it, scope),
            None => Some((None, None, None)),
        };
        let (attempts_max, attempt_duration, duration) = limit?;
        Some(Retry {
            when: when?,
            except_when: except_when?,
            delay: delay?,
            backoff: backoff?.unwrap_or_default(),
            jitter: jitter?,
            attempts_max,
            attempt_duration,
            duration,
        })
    }

    fn backoff(&mut self, node: &'d Node) -> Option<Backoff> {
        let kinds = ["constant", "exponential", "linear"];
        self.map(node, "a map such as { exponential: {} }", &kinds)?;
        let (kind, settings) = self.one_field(node, "a backoff", &kinds)?;
        self.open_map(settings, "a map: {}")?;
        Some(match kind {
            "constant" => Backoff::Constant,
            "linear" => Backoff::Linear,
            _ => Backoff::Exponential,
        })
    }

    fn jitter(&mut self, node: &'d Node, scope: &Scope) -> Option<(Period, Period)> {
        self.map(node, "a map of `from` and `to`", &["from", "to"])?;
        let mut bound = |key| self.required(node, key).and_then(|it| self.period(it, scope));
        let (from, to) = (bound("from"), bound("to"));
        let (from, to) = (from?, to?);
        if let (Period::Fixed(least), Period::Fixed(most)) = (&from, &to)
            && least > most
        {
            let message = "the jitter begins after its end";
            self.wrong(node, code::INVALID_VALUE, message, "swap `from` and `to`");
            return None;
        }
        Some((from, to))
    }

    fn limit(
        &mut self,
        node: &'d Node,
        scope: &Scope,
    ) -> Option<(Option<u32>, Option<Period>, Option<Period>)> {
        self.map(node, "a map of `attempt` and `duration`", &["attempt", "duration"])?;
        let duration = self.optional(node.get("duration"), |reader, it| reader.period(it, scope));
        let (mut count, mut each) = (Some(None), Some(None));
        if let Some(attempt) = node.get("attempt") {
            self.map(attempt, "a map of `count` and `duration`", &["count", "duration"])?;
            count = self.optional(attempt.get("count"), |reader, it| {
                reader.whole(it, u64::from(u32::MAX)).and_then(|count| u32::try_from(count).ok())
            });
            each = self.optional(attempt.get("duration"), |reader, it| reader.period(it, scope));
        }
        Some((count?, each?, duration?))
    }
}
