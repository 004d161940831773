//! The resources once all is quiet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tessera_client::{Api, ListOptions, call};
use tessera_types::node::NodeStatus;
use tessera_types::timed::TimedStatus;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Kind, KindName, Resource, ResourceKey, Revision, with_kind, with_object};

use crate::findings::{Findings, Invariant};
use crate::watcher::{Seens, Watcher};

/// For so long nothing is written by a system that has settled. Heartbeats fall into it, and
/// looks at jobs of the engine.
const QUIET: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(200);

/// Waits until nothing is written any more and the watcher knows everything.
pub(crate) async fn at_rest(api: &Api, watcher: &Watcher, until: Instant) -> Result<(), String> {
    let mut rest = Rest { last: Revision::ZERO, since: Instant::now() };
    while Instant::now() < until {
        let at = call(api.readyz()).await.map_err(|error| error.to_string())?.revision;
        let watched = watcher.seen().revision;
        if rest.look(at, watched, Instant::now()) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    Err(format!("at revision {}, it was written last {:?} ago", rest.last, rest.since.elapsed()))
}

/// Up to where something was written, and since when nothing is.
struct Rest {
    last: Revision,
    since: Instant,
}

impl Rest {
    /// Whether nothing was written for long, and everything was watched.
    fn look(&mut self, at: Revision, watched: Revision, now: Instant) -> bool {
        if at != self.last {
            *self = Self { last: at, since: now };
        }
        now.duration_since(self.since) > QUIET && watched >= at
    }
}

/// Everything is where it should be for good, or says what it waits for.
pub(crate) fn explained(seen: &Seens, findings: &Findings) {
    for (key, resource) in &seen.state {
        findings.take(Invariant::Explained, says_why(resource));
        let (status, waiting_for) =
            with_object!(resource, it => (it.status.to_string(), it.waiting_for.clone()));
        findings.judge(Invariant::Converged, is_at_rest(resource), || {
            format!("{key} stays {status}: {waiting_for:?}")
        });
    }
}

/// It is where it should be for good, or says what it waits for.
pub(crate) fn says_why(resource: &Resource) -> Result<(), String> {
    let waits = with_object!(resource, it => it.waiting_for.is_some());
    if is_at_rest(resource) || waits {
        return Ok(());
    }
    let status = with_object!(resource, it => it.status.to_string());
    Err(format!("{} is {status}, and waits for nothing", resource.key()))
}

fn is_at_rest(resource: &Resource) -> bool {
    match resource {
        Resource::Node(node) => node.status == NodeStatus::Ready,
        Resource::Workload(workload) => matches!(
            workload.status,
            WorkloadStatus::Running
                | WorkloadStatus::Stopped
                | WorkloadStatus::Completed
                | WorkloadStatus::Failed
        ),
        Resource::Session(session) => session.status.is_over(),
        Resource::SessionPart(part) => part.status == TimedStatus::Terminated,
        Resource::Pod(pod) => pod.status == TimedStatus::Terminated,
        Resource::Job(job) => job.status.is_over(),
        _ => true,
    }
}

/// What lists say is what the watcher has.
pub(crate) async fn lists(api: &Api, seen: &Seens, findings: &Findings) {
    for kind in KindName::ALL {
        let listed = with_kind!(kind, K => list::<K>(api).await);
        let watched: BTreeMap<&ResourceKey, &Resource> =
            seen.state.iter().filter(|(key, _)| key.kind == kind).collect();
        match listed {
            Ok(listed) => findings.take(Invariant::History, are_same(kind, &listed, &watched)),
            Err(error) => findings.judge(Invariant::History, false, || error.to_string()),
        }
    }
}

/// What is listed of a kind is what was watched of it.
fn are_same(
    kind: KindName,
    listed: &[Resource],
    watched: &BTreeMap<&ResourceKey, &Resource>,
) -> Result<(), String> {
    let differs = listed.iter().find(|it| watched.get(&it.key()) != Some(it));
    if listed.len() == watched.len() && differs.is_none() {
        return Ok(());
    }
    let count = (listed.len(), watched.len());
    Err(format!("{kind:?}: listed and watched {count:?}, such as {differs:?}"))
}

async fn list<K: Kind>(api: &Api) -> Result<Vec<Resource>, tessera_client::Error> {
    let (mut items, mut page) = (Vec::new(), None);
    loop {
        let options = ListOptions { limit: Some(500), page, ..Default::default() };
        let answer = api.list::<K>(&options).await?;
        items.extend(answer.items.into_iter().map(K::wrap));
        page = answer.next_page;
        if page.is_none() {
            return Ok(items);
        }
    }
}

#[cfg(test)]
mod tests {
    use tessera_types::{WaitReason, WaitingFor, Workload};

    use super::*;
    use crate::fixture::{at, node, object, running, seens};

    #[test]
    fn a_system_that_goes_on_writing_does_not_rest() {
        let begin = Instant::now();
        let mut rest = Rest { last: Revision::ZERO, since: begin };
        let mut look = |at: u64, watched: u64, after: Duration| {
            rest.look(Revision(at), Revision(watched), begin + after)
        };
        let moment = Duration::from_millis(1);
        assert!(!look(7, 7, moment));
        assert!(!look(7, 7, QUIET + moment));
        assert!(look(7, 7, QUIET + moment * 2));
        // The watcher does not know everything.
        assert!(!look(7, 6, QUIET * 2));
        // It was written again.
        assert!(!look(8, 8, QUIET * 2));
        assert!(!look(8, 8, QUIET * 3));
        assert!(look(8, 8, QUIET * 3 + moment));
    }

    #[test]
    fn who_stays_without_a_reason_and_who_stays_at_all_is_seen() {
        let ready = {
            let mut node = node("node-0", 1, 10);
            node.status = NodeStatus::Ready;
            node
        };
        let web = running("web", 2, &ready, 7);
        let waits = WaitingFor {
            reason: WaitReason::NoNodeFits,
            message: String::new(),
            since: at(0),
            until: None,
        };
        let pending = |waiting_for| {
            let spec = serde_json::json!({"command": "x"});
            let mut pending = object::<Workload>("late", 3, spec);
            pending.waiting_for = waiting_for;
            Resource::Workload(pending.into())
        };
        let fine = [Resource::Node(ready.into()), Resource::Workload(web.into())];
        let wrong = |other: Option<Resource>| {
            let findings = Findings::default();
            explained(&seens(fine.iter().cloned().chain(other)), &findings);
            (findings.wrong(Invariant::Explained), findings.wrong(Invariant::Converged))
        };
        assert_eq!(wrong(None), (0, 0));
        assert_eq!(wrong(Some(pending(Some(waits)))), (0, 1));
        assert_eq!(wrong(Some(pending(None))), (1, 1));
    }

    #[test]
    fn a_list_that_is_not_what_was_watched_is_seen() {
        let node = node("node-0", 1, 10);
        let of = |id: u64, pid: u32| Resource::Workload(running("web", id, &node, pid).into());
        let kind = KindName::Workload;
        let watched = of(2, 7);
        let key = watched.key();
        let known: BTreeMap<_, _> = [(&key, &watched)].into();
        assert_eq!(are_same(kind, &[of(2, 7)], &known), Ok(()));
        for listed in [&[][..], &[of(2, 8)], &[of(3, 7)], &[of(2, 7), of(2, 7)]] {
            assert!(are_same(kind, listed, &known).is_err(), "{listed:?}");
        }
        assert!(are_same(kind, &[of(2, 7)], &BTreeMap::new()).is_err());
    }
}
