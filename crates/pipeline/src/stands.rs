//! What follows from how a step stands: when its try is given up, which job it leaves, and
//! what it waits for, in words.

use tessera_types::timed::{PipelineProgress, StepProgress, StepState, UnwantedJob};
use tessera_types::{Name, Timestamp, limits};

use crate::decide::{Cancel, Look};

/// What is to be known of how a step stands.
pub(crate) trait Stands {
    /// The job that did it, now that its step is something else.
    fn job_is_over(&self, name: &Name, progress: &PipelineProgress) -> Option<Cancel>;
    fn given_up_at(&self, look: &Look<'_>) -> Option<Timestamp>;
    fn unwanted<'a>(&self, look: &Look<'a>) -> Option<&'a UnwantedJob>;
    fn quoted_message(&self) -> Option<String>;
    fn told_of_job(&self, look: &Look<'_>) -> String;
    fn said_of(&self, name: &Name, attempts_max: u32, look: &Look<'_>) -> String;
}

impl Stands for StepProgress {
    fn job_is_over(&self, name: &Name, progress: &PipelineProgress) -> Option<Cancel> {
        if self.state != StepState::Suspended {
            return None;
        }
        let now = progress.get(name)?;
        Some(Cancel {
            step: name.clone(),
            correlation_id: self.correlation_id.clone()?,
            job_id: self.job_id.clone(),
            scenario: self.scenario.clone().unwrap_or_default(),
            attempt: self.attempt,
            state: now.state,
            message: now.message.clone().unwrap_or_default(),
        })
    }

    /// Its deadline; for a job, not before the engine was asked. It may have one of which only
    /// the answer to its submission was lost.
    fn given_up_at(&self, look: &Look<'_>) -> Option<Timestamp> {
        let deadline = self.deadline?;
        let has_job = self.state == StepState::Suspended;
        Some(if has_job { deadline.max(look.asked_by) } else { deadline })
    }

    /// The job of its last try, if that may still run.
    fn unwanted<'a>(&self, look: &Look<'a>) -> Option<&'a UnwantedJob> {
        let id = self.correlation_id.as_ref()?;
        look.unwanted.iter().find(|job| job.correlation_id == *id)
    }

    /// What went wrong, as waits and the history quote it: of a job it is what others wrote,
    /// of any length. All of it is with the step.
    fn quoted_message(&self) -> Option<String> {
        let message = self.message.as_ref()?;
        Some(match self.correlation_id {
            Some(_) => limits::one_line(message, limits::QUOTE_BYTES_MAX),
            None => message.clone(),
        })
    }

    /// What the engine has told of its job; with the time of that, where it can be old.
    fn told_of_job(&self, look: &Look<'_>) -> String {
        let quoted = |text: &String| limits::one_line(text, limits::QUOTE_BYTES_MAX);
        let waits = self.waiting_for.as_ref().map(quoted);
        let waits = waits.map(|what| format!(", waiting for {what}"));
        let Some(at) = self.told_at.filter(|_| look.is_engine_silent) else {
            return waits.unwrap_or_default();
        };
        let how_far = || self.quoted_message().map(|message| format!(", {message}"));
        let told = waits.or_else(how_far).unwrap_or_default();
        format!("{told} as of {}", at.second_before())
    }

    fn said_of(&self, name: &Name, attempts_max: u32, look: &Look<'_>) -> String {
        let tries = match self.attempt {
            1 => String::new(),
            attempt => format!(", try {attempt} of {attempts_max}"),
        };
        match (self.state, &self.job_id) {
            (StepState::Suspended, Some(job)) => {
                format!("step {name}: job {job}{tries}{}", self.told_of_job(look))
            }
            (StepState::Suspended, None) => {
                format!("step {name}: the engine to take its job{tries}")
            }
            (StepState::BackingOff, _) => {
                let why = self.quoted_message().unwrap_or_else(|| "it failed".to_owned());
                let tried = format!("try {} of {attempts_max}", self.attempt);
                match self.unwanted(look) {
                    Some(job) => format!("step {name}: {job} of {tried} to be cancelled ({why})"),
                    None => format!("step {name}: the pause after {tried} ({why})"),
                }
            }
            _ => format!("step {name}{tries}"),
        }
    }
}
