//! The resources once all is quiet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tessera_client::{Api, ListOptions, call};
use tessera_types::node::NodeStatus;
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
    let (mut last, mut since) = (Revision::ZERO, Instant::now());
    while Instant::now() < until {
        let now = call(api.readyz()).await.map_err(|error| error.to_string())?.revision;
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > QUIET && watcher.seen().revision >= now {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    Err(format!("at revision {last}, it was written last {:?} ago", since.elapsed()))
}

/// Everything is where it should be for good, or says what it waits for.
pub(crate) fn explained(seen: &Seens, findings: &Findings) {
    for (key, resource) in &seen.state {
        let (status, waiting_for) =
            with_object!(resource, it => (it.status.to_string(), it.waiting_for.clone()));
        let is_at_rest = match resource {
            Resource::Node(node) => node.status == NodeStatus::Ready,
            Resource::Workload(workload) => matches!(
                workload.status,
                WorkloadStatus::Running
                    | WorkloadStatus::Stopped
                    | WorkloadStatus::Completed
                    | WorkloadStatus::Failed
            ),
            Resource::Session(session) => session.status.is_over(),
            Resource::SessionPart(_) | Resource::Pod(_) => status == "Terminated",
            Resource::Job(job) => job.status.is_over(),
            _ => true,
        };
        findings.judge(Invariant::Explained, is_at_rest || waiting_for.is_some(), || {
            format!("{key} is {status}, and waits for nothing")
        });
        findings.judge(Invariant::Converged, is_at_rest, || {
            format!("{key} stays {status}: {waiting_for:?}")
        });
    }
}

/// What lists say is what the watcher has.
pub(crate) async fn lists(api: &Api, seen: &Seens, findings: &Findings) {
    for kind in KindName::ALL {
        let listed = with_kind!(kind, K => list::<K>(api).await);
        let watched: BTreeMap<&ResourceKey, &Resource> =
            seen.state.iter().filter(|(key, _)| key.kind == kind).collect();
        match listed {
            Ok(listed) => {
                let is_same = listed.len() == watched.len()
                    && listed.iter().all(|it| watched.get(&it.key()) == Some(&it));
                findings.judge(Invariant::History, is_same, || {
                    let differs = listed.iter().find(|it| watched.get(&it.key()) != Some(it));
                    let count = (listed.len(), watched.len());
                    format!("{kind:?}: listed and watched {count:?}, such as {differs:?}")
                });
            }
            Err(error) => findings.judge(Invariant::History, false, || error.to_string()),
        }
    }
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
