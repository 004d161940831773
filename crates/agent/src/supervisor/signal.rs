//! Signals by name, as people declare them (`SIGTERM`, `TERM`) and as exits are reported.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A signal number, written as its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(i32);

/// A signal name that Linux does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown signal {0:?}: use a name such as SIGTERM, SIGINT or SIGQUIT")]
pub struct UnknownSignal(String);

type Named = (&'static str, rustix::process::Signal);

const NAMES: &[Named] = {
    use rustix::process::Signal as S;
    &[
        ("SIGHUP", S::HUP),
        ("SIGINT", S::INT),
        ("SIGQUIT", S::QUIT),
        ("SIGILL", S::ILL),
        ("SIGTRAP", S::TRAP),
        ("SIGABRT", S::ABORT),
        ("SIGBUS", S::BUS),
        ("SIGFPE", S::FPE),
        ("SIGKILL", S::KILL),
        ("SIGUSR1", S::USR1),
        ("SIGSEGV", S::SEGV),
        ("SIGUSR2", S::USR2),
        ("SIGPIPE", S::PIPE),
        ("SIGALRM", S::ALARM),
        ("SIGTERM", S::TERM),
        ("SIGSTKFLT", S::STKFLT),
        ("SIGCHLD", S::CHILD),
        ("SIGCONT", S::CONT),
        ("SIGSTOP", S::STOP),
        ("SIGTSTP", S::TSTP),
        ("SIGTTIN", S::TTIN),
        ("SIGTTOU", S::TTOU),
        ("SIGURG", S::URG),
        ("SIGXCPU", S::XCPU),
        ("SIGXFSZ", S::XFSZ),
        ("SIGVTALRM", S::VTALARM),
        ("SIGPROF", S::PROF),
        ("SIGWINCH", S::WINCH),
        ("SIGIO", S::IO),
        ("SIGPWR", S::POWER),
        ("SIGSYS", S::SYS),
    ]
};

impl Signal {
    /// Ask a process to end.
    pub const TERM: Self = Self(rustix::process::Signal::TERM.as_raw());
    /// End a process without asking.
    pub const KILL: Self = Self(rustix::process::Signal::KILL.as_raw());

    /// The signal with this number, which may be one without a name (a real-time signal).
    pub fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// The signal's number.
    pub fn as_raw(self) -> i32 {
        self.0
    }

    /// The signal as it can be sent; real-time signals cannot.
    pub(super) fn sendable(self) -> Option<rustix::process::Signal> {
        rustix::process::Signal::from_named_raw(self.0)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, signal)| signal.as_raw() == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "SIG{}", self.0),
        }
    }
}

impl FromStr for Signal {
    type Err = UnknownSignal;

    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some((_, signal)) = NAMES.iter().find(|(name, _)| &name[3..] == bare) {
            return Ok(Self(signal.as_raw()));
        }
        match bare.parse() {
            Ok(number @ 1..=64) => Ok(Self(number)),
            _ => Err(UnknownSignal(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Signal {
    type Error = UnknownSignal;

    fn try_from(text: String) -> Result<Self, UnknownSignal> {
        text.parse()
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> Self {
        signal.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_being_written_and_read() {
        for number in 1..=64 {
            let signal = Signal::from_raw(number);
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn short_and_lower_case_names_are_understood() {
        assert_eq!("term".parse(), Ok(Signal::TERM));
        assert_eq!("SIGKILL".parse(), Ok(Signal::KILL));
        assert!("SIGNOPE".parse::<Signal>().is_err());
        assert!("65".parse::<Signal>().is_err());
    }
}
