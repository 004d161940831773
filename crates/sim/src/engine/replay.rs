//! Whether a run that is replayed is the run that was lost.
//!
//! The one idea: a witness who does not die. With each commit it notes what the run says of itself,
//! what it waits for and what it has asked for. A replay must come to the same, and a machine that
//! is given the journal moment by moment must ask for the same again, in the same order.

use std::collections::BTreeMap;
use std::fmt::Debug;

use tessera_workflow::machine::{Command, Entry, StepId};

use super::Job;
use super::outside::shown;
use super::run::{Run, Says, machine};

/// What was seen of a run at its last commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness {
    says: Option<Says>,
    waits_for: BTreeMap<StepId, String>,
    /// What each moment asked for, and the entries of the journal by then.
    asked: Vec<(usize, Vec<String>)>,
}

fn told(command: &Command) -> String {
    match command {
        Command::Do(effect) => format!("{} {}", effect.idempotency_key, shown(effect)),
        Command::Cancel(step) => format!("cancel {}", step.0),
    }
}

impl Witness {
    /// What is to be seen of a run whose journal has so many entries.
    pub(super) fn sees(&mut self, run: &Run, commands: &[Command], entries: usize) {
        self.says = Some(run.says());
        self.waits_for = run.waits_for(commands);
        self.asked.push((entries, commands.iter().map(told).collect()));
    }

    /// Whether a run of this job that was replayed, and wants this, is the one that was seen.
    pub(super) fn knows(job: &Job, run: &Run, commands: &[Command]) -> Result<(), String> {
        let (seen, says, waits_for) = (&job.witness, Some(run.says()), run.waits_for(commands));
        if seen.says != says {
            return Err(other(job, "says", &says, &seen.says));
        }
        if seen.waits_for != waits_for {
            return Err(other(job, "waits for", &waits_for, &seen.waits_for));
        }
        asks_the_same(job)
    }
}

fn other<T: Debug>(job: &Job, does: &str, now: &T, before: &T) -> String {
    let (of, step) = (&job.of.key, &job.of.step);
    format!("the job of {step} of {of}, replayed, {does} {now:?}, and before it was {before:?}")
}

fn asks_the_same(job: &Job) -> Result<(), String> {
    let mut machine = machine(job, job.stored.started_at);
    let mut read = 0;
    for (entries, asked) in &job.witness.asked {
        for text in &job.stored.journal[read..*entries] {
            let entry: Entry = serde_json::from_str(text).map_err(|error| error.to_string())?;
            machine.apply(&entry);
        }
        read = *entries;
        let again: Vec<String> = machine.take_effects().iter().map(told).collect();
        if again != *asked {
            return Err(other(job, "asks for", &again, asked));
        }
    }
    Ok(())
}
