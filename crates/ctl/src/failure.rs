//! Why a command failed, and how it says so: what, where, and what to do.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use tessera_client::Error;
use tessera_manifest::Problem as ManifestProblem;
use tessera_types::Problem;
use tessera_types::problem::Code;

use crate::exit::Exit;
use crate::style::{Style, Tone, printable, told};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked for makes no sense, or cannot be read; nothing was sent.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// Manifests have problems; nothing was sent.
    #[error("{} problems in the manifests", .0.len())]
    Manifests(Vec<ManifestProblem>),
    /// A call failed.
    #[error(transparent)]
    Api(#[from] Error),
    /// A call to the engine failed.
    #[error("{}", of_engine(.0))]
    Engine(Error),
    /// The calls went well, and what was asked for did not come about.
    #[error("{message}")]
    Failed {
        /// What did not.
        message: String,
        /// More of it, a line each.
        details: Vec<String>,
    },
    /// A part of Tessera could not be started in this process, or has died.
    #[error("{message}")]
    Start {
        /// The sort of error.
        code: &'static str,
        /// What went wrong, and what to do.
        message: String,
    },
    /// Everything was said already; what is left is the exit code.
    #[error("{0:?}")]
    Told(Exit),
    /// Everything was said already; the exit code is that of a program that was run.
    #[error("exit code {0}")]
    Ended(u8),
    /// Nobody reads the output any more, such as after `| head`.
    #[error("the output was closed")]
    ClosedPipe,
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Output(error),
        }
    }
}

impl Failure {
    /// What was asked for makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), remedy: None }
    }

    /// As [`Failure::usage`], with what to do about it.
    pub fn usage_with(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), remedy: Some(remedy.into()) }
    }

    /// The exit code that goes with it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Manifests(_) => Exit::Usage,
            Self::Api(error) | Self::Engine(error) => Exit::of(error),
            Self::Told(exit) => *exit,
            Self::ClosedPipe | Self::Ended(0) => Exit::Done,
            Self::Failed { .. } | Self::Start { .. } | Self::Output(_) | Self::Ended(_) => {
                Exit::Failed
            }
        }
    }

    /// The exit code as a number, which is a program's own where one was run.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Ended(code) => ExitCode::from(*code),
            other => other.exit().into(),
        }
    }

    /// What to write to standard error; empty when there is nothing to say.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        match self {
            Self::Usage { message, remedy } => {
                said(style, Some("usage"), message, &[], remedy.as_deref())
            }
            Self::Manifests(problems) => manifests(problems, style),
            Self::Api(error) => api(error, style),
            Self::Engine(error) => engine(error, style),
            Self::Failed { message, details } => said(style, None, message, details, None),
            Self::Start { code, message } => {
                // More than a line where manifests have mistakes.
                let mut lines = message.lines();
                let first = lines.next().unwrap_or_default();
                let rest: Vec<_> = lines.map(str::to_owned).collect();
                said(style, Some(code), first, &rest, None)
            }
            Self::Output(_) => said(style, None, &self.to_string(), &[], None),
            Self::Told(_) | Self::Ended(_) | Self::ClosedPipe => String::new(),
        }
    }
}

/// An error as it is shown, ending in a line feed.
pub(crate) fn said(
    style: Style,
    code: Option<&str>,
    message: &str,
    details: &[String],
    remedy: Option<&str>,
) -> String {
    let head = code.map_or_else(|| "error".to_owned(), |code| format!("error[{code}]"));
    let mut text = format!("{}: {}\n", style.paint(Tone::Bad, &head), told(message));
    for detail in details {
        let _ = writeln!(text, "  {}", printable(detail));
    }
    if let Some(remedy) = remedy {
        let _ = writeln!(text, "  {} {}", style.paint(Tone::Strong, "remedy:"), printable(remedy));
    }
    text
}

fn manifests(problems: &[ManifestProblem], style: Style) -> String {
    let mut text = listed(problems, style, Tone::Bad);
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    let _ = writeln!(text, "{count} in the manifests: nothing was sent");
    text
}

/// Each problem of a text with the line that it is in.
pub(crate) fn listed(problems: &[ManifestProblem], style: Style, tone: Tone) -> String {
    let mut text = String::new();
    for problem in problems {
        let rendered = problem.render();
        let (head, rest) = rendered.split_once('\n').unwrap_or((&rendered, ""));
        let (label, message) = head.split_once(": ").unwrap_or((head, ""));
        let _ = write!(text, "{}: {message}\n{rest}\n", style.paint(tone, label));
    }
    text
}

/// The same of what is allowed and probably not meant.
pub(crate) fn warned(warnings: &[ManifestProblem], style: Style) -> String {
    listed(warnings, style, Tone::Plain).replace("error[", "warning[")
}

fn api(error: &Error, style: Style) -> String {
    match error {
        Error::Refused(problem) => refused(problem, style),
        Error::Url { .. } => {
            let remedy = format!("write it as {}", tessera_client::DEFAULT_URL);
            said(style, Some("usage"), &error.to_string(), &[], Some(&remedy))
        }
        Error::Unreachable(_) => {
            let remedy = "start one with `tessera up`, or give its address with --server";
            said(style, Some("unreachable"), &without_number(&error.to_string()), &[], Some(remedy))
        }
        Error::Protocol(_) => {
            let remedy =
                "is --server (or TESSERA_SERVER) the address of a control plane of this version?";
            said(style, Some("unreachable"), &error.to_string(), &[], Some(remedy))
        }
    }
}

/// A call to the engine that failed, in words.
fn of_engine(error: &Error) -> String {
    match error {
        Error::Url { url, why } => format!("`{url}` is not the address of an engine: {why}"),
        Error::Unreachable(why) => format!("the engine cannot be reached: {why}"),
        Error::Protocol(why) => format!("the answer is not an engine's: {why}"),
        Error::Refused(problem) => problem.to_string(),
    }
}

fn engine(error: &Error, style: Style) -> String {
    let message = without_number(&of_engine(error));
    let (code, remedy) = match error {
        Error::Refused(problem) => return refused(problem, style),
        Error::Url { .. } => {
            ("usage", format!("write it as {}", tessera_client::DEFAULT_ENGINE_URL))
        }
        Error::Unreachable(_) => (
            "unreachable",
            "start one with `tessera up` or `tessera-engine`, or give its address with --engine"
                .to_owned(),
        ),
        Error::Protocol(_) => (
            "unreachable",
            "is --engine (or TESSERA_ENGINE) the address of an engine of this version?".to_owned(),
        ),
    };
    said(style, Some(code), &message, &[], Some(&remedy))
}

/// What the operating system says, without its number for it.
fn without_number(message: &str) -> String {
    match message.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => message.to_owned(),
    }
}

/// A request that the control plane refused.
pub(crate) fn refused(problem: &Problem, style: Style) -> String {
    let (message, details) = match problem.invalid.as_slice() {
        [] | [_] => (problem.detail.clone(), Vec::new()),
        many => {
            let lines = many.iter().map(ToString::to_string).collect();
            (format!("{} rules are broken", many.len()), lines)
        }
    };
    let message = match &problem.instance {
        Some(instance) if !message.contains(instance.as_str()) => format!("{instance}: {message}"),
        _ => message,
    };
    let mut text =
        said(style, Some(problem.code.as_str()), &message, &details, problem.remedy.as_deref());
    if let Some(id) = problem.request_id.as_ref().filter(|_| is_for_the_log(problem.code)) {
        let _ = writeln!(
            text,
            "  the log of the control plane has more under request {}",
            printable(id)
        );
    }
    text
}

/// Whether the caller can do no more than look into the log.
fn is_for_the_log(code: Code) -> bool {
    matches!(code, Code::Internal | Code::StorageFailed | Code::StorageFull)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_types::Invalid;

    fn shown(error: Error) -> String {
        Failure::Api(error).render(Style::PLAIN)
    }

    fn shown_problem(problem: Problem) -> String {
        shown(Error::Refused(Box::new(problem)))
    }

    #[test]
    fn a_refusal_names_the_resource_once() {
        assert_eq!(
            shown_problem(Problem::not_found("workload/default/web")),
            "error[not_found]: there is no workload/default/web\n"
        );
        let conflict = Problem::new(Code::Conflict, "it is at revision 9")
            .instance("workload/default/web")
            .remedy("get it again");
        assert_eq!(
            shown_problem(conflict),
            "error[conflict]: workload/default/web: it is at revision 9\n  remedy: get it again\n"
        );
    }

    #[test]
    fn every_broken_rule_has_its_line() {
        let rules = vec![Invalid::new("spec.a", "bad"), Invalid::new("spec.b", "worse")];
        assert_eq!(
            shown_problem(Problem::invalid("workload/default/web", rules)),
            "error[invalid_spec]: workload/default/web: 2 rules are broken\n  spec.a: bad\n  spec.b: worse\n"
        );
        let one = Problem::invalid("workload/default/web", vec![Invalid::new("spec.a", "bad")]);
        assert_eq!(shown_problem(one), "error[invalid_spec]: workload/default/web: spec.a: bad\n");
    }

    #[test]
    fn the_request_is_named_where_the_log_is_the_only_remedy() {
        let mut problem = Problem::new(Code::Internal, "it went wrong");
        problem.request_id = Some("r1".to_owned());
        assert!(shown_problem(problem.clone()).ends_with("under request r1\n"));
        problem.code = Code::NotFound;
        assert!(!shown_problem(problem).contains("r1"));
    }

    #[test]
    fn an_engine_that_does_not_answer_is_called_one() {
        let shown = |error| Failure::Engine(error).render(Style::PLAIN);
        let text = shown(Error::Unreachable("Connection refused (os error 111)".to_owned()));
        assert!(text.contains("the engine cannot be reached: Connection refused\n"), "{text}");
        assert!(text.contains("--engine"), "{text}");
        let url = Error::Url { url: "x".to_owned(), why: "no scheme".to_owned() };
        assert!(shown(url).contains("`x` is not the address of an engine"));
    }

    #[test]
    fn an_unreachable_server_comes_with_what_to_do() {
        let error =
            Error::Unreachable("http://127.0.0.1:1: Connection refused (os error 111)".to_owned());
        assert_eq!(
            shown(error),
            "error[unreachable]: the control plane cannot be reached: http://127.0.0.1:1: Connection refused\n  \
             remedy: start one with `tessera up`, or give its address with --server\n"
        );
    }

    #[test]
    fn text_from_elsewhere_cannot_drive_the_terminal() {
        let problem = Problem::new(Code::Conflict, "a\x1b]0;x\x07b").remedy("c\rd");
        assert!(!shown_problem(problem).contains(['\x1b', '\x07', '\r']));
    }
}
