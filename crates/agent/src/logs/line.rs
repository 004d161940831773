//! One line of a log, as it is written to the file and read from it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// The workload's standard output.
    Stdout,
    /// The workload's standard error.
    Stderr,
    /// Tessera itself, about the log: that lines were lost.
    Notice,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Notice => "notice",
        }
    }
}

impl FromStr for Stream {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Stdout, Self::Stderr, Self::Notice]
            .into_iter()
            .find(|stream| stream.name() == name)
            .ok_or(())
    }
}

/// One line, or a piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was read from the workload, to the microsecond.
    pub at: Timestamp,
    /// Where it comes from.
    pub stream: Stream,
    /// The line continues in the next `LogLine` of the same stream.
    #[serde(default)]
    pub partial: bool,
    /// The text without its newline.
    pub text: String,
}

impl LogLine {
    /// Reads a line of a log file, without its newline. Answers `None` for what a crash in
    /// mid-write left behind.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(4, ' ');
        let at = fields.next()?.parse().ok()?;
        let stream = fields.next()?.parse().ok()?;
        let partial = match fields.next()? {
            "F" => false,
            "P" => true,
            _ => return None,
        };
        Some(Self { at, stream, partial, text: fields.next()?.to_owned() })
    }
}

/// The line as it stands in the file, without its newline.
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = if self.partial { 'P' } else { 'F' };
        write!(f, "{:.6} {} {tag} {}", self.at, self.stream.name(), self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_format_is_the_documented_one() {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let line = LogLine { at, stream: Stream::Stdout, partial: false, text: "text".into() };
        assert_eq!(line.to_string(), "2026-01-01T00:00:00.000000Z stdout F text");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            text in "[^\n]*",
            micros in 0..4_000_000_000_000_000_i64,
            partial: bool,
        ) {
            let at = Timestamp::from_microsecond(micros).unwrap();
            let line = LogLine { at, stream: Stream::Stderr, partial, text };
            prop_assert_eq!(LogLine::parse(&line.to_string()), Some(line));
        }

        #[test]
        fn rubbish_is_no_line(text in "[a-z ]*") {
            prop_assert_eq!(LogLine::parse(&text), None);
        }
    }
}
