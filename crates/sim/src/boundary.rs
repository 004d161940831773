//! The places of a run at which something can go wrong, each with its number.
//!
//! The one idea: a run of a script without faults says how many there are; then the script is
//! run once for each of them, with that one thing going wrong, and must end as before.

use std::fmt;

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It never arrives.
    Lost,
    /// It arrives a second time, after others.
    Doubled,
    /// It arrives after others that were sent later.
    Late,
}

/// The one thing that goes wrong. Numbers begin at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The control plane dies right after this commit, before anybody hears of it.
    Commit(u64),
    /// The agent of a machine dies right after this action of its.
    Action {
        /// Which machine, from 0.
        machine: usize,
        /// Which action.
        number: u64,
    },
    /// The supervisor of a run on a machine dies, right after it was launched, has started its
    /// program, or was told to stop it: this is which of these it is on that machine.
    Run {
        /// Which machine, from 0.
        machine: usize,
        /// Which of these.
        number: u64,
    },
    /// The engine dies right after this step of a job, or after it has taken one.
    Engine(u64),
    /// This happens to one message, whoever sends it.
    Message(u64, Harm),
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(number) => write!(f, "commit:{number}"),
            Self::Action { machine, number } => write!(f, "action:{machine}:{number}"),
            Self::Run { machine, number } => write!(f, "run:{machine}:{number}"),
            Self::Engine(number) => write!(f, "engine:{number}"),
            Self::Message(number, Harm::Lost) => write!(f, "lost:{number}"),
            Self::Message(number, Harm::Doubled) => write!(f, "doubled:{number}"),
            Self::Message(number, Harm::Late) => write!(f, "late:{number}"),
        }
    }
}

impl std::str::FromStr for Boundary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' is no boundary: commit:7, action:0:7, run:0:7, engine:7, lost:7, doubled:7 or late:7"
            )
        };
        let (what, rest) = text.split_once(':').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        Ok(match what {
            "commit" => Self::Commit(number(rest)?),
            "engine" => Self::Engine(number(rest)?),
            "lost" => Self::Message(number(rest)?, Harm::Lost),
            "doubled" => Self::Message(number(rest)?, Harm::Doubled),
            "late" => Self::Message(number(rest)?, Harm::Late),
            "action" | "run" => {
                let (machine, rest) = rest.split_once(':').ok_or_else(wrong)?;
                let machine = machine.parse().map_err(|_| wrong())?;
                let number = number(rest)?;
                match what {
                    "run" => Self::Run { machine, number },
                    _ => Self::Action { machine, number },
                }
            }
            _ => return Err(wrong()),
        })
    }
}

/// How many places there were at which something could have gone wrong, until there was peace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commits.
    pub commits: u64,
    /// Actions, of each agent.
    pub actions: Vec<u64>,
    /// How often a run was launched, has started or was told to stop, on each machine.
    pub runs: Vec<u64>,
    /// Steps of the engine.
    pub engine: u64,
    /// Messages, of everybody.
    pub messages: u64,
}

impl Counts {
    /// Every one of them.
    #[must_use]
    pub fn boundaries(&self) -> Vec<Boundary> {
        let actions = self.actions.iter().enumerate().flat_map(|(machine, count)| {
            (1..=*count).map(move |number| Boundary::Action { machine, number })
        });
        let runs = self.runs.iter().enumerate().flat_map(|(machine, count)| {
            (1..=*count).map(move |number| Boundary::Run { machine, number })
        });
        let of_messages = |harm| (1..=self.messages).map(move |n| Boundary::Message(n, harm));
        (1..=self.commits)
            .map(Boundary::Commit)
            .chain(actions)
            .chain(runs)
            .chain((1..=self.engine).map(Boundary::Engine))
            .chain(of_messages(Harm::Lost))
            .chain(of_messages(Harm::Doubled))
            .chain(of_messages(Harm::Late))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_read_as_it_is_written() {
        let counts =
            Counts { commits: 2, actions: vec![1, 2], runs: vec![3, 1], engine: 1, messages: 2 };
        let all = counts.boundaries();
        assert_eq!(all.len(), 2 + 3 + 4 + 1 + 3 * 2);
        for boundary in all {
            assert_eq!(boundary.to_string().parse(), Ok(boundary));
        }
        for wrong in ["", "commit", "commit:x", "action:1", "run:1", "other:1"] {
            assert!(wrong.parse::<Boundary>().is_err(), "{wrong}");
        }
    }
}
