//! Gates: what must hold of a part before the next begins.

use tessera_types::catalogue::Gate;
use tessera_types::timed::{Outcome, TimedStatus};
use tessera_types::{Object, SessionPart};

/// How the gate of a part stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next part may begin.
    Open,
    /// It is not decided; in words, what is missing.
    Waiting(String),
    /// It stays shut; in words, why.
    Shut(String),
}

/// How the gate of `part` stands.
pub(super) fn verdict(part: &Object<SessionPart>) -> Verdict {
    let name = &part.spec.part;
    let observed = &part.observed;
    let timed = &observed.timed;
    if part.spec.gate == Gate::None {
        return Verdict::Open;
    }
    if let Some(failure) = &timed.failure {
        return Verdict::Shut(format!("{name} failed: {}", failure.message));
    }
    if let Some(outcome @ (Outcome::Cancelled | Outcome::Skipped)) = timed.outcome {
        return Verdict::Shut(format!("{name} was {outcome}"));
    }
    match part.spec.gate {
        Gate::None => Verdict::Open,
        Gate::Completed => match nothing_more_is_done(part) {
            true => Verdict::Open,
            false => Verdict::Waiting(format!("{name} to be completed")),
        },
        Gate::Passed { min_score } => match observed.score {
            Some(score) if score >= min_score => Verdict::Open,
            Some(score) if nothing_more_is_done(part) => {
                Verdict::Shut(format!("{name} has score {score}, and {min_score} is needed"))
            }
            None if nothing_more_is_done(part) => {
                Verdict::Shut(format!("{name} has no score, and {min_score} is needed"))
            }
            Some(_) | None => Verdict::Waiting(format!("{name} to reach a score of {min_score}")),
        },
        Gate::Approval => match &observed.approved_by {
            Some(_) => Verdict::Open,
            None => Verdict::Waiting(format!(
                "somebody's approval of {name} (tesseractl session approve)"
            )),
        },
    }
}

/// Whether nothing more is done in it.
fn nothing_more_is_done(part: &Object<SessionPart>) -> bool {
    matches!(part.status, TimedStatus::TearingDown | TimedStatus::Terminated)
}
