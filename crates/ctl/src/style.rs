//! Colours and terminals. A stream is coloured and its width respected only
//! where a person looks at it; what is piped is plain and whole.

use std::io::IsTerminal;

use rustix::fd::AsFd;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a piece of text means, which is what its colour says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    #[default]
    Plain,
    /// It is as it should be.
    Good,
    /// It is on its way.
    Busy,
    /// It is wrong.
    Bad,
    /// It is of less interest.
    Quiet,
    /// It names or heads something.
    Strong,
}

/// Whether a stream is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    coloured: bool,
}

impl Style {
    /// No colours.
    pub const PLAIN: Self = Self { coloured: false };

    /// The style of a stream.
    #[must_use]
    pub fn of(when: When, stream: &impl IsTerminal) -> Self {
        let coloured = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => stream.is_terminal() && environment_allows(),
        };
        Self { coloured }
    }

    pub(crate) fn is_coloured(self) -> bool {
        self.coloured
    }

    /// `text` in the colour of its tone.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Busy => "33",
            Tone::Bad => "31",
            Tone::Quiet => "2",
            Tone::Strong => "1",
        };
        if self.coloured && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// `NO_COLOR` counts when it is set and not empty (<https://no-color.org>).
fn environment_allows() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The columns and rows of a terminal; none when the stream is not one.
pub(crate) fn terminal_size(stream: &impl AsFd) -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0 && size.ws_row > 0)
        .then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// The tone of a status, whatever the kind.
pub(crate) fn tone_of_status(status: &str) -> Tone {
    match status {
        "Running" | "Ready" | "Completed" | "Active" | "Succeeded" | "Complete" | "Available" => {
            Tone::Good
        }
        "Failed" | "Faulted" | "Lost" | "Offline" => Tone::Bad,
        "Stopped" | "Cordoned" | "Drained" | "Deleted" | "Inactive" | "Terminated"
        | "Cancelled" | "Skipped" => Tone::Quiet,
        _ => Tone::Busy,
    }
}

/// Text from elsewhere with what could drive a terminal replaced.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// What the control plane says, for people: printable, and times of day in it to the
/// second. A manifest or a command needs none of this text, so nothing is lost.
pub(crate) fn told(text: &str) -> String {
    let text = printable(text);
    let mut short = String::with_capacity(text.len());
    for piece in text.split_inclusive('.') {
        let follows_a_time = ends_in_time(short.strip_suffix('.').unwrap_or_default());
        let digits = piece.chars().take_while(char::is_ascii_digit).count();
        if follows_a_time && digits > 0 {
            short.pop();
            short.push_str(&piece[digits..]);
        } else {
            short.push_str(piece);
        }
    }
    short
}

/// Whether `text` ends in a time of day, such as `08:30:05`.
fn ends_in_time(text: &str) -> bool {
    let is_time = |bytes: &[u8]| {
        bytes.iter().enumerate().all(|(i, byte)| match i {
            2 | 5 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
    };
    let bytes = text.as_bytes();
    bytes.len().checked_sub(8).is_some_and(|start| is_time(&bytes[start..]))
}

/// `text` in at most `width` columns; a cut is marked.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { kept } else { format!("{}…", kept.trim_end()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_told_are_to_the_second() {
        for (text, expected) in [
            ("its start at 2026-11-21T09:54:54.736999Z", "its start at 2026-11-21T09:54:54Z"),
            ("10:43:19.088248 to 10:55:19.5, needs 1", "10:43:19 to 10:55:19, needs 1"),
            ("at 08:30:05. Then", "at 08:30:05. Then"),
            ("at 08:30:05.", "at 08:30:05."),
            ("exam 1.0.0 at 127.0.0.1:7070, 0.5", "exam 1.0.0 at 127.0.0.1:7070, 0.5"),
            ("", ""),
        ] {
            assert_eq!(told(text), expected);
        }
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let stream = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Style::of(When::Auto, &stream).paint(Tone::Bad, "x"), "x");
        assert_eq!(Style::of(When::Never, &stream).paint(Tone::Bad, "x"), "x");
        assert_eq!(Style::of(When::Always, &stream).paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
    }

    #[test]
    fn what_is_cut_says_so_and_fits() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("ab cd", 4), "ab…");
        assert_eq!(fit("äöü", 2), "ä…");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn escape_sequences_are_defused() {
        assert_eq!(printable("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb c");
    }
}
