//! The history of resources, also of those that are gone.

use tessera_types::{HistoryEntry, ResourceKey, Uid};

use super::{Harness, sample};
use crate::contract::HistoryPage;

pub(super) async fn it_outlives_its_resources(mut harness: Harness) {
    let mut expected: Vec<(Uid, String)> = Vec::new();
    for _ in 0..3 {
        let made = harness.apply(vec![sample::create("a"), sample::create("other")]).await;
        let mut resource = made.changes[0].after.clone().unwrap();
        let other = made.changes[1].after.clone().unwrap();
        expected.push((resource.id(), "Pending".to_owned()));
        for status in ["Scheduled", "Provisioning"] {
            harness.step().await;
            let moved = harness.apply(vec![sample::advance(&resource, harness.now())]).await;
            resource = moved.changes[0].after.clone().unwrap();
            expected.push((resource.id(), status.to_owned()));
        }
        let removals = [&resource, &other].map(|it| sample::delete(it, harness.now()));
        harness.apply(removals.into()).await;
        expected.push((resource.id(), "Deleted".to_owned()));
        harness.step().await;
    }
    expected.reverse();
    let found = read(&harness, &sample::key("a"), HistoryPage::default()).await;
    let found: Vec<_> = found.into_iter().map(|entry| (entry.id, entry.record.to)).collect();
    assert_eq!(found, expected);
    assert!(read(&harness, &sample::key("never"), HistoryPage::default()).await.is_empty());
}

/// Whatever the size of a page, the pages together are the whole; and the
/// history of everything has each entry in its place.
pub(super) async fn pages_fit_together(mut harness: Harness) {
    for name in ["a", "b"] {
        harness.apply(vec![sample::create(name)]).await;
    }
    for i in 0..40 {
        let key = sample::key(if i % 3 == 0 { "a" } else { "b" });
        let resource = harness.store().get(&key).unwrap();
        harness.apply(vec![sample::advance(&resource, harness.now())]).await;
        if i % 13 == 0 {
            harness.step().await;
        }
    }
    let all = harness.store().history_all(HistoryPage::default()).await.unwrap();
    assert_eq!(all.len(), 42);
    assert!(all.is_sorted_by(|newer, older| newer.entry.seq > older.entry.seq));
    assert!(all.is_sorted_by(|newer, older| newer.entry.revision >= older.entry.revision));
    for name in ["a", "b"] {
        let key = sample::key(name);
        let of_key = all.iter().filter(|audit| audit.key == key);
        let expected: Vec<HistoryEntry> = of_key.map(|audit| audit.entry.clone()).collect();
        for limit in [1, 4, 7, 100] {
            assert_eq!(read_pages(&harness, &key, limit).await, expected, "pages of {limit}");
        }
    }
}

async fn read_pages(harness: &Harness, key: &ResourceKey, limit: usize) -> Vec<HistoryEntry> {
    let mut found: Vec<HistoryEntry> = Vec::new();
    loop {
        let before_seq = found.last().map(|entry| entry.seq);
        let page = read(harness, key, HistoryPage { before_seq, limit }).await;
        if page.is_empty() {
            return found;
        }
        assert!(page.len() <= limit);
        found.extend(page);
    }
}

async fn read(harness: &Harness, key: &ResourceKey, page: HistoryPage) -> Vec<HistoryEntry> {
    harness.store().history(key, page).await.unwrap()
}
