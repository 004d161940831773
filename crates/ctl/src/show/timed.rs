//! What the rows of all timed resources share: status, window, score, and what
//! they wait for.

use tessera_types::timed::{Outcome, PhaseState, Timed, TimedObserved};
use tessera_types::{Kind, Object, State, Timestamp};

use super::Detail;
use crate::moment::{apart, near};
use crate::style::{Tone, told, tone_of_status};
use crate::table::{Cell, Column};

/// The columns before those of a kind: the namespace, where several are shown.
pub(super) fn first_columns<K: Kind>(detail: Detail) -> Vec<Column> {
    let is_shown = detail.namespaces && K::KIND.is_namespaced();
    is_shown.then(|| Column::new("NAMESPACE")).into_iter().chain([Column::new("NAME")]).collect()
}

/// The cells of [`first_columns`].
pub(super) fn first_cells<K: Kind>(object: &Object<K>, detail: Detail) -> Vec<Cell> {
    let namespace = object.namespace.as_ref().filter(|_| detail.namespaces);
    let namespace = namespace.map(|name| name.as_str().into());
    namespace.into_iter().chain([object.name.as_str().into()]).collect()
}

/// The status, with what a person asks next.
pub(super) fn status<K: Kind>(object: &Object<K>) -> Cell {
    let status = object.status.to_string();
    let tone = tone_of_status(&status);
    match object.deletion_requested_at {
        Some(_) => Cell::toned(format!("{status} (being deleted)"), tone),
        None => Cell::toned(status, tone),
    }
}

/// A point in time: at a glance, or exactly in a wide table.
pub(super) fn time(at: Option<Timestamp>, detail: Detail, now: Timestamp) -> Cell {
    match at {
        None => "-".into(),
        Some(at) if at >= Timestamp::MAX => "never".into(),
        Some(at) if detail.wide => format!("{at:.0}").into(),
        Some(at) => near(at, now).into(),
    }
}

/// Points in time that stand beside each other, each as [`time`] has it; those that
/// would look the same are told to the second.
pub(super) fn times<const N: usize>(
    times: [Option<Timestamp>; N],
    detail: Detail,
    now: Timestamp,
) -> [Cell; N] {
    let texts = apart(times.map(|at| at.unwrap_or(Timestamp::MAX)), now);
    let mut texts = texts.into_iter();
    times.map(|at| match (at, texts.next()) {
        (Some(at), Some(text)) if !detail.wide && at < Timestamp::MAX => text.into(),
        _ => time(at, detail, now),
    })
}

/// The start and the end of the window that holds now; of what is over, when it ended. What
/// was over before its window opened has no start.
pub(super) fn window(timed: &TimedObserved, detail: Detail, now: Timestamp) -> [Cell; 2] {
    let slot = timed.timeslot;
    let end = timed.ended_at.or(slot.map(|slot| slot.end));
    let start = slot.map(|slot| slot.start);
    times([start.filter(|start| end.is_none_or(|end| *start <= end)), end], detail, now)
}

/// When provisioning begins, and when nothing is left.
pub(super) fn held(timed: &TimedObserved, detail: Detail, now: Timestamp) -> [Cell; 2] {
    let held = timed.timeslot.map(|slot| slot.held());
    times([held.map(|held| held.from), held.map(|held| held.until)], detail, now)
}

/// A number without needless decimals: `7`, `7.25`.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A score in words: `7/10`.
pub(crate) fn score_text(score: Option<f64>, max: Option<f64>) -> Option<String> {
    let max = max.map(|max| format!("/{}", number(max))).unwrap_or_default();
    score.map(|score| format!("{}{max}", number(score)))
}

/// A score, toned by whether it is passed.
pub(super) fn score(score: Option<f64>, max: Option<f64>, passed: Option<bool>) -> Cell {
    let tone = match passed {
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
        None => Tone::Plain,
    };
    Cell::toned(score_text(score, max).unwrap_or_else(|| "-".to_owned()), tone)
}

/// What came of it.
pub(super) fn outcome(timed: &TimedObserved) -> Cell {
    match timed.outcome {
        None => "-".into(),
        Some(outcome) => Cell::toned(outcome.to_string(), tone_of_outcome(outcome)),
    }
}

/// The tone of what came of something.
pub(crate) const fn tone_of_outcome(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Completed => Tone::Good,
        Outcome::Failed => Tone::Bad,
        Outcome::Cancelled | Outcome::Skipped => Tone::Quiet,
    }
}

/// What it waits for; where that is nothing, what failed or could not be removed. What is
/// over waits for nothing any more: what came of it stands elsewhere.
pub(super) fn waiting_for<K: Timed>(object: &Object<K>) -> String
where
    K::Status: State,
{
    let timed = K::timed(object);
    let waiting = object.waiting_for.as_ref().map(|waiting| waiting.message.clone());
    let is_over = !K::Status::ALL.iter().any(|next| object.status.may_become(*next));
    let failure = || timed.failure.as_ref().filter(|_| !is_over).map(ToString::to_string);
    let left = || not_removed(&timed.leftovers).map(|left| format!("nothing; {left}"));
    told(&left().or_else(failure).or(waiting).unwrap_or_default())
}

/// What is said of what was left behind: how much was still there at the deadline, and which
/// phases of its teardown were not done. None where that is nothing.
pub(crate) fn not_removed(leftovers: &[String]) -> Option<String> {
    let (phases, things): (Vec<_>, Vec<_>) =
        leftovers.iter().partition(|entry| entry.starts_with("phase/"));
    let things = match things.len() {
        0 => None,
        1 => Some("1 thing could not be removed in time".to_owned()),
        count => Some(format!("{count} things could not be removed in time")),
    };
    let names: Vec<_> = phases.iter().filter_map(|entry| entry.split(" (").next()).collect();
    let undone = (!names.is_empty()).then(|| format!("not done: {}", names.join(", ")));
    let all: Vec<_> = things.into_iter().chain(undone).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Which try is under way: `2`, or `2 (backing off)`.
pub(super) fn tries(timed: &TimedObserved) -> String {
    let Some(run) = timed.phases.last() else { return "-".to_owned() };
    match run.state {
        PhaseState::Running | PhaseState::Done => run.attempt.to_string(),
        state => format!("{} ({state})", run.attempt),
    }
}

#[cfg(test)]
mod tests {
    use tessera_types::timed::{Failure, TimedStatus};
    use tessera_types::{Duration, Resource};

    use super::{not_removed, waiting_for, window};
    use crate::fixture;
    use crate::show::Detail;
    use crate::table::Cell;

    #[test]
    fn what_was_over_before_its_window_has_no_start() {
        let Resource::Pod(pod) = fixture::pod() else { panic!("it is a pod") };
        let mut timed = pod.observed.timed.clone();
        let slot = timed.timeslot.unwrap();
        let starts = |timed: &_| {
            let [start, _] = window(timed, Detail::default(), fixture::now());
            format!("{start:?}")
        };
        let usual = starts(&timed);
        timed.ended_at = Some(slot.start);
        assert_eq!(starts(&timed), usual);
        timed.ended_at = Some(slot.start.minus(Duration::from_secs(1)));
        assert_eq!(starts(&timed), format!("{:?}", Cell::from("-")));
    }

    #[test]
    fn phases_that_were_not_done_are_told_by_name_and_things_by_number() {
        let phase = "phase/bye of pod/tv-1 (failed: no room)".to_owned();
        let thing = "workload/web on node-a (Running)".to_owned();
        assert_eq!(not_removed(&[]), None);
        assert_eq!(
            not_removed(std::slice::from_ref(&phase)).unwrap(),
            "not done: phase/bye of pod/tv-1"
        );
        assert_eq!(
            not_removed(&[phase, thing.clone(), thing]).unwrap(),
            "2 things could not be removed in time, not done: phase/bye of pod/tv-1"
        );
    }

    #[test]
    fn what_failed_is_shown_until_it_is_over() {
        let Resource::Pod(pod) = fixture::pod() else { panic!("it is a pod") };
        let mut pod = (*pod).clone();
        pod.waiting_for = None;
        pod.observed.timed.failure = Some(Failure {
            of: "phase provision".to_owned(),
            attempts: 3,
            message: "no licence".to_owned(),
            at: fixture::now(),
        });
        let mut shown = |status| {
            pod.status = status;
            waiting_for(&pod)
        };
        assert_eq!(shown(TimedStatus::Failed), "no licence, so phase provision failed");
        assert_eq!(shown(TimedStatus::TearingDown), "no licence, so phase provision failed");
        assert_eq!(shown(TimedStatus::Terminated), "");
    }
}
