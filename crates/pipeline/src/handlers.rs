//! What Tessera itself can do in a step, for each kind.
//!
//! These are short, touch Tessera's own state only, and may be looked at again and again:
//! whoever carries them out writes what came of it in the same commit.

use tessera_types::KindName;

use crate::compile::Handler;

const fn handler(name: &'static str, what: &'static str) -> Handler {
    Handler { name, what, arguments: &[] }
}

const MARK_READY: Handler = handler("mark_ready", "says that all that it needs is there");
const ARCHIVE: Handler = handler("archive", "keeps a record of what it was, as its output");

pub(crate) const CREATE_WORKLOADS: &str = "create_workloads";

const OF_PODS: [Handler; 8] = [
    handler("bind_host", "waits for a host, and gives its name"),
    handler("ports_alloc", "gives the ports of the host that the pod was given"),
    handler(CREATE_WORKLOADS, "makes the workloads of the definition"),
    handler("wait_healthy", "waits until all workloads run and stay up, or have done their work"),
    MARK_READY,
    handler("delete_workloads", "removes the workloads, and waits until they are gone"),
    handler("release_host", "gives the host back, once nothing of the pod is on it"),
    ARCHIVE,
];
const OF_OTHERS: [Handler; 2] = [MARK_READY, ARCHIVE];

/// What Tessera can do in the steps of resources of `kind`.
#[must_use]
pub fn handlers_of(kind: KindName) -> &'static [Handler] {
    match kind {
        KindName::Pod | KindName::PodDefinition => &OF_PODS,
        _ => &OF_OTHERS,
    }
}
