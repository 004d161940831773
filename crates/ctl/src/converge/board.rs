//! What is waited for, and how far each of it is.

use std::collections::BTreeMap;
use std::time::Duration;

use tessera_types::with_object;
use tessera_types::workload::{Exit, WorkloadStatus};
use tessera_types::{Resource, ResourceKey};

use super::Clock;
use super::verdict::{Goal, Verdict, judge};
use crate::failure::Failure;
use crate::follow::Change;
use crate::moment::{self, brief, elapsed};
use crate::show::change::{self, Event};
use crate::show::tree::timed;
use crate::show::workload::last_exit;

/// The last lines of output that a failure repeats.
const LINES_MAX: usize = 5;

/// One resource with its goal.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// What it should come to.
    pub goal: Goal,
    /// As it is known; none when it is not there.
    pub latest: Option<Resource>,
    /// Whether it is there.
    pub verdict: Verdict,
}

/// All that is waited for.
#[derive(Clone, Debug)]
pub struct Board {
    tracked: BTreeMap<ResourceKey, Tracked>,
    /// What was deleted and had not been torn down as it should.
    left_behind: Vec<(ResourceKey, Vec<String>)>,
    what: &'static str,
    clock: Clock,
}

impl Board {
    /// A board of goals. `what` says what reaching one is called, such as
    /// `converged`; `known` is how the resources are now.
    #[must_use]
    pub fn new(
        what: &'static str,
        goals: impl IntoIterator<Item = (ResourceKey, Goal)>,
        known: &BTreeMap<ResourceKey, Resource>,
    ) -> Self {
        let track = |(key, goal): (ResourceKey, Goal)| {
            let latest = known.get(&key).cloned();
            let verdict = judge(&goal, latest.as_ref());
            (key, Tracked { goal, latest, verdict })
        };
        let tracked = goals.into_iter().map(track).collect();
        Self { tracked, left_behind: Vec::new(), what, clock: Clock::start() }
    }

    /// Takes a change into account and says what it was, a line for each thing that
    /// happened; nothing when it is of another resource.
    pub(crate) fn observe(&mut self, change: Change) -> Vec<(ResourceKey, Event)> {
        let (key, latest, events) = match change {
            Change::Changed { before, after } => {
                (after.key(), Some(after.clone()), change::events(before.as_ref(), &after))
            }
            Change::Deleted { before, .. } => (before.key(), None, vec![change::deletion(&before)]),
            Change::Notice(_) => return Vec::new(),
        };
        let Some(tracked) = self.tracked.get_mut(&key) else { return Vec::new() };
        if let (None, Some(before)) = (&latest, &tracked.latest)
            && let Some(timed) = timed(before).filter(|timed| !timed.leftovers.is_empty())
        {
            self.left_behind.push((key.clone(), timed.leftovers.clone()));
        }
        let was_there = tracked.latest.is_some();
        tracked.verdict = match (&tracked.goal, &latest) {
            (Goal::Converged { .. }, None) if was_there => {
                Verdict::Failed("it was deleted meanwhile".to_owned())
            }
            (goal, latest) => judge(goal, latest.as_ref()),
        };
        tracked.latest = latest;
        events.into_iter().map(|event| (key.clone(), event)).collect()
    }

    /// What was deleted although not all of it had been removed, or torn down as it should;
    /// with what that was.
    pub(crate) fn left_behind(&self) -> &[(ResourceKey, Vec<String>)] {
        &self.left_behind
    }

    /// Whether nothing is waited for any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.tracked.values().all(|tracked| tracked.verdict.is_settled())
    }

    /// All that is tracked: first what is on its way, then what failed, then what is there.
    pub fn by_interest(&self) -> Vec<(&ResourceKey, &Tracked)> {
        let mut all: Vec<_> = self.tracked.iter().collect();
        all.sort_by_key(|(_, tracked)| match tracked.verdict {
            Verdict::Waiting(_) => 0,
            Verdict::Failed(_) => 1,
            Verdict::Reached => 2,
        });
        all
    }

    /// One line: `2 of 3 converged, 1 failed, after 1.2s`.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |is: fn(&Verdict) -> bool| {
            self.tracked.values().filter(|tracked| is(&tracked.verdict)).count()
        };
        let reached = count(|verdict| *verdict == Verdict::Reached);
        let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        let all = self.tracked.len();
        format!("{reached} of {all} {}{failed}, after {}", self.what, elapsed(self.clock.elapsed()))
    }

    /// What to say in the end.
    ///
    /// # Errors
    /// [`Failure::Failed`] unless every goal is reached.
    pub fn result(&self, timeout: Duration) -> Result<(), Failure> {
        let missed: Vec<_> = self
            .by_interest()
            .into_iter()
            .filter(|(_, tracked)| tracked.verdict != Verdict::Reached)
            .collect();
        if missed.is_empty() {
            return Ok(());
        }
        let details = missed.iter().flat_map(|(key, tracked)| explain(key, tracked)).collect();
        let (count, all, what) = (missed.len(), self.tracked.len(), self.what);
        let within = tessera_types::Duration::from_millis(timeout.as_millis() as u64);
        let message = if self.is_settled() {
            format!("{count} of {all} not {what}")
        } else {
            format!("{count} of {all} not {what} within {within}")
        };
        Err(Failure::Failed { message, details })
    }
}

/// Why a goal was not reached, with how the workload ended last.
fn explain(key: &ResourceKey, tracked: &Tracked) -> Vec<String> {
    let words = match (&tracked.verdict, &tracked.latest) {
        (Verdict::Reached, _) => String::new(),
        (Verdict::Waiting(words), Some(latest)) => waits(latest, words),
        (Verdict::Failed(words), Some(latest)) => format!("{}: {words}", latest.status()),
        (Verdict::Waiting(words) | Verdict::Failed(words), None) => words.clone(),
    };
    let mut lines = vec![format!("{key}: {words}")];
    if let Some(exit) = tracked.latest.as_ref().and_then(exit_of) {
        // The words often say already how it ended.
        if !words.contains(&exit.outcome.to_string()) {
            lines.push(format!("  last exit {}", last_exit(exit, moment::now())));
        }
        let skipped = exit.last_lines.len().saturating_sub(LINES_MAX);
        lines.extend(exit.last_lines[skipped..].iter().map(|line| format!("  | {line}")));
    }
    lines
}

/// How a workload that does not run ended last.
fn exit_of(latest: &Resource) -> Option<&Exit> {
    match latest {
        Resource::Workload(workload) if workload.status != WorkloadStatus::Running => {
            workload.observed.last_exit.as_ref()
        }
        _ => None,
    }
}

/// The status, since when, and what is waited for.
fn waits(latest: &Resource, words: &str) -> String {
    let (status, since) = (latest.status(), with_object!(latest, object => object.status_since));
    let lasting = brief(moment::now().since(since));
    if words == status {
        return format!("{status} for {lasting}");
    }
    format!("{status} for {lasting}, waits for: {words}")
}
