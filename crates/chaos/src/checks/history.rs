//! The histories that the API gives against what was watched.

use tessera_client::{Api, HistoryOptions};
use tessera_types::{HistoryEntry, Record, ResourceKey, State, with_kind};

use crate::findings::{Findings, Invariant};
use crate::watcher::{Seen, Seens};

const PAGE: u32 = 1000;

/// Compares the history of everything that was ever seen.
pub(crate) async fn histories(api: &Api, seen: &Seens, findings: &Findings) {
    for (key, life) in &seen.lives {
        match whole(api, key).await {
            Ok(history) => {
                findings.take(Invariant::Legal, is_legal(key, &history));
                findings.take(Invariant::History, agrees(key, &history, life));
            }
            Err(why) => findings.judge(Invariant::History, false, || why),
        }
    }
}

/// A whole history, oldest first.
async fn whole(api: &Api, key: &ResourceKey) -> Result<Vec<HistoryEntry>, String> {
    let (mut entries, mut before_seq) = (Vec::new(), None);
    loop {
        let options = HistoryOptions { limit: Some(PAGE), before_seq };
        let page = api.history(key, options).await;
        let page = page.map_err(|error| format!("the history of {key}: {error}"))?;
        entries.extend(page.items);
        before_seq = page.before_seq;
        if before_seq.is_none() {
            entries.reverse();
            return Ok(entries);
        }
    }
}

/// Each resource walks along the arrows of its kind, from its beginning to its end.
fn is_legal(key: &ResourceKey, history: &[HistoryEntry]) -> Result<(), String> {
    let mut last: Option<&HistoryEntry> = None;
    for entry in history {
        let before = last.filter(|last| last.id == entry.id);
        let from = before.map(|last| last.record.to.as_str());
        let is_known = entry.record.from.as_deref() == from;
        if !is_known || !is_arrow(key, from, &entry.record.to) {
            return Err(format!("{key}: {entry:?} follows {last:?}"));
        }
        if last.is_some_and(|last| last.revision > entry.revision || last.seq >= entry.seq) {
            return Err(format!("{key}: {entry:?} is older than {last:?}"));
        }
        last = Some(entry);
    }
    Ok(())
}

fn is_arrow(key: &ResourceKey, from: Option<&str>, to: &str) -> bool {
    fn of<S: State>(from: Option<&str>, to: &str) -> bool {
        let named = |text: &str| S::ALL.iter().copied().find(|it| it.to_string() == text);
        match (from.map(named), named(to)) {
            (_, None) => to == Record::DELETED,
            (None, Some(to)) => to == S::INITIAL,
            (Some(from), Some(to)) => from.is_some_and(|from| from == to || from.may_become(to)),
        }
    }
    with_kind!(key.kind, K => of::<<K as tessera_types::Kind>::Status>(from, to))
}

/// Whatever was watched is in the history, and the other way round.
fn agrees(key: &ResourceKey, history: &[HistoryEntry], life: &[Seen]) -> Result<(), String> {
    for seen in life {
        let until = history.iter().rfind(|it| it.id == seen.id && it.revision <= seen.revision);
        let says = until.map(|entry| entry.record.to.as_str());
        let was = seen.status.as_deref().unwrap_or(Record::DELETED);
        if says != Some(was) {
            return Err(format!("{key} was {was} ({seen:?}), and its history says {until:?}"));
        }
    }
    for entry in history {
        let was_seen =
            life.iter().any(|seen| seen.id == entry.id && seen.revision == entry.revision);
        if !was_seen {
            return Err(format!("{key}: the history has {entry:?}, which was not watched"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tessera_types::{Actor, KindName, Revision, Timestamp, Uid};

    use super::*;
    use crate::fixture::name;

    fn key() -> ResourceKey {
        ResourceKey::new(KindName::Workload, None, name("web"))
    }

    /// `(number, id, from, to)`; the number is that of the commit, too.
    fn history(of: &[(u64, u64, Option<&str>, &str)]) -> Vec<HistoryEntry> {
        let entry = |&(number, id, from, to): &(u64, u64, Option<&str>, &str)| HistoryEntry {
            seq: number,
            revision: Revision(number),
            id: Uid(id),
            record: Record {
                from: from.map(str::to_owned),
                to: to.to_owned(),
                at: Timestamp::EPOCH,
                by: Actor::API,
                reason: String::new(),
                metadata: tessera_types::Facts::default(),
            },
        };
        of.iter().map(entry).collect()
    }

    const WALK: [(u64, u64, Option<&str>, &str); 4] = [
        (1, 5, None, "Pending"),
        (2, 5, Some("Pending"), "Scheduled"),
        (3, 5, Some("Scheduled"), "Deleted"),
        (9, 6, None, "Pending"),
    ];

    #[test]
    fn a_history_that_is_no_walk_along_the_arrows_is_seen() {
        assert_eq!(is_legal(&key(), &history(&WALK)), Ok(()));
        let wrong: [&[_]; 5] = [
            // It begins in the middle.
            &[(1, 5, None, "Running")],
            // There is no such arrow.
            &[WALK[0], (2, 5, Some("Pending"), "Running")],
            // It was somewhere else.
            &[WALK[0], (2, 5, Some("Running"), "Stopping")],
            // An older one follows.
            &[(4, 5, None, "Pending"), WALK[1]],
            // No status of workloads.
            &[WALK[0], (2, 5, Some("Pending"), "Provisioning")],
        ];
        for wrong in wrong {
            assert!(is_legal(&key(), &history(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_history_that_lacks_what_was_watched_or_has_more_is_seen() {
        let seen = |number, id, status: Option<&str>| Seen {
            revision: Revision(number),
            id: Uid(id),
            status: status.map(str::to_owned),
        };
        let life = [
            seen(1, 5, Some("Pending")),
            seen(2, 5, Some("Scheduled")),
            seen(3, 5, None),
            seen(9, 6, Some("Pending")),
        ];
        let history = history(&WALK);
        assert_eq!(agrees(&key(), &history, &life), Ok(()));
        assert!(agrees(&key(), &history[..3], &life).is_err(), "the last was watched");
        assert!(agrees(&key(), &history, &life[..3]).is_err(), "the last was not watched");
        let mut other = life.clone();
        other[1].status = Some("Running".to_owned());
        assert!(agrees(&key(), &history, &other).is_err(), "it was watched otherwise");
    }
}
