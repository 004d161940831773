//! The journal, which has what units write.
//!
//! The one idea: the program is the interface, as it is for the manager. What `journalctl` is asked with and what
//! its answer means is known here; who runs it, and for how long, is the caller's affair.
//!
//! It is never asked with `--user`: a user of the system's own has no journal apart, and every other finds the
//! entries of its manager without, too. Whose they are is told by fields that the journal itself writes.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use serde::Deserialize;

/// Where systemd hands over what units write.
const SOCKET: &str = "/run/systemd/journal/stdout";
/// The least of the priorities that mean that something went wrong; lower is worse.
const ERROR: u8 = 3;
/// Of a unit no more entries are read than this, unless from a time on: whoever asks for all of a journal that is
/// years old wants its end.
pub const ENTRIES_MAX: u32 = 100_000;

/// Why there is no output to be seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOutput {
    /// Nobody keeps it.
    #[error("no journal is kept on this machine, so what units write is lost")]
    NoJournal,
    /// The unit has it written to another place; `StandardOutput=` of it.
    #[error("what the run writes goes where its unit says (StandardOutput={0})")]
    Elsewhere(String),
    /// It is not for this user, or otherwise not to be had.
    #[error("the journal cannot be read: {0}")]
    Unreadable(String),
}

/// Which entries of a unit to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// Only the last so many.
    pub tail: Option<u32>,
    /// Only those at or after this time.
    pub since: Option<Timestamp>,
    /// Go on as they are written.
    pub follow: bool,
}

/// What was written at once, by a program or about its run: usually one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When the journal took it in.
    pub at: Timestamp,
    /// It is marked as an error. Which of the two outputs of a program it came by is not known.
    pub is_error: bool,
    /// The text, without the line feed at its end.
    pub text: String,
}

/// `journalctl`, to be started by the caller, for what all runs of a unit of this user wrote. It says an entry a
/// line, for [`entry`].
///
/// With a tail, entries before `since` may be among them.
///
/// # Errors
/// There is no journal.
pub fn of_unit(unit: &str, excerpt: Excerpt) -> Result<Command, NoOutput> {
    let mut command = command()?;
    command.args(words(unit, rustix::process::geteuid().as_raw(), excerpt));
    Ok(command)
}

/// `journalctl`, for what one run wrote, from its beginning or its last lines, and for lines that were sent under
/// the run's name as [`ending`] says.
pub(crate) fn of_run(invocation_id: &str, lines: &str) -> Result<Command, NoOutput> {
    let mut command = command()?;
    command.args(["--output=cat", "--follow"]).arg(format!("--lines={lines}"));
    command.arg(format!("_SYSTEMD_INVOCATION_ID={invocation_id}")).arg("+");
    command.arg(format!("TESSERA_INVOCATION_ID={invocation_id}"));
    Ok(command)
}

/// `journalctl`, for what the service manager wrote about one run: an object a line.
pub(crate) fn about_run(invocation_id: &str) -> Result<Command, NoOutput> {
    let mut command = command()?;
    command.arg("--output=json").arg(format!("USER_INVOCATION_ID={invocation_id}"));
    Ok(command)
}

/// An entry in the form in which anybody may write one, which belongs to a run.
pub(crate) fn ending(invocation_id: &str, text: &str) -> String {
    format!(
        "MESSAGE={text}\nTESSERA_INVOCATION_ID={invocation_id}\nPRIORITY=7\n\
         SYSLOG_IDENTIFIER=tessera\n"
    )
}

/// What `journalctl` that has ended gives as its reason.
#[must_use]
pub fn complaint(said: &[u8]) -> NoOutput {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().find(|line| !line.trim().is_empty());
    NoOutput::Unreadable(line.unwrap_or("journalctl has ended").trim().to_owned())
}

/// Reads an entry that `journalctl` said; none where it has no text.
#[must_use]
pub fn entry(said: &[u8]) -> Option<Entry> {
    let said: Said = serde_json::from_slice(said).ok()?;
    let text = match said.message {
        Message::Text(text) => text,
        Message::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Message::None(_) => return None,
    };
    let priority = said.priority.as_str().and_then(|priority| priority.parse::<u8>().ok());
    Some(Entry {
        at: Timestamp::from_microsecond(said.at.parse().ok()?).ok()?,
        is_error: priority.is_some_and(|priority| priority <= ERROR),
        text: text.strip_suffix('\n').unwrap_or(&text).to_owned(),
    })
}

/// An entry in the words of `journalctl`: all are text.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at: String,
    #[serde(rename = "MESSAGE", default)]
    message: Message,
    #[serde(rename = "PRIORITY", default)]
    priority: serde_json::Value,
}

/// Text with other than printable characters is said as its bytes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    None(serde::de::IgnoredAny),
}

impl Default for Message {
    fn default() -> Self {
        Self::None(serde::de::IgnoredAny)
    }
}

/// What `journalctl` is asked with for a unit of the manager of the user `owner`.
fn words(unit: &str, owner: u32, excerpt: Excerpt) -> Vec<String> {
    let mut words = vec!["--output=json".to_owned(), "--output-fields=MESSAGE,PRIORITY".to_owned()];
    match (excerpt.tail, excerpt.since) {
        // Where a number is given as well, it is that of the first entries from then on.
        (None, Some(since)) => {
            let (seconds, micros) = (since.as_second(), since.subsec_microsecond());
            words.extend([format!("--since=@{seconds}.{micros:06}"), "--lines=all".to_owned()]);
        }
        (tail, _) => {
            let lines = tail.unwrap_or(ENTRIES_MAX).min(ENTRIES_MAX);
            words.push(format!("--lines={lines}"));
        }
    }
    words.extend(excerpt.follow.then(|| "--follow".to_owned()));
    words.push(format!("_SYSTEMD_USER_UNIT={unit}"));
    words.push(format!("_SYSTEMD_OWNER_UID={owner}"));
    words
}

fn command() -> Result<Command, NoOutput> {
    if !Path::new(SOCKET).exists() {
        return Err(NoOutput::NoJournal);
    }
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--all"]);
    // Ctrl-C is for who asks, who may have something left to read.
    command.env("LC_ALL", "C").process_group(0).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(excerpt: Excerpt) -> String {
        words("circ.service", 1000, excerpt).join(" ")
    }

    #[test]
    fn a_unit_is_one_of_the_manager_of_the_user() {
        let all = "--output=json --output-fields=MESSAGE,PRIORITY --lines=100000 \
                   _SYSTEMD_USER_UNIT=circ.service _SYSTEMD_OWNER_UID=1000";
        assert_eq!(told(Excerpt::default()), all);
        let follow = told(Excerpt { follow: true, ..Excerpt::default() });
        assert_eq!(follow, all.replace(" _SYSTEMD_USER", " --follow _SYSTEMD_USER"));
    }

    #[test]
    fn a_tail_is_bounded_and_goes_before_a_time() {
        let since = Some(Timestamp::from_microsecond(1_795_311_102_000_042).unwrap());
        let lines = |tail, since| {
            let told = told(Excerpt { tail, since, follow: false });
            let words = told.split(' ').filter(|it| it.contains("lines") || it.contains("since"));
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(lines(Some(5), None), "--lines=5");
        assert_eq!(lines(Some(0), None), "--lines=0");
        assert_eq!(lines(Some(u32::MAX), None), "--lines=100000");
        assert_eq!(lines(None, since), "--since=@1795311102.000042 --lines=all");
        assert_eq!(lines(Some(5), since), "--lines=5");
    }

    fn read(message: &str, priority: &str) -> Option<Entry> {
        let said = format!(
            r#"{{"__CURSOR":"s=4f","MESSAGE":{message},"PRIORITY":{priority},"__REALTIME_TIMESTAMP":"1795311102148868"}}"#
        );
        entry(said.as_bytes())
    }

    #[test]
    fn an_entry_is_read_in_each_of_its_forms() {
        let at = "2026-11-22T01:31:42.148868Z".parse().unwrap();
        let plain = Entry { at, is_error: false, text: "line 1".to_owned() };
        assert_eq!(read(r#""line 1""#, r#""6""#), Some(plain.clone()));
        assert_eq!(read(r#""line 1\n""#, "null"), Some(plain.clone()));
        assert_eq!(read(r#""line 1""#, r#"["6","3"]"#), Some(plain));
        assert!(read(r#""no""#, r#""3""#).unwrap().is_error);
        assert_eq!(read("[255,32,27,91,109]", r#""6""#).unwrap().text, "\u{fffd} \u{1b}[m");
        assert_eq!(read("null", r#""6""#), None);
        assert_eq!(read(r#"["one","two"]"#, r#""6""#), None);
        assert_eq!(entry(br#"{"__REALTIME_TIMESTAMP":"1"}"#), None);
        assert_eq!(entry(br#"{"MESSAGE":"when","__REALTIME_TIMESTAMP":"soon"}"#), None);
    }

    proptest! {
        #[test]
        fn rubbish_is_no_entry(said in any::<Vec<u8>>()) {
            prop_assert_eq!(entry(&said), None);
        }

        #[test]
        fn what_was_written_is_what_is_read(text in any::<String>()) {
            let message = serde_json::to_string(&text).unwrap();
            let bytes = serde_json::to_string(text.as_bytes()).unwrap();
            let expected = text.strip_suffix('\n').unwrap_or(&text);
            for message in [message, bytes] {
                prop_assert_eq!(&read(&message, r#""6""#).unwrap().text, expected);
            }
        }
    }

    #[test]
    fn the_reason_is_the_first_line_that_says_something() {
        let said = b"\nNo journal files were opened due to insufficient permissions.\nmore\n";
        let told = complaint(said).to_string();
        assert_eq!(
            told,
            "the journal cannot be read: No journal files were opened due to insufficient permissions."
        );
        assert_eq!(complaint(b"").to_string(), "the journal cannot be read: journalctl has ended");
    }
}
