//! How a job stands: what is stored of that, and what may follow.

use serde::{Deserialize, Serialize};
use tessera_types::engine::{JobHead, JobId, JobStatus, JobTransition};
use tessera_types::{Actor, IllegalTransition, State, Timestamp, limits};

use crate::interest::Interest;

/// How a job stands. It is stored whenever its status changes or an event is to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobState {
    pub(crate) head: JobHead,
    /// The hash of its document.
    pub(crate) hash: String,
    /// The job that began it, or that began the one that did, and so on; none for one that was
    /// submitted from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<JobId>,
    /// The secrets that its document names and that were not there when it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lacks: Vec<String>,
    /// Which events may matter to it.
    #[serde(default)]
    pub(crate) interest: Interest,
    /// What tells its submission from others with the same idempotency key.
    pub(crate) fingerprint: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) callback_url: Option<String>,
    /// The number of the first entry of its current attempt.
    pub(crate) first_entry: u64,
    /// The number of its next event.
    pub(crate) next_event: u64,
    pub(crate) history: Vec<JobTransition>,
}

impl JobState {
    /// Its submitter, for the queue. Jobs without one share a turn.
    pub(crate) fn submitter(&self) -> &str {
        self.head.submitter.as_deref().unwrap_or_default()
    }

    /// The id of its current attempt's run: that of no other run of any engine.
    pub(crate) fn run_id(&self) -> String {
        match self.head.attempt {
            1 => self.head.id.to_string(),
            attempt => format!("{}.{attempt}", self.head.id),
        }
    }

    /// Changes the status.
    pub(crate) fn advance(
        &mut self,
        to: JobStatus,
        at: Timestamp,
        by: Actor,
        reason: &str,
    ) -> Result<(), IllegalTransition> {
        let from = self.head.status;
        if !from.may_become(to) {
            return Err(IllegalTransition {
                kind: "job",
                from: from.to_string(),
                to: to.to_string(),
            });
        }
        self.head.status = to;
        match to {
            JobStatus::Submitted => {
                (self.head.started_at, self.head.ended_at) = (None, None);
            }
            JobStatus::Running => self.head.started_at = Some(at),
            JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => {
                self.head.ended_at = Some(at);
            }
        }
        self.note(Some(from), at, by, reason);
        Ok(())
    }

    /// Records a change of the status.
    pub(crate) fn note(&mut self, from: Option<JobStatus>, at: Timestamp, by: Actor, reason: &str) {
        let reason = limits::clip(reason, limits::REASON_BYTES_MAX);
        self.history.push(JobTransition { from, to: self.head.status, at, by, reason });
        let excess = self.history.len().saturating_sub(limits::JOB_HISTORY_MAX);
        self.history.drain(..excess);
    }

    /// As it is stored.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a state has text keys and no floats that are none")
    }
}
