//! What the lines of `runs.jsonl` come to: of each service how it ended last, when it last did its
//! work, and whether a run has started that has not ended. It is folded line by line, so its size
//! does not depend on the file's.

use std::collections::BTreeMap;

use serde::Deserialize;
use tessera_types::Timestamp;

use super::record::{Event, Line, Verdict};
use crate::verb::Verb;

/// What is known of the runs of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    services: BTreeMap<Option<String>, ServiceHistory>,
}

/// What is known of the runs of one service. Dry-runs and migrations are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceHistory {
    /// The last run that has started and has not ended.
    pub open: Option<Started>,
    /// The run that had started before that one, and had not ended by then.
    pub cut_off: Option<Started>,
    /// The run that ended last.
    pub last: Option<Ended>,
    /// The run that did its work last.
    pub success: Option<Ended>,
}

/// The start of a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Started {
    /// Which run.
    pub run_id: String,
    /// When it started.
    pub at: Timestamp,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which run.
    pub run_id: String,
    /// When it ended.
    pub at: Timestamp,
    /// Whether it did its work.
    pub outcome: Verdict,
    /// Its exit code.
    pub exit_code: u8,
    /// How many rows it wrote, if it told.
    pub rows: Option<u64>,
    /// How long it took.
    pub duration_ms: u64,
}

impl History {
    /// Takes the next line in. What is no line of a run (torn by a crash, or of a later version)
    /// is passed over.
    pub fn take(&mut self, line: &str) {
        let Ok(Line { identity, event }) = serde_json::from_str::<Line>(line) else { return };
        if identity.verb != Verb::Run {
            return;
        }
        let service = self.services.entry(identity.service).or_default();
        let run_id = identity.run_id;
        match event {
            Event::Started { at } => service.start(Started { run_id, at }),
            Event::Ended { at, outcome, exit_code, rows, duration_ms } => {
                service.end(Ended { run_id, at, outcome, exit_code, rows, duration_ms });
            }
        }
    }

    /// Whether what is known rests on this line: without all others, the history is the same.
    pub fn rests_on(&self, line: &str) -> bool {
        let Ok(Line { identity, event }) = serde_json::from_str::<Line>(line) else { return false };
        let Some(service) = self.services.get(&identity.service) else { return false };
        let is_this = |run_id: Option<&String>| run_id == Some(&identity.run_id);
        let started = |run: &Option<Started>| is_this(run.as_ref().map(|run| &run.run_id));
        let ended = |run: &Option<Ended>| is_this(run.as_ref().map(|run| &run.run_id));
        identity.verb == Verb::Run
            && match event {
                Event::Started { .. } => started(&service.open) || started(&service.cut_off),
                Event::Ended { .. } => ended(&service.last) || ended(&service.success),
            }
    }

    /// The services that have run, the primary first.
    pub fn services(&self) -> impl Iterator<Item = (Option<&str>, &ServiceHistory)> {
        self.services.iter().map(|(name, history)| (name.as_deref(), history))
    }

    /// What is known of one service; nothing is the primary.
    pub fn of(&self, service: Option<&str>) -> ServiceHistory {
        self.services.get(&service.map(str::to_owned)).cloned().unwrap_or_default()
    }
}

impl ServiceHistory {
    fn start(&mut self, started: Started) {
        let before = self.open.take().filter(|before| before.run_id != started.run_id);
        if before.is_some() {
            self.cut_off = before;
        }
        self.open = Some(started);
    }

    fn end(&mut self, ended: Ended) {
        let is_this =
            |run: &Option<Started>| run.as_ref().is_some_and(|run| run.run_id == ended.run_id);
        if is_this(&self.open) {
            // What was before it is not the last any more.
            (self.open, self.cut_off) = (None, None);
        } else if is_this(&self.cut_off) {
            self.cut_off = None;
        }
        if ended.outcome == Verdict::Success {
            self.success = Some(ended.clone());
        }
        self.last = Some(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::identity;
    use super::*;
    use proptest::prelude::*;

    fn started(run_id: &str, verb: Verb) -> String {
        let at = "2026-05-01T08:00:00Z".parse().unwrap();
        Line { identity: identity(run_id, verb), event: Event::Started { at } }.to_json()
    }

    fn ended(run_id: &str, verb: Verb, exit_code: u8) -> String {
        let event = Event::Ended {
            at: "2026-05-01T08:01:00Z".parse().unwrap(),
            outcome: if exit_code == 0 { Verdict::Success } else { Verdict::Failure },
            exit_code,
            rows: None,
            duration_ms: 60_000,
        };
        Line { identity: identity(run_id, verb), event }.to_json()
    }

    fn history(lines: &[String]) -> ServiceHistory {
        let mut history = History::default();
        lines.iter().for_each(|line| history.take(line));
        history.of(None)
    }

    #[test]
    fn what_is_torn_or_unknown_is_passed_over() {
        let torn = ended("a", Verb::Run, 7)[..60].to_owned();
        let later = started("b", Verb::Run).replace("started", "paused");
        let seen = history(&[ended("c", Verb::Run, 0), torn, later, String::new()]);
        assert_eq!(seen.last.unwrap().run_id, "c");
        assert_eq!(seen.open, None);
    }

    #[test]
    fn a_line_with_more_fields_than_are_known_counts() {
        let line = ended("a", Verb::Run, 0).replace("\"rows\"", "\"peak_memory\":5,\"rows\"");
        assert!(history(&[line]).success.is_some());
    }

    #[test]
    fn dry_runs_and_migrations_do_not_count() {
        let lines = [Verb::DryRun, Verb::Migrate, Verb::Status].map(|verb| ended("a", verb, 0));
        assert_eq!(history(&lines), ServiceHistory::default());
    }

    #[test]
    fn a_run_that_never_ended_stays_open_though_an_older_one_ends_later() {
        let lines = [started("a", Verb::Run), started("b", Verb::Run), ended("a", Verb::Run, 0)];
        let seen = history(&lines);
        assert_eq!(seen.open.unwrap().run_id, "b");
        assert_eq!(seen.last.unwrap().run_id, "a");
    }

    #[test]
    fn a_run_that_never_ended_is_the_last_one_until_a_later_one_ends() {
        let [a, b] = ["a", "b"].map(|run| started(run, Verb::Run));
        let cut_off = |lines: &[String]| history(lines).cut_off.map(|run| run.run_id);
        assert_eq!(cut_off(&[a.clone(), b.clone()]), Some("a".to_owned()));
        assert_eq!(cut_off(&[a.clone(), b.clone(), ended("b", Verb::Run, 0)]), None);
        assert_eq!(cut_off(&[a.clone(), b, ended("a", Verb::Run, 0)]), None);
        assert_eq!(cut_off(&[a.clone(), a]), None);
    }

    fn all_of(lines: impl Iterator<Item = String>) -> History {
        let mut history = History::default();
        lines.for_each(|line| history.take(&line));
        history
    }

    fn lines() -> impl Strategy<Value = Vec<String>> {
        let verbs = prop_oneof![4 => Just(Verb::Run), 1 => Just(Verb::DryRun)];
        let services = prop_oneof![Just(None), Just(Some("reconcile".to_owned()))];
        let step = (0u8..12, verbs, services, any::<bool>(), 0u8..2).prop_map(
            |(run, verb, service, starts, exit_code)| {
                let id = run.to_string();
                let line = if starts { started(&id, verb) } else { ended(&id, verb, exit_code) };
                let mut line: Line = serde_json::from_str(&line).unwrap();
                line.identity.service = service;
                line.to_json()
            },
        );
        proptest::collection::vec(step, 0..40)
    }

    proptest! {
        #[test]
        fn a_history_is_the_same_without_the_lines_that_it_does_not_rest_on(lines in lines()) {
            let history = all_of(lines.iter().cloned());
            let kept = lines.into_iter().filter(|line| history.rests_on(line));
            prop_assert_eq!(all_of(kept), history);
        }
    }
}
