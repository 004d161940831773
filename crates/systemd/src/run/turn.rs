//! Whose turn it is with a unit.
//!
//! The one idea: systemd remembers of a unit its last run alone. So who starts one keeps the turn until
//! the end of it has been seen, and writes that down; whoever comes meanwhile joins that run, and reads
//! there how it ended. Timers take no turn, so that a run of theirs may begin too soon all the same.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::PathBuf;

use super::Outcome;

/// A longer file of ends loses the older half of its lines.
const BYTES_MAX: usize = 64 << 10;

/// The turns with one unit.
#[derive(Debug)]
pub(super) struct Turns(PathBuf);

/// Kept as long as it lives.
#[derive(Debug)]
pub(super) struct Turn(File);

impl Turns {
    /// None where there is no folder for them: then everybody goes at once, and of runs that follow
    /// each other quickly the end may stay unknown.
    pub(super) fn of(unit: &str) -> Option<Self> {
        let session = PathBuf::from(env::var_os("XDG_RUNTIME_DIR")?);
        // That one comes with the login, and is not Tessera's to make.
        session.is_dir().then_some(())?;
        let folder = session.join("tessera/run-now");
        fs::create_dir_all(&folder).ok()?;
        Some(Self(folder.join(unit)))
    }

    /// Takes the turn, unless another has it.
    pub(super) fn take(&self) -> io::Result<Option<Turn>> {
        let file = File::options().create(true).append(true).open(&self.0)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Turn(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// How a run ended, if that is written down.
    pub(super) fn told(&self, invocation: &str) -> Option<Outcome> {
        let text = fs::read_to_string(&self.0).ok()?;
        // It is asked often, and most lines are of others.
        let lines = text.lines().rev().filter(|line| line.contains(invocation));
        let mut ends = lines.filter_map(|line| serde_json::from_str::<Outcome>(line).ok());
        ends.find(|it| it.invocation_id.as_deref() == Some(invocation))
    }

    /// Writes down how a run ended. Where that fails, whoever joined it looks himself.
    pub(super) fn tell(&self, turn: &Turn, outcome: &Outcome) {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let line = serde_json::to_string(outcome).expect("an outcome can be JSON") + "\n";
        let kept = match text.len() + line.len() > BYTES_MAX && turn.0.set_len(0).is_ok() {
            true => newer_half(&text),
            false => "",
        };
        let _as_far_as_it_goes = (&turn.0).write_all(format!("{kept}{line}").as_bytes());
    }
}

/// Whole lines of it.
fn newer_half(text: &str) -> &str {
    let lines = text.lines().count();
    let older: usize = text.split_inclusive('\n').take(lines / 2).map(str::len).sum();
    &text[older..]
}

#[cfg(test)]
mod tests {
    use super::super::End;
    use super::*;

    fn outcome(invocation: &str, end: End) -> Outcome {
        Outcome {
            unit: "circ.service".to_owned(),
            invocation_id: Some(invocation.to_owned()),
            is_joined: false,
            end,
            started_at: Some(7),
            ended_at: None,
        }
    }

    #[test]
    fn one_has_the_turn_and_the_others_read_how_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let turns = Turns(folder.path().join("circ.service"));
        let turn = turns.take().unwrap().unwrap();
        assert!(turns.take().unwrap().is_none());
        let ends = [End::Exited(7), End::Success, End::Broken("it \"is\"\nbroken".to_owned())];
        for (number, end) in ends.iter().enumerate() {
            turns.tell(&turn, &outcome(&number.to_string(), end.clone()));
        }
        for (number, end) in ends.into_iter().enumerate() {
            let number = number.to_string();
            assert_eq!(turns.told(&number), Some(outcome(&number, end)));
        }
        assert_eq!(turns.told("another"), None);
        drop(turn);
        assert!(turns.take().unwrap().is_some());
    }

    #[test]
    fn of_very_many_ends_the_last_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let turns = Turns(folder.path().join("circ.service"));
        let turn = turns.take().unwrap().unwrap();
        for number in 0..1000 {
            turns.tell(&turn, &outcome(&number.to_string(), End::Success));
            assert!(turns.told(&number.to_string()).is_some());
        }
        assert!(turns.told("950").is_some() && turns.told("0").is_none());
        assert!(fs::metadata(&turns.0).unwrap().len() <= BYTES_MAX as u64);
    }
}
