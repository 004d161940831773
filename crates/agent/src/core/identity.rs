//! What a copy and a run are called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tessera_types::{Epoch, Uid};

/// One placement of one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CopyId {
    /// The workload.
    pub id: Uid,
    /// The placement.
    pub epoch: Epoch,
}

impl fmt::Display for CopyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.id, self.epoch)
    }
}

impl FromStr for CopyId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let parse = || {
            let (id, epoch) = text.split_once('-')?;
            Some(Self { id: id.parse().ok()?, epoch: Epoch(epoch.parse().ok()?) })
        };
        parse().ok_or_else(|| NotAnId(text.to_owned()))
    }
}

/// One start of one copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// The copy.
    pub copy: CopyId,
    /// Counts the starts of the copy, from 1.
    pub attempt: u32,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.copy, self.attempt)
    }
}

impl FromStr for RunId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let parse = || {
            let (copy, attempt) = text.rsplit_once('-')?;
            Some(Self { copy: copy.parse().ok()?, attempt: attempt.parse().ok()? })
        };
        parse().ok_or_else(|| NotAnId(text.to_owned()))
    }
}

/// A text that names no copy or run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not name a run: it is <workload id>-<epoch>-<attempt>")]
pub struct NotAnId(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_reads_back_what_it_writes() {
        let copy = CopyId { id: Uid(0xabc), epoch: Epoch(7) };
        let run = RunId { copy, attempt: 3 };
        assert_eq!(run.to_string(), "0000000000000abc-7-3");
        assert_eq!(run.to_string().parse(), Ok(run));
        assert_eq!(copy.to_string().parse(), Ok(copy));
        for bad in ["", "web", "0000000000000abc-7", "0000000000000abc-x-1", "abc-7-1"] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }
}
