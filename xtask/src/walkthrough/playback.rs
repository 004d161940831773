//! Plays a document through the shell and reports the first step that differs.
//!
//! The steps after it are not tried: they build on what it should have done.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use tessera_testkit::UserManager;

use super::comparison::Comparison;
use super::document::{Document, Step};
use super::sandbox::Sandbox;
use super::shell::{self, Finished, Shell};

/// How long the expected output of a background command is waited for.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How much of a background command's output a failure shows.
const TAIL_LINES: usize = 20;
const DIFFERS: &str = "  the output differs (- expected, + printed):\n";

/// Runs every step; `name` is the document's, for the report. With a user manager, inside of it.
pub(crate) fn play(
    document: &Document,
    name: &str,
    repository: &Path,
    binaries: &Path,
    manager: Option<&UserManager>,
) -> anyhow::Result<()> {
    let sandbox = Sandbox::create()?;
    let mut shell = Shell::start(&sandbox, repository, binaries, manager)?;
    for (key, value) in &document.env {
        shell.export(key, value)?;
    }
    let mut background = Vec::new();
    let result = document.steps.iter().try_for_each(|step| {
        perform(step, &mut shell, &mut background)
            .map_err(|error| anyhow!("{name}:{}: $ {}\n{error:#}", step.line, step.command))
    });
    let left = shell.stop();
    if !left.is_empty() {
        println!("{name}: left running, and killed: {}", left.join(", "));
    }
    result.map_err(|error| anyhow!("{error}{}", tails(name, &background)))
}

fn perform<'a>(
    step: &'a Step,
    shell: &mut Shell<'_>,
    background: &mut Vec<(&'a Step, PathBuf)>,
) -> anyhow::Result<()> {
    if step.background {
        let output = shell.start_background(&step.command)?;
        background.push((step, output.clone()));
        let ready = || Ok(judge_background(step, &shell::read(&output)?));
        retried(Some(step.retry.unwrap_or(READY_TIMEOUT)), ready)
    } else {
        retried(step.retry, || Ok(judge(step, &shell.run(&step.command)?)))
    }
}

/// Attempts until nothing differs or the time is over.
fn retried(
    limit: Option<Duration>,
    mut attempt: impl FnMut() -> anyhow::Result<Option<String>>,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        let Some(difference) = attempt()? else { return Ok(()) };
        match limit {
            None => bail!("{difference}"),
            Some(limit) if begin.elapsed() >= limit => {
                bail!("{difference}  tried for {} s", limit.as_secs_f64());
            }
            Some(_) => thread::sleep(RETRY_PAUSE),
        }
    }
}

/// What differs from what the step expects, if anything does.
fn judge(step: &Step, finished: &Finished) -> Option<String> {
    let comparison = Comparison::new(&step.expected, &finished.output, false);
    let mut text = String::new();
    if finished.exit != step.exit {
        text += &format!("  exit code {}, expected {}\n", finished.exit, step.exit);
    }
    if !comparison.matches() {
        text += DIFFERS;
    }
    (!text.is_empty()).then(|| format!("{text}{comparison}"))
}

fn judge_background(step: &Step, output: &str) -> Option<String> {
    let comparison = Comparison::new(&step.expected, output, true);
    (!comparison.matches()).then(|| format!("{DIFFERS}{comparison}"))
}

/// The last lines of the background commands, which often tell the cause.
fn tails(name: &str, background: &[(&Step, PathBuf)]) -> String {
    let mut text = String::new();
    for (step, output) in background {
        let printed = shell::read(output).unwrap_or_default();
        let lines: Vec<_> = printed.lines().collect();
        let _ = write!(text, "\n  the end of the output of {name}:{}:", step.line);
        for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
            let _ = write!(text, "\n    | {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play_text(text: &str) -> Result<(), String> {
        let document = Document::parse(text).unwrap();
        play(&document, "story.md", Path::new("/repo"), Path::new("/binaries"), None)
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_story_that_holds() {
        let text = "<!-- env: WHO=$REPO -->\n\
            ```console,background\n$ echo listening; echo more; sleep 600\nlistening\n```\n\
            ```console\n$ echo \"$WHO\"; ls\n/repo\n$ kill -0 $!\n$ ls nothing\nls: [..]\n[exit 2]\n```";
        assert_eq!(play_text(text), Ok(()));
    }

    #[test]
    fn a_difference_is_shown_where_it_is() {
        let text = "```console,background\n$ echo cause; sleep 600\ncause\n```\n\
            ```console\n$ echo a; echo c; false\na\nb\n$ echo never\n```";
        let report = play_text(text).unwrap_err();
        let expected = "story.md:6: $ echo a; echo c; false\n  exit code 1, expected 0\n  \
            the output differs (- expected, + printed):\n      a\n    - b\n    + c\n\n  \
            the end of the output of story.md:2:\n    | cause";
        assert_eq!(report, expected);
    }

    #[test]
    fn retry_runs_again_until_it_matches_and_not_for_ever() {
        let counting = "echo x >>n; wc -l <n";
        assert_eq!(play_text(&format!("```console\n$ {counting}  # retry 60s\n3\n```")), Ok(()));
        let report = play_text("```console\n$ echo b  # retry 150ms\na\n```").unwrap_err();
        assert!(report.contains("tried for 0.15 s"), "{report}");
    }

    #[test]
    fn a_background_command_that_never_gets_ready_fails() {
        let report = play_text("```console,background\n$ echo no  # retry 100ms\nyes\n```");
        assert!(report.unwrap_err().contains("- yes"));
    }
}
