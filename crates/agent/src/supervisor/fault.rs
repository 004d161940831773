//! Why a run could not be started, in a word that programs can judge.
//!
//! Only the place where a start fails knows whether another one can go better: a program that does
//! not exist will not come into being by itself, while memory is short now and not for ever. So the
//! fault is chosen there and recorded, and nobody has to guess it from the message later.

use std::io;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tessera_types::limits;

/// What was at fault when a run could not be started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartFault {
    /// The program is not there or cannot be executed.
    Program,
    /// The working directory is not there or cannot be entered.
    WorkingDir,
    /// The source of a mount is not there.
    Mount,
    /// The image is not there and cannot be had, or is of no use.
    Image,
    /// The container runtime cannot be reached, or failed at its work.
    Runtime,
    /// It was too late: a stop was asked for, or its window was over.
    TooLate,
    /// The machine, at this moment: short of memory, processes, files or disk, or a supervisor that
    /// did not come up. Also what records from before there were faults say, and any word of a
    /// newer release: to try again is always safe.
    #[default]
    #[serde(other)]
    Machine,
}

impl StartFault {
    /// Whether another start of the same spec cannot go better.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        match self {
            Self::Program | Self::WorkingDir | Self::Mount | Self::Image => true,
            Self::Runtime | Self::TooLate | Self::Machine => false,
        }
    }
}

/// Why a run could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StartFailure {
    pub(super) fault: StartFault,
    /// What was wrong, for the person who declared it.
    pub(super) message: String,
}

impl StartFailure {
    /// The message is cut where it is longer than a reason may be.
    pub(super) fn new(fault: StartFault, message: impl AsRef<str>) -> Self {
        Self { fault, message: limits::clip(message.as_ref(), limits::REASON_BYTES_MAX) }
    }

    /// The machine's fault.
    pub(super) fn machine(message: impl AsRef<str>) -> Self {
        Self::new(StartFault::Machine, message)
    }
}

/// Whether an error is about the file that was named, rather than about the machine at this moment.
///
/// The list names what stays as it is until somebody changes the file, the spec or the permissions.
/// Whatever is not in it may pass, such as EAGAIN, ENOMEM, EMFILE, ENOSPC or ETXTBSY.
pub(super) fn is_about_the_file(error: &io::Error) -> bool {
    let Some(errno) = Errno::from_io_error(error) else {
        // A name or argument that the system cannot even be asked for, as it has a zero byte in it.
        return error.kind() == io::ErrorKind::InvalidInput;
    };
    matches!(
        errno,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::ACCESS
            | Errno::PERM
            | Errno::NOEXEC
            | Errno::LIBBAD
            | Errno::INVAL
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::TOOBIG
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        for errno in [Errno::NOENT, Errno::ACCESS, Errno::NOEXEC, Errno::NOTDIR, Errno::TOOBIG] {
            assert!(is_about_the_file(&errno.into()), "{errno:?}");
        }
        for errno in [
            Errno::AGAIN,
            Errno::NOMEM,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOSPC,
            Errno::IO,
            Errno::TXTBSY,
            Errno::STALE,
        ] {
            assert!(!is_about_the_file(&errno.into()), "{errno:?}");
        }
    }

    #[test]
    fn a_word_of_a_newer_release_is_not_taken_for_permanent() {
        let fault: StartFault = serde_json::from_str("\"cosmic_rays\"").unwrap();
        assert_eq!(fault, StartFault::Machine);
        assert!(!fault.is_permanent());
    }

    #[test]
    fn a_long_message_is_cut_on_a_character() {
        let failure = StartFailure::machine("ü".repeat(limits::REASON_BYTES_MAX));
        assert!(failure.message.len() <= limits::REASON_BYTES_MAX);
        assert!(failure.message.ends_with('…'));
    }
}
