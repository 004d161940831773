//! Which migrations are to be applied: in the order in which they are registered, each once.
//!
//! The one idea: that a migration begins is on the disk before it does, and that it is done before
//! the next begins. So after a crash at most one is repeated, and it is known which.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tessera_types::Timestamp;

/// The longest id of a migration, in bytes.
const ID_BYTES_MAX: usize = 100;

/// One line of `migrations.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The migration's id.
    pub(crate) migration: String,
    /// What happened to it.
    pub(crate) event: Standing,
    /// When.
    #[serde(serialize_with = "crate::telemetry::serialize_in_ms")]
    pub(crate) at: Timestamp,
    /// In which run of `migrate`.
    pub(crate) run_id: String,
    /// The tenant's version.
    pub(crate) version: String,
}

/// What happened to a migration last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// It has begun.
    Started,
    /// It is applied.
    Done,
    /// It was given up by itself.
    Failed,
}

/// What `migrations.jsonl` comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log(BTreeMap<String, Standing>);

/// One migration that is to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its place among those that are registered.
    pub(crate) index: usize,
    /// Whether it has begun before and nobody knows how it ended.
    pub(crate) was_cut_off: bool,
}

impl Log {
    /// Takes the next line in; what is no line of a migration is passed over.
    pub(crate) fn take(&mut self, line: &str) {
        let Ok(Entry { migration, event, .. }) = serde_json::from_str(line) else { return };
        let standing = self.0.entry(migration).or_insert(event);
        if *standing != Standing::Done {
            *standing = event;
        }
    }

    /// The migrations of `ids` that are to be applied, in order.
    pub(crate) fn pending(&self, ids: &[&str]) -> Vec<Step> {
        let standing = |id: &str| self.0.get(id).copied();
        let steps = ids.iter().enumerate().filter(|(_, id)| standing(id) != Some(Standing::Done));
        let step = |(index, id): (usize, &&str)| Step {
            index,
            was_cut_off: standing(id) == Some(Standing::Started),
        };
        steps.map(step).collect()
    }
}

/// What is wrong with the ids that a program registers.
pub(crate) fn fault(ids: &[&str]) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let bad = |id: &&&str| id.is_empty() || id.len() > ID_BYTES_MAX || !id.chars().all(legal);
    if let Some(id) = ids.iter().find(bad) {
        return Some(format!(
            "'{id}' is no id of a migration: use at most {ID_BYTES_MAX} letters, digits and -_."
        ));
    }
    let mut seen = BTreeSet::new();
    let twice = ids.iter().find(|id| !seen.insert(**id))?;
    Some(format!("two migrations have the id '{twice}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn log(entries: &[(&str, Standing)]) -> Log {
        let mut log = Log::default();
        for (migration, event) in entries {
            let entry = Entry {
                migration: (*migration).to_owned(),
                event: *event,
                at: Timestamp::EPOCH,
                run_id: "r".to_owned(),
                version: "1".to_owned(),
            };
            log.take(&serde_json::to_string(&entry).unwrap());
        }
        log
    }

    #[test]
    fn ids_are_checked_before_anything_is_applied() {
        assert_eq!(fault(&["0001-a", "0002.b_c"]), None);
        assert!(fault(&["a", "b", "a"]).unwrap().contains("'a'"));
        for bad in ["", "a b", "ä", &"x".repeat(101)] {
            assert!(fault(&[bad]).is_some(), "{bad}");
        }
    }

    #[test]
    fn only_what_began_and_did_not_end_was_cut_off() {
        let log = log(&[
            ("a", Standing::Started),
            ("a", Standing::Done),
            ("b", Standing::Started),
            ("b", Standing::Failed),
            ("c", Standing::Started),
        ]);
        let pending = log.pending(&["a", "b", "c", "d"]);
        let seen: Vec<_> = pending.iter().map(|step| (step.index, step.was_cut_off)).collect();
        assert_eq!(seen, [(1, false), (2, true), (3, false)]);
    }

    proptest! {
        /// Crashes are at any place; what is applied is applied in order, and what was done is
        /// never applied again.
        #[test]
        fn at_most_one_is_repeated_after_a_crash(crash_after in 0usize..12) {
            let ids = ["a", "b", "c", "d"];
            let mut entries = Vec::new();
            for id in ids {
                entries.extend([(id, Standing::Started), (id, Standing::Done)]);
            }
            entries.truncate(crash_after);
            let pending = log(&entries).pending(&ids);
            let done = entries.len() / 2;
            let expected: Vec<_> = (done..ids.len()).collect();
            prop_assert_eq!(pending.iter().map(|step| step.index).collect::<Vec<_>>(), expected);
            let repeated = pending.iter().filter(|step| step.was_cut_off).count();
            prop_assert_eq!(repeated, entries.len() % 2);
        }
    }
}
