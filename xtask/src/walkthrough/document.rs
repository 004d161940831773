//! How a walkthrough is written: Markdown in, the steps to run out.
//!
//! A fenced block marked `console` holds commands, each with its output:
//!
//! - A command begins with `$ `. It goes on in the next line after a trailing
//!   backslash, and in every line right after it that begins with `> ` (as a
//!   terminal shows a here-document).
//! - What follows is the expected output, standard error included. A line `...`
//!   stands for any lines, `[..]` within a line for any text.
//! - `[exit N]` as the last line is the expected exit code; without it, 0.
//! - A command ending in `  # retry 10s` is run again until its output matches,
//!   for at most that time.
//! - A block marked `console,background` starts commands that keep running until
//!   the walkthrough ends. Expected output is waited for, ten seconds unless
//!   `# retry` says otherwise; more may follow it.
//! - `<!-- env: KEY=VALUE -->` sets a variable for the whole walkthrough; the
//!   value may use others, such as `$PORT`. `<!-- needs: podman -->` names parts
//!   without which it is not run.
//! - `<!-- inside: user-manager -->`: its commands find a systemd user manager with
//!   Quadlet and a journal of their own.

use std::fmt;
use std::time::Duration;

use crate::markdown::{Fences, Line};

/// One walkthrough.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) needs: Vec<String>,
    /// Whether its commands run where a user manager is.
    pub(crate) in_user_manager: bool,
    pub(crate) steps: Vec<Step>,
}

/// One command and what it is expected to print.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// The line of the document that the command stands in, from 1.
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) expected: Vec<String>,
    pub(crate) exit: i32,
    pub(crate) retry: Option<Duration>,
    pub(crate) background: bool,
}

/// What is wrong with a document, and in which line of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed {
    line: usize,
    what: String,
}

impl Malformed {
    /// The error in the document of that name.
    pub(crate) fn at(&self, document: &str) -> anyhow::Error {
        anyhow::anyhow!("{document}:{self}")
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

/// A block of commands that the lines read so far are in.
struct Block {
    background: bool,
    lines: Vec<(usize, String)>,
}

impl Document {
    /// Reads a document.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut document = Self::default();
        let mut block: Option<Block> = None;
        let mut lines = Fences::new(text);
        for (number, line) in lines.by_ref() {
            match line {
                Line::Text(text) => document.comment(number, text)?,
                Line::Open(info) => block = open(number, info)?,
                Line::Code(text) => {
                    if let Some(block) = &mut block {
                        block.lines.push((number, text.to_owned()));
                    }
                }
                Line::Close => {
                    if let Some(block) = block.take() {
                        document.steps.extend(steps(&block)?);
                    }
                }
            }
        }
        if let Some(line) = lines.unclosed() {
            return Err(malformed(line, "this fenced block is never closed"));
        }
        if document.steps.is_empty() {
            return Err(malformed(
                1,
                "this walkthrough has no command in a block marked 'console'",
            ));
        }
        Ok(document)
    }

    fn comment(&mut self, line: usize, text: &str) -> Result<(), Malformed> {
        let inner = text.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
        let Some((key, value)) = inner.and_then(|inner| inner.trim().split_once(':')) else {
            return Ok(());
        };
        match key {
            "env" => {
                let pair = value.trim().split_once('=');
                let (name, value) =
                    pair.ok_or_else(|| malformed(line, "expected env: KEY=VALUE"))?;
                self.env.push((name.to_owned(), value.to_owned()));
            }
            "needs" => self.needs.extend(value.split(',').map(|name| name.trim().to_owned())),
            "inside" if value.trim() == "user-manager" => self.in_user_manager = true,
            "inside" => return Err(malformed(line, "expected inside: user-manager")),
            _ => {}
        }
        Ok(())
    }
}

fn open(line: usize, info: &str) -> Result<Option<Block>, Malformed> {
    let mut words = info.split(',').map(str::trim);
    if words.next() != Some("console") {
        return Ok(None);
    }
    let background = match words.next() {
        None => false,
        Some("background") => true,
        Some(other) => {
            let what = format!("'console,{other}' is not known: only 'console,background' is");
            return Err(malformed(line, what));
        }
    };
    Ok(Some(Block { background, lines: Vec::new() }))
}

fn steps(block: &Block) -> Result<Vec<Step>, Malformed> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = block.lines.iter().peekable();
    while let Some((number, line)) = lines.next() {
        if let Some(first) = line.strip_prefix("$ ") {
            let mut command = first.to_owned();
            while let Some((_, next)) = lines.peek() {
                let Some(next) = continuation(&command, next) else { break };
                command = format!("{command}\n{next}");
                lines.next();
            }
            steps.push(step(*number, &command, block.background)?);
        } else if let Some(step) = steps.last_mut() {
            step.expected.push(line.clone());
        } else if !line.trim().is_empty() {
            return Err(malformed(*number, "output stands before the first command ('$ …')"));
        }
    }
    for step in &mut steps {
        take_exit(step)?;
    }
    Ok(steps)
}

/// What `next` adds to the command, if it belongs to it.
fn continuation<'a>(command: &str, next: &'a str) -> Option<&'a str> {
    let prompted = next.strip_prefix("> ").or((next == ">").then_some(""));
    if command.ends_with('\\') { Some(prompted.unwrap_or(next)) } else { prompted }
}

fn step(line: usize, command: &str, background: bool) -> Result<Step, Malformed> {
    let (command, retry) = match command.rsplit_once("# retry ") {
        Some((command, limit)) if !limit.contains('\n') => {
            let limit = duration(limit).ok_or_else(|| {
                malformed(line, format!("'# retry {limit}': expected a time such as 10s or 2m"))
            })?;
            (command.trim_end(), Some(limit))
        }
        _ => (command, None),
    };
    Ok(Step { line, command: command.to_owned(), retry, background, ..Step::default() })
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit].parse().ok()?;
    let ms = match &text[unit..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    number.checked_mul(ms).map(Duration::from_millis)
}

/// Takes `[exit N]` off the end of the expected output, and blank lines with it.
fn take_exit(step: &mut Step) -> Result<(), Malformed> {
    trim_blank_end(&mut step.expected);
    let last = step.expected.last().map_or("", |line| line.trim());
    let Some(code) = last.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']')) else {
        return Ok(());
    };
    step.exit = code
        .parse()
        .map_err(|_| malformed(step.line, format!("'{last}' does not hold an exit code")))?;
    if step.background {
        return Err(malformed(step.line, "a background command has no exit code to compare"));
    }
    step.expected.pop();
    trim_blank_end(&mut step.expected);
    Ok(())
}

fn trim_blank_end(lines: &mut Vec<String>) {
    while lines.pop_if(|line| line.trim().is_empty()).is_some() {}
}

fn malformed(line: usize, what: impl Into<String>) -> Malformed {
    Malformed { line, what: what.into() }
}

#[cfg(test)]
mod tests;
