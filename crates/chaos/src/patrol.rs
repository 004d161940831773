//! Looks at the living system while things go wrong with it.
//!
//! The one idea: some things hold at any moment. Others hold of what has stood still for a
//! while, once nothing new goes wrong: the schedule has calms for that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tessera_client::{Api, call};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{KindName, Object, Resource, ResourceKey, Workload};

use crate::checks::{Alive, says_why};
use crate::findings::{Findings, Invariant};
use crate::system::{NODE, System};
use crate::watcher::{Seens, Watcher};
use crate::{capacity, schedule, witness};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// What has not changed for so long stands still: agents have told what they know of it. No
/// session is used for so long, which waits for nothing meanwhile.
const STILL: Duration = Duration::from_secs(12);

/// How long a watcher may be behind when nothing hinders him.
const BEHIND_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Somebody who looks.
pub(crate) struct Patrol {
    pub(crate) system: Arc<System>,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) findings: Arc<Findings>,
    pub(crate) api: Api,
}

impl Patrol {
    /// Looks from time to time, for so long.
    pub(crate) async fn walk(&self, begin: Instant, length: Duration) {
        while begin.elapsed() < length {
            let (copies, now) = (witness::live(&self.system.witnesses()), Instant::now());
            self.findings.take(Invariant::Capacity, capacity::count(&copies, NODE));
            if schedule::has_calmed_down(begin.elapsed()) && self.has_watched_all().await {
                // What stands still by what is said after the look did so during it.
                let mut alive = Alive::new();
                for copy in copies {
                    alive.entry(copy.name).or_default().insert(copy.pid);
                }
                stands(&alive, &self.watcher.seen(), now, &self.findings);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Whether the watcher knows everything that was written until now.
    async fn has_watched_all(&self) -> bool {
        let Ok(ready) = call(self.api.readyz()).await else { return false };
        let asked = Instant::now();
        while self.watcher.seen().revision < ready.revision && asked.elapsed() < BEHIND_MAX {
            tokio::time::sleep(POLL).await;
        }
        let watched = self.watcher.seen().revision;
        self.findings.judge(Invariant::Watch, watched >= ready.revision, || {
            format!("the watcher is at {watched} and the store at {}", ready.revision)
        });
        watched >= ready.revision
    }
}

/// What stands still has the copies that it should have, and says what it waits for.
fn stands(alive: &Alive, seen: &Seens, now: Instant, findings: &Findings) {
    let stands_still = |key: &ResourceKey| {
        seen.changed.get(key).is_some_and(|at| now.duration_since(*at) >= STILL)
    };
    for (key, resource) in seen.state.iter().filter(|(key, _)| stands_still(key)) {
        findings.take(Invariant::Explained, says_why(resource));
        if let Resource::Workload(workload) = resource {
            let found = alive.get(key.name.as_str()).cloned().unwrap_or_default();
            findings.take(Invariant::One, has_its_copy(workload, &found));
        }
    }
    for (name, found) in alive {
        let Ok(name) = name.parse() else { continue };
        let key = ResourceKey::new(KindName::Workload, None, name);
        if stands_still(&key) && !seen.state.contains_key(&key) {
            findings.judge(Invariant::Orphans, false, || {
                format!("{key} is gone, and its copies live: {found:?}")
            });
        }
    }
}

/// One that runs has the copy that it says, and one that is done has none.
fn has_its_copy(workload: &Object<Workload>, found: &BTreeSet<u32>) -> Result<(), String> {
    let said = match workload.status {
        WorkloadStatus::Running => {
            workload.observed.instance.as_ref().and_then(|instance| instance.pid)
        }
        status if status.holds_node() => return Ok(()),
        _ => None,
    };
    let said: BTreeSet<u32> = said.into_iter().collect();
    if said == *found {
        return Ok(());
    }
    let (key, status) = (workload.key(), workload.status);
    Err(format!("{key} has long been {status} as {said:?}, and there is {found:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::{node, object, running, seens};

    /// What is wrong of one copy too few or too many, of orphans, and of reasons that lack.
    fn wrong(alive: &[(&str, u32)], seen: &Seens, after: Duration) -> [u64; 3] {
        let findings = Findings::default();
        let mut all = Alive::new();
        for (name, pid) in alive {
            all.entry((*name).to_owned()).or_default().insert(*pid);
        }
        stands(&all, seen, Instant::now() + after, &findings);
        [Invariant::One, Invariant::Orphans, Invariant::Explained].map(|it| findings.wrong(it))
    }

    #[test]
    fn who_stands_still_and_has_not_its_copy_is_seen_and_who_has_just_changed_is_not() {
        let node = node("node-0", 1, 10);
        let mut stopped = running("done", 3, &node, 8);
        stopped.status = WorkloadStatus::Stopped;
        let web = running("web", 2, &node, 7);
        let seen = seens([web, stopped].map(|it| Resource::Workload(it.into())));
        assert_eq!(wrong(&[("web", 7)], &seen, STILL), [0, 0, 0]);
        for alive in [&[][..], &[("web", 9)], &[("web", 7), ("done", 8)]] {
            assert_eq!(wrong(alive, &seen, STILL)[0], 1, "{alive:?}");
            assert_eq!(wrong(alive, &seen, STILL / 2), [0, 0, 0], "{alive:?}");
        }
    }

    #[test]
    fn copies_of_what_is_gone_are_seen_and_who_stands_still_without_a_reason() {
        let node = node("node-0", 1, 10);
        let mut seen = seens([Resource::Workload(running("web", 2, &node, 7).into())]);
        let (key, web) = seen.state.pop_first().unwrap();
        seen.record(web.revision(), key, web.id(), None);
        assert_eq!(wrong(&[("web", 7)], &seen, STILL), [0, 1, 0]);
        assert_eq!(wrong(&[("web", 7)], &seen, STILL / 2), [0, 0, 0]);
        let pending = object::<Workload>("late", 3, json!({"command": "x"}));
        let seen = seens([Resource::Workload(pending.into())]);
        assert_eq!(wrong(&[], &seen, STILL), [0, 0, 1]);
        assert_eq!(wrong(&[], &seen, STILL / 2), [0, 0, 0]);
    }
}
